"""What commands reach for: the clock, the environment, the ledger; and what of it ends as a sentence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearlane.cli.console import stop


def policy_in_force(connection: Any, at: datetime) -> Any:
    from clearlane import policy

    return policy.stored(connection, policy.in_force(connection, at))


@contextmanager
def by_hand() -> Iterator[Any]:
    """Connection, policy in force, how to find a lead, and how to owe the sources what a person decided."""
    from clearlane import explain as stories
    from clearlane import push
    from clearlane.route.byhand import NotPossible
    from clearlane.sla.mails import notices

    def owe(published: Any, made: Any) -> None:
        push.owe(connection, published, made.batch)
        notices.owe(connection, published, made.batch)

    try:
        with open_ledger() as connection:
            published = policy_in_force(connection, this_moment())
            yield (
                connection,
                published,
                lambda lead: stories.find(connection, lead),
                lambda made: owe(published, made),
            )
    except (stories.Unknown, NotPossible) as problem:
        stop(str(problem), code=1)


def this_moment() -> datetime:
    return datetime.now(UTC)


def connection_of(name: str) -> str:
    """The URI of an Airflow connection: of AIRFLOW_CONN_<NAME>, else what `airflow connections get` answers."""
    from clearlane.connectors.address import uri
    from clearlane.connectors.airflow_cli import connection_uri

    variable = f"AIRFLOW_CONN_{name.upper()}"
    said = os.environ.get(variable) or connection_uri(Path(sys.executable).with_name("airflow"), name)
    if not said:
        raise LookupError(
            f"no connection {name}: set {variable}, or add it to Airflow (`airflow connections add`)"
        )
    return uri(json.loads(said)) if said.lstrip().startswith("{") else said


def ledger_url() -> str:
    url = os.environ.get("CLEARLANE_LEDGER_URL")
    if not url:
        stop("CLEARLANE_LEDGER_URL is not set: name the ledger's database, postgresql://USER@HOST/DATABASE")
    return url


@contextmanager
def ledger_engine() -> Iterator[Any]:
    """For what takes several transactions; a ledger that was not migrated ends with its own sentence."""
    from clearlane.ledger import NotMigrated, connect, require_migrated

    engine = connect(ledger_url())
    try:
        with engine.connect() as connection:
            require_migrated(connection)
        yield engine
    except NotMigrated as problem:
        stop(str(problem))
    finally:
        engine.dispose()


@contextmanager
def open_ledger() -> Iterator[Any]:
    with ledger_engine() as engine, engine.begin() as connection:
        yield connection


@contextmanager
def readable() -> Iterator[None]:
    """Input that cannot be read ends with its own sentence and exit code 2."""
    from clearlane.policy import PolicyErrors
    from clearlane.score import Unreadable

    try:
        yield
    except PolicyErrors as errors:
        stop("\n".join(map(str, errors.errors)))
    except (Unreadable, FileNotFoundError) as unreadable:
        stop(str(unreadable))


@contextmanager
def comparable() -> Iterator[None]:
    """A comparison without leads, outcomes, policy or company ends with its own sentence and exit code 2."""
    from clearlane.rehearsal import NotTheSample
    from clearlane.review import NothingToCompare
    from clearlane.review.soundness import TooFew

    try:
        yield
    except (NothingToCompare, NotTheSample, TooFew) as nothing:
        stop(str(nothing))


@contextmanager
def possible() -> Iterator[None]:
    """Records that are not there, or not open any more, end with their own sentence and exit code 1."""
    from clearlane.quality.quarantine import NotPossible

    try:
        yield
    except (LookupError, NotPossible) as problem:
        stop(str(problem), code=1)


@contextmanager
def revivable() -> Iterator[None]:
    """Writes that are not dead end with their own sentence and exit code 1."""
    from clearlane.push.dead import NotPossible

    try:
        yield
    except NotPossible as problem:
        stop(str(problem), code=1)
