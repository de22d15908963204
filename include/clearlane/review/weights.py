"""One review of the points from end to end: what the ledger holds, what is proposed, how it does, what would change.

Nothing is written and nothing decided: `report.quarter` shows it, `register` stores it, a person answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.policy.model import Policy, ReviewTerms, Scoring
from clearlane.review import dataset, register
from clearlane.review.answers import bounds
from clearlane.review.backtest import HOLDOUT, IN_FORCE, PROPOSED, Backtest, backtested
from clearlane.review.cases import Cases, Change, Interval, LeftOut, Proposal
from clearlane.review.gaps import gaps
from clearlane.review.judgement import (
    Circumstances,
    Difference,
    Judgement,
    circumstances,
)
from clearlane.review.judgement.resampling import rate
from clearlane.review.learning.proposals import proposed
from clearlane.review.promises import Kept, kept
from clearlane.review.rescored import diff, scoring_text
from clearlane.review.whatif import NothingToCompare, WhatIf, whatif
from clearlane.score.additive_file import saved

HORIZON: Final = timedelta(days=90)
MOVERS: Final = 10
PLAYED: Final = timedelta(weeks=13)
"""before the end of the span: whose leads are played under both policies"""


@dataclass(frozen=True)
class WeightReview:
    """Everything that the page tells and the register keeps. Moments are UTC."""

    since: datetime
    until: datetime
    as_of: datetime
    horizon: timedelta
    scoring: Scoring
    """the model that is judged, in force at `as_of`"""
    scoring_hash: str
    leads: int
    hits: int
    explored: int
    rate: Interval | None
    """share of the leads that reached the target"""
    left_out: tuple[LeftOut, ...]
    proposal: Proposal
    old_text: str
    new_text: str | None
    """scoring.yaml as it would be; None: nothing is proposed"""
    obstacles: tuple[str, ...]
    """why the new text could not be published as it is"""
    backtest: Backtest
    played: WhatIf | None
    """the same leads under both policies"""
    bounds: Mapping[str, tuple[int, int]]
    """rule -> the least and the most points that a person may choose"""
    teams: Mapping[str, str]
    """team -> what it is called"""
    links: Mapping[str, str]
    """source -> address of a lead's page there, with {external_id} in it"""
    gaps: tuple[str, ...]
    kept: Kept | None

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.proposal.changes

    @property
    def diff(self) -> str:
        """What would change in the file; empty where nothing is proposed."""
        return diff(self.old_text, self.new_text) if self.new_text is not None else ""

    @property
    def chance(self) -> str | None:
        """The model of a chance of conversion that may be switched on, as a file; None: none may."""
        told = self.backtest.chance
        return saved(told.model) if told and not self.backtest.refusals else None

    @property
    def judgement(self) -> Judgement | None:
        return self.backtest.judgement

    @property
    def gain(self) -> Difference | None:
        """The proposed points less those in force, on leads that had no part in choosing them."""
        found = self.judgement.differences if self.judgement else ()
        return next((one for one in found if one.name == PROPOSED), None)


def review(
    connection: Connection,
    policy: Policy,
    *,
    since: datetime,
    until: datetime,
    as_of: datetime,
    horizon: timedelta = HORIZON,
    holdout: float = HOLDOUT,
    terms: ReviewTerms | None = None,
    seed: int = 7,
) -> WeightReview:
    """Review the points of a published policy by the leads first decided in [since, until), as known at `as_of`.

    `terms`: limits in place of those of scoring.yaml. Raises TooFew where there is nothing to learn from.
    """
    policy = policy if terms is None else replace(policy, scoring=replace(policy.scoring, review=terms))
    found = dataset.cases(connection, policy, since=since, until=until, as_of=as_of, horizon=horizon)
    texts = policies.contents(connection, policy.hashes)
    around = circumstances(connection, policy, found)
    concluded = conclude(found, policy, texts, around, holdout=holdout, seed=seed)
    last = register.latest(connection, as_of, published=True)
    return replace(
        concluded,
        played=_played(connection, policy, texts, concluded),
        kept=kept(last, found, policy.scoring, seed),
    )


