"""What the policy lets one review do to the points of each rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearlane.policy.model import Rule, Scoring
from clearlane.review.cases import Limits


def limits(scoring: Scoring, rules: Sequence[str]) -> Limits:
    """The limits of `review:` in scoring.yaml for these rules, in their order.

    A rule keeps its sign and moves by `most_change` at most, within its bounds and its group's; a locked one, and one
    whose points are not whole, stays. Raises KeyError for a name that is no rule of the model.
    """
    known = {rule.id: rule for rule in scoring.rules}
    spans = [_span(scoring, known[name]) for name in rules]
    lower, upper = (np.array([span[side] for span in spans], dtype=np.int64) for side in (0, 1))
    start = np.array([round(known[name].points) for name in rules], dtype=np.int64)
    return Limits(lower, upper, start, changes=scoring.review.changes)


def _span(scoring: Scoring, rule: Rule) -> tuple[int, int]:
    terms, points = scoring.review, round(rule.points)
    if rule.id in terms.locked or points != rule.points:
        return points, points
    low, high = terms.bounds.get(rule.id, _sides(scoring, rule))
    if rule.id in terms.keep and points:
        low, high = (max(low, 1), high) if points > 0 else (low, min(high, -1))
    return min(points, max(low, points - terms.most_change)), max(
        points, min(high, points + terms.most_change)
    )


def _sides(scoring: Scoring, rule: Rule) -> tuple[int, int]:
    """The least and the most points of a rule's sign that its group can hold."""
    low, high = map(int, scoring.group_bounds[rule.group])
    own = "plus" if rule.points > 0 else "minus" if rule.points < 0 else "either"
    most = max(-low, high)
    sign = scoring.review.signs.get(rule.id, own)
    if own == "either" and sign == "either":
        return low, high
    return (0 if sign == "plus" else -most), (0 if sign == "minus" else most)
