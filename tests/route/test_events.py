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
from tests.route.test_run import healthy, merge

from clearlane import push
from clearlane.policy.model import Policy, Rerouting, Source, Sources, TimeOff
from clearlane.replay import lines, replay
from clearlane.route import note

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


def noted(world: World, of: Policy, as_of) -> int:
    batch = world.batch(as_of=as_of)
    with world.engine.begin() as connection:
        return note(connection, of, batch)


def changed(of: Policy, name: str, **values: Any) -> Policy:
    there = replace(of.teams.reps[name], **values)
    return replace(of, teams=replace(of.teams, reps={**of.teams.reps, name: there}))


def test_the_leads_of_whoever_left_are_called_for_once(world):
    of = simple()
    lead, owner, _ = owned(world, of)
    later = changed(of, owner, active_until=date(2026, 3, 2))
    midnight = MONDAY_NOON + 12 * HOUR
    assert noted(world, later, MONDAY_NOON + 11 * HOUR) == 0
    assert [noted(world, later, midnight + HOUR) for _ in range(2)] == [1, 0]
    second = swept(world, later, as_of=midnight + HOUR)
    assert world.place(lead)[2] not in (owner, None)
    assert same_again(world, later, second)
    assert noted(world, later, midnight + 2 * HOUR) == 0


def test_the_leads_of_whoever_is_taken_out_of_the_teams_are_handed_over(world):
    of = simple()
    lead, owner, _ = owned(world, of)
    rest = {name: known for name, known in of.teams.reps.items() if name != owner}
    staff = teams(rest.values(), team("sales", *rest))
    later = replace(of, teams=staff)
    assert noted(world, later, LATER) == 1
    swept(world, later, as_of=LATER)
    assert world.place(lead)[2] in rest


def test_an_absence_takes_what_is_due_in_it_and_nobody_touched(world):
    alone = banded(
        policy(
            routing(rule("rest", "true", to("team", "sales"))),
            teams([rep("ana")], team("sales", "ana")),
            sla=SLA,
        )
    )
    due, touched, later = world.leads(3)
    first = world.run(alone, [due, touched, later])
    with world.engine.begin() as connection:
        moved = sa.text("update sla_clock set due_at = :due where lead_id = :lead")
        connection.execute(moved, {"due": MONDAY_NOON + timedelta(days=9), "lead": later})
    assert same_again(world, alone, first)
    outcome(world, touched, "first_touch", LATER)
    of = simple()
    away = changed(of, "ana", time_off=(TimeOff(date(2026, 3, 3), date(2026, 3, 6), "leave"),))
    at = MONDAY_NOON + 21 * HOUR
    assert noted(world, away, MONDAY_NOON + 6 * HOUR) == 0
    assert [noted(world, away, at) for _ in range(2)] == [1, 0]
    second = swept(world, away, as_of=at)
    assert world.place(due)[2] in ("ben", "cyd")
    assert world.place(touched)[2] == world.place(later)[2] == "ana"
    assert len(stored(world, second)) == 1
    assert healthy(world)


# --- what people do -------------------------------------------------------------------------------


