"""What people change in the CRM is told once; what we wrote, and what stood there before, is not told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.conftest import CRM, World, simple
from tests.route.firms import MONDAY_NOON

from clearlane import route
from clearlane.ledger import Batch

MINUTE = timedelta(minutes=1)


def minute(number: float) -> datetime:
    return MONDAY_NOON + number * MINUTE


def said(world: World, lead: UUID, owner: str | None, at: datetime) -> None:
    """The CRM's record of the lead, from a moment on."""
    world.known(lead, at=at, **({"owner": owner} if owner else {}))


def wrote(world: World, lead: UUID, owner: str | None, at: datetime) -> None:
    """A write of ours that went out."""
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into outbox (idempotency_key, source, object, external_id, lead_id, decision_seq, batch_id,"
                " fields, state, sent_at) select cast(:at as text), l.source, 'leads', l.external_id, l.lead_id,"
                " d.decision_seq, d.batch_id, jsonb_build_object('owner', cast(:owner as text)), 'sent', :at"
                " from lead l join decision d using (lead_id) where l.lead_id = :lead"
                " order by d.decision_seq desc limit 1"
            ),
            {"lead": lead, "owner": owner, "at": at},
        )


def owned(world: World) -> tuple[UUID, str]:
    """A lead that nobody owned in the CRM, and the rep to whom we gave it at noon."""
    lead = world.lead("L")
    world.run(simple(), [lead])
    return lead, str(world.place(lead)[2])


def another(rep: str) -> str:
    return next(name for name in ("ana", "ben", "cyd") if name != rep)


def noted(world: World, lead: UUID, at: datetime, **options: Any) -> list[dict[str, Any]]:
    """The events of a run at a moment that works on the lead."""
    batch = world.batch(as_of=at, **options)
    world.score(batch, lead)
    note(world, batch)
    return told(world)


def note(world: World, batch: Batch, **options: Any) -> int:
    with world.engine.begin() as connection:
        return route.note_owner_changes(connection, simple(), batch, **options)


def told(world: World) -> list[dict[str, Any]]:
    events = world.rows(
        "select rep_id, detail ->> 'owner' as owner, occurred_at from routing_event where kind = 'owner' order by 3"
    )
    return [{"rep": one["rep_id"], "owner": one["owner"], "at": one["occurred_at"]} for one in events]


def test_a_person_gives_the_lead_to_another_and_keeps_it_there(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(1))
    said(world, lead, rep, minute(0.9))
    other = another(rep)
    said(world, lead, other.title(), minute(20))
    assert noted(world, lead, minute(25)) == [{"rep": other, "owner": other.title(), "at": minute(20)}]
    swept = world.batch(as_of=minute(25))
    world.score(swept, lead)
    world.route(simple(), swept)
    assert world.place(lead) == ("owned", "owner_changed", other)
    assert len(noted(world, lead, minute(30))) == 1


def test_touches_of_the_new_owner_are_looked_at_again(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(1))
    with world.engine.begin() as connection:
        connection.execute(sa.text("delete from touch_due"))
    said(world, lead, another(rep), minute(20))
    noted(world, lead, minute(25))
    swept = world.batch(as_of=minute(25))
    world.score(swept, lead)
    world.route(simple(), swept)
    assert world.rows("select distinct lead_id from touch_due") == [{"lead_id": lead}]


def owing(world: World, lead: UUID) -> list[tuple[str, str, float]]:
    """(kind, rep, minutes after noon of its start) of the open promises."""
    rows = world.rows(
        "select kind, rep_id, started_at from sla_clock where lead_id = :lead and ended_at is null and met_at is null"
        " order by 1",
        lead=lead,
    )
    return [(one["kind"], one["rep_id"], (one["started_at"] - MONDAY_NOON) / MINUTE) for one in rows]


@pytest.mark.parametrize("touched", [False, True])
def test_who_is_given_an_untouched_lead_owes_it_the_touch_from_then_on(world: World, touched: bool) -> None:
    """One that is being worked is handed on without a promise."""
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(1))
    if touched:
        with world.engine.begin() as connection:
            connection.execute(sa.text("update sla_clock set met_at = :at"), {"at": minute(5)})
    other = another(rep)
    said(world, lead, other, minute(20))
    noted(world, lead, minute(25))
    swept = world.batch(as_of=minute(25))
    world.score(swept, lead)
    world.route(simple(), swept)
    assert owing(world, lead) == ([] if touched else [("arrival", rep, -60), ("assignment", other, 20)])


