"""Clocks are met by touches of the owner's team after they began, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.route.conftest import World, simple
from tests.route.firms import MONDAY_NOON

from clearlane import ledger, sla

MINUTE = timedelta(minutes=1)
LATER = MONDAY_NOON + timedelta(days=2)


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    engine = ledger.connect(ledger_url)
    yield World(engine)
    engine.dispose()


@pytest.fixture
def lead(world: World) -> UUID:
    """A warm lead given at noon, with its clocks."""
    lead = world.lead("L")
    world.run(simple(), [lead])
    assert clocks(world)
    return lead


def happened(world: World, kind: str, at: datetime, rep: str | None = None, lead: str = "L") -> None:
    with world.engine.begin() as connection:
        write(connection, kind, at, rep, lead)


def write(
    connection: sa.Connection, kind: str, at: datetime, rep: str | None = None, lead: str = "L"
) -> None:
    """As identity writes what a source says."""
    connection.execute(
        sa.text(
            "with noted as (insert into touch_due (lead_id) select lead_id from lead where external_id = :lead)"
            "insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, rep_id)"
            " select gen_random_uuid(), 'crm', external_id, lead_id, :kind, :at, :rep from lead"
            " where external_id = :lead"
        ),
        {"kind": kind, "at": at, "rep": rep, "lead": lead},
    )


def meet(world: World, at: datetime = LATER, **options: Any) -> int:
    batch = world.batch(as_of=at, **options)
    with world.engine.begin() as connection:
        return sla.meet(connection, simple(), batch)


def clocks(world: World) -> dict[str, datetime | None]:
    return {row["kind"]: row["met_at"] for row in world.rows("select kind, met_at from sla_clock")}


@pytest.mark.parametrize("kind", ["first_touch", "meeting"])
def test_the_first_touch_meets_the_clocks_once(world: World, lead: UUID, kind: str) -> None:
    happened(world, kind, MONDAY_NOON + 9 * MINUTE)
    happened(world, "first_touch", MONDAY_NOON + 4 * MINUTE, "Ana")
    assert meet(world) == len(clocks(world))
    assert set(clocks(world).values()) == {MONDAY_NOON + 4 * MINUTE}
    happened(world, "first_touch", MONDAY_NOON + 6 * MINUTE)
    assert meet(world) == 0


def test_what_is_no_touch_of_this_promise_meets_nothing(world: World, lead: UUID) -> None:
    happened(world, "sql", MONDAY_NOON + 4 * MINUTE)
    happened(world, "first_touch", MONDAY_NOON - timedelta(hours=2))
    happened(world, "first_touch", LATER)
    assert meet(world) == 0


def test_an_accept_meets_its_own_clock_only(world: World, lead: UUID) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into sla_clock (lead_id, kind, tier, started_at, due_at)"
                " values (:lead, 'accept', 'warm', :at, :at)"
            ),
            {"lead": lead, "at": MONDAY_NOON},
        )
    happened(world, "accepted", MONDAY_NOON + MINUTE)
    assert meet(world) == 1
    assert [kind for kind, met in clocks(world).items() if met] == ["accept"]


def test_somebody_of_another_team_is_not_the_owner_and_a_clock_a_little_off_is(
    world: World, lead: UUID
) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into owner (source, external_id, name, valid_from) values ('crm', 'X', 'Ben', now())"
            )
        )
        connection.execute(sa.text("update decision set team = 'other', rep_id = 'ana'"))
        connection.execute(sa.text("update assignment set rep_id = 'ana'"))
        connection.execute(sa.text("update sla_clock set rep_id = 'ana'"))
    happened(world, "first_touch", MONDAY_NOON + MINUTE, "X")
    assert meet(world) == 0
    happened(world, "first_touch", MONDAY_NOON - 2 * MINUTE, "ana")
    assert meet(world) == len(clocks(world))


def test_shadow_runs_meet_nothing(world: World, lead: UUID) -> None:
    happened(world, "first_touch", MONDAY_NOON + MINUTE)
    assert meet(world, mode="shadow") == 0


@pytest.mark.parametrize("minutes", list(permutations((-4.5, 3, 9))))
def test_touches_that_arrive_in_another_order_leave_the_same_clocks(
    world: World, lead: UUID, minutes: tuple[float, ...]
) -> None:
    """Of a source whose clock is behind by up to five minutes, too."""
    for number, minute in enumerate(minutes):
        happened(world, "first_touch", MONDAY_NOON + minute * MINUTE)
        meet(world, MONDAY_NOON + timedelta(hours=1 + number))
    found = clocks(world)
    assert (found["assignment"], found["arrival"]) == (MONDAY_NOON, MONDAY_NOON - 4.5 * MINUTE)


def test_a_touch_dated_ahead_of_our_clock_waits_until_then(world: World, lead: UUID) -> None:
    happened(world, "first_touch", MONDAY_NOON + 10 * MINUTE)
    assert meet(world, MONDAY_NOON + 9 * MINUTE) == 0
    assert meet(world, MONDAY_NOON + 11 * MINUTE) == len(clocks(world))


def test_a_touch_dated_more_than_five_minutes_before_was_for_another_owner(world: World, lead: UUID) -> None:
    happened(world, "first_touch", MONDAY_NOON - 5.1 * MINUTE)
    meet(world)
    assert clocks(world)["assignment"] is None


# --- nothing is lost, whatever breaks -------------------------------------------------------------


def breached(world: World) -> None:
    """Nothing more of these promises falls due, so that no run looks at them for that."""
    with world.engine.begin() as connection:
        connection.execute(sa.text("update sla_clock set warned_at = due_at, breached_at = due_at"))


def due(world: World) -> int:
    return world.count("touch_due")


def test_a_touch_that_came_before_an_outage_of_days_is_known_after_it(world: World, lead: UUID) -> None:
    breached(world)
    happened(world, "first_touch", MONDAY_NOON + 5 * MINUTE)
    assert meet(world, MONDAY_NOON + timedelta(days=60)) == len(clocks(world))


def test_a_run_that_dies_leaves_its_touches_to_the_next(world: World, lead: UUID) -> None:
    breached(world)
    happened(world, "first_touch", MONDAY_NOON + MINUTE)
    batch = world.batch(as_of=LATER)
    with world.engine.connect() as connection, connection.begin() as transaction:
        assert sla.meet(connection, simple(), batch) == len(clocks(world))
        transaction.rollback()
    assert meet(world) == len(clocks(world))


def test_a_run_that_another_overtakes_does_not_wait_and_loses_nothing(world: World, lead: UUID) -> None:
    breached(world)
    happened(world, "first_touch", MONDAY_NOON + 9 * MINUTE)
    batch = world.batch(as_of=LATER)
    with world.engine.connect() as connection, connection.begin() as transaction:
        sla.meet(connection, simple(), batch)
        assert meet(world, LATER + MINUTE) == 0
        happened(world, "first_touch", MONDAY_NOON + 3 * MINUTE)
        transaction.commit()
    assert meet(world, LATER + MINUTE) == len(clocks(world))
    assert set(clocks(world).values()) == {MONDAY_NOON + 3 * MINUTE}


def test_what_is_written_first_and_readable_last_is_for_the_next_run(world: World, lead: UUID) -> None:
    """A number remembered in place of the list would lose it."""
    breached(world)
    with world.engine.connect() as connection, connection.begin() as transaction:
        write(connection, "first_touch", MONDAY_NOON + MINUTE)
        happened(world, "first_touch", MONDAY_NOON + 2 * MINUTE)
        assert meet(world) == len(clocks(world))
        transaction.commit()
    meet(world, LATER + MINUTE)
    assert set(clocks(world).values()) == {MONDAY_NOON + MINUTE}


def test_a_touch_that_was_known_before_its_promise_meets_it(world: World) -> None:
    lead = world.lead("L")
    happened(world, "first_touch", MONDAY_NOON - 2 * MINUTE)
    meet(world, MONDAY_NOON)
    assert due(world) == 0
    world.run(simple(), [lead])
    breached(world)
    assert meet(world) == len(clocks(world))


def test_a_run_of_an_earlier_moment_leaves_later_touches_to_later_runs(world: World, lead: UUID) -> None:
    breached(world)
    happened(world, "first_touch", MONDAY_NOON + 10 * MINUTE)
    for minute in (3, 9):
        assert meet(world, MONDAY_NOON + minute * MINUTE) == 0
    assert meet(world) == len(clocks(world))


def test_what_was_looked_at_is_looked_at_no_more(world: World, lead: UUID) -> None:
    happened(world, "first_touch", MONDAY_NOON + MINUTE)
    assert due(world) > 0
    meet(world, mode="shadow")
    assert due(world) > 0
    meet(world)
    assert due(world) == 0


# --- handed on ------------------------------------------------------------------------------------


HAND_ON = """
with told as (
    insert into routing_event (lead_id, kind, occurred_at, because, detail)
    values (:lead, 'owner', :at, 'said', '{}') returning event_id
), ended as (
    update sla_clock set ended_at = :at where kind <> 'arrival'
), noted as (
    insert into touch_due (lead_id) values (:lead)
), made as (
    insert into decision (decision_seq, lead_id, batch_id, mode, as_of, profile_id, score_id, roster_id, policy,
                          code_version, place, band, rep_id, refused, because, event_id)
    select nextval('decision_seq'), lead_id, :batch, 'hand', :at, profile_id, score_id, roster_id, policy,
           code_version, 'owned', band, 'zoe', '{}', 'a person said so', told.event_id
    from decision, told returning decision_seq
)
insert into sla_clock (lead_id, decision_seq, kind, tier, rep_id, started_at, due_at)
select :lead, decision_seq, 'assignment', 'warm', 'zoe', :at, cast(:at as timestamptz) + interval '1 h' from made
"""


def handed_on(world: World, lead: UUID, at: datetime) -> None:
    """A person gave the lead to Zoe, in the source."""
    bound = {"at": at, "lead": lead, "batch": world.batch(as_of=at).batch_id}
    with world.engine.begin() as connection:
        connection.execute(sa.text(HAND_ON), bound)


@pytest.mark.parametrize("order", list(permutations((5, 30))))
def test_a_lead_that_was_being_worked_is_handed_on_without_a_promise(
    world: World, lead: UUID, order: tuple[int, ...]
) -> None:
    """Also where the touch that says so is read after the new owner's first."""
    handed_on(world, lead, MONDAY_NOON + 20 * MINUTE)
    for number, minute in enumerate(order):
        happened(world, "first_touch", MONDAY_NOON + minute * MINUTE)
        meet(world, LATER + number * MINUTE)
    [new] = world.rows("select met_at, ended_at, started_at from sla_clock where rep_id = 'zoe'")
    assert (new["met_at"], new["ended_at"]) == (None, new["started_at"])


def test_an_untouched_lead_is_handed_on_with_its_promise(world: World, lead: UUID) -> None:
    handed_on(world, lead, MONDAY_NOON + 20 * MINUTE)
    happened(world, "first_touch", MONDAY_NOON + 30 * MINUTE)
    meet(world)
    [new] = world.rows("select met_at, ended_at from sla_clock where rep_id = 'zoe'")
    assert new == {"met_at": MONDAY_NOON + 30 * MINUTE, "ended_at": None}