def test_a_new_owner_in_the_crm_stays(world):
    of = simple()
    lead, owner, first = owned(world, of)
    other = next(name for name in of.teams.reps if name != owner)
    tell(world, lead, "owner", owner=other.title())
    second = swept(world, of)
    assert stored(world, second) == {}
    assert world.place(lead) == ("owned", "owner_changed", other)
    assert world.rows("select ended_because from assignment where ended_at is not null") == [
        {"ended_because": "owner changed in source"}
    ]
    owing = "select kind, rep_id from sla_clock where ended_at is null and kind <> 'arrival'"
    assert world.rows(owing) == [{"kind": "assignment", "rep_id": other}]
    assert world.count("sla_clock where ended_at is null and kind = 'arrival'") == 1
    [chosen] = world.rows("select * from decision where mode = 'hand'")
    assert (chosen["lead_id"], chosen["rep_id"], chosen["team"], chosen["tier"]) == (
        lead,
        other,
        "sales",
        "warm",
    )
    assert world.rows("select kind from routing_event where event_id = :id", id=chosen["event_id"]) == [
        {"kind": "owner"}
    ]
    [there] = world.rows("select * from place where lead_id = :lead", lead=lead)
    assert (there["decision_seq"], there["team"]) == (chosen["decision_seq"], "sales")
    with world.engine.connect() as connection:
        told = replay(connection, chosen["decision_seq"])
    assert "a person decided this" in "".join(lines(replace(told, differences=())))
    for hours, kind in enumerate(("band", "stage", "match", "breach", "absence"), start=2):
        tell(world, lead, kind, at=MONDAY_NOON + (hours - 0.5) * HOUR, cause=["activity"])
        assert stored(world, swept(world, of, as_of=MONDAY_NOON + hours * HOUR)) == {}
    assert world.place(lead) == ("owned", "owner_changed", other)
    third = world.run(of, world.leads(3), as_of=MONDAY_NOON + 9 * HOUR)
    assert same_again(world, of, first, third)


SHOWN = "update lead_revision set attributes = attributes || :shown where lead_id = :lead"


def test_what_was_owed_before_a_person_chose_is_not_sent_any_more(world):
    crm = {"crm": replace(Source("crm", "files", "nowhere", {}), push="assignments")}
    of = replace(simple(), sources=Sources(crm, {}))
    lead, owner, first = owned(world, of)
    other = next(name for name in of.teams.reps if name != owner)
    with world.engine.begin() as connection:
        assert push.owe(connection, of, first) == push.Owed(1, 0)
    tell(world, lead, "owner", owner=other)
    second = swept(world, of)
    with world.engine.begin() as connection:
        connection.execute(sa.text(SHOWN), {"lead": lead, "shown": Jsonb({"owner": other})})
        assert push.owe(connection, of, second) == push.Owed(0, 1)
    assert world.rows("select state from outbox") == [{"state": "superseded"}]


def test_a_lead_that_changed_hands_and_asked_is_answered_by_its_new_owner(world):
    of = simple()
    lead, owner, first = owned(world, of)
    other = next(name for name in of.teams.reps if name != owner)
    tell(world, lead, "owner", owner=other)
    world.asks(lead, LATER - HOUR / 4)
    batch = world.batch(as_of=LATER)
    world.score(batch, lead, hand_raise=True)
    world.route(of, batch)
    [answer] = stored(world, batch).values()
    assert (answer["rep_id"], answer["mode"]) == (other, "live")
    assert answer["because"] == "asked for sales again; stays with its owner"
    assert world.count("decision where mode = 'hand'") == 1
    assert same_again(world, of, first, batch)


def test_an_owner_nobody_knows_stays_and_the_last_change_counts(world):
    of = simple()
    lead, _, _ = owned(world, of)
    tell(world, lead, "owner", owner="ben")
    tell(world, lead, "owner", owner="U-99", at=MONDAY_NOON + HOUR / 3 * 2)
    swept(world, of)
    assert world.place(lead) == ("owned", "owner_changed", None)
    assert world.rows("select owner_external_id from assignment where ended_at is null") == [
        {"owner_external_id": "U-99"}
    ]
    assert healthy(world)


def test_an_echo_of_our_own_owner_changes_nothing(world):
    of = simple()
    lead, owner, _ = owned(world, of)
    tell(world, lead, "override", rep=owner)
    swept(world, of)
    assert world.place(lead) == ("owned", "rest", owner)
    assert world.count("assignment") == 1


def test_a_lead_that_a_person_took_from_its_owner_is_routed(world):
    of = simple()
    lead, _, first = owned(world, of)
    tell(world, lead, "owner")
    second = swept(world, of)
    assert len(stored(world, second)) == 1
    assert world.place(lead)[0] == "owned"
    assert same_again(world, of, first, second)


