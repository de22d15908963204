"""Whatever order touches arrive in, and whichever runs are left out, repeated or late: the log says what happened.

A plain model knows the true touches and says which promises were warned of and broken. The ledger learns of the touches
late and out of order, its source is read now and then; once all is read its log is the model's. On the way nothing is
told that the model does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch
from tests.sla.test_watch import DUE, POLICY, WARN
from tests.sla.test_watch import given as given_at_noon

from clearlane import ledger

LEADS = 3
END = 85
"""minutes: before owners lose leads, for then later clocks depend on when the run came"""
minutes = st.integers(1, END)
touches = st.lists(st.tuples(st.integers(0, LEADS - 1), minutes, st.integers(0, 30)), max_size=6)
"""(lead, minute of the touch, minutes until the source shows it)"""
runs = st.lists(st.tuples(minutes, st.booleans(), st.integers(1, 2)), max_size=6)
"""(minute, could the source be read, how often the run runs)"""


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


def truth(touched: list[tuple[int, int, int]]) -> set[tuple[int, str]]:
    """What is to be told of the owner's promise of each lead, by the true touches."""
    first = {lead: min(at for who, at, _ in touched if who == lead) for lead, *_ in touched}
    when = {lead: MONDAY_NOON + first[lead] * MINUTE if lead in first else None for lead in range(LEADS)}
    told = {(lead, "warn") for lead, at in when.items() if at is None or at > WARN}
    return told | {(lead, "breach") for lead, at in when.items() if at is None or at > DUE}


def told(world: Watch, leads: list[UUID]) -> list[tuple[int, str]]:
    rows = world.rows(
        "select lead_id, kind from sla_event where kind in ('warn', 'breach') and detail ->> 'clock' = 'assignment'"
    )
    return sorted((leads.index(row["lead_id"]), row["kind"]) for row in rows)


def begin(world: Watch) -> list[UUID]:
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "truncate lead, place, inbox, lead_revision, lead_profile, batch, work, score, decision, turn, assignment,"
            " sla_clock, sla_event, outcome, source_state, mail, routing_event, suspension, sla_owed cascade"
        )
    return [given_at_noon(world, f"L{number}") for number in range(LEADS)]


@given(touches, runs)
@settings(max_examples=examples(5, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_log_is_the_truth_whenever_runs_come_and_touches_arrive(
    world: Watch, touched: list[tuple[int, int, int]], came: list[tuple[int, bool, int]]
) -> None:
    leads = begin(world)
    true, shown = truth(touched), set[int]()
    read = 0
    for at, readable, times in sorted(came):
        # Up to here the source shows all touches: what it holds back keeps its mark from moving.
        if readable:
            seen = [n for n, (_, when, late) in enumerate(touched) if when + late <= at]
            for number in set(seen) - shown:
                world.touched(leads[touched[number][0]], _at(touched[number][1]))
            shown |= set(seen)
            hidden = [when for n, (_, when, _) in enumerate(touched) if n not in shown]
            read = max(read, min([at, *hidden]))
        world.read(_at(read))
        batch = world.run_of(_at(at))
        for _ in range(times):
            world.sweep(POLICY, batch)
        assert set(told(world, leads)) <= true
    for number in set(range(len(touched))) - shown:
        world.touched(leads[touched[number][0]], _at(touched[number][1]))
    world.watch(POLICY, _at(END) + timedelta(minutes=1))
    assert told(world, leads) == sorted(true)


def _at(minute: int) -> datetime:
    return MONDAY_NOON + minute * MINUTE


def test_two_sweeps_at_once_tell_each_thing_once(world: Watch) -> None:
    leads = [given_at_noon(world, f"L{number}") for number in range(8)]
    world.read(DUE + MINUTE)
    batches = [world.run_of(DUE + MINUTE) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        swept: list[Any] = list(pool.map(lambda batch: world.sweep(POLICY, batch), batches))
    assert sum(one.breached for one in swept) == 2 * len(leads)
    assert told(world, leads) == sorted((n, kind) for n in range(8) for kind in ("warn", "breach"))
    mails = world.rows(
        "select key, count(*) from mail where kind in ('warn', 'breach') group by 1 having count(*) > 1"
    )
    assert mails == []
