"""A calibrated chance of conversion per lead, learnt from the rules' evidence and the attributes as tables.

Every column is cut into spans; logistic regression and boosting with one column a tree (so that what is learnt is a sum
of columns, exactly) learn what each span adds. Which of them, and how strongly held back, is decided on the newest part
of what is learnt from; folds calibrate it (Platt); the newest leads of all judge it. It is only fit to be switched on
where `refusals` finds no reason against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from clearlane.policy.model import Scoring
from clearlane.review.cases import Cases, Interval
from clearlane.review.judgement.performance import (
    Difference,
    Outcomes,
    Performance,
    calibrated,
    compared,
    drawn,
    losses,
    performance,
)
from clearlane.review.judgement.resampling import Flags, Floats, resamples
from clearlane.review.judgement.stability import stabilities
from clearlane.review.learning.odds import chance
from clearlane.review.soundness import suspects
from clearlane.rules import Type
from clearlane.score.additive import Additive, Names, Numbers, Part, meaning, named, places, probabilities

SPANS: Final = 12
"""of a number, or frequent values of a text"""
SHARE: Final = 0.01
"""of the leads, at least, in a span"""
FOLDS: Final = 4
VALIDATED: Final = 0.3
"""share of what is learnt from, the newest, on which the way of learning is chosen"""

# What must hold before a probability may stand beside the score. Ten to twenty positives a parameter is the old rule
# (Harrell, Regression Modeling Strategies, 4.4); tables held back as here stand for some ten of them.
LEAST_HITS: Final = 150
LEAST_LEADS: Final = 1_500
LEAST_KNOWN: Final = 0.6
"""mean share of the attributes' values that are known"""
SLOPE: Final = (0.8, 1.25)
"""which the interval of the calibration slope must touch"""

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Predictive:
    """A model learnt from all cases, and how the same way of learning did on leads that it had not seen."""

    model: Additive
    told: Floats
    """a probability for each case, by a model learnt from those before the cut alone"""
    performance: Performance
    """from the cut on"""
    against_score: Difference
    """less that of the score in force, from the cut on"""
    refusals: tuple[str, ...]
    """why it should not be switched on; empty: it may"""


class NothingToLearn(LookupError):
    """Too few leads of one kind of outcome to learn anything at all."""


def predictive(cases: Cases, scoring: Scoring, *, target: str, cut: datetime, seed: int) -> Predictive:
    """Learn from the cases before the cut, judge on those from it on, then learn from all.

    Columns that tell the outcome too well to have been known before it are left out (`soundness.suspects`).
    Learns on one core: more of them gain little on tables of this size, and workers beside it wait for none.
    Raises NothingToLearn where either part has fewer than FOLDS leads of a kind of outcome.
    """
    with threadpool_limits(limits=1):
        return _predictive(cases, scoring, target, cut, seed)


def _predictive(cases: Cases, scoring: Scoring, target: str, cut: datetime, seed: int) -> Predictive:
    newest = (cases.leads["decided_at"] >= cut).to_numpy(bool)
    every = Outcomes(cases.leads[target].to_numpy(bool), cases.leads["weight"].to_numpy(np.float64))
    for own in (newest, ~newest):
        if min(every.target[own].sum(), (~every.target[own]).sum()) < FOLDS:
            raise NothingToLearn(
                f"of {own.sum()} leads {every.target[own].sum()} reached {target}: {FOLDS} of each kind are needed"
            )
    leaks = {one.subject for one in suspects(cases, target)}
    columns = [column for column in _columns(cases, scoring) if column.name not in leaks]
    way = _chosen(columns, every, ~newest, seed)
    told = probabilities(_learnt(columns, every, ~newest, way, seed), cases.evidence, cases.attributes)
    everyone = np.ones(len(newest), bool)
    model = _described(_learnt(columns, every, everyone, way, seed), cases, scoring, every, target, way)
    score = cases.leads["score"].to_numpy(np.float64)
    done, less = _judged(every, newest, told, score, seed)
    return Predictive(model, told, done, less, tuple(_refusals(cases, every, newest, done, less)))


