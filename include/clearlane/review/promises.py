"""What the last proposal promised against what happened since it came into force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np

from clearlane.policy.model import Scoring
from clearlane.review.cases import Cases, Interval
from clearlane.review.judgement import scored
from clearlane.review.judgement.performance import TOP, Outcomes, ordering
from clearlane.review.judgement.resampling import interval, resamples
from clearlane.review.register import Review
from clearlane.review.rescored import points_of

MIN_HITS: Final = 20
"""leads that reached the target since, below which nothing can be told of a promise"""
MEASURES: Final = {"auc": "right order", "lift_top_decile": "lift of the top tenth"}


@dataclass(frozen=True)
class Kept:
    """The gain that a proposal promised and the one that came, each new points less old ones on the same leads."""

    review: str
    target: str
    decided_by: str | None
    in_force_from: datetime
    leads: int
    hits: int
    promised: Mapping[str, Interval]
    happened: Mapping[str, Interval]
    """empty where too few leads reached the target since"""

    @property
    def verdict(self) -> Literal["kept", "not kept", "too early to tell"]:
        """By the right order: not kept where even the best that may have happened is below the worst promised."""
        promised, happened = self.promised.get("auc"), self.happened.get("auc")
        if promised is None or happened is None:
            return "too early to tell"
        if happened.high < promised.low or happened.high <= 0:
            return "not kept"
        return "kept" if happened.value >= promised.low else "too early to tell"


def kept(review: Review | None, cases: Cases, scoring: Scoring, seed: int) -> Kept | None:
    """How the points of a published review did on the cases since; None where there was none, or it promised nothing.

    Rules that are gone from the model meanwhile count nothing in either.
    """
    if review is None or review.in_force_from is None or not review.final_text:
        return None
    if not review.figures.get("points"):
        return None
    points = {"before": review.figures["points"]["before"], "after": points_of(review.final_text)}
    promised = {
        name: Interval(*review.figures["promise"][name]) for name in MEASURES if _has(review.figures, name)
    }
    target = str(review.figures["target"])
    since = (cases.leads["decided_at"] >= review.in_force_from).to_numpy(bool)
    hit = cases.leads[target].to_numpy(bool)[since]
    few = min(int(hit.sum()), int((~hit).sum())) < MIN_HITS
    return Kept(
        review=str(review.review_id),
        target=target,
        decided_by=review.decided_by,
        in_force_from=review.in_force_from,
        leads=int(since.sum()),
        hits=int(hit.sum()),
        promised=promised,
        happened={} if few else _happened(points, cases, scoring, target, since, seed),
    )


def _has(figures: Mapping[str, Any], name: str) -> bool:
    return bool(figures.get("promise", {}).get(name))


def _happened(
    points: Mapping[str, Mapping[str, float]],
    cases: Cases,
    scoring: Scoring,
    target: str,
    since: Any,
    seed: int,
) -> Mapping[str, Interval]:
    outcomes = Outcomes(
        cases.leads[target].to_numpy(bool)[since], cases.leads["weight"].to_numpy(np.float64)[since]
    )
    draws = resamples(int(since.sum()), seed)
    groups = {rule.id for rule in scoring.rules}
    found = []
    for side in ("before", "after"):
        known = {
            rule: worth for rule, worth in points[side].items() if rule in cases.evidence and rule in groups
        }
        found.append(ordering(outcomes, scored(cases.evidence[since], known, scoring), draws, [TOP]))
    (auc_old, lift_old), (auc_new, lift_new) = found
    gains = {"auc": auc_new - auc_old, "lift_top_decile": (lift_new - lift_old)[:, 0]}
    drawn = ((name, interval(values)) for name, values in gains.items())
    return {name: one for name, one in drawn if one is not None}
