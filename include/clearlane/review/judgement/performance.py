"""How well a score orders leads, and how well a probability tells what became of them.

Cases are weighted. Leads with the same score are in no order: whatever cuts through them takes its share of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from clearlane.review.cases import Interval
from clearlane.review.judgement.resampling import Flags, Floats, Resamples, interval
from clearlane.review.learning.odds import chance

TOP: Final = 0.1
_SURE: Final = 1e-6
"""a probability nearer to 0 or 1 is read as this: one lead does not make a log loss infinite"""

_STEPS: Final = 12
"""of Newton's method, from a slope of 0"""


@dataclass(frozen=True)
class AtCapacity:
    """Of the leads that a team can take, the hottest first: the share that reached the target."""

    team: str
    share: float
    """of the team's leads that it can take, 0 to 1"""
    precision: Interval | None


@dataclass(frozen=True)
class Performance:
    """One way of scoring on the newest leads; None where there is nothing to compute it from."""

    name: str
    auc: Interval | None
    lift_top_decile: Interval | None
    """the rate among the top tenth over the rate of all"""
    log_loss: Interval | None
    """mean, in nats"""
    brier: Interval | None
    slope: Interval | None
    """of what happened on the log-odds told: below 1 it tells too much, above 1 too little"""
    capacity: tuple[AtCapacity, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One way of scoring less another, on the same draws; beyond chance where 0 is outside."""

    name: str
    against: str
    auc: Interval | None
    lift_top_decile: Interval | None
    log_loss: Interval | None
    """below 0 is better"""
    brier: Interval | None
    """below 0 is better"""


@dataclass(frozen=True)
class Outcomes:
    """What became of the cases: whether each reached the target, and what it weighs."""

    target: Flags
    weight: Floats


@dataclass(frozen=True)
class Drawn:
    """The statistics of one way of scoring in every draw."""

    auc: Floats
    lift: Floats
    log_loss: Floats
    brier: Floats
    slope: Floats


def drawn(outcomes: Outcomes, score: Floats, probability: Floats, resamples: Resamples) -> Drawn:
    """Everything that is compared between models, by draw."""
    auc, captured = ordering(outcomes, score, resamples, [TOP])
    told = losses(outcomes.target, probability) * outcomes.weight[:, None]
    sums = resamples.sums(np.column_stack([told, outcomes.weight]))
    means = sums[:, :2] / sums[:, 2:]
    slopes = _slopes(outcomes, probability, resamples)
    return Drawn(auc, captured[:, 0], means[:, 0], means[:, 1], slopes)


def losses(target: Flags, probability: Floats) -> Floats:
    """The log loss and the squared error of each case: (cases, 2)."""
    sure = np.clip(probability, _SURE, 1 - _SURE)
    return np.column_stack([-np.log(np.where(target, sure, 1 - sure)), (target - probability) ** 2])


def ordering(
    outcomes: Outcomes, score: Floats, resamples: Resamples, shares: Sequence[float]
) -> tuple[Floats, Floats]:
    """By draw: the AUC (1 + draws,), and the rate among the top `shares` over that of all (1 + draws, shares).

    The AUC is the chance that a lead that reached the target scores higher than one that did not, ties counted half.
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]]))
    weight, hit = outcomes.weight[order], outcomes.target[order]
    found = [
        _ordering(
            np.add.reduceat(counts * (weight * hit), starts, axis=1),
            np.add.reduceat(counts * (weight * ~hit), starts, axis=1),
            shares,
        )
        for counts in resamples.chunks(order)
    ]
    return np.concatenate([auc for auc, _ in found]), np.concatenate([lift for _, lift in found])


def _ordering(hits: Floats, misses: Floats, shares: Sequence[float]) -> tuple[Floats, Floats]:
    """From the weights at each score, the highest first: (draws, scores)."""
    above, below = hits.cumsum(axis=1), misses.cumsum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = ((above - hits / 2) * misses).sum(axis=1) / (above[:, -1] * below[:, -1])
        lifts = [_lifts(leads, hit, shares) for leads, hit in zip(above + below, above, strict=True)]
    return auc, np.array(lifts)


def _lifts(leads: Floats, hits: Floats, shares: Sequence[float]) -> Floats:
    """From how many leads and hits there are down to each score."""
    taken = np.interp(
        np.asarray(shares) * leads[-1], np.concatenate([[0], leads]), np.concatenate([[0], hits])
    )
    found: Floats = taken / hits[-1] / np.asarray(shares) if hits[-1] else np.full(len(shares), np.nan)
    return found


