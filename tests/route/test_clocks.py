"""The clocks that decisions start: warned, due, taken away; waits in queues; who owed it at each moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from tests.route.conftest import World, banded
from tests.route.firms import MONDAY_NOON, OFFICE, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_covers import FRIDAY, LEAVE, MONDAY, TUESDAY, firm, lived
from tests.route.test_events import outcome
from tests.route.test_events import tell as event
from tests.route.test_run import merge

from clearlane.policy.model import Policy, Span, TierChoice, TimeOff
from clearlane.route import pools
from clearlane.route.calendars import Calendar, due

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WAITS = replace(
    SLA, queues={"pool": Span(4, "hours"), "held": Span(1, "hours"), "exceptions": Span(2, "hours")}
)


def sold_by(*ladder: Any, sla: Any = WAITS, **options: Any) -> Policy:
    staff = teams([rep("ana", **options), rep("ben")], team("sales", "ana"), team("others", "ben"))
    return banded(policy(routing(rule("rest", "true", *ladder)), staff, sla=sla))


def clocks(world: World, lead: UUID, *kinds: str) -> list[dict[str, Any]]:
    asked = "select * from sla_clock where lead_id = :lead and kind = any(:kinds) order by clock_id"
    return world.rows(asked, lead=lead, kinds=list(kinds))


def owed(world: World, lead: UUID, kind: str = "arrival") -> list[tuple[Any, ...]]:
    """(since, rep or place) of each who owed it."""
    rows = world.rows(
        "select o.* from sla_owed o join sla_clock using (clock_id) where lead_id = :lead and kind = :kind"
        " order by clock_id, since",
        lead=lead,
        kind=kind,
    )
    return [(row["since"], row["rep_id"] or row["place"]) for row in rows]


def test_an_owner_is_warned_at_a_share_and_loses_it_after_a_multiple_of_the_business_time(
    world: World,
) -> None:
    lead = world.leads(1)[0]
    world.run(sold_by(to("team", "sales")), [lead], band="hot", as_of=MONDAY_NOON + 5 * HOUR - 4 * MINUTE)
    [touch] = clocks(world, lead, "assignment")
    opening = MONDAY_NOON + 21 * HOUR
    assert touch["warn_at"] == MONDAY_NOON + 5 * HOUR - 1 * MINUTE
    assert (touch["due_at"], touch["reassign_at"]) == (opening + MINUTE, opening + 6 * MINUTE)
    [accept] = clocks(world, lead, "accept")
    assert (accept["warn_at"], accept["due_at"]) == (opening + 5 * MINUTE, opening + 11 * MINUTE)
    assert accept["reassign_at"] == opening + 26 * MINUTE


def test_the_leads_own_clock_falls_due_and_no_more(world: World) -> None:
    lead = world.leads(1)[0]
    world.run(sold_by(to("team", "sales")), [lead])
    [arrival] = clocks(world, lead, "arrival")
    assert (arrival["warn_at"], arrival["reassign_at"]) == (None, None)
    assert arrival["started_at"] == MONDAY_NOON - HOUR


def test_a_pool_owes_an_answer_in_the_teams_hours(world: World) -> None:
    lead = world.leads(1)[0]
    world.run(sold_by(to("pool", "sales")), [lead])
    [wait] = clocks(world, lead, "queue")
    assert (wait["place"], wait["rep_id"], wait["reassign_at"]) == ("pool", None, None)
    assert (wait["warn_at"], wait["due_at"]) == (MONDAY_NOON + 2.4 * HOUR, MONDAY_NOON + 4 * HOUR)


def test_without_a_promise_only_exceptions_are_waited_for(world: World) -> None:
    pooled, lost = world.leads(2)
    world.run(sold_by(to("pool", "sales")), [pooled], band="cold")
    world.run(sold_by(to("exceptions")), [lost], band="cold")
    assert clocks(world, pooled, "queue") == []
    [wait] = clocks(world, lost, "queue")
    assert (wait["place"], wait["tier"], wait["due_at"]) == ("exceptions", "none", MONDAY_NOON + 2 * HOUR)


def test_no_place_owes_anything_where_the_policy_says_nothing_of_it(world: World) -> None:
    lead = world.leads(1)[0]
    world.run(sold_by(to("pool", "sales"), sla=SLA), [lead])
    assert clocks(world, lead, "queue") == []


def test_a_lead_that_is_put_into_its_queue_again_goes_on_waiting(world: World) -> None:
    lead = world.leads(1)[0]
    of = sold_by(to("exceptions"))
    world.run(of, [lead])
    world.run(of, [lead], as_of=MONDAY_NOON + HOUR)
    [wait] = clocks(world, lead, "queue")
    assert (wait["started_at"], wait["ended_at"]) == (MONDAY_NOON, None)
    world.run(sold_by(to("team", "sales")), [lead], as_of=MONDAY_NOON + 2 * HOUR)
    [wait] = clocks(world, lead, "queue")
    assert wait["ended_at"] == MONDAY_NOON + 2 * HOUR


def test_who_is_held_until_somebody_is_back_is_due_and_waited_for_then(world: World) -> None:
    """The lead's own clock, too: by the hours of who comes back, not by the team's, where it is noon."""
    lead = world.leads(1)[0]
    away = sold_by(
        to("hold", "sales", until="working_hours"),
        hours={day: ((time(15), time(17)),) for day in range(1, 8)},
    )
    world.run(away, [lead], band="hot")
    back = MONDAY_NOON + 3 * HOUR
    assert world.place(lead)[0] == "held"
    [arrival], [wait] = clocks(world, lead, "arrival"), clocks(world, lead, "queue")
    assert arrival["due_at"] == back + 5 * MINUTE
    assert (wait["started_at"], wait["due_at"]) == (back, back + HOUR)


def test_time_off_stops_the_reps_clock_and_not_the_leads(world: World) -> None:
    lead = world.leads(1)[0]
    off = (TimeOff(date(2026, 3, 3), date(2026, 3, 3), "a day off"),)
    world.run(sold_by(to("team", "sales"), time_off=off), [lead], as_of=MONDAY_NOON + 3 * HOUR)
    [arrival], [touch] = clocks(world, lead, "arrival"), clocks(world, lead, "assignment")
    assert arrival["due_at"] == MONDAY_NOON + 3 * HOUR  # arrived at eleven
    assert touch["due_at"] == MONDAY_NOON + 47 * HOUR


def test_a_call_needs_the_hours_of_the_rep_and_of_the_lead_but_not_of_who_asked(world: World) -> None:
    calls = replace(
        SLA, tiers={**SLA.tiers, "hot": replace(SLA.tiers["hot"], lead_hours=(time(8), time(20)))}
    )
    of = sold_by(to("team", "sales"), sla=calls)
    there, nowhere, asked = (world.lead(name, zone=zone) for name, zone in
                             (("a", "America/Chicago"), ("b", "Nowhere/At_All"), ("c", "America/Chicago")))  # fmt: skip
    world.run(of, [there, nowhere], band="hot")
    world.run(of, [asked], band="hot", hand_raise=True)
    at_eight = MONDAY_NOON + 2 * HOUR  # 14:00 UTC
    assert [clocks(world, lead, "assignment")[0]["due_at"] for lead in (there, nowhere, asked)] == [
        at_eight + 5 * MINUTE, MONDAY_NOON + 5 * MINUTE, MONDAY_NOON + 5 * MINUTE
    ]  # fmt: skip
    assert clocks(world, there, "accept")[0]["due_at"] == MONDAY_NOON + 15 * MINUTE
    [decision] = world.rows("select sla_due from decision where lead_id = :lead", lead=there)
    assert decision["sla_due"] == at_eight + 5 * MINUTE


def test_hours_that_are_never_shared_are_never_due() -> None:
    night = Calendar("UTC", dict.fromkeys(range(1, 8), ((time(0), time(5)),)))
    assert due(MONDAY_NOON, Span(1, "days"), Calendar("UTC", OFFICE, also=night)) is None


def test_a_tier_may_be_chosen_by_source_and_stage(world: World) -> None:
    chosen = replace(SLA, choose=(TierChoice("hot", source=("crm",), stage=("mql",)),))
    lead, later = world.leads(2)
    of = sold_by(to("team", "sales"), sla=chosen)
    world.run(of, [lead], band="cold")
    world.run(of, [later], band="warm", stage="inquiry")
    tiers = world.rows("select tier from decision order by decision_seq")
    assert [row["tier"] for row in tiers] == ["hot", "warm"]


# --- who owed it ----------------------------------------------------------------------------------


def test_it_is_known_who_owed_it_at_each_moment(world: World) -> None:
    lead = world.leads(1)[0]
    world.run(sold_by(to("exceptions")), [lead])
    world.run(sold_by(to("team", "sales")), [lead], as_of=MONDAY_NOON + HOUR)
    event(world, lead, "breach", rep="ana", at=MONDAY_NOON + 2 * HOUR)
    lived(world, sold_by(to("team", "others")), MONDAY_NOON + 3 * HOUR)
    assert owed(world, lead) == [
        (MONDAY_NOON - HOUR, "waiting"),
        (MONDAY_NOON, "exceptions"),
        (MONDAY_NOON + HOUR, "ana"),
        (MONDAY_NOON + 3 * HOUR, "ben"),
    ]
    assert owed(world, lead, "queue") == [(MONDAY_NOON, "exceptions")]
    assert owed(world, lead, "assignment") == [(MONDAY_NOON + HOUR, "ana"), (MONDAY_NOON + 3 * HOUR, "ben")]


def test_whoever_covers_owes_it_until_the_owner_is_back(world: World) -> None:
    lead = world.leads(1)[0]
    lived(world, firm(), MONDAY_NOON, [lead], band="hot")
    outcome(world, lead, "first_touch", MONDAY_NOON + HOUR)
    away = firm("ana", named="cyd")
    lived(world, away, TUESDAY)
    lived(world, away, FRIDAY)
    lived(world, away, MONDAY)
    assert LEAVE.first == TUESDAY.date()
    assert owed(world, lead) == [
        (MONDAY_NOON - HOUR, "waiting"),
        (MONDAY_NOON, "ana"),
        (TUESDAY, "cyd"),
        (MONDAY, "ana"),
    ]


def test_a_lead_given_back_to_its_pool_waits_since_it_first_came_there(world: World) -> None:
    lead = world.leads(1)[0]
    of = sold_by(to("pool", "sales"))
    world.run(of, [lead])
    with world.engine.begin() as connection:
        pools.claim(connection, of, lead, "ana", MONDAY_NOON + HOUR)
        pools.release(connection, of, lead, "ana", because="no time", at=MONDAY_NOON + 2 * HOUR)
    first, again = clocks(world, lead, "queue")
    assert first["ended_at"] == MONDAY_NOON + HOUR
    assert (again["started_at"], again["due_at"]) == (MONDAY_NOON, MONDAY_NOON + 4 * HOUR)


def test_a_shadow_run_promises_nothing(world: World) -> None:
    lead = world.leads(1)[0]
    world.run(sold_by(to("pool", "sales")), [lead], mode="shadow")
    assert world.count("sla_clock") == world.count("sla_owed") == 0


# --- merged, and one's own again ------------------------------------------------------------------


def test_promises_to_merged_records_go_on_and_only_the_owner_who_stays_owes_them(world: World) -> None:
    """The early one arrived first, the hot one is due first; who loses the lead owes nothing any more."""
    of = sold_by(to("rep", "ana"))
    early, hot = (
        world.lead(name, created_at=MONDAY_NOON - hours * HOUR) for name, hours in (("E", 2), ("H", 1))
    )
    world.run(of, [early], band="warm")
    world.run(sold_by(to("rep", "ben")), [hot], band="hot")
    told = (
        "insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at)"
        " select clock_id, lead_id, 'warn', :at, :at from sla_clock"
    )
    with world.engine.begin() as connection:
        connection.execute(sa.text(told), {"at": MONDAY_NOON})
    merge(world, hot, early)
    world.run(of, [early], as_of=MONDAY_NOON + HOUR)
    going = world.rows("select * from sla_clock where ended_at is null order by kind, started_at")
    assert {row["lead_id"] for row in going} == {early}
    arrivals = [row for row in going if row["kind"] == "arrival"]
    assert [row["started_at"] for row in arrivals] == [MONDAY_NOON - 2 * HOUR, MONDAY_NOON - HOUR]
    assert min(row["due_at"] for row in arrivals) == MONDAY_NOON - HOUR + 5 * MINUTE
    assert {row["rep_id"] for row in going if row["kind"] != "arrival"} == {"ana"}
    assert world.count("sla_event e join sla_clock k using (clock_id) where e.lead_id <> k.lead_id") == 0
    assert owed(world, early)[-1][1] == "ana"


def test_a_record_that_is_its_own_again_has_its_arrival_back(world: World) -> None:
    of = sold_by(to("rep", "ana"))
    one, other = world.leads(2)
    world.run(of, [one, other])
    merge(world, other, one)
    world.run(of, [one], as_of=MONDAY_NOON + HOUR)
    assert len(clocks(world, one, "arrival")) == 2
    with world.engine.begin() as connection:
        connection.execute(sa.text("update lead set survivor_id = lead_id"))
        connection.execute(sa.text("update merge set undone_at = :at"), {"at": MONDAY_NOON + 2 * HOUR})
        waits = sa.text("update place set place = 'waiting', reason = 'unmerged' where lead_id = :lead")
        connection.execute(waits, {"lead": other})
    world.run(of, [other], as_of=MONDAY_NOON + 3 * HOUR)
    assert [len(clocks(world, lead, "arrival")) for lead in (one, other)] == [1, 1]
    assert owed(world, other)[-1] == (MONDAY_NOON, "ana")
