"""What each rep makes of leads like this one, from counts of the past: what `pick: best_fit` compares.

The value of a rep for a segment is acceptance x win rate: of a hundred such leads offered, how many come to be won.
Both rates are empirical Bayes estimates (beta-binomial), so that few leads say little: see `shrunk`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from clearlane.policy.model import BestFit
from clearlane.route.eligibility import folded

Key = tuple[str, BestFit]
"""a team, and how one of its rungs picks"""
Array = npt.NDArray[np.float64]
Values = tuple[str, ...]
"""a lead's values of the segment's attributes, folded; '' where it has none"""

LEAST: Final = 10.0
MOST: Final = 200.0
"""bounds of what the team's rate counts for, in leads"""
USUAL: Final = 20.0
"""what it counts for where nothing shows how much reps differ"""


class Results(NamedTuple):
    """What became of the leads that turns gave to a rep, once that was known."""

    offered: int = 0
    """accepted or refused"""
    accepted: int = 0
    decided: int = 0
    """of the accepted: won or lost"""
    won: int = 0


Row = tuple[Values, str, Results]
"""a segment's values, a rep, and what the rep made of such leads"""


@dataclass(frozen=True)
class Fit:
    """The reps of a team by segment, as stored under `id`; a segment that nobody had is told by the whole."""

    id: str
    reps: tuple[str, ...]
    segments: Mapping[Values, int]
    values: Array = field(compare=False)
    """one row a segment and a last one for those that nobody had, one column a rep"""
    results: Array = field(compare=False)
    """the same with Results as a third dimension"""

    @property
    def known(self) -> bool:
        """Whether there is any history at all."""
        return bool(self.results.any())

    def of(self, segment: Values) -> Mapping[str, float]:
        """The value of each rep for a lead of the segment, 0 to 1 in millionths."""
        return dict(zip(self.reps, self.values[self._row(segment)].tolist(), strict=True))

    def told(self, segment: Values, rep: str) -> Results:
        """The counts behind a rep's value, of this segment alone."""
        counts = self.results[self._row(segment), self.reps.index(rep)]
        return Results(*(int(count) for count in counts))

    def _row(self, segment: Values) -> int:
        return self.segments.get(segment, len(self.segments))


def fit_of(id_: str, reps: Sequence[str], rows: Iterable[Row]) -> Fit:
    """The fit of these reps; rows of others do not count."""
    columns = {rep: index for index, rep in enumerate(reps)}
    own = [row for row in rows if row[1] in columns]
    segments = {values: index for index, values in enumerate(sorted({row[0] for row in own}))}
    results = np.zeros((len(segments) + 1, len(columns), len(Results._fields)))
    for values, rep, counts in own:
        results[segments[values], columns[rep]] += counts
    offered, accepted, decided, won = np.moveaxis(results, 2, 0)
    value = shrunk(accepted, offered) * shrunk(won, decided)
    return Fit(id_, tuple(columns), segments, value.round(6), results)


def segment_of(fit: BestFit, terms: Mapping[str, str | None]) -> Values:
    """A lead's values of the segment's attributes."""
    return folded_values(terms.get(name) for name in fit.segment)


def folded_values(values: Iterable[str | None]) -> Values:
    """Spellings of one value are the same value."""
    return tuple(folded(value or "") for value in values)


def shrunk(good: Array, of: Array, weight: float | None = None) -> Array:
    """The rate at which each rep gets from `of` to `good`; both have a row a segment and a column a rep.

    With x successes in n leads, totals over all X in N, and the weights m of reps and M of segments, in leads, as
    `prior_weight` finds them (or both `weight`):

        overall   p    = (X + 1) / (N + 2)
        segment   t_s  = (x_s + M p) / (n_s + M)
        rep       k_i  = (x_i + m p) / (sum over s of n_is t_s + m p)
        estimate  q_is = (x_is + m min(1, t_s k_i)) / (n_is + m)

    k_i is the rep's result over what the team would have made of the same leads (a standardised ratio, so a rep
    with easy segments is no better for it). An estimate lies between the rep's own rate in the segment and what the
    rep's overall result makes of the team's rate there. Beta-binomial: Casella & Berger, Statistical Inference, 7.2.3;
    standardised ratios shrunk to 1: Clayton & Kaldor, Biometrics 43 (1987).
    """
    m = prior_weight(good, of) if weight is None else weight
    totals = good.sum(axis=1), of.sum(axis=1)
    segments = prior_weight(*(total[np.newaxis] for total in totals)) if weight is None else weight
    overall = (good.sum() + 1) / (of.sum() + 2)
    team = ((totals[0] + segments * overall) / (totals[1] + segments))[:, np.newaxis]
    ratio = (good.sum(axis=0) + m * overall) / ((of * team).sum(axis=0) + m * overall)
    estimate: Array = (good + m * np.minimum(team * ratio, 1)) / (of + m)
    return estimate


def prior_weight(good: Array, of: Array) -> float:
    """For how many leads the prior counts: few where reps differ much within segments, many where they do not.

    By moments (Kleinman, JASA 68, 1973), summed over the segments s with rates 0 < p_s < 1 and their reps i:
    S = sum n_i (p_i - p_s)^2 / (p_s (1 - p_s)) is expected to be (1 - r) d + r (N - sum n_i^2 / N_s), with d the
    reps less the segments and r = 1 / (m + 1) the correlation within a rep. Kept within LEAST and MOST.
    """
    total = of.sum(axis=1)
    rate = np.divide(good.sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    of, good, rate = (part[(rate > 0) & (rate < 1)] for part in (of, good, rate))
    total, rate = of.sum(axis=1), rate[:, np.newaxis]
    own = np.divide(good, of, out=np.zeros_like(of), where=of > 0)
    spread = float((of * (own - rate) ** 2 / (rate * (1 - rate))).sum())
    free = float((of > 0).sum() - len(total))
    room = float((total - (of**2).sum(axis=1) / total).sum()) - free
    if room <= 0:
        return USUAL
    correlation = (spread - free) / room
    return float(np.clip(1 / correlation - 1, LEAST, MOST)) if correlation > 0 else MOST


def explores(lead_id: object, share: float) -> bool:
    """Whether this lead is one of the share that goes by turns: always the same answer for a lead."""
    drawn = hashlib.sha256(f"explore:{lead_id}".encode()).digest()[:8]
    return int.from_bytes(drawn) < share * 2**64
