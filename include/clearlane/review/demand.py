"""How many leads a team will be asked to take: weekly counts, expected from those before, with their spread.

A multivariate Poisson-lognormal model (Aitchison and Ho 1989): each band's week is Poisson around its recent level
times a lognormal shock, and the bands of a team are shocked together as much as they were. Levels are means that
forget by half in HALF_LIFE weeks; what is not known of level and spread widens the interval. No trend, no season.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MIN_WEEKS: Final = 4
"""weeks of history below which nothing is said"""
HALF_LIFE: Final = 6.0
INTERVAL: Final = (10.0, 90.0)
"""percentiles between which four of five weeks fall"""
DRAWS: Final = 2000

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """Whole weeks of one team, oldest first."""

    counts: Counts
    """(weeks, bands): leads"""
    parts: Floats
    """(weeks,): how much of an ordinary week each was, 1 without holidays"""

    def until(self, week: int) -> History:
        return History(self.counts[:week], self.parts[:week])


@dataclass(frozen=True)
class Coverage:
    """Of weeks told from those before them, how many fell into their interval."""

    weeks: int = 0
    inside: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.weeks + other.weeks, self.inside + other.inside)


def draws(history: History, ahead: Floats, *, seed: int, size: int = DRAWS) -> Counts:
    """Futures (size, weeks, bands) for weeks of these parts; the same seed gives the same. Needs MIN_WEEKS."""
    if len(history.counts) < MIN_WEEKS:
        raise ValueError(f"{len(history.counts)} weeks of history; at least {MIN_WEEKS} are needed")
    rng = np.random.default_rng(seed)
    weights = 0.5 ** (np.arange(len(history.counts))[::-1] / HALF_LIFE)
    level = _level(history, weights)
    spread = _drawn_spread(rng, history, weights, level, size)
    mean = _drawn_level(rng, history, weights, level, spread)[:, None, :] * ahead[None, :, None]
    together = _together(history, weights, level)
    shared = np.sqrt(together) * rng.standard_normal((size, len(ahead), 1))
    shock = shared + np.sqrt(1 - together) * rng.standard_normal(mean.shape)
    variance = np.log1p((spread[:, None, :] - 1) / np.maximum(mean, 1e-9))
    futures: Counts = rng.poisson(np.minimum(mean * np.exp(np.sqrt(variance) * shock - variance / 2), 1e9))
    return futures


def _level(history: History, weights: Floats) -> Floats:
    """Leads of an ordinary week, by band."""
    level: Floats = weights @ history.counts / max(float(weights @ history.parts), 1e-9)
    return level


def _effective(weights: Floats) -> float:
    """Of how many equal weeks the weighted ones tell as much."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _residuals(history: History, level: Floats) -> Floats:
    """Pearson: 1 in the square where counts are Poisson."""
    expected = np.maximum(history.parts[:, None] * level, 1e-9)
    found: Floats = (history.counts - expected) / np.sqrt(expected)
    return found


def _drawn_spread(
    rng: np.random.Generator, history: History, weights: Floats, level: Floats, size: int
) -> Floats:
    """Variance over mean by draw and band, never below Poisson's 1: scaled inverse chi-square about what was seen."""
    effective = _effective(weights)
    seen = weights @ _residuals(history, level) ** 2 / weights.sum() * effective / (effective - 1)
    freedom = effective - 1
    drawn: Floats = np.maximum(1, freedom * seen / rng.chisquare(freedom, (size, 1)))
    return drawn


def _drawn_level(
    rng: np.random.Generator, history: History, weights: Floats, level: Floats, spread: Floats
) -> Floats:
    """Gamma about the level, as wide as so many weeks of that spread leave it; no lead where none was seen."""
    weeks = float((weights @ history.parts) ** 2 / (weights**2 @ history.parts))
    drawn: Floats = rng.gamma(level * weeks / spread + 0.5 * (level > 0)) * spread / weeks
    return drawn


def _together(history: History, weights: Floats, level: Floats) -> float:
    """How much the bands' shocks are one: their correlation, less what Poisson noise takes off it; 0 to 1."""
    residuals = _residuals(history, level)[:, level > 0]
    bands = residuals.shape[1]
    if bands < 2:
        return 0.0
    squares = (weights[:, None] * residuals).T @ residuals / weights.sum()
    own = float(np.trace(squares)) / bands
    across = (float(squares.sum()) - own * bands) / (bands * (bands - 1))
    return float(np.clip(across / (own - 1), 0, 1)) if own > 1 else 0.0


def interval(futures: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Low, middle and high of the draws: INTERVAL and the median."""
    low, middle, high = np.percentile(futures, (INTERVAL[0], 50, INTERVAL[1]), method="closest_observation")
    return float(low), float(middle), float(high)


def backtest(history: History, *, seed: int, size: int = DRAWS) -> Coverage:
    """Each week after the first MIN_WEEKS told from those before it: was the team's number in its interval?"""
    found = Coverage()
    for week in range(MIN_WEEKS, len(history.counts)):
        futures = draws(history.until(week), history.parts[week : week + 1], seed=seed, size=size)
        low, _, high = interval(futures.sum(axis=(1, 2)))
        found += Coverage(1, int(low <= history.counts[week].sum() <= high))
    return found
