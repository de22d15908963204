"""A review's cases as arrays: evidence, outcome, weights, and what the score in force says already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clearlane.policy.model import Scoring
from clearlane.review.cases import TARGETS, Cases
from clearlane.review.learning.odds import Floats, fitted, tempered

FIRED: Final = 30
"""leads that a rule must hold for before anything is said of it"""
EXPECTED: Final = 5.0
"""outcomes that its leads, and those without it, must have if the rule made no difference"""
EARLIER: Final = ("opportunity", "sql")
"""Stages that may speak for an outcome which is rarer. Accepted is not among them: a rep sees the score then."""
MORE: Final = 1.3
"""how many times as many leads an earlier stage must have to be worth asking"""
USUAL: Final = 10.0
"""outcomes that each rep is taken to have had by the score alone before its own are counted"""


@dataclass(frozen=True)
class Problem:
    """`points` and `judged` have one entry per rule, in the order of the columns of `evidence` (n, rules)."""

    scoring: Scoring
    rules: tuple[str, ...]
    points: Floats
    evidence: Floats
    target: NDArray[np.bool_]
    outcome: str
    weight: Floats
    earlier: NDArray[np.bool_] | None
    """an earlier stage with more leads, which says the same sooner; None where there is none"""
    stage: str | None
    reps: Floats
    """(n,): log odds by which the lead's rep does better than the scores of its leads say"""
    newer: NDArray[np.bool_]
    """(n,): decided in the newer half of the leads"""

    @property
    def judged(self) -> NDArray[np.intp]:
        """The rules that hold, and do not hold, for enough leads."""
        holds = self.evidence > 0
        rate = np.average(self.target, weights=self.weight)
        least = max(float(FIRED), EXPECTED / rate)
        seen = holds.sum(axis=0)
        return np.flatnonzero((seen >= least) & (len(self.target) - seen >= least))

    def score(self, points: Floats) -> tuple[Floats, Floats]:
        """The score within its bounds, and the plain sum of points."""
        groups = {rule.id: rule.group for rule in self.scoring.rules}
        held = np.zeros(len(self.target))
        for group, (low, high) in self.scoring.group_bounds.items():
            mine = np.array([groups[name] == group for name in self.rules])
            held += np.clip(self.evidence[:, mine] @ points[mine], low, high)
        return np.clip(held, *self.scoring.range), self.evidence @ points

    def known(self, points: Floats) -> Known:
        """Columns that stand for what these points say: a base beside which a rule has to show itself.

        The score may bend (its square) and what the bounds cut off may count, so that points which are right are not
        blamed for the shape of the curve.
        """
        score, total = self.score(points)
        unit = float(score.std()) or 1.0
        z = (score - score.mean()) / unit
        columns = [np.ones(len(z)), z, z**2 - 1, (total - score) / unit, self.reps]
        kept = [0, 1, *(i for i in (2, 3, 4) if columns[i].std() > 1e-6)]
        return Known(np.column_stack([columns[i] for i in kept]), unit)


@dataclass(frozen=True)
class Known:
    """The second of `columns` (n, k) is the score, in units of `unit` points."""

    columns: Floats
    unit: float


def problem(cases: Cases, scoring: Scoring) -> Problem | None:
    """The arrays of the cases; None where no outcome has enough leads. Raises ValueError for an unknown rule."""
    outcome = learnt_from(cases.leads, scoring.review.least_positives)
    if outcome is None:
        return None
    named: Mapping[str, float] = {rule.id: rule.points for rule in scoring.rules}
    rules = tuple(map(str, cases.evidence.columns))
    target = cases.leads[outcome].to_numpy(bool)
    stage = _earlier(cases.leads, outcome)
    moments = cases.leads["decided_at"]
    plain = Problem(
        scoring=scoring,
        rules=rules,
        points=np.array([named[name] for name in rules]),
        evidence=np.ascontiguousarray(cases.evidence.to_numpy(np.float64)),
        target=target,
        outcome=outcome,
        weight=tempered(cases.leads["weight"].to_numpy(np.float64)),
        earlier=None if stage is None else cases.leads[stage].to_numpy(bool),
        stage=stage,
        reps=np.zeros(len(target)),
        newer=(moments > moments.median()).to_numpy(),
    )
    return Problem(**{**vars(plain), "reps": _reps(plain, cases.leads["rep"])})


def learnt_from(leads: pd.DataFrame, least: int) -> str | None:
    """The best outcome that at least so many leads had, and at least so many had not."""
    for outcome in TARGETS:
        count = int(leads[outcome].sum())
        if min(count, len(leads) - count) >= least:
            return outcome
    return None


def _earlier(leads: pd.DataFrame, outcome: str) -> str | None:
    """The earlier stage that tells most, where it tells more than the outcome."""
    rarer = {stage: min(leads[stage].sum(), (~leads[stage].astype(bool)).sum()) for stage in EARLIER}
    better = [
        stage
        for stage in EARLIER
        if TARGETS.index(stage) > TARGETS.index(outcome) and rarer[stage] > MORE * leads[outcome].sum()
    ]
    return max(better, key=lambda stage: rarer[stage], default=None)


def _reps(plain: Problem, rep: pd.Series) -> Floats:
    """By how much each lead's rep beats its scores, drawn towards nothing where it had few leads."""
    columns = plain.known(plain.points).columns
    chance = fitted(columns, plain.target, plain.weight).probability
    seen = pd.DataFrame({"had": plain.target * plain.weight, "due": chance * plain.weight})
    each = seen.groupby(rep.fillna("").to_numpy()).transform("sum")
    return np.log((each["had"] + USUAL) / (each["due"] + USUAL)).to_numpy(np.float64)
