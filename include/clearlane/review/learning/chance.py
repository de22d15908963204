"""Whether one of many columns explains an outcome better than chance would, beyond what is known already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from clearlane.review.learning.odds import Fit, Floats, fitted

DRAWS: Final = 999
EXPECTED: Final = 0.5
"""log odds per unit of a column that are worth finding (an odds ratio of 1.6): the spread of what is looked for"""
ROOM: Final = 1 << 22
"""numbers drawn at once, which bounds memory"""
DISTINCT: Final = 0.02
"""share of a column's own variation that must be left beside what is known, or nothing can be told of it"""


@dataclass(frozen=True)
class Surprise:
    """One entry per column in `odds`, `error`, `gain`: what it would add to the base alone."""

    p_value: float
    """how often chance alone makes some column look as good as the best one does"""
    odds: Floats
    error: Floats
    """standard error of the odds; infinite where nothing can be told of the column"""
    gain: Floats
    """log Bayes factor for the column, the larger the better it explains; minus infinity where nothing can be told"""
    critical: float
    """|odds / error| that the best of the columns exceeds by chance in a share `level` of all cases"""
    base: Fit

    @property
    def best(self) -> int:
        return int(np.argmax(self.gain))


def surprise(
    base: Floats,
    columns: Floats,
    target: NDArray[np.bool_],
    weight: Floats,
    level: float,
    draws: np.random.Generator,
) -> Surprise:
    """A test of `columns` (n, m), each alone, against the log odds that `base` (n, k) explains.

    The statistic is the mean Bayes factor over the columns, each from its score test with odds around 0 of spread
    `EXPECTED`: it has the best power on average against one column that matters, and lets rare columns, of which little
    can be learnt, cost nothing. Its distribution under chance is simulated: outcomes are drawn from the fit of the
    base (a parametric bootstrap), so that skewness of rare outcomes and overlap between columns are accounted for.
    """
    test = score_test(base, columns, target, weight)
    [by_chance] = drawn((test,), draws)
    return told(test, by_chance, level)


@dataclass(frozen=True)
class ScoreTest:
    """Score tests of columns, each alone beside a base. One entry per column in `z`, `error`."""

    z: Floats
    """0 where nothing can be told of the column"""
    error: Floats
    """standard error of the odds; infinite where nothing can be told"""
    effect: Floats
    """(n, m): by how much an outcome of each row raises each z"""
    base: Fit

    @property
    def gain(self) -> Floats:
        return np.where(np.isfinite(self.error), gains(self.z, self.error), -np.inf)


def score_test(base: Floats, columns: Floats, target: NDArray[np.bool_], weight: Floats) -> ScoreTest:
    """Each of `columns` (n, m) alone beside `base` (n, k)."""
    fit = fitted(base, target, weight)
    spread = fit.probability * (1 - fit.probability)
    own = _beside(base, columns, weight * spread)
    information = np.einsum("ij,ij,i->j", own, own, weight * spread)
    noise = np.einsum("ij,ij,i->j", own, own, weight**2 * spread)
    told = information > DISTINCT * np.maximum(_variation(columns, weight * spread), 1e-12)
    effect = np.where(told, own * weight[:, None] / np.sqrt(np.where(told, noise, 1)), 0)
    error = np.where(told, np.sqrt(noise) / np.where(told, information, 1), np.inf)
    return ScoreTest((target - fit.probability) @ effect, error, effect, fit)


def drawn(tests: Sequence[ScoreTest], draws: np.random.Generator) -> list[Floats]:
    """Of each test the z (DRAWS, m) of outcomes that its base draws.

    All tests look at the same draws of a row: who has the rarer of two outcomes has the other one, too.
    """
    n = len(tests[0].effect)
    rows = max(1, ROOM // max(1, n))
    effects = [test.effect.astype(np.float32) for test in tests]
    found: list[list[NDArray[np.float32]]] = [[] for _ in tests]
    for done in range(0, DRAWS, rows):
        luck = draws.integers(0, 1 << 16, (min(rows, DRAWS - done), n), np.uint16)
        for test, effect, parts in zip(tests, effects, found, strict=True):
            chance = test.base.probability
            parts.append(_had(luck, chance) @ effect - chance.astype(np.float32) @ effect)
    return [np.concatenate(parts).astype(np.float64) for parts in found]


def told(test: ScoreTest, by_chance: Floats, level: float) -> Surprise:
    """The test held against its draws."""
    known = np.isfinite(test.error)
    return Surprise(
        p_value=p_value(gains(test.z, test.error)[known], gains(by_chance, test.error)[:, known]),
        odds=np.where(known, test.z * np.where(known, test.error, 0), 0),
        error=test.error,
        gain=test.gain,
        critical=float(np.quantile(np.abs(by_chance).max(axis=1, initial=0), 1 - level)),
        base=test.base,
    )


def _beside(base: Floats, columns: Floats, weight: Floats) -> Floats:
    """What of each column the base does not say already, by weighted least squares."""
    weighted = (base * weight[:, None]).T
    shares = np.linalg.pinv(weighted @ base, rcond=1e-10, hermitian=True) @ (weighted @ columns)
    return np.asarray(columns - base @ shares)


def _variation(columns: Floats, weight: Floats) -> Floats:
    mean = weight @ columns / weight.sum()
    return np.asarray(np.einsum("ij,ij,i->j", columns, columns, weight) - mean**2 * weight.sum())


def _had(luck: NDArray[np.uint16], chance: Floats) -> NDArray[np.float32]:
    """0 or 1 (times, n); probabilities to 16 bits are enough here, and four times as fast."""
    return (luck < np.rint(chance * ((1 << 16) - 1)).astype(np.uint16)).astype(np.float32)


def gains(z: Floats, error: Floats) -> Floats:
    """Log Bayes factor of odds drawn around 0 with spread EXPECTED against none, from their z (…, m)."""
    share = EXPECTED**2 / (EXPECTED**2 + error**2)
    return np.asarray(share * z**2 / 2 + np.log1p(-share) / 2)


def p_value(seen: Floats, by_chance: Floats) -> float:
    """How often the mean Bayes factor of draws (DRAWS, m) is as large as that of the columns seen (m,)."""
    if not seen.size:
        return 1.0
    as_good = logsumexp(by_chance, axis=1) >= logsumexp(seen)
    return float((1 + as_good.sum()) / (1 + DRAWS))
