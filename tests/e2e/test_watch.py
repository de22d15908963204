"""The watch over the generated company: what it tells is what a plain reading of the touches says, and replays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import END
from tests.e2e.rivers import River, no_secrets

from clearlane import replay, steps
from clearlane.ledger import doctor

LATER = END + timedelta(hours=30)


@pytest.fixture
def river(new_river: Callable[..., River], all_days: str) -> River:
    return new_river("watched", all_days)


def watch(river: River, at: datetime, run_type: str = "scheduled") -> dict[str, int]:
    batch = steps.open_batch(
        river.engine, dag_id="sla_watch", run_id=f"{run_type}__{at.isoformat()}", run_type=run_type, mode="auto",
        dry_run=True, window=(at - timedelta(minutes=5), at), as_of=at, code_version="test",
    )  # fmt: skip
    return dict(steps.watch(river.engine, str(batch.batch_id), at, no_secrets))


def asked(river: River, query: str, **bound: Any) -> list[tuple[Any, ...]]:
    with river.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), bound)]


def broken(river: River) -> set[int]:
    """Clocks of owners that fell due before LATER without a touch of their lead since they began, one by one."""
    touches: dict[Any, list[datetime]] = {}
    for person, at in asked(
        river,
        "select survivor_id, occurred_at from outcome join lead using (lead_id)"
        " where kind in ('first_touch', 'meeting')",
    ):
        touches.setdefault(person, []).append(at)
    found = set()
    for clock, person, started, due in asked(
        river,
        "select clock_id, survivor_id, started_at, due_at from sla_clock join lead using (lead_id)"
        " where kind = 'assignment' and due_at < :later and (ended_at is null or ended_at > due_at)",
        later=LATER,
    ):
        early = started - timedelta(minutes=5)
        if not any(early <= at <= due for at in touches.get(person, ())):
            found.add(clock)
    return found


def test_what_is_told_is_true_once_and_decisions_replay(river: River) -> None:
    expected = broken(river)
    counts = watch(river, LATER)
    told = asked(
        river, "select clock_id from sla_event where kind = 'breach' and detail ->> 'clock' = 'assignment'"
    )
    assert {clock for (clock,) in told} == expected
    assert len(expected) > 5
    assert counts["breached"] >= len(expected)
    assert counts["reassigned"] == len(asked(river, "select from sla_event where kind = 'reassign'")) > 0

    before = asked(river, "select event_id from sla_event")
    assert watch(river, LATER - timedelta(hours=5))["breached"] == 0
    assert watch(river, LATER + timedelta(hours=1), run_type="backfill")["breached"] == 0
    assert asked(river, "select event_id from sla_event") == before
    with river.engine.connect() as connection:
        assert [one.check.id for one in doctor.examine(connection) if one.count] == []
        assert replay.finding(connection).count == 0


WORKED = """
select a.lead_id, a.rep_id, a.started_at, l.source, l.external_id from assignment a join lead l using (lead_id)
join sla_clock k on k.lead_id = a.lead_id and k.decision_seq = a.decision_seq and k.kind = 'assignment'
where a.ended_at is null and a.by = 'clearlane' and k.tier = 'hot' and l.survivor_id = l.lead_id
order by a.started_at desc limit 1
"""
TOUCH = """
with noted as (insert into touch_due (lead_id) values (:lead_id))
insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, rep_id)
values (gen_random_uuid(), :source, :external_id, :lead_id, 'first_touch', :at, :rep_id)
"""


def test_who_is_called_in_vain_rests(river: River) -> None:
    lead = asked_one(river, WORKED)
    with river.engine.begin() as connection:
        for forget in (
            "delete from outcome where lead_id = :lead",
            "update sla_clock set met_at = null where lead_id = :lead",
        ):
            connection.execute(sa.text(forget), {"lead": lead["lead_id"]})
    for hours in range(8):
        with river.engine.begin() as connection:
            connection.execute(
                sa.text(TOUCH), {**lead, "at": lead["started_at"] + timedelta(hours=hours, minutes=1)}
            )
    watch(river, END + timedelta(minutes=5))
    over = END + timedelta(days=21)
    assert watch(river, over)["exhausted"] == 1
    steps.score_refresh(river.engine, over + timedelta(hours=1))
    watch(river, over + timedelta(hours=2))
    place = asked_one(river, "select place, reason from place where lead_id = :lead", lead=lead["lead_id"])
    assert place == {"place": "nurture", "reason": "recycled"}


def asked_one(river: River, query: str, **bound: Any) -> dict[str, Any]:
    with river.engine.connect() as connection:
        return dict(connection.execute(sa.text(query), bound).mappings().one())
