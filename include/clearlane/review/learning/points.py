"""The best whole points for rules: a logistic scorecard under bounds, locks and limits on the number of rules.

The loss around the present points is taken as a quadratic in the points, with intercept and scale solved out; single
and paired whole steps are searched in it, within a trust region, and a step is taken only where the true loss falls.
Several scales are tried, because points that are rounded coarsely need the right unit (as FasterRisk does: Liu et al.,
2022, "FasterRisk: Fast and Accurate Interpretable Risk Scores").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clearlane.review.cases import Limits, Scorecard
from clearlane.review.learning.odds import chance

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

GAIN: Final = 1e-9
"""smallest fall of the mean loss, in nats, that is worth a step"""
NATS: Final = 2.0
"""how far the log odds of a rule may move in the first step"""
FINE: Final = 12
"""limits beyond this many points round finely enough that few units need a try"""
PARTS: Final = 16
"""parts of a point in which points are held before they are rounded in another unit"""
STEPS: Final = 200
SURE: Final = 12
"""single steps whose true loss is asked for where the quadratic sees no way down"""
LIKELY: Final = 40
"""rules without points that are looked at when one more is taken in"""
ROWS: Final = 1 << 16
"""rows multiplied at once, which bounds memory"""


def solve(evidence: pd.DataFrame, target: NDArray[np.bool_], weight: Floats, limits: Limits) -> Scorecard:
    """Whole points with the least weighted logistic loss that the search finds within `limits`.

    `evidence` has a column per rule, in the order of `limits`; `target` and `weight` have one entry per row. The
    points never do worse than `limits.start` where that is allowed. Raises ValueError where all rows have the same
    outcome or `limits` contradict themselves.
    """
    problem = Problem.of(evidence, target, weight, limits)
    return problem.scorecard(list(evidence.columns), problem.solved())


def path(
    evidence: pd.DataFrame, target: NDArray[np.bool_], weight: Floats, limits: Limits
) -> list[Scorecard]:
    """The scorecards with at most 1, 2, 3 … rules, up to `limits.rules`; each begins where the last one ended."""
    problem = Problem.of(evidence, target, weight, limits)
    names = list(evidence.columns)
    return [problem.scorecard(names, points) for points in problem.growing()]


@dataclass(frozen=True)
class Fit:
    """Log odds = intercept + scale * points, and the weighted mean loss that this leaves."""

    intercept: float
    scale: float
    loss: float


@dataclass(frozen=True)
class Quadratic:
    """Change of the mean loss for a whole step d: gradient · d + d · curvature · d / 2."""

    gradient: Floats
    curvature: Floats


@dataclass(frozen=True)
class Problem:
    """Equal rows put together: how much weight of each outcome each distinct row of evidence has."""

    evidence: NDArray[np.float32]
    won: Floats
    lost: Floats
    limits: Limits
    sure: bool = True
    """whether the true loss of single steps is asked for where the quadratic sees no way down"""

    @classmethod
    def of(cls, evidence: pd.DataFrame, target: NDArray[np.bool_], weight: Floats, limits: Limits) -> Problem:
        return cls.of_rows(np.ascontiguousarray(evidence.to_numpy(np.float32)), target, weight, limits)

    @classmethod
    def of_rows(
        cls, rows: NDArray[np.float32], target: NDArray[np.bool_] | Floats, weight: Floats, limits: Limits
    ) -> Problem:
        """`target` may be a chance. Raises ValueError where all outcomes are the same, or limits contradict."""
        share = np.asarray(target, np.float64)
        first, row = _distinct(rows)
        won = _summed(row, weight * share)
        lost = _summed(row, weight * (1 - share))
        if min(won.sum(), lost.sum()) <= 0:
            raise ValueError("all rows have the same outcome: there is nothing to tell apart")
        if np.any(limits.lower > limits.upper):
            raise ValueError("the lower limit of a rule's points is above the upper one")
        return cls(rows[first], won, lost, _where_it_tells(rows, limits))

    @property
    def weight(self) -> Floats:
        return self.won + self.lost

    def scorecard(self, names: list[str], points: Whole) -> Scorecard:
        fit = self.fit(points)
        named = dict(zip(names, map(int, points), strict=True))
        return Scorecard(named, fit.intercept, fit.scale, fit.loss)

    def solved(self) -> Whole:
        found = {tuple(self.descended(start)) for start in self._starts()}
        tried = {tuple(again) for points in found for again in self._in_other_units(np.array(points))}
        return np.array(min(sorted(found | tried), key=lambda points: self.fit(np.array(points)).loss))

    def growing(self, points: Whole | None = None) -> Iterator[Whole]:
        """The best points found with one rule more each time, from `points` on, until no rule helps."""
        points = self._allowed(np.zeros_like(self.limits.start) if points is None else points)
        fixed = int(np.count_nonzero(points))
        most = len(points) if self.limits.rules is None else self.limits.rules
        for rules in range(max(1, fixed), most + 1):
            limited = replace(self, limits=replace(self.limits, rules=rules), sure=False)
            points = limited._among_the_likely(points)
            yield points
            if np.count_nonzero(points) < rules:
                return

    def _among_the_likely(self, points: Whole) -> Whole:
        """Descended with the rules that have points and those that promise most: all would be slow, and no better."""
        if len(points) <= 2 * LIKELY:
            return self.descended(points)
        gain = self.promise(points)
        gain[points != 0] = np.inf
        kept = np.sort(np.argsort(-gain, kind="stable")[: LIKELY + np.count_nonzero(points)])
        new = points.copy()
        new[kept] = self.only(kept).descended(points[kept])
        return new

    def only(self, kept: NDArray[np.intp]) -> Problem:
        """The same problem with some of the rules; the others must have no points."""
        limits = self.limits
        arrays = {name: getattr(limits, name)[kept] for name in ("lower", "upper", "start")}
        return replace(self, evidence=self.evidence[:, kept], limits=replace(limits, **arrays))

    def promise(self, points: Whole) -> Floats:
        """By how much the loss would fall with each rule alone, where its sign is allowed."""
        fit = self.fit(points)
        told = chance(fit.intercept + fit.scale * self._score(points))
        total = self.weight.sum()
        residual = (self.weight * told - self.won) / total
        spread = self.weight * told * (1 - told) / total
        slope, mean, square = (np.zeros(len(points)) for _ in range(3))
        for begin in range(0, len(spread), ROWS):
            rows, block = self.evidence[begin : begin + ROWS], slice(begin, begin + ROWS)
            slope += residual[block].astype(np.float32) @ rows
            mean += spread[block].astype(np.float32) @ rows
            square += spread[block].astype(np.float32) @ (rows * rows)
        bend = np.maximum(square - mean**2 / max(spread.sum(), 1e-12), 1e-12)
        allowed = np.where(slope < 0, self.limits.upper > 0, self.limits.lower < 0)
        promise: Floats = np.where(allowed & (bend > 1e-9), slope**2 / bend, 0.0)
        return promise

    def descended(self, points: Whole) -> Whole:
        """Steps down from `points` until none within the limits makes the loss less."""
        fit = self.fit(points)
        scale = fit.scale or self._unit()
        nats = NATS
        for _ in range(STEPS):
            radius = max(1, int(nats / scale))
            model = self.quadratic(points, fit, scale)
            step = self._step(model, points, radius)
            new = self.fit(points + step)
            if self.sure and new.loss >= fit.loss - GAIN and (radius == 1 or not step.any()):
                step = self._surest(model, points)
                new = self.fit(points + step)
                if new.loss >= fit.loss - GAIN:
                    break
            elif new.loss >= fit.loss - GAIN and (radius == 1 or not step.any()):
                break
            if new.loss < fit.loss - GAIN:
                points, fit, scale = points + step, new, new.scale or scale
            else:
                nats = min(nats, np.abs(step).max() * scale) / 2
        return points

    def _surest(self, model: Quadratic, points: Whole) -> Whole:
        """The best of the single steps that look best in the quadratic, by their true loss."""
        moves = self._moves(model.gradient, model.curvature, points, self.limits.lower, self.limits.upper)
        gain = self._gains(model.gradient, model.curvature, points, moves)
        gain[moves == 0] = np.inf
        steps = [np.zeros_like(points) for _ in range(SURE)]
        for step, place in zip(steps, np.argsort(gain, axis=None, kind="stable"), strict=False):
            if np.isfinite(gain.flat[place]):
                step[place // moves.shape[1]] = moves.flat[place]
        return min(steps, key=lambda step: self.fit(points + step).loss)

    def quadratic(self, points: Whole, fit: Fit, scale: float) -> Quadratic:
        """The loss around `points`; `scale` is what a point is worth where the fit knows none yet."""
        score = self._score(points)
        told = chance(fit.intercept + fit.scale * score)
        total = self.weight.sum()
        residual = (self.weight * told - self.won) / total
        spread = self.weight * told * (1 - told) / total
        free = np.stack([np.ones_like(score), score - score.mean()], axis=1)
        cross, curvature = self._products(spread, free)
        solved = np.linalg.pinv(free.T @ (free * spread[:, None]), rcond=1e-10) @ cross
        gradient = self.evidence.T @ residual
        return Quadratic(scale * gradient, scale**2 * (curvature - cross.T @ solved))

    def fit(self, points: Whole) -> Fit:
        """Intercept and scale of least loss for these points; the scale is never below 0."""
        score, won, lost = self._by_score(points)
        at = score.mean()
        spread = score.std()
        base = float(np.log(won.sum() / lost.sum()))
        if spread < 1e-12:
            return Fit(base, 0.0, mean_loss(np.full_like(score, base), won, lost))
        unit = (score - at) / spread
        intercept, slope = newton(unit, won, lost)
        if slope <= 0:
            return Fit(base, 0.0, mean_loss(np.full_like(score, base), won, lost))
        least = mean_loss(intercept + slope * unit, won, lost)
        return Fit(float(intercept - slope * at / spread), float(slope / spread), least)

    def _score(self, points: Whole) -> Floats:
        used = np.flatnonzero(points)
        score: Floats = np.asarray(self.evidence[:, used] @ points[used].astype(np.float32), np.float64)
        return score

    def _by_score(self, points: Whole) -> tuple[Floats, Floats, Floats]:
        """Distinct scores with their weights; rows stay as they are where scores are no whole numbers."""
        score = self._score(points)
        rounded = np.rint(score)
        if not np.array_equal(score, rounded):
            return score, self.won, self.lost
        lowest = float(rounded.min())
        place = (rounded - lowest).astype(np.int64)
        won, lost = _summed(place, self.won), _summed(place, self.lost)
        seen = np.flatnonzero(won + lost)
        return np.asarray(seen + lowest, np.float64), won[seen], lost[seen]

    def _products(self, spread: Floats, free: Floats) -> tuple[Floats, Floats]:
        """free' S X and X' S X, in blocks of rows."""
        rules = self.evidence.shape[1]
        cross, curvature = np.zeros((free.shape[1], rules)), np.zeros((rules, rules))
        for begin in range(0, len(spread), ROWS):
            block = slice(begin, begin + ROWS)
            weighted = self.evidence[block] * spread[block, None].astype(np.float32)
            cross += free[block].T @ weighted
            curvature += self.evidence[block].T @ weighted
        return cross, curvature

    def _step(self, model: Quadratic, points: Whole, radius: int) -> Whole:
        """The best sum of single and paired steps in the quadratic, none longer than `radius`."""
        lower = np.maximum(self.limits.lower, points - radius)
        upper = np.minimum(self.limits.upper, points + radius)
        gradient, now = model.gradient.copy(), points.copy()
        for _ in range(20 * len(points)):
            moves = self._moves(gradient, model.curvature, now, lower, upper)
            change = self._single(gradient, model.curvature, now, moves)
            if change is None:
                change = self._pair(gradient, model.curvature, now, moves)
            if change is None:
                break
            now = now + change
            gradient = gradient + model.curvature @ change
        return now - points

    def _moves(self, gradient: Floats, curvature: Floats, now: Whole, lower: Whole, upper: Whole) -> Whole:
        """(rules, 6): steps worth a try for each rule; 0 where one is not allowed."""
        bend = np.maximum(np.diag(curvature), 1e-15)
        best = np.clip(now - gradient / bend, lower, upper)
        wanted = np.stack(
            [np.floor(best), np.ceil(best), now - 1, now + 1, np.zeros(len(now)), self.limits.start], axis=1
        ).astype(np.int64)
        allowed = (wanted >= lower[:, None]) & (wanted <= upper[:, None])
        return np.where(allowed, wanted - now[:, None], 0)

    def _gains(self, gradient: Floats, curvature: Floats, now: Whole, moves: Whole) -> Floats:
        """(rules, 6): by how much the loss changes with each step alone; infinite where it is one rule too many."""
        gain = gradient[:, None] * moves + np.diag(curvature)[:, None] * moves**2 / 2
        rules, changes = self._counts(now, moves)
        gain[(rules > self._room_rules(now)) | (changes > self._room_changes(now))] = np.inf
        return gain

    def _single(self, gradient: Floats, curvature: Floats, now: Whole, moves: Whole) -> Whole | None:
        gain = self._gains(gradient, curvature, now, moves)
        place = np.unravel_index(np.argmin(gain), gain.shape)
        if gain[place] > -GAIN:
            return None
        change = np.zeros_like(now)
        change[place[0]] = moves[place]
        return change

    def _pair(self, gradient: Floats, curvature: Floats, now: Whole, moves: Whole) -> Whole | None:
        """Two rules at once: one in for another, or one up and another down."""
        size, kinds = moves.shape
        flat, rule = moves.ravel(), np.repeat(np.arange(size), kinds)
        kept = flat != 0
        flat, rule = flat[kept], rule[kept]
        alone = gradient[rule] * flat + np.diag(curvature)[rule] * flat**2 / 2
        rules, changes = (each.ravel()[kept] for each in self._counts(now, moves))
        gain = alone[:, None] + alone[None, :] + curvature[np.ix_(rule, rule)] * np.outer(flat, flat)
        gain[rule[:, None] == rule[None, :]] = 0
        gain[rules[:, None] + rules[None, :] > self._room_rules(now)] = 0
        gain[changes[:, None] + changes[None, :] > self._room_changes(now)] = 0
        if not gain.size:
            return None
        one, other = np.unravel_index(np.argmin(gain), gain.shape)
        if gain[one, other] > -GAIN:
            return None
        change = np.zeros_like(now)
        change[rule[one]], change[rule[other]] = flat[one], flat[other]
        return change

    def _counts(self, now: Whole, moves: Whole) -> tuple[Whole, Whole]:
        """By how many each step changes the number of rules with points, and of those that left their start."""
        before, after = now[:, None], now[:, None] + moves
        start = self.limits.start[:, None]
        rules = (after != 0).astype(np.int64) - (before != 0)
        changes = (after != start).astype(np.int64) - (before != start)
        return rules, changes

    def _room_rules(self, now: Whole) -> float:
        return np.inf if self.limits.rules is None else self.limits.rules - float(np.count_nonzero(now))

    def _room_changes(self, now: Whole) -> float:
        limit = self.limits.changes
        return np.inf if limit is None else limit - float(np.count_nonzero(now != self.limits.start))

    def _starts(self) -> Iterator[Whole]:
        """The points in force, one rule more each time from nothing, and all rules cut down to as many as allowed."""
        nothing = self._allowed(np.zeros_like(self.limits.start))
        if self.limits.changes is not None or self.limits.start.any():
            yield self._allowed(self.limits.start)
        if self.limits.changes is None and self.limits.rules is not None:
            yield [nothing, *self.growing()][-1]
        if self.limits.changes is None:
            everything = replace(self, limits=replace(self.limits, rules=None))
            yield self._allowed(everything.descended(nothing))

    def _allowed(self, points: Whole) -> Whole:
        """Within the bounds, and no more rules than allowed: the smallest go first."""
        inside = np.clip(points, self.limits.lower, self.limits.upper)
        if self.limits.rules is None:
            return inside
        droppable = (self.limits.lower <= 0) & (self.limits.upper >= 0)
        for rule in sorted(np.flatnonzero(droppable & (inside != 0)), key=lambda each: abs(inside[each])):
            if np.count_nonzero(inside) <= self.limits.rules:
                break
            inside[rule] = 0
        return inside

    def _in_other_units(self, points: Whole) -> Iterator[Whole]:
        """The same points in finer and coarser units, each rounded and descended anew."""
        if self.limits.changes is not None or not points.any():
            return
        exact = self._relaxed(points) / PARTS
        free = self.limits.lower < self.limits.upper
        most = np.abs(exact[free]).max(initial=0)
        for top in _tops(self.limits):
            yield self.descended(self._allowed(np.rint(exact * (top / max(most, 1e-9))).astype(np.int64)))

    def _relaxed(self, points: Whole) -> Whole:
        """Points of the same rules in parts of a point, as if there were no rounding."""
        used = (points != 0) | (self.limits.rules is None)
        lower, upper = np.where(used, self.limits.lower, 0), np.where(used, self.limits.upper, 0)
        limits = Limits(lower * PARTS, upper * PARTS, points * PARTS, None, None)
        return replace(self, limits=limits).descended(points * PARTS)

    def _unit(self) -> float:
        """What a point is worth before any rule has one: the strongest rule gets half of its widest limit."""
        fit = self.fit(np.zeros_like(self.limits.start))
        model = self.quadratic(np.zeros_like(self.limits.start), fit, 1.0)
        wide = np.maximum(np.abs(self.limits.lower), np.abs(self.limits.upper))
        slope = np.abs(model.gradient) / np.maximum(np.diag(model.curvature), 1e-12)
        usable = wide > 0
        return float(np.max(np.minimum(slope, NATS)[usable] / wide[usable], initial=1e-6)) * 2


def _where_it_tells(rows: NDArray[np.float32], limits: Limits) -> Limits:
    """A rule that is the same for all rows keeps its points: the data say nothing of it."""
    same = rows.min(axis=0) == rows.max(axis=0)
    start = np.clip(limits.start, limits.lower, limits.upper)
    lower, upper = (np.where(same, start, each) for each in (limits.lower, limits.upper))
    return replace(limits, lower=lower, upper=upper)


def _summed(place: Whole, weight: Floats) -> Floats:
    summed: Floats = np.bincount(place, weight).astype(np.float64)
    return summed


def _tops(limits: Limits) -> list[int]:
    """What the strongest rule may have, in each of the units worth a try."""
    free = limits.lower < limits.upper
    widest = int(np.maximum(np.abs(limits.lower), np.abs(limits.upper))[free].max(initial=0))
    if widest > FINE:
        return [widest // 2, widest]
    return list(range(-(-widest // 3), widest + 1)) if widest else []


def _distinct(rows: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each distinct row where it first stands, and for each row which of these it is."""
    binary = bool(np.all((rows == 0) | (rows == 1)))
    packed = np.packbits(rows.astype(np.bool_), axis=1) if binary else rows
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1])))
    _, first, row = np.unique(keys.ravel(), return_index=True, return_inverse=True)
    return first, row


