"""Has the mix of leads changed: the population stability index of the score and of each feature.

PSI = sum of (newer share - older share) x ln(newer share / older share) over bins. Below 0.1 little has changed, from
0.25 on much has: Siddiqi, Credit Risk Scorecards (2006), a rule of thumb. Where nothing changed PSI is about chi-square
x (1/older + 1/newer), so small samples drift by chance (Yurdakul and Naranjo 2020): that bound is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2

from clearlane.review.judgement.resampling import LEVEL, Flags, Floats, shared

SOME: Final = 0.1
MUCH: Final = 0.25
BINS: Final = 10
_MISSING: Final = "(none)"
_OTHERS: Final = "(others)"


@dataclass(frozen=True)
class Share:
    """One bin of a feature: its share of the older and of the newer leads."""

    name: str
    older: float
    newer: float


@dataclass(frozen=True)
class Stability:
    """A feature; no interval: `chance` is what 95 of 100 unchanged sets of all features stay under."""

    feature: str
    psi: float
    chance: float
    bins: tuple[Share, ...]

    @property
    def verdict(self) -> str:
        """`stable`, `shifting` or `shifted`; what chance may do is stable."""
        if self.psi < SOME or self.psi <= self.chance:
            return "stable"
        return "shifting" if self.psi < MUCH else "shifted"

    @property
    def largest(self) -> Share:
        """The bin that moved most."""
        return max(self.bins, key=lambda one: abs(one.newer - one.older))


def stabilities(features: pd.DataFrame, newer: Flags) -> tuple[Stability, ...]:
    """Of each column, the least stable first. Numbers are cut at tenths of the older part, texts are kept."""
    level = shared(LEVEL, features.shape[1])
    found = (_stability(str(name), binned(column, ~newer), newer, level) for name, column in features.items())
    return tuple(sorted(found, key=lambda one: (-one.psi, one.feature)))


def binned(column: pd.Series[Any], reference: Flags) -> npt.NDArray[np.object_]:
    """The name of the bin of each value, missing ones a bin of their own."""
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return _texts(column, reference)
    return _numbers(column.to_numpy(np.float64, na_value=np.nan), reference)


def _texts(column: pd.Series[Any], reference: Flags) -> npt.NDArray[np.object_]:
    named = column.astype(object).where(column.notna(), _MISSING).astype(str)
    kept = named[reference].value_counts().index[:BINS]
    return named.where(named.isin([*kept, _MISSING]), _OTHERS).to_numpy(object)


def _numbers(values: Floats, reference: Flags) -> npt.NDArray[np.object_]:
    known = values[reference & np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) > BINS:
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[:-1], method="lower"))
    bins = np.searchsorted(distinct[1:], values, side="right")
    names = np.array(list(_spans(distinct)), dtype=object)
    found: npt.NDArray[np.object_] = np.where(np.isfinite(values), names[bins], _MISSING)
    return found


def _spans(starts: Floats) -> Iterator[str]:
    """Names of the bins that begin at these values; the first takes all that is below the second."""
    if len(starts) < 2:
        yield "any" if not len(starts) else f"{starts[0]:g}"
        return
    yield f"below {starts[1]:g}"
    yield from (f"from {start:g}" for start in starts[1:])


def _stability(feature: str, bins: npt.NDArray[np.object_], newer: Flags, level: float) -> Stability:
    table = pd.crosstab(bins, newer).reindex(columns=[False, True], fill_value=0)
    counts = table.to_numpy(np.float64)
    sizes = np.maximum(counts.sum(axis=0), 1)
    # Half a lead in each bin: an empty one does not make the index infinite.
    older, fresh = ((counts + 0.5) / (sizes + 0.5 * len(counts))).T
    psi = float(((fresh - older) * np.log(fresh / older)).sum())
    shares = (Share(str(name), *row) for name, row in zip(table.index, counts / sizes, strict=True))
    chance = float(chi2.ppf(level, max(len(counts) - 1, 1)) * (1 / sizes).sum())
    return Stability(feature, psi, chance, tuple(shares))
