"""Connections to the ledger and its migrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"


class NotMigrated(RuntimeError):
    """The ledger's tables are older than the code; the text says what to run."""


def connect(url: str) -> Engine:
    """An engine on the ledger: psycopg 3, sessions in UTC, dead connections found before use.

    Its errors keep the values of a statement to themselves: they end in task logs.
    """
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    return sa.create_engine(
        address,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": "-c timezone=UTC -c application_name=clearlane", "connect_timeout": 10},
    )


def migrate(url: str, revision: str = "head") -> None:
    """Bring the ledger's tables to a revision; safe when several processes try at once."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = connect(url)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def require_migrated(connection: Connection) -> None:
    """Raises NotMigrated where a ledger of an earlier release, or an empty database, was not migrated."""
    made = connection.execute(sa.text("select to_regclass('alembic_version') is not null")).scalar()
    found = made and connection.execute(sa.text("select version_num from alembic_version")).scalar()
    if not found:
        raise NotMigrated("this database holds no ledger yet: run `clearlane migrate`")
    if found < _newest():
        raise NotMigrated(
            f"the ledger is at migration {found}, this release needs {_newest()}: run `clearlane migrate`"
        )


@cache
def _newest() -> str:
    """The number of the last migration that this release knows."""
    return max(path.stem[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
