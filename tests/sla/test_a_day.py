"""A day of many leads: touches that show up late and out of order, runs left out and repeated, owners who stay silent.

The true touches are known to the test only. In the end each owner's promise was told as broken exactly where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch
from tests.sla.test_watch import POLICY

from clearlane import ledger
from clearlane.ledger import doctor
from clearlane.policy.model import Silent, Span

START = MONDAY_NOON.replace(hour=9)
LAG = 30 * MINUTE
DELAYS = (2, 20, 45, 59, 61, 80, None, None, None)
"""minutes after which an owner touches a lead; None: never"""
CRM = POLICY.sources.sources["crm"]
SLOW = {**CRM.objects, "outcomes": replace(CRM.objects["outcomes"], lag=LAG)}
OF = replace(
    POLICY,
    sources=replace(POLICY.sources, sources={"crm": replace(CRM, objects=SLOW)}),
    sla=replace(
        POLICY.sla,
        queues={"exceptions": Span(60, "minutes"), "held": Span(60, "minutes")},
        silent=Silent(2, timedelta(days=5)),
    ),
)


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


@dataclass
class Reps:
    """Who decides once for each lead given whether and when to call, and when the CRM shows it."""

    world: Watch
    random: Random
    decided: set[int] = field(default_factory=set)
    called: list[tuple[datetime, UUID, datetime, str]] = field(default_factory=list)

    def work(self, at: datetime) -> None:
        given = "select assignment_id, lead_id, rep_id, started_at from assignment where ended_at is null"
        for row in self.world.rows(given):
            delay = self.random.choice(DELAYS)
            if row["assignment_id"] not in self.decided and delay is not None:
                touched = row["started_at"] + delay * MINUTE
                shown = touched + self.random.randint(0, 29) * MINUTE
                self.called.append((shown, row["lead_id"], touched, row["rep_id"]))
                again = touched + 3 * MINUTE  # which may show up before
                self.called.append((again + MINUTE, row["lead_id"], again, row["rep_id"]))
            self.decided.add(row["assignment_id"])
        for call in [call for call in self.called if call[0] <= at]:
            self.called.remove(call)
            self.world.touched(call[1], call[2], call[3])


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4))
def test_each_broken_promise_is_told_once_and_no_kept_one(world: Watch, seed: int) -> None:
    random = Random(seed)
    reps = Reps(world, random)
    for step in range(96):
        at = START + step * 5 * MINUTE
        if step < 40 and random.random() < 0.5:
            world.run(OF, [world.lead(f"S{step}", created_at=at)], as_of=at)
        reps.work(at)
        for _ in range(random.choice([0, 1, 1, 1, 2])):
            world.watch(OF, at)
    end = START + timedelta(hours=20)
    world.watch(OF, end)
    assert [clock for clock in clocks(world) if not honest(clock, end)] == []
    assert not world.rows("select from place where place not in ('owned', 'exceptions', 'held', 'pool')")
    with world.engine.connect() as connection:
        found = {one.check.id: one.count for one in doctor.examine(connection)}
    assert not found["promises_are_told_once"]
    assert not found["owned_is_assigned"]
    twice = "select from mail where kind in ('warn', 'breach') group by clock_id, person, kind having count(*) > 1"
    assert not world.rows(twice)


def clocks(world: Watch) -> list[dict[str, Any]]:
    """The owners' clocks with the touches of their lead, and what was told of each."""
    return world.rows(
        "select k.clock_id, k.started_at, k.due_at, k.ended_at,"
        " array(select occurred_at from outcome o where o.lead_id = k.lead_id and o.kind = 'first_touch') as touches,"
        " array(select kind from sla_event e where e.clock_id = k.clock_id order by event_id) as told"
        " from sla_clock k where k.kind = 'assignment'"
    )


def honest(clock: dict[str, Any], end: datetime) -> bool:
    early = clock["started_at"] - 5 * MINUTE
    if any(early <= at <= clock["due_at"] for at in clock["touches"]):
        return not {"breach", "reassign"} & set(clock["told"])
    left = clock["ended_at"] is not None and clock["ended_at"] <= clock["due_at"]
    return left or clock["due_at"] >= end - LAG or clock["told"].count("breach") == 1
