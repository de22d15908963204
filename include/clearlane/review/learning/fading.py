"""How fast behaviour really fades: half-lives by the evidence, tried at multiples of the ones in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from scipy import interpolate, stats

from clearlane.review.cases import Interval
from clearlane.review.learning.odds import Floats, fitted
from clearlane.review.learning.problem import Problem

FINE: Final = 65
"""half-lives between the shortest and the longest at which the curve is read"""
SEEN: Final = 1.92
"""nats of likelihood that a 95 % interval spans: half of the chi-square's 3.84"""


@dataclass(frozen=True)
class HalfLife:
    """A rule's half-life in days; `odd` where chance hardly explains that another fits so much better."""

    rule: str
    before: float
    days: Interval
    odd: bool


def half_lives(problem: Problem, refaded: pd.DataFrame, points: Floats, level: float) -> tuple[HalfLife, ...]:
    """Of each behaviour rule that can be judged and whose evidence was tried at other half-lives (`RULE@DAYS`).

    The profile likelihood over log half-life, the rule's points free at each, read by a monotone curve between the
    half-lives tried; a likelihood ratio at `level`, shared among the rules, tells what is odd. Rules that
    could not be told from having no points at all are left out: their fading cannot be seen.
    """
    lives = {rule.id: rule.activity.half_life_days for rule in problem.scoring.rules if rule.activity}
    tried = [
        (rule, float(lives[problem.rules[rule]] or 0), _tried(refaded, problem.rules[rule]))
        for rule in problem.judged
        if lives.get(problem.rules[rule])
    ]
    tried = [each for each in tried if len(each[2]) > 2]
    odd = stats.chi2.isf(level / max(1, len(tried)), 1) / 2
    found = (_read(problem, points, rule, before, days, float(odd)) for rule, before, days in tried)
    return tuple(each for each in found if each)


def _tried(refaded: pd.DataFrame, rule: str) -> dict[float, Floats]:
    """Days -> the rule's evidence, shortest first."""
    named = {str(name): str(name).rpartition("@") for name in refaded}
    found = {
        float(days): refaded[name].to_numpy(np.float64) for name, (of, _, days) in named.items() if of == rule
    }
    return dict(sorted(found.items()))


def _read(
    problem: Problem, points: Floats, rule: int, before: float, tried: dict[float, Floats], odd: float
) -> HalfLife | None:
    """The rule's half-life; None where its fading cannot be seen."""
    known = _without(problem, rule).known(np.delete(points, rule)).columns
    nothing = fitted(known, problem.target, problem.weight).loss
    loss = np.array([_loss(problem, known, faded) for faded in tried.values()])
    if nothing - loss.min() < SEEN:
        return None
    days = np.array(list(tried))
    fine = np.linspace(np.log(days[0]), np.log(days[-1]), FINE)
    curve = interpolate.PchipInterpolator(np.log(days), loss)(fine)
    near = np.exp(fine[curve - curve.min() <= SEEN])
    best = float(np.exp(fine[curve.argmin()]))
    now = float(np.interp(np.log(before), fine, curve))
    return HalfLife(
        problem.rules[rule],
        before,
        Interval(best, float(near[0]), float(near[-1])),
        bool(now - curve.min() > odd),
    )


def _without(problem: Problem, rule: int) -> Problem:
    rules = tuple(name for at, name in enumerate(problem.rules) if at != rule)
    return replace(problem, rules=rules, evidence=np.delete(problem.evidence, rule, axis=1))


def _loss(problem: Problem, known: Floats, faded: Floats) -> float:
    return fitted(np.column_stack([known, faded]), problem.target, problem.weight).loss
