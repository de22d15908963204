"""Whole points: as good as trying everything, within every limit, whatever the order of rows and columns."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.review.cases import Limits, Scorecard
from clearlane.review.learning import points

SEEDS = st.integers(0, 10**6)


def drawn(seed, rows=250, rules=4, faded=False):
    """Evidence of rules with known worth, outcomes and weights."""
    dice = np.random.default_rng(seed)
    evidence = (dice.random((rows, rules)) < dice.uniform(0.15, 0.6, rules)).astype(float)
    if faded:
        evidence *= dice.random((rows, rules)) * 3
    target = dice.random(rows) < 1 / (1 + np.exp(1 - evidence @ dice.normal(0, 1.2, rules)))
    target[:2] = [True, False]
    weight = np.where(dice.random(rows) < 0.1, 5.0, 1.0)
    return pd.DataFrame(evidence, columns=[f"rule_{i}" for i in range(rules)]), target, weight


def limits(size=4, bound=2, rules=None):
    return Limits(np.full(size, -bound), np.full(size, bound), np.zeros(size, int), rules)


def given_points(card: Scorecard):
    return np.array(list(card.points.values()))


@pytest.mark.parametrize("faded", [False, True])
@pytest.mark.parametrize("most", [None, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_as_good_as_trying_every_scorecard(seed, most, faded):
    data = drawn(seed, faded=faded)
    bounds = limits(4, bound=2, rules=most)
    problem = points.Problem.of(*data, bounds)
    every = map(np.array, itertools.product(range(-2, 3), repeat=4))
    least = min(problem.fit(each).loss for each in every if most is None or np.count_nonzero(each) <= most)
    assert points.solve(*data, bounds).loss == pytest.approx(least, abs=1e-6)


def test_the_loss_is_that_of_the_points_intercept_and_scale():
    evidence, target, weight = drawn(5)
    card = points.solve(evidence, target, weight, limits(bound=5))
    odds = card.intercept + card.scale * (evidence.to_numpy() @ given_points(card))
    each = np.logaddexp(0, np.where(target, -odds, odds))
    assert card.loss == pytest.approx(np.average(each, weights=weight), abs=1e-9)


def test_points_that_were_planted_are_found_again():
    dice = np.random.default_rng(1)
    planted = np.array([10, -6, 4, 0, 0])
    evidence = pd.DataFrame((dice.random((60_000, 5)) < 0.4).astype(float), columns=list("abcde"))
    target = dice.random(60_000) < 1 / (1 + np.exp(1.5 - 0.2 * (evidence.to_numpy() @ planted)))
    card = points.solve(evidence, target, np.ones(60_000), limits(5, bound=10, rules=3))
    assert list(card.points) == list("abcde")
    assert given_points(card) * card.scale == pytest.approx(planted * 0.2, abs=0.1)


@settings(max_examples=examples(15, 120), deadline=None)
@given(SEEDS, st.integers(0, 4), st.integers(0, 3))
def test_bounds_signs_locks_and_counts_are_kept(seed, most, changes):
    data = drawn(seed)
    start = np.array([3, 0, -2, 0])
    lower, upper = np.array([3, 0, -6, -4]), np.array([3, 5, 0, 4])
    found = given_points(
        points.solve(*data, Limits(lower, upper, start, rules=max(most, 2), changes=changes))
    )
    assert found[0] == 3
    assert np.all((lower <= found) & (found <= upper))
    assert np.count_nonzero(found) <= max(most, 2)
    assert np.count_nonzero(found != start) <= changes


@settings(max_examples=examples(15, 120), deadline=None)
@given(SEEDS)
def test_never_worse_than_the_points_in_force(seed):
    data = drawn(seed, faded=bool(seed % 2))
    start = np.random.default_rng(seed).integers(-5, 6, 4)
    bounds = Limits(start - 3, start + 3, start)
    in_force = points.Problem.of(*data, bounds).fit(start).loss
    assert points.solve(*data, bounds).loss <= in_force + 1e-12


@settings(max_examples=examples(10, 80), deadline=None)
@given(SEEDS)
def test_the_order_of_rows_and_columns_does_not_matter(seed):
    evidence, target, weight = drawn(seed)
    dice = np.random.default_rng(seed)
    rows, columns = dice.permutation(len(evidence)), dice.permutation(4)
    bounds = limits(bound=8)
    card = points.solve(evidence, target, weight, bounds)
    again = points.solve(evidence.iloc[rows, columns], target[rows], weight[rows], bounds)
    assert again.loss == pytest.approx(card.loss, abs=1e-6)


def test_one_more_rule_each_time_and_never_worse():
    data = drawn(3, rows=2_000, rules=8)
    cards = points.path(*data, limits(8, bound=20, rules=6))
    assert [np.count_nonzero(given_points(card)) for card in cards] == list(range(1, len(cards) + 1))
    assert [card.loss for card in cards] == sorted((card.loss for card in cards), reverse=True)


def test_weight_counts_like_so_many_rows():
    evidence, target, _ = drawn(7)
    times = np.random.default_rng(7).integers(1, 4, len(evidence))
    repeated = np.repeat(np.arange(len(evidence)), times)
    weighted = points.solve(evidence, target, times.astype(float), limits(bound=6))
    plain = points.solve(evidence.iloc[repeated], target[repeated], np.ones(len(repeated)), limits(bound=6))
    assert weighted.points == plain.points
    assert weighted.loss == pytest.approx(plain.loss)


def test_nothing_to_tell_apart_is_refused():
    evidence, target, weight = drawn(1)
    with pytest.raises(ValueError, match="same outcome"):
        points.solve(evidence, np.zeros_like(target), weight, limits())
    with pytest.raises(ValueError, match="lower limit"):
        points.solve(evidence, target, weight, limits(bound=-1))


def test_rules_that_never_differ_get_no_points():
    evidence, target, weight = drawn(1)
    same = evidence.assign(always=1.0, never=0.0)
    card = points.solve(same, target, weight, limits(6, bound=5))
    assert (card.points["always"], card.points["never"]) == (0, 0)
