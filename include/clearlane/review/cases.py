"""The nouns of the weight review: leads as they were when first routed, points, and what is proposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

HALF_LIFE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""the half-lives that are tried, times the one in force"""

TARGETS = ("won", "opportunity", "sql", "accepted")
"""What may be learnt from, the best first: the next is taken where there are too few of one."""


@dataclass(frozen=True)
class LeftOut:
    """Leads that the review does not learn from, and why."""

    reason: str
    leads: int


@dataclass(frozen=True)
class Cases:
    """Leads at their first live decision and what became of them within the horizon.

    All frames have one row per lead, on the same index (lead id as text).
    `leads`: decided_at (UTC), source, region, segment, team, rep, place, band, grade (text), score, fit, engagement,
    negative (points), explored (boolean), weight (1 / propensity), accepted, sql, opportunity, won (boolean, within
    the horizon), reason (text, of a rejection), amount (money won, 0 where none).
    `evidence`: a column per rule, what it contributed divided by its points: 0 or 1 for fit, a decayed sum of units
    held at cap / points for behaviour.
    `attributes`: declared columns as they were then, none protected, none personal; text, float64 or `boolean` (which
    may be missing).
    `behaviour`: per activity type `TYPE` (count in the 90 days before) and `TYPE:days` (days since the last; missing
    where there was none).
    `refaded`: the evidence of fading behaviour rules had their half-life been another, a column `RULE@DAYS` for each
    of `HALF_LIFE_FACTORS` times the one in force; empty where nobody asked for it.
    """

    since: datetime
    until: datetime
    as_of: datetime
    horizon: timedelta
    leads: pd.DataFrame
    evidence: pd.DataFrame
    attributes: pd.DataFrame
    behaviour: pd.DataFrame
    left_out: tuple[LeftOut, ...] = ()
    refaded: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Limits:
    """What the points may do. All arrays have one entry per rule, in the order of the columns of the evidence.

    `lower` and `upper` are whole points, inclusive; a locked rule has both at `start`. `rules` is the most rules that
    may have points, `changes` the most rules that may leave `start`.
    """

    lower: np.ndarray
    upper: np.ndarray
    start: np.ndarray
    rules: int | None = None
    changes: int | None = None


@dataclass(frozen=True)
class Scorecard:
    """Whole points per rule; probability = 1 / (1 + exp(-(intercept + scale * points)))."""

    points: Mapping[str, int]
    intercept: float
    scale: float
    loss: float
    """weighted mean logistic loss in nats, on what it was learnt from"""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """A rule whose points are proposed to change; `after` is 0 for one to drop.

    `before` is 0 for a new rule, and for one that the file holds without points.
    """

    rule: str
    group: str
    before: int
    after: int
    points: Interval
    """what the evidence says that it is worth, in points of today's score"""
    fired: int
    rate_with: Interval
    rate_without: Interval
    reason: str
    when: str | None = None
    """the condition, of a new rule"""
    half_life_days: float | None = None
    activity: str | None = None
    """the type of activity, of a new rule that counts one; its cap is its points"""

    @property
    def new(self) -> bool:
        """Whether the file does not hold the rule: only then does the change say what the rule asks for."""
        return self.when is not None or self.activity is not None


@dataclass(frozen=True)
class Worth:
    """What the evidence says of one rule, whether or not its points are to change.

    `points` are in today's points, all other rules as they are; None where nobody can judge the rule (too rare).
    `rate_with` is how often the leads that it held for had the outcome, `rate_without` how often leads like them in all
    else did.
    """

    rule: str
    before: int
    fired: int
    positives: int
    points: Interval | None
    rate_with: Interval
    rate_without: Interval | None
    visible: float | None
    """the smallest mistake in its points that this review would find nine times out of ten"""


@dataclass(frozen=True)
class Finding:
    """Something the review says of a rule or a column without changing points.

    `kind`: blind (the score does not order), drift, leak, left (for a later review), locked, rare, unconfirmed (only an
    earlier stage says so), unfair.
    """

    kind: str
    subject: str
    because: str


@dataclass(frozen=True)
class Proposal:
    """What the review proposes: no changes means that nothing beats the points in force beyond chance."""

    target: str
    cases: int
    positives: int
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    before: Scorecard
    after: Scorecard
    p_value: float
    """of the global test that the points in force, rescaled, are as good as any"""
    half_lives: Mapping[str, Interval] = field(default_factory=dict)
    """days, as the evidence says, of the behaviour rules that can be judged"""
    worths: tuple[Worth, ...] = ()
    """of each rule of the model, in its order"""
