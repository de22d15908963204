"""What calls for a lead again: who gets it then, whose turn it was, what stays; and each event once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from tests.route.conftest import World, banded, simple
from tests.route.firms import MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_again import again, stored, wrong
from tests.route.test_run import healthy

from clearlane.policy.model import Policy, Rerouting

HOUR = timedelta(hours=1)
LATER = MONDAY_NOON + HOUR


def tell(world: World, lead: Any, kind: str, *, rep=None, at=MONDAY_NOON + HOUR / 2, **detail: Any) -> int:
    """An event that another stage wrote."""
    insert = """
     insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
     values (:lead, :kind, :at, :rep, 'told', :detail) returning event_id
    """
    bound = {"lead": lead, "kind": kind, "at": at, "rep": rep, "detail": Jsonb(detail)}
    with world.engine.begin() as connection:
        return int(connection.execute(sa.text(insert), bound).scalar_one())


def outcome(world: World, lead: Any, kind: str, at) -> None:
    insert = """
     insert into outcome (outcome_id, source, lead_id, kind, occurred_at)
     values (gen_random_uuid(), 'crm', :lead, :kind, :at)
    """
    with world.engine.begin() as connection:
        connection.execute(sa.text(insert), {"lead": lead, "kind": kind, "at": at})


def swept(world: World, of: Policy, as_of=LATER, **options: Any):
    """A run with no work of its own."""
    return world.run(of, [], as_of=as_of, **options)


def same_again(world: World, of: Policy, *batches) -> bool:
    """Are all decisions and turns of these runs made again as they are stored?"""
    for batch in batches:
        there = stored(world, batch)
        assert {row["decision_seq"]: row for row, _ in again(world, batch, of)} == there
    return wrong(world, of) == [] and healthy(world)


def owned(world: World, of: Policy, **options: Any):
    """A lead with its owner and the run that gave it."""
    lead = world.leads(1, **options)[0]
    batch = world.run(of, [lead])
    return lead, world.place(lead)[2], batch


# --- declines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", Rerouting().returned)
def test_a_decline_for_what_the_lead_is_gives_the_turn_back(world, reason):
    of = simple()
    lead, owner, first = owned(world, of)
    event = tell(world, lead, "decline", rep=owner, reason=reason)
    second = swept(world, of)
    assert world.place(lead)[2] not in (owner, None)
    decision = world.rows("select * from decision order by decision_seq desc limit 1")[0]
    assert decision["event_id"] == event
    assert decision["refused"][owner] == f"not again: declined it, {reason}"
    returned = world.rows("select rep_id, credit, returned_seq from turn where kind = 'return'")
    assert [(row["rep_id"], row["credit"]) for row in returned] == [(owner, Decimal(0))]
    assert same_again(world, of, first, second)
    third = swept(world, of, as_of=LATER + HOUR)
    assert stored(world, third) == {}
    assert world.count("turn where kind = 'return'") == 1


@pytest.mark.parametrize("reason", [*Rerouting().spent, "no reason of the list"])
def test_a_decline_for_want_of_time_spends_the_turn(world, reason):
    of = simple()
    lead, owner, first = owned(world, of)
    tell(world, lead, "decline", rep=owner, reason=reason)
    second = swept(world, of)
    assert world.place(lead)[2] not in (owner, None)
    assert world.count("turn where kind = 'return'") == 0
    assert same_again(world, of, first, second)


def test_whoever_declined_never_gets_it_again_and_after_two_the_manager_decides(world):
    of = simple()
    lead, owner, first = owned(world, of, company="acme|US")
    tell(world, lead, "decline", rep=owner, reason="spam")
    second = swept(world, of)
    other = world.place(lead)[2]
    tell(world, lead, "decline", rep=other, reason="no capacity", at=LATER + HOUR / 2)
    third = swept(world, of, as_of=LATER + HOUR)
    assert world.place(lead) == ("exceptions", "manager_decides", None)
    assert world.rows("select team from place where lead_id = :id", id=lead) == [{"team": "sales"}]
    assert world.count("assignment where ended_at is null") == 0
    assert world.count("sla_clock where kind = 'arrival' and ended_at is null") == 1
    assert same_again(world, of, first, second, third)


def test_a_decline_of_somebody_who_has_it_no_longer_only_bars(world):
    of = simple()
    lead, owner, _ = owned(world, of)
    other = next(name for name in of.teams.reps if name != owner)
    tell(world, lead, "decline", rep=other, reason="spam")
    assert stored(world, swept(world, of)) == {}
    tell(world, lead, "decline", rep=owner, reason="no answer", at=LATER + HOUR / 2)
    swept(world, of, as_of=LATER + HOUR)
    assert world.count("routing_event where handled_batch is null") == 0


def test_a_returned_turn_is_the_next_one(world):
    of = simple()
    lead, owner, first = owned(world, of)
    world.run(of, world.leads(2))
    tell(world, lead, "decline", rep=owner, reason="duplicate")
    swept(world, of)
    batch = world.run(of, world.leads(1), as_of=LATER + HOUR)
    assert [row["rep_id"] for row in stored(world, batch).values()] == [owner]
    assert same_again(world, of, first, batch)


# --- breaches -------------------------------------------------------------------------------------


def test_a_silent_owner_loses_the_lead_and_keeps_the_charge(world):
    of = simple()
    lead, owner, first = owned(world, of)
    tell(world, lead, "breach")
    second = swept(world, of)
    decision = next(iter(stored(world, second).values()))
    assert decision["refused"][owner] == "not again: was silent when it was due"
    assert decision["rep_id"] not in (owner, None)
    assert world.count("turn where kind = 'turn'") == 2
    assert world.count("turn where kind = 'return'") == 0
    assert same_again(world, of, first, second)


def test_after_two_hops_the_manager_decides(world):
    staff = teams([rep(name) for name in "abcd"], team("sales", *"abcd"))
    of = banded(policy(routing(rule("rest", "true", to("team", "sales"))), staff, sla=SLA))
    lead, _, first = owned(world, of)
    runs = [first]
    for hop in range(1, 4):
        tell(world, lead, "breach", at=MONDAY_NOON + (hop - 0.5) * HOUR)
        runs.append(swept(world, of, as_of=MONDAY_NOON + hop * HOUR))
        assert world.place(lead)[0] == ("owned" if hop < 3 else "exceptions")
    assert same_again(world, of, *runs)


def test_a_lead_that_was_touched_in_time_is_not_taken_for_a_breach(world):
    of = simple()
    lead, owner, _ = owned(world, of)
    outcome(world, lead, "first_touch", MONDAY_NOON + HOUR / 4)
    tell(world, lead, "breach")
    assert stored(world, swept(world, of)) == {}
    assert world.place(lead)[2] == owner
    assert world.rows("select handled_seq from routing_event") == [{"handled_seq": None}]
    assert world.count("routing_event where handled_batch is null") == 0


# --- departures -----------------------------------------------------------------------------------


def test_a_departure_hands_the_lead_over(world):
    of = simple()
    lead, owner, first = owned(world, of)
    gone = replace(of.teams.reps[owner], active_until=date(2026, 3, 1))
    later = replace(of, teams=replace(of.teams, reps={**of.teams.reps, owner: gone}))
    tell(world, lead, "departure", rep=owner)
    second = swept(world, later)
    assert world.place(lead)[2] not in (owner, None)
    assert same_again(world, later, second)
    assert same_again(world, of, first)


# --- each once, and by whom -----------------------------------------------------------------------


def test_shadow_runs_and_events_of_later_wait(world):
    of = simple()
    lead, owner, _ = owned(world, of)
    tell(world, lead, "decline", rep=owner, reason="spam", at=LATER)
    assert stored(world, swept(world, of)) == {}
    assert stored(world, swept(world, of, mode="shadow", as_of=LATER + HOUR)) == {}
    assert world.count("routing_event where handled_batch is null") == 1
    swept(world, of, as_of=LATER + HOUR)
    assert world.count("routing_event where handled_batch is null") == 0
