"""Connections to the ledger and its migrations."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

MIGRATIONS = Path(__file__).parent / "migrations"


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
