"""The judgement of a review: every way of scoring on the newest leads, and what the score means for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from clearlane.policy.model import Scoring
from clearlane.review.cases import Cases
from clearlane.review.judgement.attribution import Attribution, Pipeline, attributed, pipeline
from clearlane.review.judgement.circumstances import Circumstances
from clearlane.review.judgement.feedback import Feedback, feedback
from clearlane.review.judgement.groups import Group, groups
from clearlane.review.judgement.health import Health, Practice, health
from clearlane.review.judgement.performance import (
    AtCapacity,
    Difference,
    Drawn,
    Outcomes,
    Performance,
    at_capacity,
    calibrated,
    compared,
    drawn,
    performance,
)
from clearlane.review.judgement.points import bands
from clearlane.review.judgement.reliability import Reversal, Told, by_band, by_tenth, reversals
from clearlane.review.judgement.resampling import Flags, Floats, Resamples, resamples
from clearlane.review.judgement.stability import Stability, stabilities
from clearlane.review.judgement.thresholds import Thresholds, retuned

GROUPED = ("source", "segment", "region")
FEW = 10
"""heavy leads that reached the target below which a bootstrap is known to be too sure of itself"""


@dataclass(frozen=True)
class Calibration:
    """How what one way of scoring tells comes true on the newest leads."""

    name: str
    bands: tuple[Told, ...]
    """by the bands that its score gives, the hottest first; empty for one that is no score of points"""
    tenths: tuple[Told, ...]
    reversals: tuple[Reversal, ...]
    """neighbouring bands that are the wrong way round"""


@dataclass(frozen=True)
class Judgement:
    """What the page of a review says of the ways of scoring; all on leads decided from `cut` on, but stability."""

    target: str
    cut: datetime
    leads: int
    hits: int
    """of the leads from the cut on, those that reached the target"""
    performances: tuple[Performance, ...]
    """in the order in which the scores were given: the first is in force"""
    differences: tuple[Difference, ...]
    """each later one less the first"""
    calibrations: tuple[Calibration, ...]
    stability: tuple[Stability, ...]
    """`score`, rules and attributes, before against from the cut on, the least stable first"""
    groups: Mapping[str, tuple[Group, ...]]
    """way of scoring by points -> a row for each source, segment and region"""
    feedback: Feedback
    """what sales said of the leads, against the score in force"""
    health: Health
    """keep, refine or rebuild"""
    thresholds: Mapping[str, Thresholds]
    """way of scoring by points -> how low each band may begin; empty where no desk is known"""
    attribution: Attribution | None
    pipeline: tuple[Pipeline, ...]
    """by source and band, of all cases"""
    notes: tuple[str, ...] = ()
    """what could not be judged, and why"""


def judged(
    cases: Cases,
    scores: Mapping[str, Floats],
    probabilities: Mapping[str, Floats],
    *,
    target: str,
    cut: datetime,
    scoring: Scoring,
    takes: Mapping[str, float] | None = None,
    around: Circumstances | None = None,
    seed: int,
) -> Judgement:
    """Judge every way of scoring on the cases decided from `cut` (UTC) on.

    `scores`: name -> points or anything that orders (cases,), the one in force first; those in `probabilities` alone
    (predictive) order by it. A score without a probability gets one that is learnt before the cut. `takes`: team ->
    leads a day that it can take; else what the desks of `around` take. Raises NothingToJudge where a side of the cut
    holds only one kind of outcome.
    """
    newest = (cases.leads["decided_at"] >= cut).to_numpy(bool)
    every = Outcomes(cases.leads[target].to_numpy(bool), cases.leads["weight"].to_numpy(np.float64))
    _check(every.target, newest, target, cut)
    told = {**{name: calibrated(score, every, ~newest) for name, score in scores.items()}, **probabilities}
    ways = {name: (scores.get(name, told[name]), told[name]) for name in (*scores, *probabilities)}
    recent = _Recent(cases.leads[newest], Outcomes(every.target[newest], every.weight[newest]),
                     resamples(int(newest.sum()), seed), scoring)  # fmt: skip
    draws = {name: recent.drawn(score[newest], told[newest]) for name, (score, told) in ways.items()}
    first = next(iter(ways))
    around = around or Circumstances()
    takes = takes or {
        team: desk.takes for team, desk in around.desks.teams.items() if np.isfinite(desk.takes)
    }
    performances = tuple(
        performance(name, draws[name], recent.at_capacity(score[newest], takes))
        for name, (score, _) in ways.items()
    )
    differences = tuple(
        compared(name, of, first, draws[first]) for name, of in draws.items() if name != first
    )
    calibrations = tuple(
        recent.calibration(name, score[newest] if name in scores else None, told[newest])
        for name, (score, told) in ways.items()
    )
    return Judgement(
        target=target,
        cut=cut,
        leads=int(newest.sum()),
        hits=int(recent.outcomes.target.sum()),
        performances=performances,
        differences=differences,
        calibrations=calibrations,
        stability=stabilities(_features(cases), newest),
        groups={name: recent.groups(score[newest], told[name][newest]) for name, score in scores.items()},
        feedback=feedback(recent.leads, [band.name for band in scoring.bands], recent.resamples),
        health=health(
            _practice(cases, scoring, around.practice),
            performances[0].auc,
            any(_is_better(one) for one in differences if one.name in scores),
            [_said(one) for one in calibrations[0].reversals if one.beyond_chance],
        ),
        thresholds=_thresholds(cases, every, scores, scoring, around, seed),
        attribution=_attribution(around, seed),
        pipeline=pipeline(_with_pipeline(cases.leads, around.opportunities)),
        notes=tuple(_notes(cases, takes, around, recent.explored_hits)),
    )


def _is_better(one: Difference) -> bool:
    """Surely, by what it tells or by how it orders."""
    told = one.log_loss is not None and one.log_loss.high < 0
    return told or (one.auc is not None and one.auc.low > 0)


def _said(one: Reversal) -> str:
    return f"{one.lower} leads get there more often than {one.upper} ones"


def _practice(cases: Cases, scoring: Scoring, known: Practice) -> Practice:
    """With what the cases themselves say."""
    ready = cases.leads[cases.leads["score"] >= selected_from(scoring)]
    read = {name for rule in scoring.rules if rule.group == "fit" and rule.when for name in rule.when.columns}
    asked = cases.attributes[[name for name in cases.attributes if name in read]]
    return replace(
        known,
        accepted=(float(ready["accepted"].sum()), float(len(ready))),
        known=(float(asked.notna().sum().sum()), float(asked.size)),
    )


def _thresholds(
    cases: Cases,
    outcomes: Outcomes,
    scores: Mapping[str, Floats],
    scoring: Scoring,
    around: Circumstances,
    seed: int,
) -> Mapping[str, Thresholds]:
    if not around.desks.teams:
        return {}
    entries = {band.name: band.entry for band in scoring.bands[:-1]}
    return {
        name: retuned(cases.leads, outcomes, score, entries, around.desks, around.promises, seed=seed)
        for name, score in scores.items()
    }


def _attribution(around: Circumstances, seed: int) -> Attribution | None:
    return attributed(around.touches, around.opportunities, seed) if len(around.opportunities) else None


def _with_pipeline(leads: pd.DataFrame, opportunities: pd.DataFrame) -> pd.DataFrame:
    """With the money of each lead's opportunity; where none is known, what it won."""
    amounts = opportunities.set_index("lead_id")["amount"].astype(float)
    return leads.assign(pipeline=amounts.reindex(leads.index).fillna(leads["amount"]))