# --- what the lead has become ---------------------------------------------------------------------


def two_teams() -> Policy:
    staff = teams([rep("ana"), rep("ben")], team("desk", "ana"), team("field", "ben"))
    rules = (
        rule("cold", "band = 'cold'", to("nurture")),
        rule("hot", "band = 'hot'", to("team", "field")),
        rule("rest", "true", to("team", "desk")),
    )
    return banded(policy(routing(*rules), staff, sla=SLA))


def hotter(world: World, of: Policy, lead, at=LATER, **detail: Any):
    """The lead got hot: its score says so, an event does, and a run sweeps."""
    batch = world.batch(as_of=at)
    world.score(batch, lead, band="hot", score=90)
    with world.engine.begin() as connection:
        connection.execute(sa.text("delete from work where batch_id = :id"), {"id": batch.batch_id})
    tell(world, lead, "band", at=at - HOUR / 2, **detail)
    world.route(of, batch)
    return batch


def test_a_new_band_moves_a_lead_whose_rule_is_another(world):
    of = two_teams()
    lead, owner, first = owned(world, of, company="acme|US")
    second = hotter(world, of, lead, cause=["activity"])
    assert (owner, world.place(lead)[2]) == ("ana", "ben")
    assert same_again(world, of, first, second)


def test_a_buying_group_stays_together(world):
    of = two_teams()
    lead, owner, first = owned(world, of, company="acme|US")
    world.run(of, world.leads(1, company="acme|US"))
    second = hotter(world, of, lead, cause=["activity"])
    assert world.place(lead)[2] == owner
    assert same_again(world, of, first, second)


def test_an_owner_whom_the_rule_accepts_keeps_the_lead_and_is_told(world):
    of = simple()
    lead, owner, first = owned(world, of)
    second = hotter(world, of, lead, cause=["attribute"])
    decision = next(iter(stored(world, second).values()))
    assert (decision["rep_id"], decision["tier"], decision["eligible"]) == (owner, "hot", [])
    assert "stays with its owner" in decision["because"]
    assert world.count("assignment") == 1
    assert same_again(world, of, first, second)


@pytest.mark.parametrize("cause", [["decay"], ["model"], ["policy", "decay"]])
def test_time_and_policy_alone_take_no_lead_from_its_owner(world, cause):
    of = two_teams()
    lead, owner, _ = owned(world, of)
    assert stored(world, hotter(world, of, lead, cause=cause)) == {}
    assert world.place(lead)[2] == owner


@pytest.mark.parametrize(("days", "moved"), [(6, False), (7, True), (9, True)])
def test_a_lead_in_working_contact_is_protected_for_five_business_days(world, days, moved):
    of = two_teams()
    lead, _, _ = owned(world, of)
    outcome(world, lead, "first_touch", MONDAY_NOON)
    hotter(world, of, lead, at=MONDAY_NOON + timedelta(days=days), cause=["activity"])
    assert world.place(lead)[2] == ("ben" if moved else "ana")


def test_an_account_that_is_known_later_brings_a_lead_back_from_nurture(world):
    of = simple()
    told, found = world.leads(2)
    first = world.run(of, [told, found], band="cold", score=5)
    account = world.lead("account-like")
    for lead in (told, found):
        world.known(lead, at=MONDAY_NOON, account=account)
    batch = world.batch(as_of=LATER)
    world.score(batch, found, band="warm")
    tell(world, told, "match")
    world.route(of, batch)
    decided = stored(world, batch).values()
    assert {row["lead_id"] for row in decided} == {told, found}
    assert same_again(world, of, first, batch)