def _described(
    model: Additive, cases: Cases, scoring: Scoring, outcomes: Outcomes, target: str, way: _Way
) -> Additive:
    learnt = {
        "leads": len(outcomes.target),
        "hits": int(outcomes.target.sum()),
        "since": cases.since.isoformat(),
        "until": cases.until.isoformat(),
        "horizon_days": cases.horizon / timedelta(days=1),
    }
    used = {part.name for part in model.parts if part.of == "rule"}
    meanings = {rule.id: meaning(rule) for rule in scoring.rules if rule.id in used}
    return replace(model, target=target, kind=way.kind, learnt=learnt, meanings=meanings)


# --- columns as spans -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    of: Literal["rule", "attribute"]
    name: str
    values: pd.Series[Any]

    def part(self, own: Flags) -> Part:
        """Its spans among these leads, nothing learnt yet."""
        known = self.values[own].dropna()
        if pd.api.types.is_numeric_dtype(self.values.dtype) and not pd.api.types.is_bool_dtype(
            self.values.dtype
        ):
            edges = _edges(known.to_numpy(np.float64), int(own.sum()))
            return Part(self.of, self.name, Numbers(edges, (0.0,) * (len(edges) + 1), 0.0))
        return Part(self.of, self.name, Names(dict.fromkeys(_frequent(known, int(own.sum())), 0.0), 0.0, 0.0))


def _columns(cases: Cases, scoring: Scoring) -> Sequence[_Column]:
    """Rules of the model, and its declared attributes that are no moments and not protected."""
    rules = [_Column("rule", rule.id, cases.evidence[rule.id]) for rule in scoring.rules
             if rule.id in cases.evidence]  # fmt: skip
    attributes = [
        _Column("attribute", str(name), column)
        for name, column in cases.attributes.items()
        if name not in scoring.protected and scoring.attributes.get(str(name), Type.TIME) is not Type.TIME
    ]
    return [*rules, *attributes]


def _edges(known: Floats, leads: int) -> tuple[float, ...]:
    """Where spans begin: at quantiles of what is not the most frequent value, which keeps a span of its own."""
    if not len(known):
        return ()
    values, counts = np.unique(known, return_counts=True)
    if len(values) > SPANS:
        common = int(np.argmax(counts))
        rest = known[known != values[common]]
        cuts = np.quantile(rest, np.linspace(0, 1, SPANS)[:-1], method="lower")
        around = values[common : common + 2] if np.max(counts) > 0.05 * leads else values[:0]
        values = np.unique(np.concatenate([cuts, around]))
    return tuple(_wide_enough(known, values[1:], SHARE * leads))


def _wide_enough(known: Floats, edges: Floats, least: float) -> Iterator[float]:
    """Edges with at least so many leads below each, since the one before, and above the last."""
    below = np.searchsorted(np.sort(known), edges, side="left")
    done = 0
    for edge, count in zip(edges.tolist(), below.tolist(), strict=True):
        if count - done >= least and len(known) - count >= least:
            done = count
            yield edge


def _frequent(known: pd.Series[Any], leads: int) -> list[str]:
    codes, names = named(known)
    counts = np.bincount(codes, minlength=len(names))
    order = sorted(range(len(names)), key=lambda n: (-counts[n], names[n]))
    return [names[n] for n in order[:SPANS] if counts[n] >= SHARE * leads]


# --- what each span adds --------------------------------------------------------------------------

Fit = Callable[[Codes, Flags, Floats], Sequence[Floats]]


@dataclass(frozen=True)
class _Way:
    """One way of learning: from the spans of each lead to what each span of each column adds."""

    kind: str
    strength: float
    """logistic: what sets it free; boosting: trees"""

    def fit(
        self, codes: Codes, sizes: Sequence[int], outcomes: Outcomes, seed: int
    ) -> tuple[float, list[Floats]]:
        """Base, and what each span of each column adds, each column of mean 0 over these leads."""
        learn = _logistic if self.kind == "logistic" else _boosting
        base, worth = learn(self.strength, codes, sizes, outcomes, seed)
        for n, own in enumerate(worth):
            mean = float(np.average(own[codes[:, n]], weights=outcomes.weight))
            base, worth[n] = base + mean, own - mean
        return base, worth


