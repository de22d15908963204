"""The batch row is written once; its mode follows the run unless the run says otherwise."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
import sqlalchemy as sa

from clearlane.ledger import batch_of, close_batch, mode_of, open_batch

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RUN = {
    "dag_id": "lead_flow",
    "run_id": "manual__1",
    "run_type": "manual",
    "mode": "auto",
    "dry_run": False,
    "window": None,
    "as_of": NOON,
    "sources": ("crm",),
    "policy": {"scoring": "a" * 64},
    "code_version": "0.1.0",
}


@pytest.mark.parametrize(
    ("asked", "run_type", "mode"),
    [
        ("auto", "scheduled", "live"),
        ("auto", "manual", "live"),
        ("auto", "asset_triggered", "live"),
        ("auto", "backfill", "shadow"),
        ("live", "backfill", "live"),
        ("shadow", "scheduled", "shadow"),
    ],
)
def test_auto_is_shadow_for_a_backfill_only(asked, run_type, mode):
    assert mode_of(asked, run_type) == mode


def test_a_second_opening_changes_nothing(ledger_engine):
    with ledger_engine.begin() as connection:
        first = open_batch(connection, **RUN)
        later = {**RUN, "as_of": NOON.replace(hour=13), "mode": "shadow", "policy": {}}
        assert open_batch(connection, **later) == first
    assert first.live
    assert first.takes_unclaimed
    assert first.as_of == NOON


def test_a_live_backfill_takes_nothing_unclaimed(ledger_engine):
    with ledger_engine.begin() as connection:
        run = open_batch(connection, **{**RUN, "run_type": "backfill", "mode": "live"})
    assert run.live
    assert not run.takes_unclaimed


def test_the_first_end_stands(ledger_engine):
    with ledger_engine.begin() as connection:
        run = open_batch(connection, **RUN)
        close_batch(connection, run.batch_id)
        closed = sa.text("select closed_at from batch")
        first = connection.execute(closed).scalar_one()
        close_batch(connection, run.batch_id)
        assert connection.execute(closed).scalar_one() == first


def test_an_unknown_batch_is_named(ledger_engine):
    missing = uuid4()
    with ledger_engine.begin() as connection, pytest.raises(LookupError, match=str(missing)):
        batch_of(connection, missing)
