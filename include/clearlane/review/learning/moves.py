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
    share = level if problem.earlier is None else level * OF_OUTCOME
    chosen: list[int] = []
    early: set[int] = set()
    estimate = estimated(problem, ())
    first, rest = 1.0, _tested(problem, estimate, (), problem.target, share, draws)
    sooner: Surprise | None = None
    while True:
        if problem.earlier is not None:
            sooner = _tested(problem, estimate, tuple(chosen), problem.earlier, level - share, draws)
        if not chosen:
            first = _joined(rest, sooner)
        found = _next(rest, share, sooner, level - share)
        if found is None or len(chosen) == most:
            break
        chosen.append(int(problem.judged[found]))
        early |= {chosen[-1]} if rest.p_value > share else set()
        estimate = estimated(problem, tuple(chosen))
        rest = _tested(problem, estimate, tuple(chosen), problem.target, share, draws)
    kept = tuple(rule for rule in chosen if abs(estimate.shift[rule]) > CONFIRMED * estimate.error[rule])
    if len(kept) < len(chosen):
        estimate = estimated(problem, kept)
        rest = _tested(problem, estimate, kept, problem.target, share, draws)
    waiting = _unconfirmed(problem, sooner, level - share)
    return Moves(kept, estimate, first, rest, frozenset(early), waiting)


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


def _next(rest: Surprise, share: float, sooner: Surprise | None, earlier_share: float) -> int | None:
    """The column to move next; None where chance explains all that is left."""
    if rest.p_value <= share:
        return rest.best
    if sooner is None or sooner.p_value > earlier_share:
        return None
    agrees = rest.odds * np.sign(sooner.odds) > CONFIRMED * rest.error
    both = replace(sooner, gain=np.where(agrees, sooner.gain, -np.inf))
    return both.best if agrees[both.best] and _stands_out(sooner, both.best) else None


def _stands_out(sooner: Surprise, column: int) -> bool:
    return bool(abs(sooner.odds[column]) > sooner.critical * sooner.error[column])


def _unconfirmed(problem: Problem, sooner: Surprise | None, level: float) -> int | None:
    """The rule that only the earlier stage would move."""
    if sooner is None or sooner.p_value > level or not _stands_out(sooner, sooner.best):
        return None
    return int(problem.judged[sooner.best])


def _joined(rest: Surprise, sooner: Surprise | None) -> float:
    """Of both tests; the smaller share of the level counts for more."""
    if sooner is None:
        return rest.p_value
    return min(1.0, rest.p_value / OF_OUTCOME, sooner.p_value / (1 - OF_OUTCOME))
