"""What would have been proposed from the older leads alone, judged on the newest: nobody sees the future.

Beside the points stands a chance of conversion, learnt from the same older leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from clearlane.policy.model import Scoring
from clearlane.review.cases import Cases, Interval, Proposal
from clearlane.review.changed import rescored
from clearlane.review.judgement import Circumstances, Judgement, NothingToJudge, judged
from clearlane.review.judgement.performance import TOP, Outcomes, ordering
from clearlane.review.judgement.resampling import Floats, interval, resamples
from clearlane.review.learning.predictive import NothingToLearn, Predictive, predictive
from clearlane.review.learning.proposals import proposed
from clearlane.review.report.judged import Curve, curve
from clearlane.review.soundness import TooFew

HOLDOUT: Final = 0.3
"""share of the leads, the newest, on which what is learnt from the others is judged"""
IN_FORCE: Final = "points in force"
PROPOSED: Final = "points proposed"
CHANCE: Final = "chance of conversion"


@dataclass(frozen=True)
class Backtest:
    """The judgement of each way of scoring on the newest leads; where there is none, `unjudged` says why."""

    proposal: Proposal | None = None
    """of the older leads alone; None where there are too few of them"""
    judgement: Judgement | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """way of scoring -> share of the newest leads called first, and share of those that got there found by then"""
    chance: Predictive | None = None
    refusals: tuple[str, ...] = ()
    """why no chance should stand beside the score"""
    unjudged: str | None = None
    flattered: Interval | None = None
    """where the older leads lead to no change: the gain in AUC on the leads that the proposal was learnt from"""


def backtested(
    cases: Cases,
    scoring: Scoring,
    around: Circumstances,
    proposal: Proposal,
    *,
    holdout: float,
    seed: int,
    chance: bool = True,
) -> Backtest:
    """Learn as the review does from the cases before the newest share, and judge on that.

    `chance`: whether to learn a chance of conversion too, which takes most of the time.
    """
    cut, target = _cut(cases, holdout), proposal.target
    learnt = _learnt(before(cases, cut), scoring, seed)
    told = (
        _chance(_lasting(cases, proposal), scoring, target, cut, seed) if chance else "nobody asked for one"
    )
    probabilities = {CHANCE: told.told} if isinstance(told, Predictive) else {}
    scores = _scores(cases, scoring, learnt if proposal.changes else None)
    try:
        found = judged(
            cases, scores, probabilities, target=target, cut=cut, scoring=scoring, around=around, seed=seed
        )
    except NothingToJudge as nothing:
        return Backtest(learnt, unjudged=str(nothing))
    unseen = learnt is not None and bool(learnt.changes)
    return Backtest(
        flattered=None if unseen or not proposal.changes else _flattered(cases, scoring, proposal, seed),
        proposal=learnt,
        judgement=found,
        curves=_curves(cases, target, cut, {**scores, **probabilities}),
        chance=told if isinstance(told, Predictive) else None,
        refusals=told.refusals if isinstance(told, Predictive) else (told,),
    )


def before(cases: Cases, cut: datetime) -> Cases:
    """The cases decided before a moment."""
    own = cases.leads["decided_at"] < cut
    names = ("leads", "evidence", "attributes", "behaviour", "refaded")
    frames = {name: getattr(cases, name) for name in names}
    return replace(cases, until=cut, **{name: one[own] if len(one) else one for name, one in frames.items()})


def _cut(cases: Cases, holdout: float) -> datetime:
    """The moment from which on the newest share of the leads was decided."""
    moments = cases.leads["decided_at"].sort_values()
    moment: pd.Timestamp = moments.iloc[min(round(len(moments) * (1 - holdout)), len(moments) - 1)]
    return moment.to_pydatetime()


def _learnt(older: Cases, scoring: Scoring, seed: int) -> Proposal | None:
    try:
        return proposed(older, scoring, seed=seed)
    except TooFew:
        return None


def _lasting(cases: Cases, proposal: Proposal) -> Cases:
    """Without the evidence of rules that would go or fade otherwise: what is learnt is to fit either policy."""
    other = {one.rule for one in proposal.changes if not one.after or one.half_life_days is not None}
    return replace(cases, evidence=cases.evidence.drop(columns=list(other & set(cases.evidence))))


def _chance(cases: Cases, scoring: Scoring, target: str, cut: datetime, seed: int) -> Predictive | str:
    try:
        return predictive(cases, scoring, target=target, cut=cut, seed=seed)
    except NothingToLearn as nothing:
        return str(nothing)


def _scores(cases: Cases, scoring: Scoring, learnt: Proposal | None) -> dict[str, Floats]:
    """Of every case: with the points in force, and with those learnt where they differ."""
    scores = {IN_FORCE: rescored(cases, scoring, ())}
    if learnt and learnt.changes:
        scores[PROPOSED] = rescored(cases, scoring, learnt.changes)
    return scores


def _flattered(cases: Cases, scoring: Scoring, proposal: Proposal, seed: int) -> Interval | None:
    """What was learnt judged on what it was learnt from: better than it is, but not nothing."""
    outcomes = Outcomes(
        cases.leads[proposal.target].to_numpy(bool), cases.leads["weight"].to_numpy(np.float64)
    )
    draws = resamples(len(cases.leads), seed)
    scores = (rescored(cases, scoring, changes) for changes in (proposal.changes, ()))
    new, old = (ordering(outcomes, score, draws, [TOP])[0] for score in scores)
    return interval(new - old)


def _curves(cases: Cases, target: str, cut: datetime, scores: Mapping[str, Floats]) -> dict[str, Curve]:
    newest = cases.leads[cases.leads["decided_at"] >= cut]
    own = cases.leads.index.isin(newest.index)
    outcomes = Outcomes(newest[target].to_numpy(bool), newest["weight"].to_numpy(np.float64))
    return {name: curve(outcomes, score[own]) for name, score in scores.items()}
