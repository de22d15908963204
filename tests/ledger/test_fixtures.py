"""Each test has a ledger of its own, migrated and empty."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from tests.orphans import erase_orphans, own_folder

from clearlane.ledger.models import metadata


def test_the_ledger_holds_every_table(ledger_engine: sa.Engine) -> None:
    assert set(metadata.tables) - set(sa.inspect(ledger_engine).get_table_names()) == set()


def test_a_ledger_is_written_to(ledger_engine: sa.Engine) -> None:
    _mark(ledger_engine)


def test_another_test_does_not_see_it(ledger_engine: sa.Engine) -> None:
    _mark(ledger_engine)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every account reaches, as it must where PostgreSQL has an account of its own."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_sessions_that_begin_at_once_erase_what_killed_ones_left(folder: Path) -> None:
    gone = [Popen(["true"]) for _ in range(12)]
    orphans = [folder / f"clearlane-tests-{one.pid}" for one in gone if one.wait() == 0]
    for directory in (own_folder(folder), *orphans):
        (directory / "data").mkdir(parents=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(erase_orphans, [folder] * 4))
    assert [one for one in orphans if one.exists()] == []
    assert own_folder(folder).exists()


def _mark(engine: sa.Engine) -> None:
    # Fails where the table is there already, so these two tests prove each other's isolation.
    with engine.begin() as connection:
        connection.execute(sa.text("create table only_mine (n int)"))