def _notes(cases: Cases, takes: Mapping[str, float], around: Circumstances, hits: int) -> Iterator[str]:
    """`hits`: how many of the newest leads that stand for many reached the target."""
    if not takes:
        yield "How much each team can take is not known: no precision at capacity."
    if not around.desks.teams:
        yield "Who works when is not known: no threshold is held against what teams can answer."
    if not len(around.opportunities):
        yield "No opportunity is known with its touches: nothing is attributed."
    if not cases.leads["explored"].any():
        yield "No lead from below the threshold was given to sales: nobody knows what such leads are worth."
    elif hits < FEW:
        yield (
            f"Only {hits} of the newest leads from below the threshold got there: each stands for many,"
            " so that every figure is less sure than its interval says."
        )


class NothingToJudge(LookupError):
    """One side of the cut has no lead that reached the target, or none that did not."""


def _check(hit: Flags, newest: Flags, target: str, cut: datetime) -> None:
    for side, own in (("before", hit[~newest]), ("since", hit[newest])):
        if not own.any() or own.all():
            raise NothingToJudge(
                f"of {len(own)} leads {side} {cut:%Y-%m-%d} {int(own.sum())} reached {target}:"
                " both kinds are needed to judge a score"
            )


def _features(cases: Cases) -> pd.DataFrame:
    names = {name: f"rule {name}" for name in cases.evidence}
    return pd.concat([cases.leads[["score"]], cases.evidence.rename(columns=names), cases.attributes], axis=1)


@dataclass(frozen=True)
class _Recent:
    """The leads that judge."""

    leads: pd.DataFrame
    outcomes: Outcomes
    resamples: Resamples
    scoring: Scoring

    @property
    def explored_hits(self) -> int:
        return int((self.outcomes.target & self.leads["explored"].to_numpy(bool)).sum())

    def drawn(self, score: Floats, told: Floats) -> Drawn:
        return drawn(self.outcomes, score, told, self.resamples)

    def at_capacity(self, score: Floats, takes: Mapping[str, float]) -> tuple[AtCapacity, ...]:
        decided = self.leads["decided_at"]
        days = max((decided.max() - decided.min()).total_seconds() / 86_400, 1.0)
        taken = {team: leads * days for team, leads in takes.items()}
        return at_capacity(self.outcomes, score, self.leads["team"].tolist(), taken, self.resamples)

    def calibration(self, name: str, score: Floats | None, told: Floats) -> Calibration:
        tenths = by_tenth(self.outcomes, told)
        if score is None:
            return Calibration(name, (), tenths, ())
        names = [band.name for band in self.scoring.bands]
        band = bands(score, self.scoring).tolist()
        found = by_band(self.outcomes, band, told, names)
        return Calibration(name, found, tenths, reversals(self.outcomes, band, names))

    def groups(self, score: Floats, told: Floats) -> tuple[Group, ...]:
        chosen = score >= selected_from(self.scoring)
        return tuple(
            group
            for column in GROUPED
            for group in groups(
                column, self.leads[column].tolist(), self.outcomes, score, told, chosen, self.resamples
            )
        )


def selected_from(scoring: Scoring) -> float:
    """The points from which a lead is for sales: the entry of the second hottest band (the model's MQL by default)."""
    return scoring.bands[min(1, len(scoring.bands) - 1)].entry
