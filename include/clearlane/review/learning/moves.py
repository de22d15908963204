"""Which rules of a model should move, one after the other, each only where chance does not explain it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearlane.review.learning.chance import Surprise, surprise
from clearlane.review.learning.odds import Fit, Floats, fitted
from clearlane.review.learning.problem import Known, Problem

ROUNDS: Final = 3
"""times that shifts are estimated anew around the ones before"""
FAR: Final = 60.0
"""points by which one estimate may shift a rule"""
OF_OUTCOME: Final = 1 / 3
"""share of the level that the outcome itself gets where an earlier stage speaks, too"""
CONFIRMED: Final = 1.282
"""standard errors by which the outcome itself must agree with an earlier stage: 10 % on one side"""
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

    Each step tests all judged rules at once. A third of the level goes to the outcome and the rest to an earlier stage,
    which more leads reach; what only the earlier stage shows has to be confirmed by the outcome.
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
    sooner: Surprise | None
    share: float
    sooner_share: float

    @property
    def p_value(self) -> float:
        """Of both tests; the smaller share of the level counts for more."""
        if self.sooner is None:
            return self.rest.p_value
        return min(1.0, self.rest.p_value / OF_OUTCOME, self.sooner.p_value / (1 - OF_OUTCOME))

    @property
    def by_outcome(self) -> bool:
        return self.rest.p_value <= self.share

    @property
    def found(self) -> int | None:
        """The judged rule to move next; None where chance explains all that is left."""
        if self.by_outcome:
            return self.rest.best
        sooner = self._sooner
        if sooner is None:
            return None
        agrees = self.rest.odds * np.sign(sooner.odds) > CONFIRMED * self.rest.error
        confirmed = replace(sooner, gain=np.where(agrees, sooner.gain, -np.inf)).best
        return confirmed if agrees[confirmed] and _stands_out(sooner, confirmed) else None

    @property
    def unconfirmed(self) -> int | None:
        """The judged rule that only the earlier stage would move."""
        sooner = self._sooner
        return sooner.best if sooner and self.found is None and _stands_out(sooner, sooner.best) else None

    @property
    def _sooner(self) -> Surprise | None:
        return self.sooner if self.sooner and self.sooner.p_value <= self.sooner_share else None


def _stands_out(told: Surprise, column: int) -> bool:
    return bool(abs(told.odds[column]) > told.critical * told.error[column])


def _step(problem: Problem, chosen: tuple[int, ...], level: float, draws: np.random.Generator) -> _Step:
    estimate = estimated(problem, chosen)
    share = level if problem.earlier is None else level * OF_OUTCOME
    rest = _tested(problem, estimate, chosen, problem.target, share, draws)
    sooner = (
        None
        if problem.earlier is None
        else _tested(problem, estimate, chosen, problem.earlier, level - share, draws)
    )
    return _Step(estimate, rest, sooner, share, level - share)


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


def _tested(
    problem: Problem,
    estimate: Estimate,
    chosen: tuple[int, ...],
    target: NDArray[np.bool_],
    level: float,
    draws: np.random.Generator,
) -> Surprise:
    """Each judged rule beside the points as shifted and the chosen rules."""
    known = problem.known(problem.points + estimate.shift).columns
    base = np.column_stack([known, problem.evidence[:, list(chosen)]])
    return surprise(base, problem.evidence[:, problem.judged], target, problem.weight, level, draws)
