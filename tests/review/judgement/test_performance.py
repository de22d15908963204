"""How a score orders and a probability tells: against the definitions, with weights, and with honest intervals."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from tests.profiles import examples

from clearlane.review.judgement.performance import (
    Outcomes,
    at_capacity,
    calibrated,
    compared,
    drawn,
    ordering,
    performance,
)
from clearlane.review.judgement.resampling import Resamples, resamples

AS_THEY_ARE = 0
leads = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 3)), min_size=2, max_size=25
).filter(lambda rows: {hit for _, hit, _ in rows} == {True, False})


def outcomes_of(rows: list[tuple[int, bool, int]]) -> tuple[Outcomes, np.ndarray]:
    score, hit, weight = (np.array(column) for column in zip(*rows, strict=True))
    return Outcomes(hit.astype(bool), weight.astype(float)), score.astype(float)


def once(cases: int) -> Resamples:
    return Resamples(np.ones((1, cases), np.uint8))


@settings(max_examples=examples(60, 500))
@given(leads)
def test_the_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool, int]]):
    outcomes, score = outcomes_of(rows)
    pairs = [
        (w * v, (s > t) + (s == t) / 2) for s, hit, w in rows for t, other, v in rows if hit and not other
    ]
    expected = sum(weight * right for weight, right in pairs) / sum(weight for weight, _ in pairs)
    auc, _ = ordering(outcomes, score, once(len(rows)), [0.1])
    assert auc[AS_THEY_ARE] == pytest.approx(expected)


@settings(max_examples=examples(60, 500))
@given(leads, st.floats(0.05, 1))
def test_a_weight_is_as_many_equal_leads(rows: list[tuple[int, bool, int]], share: float):
    repeated = [(score, hit, 1) for score, hit, weight in rows for _ in range(weight)]
    found = []
    for some in (rows, repeated):
        outcomes, score = outcomes_of(some)
        told = 0.1 + score / 10
        of = drawn(outcomes, score, told, once(len(some)))
        _, lift = ordering(outcomes, score, once(len(some)), [share])
        found.append([of.auc[0], of.log_loss[0], of.brier[0], lift[0, 0]])
    assert found[0] == pytest.approx(found[1])


@settings(max_examples=examples(40, 400))
@given(leads, st.randoms())
def test_the_order_of_leads_does_not_matter(rows: list[tuple[int, bool, int]], random):
    mixed = rows.copy()
    random.shuffle(mixed)
    first, second = (ordering(*outcomes_of(some), once(len(rows)), [0.3]) for some in (rows, mixed))
    assert first[0] == pytest.approx(second[0])
    assert first[1] == pytest.approx(second[1])


def test_lift_of_the_top_tenth_takes_its_share_of_leads_with_one_score():
    """Of 20 leads 5 share the top score, 2 of them hits, 4 hits in all: the top two hold 0.8 hits, not 0.4."""
    hit = np.array([1, 1, 0, 0, 0] + [1, 1] + [0] * 13, bool)
    score = np.array([9.0] * 5 + [1.0] * 15)
    _, lift = ordering(Outcomes(hit, np.ones(20)), score, once(20), [0.1])
    assert lift[0, 0] == pytest.approx((0.8 / 2) / (4 / 20))


def funnel(seed: int, cases: int, slope: float = 1.0) -> tuple[Outcomes, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1, cases)
    truth = 1 / (1 + np.exp(-odds))
    return Outcomes(rng.random(cases) < truth, np.ones(cases)), odds, 1 / (1 + np.exp(-odds * slope))


def test_the_intervals_cover_the_truth():
    """The truth is that of 200,000 leads; 95 of 100 intervals hold it, give or take."""
    outcomes, odds, told = funnel(0, 200_000)
    truth = drawn(outcomes, odds, told, once(200_000))
    held = np.zeros(4)
    for seed in range(60):
        outcomes, odds, told = funnel(seed + 1, 800)
        one = performance("x", drawn(outcomes, odds, told, resamples(800, seed, 200)))
        expected = (truth.auc[0], truth.log_loss[0], truth.brier[0], 1.0)
        found = (one.auc, one.log_loss, one.brier, one.slope)
        held += [i is not None and i.low <= e <= i.high for i, e in zip(found, expected, strict=True)]
    assert (held >= 51).all(), held


def test_one_score_is_better_than_another_by_pairs_where_their_own_intervals_overlap():
    outcomes, odds, told = funnel(5, 2_000)
    rng = np.random.default_rng(1)
    worse = odds + rng.normal(0, 0.5, len(odds))
    counts = resamples(2_000, 3)
    good, bad = (drawn(outcomes, score, told, counts) for score in (odds, worse))
    difference = compared("good", good, "bad", bad)
    assert difference.auc is not None
    assert difference.auc.low > 0
    one, other = performance("good", good).auc, performance("bad", bad).auc
    assert one is not None
    assert other is not None
    assert other.high > one.low


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_the_slope_says_what_is_told_too_boldly(slope: float):
    outcomes, _, told = funnel(9, 5_000, slope)
    fit = LogisticRegression(C=np.inf).fit(np.log(told / (1 - told))[:, None], outcomes.target)
    found = performance("x", drawn(outcomes, told, told, resamples(5_000, 1, 50))).slope
    assert found is not None
    assert found.value == pytest.approx(fit.coef_[0, 0], rel=1e-3)
    assert found.low < 1 / slope < found.high


def test_precision_at_capacity_is_that_of_the_hottest_leads_of_the_team():
    rng = np.random.default_rng(2)
    score = rng.permutation(400).astype(float)
    team = np.where(np.arange(400) % 2, "emea", "amer")
    outcomes = Outcomes(rng.random(400) < score / 500, np.ones(400))
    (emea,) = at_capacity(outcomes, score, team.tolist(), {"emea": 30, "apac": 9}, resamples(400, 1))
    own = np.flatnonzero(team == "emea")
    top = own[np.argsort(-score[own])][:30]
    assert emea.share == 0.15
    assert emea.precision is not None
    assert emea.precision.value == pytest.approx(outcomes.target[top].mean())
    assert emea.precision.low < emea.precision.value < emea.precision.high


def test_calibrated_is_the_logistic_fit_of_what_is_learnt_and_never_falls():
    outcomes, odds, told = funnel(3, 20_000)
    learn = np.arange(20_000) < 10_000
    found = calibrated(odds * 7 + 40, outcomes, learn)
    assert np.abs(found - told).max() < 0.05
    assert np.ptp(calibrated(-odds, outcomes, learn)) < 1e-6


def test_nothing_is_told_where_nobody_reached_the_target():
    outcomes = Outcomes(np.zeros(50, bool), np.ones(50))
    one = performance("x", drawn(outcomes, np.arange(50.0), np.full(50, 0.1), resamples(50, 1)))
    assert (one.auc, one.lift_top_decile) == (None, None)
    assert one.log_loss is not None


def test_fifty_thousand_leads_take_seconds():
    outcomes, odds, told = funnel(1, 50_000)
    points = np.round(odds * 10)
    began = process_time()
    performance("points", drawn(outcomes, points, told, resamples(50_000, 1)))
    assert process_time() - began < 6  # of the processor; about one
