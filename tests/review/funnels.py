"""Generated funnels whose truth is known: who wins follows points that the test chose, with all the traps on demand.

logit P(won) = intercept + scale × (true points × evidence) + the rep's skill. The score in force uses other points
where the test says that a rule is wrong. One logistic draw per lead decides won, opportunity, sql and accepted, so
that they are nested and each follows the same points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from clearlane.policy.model import ActivityTerm, Band, Group, Rule, Scoring
from clearlane.policy.scoring import EMPTY
from clearlane.review.cases import HALF_LIFE_FACTORS, Cases, LeftOut
from clearlane.rules import Type, parse

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
HORIZON = timedelta(days=90)
RANGE = (-200, 400)
"""wide, so that no clamp hides what the points are worth"""
BANDS = (Band("hot", 75, 70), Band("warm", 50, 45), Band("cool", 25, 20), Band("cold", RANGE[0], RANGE[0]))
REASONS = ("not interested", "no budget", "bad fit", "no answer")


@dataclass(frozen=True)
class Truth:
    """What a rule is really worth, the share of leads that it holds for, and how it fades where it is behaviour."""

    points: int
    share: float = 0.2
    group: Group = "fit"
    half_life: float | None = None
    cap: int | None = None


COMPANY: Mapping[str, Truth] = {
    "icp_size": Truth(15, 0.35),
    "icp_industry": Truth(10, 0.4),
    "buyer": Truth(12, 0.2),
    "buying_department": Truth(7, 0.3),
    "core_market": Truth(6, 0.7),
    "target_account": Truth(8, 0.05),
    "hand_raise": Truth(35, 0.12, "engagement", 14, 40),
    "pricing_page": Truth(8, 0.2, "engagement", 7, 24),
    "content": Truth(5, 0.3, "engagement", 21, 15),
    "webinar": Truth(10, 0.15, "engagement", 30, 20),
    "free_mail": Truth(-10, 0.2, "negative"),
    "tiny_company": Truth(-10, 0.15, "negative"),
}
"""Twelve rules like those of the default company."""


@dataclass(frozen=True)
class Funnel:
    """The cases, and the truth behind them. `scoring` is the model in force, its rules in the order of the evidence."""

    cases: Cases
    scoring: Scoring
    truth: Mapping[str, int]
    in_force: Mapping[str, int]
    scale: float
    intercept: float
    chance: pd.Series = field(repr=False)
    """the true probability of won of each case"""


def funnel(seed: int, n: int, weights: Mapping[str, Truth | int] = COMPANY, **options: object) -> Cases:
    """The cases of `planted`."""
    return planted(seed, n, weights, **options).cases  # type: ignore[arg-type]


def planted(
    seed: int,
    n: int,
    weights: Mapping[str, Truth | int] = COMPANY,
    *,
    wins: float = 0.08,
    scale: float = 0.04,
    wrong: Mapping[str, int] | None = None,
    noise: bool = False,
    hidden: Mapping[str, int] | None = None,
    leaking: bool = False,
    drift: Mapping[str, int] | None = None,
    half_life: Mapping[str, float] | None = None,
    skill: float = 0.0,
    reps: int = 10,
    unworked: float = 0.0,
    threshold: float | None = None,
    explored: float = 0.02,
    empty_columns: int = 3,
) -> Funnel:
    """A funnel of `n` leads over a quarter; fewer cases where some are unworked or below the threshold.

    weights: rule -> its truth (a whole number: a fit rule that holds for a fifth).
    wins: share won, over all `n`. scale: log-odds per true point (0.04: 20 points are 2.2 times the odds).
    wrong: rule -> how many points too many the model in force gives (negative: too few).
    noise: who wins is chance alone. hidden: attribute that no rule scores -> what it is worth; holds for a fifth.
    leaking: an attribute `contract` that is filled for the won only, with few mistakes.
    drift: rule -> points that it gains in truth from the middle of the quarter on.
    half_life: behaviour rule -> its true half-life in days, where the one in force is wrong.
    skill: standard deviation of what reps add to the log-odds; leads fall to reps by chance.
    unworked: share that nobody touched, who hardly ever win: left out of the cases and counted.
    threshold: leads with a lower score are seen only in the `explored` share, with weight 1 / explored.
    empty_columns: attributes and kinds of activity that mean nothing.
    """
    rng = np.random.default_rng(seed)
    rules = {name: t if isinstance(t, Truth) else Truth(t) for name, t in weights.items()}
    facts = _facts(rng, n, rules, half_life or {})
    extra = pd.DataFrame(
        {name: rng.random(n) < 0.2 for name in hidden or {}}, index=facts.evidence.index, dtype="boolean"
    )
    leads = _leads(rng, facts, reps)
    truth = {name: rule.points for name, rule in rules.items()}
    in_force = {name: points + (wrong or {}).get(name, 0) for name, points in truth.items()}
    eta = scale * _worth(facts, rules, extra, hidden or {}, drift or {})
    if noise:
        eta = np.zeros(n)
    eta = eta + rng.normal(0, skill, reps)[leads.pop("rep_number").to_numpy()]
    idle = rng.random(n) < unworked
    eta = eta - 4.0 * idle
    intercept = _intercept(eta, wins)
    _outcomes(rng, leads, eta, intercept, wins)
    _scores(leads, facts.evidence, in_force, rules)
    weight, seen = _seen(rng, leads, threshold, explored)
    leads = leads.assign(weight=weight, explored=weight > 1)
    attributes = facts.attributes.join(extra).join(_meaningless(rng, leads.index, empty_columns))
    if leaking:
        attributes = attributes.assign(contract=_contract(rng, leads["won"].to_numpy()))
    kept = seen & ~idle
    cases = Cases(
        SINCE, UNTIL, UNTIL + HORIZON, HORIZON, leads[kept], facts.evidence[kept], attributes[kept],
        facts.behaviour[kept], _left_out(idle, seen), facts.refaded[kept],
    )  # fmt: skip
    chance = pd.Series(_logistic(intercept + eta), leads.index)[kept]
    return Funnel(cases, _scoring(rules, in_force, attributes), truth, in_force, scale, intercept, chance)


# --- what leads are and do ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Facts:
    """`really`: the evidence with true half-lives; `evidence` is the model's."""

    evidence: pd.DataFrame
    really: pd.DataFrame
    attributes: pd.DataFrame
    behaviour: pd.DataFrame
    refaded: pd.DataFrame


