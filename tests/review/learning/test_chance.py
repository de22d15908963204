"""Many columns against chance: the level is kept, the right column is found, weights are no evidence of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.review.learning.chance import drawn as by_chance
from clearlane.review.learning.chance import score_test, surprise
from clearlane.review.learning.odds import fitted, tempered

SEEDS = 60


def drawn(seed: int, odds: float = 0.0, n: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A base, ten binary columns of which the first has these log odds, and the outcome."""
    rng = np.random.default_rng(seed)
    base = np.column_stack([np.ones(n), rng.normal(size=n)])
    columns = (rng.random((n, 10)) < np.linspace(0.05, 0.4, 10)).astype(float)
    columns[:, 0] = rng.random(n) < 0.3
    logits = -2 + 0.7 * base[:, 1] + odds * columns[:, 0]
    return base, columns, rng.random(n) < 1 / (1 + np.exp(-logits))


def test_chance_alone_is_seldom_surprising() -> None:
    found = []
    for seed in range(SEEDS):
        base, columns, had = drawn(seed)
        told = surprise(base, columns, had, np.ones(len(had)), 0.1, np.random.default_rng(seed))
        found.append(told.p_value)
    assert np.mean(np.array(found) <= 0.1) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / SEEDS)
    assert 0.3 < np.mean(found) < 0.7


def test_who_has_the_rarer_outcome_by_chance_has_the_more_frequent_one_too() -> None:
    base, columns, had = drawn(2)
    often = had | (np.random.default_rng(0).random(len(had)) < 0.3)
    tests = [score_test(base, columns, each, np.ones(len(had))) for each in (had, often)]
    rare, more = by_chance(tests, np.random.default_rng(0))
    assert rare.shape == more.shape == (999, 10)
    assert rare.std(axis=0) == pytest.approx(np.ones(10), abs=0.1)
    together = [np.corrcoef(rare[:, column], more[:, column])[0, 1] for column in range(10)]
    p, q = had.mean(), often.mean()
    assert np.mean(together) == pytest.approx(np.sqrt(p * (1 - q) / (q * (1 - p))), abs=0.1)


def test_a_column_that_matters_is_found() -> None:
    base, columns, had = drawn(1, odds=1.2)
    told = surprise(base, columns, had, np.ones(len(had)), 0.05, np.random.default_rng(0))
    assert told.p_value <= 0.01
    assert told.best == 0
    assert told.odds[0] > 3 * told.error[0]
    assert 2 < told.critical < 4


def test_what_the_base_says_already_cannot_be_told() -> None:
    base, columns, had = drawn(1, odds=1.2)
    base = np.column_stack([base, columns[:, 0]])
    told = surprise(base, columns, had, np.ones(len(had)), 0.05, np.random.default_rng(0))
    assert np.isinf(told.error[0])
    assert told.gain[0] == -np.inf
    assert told.best != 0


def test_no_columns_are_no_surprise() -> None:
    base, columns, had = drawn(1)
    told = surprise(base, columns[:, :0], had, np.ones(len(had)), 0.05, np.random.default_rng(0))
    assert told.p_value == 1


def test_the_fit_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    base, columns, had = drawn(3, odds=0.8)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(had))
    every = np.column_stack([base, columns])
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000, fit_intercept=False).fit(every, had, weight)
    assert fitted(every, had, weight).odds == pytest.approx(theirs.coef_[0], abs=1e-4)


def test_weights_all_alike_change_neither_odds_nor_their_error() -> None:
    base, _, had = drawn(4)
    once, thrice = (fitted(base, had, np.full(len(had), weight)) for weight in (1.0, 3.0))
    assert thrice.odds == pytest.approx(once.odds, abs=1e-6)
    assert thrice.covariance == pytest.approx(once.covariance, rel=1e-4)


def test_outcomes_that_a_column_tells_apart_wholly_end_in_a_fit() -> None:
    base = np.column_stack([np.ones(100), np.arange(100.0) >= 50])
    fit = fitted(base, np.arange(100) >= 50, np.ones(100))
    assert fit.odds[1] > 10
    assert np.isfinite(fit.covariance).all()


@settings(max_examples=examples(30, 300), deadline=None)
@given(st.lists(st.floats(1, 50), min_size=5, max_size=80))
def test_tempered_weights_keep_order_mean_and_most_of_the_sample(weights: list[float]) -> None:
    weight = np.array(weights)
    cut = tempered(weight)
    assert cut.mean() == pytest.approx(1)
    assert (np.diff(cut[np.argsort(weight)]) >= -1e-12).all()
    assert cut.sum() ** 2 / (cut**2).sum() >= min(
        0.799, weight.sum() ** 2 / (weight**2).sum() / len(weight)
    ) * len(cut)
