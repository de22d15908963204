"""After the first touch: attempts in time keep the promise, too few tell the manager, all in vain let the lead rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch, watched

from clearlane import ledger
from clearlane.policy.model import FollowUp, Recycling, Span, Tier

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WARM = Tier("warm", Span(4, "hours"), None, "rep")
SLA = replace(
    watched().sla,
    tiers={**watched().sla.tiers, "warm": WARM},
    follow_up={"warm": FollowUp(3, Span(2, "days"), "no answer")},
    stage_limit={"accepted": Span(3, "days")},
)
POLICY = replace(watched(), sla=SLA)
POLICY = replace(
    POLICY, scoring=replace(POLICY.scoring, recycling=Recycling(("rejected",), {"no answer": 30 * DAY}))
)
TOUCHED = MONDAY_NOON + 10 * MINUTE
DUE = TOUCHED + 2 * DAY


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


@pytest.fixture
def lead(world: Watch) -> UUID:
    """Given at noon, touched at ten past."""
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(POLICY, [lead])
    world.touched(lead, TOUCHED)
    world.watch(POLICY, TOUCHED + 5 * MINUTE)
    return lead


def follow_ups(world: Watch) -> list[tuple[object, ...]]:
    return [one for one in world.events("kind", "detail ->> 'clock'", "to_rep_id") if one[1] == "follow_up"]


def test_a_follow_up_begins_with_the_first_touch_and_is_due_in_business_days(
    world: Watch, lead: UUID
) -> None:
    clock = world.rows("select started_at, due_at, met_at from sla_clock where kind = 'follow_up'")
    assert clock == [{"started_at": TOUCHED, "due_at": DUE, "met_at": None}]
    world.watch(POLICY, TOUCHED + 10 * MINUTE)
    assert len(world.rows("select from sla_clock where kind = 'follow_up'")) == 1


def test_too_few_attempts_are_told_to_the_manager_and_the_lead_stays(world: Watch, lead: UUID) -> None:
    world.touched(lead, TOUCHED + HOUR)
    world.watch(POLICY, DUE + 5 * MINUTE)
    assert follow_ups(world) == [("breach", "follow_up", "mia")]
    assert world.place(lead)[0] == "owned"
    assert not world.rows("select from suspension")


def test_attempts_that_become_known_in_another_order_than_they_were_made_count(
    world: Watch, lead: UUID
) -> None:
    """The last in time is read after one that came too late."""
    for hours in (1, 60):
        world.touched(lead, TOUCHED + hours * HOUR)
    batch = world.run_of(TOUCHED + 61 * HOUR)
    world.sweep(POLICY, batch)
    world.touched(lead, TOUCHED + 3 * HOUR)
    world.watch(POLICY, TOUCHED + 62 * HOUR)
    assert {kind for kind, *_ in follow_ups(world)} == {"unverified", "verified", "exhausted"}


def test_attempts_in_vain_let_the_lead_rest_for_the_reason(world: Watch, lead: UUID) -> None:
    for hours in (1, 2, 3):
        world.touched(lead, TOUCHED + hours * HOUR)
    assert world.watch(POLICY, DUE).exhausted == 0
    assert world.watch(POLICY, DUE + 5 * MINUTE).exhausted == 1
    assert world.watch(POLICY, DUE + 10 * MINUTE).exhausted == 0
    assert follow_ups(world) == [("exhausted", "follow_up", "mia")]
    assert world.rows("select kind, reason, occurred_at from outcome where kind = 'rejected'") == [
        {"kind": "rejected", "reason": "no answer", "occurred_at": DUE}
    ]


def test_nobody_rests_before_all_of_before_the_due_moment_is_read(world: Watch, lead: UUID) -> None:
    for hours in (1, 2, 3):
        world.touched(lead, TOUCHED + hours * HOUR)
    world.read(DUE - MINUTE)
    assert world.watch(POLICY, DUE + 5 * MINUTE, read=False).exhausted == 0
    world.touched(lead, DUE - 2 * MINUTE, kind="meeting")
    assert world.watch(POLICY, DUE + 10 * MINUTE).exhausted == 0


@pytest.mark.parametrize("kind", ["meeting", "sql", "rejected"])
def test_a_result_ends_what_is_owed(world: Watch, lead: UUID, kind: str) -> None:
    world.touched(lead, TOUCHED + HOUR, kind=kind)
    world.watch(POLICY, DUE + 5 * MINUTE)
    assert follow_ups(world) == []
    assert not world.rows("select from outcome where occurred_at = :at", at=DUE)


def test_a_lead_that_stays_in_a_stage_is_told_to_the_manager_once(world: Watch, lead: UUID) -> None:
    entered = TOUCHED + HOUR
    world.touched(lead, entered, kind="meeting")
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into standing (lead_id, as_of, score_id, score, total, fit, engagement, negative, band,"
            " band_since, grade, stage) select lead_id, as_of, score_id, score, total, fit, engagement, negative, band,"
            " as_of, grade, 'accepted' from score"
        )
        connection.exec_driver_sql(
            "insert into stage_entry (lead_id, stage, entered_at, because) select lead_id, 'accepted', %s, 'said'"
            " from standing",
            (entered,),
        )
    world.watch(POLICY, entered + HOUR)
    for days in (2, 4, 5):
        world.watch(POLICY, entered + days * DAY)
    assert follow_ups(world) == [("breach", "follow_up", "mia")]
    stages = world.rows("select place, due_at from sla_clock where kind = 'follow_up' and place is not null")
    assert stages == [{"place": "accepted", "due_at": entered + 3 * DAY}]
