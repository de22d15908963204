"""Conditions that a scorecard is made of."""

from __future__ import annotations

import numpy as np

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
