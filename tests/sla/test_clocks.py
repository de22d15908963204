"""Clocks computed anew are those that routing and the watch stored; pauses put them off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import MONDAY_NOON, OFFICE
from tests.sla.promises import MINUTE, Watch, watched

from clearlane import ledger
from clearlane.ledger import Batch, ids
from clearlane.policy.model import OnCall, Policy, Span, Tier, TimeOff
from clearlane.route.byhand import NotPossible
from clearlane.route.calendars import due as falls_due
from clearlane.route.calendars import rep_calendar
from clearlane.sla import clocks, pauses

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WARM = Tier("warm", Span(4, "hours"), Span(2, "hours"), "rep", 0.5, 2.0)
COOL = Tier("cool", Span(2, "days"), None, "team", 0.5, 2.0)
CALLS = Tier("hot", Span(5, "minutes"), Span(15, "minutes"), "rep", lead_hours=(time(8), time(20)))
QUEUES: Any = {"pool": Span(4, "hours"), "held": Span(2, "hours"), "exceptions": Span(1, "days")}


def firm() -> Policy:
    """Ana works in New York, Ben is off on Tuesday, Cyd on call on Monday night; later dates are asked by `later`."""
    of = watched(
        tiers={"hot": CALLS, "warm": WARM, "cool": COOL, "none": Tier("none", None, None, "always")},
        by_band={"hot": "hot", "warm": "warm", "cool": "cool", "cold": "none"}, queues=QUEUES, later={"later": "until"},
    )  # fmt: skip
    reps = dict(of.teams.reps)
    reps["ana"] = replace(reps["ana"], zone="America/New_York")
    reps["ben"] = replace(reps["ben"], time_off=(TimeOff(date(2026, 3, 3), date(2026, 3, 3), "off"),))
    duty = OnCall("sales", "cyd", MONDAY_NOON + 6 * HOUR, MONDAY_NOON + 12 * HOUR)
    return replace(of, teams=replace(of.teams, reps=reps, on_call=(duty,)))


FIRM = firm()
NUMBERS = count()


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


def computed(world: Watch, at: datetime, *leads: UUID) -> pd.DataFrame:
    with world.engine.begin() as connection:
        return clocks.recomputed(connection, FIRM, at, leads or None).set_index("clock_id")


def stored(world: Watch) -> list[dict[str, Any]]:
    return world.rows("select * from sla_clock order by clock_id")


def same_moments(world: Watch, at: datetime) -> None:
    frame = computed(world, at)
    for row in stored(world):
        if row["started_at"] <= at:
            found = frame.loc[row["clock_id"]]
            for name in clocks.MOMENTS:
                moment = None if pd.isna(found[name]) else found[name].to_pydatetime()
                assert moment == row[name], (name, row["kind"], row["tier"], row["rep_id"], row["place"])


@settings(
    max_examples=examples(6, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["hot", "warm", "cool", "cold"]),
            st.sampled_from([None, "America/Chicago", "Asia/Tokyo"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 30 * 60),
    st.lists(st.integers(1, 4 * 24 * 60), max_size=3),
    st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), max_size=2),
    st.integers(10, 5 * 24 * 60),
)
def test_what_is_computed_is_what_routing_and_the_watch_stored(
    ledger_server, ledger_template, leads, later, touches, stops, until
):
    """Any leads, touches and pauses: also as of each moment at which a run of the watch looked."""
    database = f"clocks_{next(NUMBERS)}"
    ledger_server.create(database, ledger_template)
    world = Watch(ledger.connect(ledger_server.url(database)))
    try:
        start = MONDAY_NOON + later * MINUTE
        given = [
            (world.lead(f"L{n}", created_at=start - HOUR, zone=zone), band, asks)
            for n, (band, zone, asks) in enumerate(leads)
        ]
        for lead, band, asks in given:
            world.run(FIRM, [lead], band=band, hand_raise=asks, as_of=start)
        same_moments(world, start)
        for minutes, (lead, _, _) in zip(touches, given, strict=False):
            world.touched(lead, start + minutes * MINUTE)
        for (begins, takes), (lead, _, _) in zip(sorted(stops), given, strict=False):
            stop(world, lead, start + begins * MINUTE, start + (begins + takes) * MINUTE)
        end = start + until * MINUTE
        for at in (start + (end - start) / 3, end):
            batch = world.run_of(at)
            world.read(at)
            world.sweep(FIRM, batch)
            with world.engine.begin() as connection:
                ledger.close_batch(connection, batch.batch_id)
        frame = computed(world, end)
        for row in stored(world):
            found = frame.loc[row["clock_id"]]
            if row["met_at"] is None:
                assert found["due_at"].to_pydatetime() == row["due_at"]
            assert (found["warned"], found["breached"]) == (
                bool(row["warned_at"]),
                bool(row["breached_at"]),
            ), row
    finally:
        world.engine.dispose()
        ledger_server.drop(database)


def stop(world: Watch, lead: UUID, at: datetime, until: datetime) -> None:
    try:
        with world.engine.begin() as connection:
            pauses.pause(connection, FIRM, lead, until=until, by="ada", because="asked", at=at)
    except NotPossible:
        pass


def test_states_of_any_moment(world: Watch) -> None:
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(FIRM, [lead], band="cool")
    states = [computed(world, MONDAY_NOON + hours * HOUR).state.iloc[1] for hours in (1, 22, 47, 49)]
    assert states == ["open", "open", "warned", "breached"]
    world.touched(lead, MONDAY_NOON + 30 * HOUR)
    world.watch(FIRM, MONDAY_NOON + 50 * HOUR)
    states = [computed(world, MONDAY_NOON + hours * HOUR).state.iloc[1] for hours in (29, 31, 60)]
    assert states == ["warned", "met", "met"]
    assert computed(world, MONDAY_NOON - HOUR).empty


def test_a_pause_puts_off_what_has_not_come_yet_by_its_business_time(world: Watch) -> None:
    """Warned on Tuesday noon, due on Wednesday noon; paused from Tuesday at one until Sunday: 28 hours of work."""
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(FIRM, [lead], band="cool")
    before = {row["clock_id"]: row for row in stored(world)}
    began, until = MONDAY_NOON + 25 * HOUR, MONDAY_NOON + 6 * DAY
    world.watch(FIRM, began)
    stop(world, lead, began, until)
    paused = computed(world, began + HOUR, lead)
    for row in stored(world):
        assert row["warn_at"] == before[row["clock_id"]]["warn_at"]
        assert (row["due_at"], row["paused_at"]) == (MONDAY_NOON + 7 * DAY + 4 * HOUR, began)
        assert paused.loc[row["clock_id"]].state == "paused"
    same_moments(world, began + HOUR)
    world.watch(FIRM, until + MINUTE)
    assert not world.rows("select from sla_clock where paused_at is not null")
    assert world.events("kind", lead=lead) == [("warn",)]
    world.watch(FIRM, MONDAY_NOON + 7 * DAY + 5 * HOUR)
    assert world.count("sla_event where kind = 'breach'") == 2


def test_a_pause_over_the_weekend_takes_no_business_time(world: Watch) -> None:
    friday = MONDAY_NOON + 4 * DAY
    lead = world.lead("L", created_at=friday)
    world.run(FIRM, [lead], band="cool", as_of=friday)
    before = stored(world)
    stop(world, lead, friday.replace(hour=17), friday + 2 * DAY)
    assert [row["due_at"] for row in stored(world)] == [row["due_at"] for row in before]


def test_a_lead_may_be_resumed_before_its_time(world: Watch) -> None:
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(FIRM, [lead], band="cool")
    stop(world, lead, MONDAY_NOON + HOUR, MONDAY_NOON + 9 * DAY)
    with world.engine.begin() as connection:
        assert pauses.resume(connection, FIRM, lead, at=MONDAY_NOON + 3 * HOUR) == 2
    [first, *_] = stored(world)
    assert (first["due_at"], first["paused_at"]) == (MONDAY_NOON + 2 * DAY + 2 * HOUR, None)
    same_moments(world, MONDAY_NOON + 3 * HOUR)


@pytest.mark.parametrize(
    ("until", "because", "said"),
    [(-HOUR, "holiday", "is past"), (HOUR, " ", "--because is empty"), (HOUR, "holiday", "owed nothing")],
)
def test_what_cannot_be_paused(world: Watch, until: timedelta, because: str, said: str) -> None:
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(FIRM, [lead], band="cold")
    with pytest.raises(NotPossible, match=said), world.engine.begin() as connection:
        pauses.pause(
            connection, FIRM, lead, until=MONDAY_NOON + until, by="ada", because=because, at=MONDAY_NOON
        )


def test_a_lead_is_paused_once_at_a_time_and_resumed_once(world: Watch) -> None:
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(FIRM, [lead])
    stop(world, lead, MONDAY_NOON + HOUR, MONDAY_NOON + DAY)
    about = {"by": "ada", "because": "again", "at": MONDAY_NOON + 2 * HOUR}
    with world.engine.begin() as connection:
        with pytest.raises(NotPossible, match="is paused until 2026-03-03 12:00Z"):
            pauses.pause(connection, FIRM, lead, until=MONDAY_NOON + 2 * DAY, **about)
        pauses.resume(connection, FIRM, lead, at=MONDAY_NOON + 2 * HOUR)
        with pytest.raises(NotPossible, match="is not paused"):
            pauses.resume(connection, FIRM, lead, at=MONDAY_NOON + 2 * HOUR)


def asked(world: Watch, lead: UUID, at: datetime, until: str) -> None:
    """An activity by which the lead asks for a later date."""
    seq = world.arrives(lead, None)
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into activity (activity_id, lead_id, source, type, occurred_at, attributes, seq)"
                " values (:id, :lead, 'crm', 'later', :at, jsonb_build_object('until', cast(:until as text)), :seq)"
            ),
            {
                "id": ids.named("activity", str(lead), until),
                "lead": lead,
                "at": at,
                "until": until,
                "seq": seq,
            },
        )


def test_a_lead_that_asks_for_a_later_date_is_left_alone_until_then(world: Watch) -> None:
    leads = [world.lead(name, created_at=MONDAY_NOON) for name in ("dated", "vague", "past", "silent")]
    world.run(FIRM, leads, band="cool")
    wishes = ("2026-03-20", "after the holidays", "2026-01-01T00:00:00Z")
    for lead, until in zip(leads, wishes, strict=False):
        asked(world, lead, MONDAY_NOON + HOUR, until)
    for hours in (2, 3):
        world.watch(FIRM, MONDAY_NOON + hours * HOUR)
    [pause] = world.rows("select lead_id, by, until from pause")
    assert pause == {"lead_id": leads[0], "by": None, "until": datetime(2026, 3, 20, tzinfo=UTC)}
    world.watch(FIRM, MONDAY_NOON + 5 * DAY)
    breached = {row["lead_id"] for row in world.rows("select lead_id from sla_event where kind = 'breach'")}
    assert breached == set(leads[1:])


def test_a_pause_is_of_the_person_whichever_record_it_was_said_of(world: Watch) -> None:
    one, other = (world.lead(name, created_at=MONDAY_NOON) for name in ("A", "B"))
    world.run(FIRM, [one], band="cool")
    with world.engine.begin() as connection:
        connection.execute(sa.text("update lead set survivor_id = :one where lead_id = :other"),
                           {"one": one, "other": other})  # fmt: skip
    asked(world, other, MONDAY_NOON + HOUR, "2026-03-20")
    world.watch(FIRM, MONDAY_NOON + 2 * HOUR)
    assert all(row["paused_at"] for row in stored(world))


def test_the_calendar_of_a_clock_is_that_of_who_owes_it() -> None:
    start = MONDAY_NOON
    assert (
        falls_due(start, Span(5, "minutes"), rep_calendar(FIRM.teams.reps["ana"]))
        == start + 2 * HOUR + 5 * MINUTE
    )
    assert OFFICE[1] == ((time(9), time(17)),)


def test_batches_of_nothing(world: Watch) -> None:
    batch: Batch = world.run_of(MONDAY_NOON)
    with world.engine.begin() as connection:
        assert pauses.keep(connection, FIRM, batch) == 0
        assert clocks.recomputed(connection, FIRM, MONDAY_NOON).empty
