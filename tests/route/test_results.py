"""What reps made of leads, counted from the ledger: which outcome is whose, what counts, what was known when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.route.conftest import World, banded
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_events import outcome, swept, tell

from clearlane.policy.model import BestFit, Policy
from clearlane.route.fit import Results, Values
from clearlane.route.results import day_of, measured

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OVERALL = BestFit()
TUESDAY = day_of(MONDAY_NOON + DAY)


def firm(*names: str, fit: BestFit | None = None, **options: Any) -> Policy:
    """These take turns, or as best they fit; leads of a country only where asked."""
    staff = teams([rep(name, hours=ALWAYS_OPEN) for name in names], team("sales", *names))
    rung = to("team", "sales", pick="best_fit" if fit else "weighted_round_robin", fit=fit)
    return banded(policy(routing(rule("all", "true", rung), sticky_company=False, **options), staff, sla=SLA))


def counted(
    world: World, of: Policy, fit: BestFit = OVERALL, day: datetime = TUESDAY
) -> Mapping[Any, Results]:
    with world.engine.connect() as connection:
        return {(values, who): found for values, who, found in measured(connection, fit, of.routing, day)}


def given(world: World, of: Policy, **known: Any) -> Any:
    """A lead that was given at noon on Monday."""
    [lead] = world.leads(1, **known)
    world.run(of, [lead])
    return lead


ALONE: Values = ()


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ([], None),
        (["unknown"], None),
        (["accepted"], Results(1, 1, 0, 0)),
        (["first_touch", "meeting"], Results(1, 1, 0, 0)),
        (["accepted", "lost"], Results(1, 1, 1, 0)),
        (["opportunity", "won"], Results(1, 1, 1, 1)),
        (["accepted", "lost", "won"], Results(1, 1, 1, 1)),
        (["rejected"], Results(1, 0, 0, 0)),
        (["accepted", "rejected"], Results(1, 0, 0, 0)),
    ],
)
def test_a_lead_counts_by_what_became_of_it(world: World, kinds: list[str], found: Results | None) -> None:
    of = firm("ana")
    lead = given(world, of)
    for number, kind in enumerate(kinds, 1):
        outcome(world, lead, kind, MONDAY_NOON + number * HOUR)
    assert counted(world, of) == ({(ALONE, "ana"): found} if found else {})


def test_what_came_later_does_not_count(world: World) -> None:
    of = firm("ana")
    lead = given(world, of)
    outcome(world, lead, "accepted", MONDAY_NOON + HOUR)
    outcome(world, lead, "won", TUESDAY)
    assert counted(world, of) == {(ALONE, "ana"): Results(1, 1, 0, 0)}
    assert counted(world, of, day=TUESDAY + DAY) == {(ALONE, "ana"): Results(1, 1, 1, 1)}


def test_what_was_given_before_the_window_does_not_count(world: World) -> None:
    of = firm("ana")
    outcome(world, given(world, of), "won", MONDAY_NOON + HOUR)
    assert counted(world, of, BestFit(window_days=30), TUESDAY + 29 * DAY) != {}
    assert counted(world, of, BestFit(window_days=30), TUESDAY + 30 * DAY) == {}


@pytest.mark.parametrize(
    ("kind", "detail", "first"),
    [
        ("decline", {"reason": "no capacity"}, Results(1, 0, 0, 0)),
        ("decline", {"reason": "wrong territory"}, None),
        ("breach", {}, Results(1, 0, 0, 0)),
        ("departure", {}, None),
    ],
)
def test_an_outcome_is_that_of_whoever_had_the_lead(
    world: World, kind: str, detail: dict[str, str], first: Results | None
) -> None:
    """A decline that gives the turn back was no offer; who left said nothing of the lead."""
    of = firm("ana", "ben")
    lead = given(world, of)
    former = world.place(lead)[2]
    tell(world, lead, kind, rep=former, **detail)
    swept(world, of)
    owner = world.place(lead)[2]
    outcome(world, lead, "won", MONDAY_NOON + 2 * HOUR)
    found = {(ALONE, owner): Results(1, 1, 1, 1)}
    assert counted(world, of) == (found | {(ALONE, former): first} if first else found)


def test_only_turns_count(world: World) -> None:
    """Whoever owns the account is no better a rep for winning its leads."""
    staff = teams([rep(name, hours=ALWAYS_OPEN) for name in ("ana", "ben")], team("sales", "ana"))
    of = banded(policy(routing(rule("all", "true", to("rep", "ben"))), staff, sla=SLA))
    outcome(world, given(world, of), "won", MONDAY_NOON + HOUR)
    assert counted(world, of) == {}
    outcome(world, given(world, firm("ana")), "won", MONDAY_NOON + HOUR)
    assert counted(world, of) == {(ALONE, "ana"): Results(1, 1, 1, 1)}


def test_outcomes_of_a_record_that_was_merged_are_the_person_s(world: World) -> None:
    of = firm("ana")
    lead, other = given(world, of), world.lead("other")
    with world.engine.begin() as connection:
        connection.execute(
            sa.text("update lead set survivor_id = :one where lead_id = :other"),
            {"one": lead, "other": other},
        )
    outcome(world, other, "won", MONDAY_NOON + HOUR)
    assert counted(world, of) == {(ALONE, "ana"): Results(1, 1, 1, 1)}


def test_leads_are_alike_by_what_was_known_when_they_were_given(world: World) -> None:
    of = firm("ana")
    fit = BestFit(("country", "band"))
    for country in ("DE", " de ", "FR", None):
        lead = given(world, of, country=country)
        outcome(world, lead, "won" if country == "DE" else "lost", MONDAY_NOON + HOUR)
        world.known(lead, at=MONDAY_NOON + HOUR, country="US")
    assert counted(world, of, fit) == {
        (("de", "warm"), "ana"): Results(2, 2, 2, 1),
        (("fr", "warm"), "ana"): Results(1, 1, 1, 0),
        (("", "warm"), "ana"): Results(1, 1, 1, 0),
    }


def test_shadow_decisions_give_nobody_a_lead(world: World) -> None:
    of = firm("ana")
    [lead] = world.leads(1)
    world.run(of, [lead], mode="shadow")
    outcome(world, lead, "won", MONDAY_NOON + HOUR)
    assert counted(world, of) == {}
