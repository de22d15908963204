"""Leads that are deleted in their source are closed, and come back to routing where they are restored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.route.conftest import World, simple
from tests.route.firms import MONDAY_NOON
from tests.route.test_run import healthy

HOUR = timedelta(hours=1)


def run(world: World, lead: UUID, hours: float, said: dict[str, Any], **score: Any) -> None:
    """The source says so of the lead, and a run works on it."""
    at = MONDAY_NOON + hours * HOUR
    world.known(lead, at=at - HOUR / 2, **said)
    world.run(simple(), [lead], as_of=at, **score)


@pytest.fixture
def lead(world: World) -> UUID:
    """A lead that routing gave to somebody at noon."""
    [lead] = world.leads(1)
    world.run(simple(), [lead])
    return lead


def test_a_deleted_lead_is_closed_and_nothing_is_promised_to_it(world: World, lead: UUID) -> None:
    assert world.place(lead)[0] == "owned"
    run(world, lead, 1, {"deleted": True})
    assert world.place(lead) == ("closed", "deleted", None)
    ended = world.rows("select ended_because from assignment")
    assert [one["ended_because"] for one in ended] == ["deleted in the source"]
    assert world.count("sla_clock where ended_at is null and met_at is null") == 0
    run(world, lead, 2, {"deleted": True}, score=99, band="hot", hand_raise=True)
    assert world.place(lead) == ("closed", "deleted", None)
    assert healthy(world)


def test_a_lead_that_is_known_as_deleted_only_is_never_routed(world: World) -> None:
    lead = world.lead("L", deleted=True)
    world.run(simple(), [lead])
    assert world.place(lead) == ("closed", "deleted", None)
    assert world.count("decision") == 0


def test_a_restored_lead_is_routed_as_before(world: World, lead: UUID) -> None:
    run(world, lead, 1, {"deleted": True})
    run(world, lead, 2, {})
    assert world.place(lead)[0] == "owned"
    assert world.count("assignment where ended_at is null") == 1
    assert world.count("decision") == 2
    assert healthy(world)


def test_a_restored_lead_stays_with_the_owner_whom_the_source_names(world: World, lead: UUID) -> None:
    run(world, lead, 1, {"deleted": True, "owner": "cyd"})
    run(world, lead, 2, {"owner": "cyd"})
    assert world.place(lead) == ("owned", "owned_in_source", "cyd")


def test_a_restored_lead_that_was_converted_is_closed_as_such(world: World, lead: UUID) -> None:
    run(world, lead, 1, {"deleted": True})
    run(world, lead, 2, {"converted": True})
    assert world.place(lead) == ("closed", "converted", None)


def test_who_asked_before_the_deletion_is_answered_after_the_restore(world: World) -> None:
    lead = world.lead("L", deleted=True)
    world.asks(lead, MONDAY_NOON - HOUR / 2)
    world.run(simple(), [lead], band="cold")
    run(world, lead, 1, {}, band="cold")
    assert world.place(lead)[0] == "nurture"
    assert world.count("inquiry where decision_seq is not null") == 1


def test_a_backfill_does_not_decide_for_the_deleted(world: World) -> None:
    lead = world.lead("L", deleted=True)
    world.run(simple(), [lead], mode="shadow")
    assert world.count("decision") == 0


def test_a_lead_that_is_no_longer_converted_rests_or_stays_with_its_owner(world: World, lead: UUID) -> None:
    other = world.lead("other")
    for one in (lead, other):
        run(world, one, 1, {"converted": True})
    run(world, lead, 2, {"converted": False, "owner": "ben"})
    run(world, other, 2, {"converted": False})
    assert world.place(lead) == ("owned", "owned_in_source", "ben")
    assert world.place(other) == ("nurture", "recycled", None)
    run(world, other, 3, {}, score=90, band="hot")
    assert world.place(other)[0] == "owned"
    assert healthy(world)


def test_a_lead_of_which_nothing_is_said_stays_converted(world: World, lead: UUID) -> None:
    run(world, lead, 1, {"converted": True})
    run(world, lead, 2, {})
    assert world.place(lead) == ("closed", "converted", None)
