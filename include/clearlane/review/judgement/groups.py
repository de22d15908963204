"""Is the score as good, and as fair, for every source, segment and region.

Each group is held against all other leads, never against the best group, and at a level that all groups of a column
share: a small group raises no alarm by chance. Bounds: four fifths of the others' selection rate (Uniform Guidelines
on Employee Selection Procedures, 29 CFR 1607.4 D), and a tenth between the shares of good leads that are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.review.cases import Interval
from clearlane.review.judgement.performance import Outcomes, ordering
from clearlane.review.judgement.resampling import (
    LEVEL,
    Flags,
    Floats,
    Resamples,
    difference,
    interval,
    rate,
    ratio,
    shared,
)

FOUR_FIFTHS: Final = 0.8
FOUND: Final = 0.1
MIN_HITS: Final = 10
"""leads that reached the target, and as many that did not, below which no AUC of a group is told"""
MOST: Final = 12
"""groups of a column that are told one by one; the rest are joined"""
REST: Final = "(others)"
UNKNOWN: Final = "(none)"


@dataclass(frozen=True)
class Group:
    """Leads that share a source, a segment or a region."""

    column: str
    name: str
    leads: int
    hits: int
    rate: Interval | None
    told: float
    """mean probability"""
    mean_score: float
    auc: Interval | None
    selected: Interval | None
    """share that the score selects for sales"""
    selected_ratio: Interval | None
    """over that of all other leads, at the shared level"""
    found: Interval | None
    """of the leads that reached the target, the share that the score had selected"""
    found_difference: Interval | None
    """less that of all other leads, at the shared level"""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What is unequal beyond chance, in words."""
        return tuple(_alarms(self))


def groups(
    column: str,
    of: Sequence[object],
    outcomes: Outcomes,
    score: Floats,
    probability: Floats,
    selected: Flags,
    resamples: Resamples,
) -> tuple[Group, ...]:
    """A table over the values of a column, the largest group first."""
    names = named(of)
    present = pd.Series(names).value_counts().index.tolist()
    level = shared(LEVEL, len(present))
    return tuple(
        _group(column, str(name), names == name, outcomes, score, probability, selected, resamples, level)
        for name in present
    )


def named(of: Sequence[object]) -> npt.NDArray[np.object_]:
    """The values as texts, missing ones named, all but the most frequent joined."""
    values = pd.Series(list(of), dtype=object)
    texts = values.where(values.notna() & (values.astype(str) != ""), UNKNOWN).astype(str)
    kept = texts.value_counts().index[:MOST]
    return texts.where(texts.isin(kept), REST).to_numpy(object)


def _group(
    column: str,
    name: str,
    own: Flags,
    outcomes: Outcomes,
    score: Floats,
    probability: Floats,
    selected: Flags,
    resamples: Resamples,
    level: float,
) -> Group:
    hit, weight = outcomes.target, outcomes.weight
    good = own & hit
    chosen, elsewhere = _pair(selected, own, ~own, weight, level)
    found, missed = _pair(selected, good, ~own & hit, weight, level)
    return Group(
        column=column,
        name=name,
        leads=int(own.sum()),
        hits=int(good.sum()),
        rate=rate(hit[own], weight[own]),
        told=float(np.average(probability[own], weights=weight[own])),
        mean_score=float(np.average(score[own], weights=weight[own])),
        auc=_auc(outcomes, score, own, resamples),
        selected=rate(selected[own], weight[own]),
        selected_ratio=ratio(chosen, elsewhere) if chosen and elsewhere else None,
        found=rate(selected[good], weight[good]),
        found_difference=difference(found, missed) if found and missed else None,
    )


def _pair(
    selected: Flags, one: Flags, other: Flags, weight: Floats, level: float
) -> tuple[Interval | None, Interval | None]:
    return rate(selected[one], weight[one], level), rate(selected[other], weight[other], level)


def _auc(outcomes: Outcomes, score: Floats, own: Flags, resamples: Resamples) -> Interval | None:
    hit = outcomes.target[own]
    if min(hit.sum(), (~hit).sum()) < MIN_HITS:
        return None
    of_group: npt.NDArray[Any] = resamples.counts[:, own]
    auc, _ = ordering(Outcomes(hit, outcomes.weight[own]), score[own], Resamples(of_group), [1.0])
    return interval(auc)


def _alarms(group: Group) -> Iterator[str]:
    if group.selected_ratio and group.selected_ratio.high < FOUR_FIFTHS:
        yield (
            f"{group.column} {group.name} is selected {group.selected_ratio.value:.2f} times as often as the rest"
            f" (at most {group.selected_ratio.high:.2f}; four fifths are the rule of thumb)"
        )
    gap = group.found_difference
    if gap and gap.high < 0 and gap.value <= -FOUND:
        yield (
            f"of the good leads of {group.column} {group.name} the score finds {-gap.value:.0%} fewer than elsewhere"
            f" (at least {-gap.high:.0%})"
        )