def test_promotions_beyond_those_of_one_run_do_not_wait_behind_a_full_team(world, monkeypatch):
    staff = teams([rep("ana"), rep("ben")], team("desk", "ana"), team("field", "ben"))
    rules = (
        rule("cold", "band = 'cold'", to("nurture")),
        rule("hot", "band = 'hot'", to("team", "field")),
        rule("rest", "true", to("team", "desk")),
    )
    of = banded(policy(routing(*rules, rerouting=Rerouting(promotions_a_day=1)), staff, sla=SLA))
    scores = ((90, "hot"), (89, "hot"), (88, "hot"), (60, "warm"), (59, "warm"))
    leads = world.leads(5)
    first = world.run(of, leads, band="cold", score=5)
    risen = world.batch(as_of=LATER)
    for lead, (score, band) in zip(leads, scores, strict=True):
        world.score(risen, lead, score=score, band=band)
        tell(world, lead, "band", cause=["model"])
    with world.engine.begin() as connection:
        connection.execute(sa.text("delete from work where batch_id = :id"), {"id": risen.batch_id})
    monkeypatch.setattr("clearlane.route.routing.CHUNK", 3)
    runs = [swept(world, of, as_of=LATER + minutes * HOUR / 60) for minutes in (1, 6, 11)]
    assert [len(stored(world, run)) for run in runs] == [1, 1, 0]
    assert [world.place(lead)[0] for lead in leads] == ["owned", "nurture", "nurture", "owned", "nurture"]
    tomorrow = swept(world, of, as_of=LATER + 24 * HOUR)
    assert [world.place(lead)[0] for lead in leads] == ["owned", "owned", "nurture", "owned", "owned"]
    assert same_again(world, of, first, *runs, tomorrow)


def test_promotions_that_nobody_earned_are_released_a_few_a_day(world):
    of = two_teams()
    of = replace(of, routing=replace(of.routing, rerouting=Rerouting(promotions_a_day=2)))
    leads = world.leads(5)
    world.run(of, leads, band="cold", score=5)
    batch = world.batch(as_of=LATER)
    for score, lead in enumerate(leads, start=60):
        world.score(batch, lead, score=score, band="warm")
        tell(world, lead, "band", cause=["model"])
    with world.engine.begin() as connection:
        connection.execute(sa.text("delete from work where batch_id = :id"), {"id": batch.batch_id})
    world.route(of, batch)
    assert [world.place(lead)[0] for lead in leads] == ["nurture"] * 3 + ["owned"] * 2
    assert world.count("routing_event where handled_batch is null") == 3
    assert stored(world, swept(world, of, as_of=LATER + HOUR)) == {}
    tomorrow = swept(world, of, as_of=LATER + 24 * HOUR)
    assert [world.place(lead)[0] for lead in leads] == ["nurture"] + ["owned"] * 4
    assert same_again(world, of, batch, tomorrow)


# --- held, recycled, merged -----------------------------------------------------------------------


def test_what_is_held_until_a_moment_is_routed_by_the_first_run_from_then_on(world):
    of = banded(policy(routing(rule("rest", "true", to("hold"))), teams([rep("ana")], team("sales", "ana"))))
    lead = world.leads(1)[0]
    world.run(of, [lead])
    with world.engine.begin() as connection:
        connection.execute(sa.text("update place set until = :until"), {"until": LATER})
    swept(world, simple(), as_of=LATER - HOUR / 2)
    swept(world, simple(), mode="shadow", as_of=LATER)
    assert world.place(lead)[0] == "held"
    batch = swept(world, simple(), as_of=LATER)
    assert world.place(lead)[0] == "owned"
    assert same_again(world, simple(), batch)


