"""A scorecard from a table: conditions found, as many of them as pay off out of fold, and whole points for each.

Conditions are found and taken in one by one on each fold's own rows; the number with the least loss on the rows left
out is kept, or a smaller one that is no worse beyond chance. Pairs of conditions are tried once the strongest single
ones are in: those whose product explains most of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from clearlane.review.cases import Limits
from clearlane.review.learning.binning import conditions, fewest, matrix
from clearlane.review.learning.columns import Flags, Floats, Table
from clearlane.review.learning.conditions import Both, Condition
from clearlane.review.learning.points import Problem, Whole, chance, newton

MOST: Final = 48
"""rules of a scorecard"""
ROWS_A_RULE: Final = 8
"""rows of the rarer outcome for each rule, at least"""
BOUND: Final = 60
"""points of a rule while rules are chosen: fine enough that rounding does not choose"""
LOWEST, HIGHEST = 5, 95
"""the scores that rows learnt from may have: what is rarer yet still has room within 0 and 100"""
RANGE = (1, 100)
"""what a lead that is not disqualified can show"""
PAIRS: Final = 24
"""pairs of conditions that are tried, the likeliest"""
PAIRS_FROM: Final = 10
"""rules that are in before pairs are tried"""
SEARCHED: Final = 40_000
"""rows on which rules are searched; points are always found on all rows"""
TOLERANCE: Final = 0.001
"""AUC that fewer rules may cost"""


@dataclass(frozen=True)
class Learned:
    """Conditions with their points; probability = 1 / (1 + exp(-(intercept + scale * score))), score with `base`."""

    rules: tuple[tuple[Condition, int], ...]
    base: int
    intercept: float
    scale: float
    folds: int
    loss_by_rules: tuple[float, ...]
    """mean loss out of fold with 0, 1, 2 … rules"""

    def scores(self, table: Table) -> NDArray[np.int64]:
        total = np.full(table.rows, self.base, np.int64)
        for condition, points in self.rules:
            total += points * condition.holds(table)
        return np.clip(total, *RANGE)

    def probabilities(self, table: Table) -> Floats:
        return chance(self.intercept + self.scale * self.scores(table).astype(np.float64))


@dataclass(frozen=True)
class Grown:
    """Conditions, and the points of each with 0, 1, 2 … rules."""

    found: list[Condition]
    steps: list[Whole]


def learned(table: Table, won: Flags, weight: Floats, fold: NDArray[np.int64], most: int = MOST) -> Learned:
    """The scorecard of a table; `fold` says of each row in which fold it is left out."""
    most = max(2, min(most, int(min(won.sum(), (~won).sum())) // ROWS_A_RULE))
    told = np.zeros((table.rows, most + 1))
    for place in np.unique(fold):
        rest = fold != place
        grown_ = grown(part(table, rest), won[rest], weight[rest], most)
        told[~rest] = _odds(grown_, part(table, rest), won[rest], weight[rest], part(table, ~rest), most)
    size, curve = _size(told, won, weight)
    whole = grown(table, won, weight, size)
    card = _whole(whole, table, won, weight)
    slope = _shrunk(told[:, size], won, weight) if size else 1.0
    return replace(
        _calibrated(card, table, won, weight, slope), folds=len(np.unique(fold)), loss_by_rules=tuple(curve)
    )


def part(table: Table, kept: Flags) -> Table:
    """Some of the rows."""
    columns = {
        name: replace(
            column,
            numbers=None if column.numbers is None else column.numbers[kept],
            codes=None if column.codes is None else column.codes[kept],
        )
        for name, column in table.columns.items()
    }
    return Table(int(kept.sum()), columns, table.left_out)


def grown(table: Table, won: Flags, weight: Floats, most: int) -> Grown:
    """Rules taken in one by one, single conditions first, then also pairs."""
    if table.rows > SEARCHED:
        kept = np.arange(table.rows) % -(-table.rows // SEARCHED) == 0
        table, won, weight = part(table, kept), won[kept], weight[kept]
    found: list[Condition] = list(conditions(table, won, weight))
    steps = [np.zeros(len(found), np.int64)]
    if not found or most == 0:
        return Grown(found, steps)
    holds = matrix(found, table)
    first = Problem.of_rows(holds, won, weight, _limits(len(found), min(PAIRS_FROM, most)))
    steps += list(first.growing())
    pairs = _pairs(found, holds, first, steps[-1], won, weight)
    if most > PAIRS_FROM and np.count_nonzero(steps[-1]) == PAIRS_FROM:
        holds = np.hstack([holds, matrix(list(pairs), table)])
        found = [*found, *pairs]
        steps = [np.append(step, np.zeros(len(pairs), np.int64)) for step in steps]
        second = Problem.of_rows(holds, won, weight, _limits(len(found), most))
        steps += list(second.growing(steps[-1]))[1:]
    return Grown(found, steps)


def _limits(size: int, rules: int | None, bound: int = BOUND) -> Limits:
    return Limits(np.full(size, -bound), np.full(size, bound), np.zeros(size, np.int64), rules)


def _pairs(
    found: Sequence[Condition],
    holds: NDArray[np.float32],
    problem: Problem,
    points: Whole,
    won: Flags,
    weight: Floats,
) -> list[Condition]:
    """Products of two conditions of different columns that would lower the loss most, by their score test."""
    fit = problem.fit(points)
    told = chance(fit.intercept + fit.scale * (holds @ points.astype(np.float32)).astype(np.float64))
    residual = (weight * (told - won)).astype(np.float32)
    spread = (weight * told * (1 - told)).astype(np.float32)
    slope = holds.T @ (holds * residual[:, None])
    mean = holds.T @ (holds * spread[:, None])
    bend = np.maximum(mean - mean**2 / spread.sum(), 1e-6)
    gain = np.triu(slope**2 / bend, 1)
    count = holds.T @ holds
    gain[count < fewest(len(won))] = 0
    chosen: list[Condition] = []
    taken: dict[tuple[str, ...], int] = {}
    for place in np.argsort(-gain, axis=None, kind="stable")[: 200 * PAIRS]:
        one, other = (found[at] for at in np.unravel_index(place, gain.shape))
        if gain.flat[place] <= 0 or len(chosen) == PAIRS:
            break
        if isinstance(one, Both) or isinstance(other, Both) or one.column == other.column:
            continue
        pair = Both(one, other)
        if taken.get(pair.columns, 0) < 3:
            taken[pair.columns] = taken.get(pair.columns, 0) + 1
            chosen.append(pair)
    return chosen


def _odds(grown_: Grown, learnt: Table, won: Flags, weight: Floats, left: Table, most: int) -> Floats:
    """(rows left out, most + 1): log odds that each number of rules tells; where no more helped, the last."""
    holds, other = matrix(grown_.found, learnt), matrix(grown_.found, left)
    problem = Problem.of_rows(holds, won, weight, _limits(len(grown_.found), None))
    odds = np.zeros((left.rows, most + 1))
    for size in range(most + 1):
        step = grown_.steps[min(size, len(grown_.steps) - 1)]
        fit = problem.fit(step)
        odds[:, size] = fit.intercept + fit.scale * (other @ step.astype(np.float32))
    return odds


def _size(told: Floats, won: Flags, weight: Floats) -> tuple[int, list[float]]:
    """The fewest rules that are no worse than the best number, beyond chance; and the loss of each number."""
    each = np.logaddexp(0, np.where(won[:, None], -told, told))
    curve = [float(np.average(column, weights=weight)) for column in each.T]
    best = int(np.argmin(curve))
    auc = [_auc(column, won) for column in told.T]
    for size in range(best):
        worse = weight * (each[:, size] - each[:, best])
        error = float(worse.std()) * len(worse) ** 0.5 / float(weight.sum())
        if curve[size] <= curve[best] + error and auc[size] >= auc[best] - TOLERANCE:
            return size, curve
    return best, curve


def _auc(told: Floats, won: Flags) -> float:
    ranks = rankdata(told)
    positives = int(won.sum())
    return float(
        (ranks[won].sum() - positives * (positives + 1) / 2) / max(positives * (len(won) - positives), 1)
    )


def _whole(found: Grown, table: Table, won: Flags, weight: Floats) -> Learned:
    """The last step's rules with points as fine as fit between the lowest and the highest score."""
    last = found.steps[-1]
    used = np.flatnonzero(last)
    kept = [found.found[place] for place in used]
    if not kept:
        return Learned((), 1, 0.0, 0.0, 0, ())
    holds = matrix(kept, table)
    problem = Problem.of_rows(holds, won, weight, _limits(len(kept), None, 10 * BOUND))
    fine = problem.descended(last[used] * 10)
    factor = (HIGHEST - LOWEST) / max(float(np.ptp(holds @ fine.astype(np.float32))), 1.0)
    points, scores = fine, holds @ fine
    while np.ptp(scores) > HIGHEST - LOWEST:
        points = _rounded(problem, fine, factor)
        scores = holds @ points.astype(np.float32)
        factor *= 0.97
    rules = sorted(zip(kept, map(int, points), strict=True), key=lambda rule: (-abs(rule[1]), rule[0].when))
    return Learned(tuple(rule for rule in rules if rule[1]), LOWEST - int(scores.min()), 0.0, 0.0, 0, ())


