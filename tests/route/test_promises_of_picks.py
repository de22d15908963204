"""Promises of a pick over random teams, calendars, caps, match terms, duties and arrivals, on the floor in memory.

Each lead is placed once; caps hold; nobody waits while a rep whom the rule accepts is free; hours are kept where the
policy asks; credits stay within the bound; the same inputs give the same owners.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, OFFICE, policy, rep, routing, rule, team, teams, to

from clearlane.policy.model import BestFit, Caps, Destination, OnCall, Policy, Stint, TimeOff
from clearlane.route.decisions import Decision, Facts, Pick
from clearlane.route.eligibility import not_in_team, of_lead, over_cap, unsuited
from clearlane.route.fairness import Rotation, Standing, step
from clearlane.route.fit import Results, fit_of
from clearlane.route.floor import open_floor
from clearlane.route.shadow import MovingFloor

NAMES = ("ana", "ben", "cyd", "dov")
TODAY = MONDAY_NOON.date()
DAY = timedelta(days=1)
CAP = st.none() | st.integers(0, 4)
EVENINGS = dict.fromkeys(range(1, 8), ((time(18), time(2)),))
PRODUCTS = st.sampled_from(["pro", "lite", None])
WEIGHTS = st.sampled_from([0.5, 1.0, 2.0])
FIT = BestFit(("product",))
MADE = [
    (("pro",), "ana", Results(30, 28, 20, 9)),
    (("pro",), "ben", Results(30, 20, 20, 3)),
    (("lite",), "cyd", Results(9, 9, 5, 4)),
]
PICKS = st.sampled_from([{}, {"pick": "least_open"}, {"pick": "best_fit", "fit": FIT}])


@st.composite
def reps(draw: st.DrawFn) -> list[Any]:
    made = []
    for name in NAMES:
        first = draw(st.none() | st.dates(TODAY - 5 * DAY, TODAY + 3 * DAY))
        off = draw(st.none() | st.integers(-2, 2))
        options = {
            "hours": draw(st.sampled_from([OFFICE, ALWAYS_OPEN, EVENINGS, {}])),
            "zone": draw(st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"])),
            "caps": Caps(draw(CAP), draw(CAP), draw(CAP), draw(CAP)),
            "languages": draw(st.sampled_from([("en",), ("en", "de")])),
            "suits": draw(st.sampled_from([{}, {"product": ("pro",)}, {"product": ("l*",)}])),
            "active_from": first,
            "active_until": draw(st.none() | st.dates(first or TODAY, TODAY + 4 * DAY)),
            "time_off": ()
            if off is None
            else (TimeOff(TODAY + off * DAY, TODAY + (off + 1) * DAY, "leave"),),
        }
        made.append(rep(name, **options))
    return made


@st.composite
def stints(draw: st.DrawFn) -> dict[str, tuple[Stint, ...]]:
    """Some members join, leave, come back or change weight in the days of the arrivals."""
    changing = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=2))
    return {name: tuple(draw(_stints(draw(st.dates(TODAY - DAY, TODAY + 3 * DAY))))) for name in changing}


@st.composite
def _stints(draw: st.DrawFn, turn: date) -> list[Stint]:
    gap = draw(st.integers(1, 2))
    both = [Stint(draw(WEIGHTS), None, turn), Stint(draw(WEIGHTS), turn + gap * DAY)]
    return draw(st.sampled_from([both, both[:1], both[1:]]))


@st.composite
def firms(draw: st.DrawFn) -> Policy:
    members = [(name, draw(WEIGHTS)) for name in NAMES]
    sales = team("sales", *members, stints=draw(stints()))
    start = MONDAY_NOON + draw(st.integers(-20, 40)) * timedelta(hours=1)
    duty = OnCall("sales", draw(st.sampled_from(NAMES)), start, start + timedelta(hours=12))
    staff = replace(teams(draw(reps()), sales), on_call=draw(st.sampled_from([(), (duty,)])))
    rung = to(
        "team",
        "sales",
        **draw(PICKS),
        hours=draw(st.sampled_from(["require", "prefer", "ignore", "on_call"])),
        language=draw(st.booleans()),
        match=draw(st.sampled_from([(), ("product",)])),
        min_tenure_days=draw(st.sampled_from([None, 3])),
    )
    pool, hold, until = to("pool", "sales"), to("hold"), to("hold", "sales", until="working_hours")
    ladder = draw(st.sampled_from([(rung, pool), (rung, hold), (rung, until), (until, pool), (until,)]))
    return policy(routing(rule("all", "true", *ladder), sticky_company=draw(st.booleans())), staff)


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 10, 50, 300, 1500]),  # minutes since the one before
        st.sampled_from(["hot", "warm"]),
        PRODUCTS,
        st.sampled_from(["en", "de", None]),
        st.sampled_from([None, None, "acme", "bolt"]),
        st.none() | st.integers(1, 3000),  # minutes until it is closed
    ),
    max_size=25,
)


@dataclass(frozen=True)
class Placed:
    """One decision with the floor as it was before it."""

    facts: Facts
    decision: Decision
    caps: dict[str, str | None]
    """rep -> the cap that one more lead would have exceeded"""
    rotation: Rotation
    """as it was before the turn"""


def lived(of: Policy, arrivals: list[tuple[Any, ...]]) -> Iterator[tuple[MovingFloor, Placed]]:
    now, floor = MONDAY_NOON, MovingFloor(open_floor(of, MONDAY_NOON))
    assert floor.floor is not None
    floor.floor.fits["sales", FIT] = fit_of("measured", NAMES, MADE)
    for number, (later, band, product, language, company, stays) in enumerate(arrivals):
        now += timedelta(minutes=later)
        facts = Facts(number, band, "1", language=language, company=company, terms={"product": product})
        before = floor._at(of, now)
        caps = {name: over_cap(there.caps, before.load(name)) for name, there in before.present.items()}
        closed = None if stays is None else now + timedelta(minutes=stays)
        rotation = deepcopy(before.rotation("sales", band))
        yield floor, Placed(facts, floor.decide(of, now, facts, closed), caps, rotation)


@settings(max_examples=examples(150, 1500), deadline=None)
@given(firms(), ARRIVALS)
def test_every_pick_keeps_its_promises(of: Policy, arrivals: list[tuple[Any, ...]]):
    owners: list[str | None] = []
    for moving, placed in lived(of, arrivals):
        assert moving.floor is not None
        decision, rung = placed.decision, _asked_first(of)
        owners.append(decision.rep)
        assert decision.place in ("owned", "pool", "held", "exceptions")
        assert (decision.rep is not None) == (decision.place == "owned")
        if decision.rep is not None:
            assert placed.caps[decision.rep] is None
            _assert_there(moving, decision, rung)
        else:
            for one in filter(_gives_turns, of.routing.rules[0].ladder):
                _assert_nobody_free(moving, placed, _as_turns(one))
        if decision.pick:
            if rung.pick == "weighted_round_robin":
                _assert_whose_turn(decision.pick, placed.rotation)
            assert all(
                of_lead(decision.refused[name])
                for name in decision.pick.weights.keys() - {*decision.eligible}
            )
    assert len(owners) == len(arrivals)
    assert owners == [placed.decision.rep for _, placed in lived(of, arrivals)]


def _gives_turns(rung: Destination) -> bool:
    return rung.target == "team" or rung.until is not None


def _as_turns(rung: Destination) -> Destination:
    """To hold a lead until somebody is in hours is to give it to whoever is."""
    return replace(rung, hours="require") if rung.until else rung


def _asked_first(of: Policy) -> Destination:
    return _as_turns(of.routing.rules[0].ladder[0])


def _assert_there(moving: MovingFloor, decision: Decision, rung: Destination) -> None:
    floor = moving.floor
    assert floor is not None
    assert decision.rep is not None
    there = floor.present[decision.rep]
    assert there.absent is None
    if rung.hours == "require":
        assert there.in_hours
    if rung.hours == "on_call":
        assert there.in_hours or decision.rep in floor.on_call("sales")


def _assert_nobody_free(moving: MovingFloor, placed: Placed, rung: Destination) -> None:
    floor = moving.floor
    assert floor is not None
    for name, there in floor.present.items():
        free = there.absent is None and placed.caps[name] is None
        here = not_in_team(floor.policy.teams.teams["sales"], name, floor.as_of, there.today) is None
        asked = (
            there.in_hours
            or rung.hours in ("prefer", "ignore")
            or name in (floor.on_call("sales") if rung.hours == "on_call" else ())
        )
        assert not (free and here and asked and unsuited(there, rung, placed.facts) is None), name


def _assert_whose_turn(pick: Pick, before: Rotation) -> None:
    """Nobody who could take this turn had a lower credit."""
    there = _before_the_turn(pick, before)
    assert there[pick.rep].credit == min(there[name].credit for name in pick.eligible)


@settings(max_examples=examples(100, 1000), deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, WEIGHTS)),
    st.lists(st.tuples(st.sampled_from(["pro", "lite"]), st.sampled_from([0, 600, 1440])), max_size=60),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.sampled_from([(), ("pro",), ("lite",)]))),
    stints(),
)
def test_reps_who_could_take_the_same_turns_stay_within_one_turn(weights, arrivals, suits, dated):
    """The published bound, with match terms, joins, leaves, returns and changes of weight between."""
    staff = [rep(n, hours=ALWAYS_OPEN, suits={"product": suits[n]} if suits[n] else {}) for n in NAMES]
    crew = teams(staff, team("sales", *weights.items(), stints=dated))
    of = policy(routing(rule("all", "true", to("team", "sales", match=("product",)))), crew)
    now, floor = MONDAY_NOON, MovingFloor()
    taken: dict[tuple[str, str], dict[str, int]] = {}
    for number, (product, later) in enumerate(arrivals):
        now += timedelta(minutes=later)
        before = deepcopy(floor._at(of, now).rotation("sales", "hot"))
        pick = floor.decide(of, now, Facts(number, "hot", "1", terms={"product": product}), None).pick
        if pick is None:
            continue
        coming = _coming(pick, before)
        there = _before_the_turn(pick, before)
        for pair in combinations(NAMES, 2):
            alike = (pair[0] in pick.eligible) == (pair[1] in pick.eligible)
            if not alike or not {*pair} <= pick.weights.keys() or {*pair} & coming:
                taken.pop(pair, None)
            if {*pair} <= coming and alike and there[pair[0]].credit == there[pair[1]].credit:
                taken[pair] = dict.fromkeys(pair, 0)
            if {*pair} <= pick.weights.keys() and suits[pair[0]] == suits[pair[1]]:
                _assert_within_one_turn(floor, *pair)
        for pair, turns in taken.items():
            if pick.rep in pair:
                turns[pick.rep] += 1
            one, other = (turns[name] / there[name].weight for name in pair)
            assert abs(one - other) <= max(1 / there[name].weight for name in pair) + 1e-6


def _assert_within_one_turn(moving: MovingFloor, one: str, other: str) -> None:
    assert moving.floor is not None
    of = moving.floor.rotation("sales", "hot").standings
    assert abs(of[one].credit - of[other].credit) <= max(step(of[one].weight), step(of[other].weight))


def _coming(pick: Pick, before: Rotation) -> set[str]:
    """Who comes, comes back or changed weight with this pick."""
    stays = {name for name in before.present if before.standings[name].weight == pick.weights.get(name)}
    return {*pick.weights} - stays


def _before_the_turn(pick: Pick, before: Rotation) -> dict[str, Standing]:
    """Those who are there, as they entered."""
    there = {**before.standings, **pick.turns}
    winner = there[pick.rep]
    there[pick.rep] = winner._replace(credit=winner.credit - step(winner.weight))
    return {name: there[name] for name in pick.weights}