WAYS: Final = (
    *(_Way("logistic", strength) for strength in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)),
    *(_Way("boosting", trees) for trees in (30, 60, 120)),
)


def _logistic(
    strength: float, codes: Codes, sizes: Sequence[int], outcomes: Outcomes, seed: int
) -> tuple[float, list[Floats]]:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    leads, columns = codes.shape
    spans = (np.ones(codes.size), (codes + starts[:-1]).ravel(), np.arange(leads + 1) * columns)
    flags = csr_matrix(spans, shape=(leads, int(starts[-1])))
    model = LogisticRegression(C=strength, max_iter=300)
    model.fit(flags, outcomes.target, sample_weight=outcomes.weight)
    return float(model.intercept_[0]), np.split(model.coef_[0], starts[1:-1])


def _boosting(
    trees: float, codes: Codes, sizes: Sequence[int], outcomes: Outcomes, seed: int
) -> tuple[float, list[Floats]]:
    """Each tree looks at one column: what a span adds is what changes when nothing else does."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=int(trees), max_leaf_nodes=6, min_samples_leaf=30, l2_regularization=5.0,
        interaction_cst="no_interactions", early_stopping=False, random_state=seed,
    )  # fmt: skip
    model.fit(codes, outcomes.target, sample_weight=outcomes.weight)
    rows = np.zeros((1 + sum(sizes), codes.shape[1]))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for n, (start, size) in enumerate(zip(starts[:-1], sizes, strict=True)):
        rows[1 + start : 1 + start + size, n] = np.arange(size)
    odds = model.decision_function(rows)
    return float(odds[0]), np.split(odds[1:] - odds[0], starts[1:-1])


def _learnt(columns: Sequence[_Column], outcomes: Outcomes, own: Flags, way: _Way, seed: int) -> Additive:
    """Spans, worth and calibration from these leads alone."""
    parts = [column.part(own) for column in columns]
    codes = _codes(parts, columns, own)
    sizes = [len(part.spans) for part in parts]
    of_own = Outcomes(outcomes.target[own], outcomes.weight[own])
    base, worth = way.fit(codes, sizes, of_own, seed)
    intercept, slope = _platt(_out_of_fold(codes, sizes, of_own, way, seed), of_own)
    filled = [_filled(part, slope * added) for part, added in zip(parts, worth, strict=True)]
    kept = tuple(part for part in filled if any(abs(added) > 1e-9 for _, added in part.spans))
    return Additive("", way.kind, {}, intercept + slope * base, kept, {})


def _codes(parts: Sequence[Part], columns: Sequence[_Column], own: Flags) -> Codes:
    """The place of each lead's span in each column: (leads, columns)."""
    found = [places(part.table, column.values[own]) for part, column in zip(parts, columns, strict=True)]
    return np.column_stack(found) if found else np.zeros((int(own.sum()), 0), np.intp)


def _filled(part: Part, worth: Floats) -> Part:
    rounded = [round(float(one), 6) for one in worth]
    table = part.table
    if isinstance(table, Numbers):
        return replace(part, table=Numbers(table.edges, tuple(rounded[:-1]), rounded[-1]))
    named = dict(zip(table.worth, rounded, strict=False))
    return replace(part, table=Names(named, rounded[-2], rounded[-1]))


def _out_of_fold(codes: Codes, sizes: Sequence[int], outcomes: Outcomes, way: _Way, seed: int) -> Floats:
    """The log-odds of each lead by a model that has not seen it."""
    odds = np.zeros(len(codes))
    for learn, told in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(codes, outcomes.target):
        base, worth = way.fit(
            codes[learn], sizes, Outcomes(outcomes.target[learn], outcomes.weight[learn]), seed
        )
        odds[told] = _odds(base, worth, codes[told])
    return odds


