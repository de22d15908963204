"""What sales says of the leads against what the score said: who is accepted, and why the rest is declined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from clearlane.review.cases import Interval
from clearlane.review.judgement.performance import Outcomes, ordering
from clearlane.review.judgement.resampling import LEVEL, Resamples, difference, interval, rate, shared

NOT_OF_THE_LEAD: Final = frozenset({"no capacity", "no answer", "accept time-out"})
"""reasons that speak of the rep's day, not of the lead"""
FEWEST: Final = 5
"""hottest leads of which a reason must be given before it says anything"""


@dataclass(frozen=True)
class Reason:
    """Why leads are declined: how many, and the share of each band's leads (Wilson's interval)."""

    name: str
    leads: int
    bands: Mapping[str, Interval]
    hottest: int
    """of the hottest band's leads, those of which it is said"""
    hottest_less_rest: Interval | None
    """share among the hottest band less that among all others, at a level shared by all reasons"""
    of_the_lead: bool

    @property
    def against_the_score(self) -> bool:
        """Given of the hottest leads more often than of others, beyond chance."""
        excess = self.hottest_less_rest
        return self.of_the_lead and self.hottest >= FEWEST and excess is not None and excess.low > 0


@dataclass(frozen=True)
class Feedback:
    """`agreement`: the chance that an accepted lead scores higher than one that was declined; a half: none."""

    accepted: Mapping[str, Interval]
    """by band"""
    agreement: Interval | None
    reasons: tuple[Reason, ...]
    """the most frequent first"""

    @property
    def contradictions(self) -> tuple[str, ...]:
        return tuple(_contradictions(self))


def feedback(leads: pd.DataFrame, bands: Sequence[str], resamples: Resamples) -> Feedback:
    """From the columns band, score, accepted, reason and weight of the cases; `bands` the hottest first."""
    accepted, weight = leads["accepted"].to_numpy(bool), leads["weight"].to_numpy(np.float64)
    reason = leads["reason"].where(leads["reason"].notna() & ~accepted).astype(object)
    said = [str(name) for name in reason.dropna().value_counts().index]
    answered = Outcomes(accepted, weight)
    judged = np.flatnonzero(accepted | reason.notna().to_numpy())
    auc = _agreement(answered, leads["score"].to_numpy(np.float64), judged, resamples)
    level = shared(LEVEL, len(said))
    band = leads["band"].to_numpy(object)
    reasons = (_reason(name, (reason == name).to_numpy(bool), band, weight, bands, level) for name in said)
    return Feedback(_by_band(accepted, band, weight, bands), auc, tuple(reasons))


def _agreement(outcomes: Outcomes, score: np.ndarray, judged: np.ndarray, of: Resamples) -> Interval | None:
    if not len(judged):
        return None
    own = Outcomes(outcomes.target[judged], outcomes.weight[judged])
    return interval(ordering(own, score[judged], Resamples(of.counts[:, judged]), [1.0])[0])


def _reason(
    name: str, said: np.ndarray, band: np.ndarray, weight: np.ndarray, bands: Sequence[str], level: float
) -> Reason:
    hot = band == bands[0]
    one, other = rate(said[hot], weight[hot], level), rate(said[~hot], weight[~hot], level)
    excess = difference(one, other) if one and other else None
    of_the_lead = name.lower() not in NOT_OF_THE_LEAD
    by_band = _by_band(said, band, weight, bands)
    return Reason(name, int(said.sum()), by_band, int((said & hot).sum()), excess, of_the_lead)


def _by_band(
    hit: np.ndarray, band: np.ndarray, weight: np.ndarray, bands: Sequence[str]
) -> dict[str, Interval]:
    found = {name: rate(hit[band == name], weight[band == name]) for name in bands}
    return {name: one for name, one in found.items() if one}


def _contradictions(of: Feedback) -> Iterator[str]:
    for reason in of.reasons:
        if reason.against_the_score:
            hottest, share = next(iter(reason.bands.items()))
            yield (
                f"“{reason.name}” is said of {share.value:.0%} of the {hottest} leads,"
                f" more often than of the others: the score likes what sales does not"
            )
    if of.agreement and of.agreement.high < 0.5:
        yield "leads that sales accepts score lower than those it declines"
