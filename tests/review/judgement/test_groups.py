"""Intervals in closed form, what bands tell, shifts of the mix, unequal treatment: found where planted, else not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.review.cases import Interval
from clearlane.review.judgement.groups import REST, UNKNOWN, Group, groups, named
from clearlane.review.judgement.performance import Outcomes
from clearlane.review.judgement.reliability import by_band, by_tenth, reversals
from clearlane.review.judgement.resampling import difference, effective, rate, ratio, resamples, wilson
from clearlane.review.judgement.stability import binned, stabilities

shares = st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda x: (min(x) / x[1], float(x[1])))


def equal(hits: np.ndarray) -> Outcomes:
    return Outcomes(hits, np.ones(len(hits)))


# --- rates --------------------------------------------------------------------------------------


def test_wilsons_interval_is_that_of_the_literature():
    """Newcombe 1998, table I: 15 of 148."""
    assert wilson(15 / 148, 148) == Interval(
        pytest.approx(0.1014, abs=1e-4), pytest.approx(0.0624, abs=1e-4), pytest.approx(0.1605, abs=1e-4)
    )


def test_newcombes_difference_is_that_of_the_literature():
    """Newcombe 1998 (differences), example a: 56 of 70 less 48 of 80."""
    found = difference(wilson(56 / 70, 70), wilson(48 / 80, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


@settings(max_examples=examples(80, 800))
@given(shares, shares)
def test_intervals_hold_their_value(one: tuple[float, float], other: tuple[float, float]):
    a, b = wilson(*one), wilson(*other)
    for found in (a, b, difference(a, b), ratio(a, b)):
        assert found is None or found.low <= found.value <= found.high
    assert 0 <= a.low <= a.high <= 1


def test_a_lead_of_weight_fifty_tells_no_more_than_one():
    heavy = np.array([50.0, *[1.0] * 10])
    assert effective(heavy) == pytest.approx(60**2 / 2510)
    alone = rate(np.array([True, *[False] * 10]), heavy)
    assert alone is not None
    assert alone.high - alone.low > 0.7


# --- told and came ------------------------------------------------------------------------------


def test_a_band_that_wins_less_than_the_one_below_is_named():
    rng = np.random.default_rng(4)
    band = np.repeat(["hot", "warm", "cool"], 1000).tolist()
    hit = rng.random(3000) < np.repeat([0.05, 0.2, 0.04], 1000)
    (found,) = reversals(equal(hit), band, ["hot", "warm", "cool", "cold"])
    assert (found.upper, found.lower, found.beyond_chance) == ("hot", "warm", True)


def test_bands_of_equal_worth_are_seldom_named_beyond_chance():
    rng = np.random.default_rng(6)
    band = np.repeat(["hot", "warm", "cool", "cold"], 150).tolist()
    names = ["hot", "warm", "cool", "cold"]
    alarms = [
        any(one.beyond_chance for one in reversals(equal(rng.random(600) < 0.1), band, names))
        for _ in range(200)
    ]
    assert np.mean(alarms) <= 0.06


def test_what_is_told_rightly_holds_and_what_is_not_does_not():
    rng = np.random.default_rng(7)
    told = rng.uniform(0.02, 0.6, 20_000)
    outcomes = equal(rng.random(20_000) < told)
    assert sum(one.holds for one in by_tenth(outcomes, told)) >= 8
    assert [one.leads for one in by_tenth(outcomes, told)] == pytest.approx([2000] * 10, abs=5)
    assert not any(one.holds for one in by_tenth(outcomes, told / 2))
    band = np.where(told > 0.3, "hot", "cold").tolist()
    hot, cold, none = by_band(outcomes, band, told, ["hot", "cold", "lukewarm"])
    assert hot.holds
    assert cold.holds
    assert (none.leads, none.rate) == (0, None)


def test_one_probability_for_all_is_one_part():
    (one,) = by_tenth(equal(np.array([True, False] * 20)), np.full(40, 0.5))
    assert (one.leads, one.hits) == (40, 20)


# --- shifts -------------------------------------------------------------------------------------


def test_psi_is_its_definition():
    column = pd.Series(["a"] * 600 + ["b"] * 400 + ["a"] * 300 + ["b"] * 700)
    (found,) = stabilities(pd.DataFrame({"x": column}), np.arange(2000) >= 1000)
    assert found.psi == pytest.approx(
        (0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4), rel=0.01
    )
    assert found.verdict == "shifted"
    assert {(one.name, one.older, one.newer) for one in found.bins} == {("a", 0.6, 0.3), ("b", 0.4, 0.7)}


def test_what_did_not_change_is_stable_also_in_small_samples():
    rng = np.random.default_rng(8)
    calls = 0
    for _ in range(20):
        features = pd.DataFrame({f"x{n}": rng.normal(size=120) for n in range(5)})
        calls += any(one.verdict != "stable" for one in stabilities(features, np.arange(120) >= 80))
    assert calls <= 3


def test_a_planted_shift_comes_first_and_missing_values_are_a_bin():
    rng = np.random.default_rng(9)
    newer = np.arange(4000) >= 2000
    moved = np.where(newer & (rng.random(4000) < 0.6), np.nan, rng.normal(size=4000))
    features = pd.DataFrame({"same": rng.normal(size=4000), "moved": moved, "flag": rng.random(4000) < 0.5})
    first, *rest = stabilities(features, newer)
    assert (first.feature, first.verdict, first.largest.name) == ("moved", "shifted", "(none)")
    assert {one.verdict for one in rest} == {"stable"}


def test_zero_and_one_have_two_bins_and_a_constant_one():
    flags, same = pd.Series([0.0, 1.0, 1.0, 0.0]), pd.Series([3.0] * 4)
    every = np.ones(4, bool)
    assert set(binned(flags, every)) == {"below 1", "from 1"}
    assert set(binned(same, every)) == {"3"}
    assert set(binned(pd.Series([None] * 4, dtype=float), every)) == {"(none)"}


# --- groups -------------------------------------------------------------------------------------


def told(column: list[object], hit: np.ndarray, score: np.ndarray) -> dict[str, Group]:
    chance = np.full(len(hit), hit.mean())
    rows = groups("region", column, equal(hit), score, chance, score >= 50, resamples(len(hit), 1, 100))
    return {row.name: row for row in rows}


def test_a_region_that_the_score_passes_over_is_named():
    rng = np.random.default_rng(3)
    region = rng.choice(["AMER", "EMEA", "APAC"], 6000)
    hit = rng.random(6000) < 0.2
    score = rng.normal(45, 10, 6000) + 8 * hit - 12 * (region == "APAC")
    found = told(region.tolist(), hit, score)
    assert len(found["APAC"].alarms) == 2
    assert "four fifths" in found["APAC"].alarms[0]
    assert found["AMER"].alarms == found["EMEA"].alarms == ()
    assert found["APAC"].auc is not None
    assert found["APAC"].rate is not None
    assert found["APAC"].rate.value == pytest.approx(hit[region == "APAC"].mean())


def test_small_groups_raise_no_alarm_by_chance():
    rng = np.random.default_rng(11)
    alarmed = 0
    for _ in range(40):
        region = rng.choice([f"r{n}" for n in range(10)], 400)
        score = rng.normal(45, 10, 400)
        hit = rng.random(400) < 0.15
        alarmed += any(row.alarms for row in told(region.tolist(), hit, score).values())
    assert alarmed <= 4


def test_missing_names_are_named_and_rare_ones_joined():
    many = [f"s{n % 30}" for n in range(300)] + ["web"] * 50 + [None, np.nan, ""] * 20
    names = pd.Series(named(many))
    assert {"web", UNKNOWN, REST} <= set(names)
    assert names.nunique() == 13
