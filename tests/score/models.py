"""Small scoring models for tests, written like a policy but without its files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from clearlane.policy.model import (
    ActivityTerm,
    Band,
    Disqualifier,
    Grades,
    Group,
    KindRule,
    Rule,
    Scoring,
    StageRule,
)
from clearlane.rules import Predicate, Type, parse

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
ATTRIBUTES = {
    "employees": Type.NUMBER,
    "seniority": Type.TEXT,
    "country": Type.TEXT,
    "free_mail": Type.BOOLEAN,
    "created_at": Type.TIME,
    "Größe der Firma": Type.TEXT,
    "domain": Type.TEXT,
}
ACTIVITY_ATTRIBUTES = {"minutes": Type.NUMBER, "page": Type.TEXT}
LISTS = {"competitors": ("rival.example",)}
BUILT_IN = {"as_of": Type.TIME, "kind": Type.TEXT, "source": Type.TEXT}
SCORED = {
    **dict.fromkeys(("score", "fit", "engagement", "negative"), Type.NUMBER),
    "band": Type.TEXT,
    "hand_raise": Type.BOOLEAN,
}
BANDS = (
    Band("hot", 75, 70, timedelta(hours=24)),
    Band("warm", 50, 45, timedelta(hours=24)),
    Band("cool", 25, 20, timedelta(hours=24)),
    Band("cold", 0, 0),
)


ACCOUNT = dict.fromkeys(("account_best", "account_sum", "account_decayed", "account_engaged"), Type.NUMBER)


def when(text: str, *measures: str) -> Predicate:
    named = dict.fromkeys(measures, Type.NUMBER)
    return parse(text, {**ATTRIBUTES, **BUILT_IN, **ACCOUNT, **named}, LISTS)


def stage_when(text: str, *measures: str) -> Predicate:
    named = dict.fromkeys(measures, Type.NUMBER)
    return parse(text, {**ATTRIBUTES, **BUILT_IN, **SCORED, **ACCOUNT, **named}, LISTS)


def activity_when(text: str) -> Predicate:
    return parse(text, {**ACTIVITY_ATTRIBUTES, "type": Type.TEXT, "occurred_at": Type.TIME}, LISTS)


def fit(id: str, text: str, points: float, cap: float | None = None, group: Group = "fit") -> Rule:
    return Rule(id, group, f"because of {id}", points, when=when(text), cap=cap)


def acted(id: str, types: str, points: float, *, group: Group = "engagement", **options: Any) -> Rule:
    cap, lead = options.pop("cap", None), options.pop("lead", None)
    term = ActivityTerm(tuple(types.split()), **options)
    return Rule(id, group, f"because of {id}", points, when(lead) if lead else None, term, cap)


def model(*rules: Rule, **changes: Any) -> Scoring:
    """The default model of the tests with these rules."""
    parts: dict[str, Any] = {
        "attributes": ATTRIBUTES,
        "activity_attributes": ACTIVITY_ATTRIBUTES,
        "protected": frozenset(),
        "lists": LISTS,
        "kinds": (KindRule("student", "student", "A student", when("seniority = 'student'")),),
        "disqualifiers": (
            Disqualifier("competitor", "A competitor", when("in_list(domain, competitors)")),
            Disqualifier("student", "A student", when("kind = 'student'")),
        ),
        "rules": rules,
        "group_bounds": {"fit": (0.0, 50.0), "engagement": (0.0, 50.0), "negative": (-60.0, 0.0)},
        "range": (0, 100),
        "bands": BANDS,
        "grades": Grades((40, 25, 10), (30, 15, 5)),
        "stages": (
            StageRule(
                "mql", "50 points, or a hand-raise", stage_when("score >= 50 and fit >= 20 or hand_raise")
            ),
            StageRule("pql", "Uses the product", stage_when("source = 'product' and fit >= 10")),
        ),
        "hand_raise_types": ("demo_request",),
    }
    return Scoring(**{**parts, **changes})


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)