def _odds(base: float, worth: Sequence[Floats], codes: Codes) -> Floats:
    found: Floats = base + sum((own[codes[:, n]] for n, own in enumerate(worth)), np.zeros(len(codes)))
    return found


def _platt(odds: Floats, outcomes: Outcomes) -> tuple[float, float]:
    """Intercept and slope that calibrate log-odds (Platt 1999); the slope at least 0."""
    if np.ptp(odds) < 1e-9:
        return 0.0, 1.0
    told = calibrated(odds, outcomes, np.ones(len(odds), bool))
    line = np.log(told / (1 - told))
    low, high = int(np.argmin(odds)), int(np.argmax(odds))
    slope = float((line[high] - line[low]) / (odds[high] - odds[low]))
    return float(line[low] - slope * odds[low]), slope


def _chosen(columns: Sequence[_Column], outcomes: Outcomes, own: Flags, seed: int) -> _Way:
    """The way whose log loss on the newest of these leads is lowest, learnt from those before them."""
    rows = np.flatnonzero(own)
    cut = int(len(rows) * (1 - VALIDATED))
    learn = np.zeros(len(own), bool)
    learn[rows[:cut]] = True
    parts = [column.part(learn) for column in columns]
    sizes = [len(part.spans) for part in parts]
    codes = _codes(parts, columns, own)
    early = Outcomes(outcomes.target[rows[:cut]], outcomes.weight[rows[:cut]])
    late = Outcomes(outcomes.target[rows[cut:]], outcomes.weight[rows[cut:]])
    if early.target.all() or not early.target.any():
        return WAYS[0]

    def loss(way: _Way) -> float:
        told = chance(_odds(*way.fit(codes[:cut], sizes, early, seed), codes[cut:]))
        return float(np.average(losses(late.target, told)[:, 0], weights=late.weight))

    return min(WAYS, key=loss)


# --- whether it may be switched on ----------------------------------------------------------------


def _judged(
    outcomes: Outcomes, newest: Flags, told: Floats, score: Floats, seed: int
) -> tuple[Performance, Difference]:
    recent = Outcomes(outcomes.target[newest], outcomes.weight[newest])
    drawing = resamples(int(newest.sum()), seed)
    in_force = calibrated(score, outcomes, ~newest)[newest]
    mine = drawn(recent, told[newest], told[newest], drawing)
    theirs = drawn(recent, score[newest], in_force, drawing)
    return performance("predictive", mine), compared("predictive", mine, "score in force", theirs)


def _refusals(
    cases: Cases, outcomes: Outcomes, newest: Flags, done: Performance, less: Difference
) -> Iterator[str]:
    leads, hits = len(outcomes.target), int(outcomes.target.sum())
    if leads < LEAST_LEADS or min(hits, leads - hits) < LEAST_HITS:
        yield (
            f"{leads} leads of which {hits} got there: at least {LEAST_LEADS} leads and {LEAST_HITS} of either kind"
            " are needed"
        )
    known = float(cases.attributes.notna().to_numpy().mean()) if cases.attributes.size else 1.0
    if known < LEAST_KNOWN:
        yield f"{known:.0%} of what attributes could say is known: at least {LEAST_KNOWN:.0%} are needed"
    if less.log_loss is None or less.log_loss.high >= 0:
        yield f"on the newest leads it does not surely tell more than the score ({_said(less.log_loss)} nats)"
    if done.slope is None or done.slope.high < SLOPE[0] or done.slope.low > SLOPE[1]:
        yield f"what it tells is too bold or too timid: calibration slope {_said(done.slope)}"
    for one in stabilities(cases.leads[["score"]], newest):
        if one.verdict == "shifted":
            yield f"leads are not what they were: the score's stability index is {one.psi:.2f}"


def _said(interval: Interval | None) -> str:
    return f"{interval.value:.3g}, {interval.low:.3g} to {interval.high:.3g}" if interval else "not known"