def _facts(
    rng: np.random.Generator, n: int, rules: Mapping[str, Truth], half_life: Mapping[str, float]
) -> _Facts:
    index = pd.Index([f"lead-{number:07d}" for number in range(n)], name="lead_id")
    evidence, really, attributes, behaviour, refaded = ({} for _ in range(5))
    for name, rule in rules.items():
        holds = rng.random(n) < rule.share
        if rule.half_life is None:
            evidence[name] = really[name] = holds.astype(float)
            attributes[_attribute(name)] = pd.array(holds, dtype="boolean")
            continue
        ages = _ages(rng, holds)
        evidence[name] = _faded(ages, rule, rule.half_life)
        really[name] = _faded(ages, rule, half_life.get(name, rule.half_life))
        behaviour[name] = np.isfinite(ages).sum(axis=1).astype(float)
        behaviour[f"{name}:days"] = np.where(holds, np.floor(ages.min(axis=1)), np.nan)
        for factor in HALF_LIFE_FACTORS:
            refaded[f"{name}@{rule.half_life * factor:g}"] = _faded(ages, rule, rule.half_life * factor)
    parts = (evidence, really, attributes, behaviour, refaded)
    return _Facts(*(pd.DataFrame(part, index=index) for part in parts))


def _attribute(rule: str) -> str:
    return f"is_{rule}"


def _ages(rng: np.random.Generator, holds: np.ndarray) -> np.ndarray:
    """Days since each of up to five events in the last 90 days, half of them in the last 11; infinite: none."""
    ages = 90 * rng.random((len(holds), 5)) ** 3
    counts = np.where(holds, 1 + rng.binomial(4, 0.25, len(holds)), 0)
    return np.where(np.arange(5) < counts[:, None], ages, np.inf)


def _faded(ages: np.ndarray, rule: Truth, half_life: float) -> np.ndarray:
    """The decayed sum of units, held at cap / points."""
    total = np.power(0.5, ages / half_life).sum(axis=1)
    return np.minimum(total, abs(rule.cap / rule.points)) if rule.cap and rule.points else total


def _leads(rng: np.random.Generator, facts: _Facts, reps: int) -> pd.DataFrame:
    n = len(facts.evidence)
    number = rng.integers(0, reps, n)
    region = rng.choice(["AMER", "EMEA", "APAC"], n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame(
        {
            "decided_at": pd.to_datetime(SINCE) + (UNTIL - SINCE) * (np.arange(n) / n),
            "source": rng.choice(["form", "webinar", "list"], n, p=[0.5, 0.3, 0.2]),
            "region": region,
            "segment": rng.choice(["smb", "mid", "enterprise"], n, p=[0.5, 0.35, 0.15]),
            "team": [f"sdr_{place.lower()}" for place in region],
            "rep": [f"rep-{each}" for each in number],
            "rep_number": number,
            "place": "owned",
        },
        index=facts.evidence.index,
    )


def _meaningless(rng: np.random.Generator, index: pd.Index, columns: int) -> pd.DataFrame:
    n = len(index)
    made = {f"colour_{c}": rng.choice(["red", "green", "blue", "grey"], n) for c in range(columns)}
    made |= {f"number_{c}": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)) for c in range(columns)}
    return pd.DataFrame(made, index=index)