def conclude(
    cases: Cases,
    policy: Policy,
    texts: Mapping[str, str],
    around: Circumstances,
    *,
    holdout: float = HOLDOUT,
    seed: int = 7,
    chance: bool = True,
) -> WeightReview:
    """What follows from the cases and what is known around them; `texts`: the policy's files by name.

    `chance`: whether to learn a chance of conversion too, which takes most of the time.
    """
    proposal = proposed(cases, policy.scoring, seed=seed)
    new = scoring_text(texts["scoring"], proposal.changes) if proposal.changes else None
    hit = cases.leads[proposal.target].to_numpy(bool)
    weight = cases.leads["weight"].to_numpy(np.float64)
    return WeightReview(
        since=cases.since,
        until=cases.until,
        as_of=cases.as_of,
        horizon=cases.horizon,
        scoring=policy.scoring,
        scoring_hash=policy.hashes.get("scoring", ""),
        leads=len(hit),
        hits=int(hit.sum()),
        explored=int(cases.leads["explored"].sum()),
        rate=rate(hit, weight),
        left_out=cases.left_out,
        proposal=proposal,
        old_text=texts["scoring"],
        new_text=new,
        obstacles=_obstacles(texts, new),
        backtest=backtested(
            cases, policy.scoring, around, proposal, holdout=holdout, seed=seed, chance=chance
        ),
        played=None,
        bounds=bounds(policy.scoring, proposal.changes),
        teams={team.id: team.name for team in policy.teams.teams.values()},
        links=_links(policy),
        gaps=gaps(cases, proposal, policy.scoring),
        kept=None,
    )


def as_json(found: WeightReview) -> dict[str, Any]:
    """What the register keeps of a review: figures with intervals as [value, low, high], no lead and no person."""
    gain = found.gain
    return {
        "target": found.proposal.target,
        "leads": found.leads,
        "hits": found.hits,
        "explored": found.explored,
        "rate": _triple(found.rate),
        "p_value": found.proposal.p_value,
        "judged_from": found.judgement.cut.isoformat() if found.judgement else None,
        "judged_leads": found.judgement.leads if found.judgement else 0,
        "points": _points(found),
        "promise": {name: _triple(getattr(gain, name)) for name in _MEASURED} if gain else {},
        "performance": {
            one.name: {name: _triple(getattr(one, name)) for name in _MEASURED}
            for one in (found.judgement.performances if found.judgement else ())
        },
        "chance": {
            "may_be_switched_on": not found.backtest.refusals,
            "because": list(found.backtest.refusals),
        },
        "left_out": {one.reason: one.leads for one in found.left_out},
        "gaps": list(found.gaps),
        "obstacles": list(found.obstacles),
    }


_MEASURED: Final = ("auc", "lift_top_decile", "log_loss", "brier")


def _points(found: WeightReview) -> dict[str, dict[str, float]]:
    before = {rule.id: rule.points for rule in found.scoring.rules}
    return {"before": before, "after": before | {one.rule: float(one.after) for one in found.changes}}


def _triple(found: Interval | None) -> list[float] | None:
    return [found.value, found.low, found.high] if found else None


def _links(policy: Policy) -> Mapping[str, str]:
    return {
        name: described.link
        for name, source in policy.sources.sources.items()
        for described in source.objects.values()
        if described.object == "leads" and described.link
    }


def _obstacles(texts: Mapping[str, str], new: str | None) -> tuple[str, ...]:
    if new is None:
        return ()
    return tuple(str(problem) for problem in policies.check({**texts, "scoring": new}).errors)


# --- for whom -----------------------------------------------------------------------------------------------


def _played(
    connection: Connection, policy: Policy, texts: Mapping[str, str], found: WeightReview
) -> WhatIf | None:
    """The newest weeks under both policies; None where nothing is proposed, or the file would not be valid."""
    if found.new_text is None or found.obstacles:
        return None
    try:
        return whatif(
            connection,
            policies.parse({**texts, "scoring": found.new_text}),
            since=max(found.since, found.until - PLAYED),
            until=found.until,
            name=PROPOSED,
            against=policy,
            against_name=IN_FORCE,
            horizon_days=found.horizon / timedelta(days=1),
            top=MOVERS,
        )
    except NothingToCompare:
        return None