def _rounded(problem: Problem, fine: Whole, factor: float) -> Whole:
    """In points of another size, rounded up or down so that the loss is least."""
    about = fine * factor
    bounds = Limits(
        np.floor(about).astype(np.int64), np.ceil(about).astype(np.int64), np.zeros(len(fine), np.int64)
    )
    return replace(problem, limits=bounds).descended(np.rint(about).astype(np.int64))


def _shrunk(told: Floats, won: Flags, weight: Floats) -> float:
    """By how much log odds out of fold are told too far from the middle: 1 is just right."""
    spread = float(told.std())
    if spread < 1e-9:
        return 1.0
    _, slope = newton((told - told.mean()) / spread, weight * won, weight * ~won)
    return min(max(slope / spread, 0.3), 1.0)


def _calibrated(card: Learned, table: Table, won: Flags, weight: Floats, slope: float) -> Learned:
    """What points mean: the fit on all rows, drawn to the middle as the rows left out ask for."""
    score = card.scores(table).astype(np.float64)
    problem = Problem.of_rows(score[:, None].astype(np.float32), won, weight, _limits(1, None))
    fit = problem.fit(np.array([1]))
    scale = fit.scale * slope
    intercept = fit.intercept + fit.scale * score.mean() - scale * score.mean()
    for _ in range(20):
        told = chance(intercept + scale * score)
        intercept -= float(weight @ (told - won)) / max(float(weight @ (told * (1 - told))), 1e-9)
    return replace(card, intercept=intercept, scale=scale)
