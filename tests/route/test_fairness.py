"""Turns: the published bound, entering without a flood, and the rotation restored from what is stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clearlane.route.fairness import (
    ALIKE,
    UNIT,
    Rotation,
    Standing,
    as_decimal,
    as_units,
    entering,
    step,
    turns,
)

REPS = ("ana", "ben", "cyd", "dov")
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
PRESENT = st.dictionaries(st.sampled_from(REPS), WEIGHTS, min_size=1)
STEADY = st.fixed_dictionaries(dict.fromkeys(REPS, WEIGHTS))


def turn(rotation: Rotation, weights: dict[str, float], number: int) -> str:
    there = {**rotation.standings, **entering(rotation, weights)}
    rep = min(weights, key=lambda name: (there[name].credit, name))
    rotation.take(rep, turns(rotation, rep, weights, ALIKE, number), weights)
    return rep


@given(STEADY, st.lists(st.sets(st.sampled_from(REPS), min_size=1), max_size=60))
def test_credits_of_those_present_stay_within_one_turn(weights, attendance):
    rotation = Rotation()
    for number, present in enumerate(attendance):
        turn(rotation, {rep: weights[rep] for rep in present}, number)
        _assert_within_one_turn(rotation)


@given(st.lists(PRESENT, max_size=60))
def test_also_when_weights_change_all_the_time(attendance):
    rotation = Rotation()
    for number, present in enumerate(attendance):
        turn(rotation, present, number)
        _assert_within_one_turn(rotation)


def _assert_within_one_turn(rotation: Rotation) -> None:
    here = [rotation.standings[rep] for rep in rotation.present]
    for one in here:
        for other in here:
            assert abs(one.credit - other.credit) <= max(step(one.weight), step(other.weight))


@given(STEADY, st.integers(1, 200))
def test_shares_follow_weights_for_those_who_stay(weights, length):
    rotation, taken = Rotation(), dict.fromkeys(REPS, 0)
    for number in range(length):
        taken[turn(rotation, weights, number)] += 1
    for i in REPS:
        for j in REPS:
            apart = abs(taken[i] / weights[i] - taken[j] / weights[j])
            assert apart <= max(1 / weights[i], 1 / weights[j]) + length / UNIT


@given(st.integers(1, 50))
def test_whoever_comes_back_is_not_flooded(away):
    rotation, both = Rotation(), {"ana": 1.0, "ben": 1.0}
    for number in range(4):
        turn(rotation, both, number)
    for number in range(away):
        turn(rotation, {"ana": 1.0}, number + 4)
    picks = []
    for number in range(6):
        picks.append(turn(rotation, both, number + 100))
    assert picks.count("ben") <= 4
    assert picks.count("ana") >= 2


def test_a_newcomer_enters_at_the_level_even_when_everybody_else_left():
    rotation = Rotation({"ana": Standing(50 * UNIT, 1.0)}, frozenset({"ana"}), "ana")
    assert entering(rotation, {"new": 1.0})["new"].credit == 49 * UNIT


def test_credit_of_old_is_kept_when_it_is_higher():
    rotation = Rotation(
        {"ana": Standing(10 * UNIT, 1.0), "ben": Standing(11 * UNIT, 1.0)}, frozenset({"ana"}), "ana"
    )
    assert entering(rotation, {"ana": 1.0, "ben": 1.0}) == {}


def test_a_raised_weight_keeps_at_most_one_turn_above_the_level():
    rotation = Rotation(
        {"ana": Standing(UNIT, 1.0), "ben": Standing(5 * UNIT, 0.2)}, frozenset({"ana", "ben"}), "ben"
    )
    assert entering(rotation, {"ana": 1.0, "ben": 1.0}) == {"ben": Standing(2 * UNIT, 1.0)}


@given(st.lists(PRESENT, min_size=1, max_size=40), PRESENT)
def test_a_restored_rotation_goes_on_as_the_one_in_memory(attendance, following):
    rotation, rep = Rotation(), ""
    for number, present in enumerate(attendance):
        rep = turn(rotation, present, number)
    again = Rotation(dict(rotation.standings), rotation.present, rep)
    assert again == rotation
    assert (turn(again, following, 99), again) == (turn(rotation, following, 99), rotation)


@given(st.integers(0, 10**15))
def test_credit_survives_the_ledger(credit):
    assert as_units(as_decimal(credit)) == credit
