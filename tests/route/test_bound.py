"""The bound of docs/fairness.md, through decisions: caps, leave, hours, weights and languages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.route.firms import MONDAY_NOON, policy, rep, routing, rule, team, teams, to

from clearlane.policy.model import Caps, TimeOff
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.fairness import ALIKE, UNIT, Rotation, entering, step, turns
from clearlane.route.floor import Floor, open_floor, presences

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("ana", "ben", "cyd", "dov", "eve")
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0])
LANGUAGES = st.sampled_from([("en",), ("fr",), ("en", "fr")])
Weights = Mapping[str, float]


def floor_of(weights: Weights, speaks: Mapping[str, Sequence[str]], caps: Mapping[str, int | None]) -> Floor:
    reps = [rep(name, languages=tuple(speaks[name]), caps=Caps(day=caps[name])) for name in weights]
    staff = teams(reps, team("sales", *weights.items()))
    rules = routing(rule("all", "true", to("team", "sales", language=True)), sticky_company=False)
    return open_floor(policy(rules, staff), MONDAY_NOON)


def on_leave(floor: Floor, names: set[str]) -> Floor:
    """The floor on which exactly these are away."""
    today = TimeOff(date(2026, 3, 2), date(2026, 3, 2), "leave")
    reps = floor.policy.teams.reps.values()
    off = [replace(one, time_off=(today,) if one.id in names else ()) for one in reps]
    return Floor(floor.policy, floor.as_of, presences(off, floor.as_of), floor.loads, floor.rotations)


def taken(floor: Floor, number: int, language: str | None = None) -> Decision:
    facts = Facts(f"lead {number}", "hot", "1", language=language)
    decision = decide(floor.policy, floor, facts)
    floor.take(facts, decision)
    return decision


def apart(floor: Floor, one: str, other: str) -> int:
    """By how much the credits of two lie outside the bound, in billionths."""
    credit = {name: standing.credit for name, standing in floor.rotation("sales", "hot").standings.items()}
    weight = dict(floor.policy.teams.teams["sales"].members)
    return abs(credit[one] - credit[other]) - max(step(weight[one]), step(weight[other]))


@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, WEIGHTS)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.one_of(st.none(), st.integers(1, 12)))),
    st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=40),
)
def test_decisions_keep_the_bound(weights, caps, absences):
    """Those who were free at a turn lie within one turn of each other after it."""
    floor = floor_of(weights, dict.fromkeys(NAMES, ("en",)), caps)
    for number, away in enumerate(absences):
        floor = on_leave(floor, away)
        for one, other in combinations(taken(floor, number).eligible, 2):
            assert apart(floor, one, other) <= 0


@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, WEIGHTS)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, LANGUAGES)),
    st.lists(st.sampled_from([None, "en", "fr"]), min_size=1, max_size=60),
)
def test_colleagues_who_suit_the_same_leads_keep_the_bound(weights, speaks, arrivals):
    floor = floor_of(weights, speaks, dict.fromkeys(NAMES))
    alike = [pair for pair in combinations(NAMES, 2) if speaks[pair[0]] == speaks[pair[1]]]
    for number, language in enumerate(arrivals):
        if taken(floor, number, language).rep:
            assert [pair for pair in alike if apart(floor, *pair) > 0] == []


EXAMPLE = {"ana": 1.0, "ben": 1.0, "cyd": 0.5}


def test_the_example_of_the_page():
    rows = re.findall(r"^\| (\d) \| (.*?) \| (.*?) \| (\w+) \| (.*?) \|$", page(), re.MULTILINE)
    assert len(rows) == 7
    rotation = Rotation()
    for number, free, before, winner, after in rows:
        names = free.lower().split(", ")
        weights = {name: EXAMPLE[name] for name in names}
        rotation.standings.update(entering(rotation, weights))
        assert credits(rotation, names) == before
        assert min(credit(rotation, name) for name in names) == credit(rotation, winner.lower())
        rotation.take(winner.lower(), turns(rotation, winner.lower(), weights, ALIKE, int(number)), weights)
        assert credits(rotation, names) == after


def credit(rotation: Rotation, name: str) -> int:
    return rotation.standings[name].credit // UNIT


def credits(rotation: Rotation, names: Sequence[str]) -> str:
    return ", ".join(str(credit(rotation, name)) if name in names else "–" for name in EXAMPLE)


def test_the_page_names_tests_that_exist():
    named = re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)::(test_\w+)`", page())
    assert len(named) >= 8
    for file, test in named:
        path = ROOT / "tests" / (file if "/" in file else f"route/{file}")
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{path} has no {test}"


def page() -> str:
    return (ROOT / "docs" / "fairness.md").read_text(encoding="utf-8")
