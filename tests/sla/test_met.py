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
        connection.execute(
            sa.text(
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
