"""A scorecard from a table: conditions found, as many of them as pay off out of fold, and whole points for each.

Conditions are found and taken in one by one on each fold's own rows; the number with the least loss on the rows left
out is kept, or a smaller one that is no worse beyond chance. Pairs of conditions are tried once the strongest single
ones are in: those whose product explains most of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from clearlane.review.cases import Limits
from clearlane.review.learning.binning import Found, conditions, fewest, matrix
from clearlane.review.learning.broad import broad
from clearlane.review.learning.columns import Flags, Floats, Table
from clearlane.review.learning.conditions import Both, Condition
from clearlane.review.learning.odds import chance
from clearlane.review.learning.points import Fit, Problem, Whole, newton
from clearlane.review.soundness import auc

MOST: Final = 48
"""rules of a scorecard"""
MANY: Final = 80
"""rules of a scorecard of many weak ones"""
FEW_ROWS: Final = 20_000
"""rows up to which many weak rules at once are tried as well"""
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
TELLING: Final = 200
"""conditions of which pairs are made, those that tell most alone"""
PAIRS_AT: Final = (8, 14, 20, 27, 34, 41)
"""numbers of rules that are in when pairs are sought in what they leave unexplained"""
ALIKE: Final = 6
"""pairs of the same two columns that are tried at once"""
SEARCHED: Final = 25_000
"""rows on which rules are searched; points are always found on all rows"""
MUCH: Final = 0.005
"""AUC that many weak rules must add to be worth their number"""
SURE: Final = 2.0
"""standard errors by which a condition must turn with time to be dropped"""
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
    """Conditions, where each holds for learning (rows, conditions), and their points with 0, 1, 2 … rules."""

    found: list[Condition]
    holds: NDArray[np.float32]
    steps: list[Whole]


@dataclass(frozen=True)
class Taught:
    """What is learnt from: `key` is a number that the content of a row gives, `moment` its place in time if known."""

    table: Table
    won: Flags
    weight: Floats
    key: NDArray[np.uint64]
    moment: Floats | None = None

    @property
    def soft(self) -> Floats:
        """Outcomes a little short of certain (Platt 1999): a rule that holds for wins only is worth much, not all."""
        won, lost = float(self.won.sum()), float((~self.won).sum())
        return np.where(self.won, (won + 1) / (won + 2), 1 / (lost + 2))

    def only(self, kept: Flags) -> Taught:
        moment = None if self.moment is None else self.moment[kept]
        return Taught(part(self.table, kept), self.won[kept], self.weight[kept], self.key[kept], moment)

    def folds(self, number: int, shift: int) -> NDArray[np.int64]:
        """In which of so many parts each row falls; another shift gives other parts."""
        return ((self.key >> np.uint64(shift)) % np.uint64(number)).astype(np.int64)


def learned(taught: Taught, folds: int, most: int = MOST) -> Learned:
    """The scorecard of the rows, its number of rules chosen in so many folds.

    Where rows are few, many weak rules at once are tried too, and kept where they put more rows in the right order.
    """
    won, weight = taught.won, taught.weight
    most = max(2, min(most, int(min(won.sum(), (~won).sum())) // ROWS_A_RULE))
    told, wide = np.zeros((len(won), most + 1)), np.zeros(len(won))
    few = len(won) <= FEW_ROWS
    fold = taught.folds(folds, 20)
    for place in np.unique(fold):
        rest, left = taught.only(fold != place), taught.only(fold == place)
        told[fold == place] = _odds(grown(rest, most), rest, left.table, most)
        if few:
            wide[fold == place] = _odds(_spread(rest), rest, left.table, 0)[:, 0]
    slopes = [_shrunk(column, taught) for column in told.T]
    told = np.stack([_drawn(column, taught) for column in told.T], axis=1)
    size, curve = _size(told, won, weight)
    spread = few and size > 0 and _is_better(_drawn(wide, taught), told[:, size], won, weight)
    chosen, slope = (
        (_spread(taught), _shrunk(wide, taught)) if spread else (grown(taught, size), slopes[size])
    )
    return replace(_whole(chosen, taught, slope), folds=folds, loss_by_rules=tuple(curve))


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


def grown(taught: Taught, most: int) -> Grown:
    """Rules taken in one by one; now and then pairs that explain most of what is left are added to choose from."""
    if taught.table.rows > SEARCHED:
        order = np.argsort(taught.key, kind="stable")[:SEARCHED]
        taught = taught.only(np.isin(np.arange(taught.table.rows), order))
    first = _lasting(conditions(taught.table, taught.won, taught.weight, taught.folds(5, 40)), taught)
    found: list[Condition] = [each.condition for each in first]
    holds = (
        np.stack([each.holds for each in first], axis=1).astype(np.float32)
        if first
        else np.empty((0, 0), np.float32)
    )
    steps = [np.zeros(len(found), np.int64)]
    singles = len(found)
    among: Sequence[int] = range(singles)
    for stop in (*(stop for stop in PAIRS_AT if stop < most), most) if found else ():
        problem = Problem.of_rows(holds, taught.soft, taught.weight, _limits(len(found), stop))
        if singles > TELLING and len(found) == singles:
            among = sorted(np.argsort(-problem.promise(steps[0]), kind="stable")[:TELLING].tolist())
        more = _worthwhile(problem, np.pad(steps[-1], (0, len(found) - len(steps[-1]))))
        if not more and len(found) > singles:
            break
        steps += more
        if stop < most:
            pairs = _pairs(found, holds, problem, steps[-1], taught, among)
            found = [*found, *pairs]
            places = [[found.index(part) for part in (pair.one, pair.other)] for pair in pairs]
            holds = np.hstack([holds, *(holds[:, [one]] * holds[:, [other]] for one, other in places)])
    return Grown(found, holds, [np.pad(step, (0, len(found) - len(step))) for step in steps])


def _spread(taught: Taught) -> Grown:
    """Points for many weak conditions at once, as a single step."""
    first = _lasting(conditions(taught.table, taught.won, taught.weight, taught.folds(5, 40)), taught)
    found: list[Condition] = [each.condition for each in first]
    if not found:
        return Grown([], np.empty((0, 0), np.float32), [np.zeros(0, np.int64)])
    holds = np.stack([each.holds for each in first], axis=1).astype(np.float32)
    return Grown(found, holds, [broad(holds, taught.won, taught.weight, MANY, BOUND)])


def _lasting(found: list[Found], taught: Taught) -> list[Found]:
    """Without those that tell the opposite of the newer rows and of the older ones, beyond chance."""
    if taught.moment is None or not found:
        return found
    holds = np.stack([each.holds for each in found], axis=1)
    return [each for each, turns in zip(found, _turns(holds, taught), strict=True) if not turns]


def _turns(holds: NDArray[np.generic], taught: Taught) -> Flags:
    """Of each condition whether its log odds ratio has another sign among newer rows than among older ones."""
    assert taught.moment is not None
    newer = taught.moment >= np.median(taught.moment)
    (one, doubt), (other, unsure) = (_ratio(holds[rows], taught.won[rows]) for rows in (~newer, newer))
    return (one * other < 0) & (np.abs(one - other) > SURE * np.sqrt(doubt + unsure))


def _ratio(holds: NDArray[np.generic], won: Flags) -> tuple[Floats, Floats]:
    """Log odds ratio of each condition and its variance, half a row added to each count (Haldane 1956)."""
    all_won, all_lost = float(won.sum()), float((~won).sum())
    with_won, with_lost = (np.asarray(holds[rows].sum(axis=0), np.float64) for rows in (won, ~won))
    counts = [each + 0.5 for each in (with_won, with_lost, all_won - with_won, all_lost - with_lost)]
    a, b, c, d = counts
    return np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d


def _worthwhile(problem: Problem, points: Whole) -> list[Whole]:
    """Steps from `points` on, until a rule tells less than the best of so many would by chance."""
    chance_tells = np.log(len(points)) / 2
    steps: list[Whole] = []
    least = problem.fit(points).loss
    for grown_ in islice(problem.growing(points), int(points.any()), None):
        now = problem.fit(grown_).loss
        if (least - now) * problem.weight.sum() < chance_tells:
            break
        steps, least = [*steps, grown_], now
    return steps


def _limits(size: int, rules: int | None, bound: int = BOUND) -> Limits:
    return Limits(np.full(size, -bound), np.full(size, bound), np.zeros(size, np.int64), rules)


def _pairs(
    found: Sequence[Condition],
    holds: NDArray[np.float32],
    problem: Problem,
    points: Whole,
    taught: Taught,
    among: Sequence[int],
) -> list[Both]:
    """Products of two conditions of different columns that would lower the loss most, by their score test."""
    fit = problem.fit(points)
    told = chance(fit.intercept + fit.scale * np.asarray(holds @ points.astype(np.float32), np.float64))
    residual = (taught.weight * (told - taught.won)).astype(np.float32)
    spread = (taught.weight * told * (1 - told)).astype(np.float32)
    single = holds[:, among]
    slope, mean, count = (
        single.T @ (single * each[:, None]) for each in (residual, spread, np.ones_like(spread))
    )
    gain = np.triu(slope**2 / np.maximum(mean - mean**2 / spread.sum(), 1e-6), 1)
    gain[count < fewest(len(told))] = 0
    chosen: list[Both] = []
    known = set(found)
    taken: dict[tuple[str, ...], int] = {}
    for place in np.argsort(-gain, axis=None, kind="stable")[: 200 * PAIRS]:
        one, other = (found[among[at]] for at in np.unravel_index(place, gain.shape))
        if gain.flat[place] <= 0 or len(chosen) == PAIRS:
            break
        if isinstance(one, Both) or isinstance(other, Both) or one.column == other.column:
            continue
        pair = Both(one, other)
        if taken.get(pair.columns, 0) < ALIKE and pair not in known:
            taken[pair.columns] = taken.get(pair.columns, 0) + 1
            chosen.append(pair)
    return chosen


def _odds(grown_: Grown, rest: Taught, left: Table, most: int) -> Floats:
    """(rows left out, most + 1): log odds that each number of rules tells; where no more helped, the last."""
    odds = np.zeros((left.rows, most + 1))
    sampled = len(grown_.holds) != len(rest.won)
    used = np.flatnonzero(np.any(grown_.steps, axis=0))
    kept = [grown_.found[place] for place in used]
    holds = matrix(kept, rest.table) if sampled else grown_.holds[:, used]
    problem = Problem.of_rows(holds, rest.soft, rest.weight, _limits(len(kept), None)) if kept else None
    other = matrix(kept, left)
    for size in range(most + 1):
        step = grown_.steps[min(size, len(grown_.steps) - 1)][used]
        base = float(np.log(rest.weight @ rest.won / (rest.weight @ ~rest.won)))
        fit = problem.fit(step) if problem else Fit(base, 0.0, 0.0)
        odds[:, size] = fit.intercept + fit.scale * (other @ step.astype(np.float32))
    return odds


def _size(told: Floats, won: Flags, weight: Floats) -> tuple[int, list[float]]:
    """The fewest rules that put about as many rows in the right order as any number; and the loss of each number.

    Only numbers whose loss is no worse than the least beyond chance count; none at all where that is one of them.
    """
    each = np.logaddexp(0, np.where(won[:, None], -told, told))
    curve = [float(np.average(column, weights=weight)) for column in each.T]
    worse = weight[:, None] * (each - each[:, [int(np.argmin(curve))]])
    near = worse.sum(axis=0) <= worse.std(axis=0) * len(worse) ** 0.5
    order = np.array([auc(column, won) if fine else 0.0 for column, fine in zip(told.T, near, strict=True)])
    return 0 if near[0] else int(np.argmax(order >= np.max(order) - TOLERANCE)), curve


def _is_better(new: Floats, old: Floats, won: Flags, weight: Floats) -> bool:
    """Whether so many more rules pay: more in the right order, and less loss beyond chance."""
    gain = weight * (np.logaddexp(0, np.where(won, -old, old)) - np.logaddexp(0, np.where(won, -new, new)))
    chance_gains = float(gain.std()) * len(gain) ** 0.5
    return float(gain.sum()) > chance_gains and auc(new, won) > auc(old, won) + MUCH


def _whole(grown_: Grown, taught: Taught, slope: float) -> Learned:
    """The last step's rules with points as fine as fit between the lowest and the highest score."""
    last = grown_.steps[-1]
    used = np.flatnonzero(last)
    kept = [grown_.found[place] for place in used]
    if not kept:
        base = float(np.log(taught.weight @ taught.won / (taught.weight @ ~taught.won)))
        return Learned((), LOWEST, base, 0.0, 0, ())
    holds = matrix(kept, taught.table) if len(grown_.holds) != len(taught.won) else grown_.holds[:, used]
    problem = Problem.of_rows(holds, taught.soft, taught.weight, _limits(len(kept), None, 10 * BOUND))
    fine = problem.descended(last[used] * 10)
    factor = (HIGHEST - LOWEST) / max(float(np.ptp(holds @ fine.astype(np.float32))), 1.0)
    points, scores = fine, holds @ fine
    while np.ptp(scores) > HIGHEST - LOWEST:
        points = _rounded(problem, fine, factor)
        scores = holds @ points.astype(np.float32)
        factor *= 0.97
    rules = sorted(zip(kept, map(int, points), strict=True), key=lambda rule: (-abs(rule[1]), rule[0].when))
    base = LOWEST - int(np.min(scores))
    intercept, scale = _calibrated(np.asarray(scores + base, np.float64), taught, slope)
    return Learned(tuple(rule for rule in rules if rule[1]), base, intercept, scale, 0, ())