# --- what becomes of them -----------------------------------------------------------------------


def _worth(
    facts: _Facts,
    rules: Mapping[str, Truth],
    extra: pd.DataFrame,
    hidden: Mapping[str, int],
    drift: Mapping[str, int],
) -> np.ndarray:
    """The true points of each lead."""
    n = len(extra)
    later = np.arange(n) >= n / 2
    points = sum((facts.really[name].to_numpy() * rule.points for name, rule in rules.items()), np.zeros(n))
    points = sum((facts.really[name].to_numpy() * gain * later for name, gain in drift.items()), points)
    return sum((extra[name].to_numpy(dtype=float) * worth for name, worth in hidden.items()), points)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _intercept(eta: np.ndarray, share: float) -> float:
    """The intercept at which this share is expected; by halving."""
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _logistic(middle + eta).mean() < share else (low, middle)
    return (low + high) / 2


def _outcomes(
    rng: np.random.Generator, leads: pd.DataFrame, eta: np.ndarray, intercept: float, wins: float
) -> None:
    n = len(leads)
    drawn = eta + rng.logistic(size=n)
    for stage, share in (("accepted", 8), ("sql", 4), ("opportunity", 2), ("won", 1)):
        edge = intercept if share == 1 else _intercept(eta, min(share * wins, 1 - 0.2 / share))
        leads[stage] = drawn + edge > 0
    leads["reason"] = np.where(leads["accepted"], None, rng.choice(REASONS, n))
    leads["amount"] = np.where(leads["won"], np.round(rng.lognormal(9, 0.7, n), 2), 0.0)


def _scores(
    leads: pd.DataFrame, evidence: pd.DataFrame, points: Mapping[str, int], rules: Mapping[str, Truth]
) -> None:
    for group in ("fit", "engagement", "negative"):
        names = [name for name, rule in rules.items() if rule.group == group]
        leads[group] = evidence[names].to_numpy() @ np.array([points[name] for name in names], dtype=float)
    leads["score"] = np.floor(leads[["fit", "engagement", "negative"]].sum(axis=1) + 0.5)
    conditions = [leads["score"] >= band.entry for band in BANDS]
    leads["band"] = np.select(conditions, [band.name for band in BANDS], BANDS[-1].name)
    fit = np.select([leads["fit"] >= at for at in (40, 25, 10)], list("ABC"), "D")
    engagement = np.select([leads["engagement"] >= at for at in (30, 15, 5)], list("123"), "4")
    leads["grade"] = [f"{a}{b}" for a, b in zip(fit, engagement, strict=True)]


def _seen(
    rng: np.random.Generator, leads: pd.DataFrame, threshold: float | None, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """The weight of each lead, and who was given to sales at all."""
    n = len(leads)
    below = np.zeros(n, bool) if threshold is None else (leads["score"] < threshold).to_numpy()
    drawn = rng.random(n) < share
    return np.where(below & drawn, 1 / share, 1.0), ~below | drawn


def _contract(rng: np.random.Generator, won: np.ndarray) -> np.ndarray:
    return np.where(won ^ (rng.random(len(won)) < 0.002), "signed", None)


def _left_out(idle: np.ndarray, seen: np.ndarray) -> tuple[LeftOut, ...]:
    counts = {"nobody worked it": int((idle & seen).sum()), "never given to sales": int((~seen).sum())}
    return tuple(LeftOut(reason, leads) for reason, leads in counts.items() if leads)


# --- the model in force -------------------------------------------------------------------------


def _scoring(rules: Mapping[str, Truth], points: Mapping[str, int], attributes: pd.DataFrame) -> Scoring:
    types = {str(name): _type(attributes[name]) for name in attributes}
    made = tuple(_rule(name, rule, points[name], types) for name, rule in rules.items())
    return replace(
        EMPTY,
        attributes=types,
        rules=made,
        range=RANGE,
        group_bounds={"fit": RANGE, "engagement": RANGE, "negative": RANGE},
        bands=BANDS,
    )


def _rule(name: str, truth: Truth, points: int, types: Mapping[str, Type]) -> Rule:
    because = f"{name.replace('_', ' ').capitalize()}"
    if truth.half_life is None:
        return Rule(name, truth.group, because, points, parse(_attribute(name), types))
    # A cap keeps its ratio to the points, as it does when the review changes them.
    cap = abs(points * truth.cap / truth.points) if truth.cap else None
    activity = ActivityTerm((name,), half_life_days=truth.half_life)
    return Rule(name, truth.group, because, points, None, activity, cap)


def _type(column: pd.Series) -> Type:
    if pd.api.types.is_bool_dtype(column):
        return Type.BOOLEAN
    return Type.NUMBER if pd.api.types.is_numeric_dtype(column) else Type.TEXT
