"""Picks remember who is free, and rotations who was present: nothing may come out otherwise than without that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from tests.route import plain_pick
from tests.route.firms import MONDAY_NOON, policy, rep, routing, rule, team, teams, to

import clearlane.route.decide as deciding
from clearlane.policy.model import BestFit, Caps, Policy, TimeOff
from clearlane.route.decisions import Decision, Facts
from clearlane.route.fairness import Rotation
from clearlane.route.fit import Results, fit_of
from clearlane.route.floor import Floor, open_floor
from clearlane.route.pick import pick

NAMES = ("ana", "ben", "cyd", "dov", "eve", "fay")
LEAVE = (TimeOff(date(2026, 3, 2), date(2026, 3, 4), "leave"),)
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 3.0])
HOURS = st.sampled_from(["require", "prefer", "ignore"])


@st.composite
def companies(draw: st.DrawFn) -> Policy:
    """Two teams that share reps, each asked by a rule; leave, zones, languages, ramps and small caps."""
    reps = [
        rep(
            name,
            zone=draw(st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"])),
            languages=draw(st.sampled_from([("en",), ("fr",), ("en", "fr")])),
            time_off=draw(st.sampled_from([(), (), LEAVE])),
            caps=Caps(day=draw(st.sampled_from([None, 1, 3])), open=draw(st.sampled_from([None, 2, 5]))),
            active_from=date(2026, 2, 1),
            ramp=draw(st.sampled_from([(), (0.5, 0.5, 1.0)])),
        )
        for name in NAMES
    ]
    asked = [draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)) for _ in range(2)]
    sold = [team(name, *((one, draw(WEIGHTS)) for one in of)) for name, of in zip("xy", asked, strict=True)]
    ladders = [
        [
            to("team", name, hours=draw(HOURS), language=draw(st.booleans()), **draw(PICKS))
            for name in draw(st.permutations("xy"))
        ]
        for _ in range(2)
    ]
    rules = [rule(f"rule_{n}", "true", *ladder) for n, ladder in enumerate(ladders)]
    return policy(routing(*rules, sticky_company=draw(st.booleans())), teams(reps, *sold))


FIT = BestFit(("country",), explore=0.3, at_most_ahead=1.0)
MADE = [
    ((country,), name, Results(20, 18, 15, won))
    for country, wins in {"de": (9, 4, 4, 1), "us": (1, 8, 3, 3)}.items()
    for name, won in zip(NAMES, wins, strict=False)
]
"""of four of them: the others are as good as their team"""
PICKS = st.sampled_from([{}, {}, {"pick": "least_open"}, {"pick": "best_fit", "fit": FIT}])
LEADS = st.lists(
    st.builds(
        Facts,
        st.integers(0, 10**6),
        st.sampled_from(["hot", "warm"]),
        st.sampled_from(["10", "01", "11"]),
        language=st.sampled_from([None, "en", "fr"]),
        terms=st.sampled_from([{"country": "DE"}, {"country": "US"}, {"country": None}]),
        company=st.sampled_from([None, None, None, "acme"]),
        barred=st.sampled_from([{}, {}, {}, {"ana": "not again: declined", "ben": "not again: declined"}]),
    ),
    min_size=1,
    max_size=30,
)


def opened(of: Policy) -> Floor:
    """An empty floor; of one of the teams it is known how its reps fit."""
    floor = open_floor(of, MONDAY_NOON)
    floor.fits["x", FIT] = fit_of("measured", [name for name, _ in of.teams.teams["x"].members], MADE)
    return floor


def decided(of: Policy, leads: Sequence[Facts], picking: Callable[..., Any]) -> list[Decision]:
    floor, made = opened(of), []
    with mock.patch.object(deciding, "pick", picking):
        for number, facts in enumerate(leads):
            made.append(deciding.decide(of, floor, facts))
            if number % 5:
                floor.take(facts, made[-1])
    return made


@given(companies(), LEADS)
def test_what_is_remembered_changes_no_decision(of, leads):
    assert decided(of, leads, pick) == decided(of, leads, plain_pick.pick)


@given(companies(), LEADS)
def test_a_turn_names_what_differs_in_its_rotation(of, leads):
    floor = opened(of)
    for facts in leads:
        made = deciding.decide(of, floor, facts)
        before = {key: dict(rotation.standings) for key, rotation in floor.rotations.items()}
        floor.take(facts, made)
        if made.pick:
            was, rotation = (
                before[made.pick.rotation, facts.band],
                floor.rotation(made.pick.rotation, facts.band),
            )
            assert made.pick.turns == {
                name: now for name, now in rotation.standings.items() if was.get(name) != now
            }
            assert made.rep in made.pick.turns
            assert rotation == Rotation(rotation.standings, rotation.present, made.rep)
            assert rotation.next_turn == Rotation(rotation.standings).next_turn
