"""From Airflow connections to plain addresses: the only place where credentials are read."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from clearlane.privacy.tombstones import Key

LEDGER = "clearlane_ledger"
LEDGER_URL = "CLEARLANE_LEDGER_URL"
LINKS = "clearlane_links"
LINK_SECRET = "CLEARLANE_LINK_SECRET"
PUBLIC_URL = "CLEARLANE_URL"


def address(name: str) -> str:
    """The address of a connection, credentials included; never log it."""
    from airflow.sdk import BaseHook

    return BaseHook.get_connection(name).get_uri()


def ledger_url() -> str:
    """The ledger's address: the connection `clearlane_ledger`, or CLEARLANE_LEDGER_URL where there is none.

    Callbacks of deadlines may read no connection that Airflow's database keeps (3.3): for them there is none.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return address(LEDGER)
    except (AirflowNotFoundException, PermissionError):
        if LEDGER_URL in os.environ:
            return os.environ[LEDGER_URL]
        raise


@lru_cache(maxsize=1)
def _engine(url: str) -> Engine:
    from clearlane.ledger import connect

    return connect(url)


def ledger() -> Engine:
    return _engine(ledger_url())


def dry_run_by_default() -> bool:
    """CLEARLANE_DRY_RUN: true unless it says false; what writes outward is off until it is asked for."""
    return os.environ.get("CLEARLANE_DRY_RUN", "true").strip().lower() != "false"


def data_docs_folder() -> Path:
    """Where Data Docs are kept: CLEARLANE_DATA_DOCS, else `data_docs` in Airflow's home."""
    home = Path(os.environ.get("AIRFLOW_HOME", "."))
    return Path(os.environ.get("CLEARLANE_DATA_DOCS", home / "data_docs"))


def link_secrets() -> tuple[str, ...]:
    """What signs the links of mails: the password of the connection `clearlane_links`, or CLEARLANE_LINK_SECRET.

    Several are separated by blanks: the first signs, all are accepted. None: mails have no links. Never log them.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from clearlane.sla.links import secrets_of

    try:
        said = BaseHook.get_connection(LINKS).password
    except AirflowNotFoundException:
        said = os.environ.get(LINK_SECRET)
    return secrets_of(said or "")


def privacy_key(connection: Connection) -> Key:
    """What new tombstones are hashed with: the password of `clearlane_privacy`, else a secret that the ledger keeps."""
    from secrets import token_hex

    from airflow.sdk.exceptions import AirflowNotFoundException

    from clearlane.privacy import tombstones

    try:
        given = tombstones.secret_of(address(tombstones.CONNECTION))
    except AirflowNotFoundException:
        given = None
    return tombstones.key_for(connection, given, token_hex(32))


def public_url() -> str | None:
    """Where people reach Airflow's UI, for the links in mails: CLEARLANE_URL; None: mails have no links."""
    return os.environ.get(PUBLIC_URL, "").strip() or None
