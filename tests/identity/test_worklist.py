"""What a batch has to work on: touched leads, the window of a dated run, what a stalled run left."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

JANUARY = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
OLD = ("leads", "crm", {"id": "old", "email": "ada@acme.com", "created_at": "2025-12-01T00:00:00Z"})
NEW = ("leads", "crm", {"id": "new", "email": "bob@acme.com", "created_at": "2026-01-10T00:00:00Z"})
EVENT = (
    "activities",
    "crm",
    {"id": "e", "type": "call", "lead_id": "old", "occurred_at": "2026-01-31T23:59:59Z"},
)


def work(river, batch):
    rows = river.all(
        "select external_id, reason from work join lead using (lead_id) where batch_id = :id",
        id=batch.batch_id,
    )
    return dict(rows)


def test_a_backfill_works_on_what_its_window_holds(river):
    river.run(OLD, NEW, EVENT)
    assert work(river, river.run(run_type="backfill", mode="shadow", window=JANUARY)) == {
        "new": "revision", "old": "activity",
    }  # fmt: skip
    march = (JANUARY[1], datetime(2026, 3, 1, tzinfo=UTC))
    assert work(river, river.run(run_type="backfill", mode="shadow", window=march)) == {}


def test_a_scheduled_run_works_on_what_it_consumed(river):
    river.run(OLD, NEW, EVENT)
    assert work(river, river.run(run_type="scheduled", window=JANUARY)) == {}
    changed = (*NEW[:2], {**NEW[2], "title": "CEO"})
    assert work(river, river.run(changed, run_type="scheduled", window=JANUARY)) == {"new": "revision"}


DEAD = "update batch set opened_at = opened_at - interval '7 hours' where batch_id = :id"
CLOSED = "update batch set closed_at = opened_at where batch_id = :id"


@pytest.mark.parametrize("end", [DEAD, CLOSED], ids=["dead", "closed"])
def test_a_sweep_takes_what_an_earlier_run_left_waiting(river, end):
    earlier = river.run(NEW)
    assert work(river, river.run()) == {}
    with river.engine.begin() as connection:
        connection.execute(sa.text(end), {"id": earlier.batch_id})
    assert work(river, river.run(run_type="backfill")) == {}
    assert work(river, river.run()) == {"new": "waiting"}


def test_a_sweep_leaves_a_dead_backfill_to_whoever_clears_it(river):
    """What a backfill was to decide in shadow must not be routed live by the next run that comes by."""
    earlier = river.run(NEW, run_type="backfill", mode="shadow", window=JANUARY)
    with river.engine.begin() as connection:
        connection.execute(sa.text(DEAD), {"id": earlier.batch_id})
    assert work(river, river.run()) == {}


def test_work_follows_a_merge_by_another_run(river):
    batch = river.run(NEW)
    river.run(
        ("leads", "forms", {"id": "older", "email": "bob@acme.com", "created_at": "2026-01-09T00:00:00Z"})
    )
    river.identify(batch)
    assert work(river, batch) == {"older": "revision"}
