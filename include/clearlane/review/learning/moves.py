"""Which rules of a model should move, one after the other, each only where chance does not explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clearlane.review.learning.chance import ScoreTest, Surprise, drawn, gains, p_value, score_test, told
from clearlane.review.learning.odds import Fit, Floats, fitted
from clearlane.review.learning.problem import Known, Problem

ROUNDS: Final = 3
"""times that shifts are estimated anew around the ones before"""
FAR: Final = 60.0
"""points by which one estimate may shift a rule"""
OF_OUTCOME: Final = 1 / 3
"""weight of the outcome alone where an earlier stage speaks, too: how likely it is that a rule is wrong for it only"""
CONFIRMED: Final = 0.842
"""standard errors by which the outcome itself must agree with an earlier stage: 20 % on one side"""
TOLD: Final = 1.96
"""standard errors by which the score in force must tell who has the outcome, before its points can be a unit"""


@dataclass(frozen=True)
class Estimate:
    """By how many of today's points each rule is off, with what is known beside it. Arrays have one entry per rule."""

    shift: Floats
    error: Floats
    """standard error of the shift, in points; 0 for rules that are not estimated"""
    slope: float
    """log odds per point of the score"""
    clear: bool
    """whether the slope is above 0 beyond chance"""
    fit: Fit


@dataclass(frozen=True)
class Moves:
    """Rules to move, the most telling first, with their estimates; and what each rule alone would add to that."""

    chosen: tuple[int, ...]
    estimate: Estimate
    p_value: float
    """of the first test: that no rule needs to move"""
    rest: Surprise
    """of the judged rules beside the chosen ones, in the order of `Problem.judged`"""
    early: frozenset[int]
    """of the chosen, those that an earlier stage showed first"""
    unconfirmed: int | None
    """a rule that the earlier stage would move and the outcome does not confirm"""


def moves(problem: Problem, most: int, level: float, draws: np.random.Generator) -> Moves:
    """The rules that move at the level given, by forward steps; at most `most`.

    Each step tests all judged rules at once, by the outcome and by an earlier stage that more leads reach; what the
    earlier stage shows counts only where the outcome agrees.
    """
    chosen: tuple[int, ...] = ()
    early: frozenset[int] = frozenset()
    now = _step(problem, chosen, level, draws)
    first = now.p_value
    while now.found is not None and len(chosen) < most:
        rule = int(problem.judged[now.found])
        chosen, early = (*chosen, rule), early if now.by_outcome else early | {rule}
        now = _step(problem, chosen, level, draws)
    estimate = now.estimate
    kept = tuple(rule for rule in chosen if abs(estimate.shift[rule]) > CONFIRMED * estimate.error[rule])
    if kept != chosen:
        now = _step(problem, kept, level, draws)
    waiting = None if now.unconfirmed is None else int(problem.judged[now.unconfirmed])
    return Moves(kept, now.estimate, first, now.rest, early, waiting)


@dataclass(frozen=True)
class _Step:
    """What is left to find beside the chosen rules: by the outcome, and by an earlier stage."""

    estimate: Estimate
    rest: Surprise
    level: float
    sooner: Surprise | None = None
    joint: Floats | None = None
    """log Bayes factor of each judged rule by both, where there is an earlier stage"""
    joint_p: float = 1.0

    @property
    def p_value(self) -> float:
        return self.rest.p_value if self.sooner is None else self.joint_p

    @property
    def by_outcome(self) -> bool:
        """Whether the outcome alone says so, with its share of the level."""
        return self.rest.p_value <= (self.level if self.sooner is None else self.level * OF_OUTCOME)

    @property
    def found(self) -> int | None:
        """The judged rule to move next; None where chance explains all that is left."""
        if self.p_value > self.level:
            return None
        return self.rest.best if self.joint is None else int(np.argmax(self.joint))

    @property
    def unconfirmed(self) -> int | None:
        """The judged rule that only the earlier stage would move."""
        sooner = self.sooner
        if sooner is None or self.found is not None or sooner.p_value > self.level * (1 - OF_OUTCOME):
            return None
        return sooner.best if _stands_out(sooner, sooner.best) else None


def _stands_out(told: Surprise, column: int) -> bool:
    return bool(abs(told.odds[column]) > told.critical * told.error[column])


def _step(problem: Problem, chosen: tuple[int, ...], level: float, draws: np.random.Generator) -> _Step:
    """Each judged rule beside the points as shifted and the chosen rules."""
    estimate = estimated(problem, chosen)
    known = problem.known(problem.points + estimate.shift).columns
    base = np.column_stack([known, problem.evidence[:, list(chosen)]])
    targets = [problem.target] if problem.earlier is None else [problem.target, problem.earlier]
    tests = [score_test(base, problem.evidence[:, problem.judged], each, problem.weight) for each in targets]
    chances = drawn(tests, draws)
    if problem.earlier is None:
        return _Step(estimate, told(tests[0], chances[0], level), level)
    shares = (level * OF_OUTCOME, level * (1 - OF_OUTCOME))
    rest, sooner = (told(*each) for each in zip(tests, chances, shares, strict=True))
    joint, by_chance = (_joint(tests, *each) for each in (tuple(test.z[None, :] for test in tests), chances))
    return _Step(estimate, rest, level, sooner, joint[0], p_value(joint[0], by_chance))


def _joint(tests: Sequence[ScoreTest], outcome: Floats, earlier: Floats) -> Floats:
    """Log Bayes factors (…, m) by both z: of odds for the outcome only, or for both stages where they agree."""
    alone, sooner = (gains(z, test.error) for z, test in zip((outcome, earlier), tests, strict=True))
    agrees = outcome * np.sign(earlier) > CONFIRMED
    together = np.where(agrees, np.log(1 - OF_OUTCOME) + sooner, -np.inf)
    told_of = np.isfinite(tests[0].error)
    return np.where(told_of, np.logaddexp(np.log(OF_OUTCOME) + alone, together), -np.inf)


def estimated(problem: Problem, chosen: tuple[int, ...]) -> Estimate:
    """The shifts of the chosen rules together, by the outcome, all other rules at their points."""
    rules, some = len(problem.rules), list(chosen)
    shift = np.zeros(rules)
    for _ in range(ROUNDS if some else 1):
        known = problem.known(problem.points + shift)
        fit = fitted(
            np.column_stack([known.columns, problem.evidence[:, some]]), problem.target, problem.weight
        )
        slope = _slope(fit, known)
        last = known.columns.shape[1]
        step = np.clip(fit.odds[last:] / slope, -FAR, FAR) if slope > 0 else np.zeros(len(some))
        shift[some] += step
    error = np.zeros(rules)
    error[some] = np.sqrt(np.diag(fit.covariance)[last:]) / max(slope, 1e-9)
    clear = bool(fit.odds[1] > TOLD * np.sqrt(fit.covariance[1, 1]))
    return Estimate(shift, error, slope, clear, fit)


def _slope(fit: Fit, known: Known) -> float:
    return float(fit.odds[1] / known.unit)
