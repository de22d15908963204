"""What each rule of the model is worth by the evidence, how its leads fare, and which mistakes would not be seen."""

from __future__ import annotations

from typing import Final

import numpy as np

from clearlane.review.cases import Interval, Worth
from clearlane.review.learning.moves import Moves
from clearlane.review.learning.odds import Floats, chance
from clearlane.review.learning.problem import Problem

Z: Final = 1.96
"""standard errors on each side of a 95 % interval"""
NINE_OF_TEN: Final = 1.2816
"""standard errors beyond the critical value at which nine mistakes of ten are found"""


def worths(problem: Problem, moves: Moves) -> tuple[Worth, ...]:
    """One per rule, in their order."""
    shift, error = shifts(problem, moves)
    without = _rates_without(problem, moves, error)
    return tuple(_worth(problem, moves, rule, shift, error, without) for rule in range(len(problem.rules)))


def shifts(problem: Problem, moves: Moves) -> tuple[Floats, Floats]:
    """By how many points each rule is off, alone or among the chosen, and its standard error; infinite: unknown."""
    estimate, judged = moves.estimate, problem.judged
    shift, error = np.zeros(len(problem.rules)), np.full(len(problem.rules), np.inf)
    if estimate.clear:
        told = np.isfinite(moves.rest.error)
        shift[judged[told]] = moves.rest.odds[told] / estimate.slope
        error[judged[told]] = moves.rest.error[told] / estimate.slope
        chosen = list(moves.chosen)
        shift[chosen], error[chosen] = estimate.shift[chosen], estimate.error[chosen]
    return shift, error


def wilson(rate: float, leads: float) -> Interval:
    """A share with its 95 % interval (Wilson 1927); `leads` may be an effective number."""
    middle = (rate + Z**2 / (2 * leads)) / (1 + Z**2 / leads)
    half = Z / (1 + Z**2 / leads) * np.sqrt(rate * (1 - rate) / leads + Z**2 / (4 * leads**2))
    return Interval(rate, max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def rate(problem: Problem, holds: Floats) -> Interval:
    """How often leads for which `holds` (n,) is above 0 had the outcome; 0 to 1 where there are none."""
    weight = problem.weight[holds > 0]
    if not weight.size:
        return Interval(0.0, 0.0, 1.0)
    share = float(np.average(problem.target[holds > 0], weights=weight))
    return wilson(share, float(weight.sum() ** 2 / (weight**2).sum()))


def _worth(
    problem: Problem, moves: Moves, rule: int, shift: Floats, error: Floats, without: dict[int, Interval]
) -> Worth:
    holds = problem.evidence[:, rule]
    known = bool(np.isfinite(error[rule]))
    worth, half = problem.points[rule] + shift[rule], Z * error[rule]
    return Worth(
        rule=problem.rules[rule],
        before=round(problem.points[rule]),
        fired=int((holds > 0).sum()),
        positives=int(problem.target[holds > 0].sum()),
        points=Interval(float(worth), float(worth - half), float(worth + half)) if known else None,
        rate_with=rate(problem, holds),
        rate_without=without.get(rule),
        visible=float((moves.rest.critical + NINE_OF_TEN) * error[rule]) if known else None,
    )


def _rates_without(problem: Problem, moves: Moves, error: Floats) -> dict[int, Interval]:
    """Of each rule's leads, how often the fitted odds less the rule would have had the outcome."""
    estimate = moves.estimate
    likely = np.clip(estimate.fit.probability, 1e-9, 1 - 1e-9)
    logits = np.log(likely / (1 - likely))
    points = problem.points + estimate.shift
    found = {}
    for rule in np.flatnonzero(np.isfinite(error)):
        holds = problem.evidence[:, rule] > 0
        amount, weight = problem.evidence[holds, rule], problem.weight[holds]
        less = [
            estimate.slope * (points[rule] + side * Z * error[rule]) * amount for side in (0.0, 1.0, -1.0)
        ]
        value, low, high = (float(np.average(chance(logits[holds] - each), weights=weight)) for each in less)
        found[int(rule)] = Interval(value, low, high)
    return found
