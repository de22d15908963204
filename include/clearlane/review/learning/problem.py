"""A review's cases as arrays: evidence, outcome, weights, and what the score in force says already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clearlane.policy.model import Scoring
from clearlane.review import soundness
from clearlane.review.cases import TARGETS, Cases
from clearlane.review.learning.odds import Floats, tempered

FIRED: Final = 30
"""leads that a rule must hold for before anything is said of it"""
EXPECTED: Final = 5.0
"""outcomes that its leads, and those without it, must have if the rule made no difference"""
EARLIER: Final = ("opportunity", "sql")
"""Stages that may speak for an outcome which is rarer. Accepted is not among them: a rep sees the score then."""
MORE: Final = 1.3
"""how many times as many leads an earlier stage must have to be worth asking"""


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


def problem(cases: Cases, scoring: Scoring) -> Problem:
    """The arrays of the cases. Raises TooFew, and ValueError for evidence of what is no rule of the model."""
    outcome = soundness.target(cases, scoring.review.least_positives)
    named: Mapping[str, float] = {rule.id: rule.points for rule in scoring.rules}
    rules = tuple(map(str, cases.evidence.columns))
    _check_rules(rules, scoring)
    stage = _earlier(cases.leads, outcome)
    moments = cases.leads["decided_at"]
    return Problem(
        scoring=scoring,
        rules=rules,
        points=np.array([named[name] for name in rules], dtype=np.float64),
        evidence=np.ascontiguousarray(cases.evidence.to_numpy(np.float64)),
        target=cases.leads[outcome].to_numpy(bool),
        outcome=outcome,
        weight=tempered(cases.leads["weight"].to_numpy(np.float64)),
        earlier=None if stage is None else cases.leads[stage].to_numpy(bool),
        stage=stage,
        reps=soundness.rep_offset(cases, outcome),
        newer=(moments > moments.median()).to_numpy(),
    )


def _check_rules(rules: tuple[str, ...], scoring: Scoring) -> None:
    known = {rule.id for rule in scoring.rules}
    for name in rules:
        if name not in known:
            raise ValueError(
                f"the cases have evidence of {name}, which is no rule of the model {scoring.model}"
            )


def _earlier(leads: pd.DataFrame, outcome: str) -> str | None:
    """The earlier stage that tells most, where it tells more than the outcome."""
    rarer = {stage: min(leads[stage].sum(), (~leads[stage].astype(bool)).sum()) for stage in EARLIER}
    better = [
        stage
        for stage in EARLIER
        if TARGETS.index(stage) > TARGETS.index(outcome) and rarer[stage] > MORE * leads[outcome].sum()
    ]
    return max(better, key=lambda stage: rarer[stage], default=None)
