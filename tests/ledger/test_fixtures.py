"""Each test has a ledger of its own, migrated and empty."""

from __future__ import annotations

import sqlalchemy as sa

from clearlane.ledger.models import metadata


def test_the_ledger_holds_every_table(ledger_engine: sa.Engine) -> None:
    assert set(metadata.tables) - set(sa.inspect(ledger_engine).get_table_names()) == set()


def test_a_ledger_is_written_to(ledger_engine: sa.Engine) -> None:
    _mark(ledger_engine)


def test_another_test_does_not_see_it(ledger_engine: sa.Engine) -> None:
    _mark(ledger_engine)


def _mark(engine: sa.Engine) -> None:
    # Fails where the table is there already, so these two tests prove each other's isolation.
    with engine.begin() as connection:
        connection.execute(sa.text("create table only_mine (n int)"))
