"""A floor in shadow: what a day ends, what a closed lead frees, what a new policy keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.route.firms import MONDAY_NOON, capped, policy, rep, routing, rule, team, teams, to

from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.floor import open_floor
from clearlane.route.shadow import MovingFloor

NOON = MONDAY_NOON
DAY = timedelta(days=1)
FIRM = policy(
    routing(rule("all", "1 = 1", to("team", "sales"))),
    teams([rep("ana"), rep("ben")], team("sales", "ana", "ben")),
)


def of_one(**caps: int):
    staff = teams([capped("ana", **caps)], team("sales", "ana"))
    return policy(routing(rule("all", "1 = 1", to("team", "sales"))), staff)


def lead(name: object, **known: object) -> Facts:
    return Facts(name, "hot", matched="1", **known)  # type: ignore[arg-type]


def owners(decisions: list[Decision]) -> list[str | None]:
    return [decision.rep for decision in decisions]


@given(st.lists(st.sampled_from(["acme", "bolt", None]), max_size=12))
def test_at_one_moment_it_is_the_floor_of_files(companies: list[str | None]):
    moving, still = MovingFloor(), open_floor(FIRM, NOON)
    for n, company in enumerate(companies):
        facts = lead(n, company=company)
        expected = decide(FIRM, still, facts)
        still.take(facts, expected)
        assert moving.decide(FIRM, NOON, facts, None) == expected


def test_a_new_hour_begins_with_a_new_count():
    firm, floor = of_one(hour=1), MovingFloor()
    moments = [NOON, NOON + timedelta(minutes=59), NOON + timedelta(minutes=60)]
    assert owners([floor.decide(firm, at, lead(at), None) for at in moments]) == ["ana", None, "ana"]


def test_a_new_day_begins_with_a_new_count():
    firm, floor = of_one(day=1), MovingFloor()
    moments = [NOON, NOON + timedelta(hours=1), NOON + DAY]
    assert owners([floor.decide(firm, at, lead(at), None) for at in moments]) == ["ana", None, "ana"]


def test_the_week_goes_on_over_its_days():
    firm, floor = of_one(week=2), MovingFloor()
    moments = [NOON, NOON + DAY, NOON + 2 * DAY, NOON + 7 * DAY]
    assert owners([floor.decide(firm, at, lead(at), None) for at in moments]) == ["ana", "ana", None, "ana"]


def test_a_closed_lead_makes_room_and_an_open_one_does_not():
    firm, floor = of_one(open=1), MovingFloor()
    first = floor.decide(firm, NOON, lead(1), NOON + timedelta(hours=2))
    refused = floor.decide(firm, NOON + timedelta(hours=1), lead(2), None)
    freed = floor.decide(firm, NOON + timedelta(hours=2), lead(3), None)
    assert owners([first, refused, freed]) == ["ana", None, "ana"]
    assert floor.decide(firm, NOON + 30 * DAY, lead(4), None).rep is None


def test_a_company_follows_its_owner_as_long_as_it_has_an_open_lead():
    floor = MovingFloor()
    first = floor.decide(FIRM, NOON, lead(1, company="acme"), NOON + DAY)
    again = floor.decide(FIRM, NOON, lead(2, company="acme"), NOON + 2 * DAY)
    assert again.rep == first.rep
    assert "same company" in floor.decide(FIRM, NOON + DAY, lead(3, company="acme"), NOON + 2 * DAY).because
    later = floor.decide(FIRM, NOON + 2 * DAY, lead(4, company="acme"), None)
    assert "same company" not in later.because


def test_a_new_policy_keeps_who_has_what():
    floor, bigger = MovingFloor(), replace(FIRM, hashes={"routing": "another"})
    first = floor.decide(FIRM, NOON, lead(1), None)
    second = floor.decide(bigger, NOON, lead(2), None)
    assert {first.rep, second.rep} == {"ana", "ben"}
    assert floor.floor is not None
    assert floor.floor.policy is bigger
    assert floor.floor.load("ana").open == floor.floor.load("ben").open == 1


def test_a_rep_who_left_with_the_new_policy_gets_nothing_more():
    floor = MovingFloor()
    left = policy(FIRM.routing, teams([rep("ben")], team("sales", "ben")))
    assert floor.decide(FIRM, NOON, lead(1), NOON + DAY).rep in ("ana", "ben")
    moved = [floor.decide(left, NOON + n * DAY, lead(n + 2), None).rep for n in range(3)]
    assert moved == ["ben"] * 3