def test_a_recycled_lead_rests_comes_back_on_activity_and_is_closed_in_the_end(world):
    of = simple()
    lead, _, first = owned(world, of)
    recycled = MONDAY_NOON + HOUR / 2
    world.run(of, [lead], as_of=LATER, cycle=2, cycle_since=recycled)
    assert world.place(lead) == ("nurture", "recycled", None)
    assert world.count("assignment where ended_because = 'recycled'") == 1
    assert world.count("sla_clock where ended_at is null") == 0
    world.run(of, [lead], as_of=LATER + HOUR, cycle=2, cycle_since=recycled)
    assert world.place(lead)[0] == "nurture"
    active(world, lead, LATER + 2 * HOUR)
    second = world.run(of, [lead], as_of=LATER + 3 * HOUR, cycle=2, cycle_since=recycled)
    assert world.place(lead)[0] == "owned"
    assert same_again(world, of, first, second)
    end = {"cycle": 4, "cycle_since": LATER + 4 * HOUR}
    world.run(of, [lead], as_of=LATER + 5 * HOUR, **end)
    assert world.place(lead) == ("closed", "recycled_out", None)
    world.asks(lead, LATER + 6 * HOUR)
    for hours in (7, 8):
        world.run(of, [lead], as_of=LATER + hours * HOUR, hand_raise=True, **end)
        assert world.place(lead)[0] == "owned"
    assert healthy(world)


def active(world: World, lead, at) -> None:
    statement = """
     with record as (
         insert into inbox (source, object, record_key, payload, state)
         values ('crm', 'activities', 'a', '{}', 'consumed') returning seq)
     insert into activity (activity_id, source, lead_id, type, occurred_at, attributes, seq)
     select gen_random_uuid(), 'crm', :lead, 'visit', :at, '{}', seq from record
    """
    with world.engine.begin() as connection:
        connection.execute(sa.text(statement), {"lead": lead, "at": at})


@pytest.mark.parametrize("why", ["touch", "opportunity", "account", "earliest"])
def test_of_two_owners_who_stays_and_who_gets_the_turn_back(world, why):
    of = simple()
    early, late = world.leads(2)
    first = world.run(of, [early])
    second = world.run(of, [late], as_of=LATER)
    owners = {lead: world.place(lead)[2] for lead in (early, late)}
    stays, goes = (early, late) if why == "earliest" else (late, early)
    if why == "touch":
        outcome(world, late, "first_touch", LATER + HOUR / 2)
        world.known(early, at=LATER, opportunity_owner=owners[early])
    elif why != "earliest":
        world.known(early, at=LATER, **{f"{why}_owner": owners[late]})
    tell(world, late, "decline", rep="cyd", reason="spam", at=LATER)
    merge(world, late, early)
    third = world.run(of, [early], as_of=LATER + HOUR)
    assert world.place(early) == ("owned", "rest" if stays == early else "merged", owners[stays])
    returned = world.rows("select rep_id, credit from turn where kind = 'return'")
    assert [(row["rep_id"], row["credit"]) for row in returned] == [(owners[goes], Decimal(0))]
    assert world.count("assignment where ended_at is null") == 1
    assert same_again(world, of, first, second, third)


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


# --- queues ---------------------------------------------------------------------------------------


def test_a_lead_that_waited_too_long_in_a_pool_goes_down_the_ladder(world):
    rules = routing(rule("rest", "true", to("pool", "first"), to("pool", "second")))
    of = banded(policy(rules, teams([rep("ana")], team("first", "ana"), team("second", "ana")), sla=SLA))
    lead = world.leads(1)[0]
    first = world.run(of, [lead])
    tell(world, lead, "pool_age", pool="first")
    second = swept(world, of)
    assert world.rows("select team from place where lead_id = :id", id=lead) == [{"team": "second"}]
    assert same_again(world, of, first, second)


def test_a_lead_in_exceptions_is_tried_again_when_a_person_asks(world):
    nobody = banded(policy(routing(rule("rest", "true", to("team", "sales"))), teams([], team("sales"))))
    lead = world.leads(1)[0]
    world.run(nobody, [lead])
    assert stored(world, swept(world, simple())) == {}
    tell(world, lead, "retry", at=LATER)
    swept(world, simple(), as_of=LATER + HOUR)
    assert world.place(lead)[0] == "owned"
