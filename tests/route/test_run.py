"""Routing on the ledger: who is routed, what stands, what is written, and that running again changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from tests.route.conftest import banded, simple
from tests.route.firms import MONDAY_NOON, capped, policy, rep, routing, rule, team, teams, territory, to

from clearlane import route
from clearlane.ledger import doctor
from clearlane.policy.model import Caps

HOUR = timedelta(hours=1)
LIVE_FROM = MONDAY_NOON - timedelta(days=10)
OLD = LIVE_FROM - timedelta(days=100)


def healthy(world) -> bool:
    with world.engine.connect() as connection:
        checks = {
            "one_place", "owned_is_assigned", "decisions_are_complete", "shadow_is_silent", "merged_is_closed"
        }  # fmt: skip
        findings = [finding for finding in doctor.examine(connection) if finding.check.id in checks]
    assert {finding.check.id for finding in findings} == checks
    return all(finding.count == 0 for finding in findings)


def test_leads_are_decided_assigned_placed_and_clocked(world):
    leads = world.leads(4, country="DE")
    batch = world.run(simple(), leads)
    decisions = world.rows("select * from decision order by decision_seq")
    assert {row["rep_id"] for row in decisions[:3]} == {"ana", "ben", "cyd"}
    first = decisions[0]
    assert (first["rule"], first["place"], first["mode"], first["tier"]) == ("rest", "owned", "live", "warm")
    assert first["terms"] == b"\x40"
    assert first["sla_due"] == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert sorted(first["eligible"]) == ["ana", "ben", "cyd"]
    assert world.place(first["lead_id"]) == ("owned", "rest", first["rep_id"])
    assert world.count("assignment where ended_at is null and by = 'clearlane'") == 4
    clocks = world.rows(
        "select kind, started_at, due_at from sla_clock where lead_id = :id", id=first["lead_id"]
    )
    assert {row["kind"] for row in clocks} == {"arrival", "assignment"}
    assert {row["started_at"] for row in clocks} == {MONDAY_NOON, MONDAY_NOON - HOUR}
    assert world.count("roster") == 1
    assert batch.batch_id == first["batch_id"]
    assert healthy(world)


def test_turns_are_charged_and_kept_between_runs(world):
    of = simple()
    for n in range(5):
        world.run(of, world.leads(2), as_of=MONDAY_NOON + n * HOUR / 10)
    counts = world.rows("select rep_id, count(*) n from turn where kind = 'turn' group by 1 order by 1")
    assert sorted(row["n"] for row in counts) == [3, 3, 4]
    credits = world.rows("select distinct on (rep_id) credit from turn order by rep_id, decision_seq desc")
    assert sorted(row["credit"] for row in credits) == [Decimal(3), Decimal(3), Decimal(4)]


def test_a_chunked_run_equals_a_run_at_once(world, monkeypatch):
    leads = world.leads(9)
    of = simple()
    first = world.run(of, leads, mode="shadow")
    monkeypatch.setattr("clearlane.route.routing.CHUNK", 2)
    second = world.run(of, leads, mode="shadow", as_of=MONDAY_NOON + timedelta(seconds=1))
    per_batch = (
        "select lead_id, rep_id, runner_up, eligible from decision where batch_id = :id order by decision_seq"
    )
    assert world.rows(per_batch, id=first.batch_id) == world.rows(per_batch, id=second.batch_id)
    assert len({row["rep_id"] for row in world.rows(per_batch, id=first.batch_id)}) == 3


def test_running_a_batch_again_changes_nothing(world):
    of = simple()
    batch = world.run(of, world.leads(5))
    before = _everything(world)
    assert world.route(of, batch) == {}
    assert _everything(world) == before


def test_the_same_leads_in_a_later_run_are_left_alone(world):
    of = simple()
    leads = world.leads(5)
    world.run(of, leads)
    before = _everything(world)
    world.run(of, leads, as_of=MONDAY_NOON + HOUR)
    assert _everything(world) == before


def _everything(world):
    tables = ("decision", "turn", "assignment", "place", "sla_clock", "inquiry")
    return {table: sorted(map(repr, world.rows(f"select * from {table}"))) for table in tables}


def test_hottest_first_and_a_hand_raise_before_all(world):
    staff = teams([capped("ana", day=2)], team("sales", "ana"))
    of = banded(policy(routing(rule("rest", "true", to("team", "sales"))), staff))
    batch = world.batch()
    cold, hot, asked = world.leads(3)
    world.score(batch, cold, score=10, band="cool")
    world.score(batch, hot, score=90, band="hot")
    world.score(batch, asked, score=20, band="cool", hand_raise=True)
    world.route(of, batch)
    assert [world.place(lead)[0] for lead in (asked, hot, cold)] == ["owned", "owned", "exceptions"]


def test_rules_read_attributes_scores_territories_and_owners(world):
    staff = teams([rep("ana"), rep("ben")], team("emea", "ana"), team("rest", "ben"))
    rules = (
        rule("owner", "has_account and account_owner_sells", to("account_owner")),
        rule("emea", "territory = 'EMEA' and score > 50 and employees >= 50", to("team", "emea")),
        rule("odd", "country = 'X%:y'", to("nurture")),
        rule("rest", "true", to("team", "rest")),
    )
    of = banded(policy(routing(*rules, territories=(territory("EMEA", "country = 'DE'"),)), staff))
    account = world.lead("account-like")
    emea = world.lead("a", country="DE", employees=80)
    small = world.lead("b", country="DE", employees=8)
    owned = world.lead(
        "c", account=account, account_owner="Ben@Clearlane.example", account_source="other", country="DE"
    )
    odd = world.lead("d", country="X%:y")
    world.run(of, [emea, small, owned, odd])
    rows = world.rows("select lead_id, rule, rep_id, terms from decision")
    decided = {row["lead_id"]: (row["rule"], row["rep_id"]) for row in rows}
    assert decided == {
        emea: ("emea", "ana"), small: ("rest", "ben"), owned: ("owner", "ben"), odd: ("odd", None)
    }  # fmt: skip
    assert {row["lead_id"]: row["terms"] for row in rows}[emea] == bytes([0b0101_0000])


@pytest.mark.parametrize(
    ("said", "owner"),
    [
        ({"parent_account_owners": ["ben", "cyd"]}, "ben"),
        ({"parent_account_owners": ["house", "nobody we know", " CYD "]}, "cyd"),  # the house does not sell
        ({"parent_account_owners": ["house"]}, None),
        ({"parent_account_owners": ["U7"], "account_source": "crm"}, "cyd"),
        ({"parent_account_owners": ["U7"], "account_source": "other"}, None),
        ({"parent_account_owners": "ben", "parent_account_owner": None}, None),  # no list of owners
        ({"parent_account_owner": "ben"}, "ben"),  # what a record says where no account does
        ({}, None),
    ],
)
def test_the_nearest_account_above_whose_owner_sells_counts(world, said, owner):
    reps = [rep("ana"), rep("ben"), rep("cyd", aliases={"crm": ("U7",), "other": ("U8",)})]
    staff = teams([*reps, rep("house", sells=False)], team("sales", "ana"))
    rules = (
        rule("parent", "parent_account_owner_sells", to("parent_account_owner")),
        rule("rest", "true", to("team", "sales")),
    )
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into owner (source, external_id, active, valid_from)"
                " values ('other', 'U7', true, '2020-01-01Z')"
            )
        )
    world.run(banded(policy(routing(*rules), staff)), [world.lead("a", **said)])
    [row] = world.rows("select rule, rep_id from decision")
    assert row == ({"rule": "parent", "rep_id": owner} if owner else {"rule": "rest", "rep_id": "ana"})


# --- going live -----------------------------------------------------------------------------


def test_connecting_old_leads_assigns_and_mails_nobody(world):
    of = simple(live_from=LIVE_FROM)
    free, owned, unknown, left, converted, barred = (
        world.lead("free", created_at=OLD),
        world.lead("owned", created_at=OLD, owner="ana"),
        world.lead("unknown", created_at=OLD, owner="U-77"),
        world.lead("left", created_at=OLD, owner="queue@crm.example"),
        world.lead("converted", created_at=OLD, owner="ana", converted=True),
        world.lead("barred", created_at=OLD, do_not_contact=True),
    )
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into owner (source, external_id, email, active, valid_from)"
                " values ('crm', 'Q1', 'queue@crm.example', false, '2020-01-01Z')"
            )
        )
    world.run(of, [free, owned, unknown, left, converted, barred], band="hot", score=90)
    assert world.place(free) == ("held", "before_live_from", None)
    assert world.place(owned) == ("owned", "owned_in_source", "ana")
    assert world.place(unknown) == ("owned", "owned_in_source", None)
    assert world.place(left) == ("held", "before_live_from", None)
    assert world.place(converted) == ("closed", "converted", None)
    assert world.place(barred) == ("disqualified", "do_not_contact", None)
    assert world.rows("select distinct by, because from assignment") == [
        {"by": "person", "because": "owned in source"}
    ]
    assert [world.count(table) for table in ("decision", "turn", "sla_clock", "outbox")] == [0, 0, 0, 0]
    assert healthy(world)


def test_an_old_lead_that_asks_after_going_live_is_routed(world):
    of = simple(live_from=LIVE_FROM)
    before, after = world.leads(2, created_at=OLD)
    world.asks(before, LIVE_FROM - HOUR)
    inquiry = world.asks(after, MONDAY_NOON - HOUR)
    world.run(of, [before, after], hand_raise=True)
    assert world.place(before)[:2] == ("held", "before_live_from")
    assert world.place(after)[0] == "owned"
    clocks = world.rows("select kind, inquiry_id, started_at from sla_clock order by kind")
    assert {row["kind"] for row in clocks} == {"accept", "arrival", "assignment"}
    assert {row["inquiry_id"] for row in clocks} == {inquiry}
    assert next(row["started_at"] for row in clocks if row["kind"] == "arrival") == MONDAY_NOON - HOUR
    assert world.count("inquiry where decision_seq is not null") == 1


def test_an_owner_in_the_source_stays_and_an_integration_user_does_not(world):
    of = simple()
    kept, robot = world.lead("kept", owner="Ana"), world.lead("robot", owner="U-robot")
    world.run(of, [kept, robot])
    assert world.place(kept) == ("owned", "owned_in_source", "ana")
    assert world.place(robot)[:2] == ("owned", "rest")
    assert world.count("decision") == 1


def test_a_source_may_ignore_its_owners(world):
    lead = world.lead("kept", owner="ana")
    world.run(simple(existing_owner="ignore"), [lead])
    assert world.place(lead)[1] == "rest"


def test_a_converted_lead_ends_its_assignment_and_clocks(world):
    of = simple()
    lead = world.leads(1)[0]
    world.run(of, [lead])
    world.known(lead, at=MONDAY_NOON, converted=True)
    world.run(of, [lead], as_of=MONDAY_NOON + HOUR)
    assert world.place(lead) == ("closed", "converted", None)
    assert world.count("assignment where ended_at is null") == 0
    assert world.count("sla_clock where ended_at is null") == 0
    assert healthy(world)


def test_the_suppressed_and_the_disqualified(world):
    suppressed, student = world.lead("s", suppressed=True), world.lead("t")
    batch = world.batch()
    world.score(batch, suppressed, hand_raise=True)
    world.score(batch, student, disqualified="student")
    world.route(simple(), batch)
    assert world.place(suppressed)[:2] == ("disqualified", "suppressed")
    assert world.place(student)[:2] == ("disqualified", "student")
    world.run(simple(), [student], as_of=MONDAY_NOON + HOUR)
    assert world.place(student)[0] == "owned"


def test_a_converted_lead_that_asks_again_is_routed(world):
    of = simple()
    lead, silent = world.leads(2)
    world.asks(lead, MONDAY_NOON - HOUR / 2)
    for one in (lead, silent):
        world.known(one, at=MONDAY_NOON - HOUR / 2, converted=True)
    world.run(of, [lead, silent])
    world.run(of, [lead, silent], as_of=MONDAY_NOON + HOUR)
    assert world.place(lead) == world.place(silent) == ("closed", "converted", None)
    world.asks(lead, MONDAY_NOON + 2 * HOUR)
    for hours in (3, 4):
        world.run(of, [lead, silent], as_of=MONDAY_NOON + hours * HOUR, hand_raise=True)
        assert world.place(lead)[0] == "owned"
    assert world.place(silent) == ("closed", "converted", None)
    assert world.count("decision") == 1
    assert healthy(world)


def test_nobody_is_kept_waiting_for_a_lead_that_may_not_be_contacted_any_more(world):
    of = simple(existing_owner="keep")
    ours = world.lead("ours")
    theirs = world.lead("theirs", owner="ben")
    world.run(of, [ours, theirs])
    assert world.count("sla_clock where ended_at is null") > 0
    for lead in (ours, theirs):
        world.known(lead, at=MONDAY_NOON, do_not_contact=True, owner="ben" if lead == theirs else None)
    world.run(of, [ours, theirs], as_of=MONDAY_NOON + HOUR)
    assert world.place(ours)[:2] == ("disqualified", "do_not_contact")
    assert world.place(theirs) == ("owned", "owned_in_source", "ben")
    assert world.count("sla_clock where ended_at is null") == 0
    world.run(of, [ours, theirs], as_of=MONDAY_NOON + 2 * HOUR)
    assert world.count("decision") == 2
    assert healthy(world)


# --- coming back ----------------------------------------------------------------------------


def test_a_nurtured_lead_comes_back_when_it_gets_hot_or_asks(world):
    of = simple()
    hotter, asking, same = world.leads(3)
    world.run(of, [hotter, asking, same], band="cold", score=5)
    assert {world.place(lead)[0] for lead in (hotter, asking, same)} == {"nurture"}
    later = world.batch(as_of=MONDAY_NOON + HOUR)
    world.asks(asking, MONDAY_NOON + HOUR / 2)
    world.score(later, hotter, band="warm", score=60)
    world.score(later, asking, band="cold", score=9, hand_raise=True)
    world.score(later, same, band="cool", score=30)
    world.route(of, later)
    assert [world.place(lead)[0] for lead in (hotter, asking, same)] == ["owned", "owned", "nurture"]


def test_an_owner_is_told_again_without_a_turn(world):
    of = simple()
    lead = world.leads(1)[0]
    world.run(of, [lead])
    owner = world.place(lead)[2]
    inquiry = world.asks(lead, MONDAY_NOON + HOUR / 2)
    world.run(of, [lead], as_of=MONDAY_NOON + HOUR, hand_raise=True, score=90, band="hot")
    again = world.rows("select * from decision order by decision_seq desc limit 1")[0]
    assert (again["rep_id"], again["place"], again["rotation"], again["tier"]) == (
        owner,
        "owned",
        None,
        "hot",
    )
    assert world.count("assignment") == 1
    assert world.count("turn where kind = 'turn'") == 1
    assert world.count(f"sla_clock where inquiry_id = '{inquiry}' and kind = 'arrival'") == 1
    world.run(of, [lead], as_of=MONDAY_NOON + 2 * HOUR, hand_raise=True)
    assert world.count("decision") == 2
    assert healthy(world)


def test_an_inquiry_that_arrives_late_is_still_answered(world):
    of = simple()
    lead = world.leads(1)[0]
    world.run(of, [lead])
    world.asks(lead, MONDAY_NOON - HOUR / 2)
    world.run(of, [lead], as_of=MONDAY_NOON + HOUR, hand_raise=True)
    assert world.count("inquiry where decision_seq is null") == 0
    assert world.count("decision") == 2


def test_a_lead_of_somebody_who_left_goes_to_another_when_it_asks(world):
    of = simple()
    lead = world.leads(1)[0]
    world.run(of, [lead])
    owner = world.place(lead)[2]
    gone = replace(of.teams.reps[owner], active_until=date(2026, 3, 1))
    later = replace(of, teams=replace(of.teams, reps={**of.teams.reps, owner: gone}))
    world.asks(lead, MONDAY_NOON + HOUR / 2)
    world.run(later, [lead], as_of=MONDAY_NOON + HOUR, hand_raise=True)
    assert world.place(lead)[2] not in (owner, None)
    assert world.count("assignment where ended_because = 'routed anew'") == 1
    assert healthy(world)


def test_exceptions_are_tried_again(world):
    nobody = banded(policy(routing(rule("rest", "true", to("team", "sales"))), teams([], team("sales"))))
    lead = world.leads(1)[0]
    world.run(nobody, [lead])
    assert world.place(lead)[:2] == ("exceptions", "no_destination")
    world.run(simple(), [lead], as_of=MONDAY_NOON + HOUR)
    assert world.place(lead)[0] == "owned"
    assert world.count("sla_clock where kind = 'arrival'") == 1


def test_caps_count_day_week_and_open_leads_in_the_ledger(world):
    staff = teams([capped("ana", day=2, open=3)], team("sales", "ana"))
    of = banded(
        policy(routing(rule("rest", "true", to("team", "sales")), fallback=(to("pool", "sales"),)), staff)
    )
    days = [MONDAY_NOON + timedelta(days=n) for n in range(3)]
    for day in days:
        world.run(of, world.leads(3), as_of=day)
    assert given(world, days) == [2, 1, 0]


def test_the_cap_per_hour_counts_by_the_clock_of_the_rep(world):
    kathmandu = rep("ana", zone="Asia/Kathmandu", caps=Caps(hour=1))  # a quarter to the hour is full there
    staff = teams([kathmandu], team("sales", "ana"))
    of = banded(policy(routing(rule("rest", "true", to("team", "sales"))), staff))
    moments = [MONDAY_NOON + timedelta(minutes=minutes) for minutes in (0, 10, 15, 70, 75)]
    for at in moments:
        world.run(of, world.leads(2), as_of=at)
    assert given(world, moments) == [1, 0, 1, 0, 1]


def given(world, moments):
    """How many leads were assigned at each moment."""
    counts = "select started_at, count(*) n from assignment group by 1"
    found = {row["started_at"]: row["n"] for row in world.rows(counts)}
    return [found.get(at, 0) for at in moments]


def test_what_is_held_until_working_hours_is_routed_by_the_first_run_from_then_on(world):
    staff = teams([rep("ana")], team("sales", "ana"))
    ladder = (to("team", "sales", hours="require"), to("hold", "sales", until="working_hours"))
    of = banded(policy(routing(rule("rest", "true", *ladder)), staff))
    (lead,) = world.leads(1)
    world.run(of, [lead], as_of=MONDAY_NOON + 8 * HOUR)
    (held,) = world.rows("select place, reason, team, until from place")
    opening = MONDAY_NOON + 21 * HOUR
    assert held == {"place": "held", "reason": "out_of_hours", "team": "sales", "until": opening}
    world.run(of, [], as_of=opening - HOUR)
    assert world.place(lead) == ("held", "out_of_hours", None)
    world.run(of, [], as_of=opening)
    assert world.place(lead) == ("owned", "rest", "ana")
    assert world.rows("select until from place") == [{"until": None}]
    assert healthy(world)


def test_a_company_keeps_its_owner_over_runs(world):
    of = simple()
    first, second = world.leads(2, company="acme|US")
    by_account = world.lead("x", account=first)
    world.run(of, [first])
    world.run(of, world.leads(1))
    with world.engine.begin() as connection:
        connection.execute(sa.text("update lead set account_id = :a where lead_id = :a"), {"a": first})
    world.run(of, [second, by_account], as_of=MONDAY_NOON + HOUR)
    assert world.place(second)[2] == world.place(by_account)[2] == world.place(first)[2]
    assert world.count("turn where kind = 'turn'") == 2


def merge(world, loser, survivor, *, close=True):
    """What identity leaves of a merge."""
    statements = [
        "update lead set survivor_id = :s where lead_id = :l",
        "insert into merge (loser_id, survivor_id, rule, merged_at) values (:l, :s, 'email', now())",
        "update place set place = 'closed', reason = 'merged', rep_id = null where lead_id = :l and :close",
    ]
    with world.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), {"l": loser, "s": survivor, "close": close})


@pytest.mark.parametrize("close", [True, False], ids=["closed by identity", "placed at the same time"])
def test_of_two_owned_leads_that_merge_the_earliest_owner_stays(world, close):
    of = simple()
    older, newer = world.leads(2)
    world.run(of, [newer])
    world.run(of, [older], as_of=MONDAY_NOON + HOUR)
    owner = world.place(newer)[2]
    merge(world, newer, older, close=close)
    world.run(of, [older], as_of=MONDAY_NOON + 2 * HOUR)
    assert world.place(older) == ("owned", "merged", owner)
    assert world.place(newer) == ("closed", "merged", None)
    assert world.count("assignment where ended_at is null") == 1
    assert healthy(world)


# --- shadow ---------------------------------------------------------------------------------


def test_a_shadow_run_leaves_decisions_and_holds_what_waits(world):
    of = simple()
    live, held = world.leads(2)
    world.run(of, [live])
    owner = world.place(live)[2]
    before = {table: world.count(table) for table in ("turn", "assignment", "sla_clock", "inquiry")}
    world.asks(held, MONDAY_NOON - HOUR)
    world.run(of, [live, held], mode="shadow", as_of=MONDAY_NOON + HOUR)
    assert {table: world.count(table) for table in before} == {**before, "inquiry": 1}
    assert world.count("decision where mode = 'shadow'") == 2
    assert world.place(live) == ("owned", "rest", owner)
    assert world.place(held) == ("held", "backfill", None)
    assert world.count("inquiry where decision_seq is not null") == 0
    assert healthy(world)
    world.run(of, [held], as_of=MONDAY_NOON + 2 * HOUR)
    assert world.place(held)[0] == "owned"


def test_a_shadow_run_leaves_what_waits_for_a_live_run(world):
    """A lead that a live run brought in, and that died before routing, is found again by its place alone."""
    died, lead = world.batch(), world.leads(1)[0]
    with world.engine.begin() as connection:
        connection.execute(sa.text("update place set batch_id = :batch"), {"batch": died.batch_id})
    world.run(simple(), [lead], mode="shadow")
    assert world.place(lead)[0] == "waiting"


def test_an_older_record_from_a_backfill_takes_no_owner_away(world):
    of = simple()
    known, older = world.leads(2)
    world.run(of, [known])
    owner = world.place(known)[2]
    merge(world, known, older)
    world.run(of, [older], mode="shadow", as_of=MONDAY_NOON - HOUR / 2)
    assert world.rows("select lead_id, rep_id from assignment") == [{"lead_id": known, "rep_id": owner}]
    world.run(of, [], as_of=MONDAY_NOON + HOUR)
    assert world.place(older) == ("owned", "merged", owner)
    assert world.count("turn where kind = 'turn'") == 1
    assert healthy(world)


def test_a_merge_found_in_shadow_changes_nothing_until_a_live_run_returns_the_turn(world):
    of = simple()
    older, newer = world.leads(2)
    world.run(of, [newer])
    world.run(of, [older], as_of=MONDAY_NOON + HOUR)
    stays, loses = world.place(newer)[2], world.place(older)[2]
    merge(world, newer, older)
    tables = ("assignment", "turn", "sla_clock", "inquiry", "routing_event", "outbox", "place")
    before = {table: world.rows(f"select to_jsonb(t) as row from {table} t order by 1") for table in tables}
    world.run(of, [older], mode="shadow", as_of=MONDAY_NOON + 2 * HOUR)
    assert {
        table: world.rows(f"select to_jsonb(t) as row from {table} t order by 1") for table in tables
    } == before
    world.run(of, [], as_of=MONDAY_NOON + 3 * HOUR)
    assert world.place(older) == ("owned", "merged", stays)
    assert world.rows("select rep_id from turn where kind = 'return'") == [{"rep_id": loses}]
    world.run(of, [], as_of=MONDAY_NOON + 4 * HOUR)
    assert world.count("turn where kind = 'return'") == 1
    assert healthy(world)


def test_a_shadow_run_remembers_its_own_picks(world, monkeypatch):
    monkeypatch.setattr("clearlane.route.routing.CHUNK", 1)
    staff = teams([capped("ana", day=2), capped("ben", day=2)], team("sales", "ana", "ben"))
    of = banded(policy(routing(rule("rest", "true", to("team", "sales"))), staff))
    world.run(of, world.leads(6), mode="shadow")
    reps = [row["rep_id"] for row in world.rows("select rep_id from decision order by decision_seq")]
    assert sorted(reps[:4]) == ["ana", "ana", "ben", "ben"]
    assert reps[4:] == [None, None]


def test_a_lead_that_is_not_scored_yet_waits(world):
    lead = world.leads(1)[0]
    batch = world.batch()
    with world.engine.begin() as connection:
        assert route.chunks(connection, batch) == []
        assert route.run_chunk(connection, simple(), batch, [lead]) == {}
    assert world.place(lead)[0] == "waiting"
