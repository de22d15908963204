"""Conditions that a scorecard is made of."""

from __future__ import annotations

import numpy as np

from clearlane.review.learning.binning import conditions
from clearlane.review.learning.choosing import Taught, grown
from clearlane.review.learning.columns import Column, Table


def columns_of_rules(moment):
    """One column helps always, one turns from for to against in the newer half."""
    dice = np.random.default_rng(2)
    lasting, turning = dice.integers(0, 2, (2, 4000))
    newer = np.arange(4000) >= 2000
    odds = -1 + 1.0 * lasting + np.where(newer, -0.5, 1.5) * turning
    won = dice.random(4000) < 1 / (1 + np.exp(-odds))
    named = {"lasting": lasting, "turning": turning}
    table = Table(4000, {name: Column(name, numbers=each.astype(float)) for name, each in named.items()})
    taught = Taught(table, won, np.ones(4000), dice.integers(0, 1 << 63, 4000, np.uint64), moment)
    return {name for found in grown(taught, 2).found for name in found.columns}


def test_what_turns_with_time_is_no_condition_where_times_are_known():
    assert columns_of_rules(np.arange(4000.0)) == {"lasting"}
    assert columns_of_rules(None) == columns_of_rules(np.zeros(4000)) == {"lasting", "turning"}


def test_a_rare_category_that_tells_much_is_a_condition_however_many_rows_there_are():
    dice = np.random.default_rng(3)
    origin = np.zeros(20_000, np.int64)
    origin[:60] = 1
    won = dice.random(20_000) < np.where(origin, 0.6, 0.1)
    table = Table(20_000, {"origin": Column("origin", codes=origin, categories=("form", "referral"))})
    found = conditions(table, won, np.ones(20_000), np.arange(20_000) % 5)
    assert {condition.condition.when for condition in found} == {"origin = 'form'"}
