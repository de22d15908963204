"""Does what was told come true: rates by band and by tenth of the probability, and bands that must rise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from clearlane.review.cases import Interval
from clearlane.review.judgement.performance import Outcomes
from clearlane.review.judgement.resampling import LEVEL, Flags, Floats, difference, rate, shared

PARTS: Final = 10


@dataclass(frozen=True)
class Told:
    """A group of leads: what was told of them and what came of them (Wilson's interval)."""

    name: str
    leads: int
    hits: int
    told: float
    """mean probability"""
    rate: Interval | None

    @property
    def holds(self) -> bool:
        """Whether what was told lies in the interval of what came; nothing speaks against it without leads."""
        return self.rate is None or self.rate.low <= self.told <= self.rate.high


@dataclass(frozen=True)
class Reversal:
    """A lower band that reaches the target more often than the one above it."""

    upper: str
    lower: str
    excess: Interval
    """rate of the lower less rate of the upper, at a level shared by all neighbours"""

    @property
    def beyond_chance(self) -> bool:
        return self.excess.low > 0


def by_band(
    outcomes: Outcomes, band: Iterable[str], probability: Floats, names: Sequence[str]
) -> tuple[Told, ...]:
    """One for each band, the hottest first."""
    bands = np.array(list(band), dtype=object)
    return tuple(_told(name, bands == name, outcomes, probability) for name in names)


def by_tenth(outcomes: Outcomes, probability: Floats, parts: int = PARTS) -> tuple[Told, ...]:
    """Leads in order of their probability, the highest first, in parts of about equal size; equal ones together."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, parts + 1)[1:-1]))
    part = np.searchsorted(edges, probability, side="left")
    found = (part == n for n in sorted(set(part.tolist()), reverse=True))
    return tuple(
        _told(f"{probability[own].min():.1%} to {probability[own].max():.1%}", own, outcomes, probability)
        for own in found
    )


def _told(name: str, own: Flags, outcomes: Outcomes, probability: Floats) -> Told:
    hit, weight = outcomes.target[own], outcomes.weight[own]
    told = float(np.average(probability[own], weights=weight)) if own.any() else 0.0
    return Told(name, int(own.sum()), int(hit.sum()), told, rate(hit, weight))


def reversals(outcomes: Outcomes, band: Iterable[str], names: Sequence[str]) -> tuple[Reversal, ...]:
    """Neighbouring bands (the hottest first) that are the wrong way round; those without leads are passed over."""
    bands = np.array(list(band), dtype=object)
    present = [name for name in names if (bands == name).any()]
    level = shared(LEVEL, len(present) - 1)
    rates = [rate(outcomes.target[bands == name], outcomes.weight[bands == name], level) for name in present]
    pairs = zip(pairwise(present), pairwise(rates), strict=True)
    return tuple(
        Reversal(upper, lower, difference(below, above))
        for (upper, lower), (above, below) in pairs
        if above is not None and below is not None and below.value > above.value
    )