def test_our_own_write_is_no_change_whatever_else_is_edited(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(1))
    for at in (0.9, 3, 200):
        said(world, lead, rep, minute(at))
    assert noted(world, lead, minute(210)) == []


def test_an_owner_of_before_stays_known_until_our_write_goes_out(world: World) -> None:
    lead = world.lead("L", owner="U-99")
    world.run(simple(existing_owner="ignore"), [lead])
    said(world, lead, "U-99", minute(3))
    assert noted(world, lead, minute(5)) == []
    wrote(world, lead, str(world.place(lead)[2]), minute(30))
    said(world, lead, "U-99", minute(60))
    assert noted(world, lead, minute(65)) == [{"rep": None, "owner": "U-99", "at": minute(60)}]


def test_an_older_write_of_ours_that_is_seen_late_is_no_change(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, another(rep), minute(1))
    said(world, lead, another(rep), minute(2))
    assert noted(world, lead, minute(5)) == []


def test_an_owner_who_is_taken_away_is_told(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(1))
    said(world, lead, rep, minute(1))
    said(world, lead, None, minute(20))
    assert noted(world, lead, minute(25)) == [{"rep": None, "owner": None, "at": minute(20)}]
    swept = world.batch(as_of=minute(25))
    world.score(swept, lead)
    world.route(simple(), swept)
    assert noted(world, lead, minute(40)) == told(world)
    assert len(told(world)) == 1


def test_a_clock_that_is_off_by_minutes_changes_nothing(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(9))
    said(world, lead, rep, minute(2))
    assert noted(world, lead, minute(15)) == []


def test_what_a_later_run_will_see_waits_and_shadow_tells_nothing(world: World) -> None:
    lead, rep = owned(world)
    said(world, lead, another(rep), minute(20))
    assert noted(world, lead, minute(20)) == []
    assert noted(world, lead, minute(25), mode="shadow") == []


def test_changes_of_the_last_days_are_found_without_the_lead_in_the_work(world: World) -> None:
    lead, rep = owned(world)
    said(world, lead, another(rep), minute(20))
    late = world.batch(as_of=minute(60))
    assert note(world, late) == 0
    assert note(world, late, since=minute(0)) == 1
    assert note(world, late, since=minute(0)) == 0


@pytest.mark.parametrize("place", ["waiting", "held", "closed"])
def test_who_has_no_decision_yet_or_is_done_is_left_to_routing(world: World, place: str) -> None:
    lead, rep = owned(world)
    with world.engine.begin() as connection:
        connection.execute(sa.text("update place set place = :place"), {"place": place})
    said(world, lead, another(rep), minute(20))
    assert noted(world, lead, minute(25)) == []


@settings(max_examples=examples(15, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=st.lists(st.sampled_from(["ana", "ben", "cyd"]), min_size=1, max_size=5))
def test_whoever_people_choose_last_owns_the_lead(world: World, choices: list[str]) -> None:
    lead = world.lead(f"L{next(world.numbers)}")
    world.run(simple(), [lead])
    for number, choice in enumerate(choices, start=1):
        said(world, lead, choice, minute(10 * number))
        batch = world.batch(as_of=minute(10 * number + 5))
        world.score(batch, lead)
        note(world, batch)
        world.route(simple(), batch)
    assert world.place(lead)[2] == choices[-1]


def test_only_the_master_of_owners_is_heard(world: World) -> None:
    lead, rep = owned(world)
    said(world, lead, another(rep), minute(5))
    batch = world.batch(as_of=minute(6))
    world.score(batch, lead)
    of = simple()
    silent = replace(CRM, objects={"leads": replace(CRM.objects["leads"], extras=False)})
    for master, source, events in (("other", CRM, 0), ("crm", silent, 0), ("crm", CRM, 1)):
        sources = replace(of.sources, sources={"crm": source}, masters={"owner": master})
        with world.engine.begin() as connection:
            assert route.note_owner_changes(connection, replace(of, sources=sources), batch) == events


def test_a_deleted_record_says_nothing_of_owners(world: World) -> None:
    lead, rep = owned(world)
    wrote(world, lead, rep, minute(1))
    said(world, lead, rep, minute(2))
    world.known(lead, at=minute(5), deleted=True)
    assert noted(world, lead, minute(6)) == []
