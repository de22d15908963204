"""What the sweep tells: warnings, breaches, leads taken away, in order, once, and nothing of leads touched in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch, kinds, watched

from clearlane import ledger
from clearlane.policy.model import Span, Tier
from clearlane.route.declines import decline
from clearlane.sla import pauses
from clearlane.sla.watch import NOTHING

HOUR = timedelta(hours=1)
WARM = Tier("warm", Span(60, "minutes"), Span(100, "minutes"), "rep", 0.5, 1.5, ("manager", "head_of_sales"))
WARN, DUE, TAKEN = (MONDAY_NOON + minutes * MINUTE for minutes in (30, 60, 90))
POLICY = watched()
POLICY = replace(
    POLICY,
    sla=replace(POLICY.sla, tiers={**POLICY.sla.tiers, "warm": WARM}, head_of_sales="hedy"),
)
SALES = POLICY.teams.teams["sales"]


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


@pytest.fixture
def lead(world: Watch) -> UUID:
    """A warm lead given at noon, due at one."""
    return given(world, "L")


def given(world: Watch, name: str) -> UUID:
    lead = world.lead(name, created_at=MONDAY_NOON)
    world.run(POLICY, [lead])
    return lead


def of_owner(world: Watch, lead: UUID) -> list[str]:
    """Kinds of what was told of the assignment clocks."""
    return [kind for kind, clock, _ in world.events(lead=lead) if clock == "assignment"]


def test_a_silent_owner_is_warned_then_breaches_then_loses_the_lead(world: Watch, lead: UUID) -> None:
    first = world.owner(lead)
    for minutes in range(5, 91, 5):
        world.watch(POLICY, MONDAY_NOON + minutes * MINUTE)
    assert of_owner(world, lead) == ["warn", "breach"]
    assert world.owner(lead) == first
    swept = world.watch(POLICY, TAKEN + 5 * MINUTE)
    assert swept.reassigned == 1
    assert of_owner(world, lead) == ["warn", "breach", "reassign"]
    world.watch(POLICY, TAKEN + 10 * MINUTE)
    assert world.owner(lead) not in (None, first)
    told = world.rows("select occurred_at, to_rep_id, cause from sla_event where kind = 'breach' and rep_id is not null"
                      " and detail ->> 'clock' = 'assignment'")  # fmt: skip
    assert told == [{"occurred_at": DUE, "to_rep_id": "mia", "cause": "rep_silent"}]


@pytest.mark.parametrize("minutes", [1, 29, 60])
def test_nothing_is_told_of_a_lead_touched_in_time(world: Watch, lead: UUID, minutes: int) -> None:
    world.touched(lead, MONDAY_NOON + minutes * MINUTE)
    for later in (61, 65, 95, 300):
        world.watch(POLICY, MONDAY_NOON + later * MINUTE)
    assert kinds(world.events()) == ({} if minutes < 30 else {"warn": 2})


def test_who_declines_in_time_is_not_silent_though_the_run_comes_late(world: Watch, lead: UUID) -> None:
    owner = world.owner(lead)
    assert owner
    with world.engine.begin() as connection:
        decline(connection, POLICY, lead, owner, "no capacity", DUE - 5 * MINUTE)
    world.watch(POLICY, DUE + 20 * MINUTE)
    assert of_owner(world, lead) == ["warn"]
    assert world.owner(lead) not in (None, owner)
    assert world.rows("select cause from sla_event where kind = 'breach' and detail ->> 'clock' = 'arrival'")


@pytest.mark.parametrize(("touched", "told"), [(DUE - MINUTE, []), (DUE + MINUTE, ["breach"])])
def test_a_touch_that_is_shown_after_the_lead_moved_on_counts_if_it_was_in_time(
    world: Watch, lead: UUID, touched: datetime, told: list[str]
) -> None:
    owner = world.owner(lead)
    assert owner
    world.read(WARN)
    with world.engine.begin() as connection:
        decline(connection, POLICY, lead, owner, "no capacity", DUE + 5 * MINUTE)
    world.watch(POLICY, DUE + 6 * MINUTE, read=False)
    world.touched(lead, touched, owner)
    world.watch(POLICY, DUE + 10 * MINUTE)
    promise = [(kind, rep) for kind, clock, rep in world.events(lead=lead) if clock == "assignment"]
    assert [
        kind for kind, rep in promise if rep == owner and kind not in ("warn", "unverified", "verified")
    ] == told


def test_a_breach_is_told_though_the_touch_came_before_the_run(world: Watch, lead: UUID) -> None:
    world.touched(lead, DUE + MINUTE)
    world.watch(POLICY, DUE + 5 * MINUTE)
    assert of_owner(world, lead) == ["warn", "breach"]
    world.watch(POLICY, TAKEN + 5 * MINUTE)
    assert of_owner(world, lead) == ["warn", "breach"]


def test_a_clock_whose_source_was_not_read_waits_unverified(world: Watch, lead: UUID) -> None:
    world.read(DUE - MINUTE)
    assert [world.watch(POLICY, at, read=False).unverified for at in (DUE + MINUTE, TAKEN + MINUTE)] == [2, 0]
    assert set(kinds(world.events())) == {"warn", "unverified"}
    owner = world.owner(lead)
    world.touched(lead, DUE + 2 * MINUTE)
    swept = world.watch(POLICY, TAKEN + 10 * MINUTE)
    assert (swept.breached, swept.reassigned) == (2, 0)
    assert world.owner(lead) == owner
    assert {row["cause"] for row in world.rows("select cause from sla_event where kind = 'breach'")} == {
        "crm_late"
    }
    assert not world.rows("select from sla_clock where unverified_since is not null")


def test_a_touch_in_time_that_was_read_late_tells_nothing_but_that_it_was_unverified(
    world: Watch, lead: UUID
) -> None:
    world.read(MONDAY_NOON)
    world.watch(POLICY, DUE + MINUTE, read=False)
    world.touched(lead, MONDAY_NOON + MINUTE)
    world.watch(POLICY, DUE + 5 * MINUTE)
    assert kinds(world.events()) == {"unverified": 2, "verified": 2}


def test_a_touch_that_waits_in_the_inbox_is_not_known_yet(world: Watch, lead: UUID) -> None:
    world.arrives(lead, None, state="waiting")
    swept = world.watch(POLICY, DUE + MINUTE)
    assert swept == NOTHING
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update inbox set state = 'consumed' where object = 'outcomes'")
    assert world.watch(POLICY, DUE + 5 * MINUTE).breached == 2


def test_a_touch_that_is_held_with_its_delivery_is_not_known_yet(world: Watch, lead: UUID) -> None:
    seq = world.arrives(lead, None, state="quarantined")
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into quarantine (seq, reasons, since)"
            ' values (%s, \'[{"field": "delivery", "rule": "volume"}]\', %s)',
            (seq, MONDAY_NOON),
        )
    assert world.watch(POLICY, DUE + MINUTE) == NOTHING
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update quarantine set state = 'dismissed'")
    assert world.watch(POLICY, DUE + 5 * MINUTE).breached == 2


def test_while_a_file_of_touches_is_broken_nobody_is_blamed(world: Watch, lead: UUID) -> None:
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "with kept as (insert into inbox (source, object, record_key, file, payload, state)"
            " values ('crm', 'file', 'k', 'exports/outcomes.csv', '{}', 'quarantined') returning seq)"
            ' insert into quarantine (seq, reasons, since) select seq, \'[{"field": "file"}]\', now() from kept'
        )
    swept = world.watch(POLICY, DUE + MINUTE)
    assert (swept.breached, swept.unverified) == (0, 2)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update quarantine set state = 'dismissed'")
    assert world.watch(POLICY, DUE + 5 * MINUTE).breached == 2


def test_a_source_that_shows_touches_late_is_judged_later(world: Watch, lead: UUID) -> None:
    crm = POLICY.sources.sources["crm"]
    slow = {**crm.objects, "outcomes": replace(crm.objects["outcomes"], lag=90 * MINUTE)}
    of = replace(POLICY, sources=replace(POLICY.sources, sources={"crm": replace(crm, objects=slow)}))
    assert world.watch(of, DUE + 90 * MINUTE) == replace(NOTHING, warned=2)
    assert world.watch(of, DUE + 91 * MINUTE).breached == 2


def test_the_first_touch_counts_though_a_later_one_arrived_before_it(world: Watch, lead: UUID) -> None:
    world.touched(lead, DUE + MINUTE)
    world.read(DUE - MINUTE)
    world.watch(POLICY, DUE + 5 * MINUTE, read=False)
    assert {row["met_at"] for row in world.rows("select met_at from sla_clock")} == {DUE + MINUTE}
    world.touched(lead, MONDAY_NOON + MINUTE)
    world.watch(POLICY, DUE + 10 * MINUTE)
    assert "breach" not in kinds(world.events())
    owed = "select distinct met_at from sla_clock where kind <> 'accept'"
    assert world.rows(owed) == [{"met_at": MONDAY_NOON + MINUTE}]


def test_a_source_without_touches_judges_nobody(world: Watch, lead: UUID) -> None:
    crm = POLICY.sources.sources["crm"]
    leads = {name: one for name, one in crm.objects.items() if name == "leads"}
    of = replace(POLICY, sources=replace(POLICY.sources, sources={"crm": replace(crm, objects=leads)}))
    assert world.watch(of, TAKEN + HOUR) == NOTHING


def test_an_old_run_a_backfill_and_a_shadow_tell_nothing(world: Watch, lead: UUID) -> None:
    late = TAKEN + HOUR
    assert world.watch(POLICY, late, run_type="backfill") == NOTHING
    assert world.watch(POLICY, late, mode="shadow") == NOTHING
    old = world.run_of(DUE + MINUTE)
    world.watch(POLICY, MONDAY_NOON + MINUTE)
    world.watch(POLICY, late)
    before = world.events()
    assert world.sweep(POLICY, old) == NOTHING
    assert world.events() == before


def test_a_run_that_is_repeated_tells_nothing_twice(world: Watch, lead: UUID) -> None:
    world.read(DUE + MINUTE)
    batch = world.run_of(DUE + MINUTE)
    assert world.sweep(POLICY, batch).breached == 2
    before = world.events("kind", "rep_id", "occurred_at", "noted_at")
    assert world.sweep(POLICY, batch) == NOTHING
    assert world.events("kind", "rep_id", "occurred_at", "noted_at") == before


def test_after_two_hops_the_manager_is_told_and_nobody_else_gets_it(world: Watch, lead: UUID) -> None:
    owners = []
    at = MONDAY_NOON
    while world.place(lead)[0] == "owned" and at < MONDAY_NOON + 9 * HOUR:
        owners.append(world.owner(lead))
        at += 5 * MINUTE
        world.watch(POLICY, at)
    assert len(dict.fromkeys(owners)) == 3
    assert world.place(lead)[:2] == ("exceptions", "manager_decides")
    world.watch(POLICY, at + 5 * MINUTE)
    told = [kind for kind, *_ in world.events() if kind in ("reassign", "escalate_manager", "escalate_head")]
    assert told[:4] == ["reassign", "reassign", "reassign", "escalate_manager"]
    assert {
        row["to_rep_id"]
        for row in world.rows("select to_rep_id from sla_event where kind = 'escalate_manager'")
    } == {"mia"}


def test_a_lead_that_a_person_gave_stays_and_its_manager_and_the_head_of_sales_are_told(
    world: Watch, lead: UUID
) -> None:
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update assignment set by = 'person'")
        connection.exec_driver_sql("update sla_clock set ended_at = started_at where kind = 'accept'")
    owner = world.owner(lead)
    world.watch(POLICY, TAKEN + 5 * MINUTE)
    world.watch(POLICY, TAKEN + 10 * MINUTE)
    assert of_owner(world, lead) == ["warn", "breach", "escalate_manager", "escalate_head"]
    assert world.owner(lead) == owner
    heads = world.rows("select to_rep_id from sla_event where kind = 'escalate_head'")
    assert [row["to_rep_id"] for row in heads] == ["hedy"]


def test_who_does_not_accept_in_time_loses_the_lead_and_the_turn(world: Watch) -> None:
    of, lead = POLICY, given(world, "L")
    first = world.owner(lead)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update sla_clock set reassign_at = null")
    swept = world.watch(of, MONDAY_NOON + 101 * MINUTE)
    assert (swept.timed_out, swept.reassigned) == (1, 0)
    world.watch(of, MONDAY_NOON + 106 * MINUTE)
    assert world.owner(lead) not in (None, first)
    declined = world.rows(
        "select rep_id, detail ->> 'reason' as reason from routing_event where kind = 'decline'"
    )
    assert declined == [{"rep_id": first, "reason": "accept time-out"}]
    assert not world.rows("select from turn where kind = 'return'")


def test_a_touch_in_time_that_was_logged_late_withdraws_the_breach(world: Watch, lead: UUID) -> None:
    world.watch(POLICY, DUE + MINUTE)
    logged = world.run_of(MONDAY_NOON + 26 * HOUR, dag="outcome_sync")
    world.touched(lead, DUE - MINUTE, world.owner(lead), seq=world.arrives(lead, logged))
    swept = world.watch(POLICY, MONDAY_NOON + 27 * HOUR)
    assert (swept.withdrawn, swept.reassigned) == (2, 0)
    assert world.rows("select distinct met_late from sla_clock") == [{"met_late": True}]
    assert world.watch(POLICY, MONDAY_NOON + 28 * HOUR).withdrawn == 0


def test_a_breach_is_withdrawn_also_after_the_lead_went_on(world: Watch, lead: UUID) -> None:
    first = world.owner(lead)
    world.watch(POLICY, TAKEN + MINUTE)
    world.watch(POLICY, TAKEN + 5 * MINUTE)
    assert world.owner(lead) != first
    world.touched(lead, DUE - MINUTE, first)
    world.watch(POLICY, TAKEN + 10 * MINUTE)
    withdrawn = [rep for kind, clock, rep in world.events() if kind == "withdrawn" and clock == "assignment"]
    assert withdrawn == [first]


def test_a_paused_clock_stands_still(world: Watch, lead: UUID) -> None:
    with world.engine.begin() as connection:
        until, said = MONDAY_NOON + 30 * timedelta(days=1), "asked for April"
        pauses.pause(connection, POLICY, lead, until=until, by="mia", because=said, at=MONDAY_NOON + MINUTE)
    assert world.watch(POLICY, TAKEN + HOUR) == NOTHING


def test_what_a_lead_arrived_with_too_late_is_the_pipelines_doing(world: Watch) -> None:
    lead = world.lead("L", created_at=MONDAY_NOON - 3 * HOUR)
    world.run(POLICY, [lead])
    world.watch(POLICY, MONDAY_NOON + MINUTE)
    assert world.events("kind", "cause", "occurred_at", lead=lead)[-1][:2] == ("breach", "pipeline_late")


def test_moments_count_once_they_lie_before_the_run(world: Watch, lead: UUID) -> None:
    assert world.watch(POLICY, DUE).breached == 0
    assert world.watch(POLICY, DUE + timedelta(microseconds=1)).breached == 2


def test_a_queue_is_told_to_its_owner_then_to_the_manager_then_to_the_head_of_sales(world: Watch) -> None:
    nobody = replace(POLICY, teams=replace(POLICY.teams, teams={"sales": replace(SALES, members=())}))
    of = replace(nobody, sla=replace(nobody.sla, queues={"exceptions": Span(60, "minutes")}))
    lead = world.lead("L", created_at=MONDAY_NOON)
    world.run(of, [lead])
    assert world.place(lead)[0] == "exceptions"
    for minutes in (61, 121, 126):
        world.watch(of, MONDAY_NOON + minutes * MINUTE)
    told = world.rows(
        "select kind, to_rep_id, cause, occurred_at from sla_event where detail ->> 'clock' = 'queue' order by event_id"
    )
    assert [(row["kind"], row["to_rep_id"], row["cause"]) for row in told] == [
        ("warn", None, None),
        ("breach", "quin", "no_one_eligible"),
        ("escalate_manager", "mia", None),
        ("escalate_head", "hedy", None),
    ]
    assert told[2]["occurred_at"] == MONDAY_NOON + 120 * MINUTE