def newton(unit: Floats, won: Floats, lost: Floats) -> tuple[float, float]:
    """Intercept and slope of a logistic regression on one standardised column."""
    weight = won + lost
    at, slope = float(np.log(won.sum() / lost.sum())), 0.0
    least = mean_loss(at + slope * unit, won, lost)
    for _ in range(50):
        told = chance(at + slope * unit)
        miss, spread = weight * told - won, weight * told * (1 - told) + 1e-9
        a, b, c = float(spread.sum()), float(spread @ unit), float(spread @ unit**2)
        u, v = float(miss.sum()), float(miss @ unit)
        size = max(a * c - b * b, 1e-300)
        step, tilt = (c * u - b * v) / size, (a * v - b * u) / size
        while (new := mean_loss(at - step + (slope - tilt) * unit, won, lost)) > least + 1e-15:
            step, tilt = step / 2, tilt / 2
            if max(abs(step), abs(tilt)) < 1e-9:
                break
        at, slope, fell, least = at - step, slope - tilt, least - new, new
        if fell < 1e-12:
            break
    return at, slope


def mean_loss(odds: Floats, won: Floats, lost: Floats) -> float:
    """Weighted mean logistic loss in nats."""
    total = won @ np.logaddexp(0, -odds) + lost @ np.logaddexp(0, odds)
    return float(total / (won.sum() + lost.sum()))