def _slopes(outcomes: Outcomes, probability: Floats, resamples: Resamples) -> Floats:
    """Cox's calibration slope in each draw: a Newton step from that of all cases (the one-step bootstrap)."""
    odds = _log_odds(probability)
    base, every = np.average(outcomes.target, weights=outcomes.weight), np.ones((1, len(odds)))
    line = np.array([_log_odds(base), 0.0])
    for _ in range(_STEPS):
        line = line + _step(outcomes, odds, line, every)[0]
    steps = [_step(outcomes, odds, line, counts) for counts in resamples.chunks(np.arange(len(odds)))]
    found: Floats = line[1] + np.concatenate(steps)[:, 1]
    return found


def _step(outcomes: Outcomes, odds: Floats, line: Floats, counts: Floats) -> Floats:
    """Newton's step of intercept and slope for each draw (draws, 2); NaN where they cannot be told apart."""
    told = chance(line[0] + line[1] * odds)
    spread = outcomes.weight * told * (1 - told)
    miss = outcomes.weight * (outcomes.target - told)
    a, b, c, u, v = (counts @ np.column_stack([spread, spread * odds, spread * odds**2, miss, miss * odds])).T
    size = a * c - b * b
    size = np.where(size > 1e-9 * a * c, size, np.nan)
    return np.column_stack([(c * u - b * v) / size, (a * v - b * u) / size])


# --- from draws to intervals ------------------------------------------------------------------------


def performance(name: str, of: Drawn, capacity: Sequence[AtCapacity] = ()) -> Performance:
    return Performance(
        name=name,
        auc=interval(of.auc),
        lift_top_decile=interval(of.lift),
        log_loss=interval(of.log_loss),
        brier=interval(of.brier),
        slope=interval(of.slope),
        capacity=tuple(capacity),
    )


def compared(name: str, of: Drawn, against: str, other: Drawn) -> Difference:
    """Both from the same draws."""
    return Difference(
        name=name,
        against=against,
        auc=interval(of.auc - other.auc),
        lift_top_decile=interval(of.lift - other.lift),
        log_loss=interval(of.log_loss - other.log_loss),
        brier=interval(of.brier - other.brier),
    )


def at_capacity(
    outcomes: Outcomes,
    score: Floats,
    team: Sequence[str],
    takes: Mapping[str, float],
    resamples: Resamples,
) -> tuple[AtCapacity, ...]:
    """For each team with cases: the rate among as many of its hottest leads as it `takes` of these cases."""
    teams = np.asarray(team, dtype=object)
    return tuple(
        _at_capacity(name, outcomes, score, teams == name, limit, resamples)
        for name, limit in takes.items()
        if (teams == name).any()
    )


def _at_capacity(
    team: str, outcomes: Outcomes, score: Floats, own: Flags, limit: float, resamples: Resamples
) -> AtCapacity:
    of_team = Outcomes(outcomes.target[own], outcomes.weight[own])
    share = min(limit / float(of_team.weight.sum()), 1.0)
    if share <= 0:
        return AtCapacity(team, 0.0, None)
    drawn = Resamples(resamples.counts[:, own])
    _, lift = ordering(of_team, score[own], drawn, [share])
    sums = drawn.sums(np.column_stack([of_team.weight * of_team.target, of_team.weight]))
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = sums[:, 0] / sums[:, 1]
    return AtCapacity(team, share, interval(lift[:, 0] * rates))


def calibrated(score: Floats, outcomes: Outcomes, learn: Flags) -> Floats:
    """A probability for each score: logistic, learnt on the cases of `learn` (Platt 1999, never falling).

    Platt's softened targets keep it from 0 and 1 where the classes do not overlap.
    """
    y, w, x = outcomes.target[learn], outcomes.weight[learn], score[learn]
    middle, spread = float(x.mean()), float(x.std()) or 1.0
    hits, misses = float(w[y].sum()), float(w[~y].sum())
    soft = np.where(y, (hits + 1) / (hits + 2), 1 / (misses + 2))
    z = (x - middle) / spread

    def loss(line: Floats) -> tuple[float, Floats]:
        told = line[0] + line[1] * z
        miss = w * (chance(told) - soft)
        return float((w * (np.logaddexp(0, told) - soft * told)).sum()), np.array([miss.sum(), miss @ z])

    start = np.array([np.log((hits + 1) / (misses + 1)), 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(None, None), (0, None)]).x
    return chance(found[0] + found[1] * (score - middle) / spread)


def _log_odds(probability: Any) -> Any:
    sure = np.clip(probability, _SURE, 1 - _SURE)
    return np.log(sure / (1 - sure))