def _rounded(problem: Problem, fine: Whole, factor: float) -> Whole:
    """In points of another size, rounded up or down so that the loss is least."""
    about = fine * factor
    bounds = Limits(
        np.floor(about).astype(np.int64), np.ceil(about).astype(np.int64), np.zeros(len(fine), np.int64)
    )
    return replace(problem, limits=bounds).descended(np.rint(about).astype(np.int64))


def _shrunk(told: Floats, taught: Taught) -> float:
    """By how much log odds out of fold are told too far from the middle: 1 is just right."""
    spread = float(told.std())
    if spread < 1e-9:
        return 1.0
    soft = taught.weight * taught.soft
    _, slope = newton((told - told.mean()) / spread, soft, taught.weight - soft)
    return min(max(slope / spread, 0.3), 1.0)


def _drawn(told: Floats, taught: Taught) -> Floats:
    """Log odds out of fold as they will be told: drawn to the middle as far as they are too sure."""
    middle = float(told.mean())
    return middle + _shrunk(told, taught) * (told - middle)


def _calibrated(score: Floats, taught: Taught, slope: float) -> tuple[float, float]:
    """Intercept and scale of the fit on all rows, drawn to the middle as the rows left out ask for."""
    soft, weight = taught.weight * taught.soft, taught.weight
    spread, middle = max(float(score.std()), 1e-9), float(score.mean())
    _, tilt = newton((score - middle) / spread, soft, weight - soft)
    odds = max(tilt / spread * slope, 0.0) * (score - middle)
    at = brentq(lambda shift: float(weight @ chance(odds + shift) - soft.sum()), -60, 60)
    scale = max(tilt / spread * slope, 0.0)
    return float(at) - scale * middle, scale
