"""PostgreSQL, DuckDB and a plain scorer agree on random models, leads and histories."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.score.engines import PROFILE, on_duckdb, on_postgres
from tests.score.models import NOW, activity_when, model, when
from tests.score.plain import Condition, PlainRule, Row, contribution, group_total, shown

from clearlane.policy.model import ActivityTerm, Rule, Scoring

BOUNDS = {"fit": (0.0, 50.0), "engagement": (0.0, 50.0), "negative": (-60.0, 0.0)}
TYPES = ("visit", "click", "demo_request", "größe", "it's")
LEAD_CONDITIONS = [
    Condition(
        "employees between 50 and 1000", lambda r: _number(r["employees"]) and 50 <= r["employees"] <= 1000
    ),
    Condition("seniority in ('vp', 'größe', '')", lambda r: r["seniority"] in ("vp", "größe", "")),
    Condition("free_mail", lambda r: r["free_mail"] is True),
    Condition(
        "not free_mail and country is null", lambda r: r["free_mail"] is False and r["country"] is None
    ),
    Condition("created_at < as_of", lambda r: r["created_at"] is not None and r["created_at"] < r["as_of"]),
    Condition("\"Größe der Firma\" = 'it''s'", lambda r: r["Größe der Firma"] == "it's"),
    Condition("employees / 0 > 1 or kind = 'sales'", lambda r: r["kind"] == "sales"),
]
ACTIVITY_CONDITIONS = [
    Condition("minutes >= 5", lambda r: _number(r["minutes"]) and r["minutes"] >= 5),
    Condition("page is null or page <> 'größe'", lambda r: r["page"] != "größe"),
]
TEXTS = st.sampled_from([None, "vp", "größe", "", "it's", "student", "DE", "x\ny", "日本"])
MICROSECOND = timedelta(microseconds=1)
# Moments at and around the borders of days, weeks and as_of, and any other.
MOMENTS = st.one_of(
    st.integers(0, 40).map(lambda days: datetime(2026, 3, 2, tzinfo=UTC) - timedelta(days=days)),
    st.integers(0, 40).map(
        lambda days: datetime(2026, 3, 2, tzinfo=UTC) - timedelta(days=days) - MICROSECOND
    ),
    st.sampled_from([NOW, NOW - MICROSECOND, NOW + MICROSECOND, NOW - timedelta(days=30)]),
    st.datetimes(datetime(1969, 12, 1), datetime(2026, 4, 1), timezones=st.just(UTC)),
)
POINTS = st.one_of(st.integers(-40, 40).map(float), st.sampled_from([0.1, 2.5, -0.000001, 33.333333, 1e-9]))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@st.composite
def plain_rules(draw: st.DrawFn) -> list[PlainRule]:
    return draw(rules_named(LEAD_CONDITIONS))


@st.composite
def rules_named(draw: st.DrawFn, conditions: list[Condition]) -> list[PlainRule]:
    return [draw(_rules(f"rule {i}", conditions)) for i in range(draw(st.integers(4, 9)))]


def _rules(id: str, conditions: list[Condition]) -> st.SearchStrategy[PlainRule]:
    shared = {
        "id": st.just(id), "group": st.sampled_from(sorted(BOUNDS)), "points": POINTS,
        "cap": st.sampled_from([None, None, 7, 40]),
        "bounds": st.sampled_from([None, None, None, (-5.0, 24.0), (0.0, 12.5), (-8.0, 0.0)]),
    }  # fmt: skip
    of_lead = st.builds(PlainRule, condition=st.sampled_from(conditions), **shared)
    of_activities = st.builds(
        PlainRule,
        condition=st.sampled_from([None, None, None, *conditions[4:]]),
        types=st.lists(st.sampled_from(TYPES), min_size=1, unique=True).map(tuple),
        activity_condition=st.sampled_from([None, None, *ACTIVITY_CONDITIONS]),
        half_life_days=st.sampled_from([None, 0.5, 7, 21, 30.5]),
        counting=st.sampled_from(["every", "every", "first", "per_day"]),
        at_most=st.sampled_from([None, 1, 3]),
        window_days=st.sampled_from([None, 1, 7]),
        **shared,
    )
    return st.one_of(of_lead, of_activities, of_activities)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    leads = [
        {
            **dict.fromkeys(PROFILE), "own": True,
            "lead_id": f"lead {i}", "as_of": NOW, "kind": draw(st.sampled_from(["sales", "support"])),
            "attributes": {
                "employees": draw(st.sampled_from([None, 0, 50, 1000, 1000.5, "300", 1e300])),
                "seniority": draw(TEXTS), "country": draw(TEXTS), "Größe der Firma": draw(TEXTS),
                "free_mail": draw(st.sampled_from([None, True, False])),
                "created_at": draw(st.one_of(st.none(), MOMENTS)),
            },
        }
        for i in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    known = st.sampled_from([lead["lead_id"] for lead in leads])
    attributes = st.fixed_dictionaries(
        {
            "minutes": st.sampled_from([None, 4.9, 5, "9"]),
            "page": st.sampled_from([None, "größe", "/pricing"]),
        }
    )
    activity = st.fixed_dictionaries(
        {"lead_id": known, "type": st.sampled_from(TYPES), "occurred_at": MOMENTS, "attributes": attributes}
    )
    return leads, draw(st.lists(activity, min_size=15, max_size=40))


def scoring_of(rules: list[PlainRule]) -> Scoring:
    return model(*map(rule_of, rules), kinds=())


def rule_of(rule: PlainRule, *measures: str) -> Rule:
    term = None
    if rule.types:
        of_activity = rule.activity_condition and activity_when(rule.activity_condition.text)
        term = ActivityTerm(
            rule.types,
            of_activity,
            rule.half_life_days,
            rule.counting,  # type: ignore[arg-type]
            rule.at_most,
            rule.window_days,
        )
    condition = rule.condition and when(rule.condition.text, *measures)
    cap = rule.cap if rule.bounds is None else None
    return Rule(rule.id, rule.group, "…", rule.points, condition, term, cap, rule.bounds)  # type: ignore[arg-type]


RANDOM = settings(
    max_examples=examples(15, 200), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@RANDOM
@given(rules=plain_rules(), history=histories())
def test_both_engines_agree(
    postgres: sa.Connection, rules: list[PlainRule], history: tuple[list[Row], list[Row]]
) -> None:
    scoring = scoring_of(rules)
    for one, other in zip(
        on_postgres(postgres, scoring, *history), on_duckdb(scoring, *history), strict=True
    ):
        check_alike(one, other)


@settings(RANDOM, max_examples=examples(12, 150))
@given(rules=plain_rules(), history=histories())
def test_the_engine_says_what_a_plain_scorer_says(
    rules: list[PlainRule], history: tuple[list[Row], list[Row]]
) -> None:
    leads, activities = history
    for lead, row in zip(leads, on_duckdb(scoring_of(rules), leads, activities), strict=True):
        happened = [activity for activity in activities if activity["lead_id"] == lead["lead_id"]]
        facts = {**lead["attributes"], "as_of": NOW, "kind": lead["kind"]}
        found = json.loads(row["contributions"])
        for rule in rules:
            assert abs(found.get(rule.id, 0) - contribution(rule, facts, happened, NOW)) < 1e-6
        check_sums(row, found, rules)


def check_sums(row: dict[str, Any], found: dict[str, float], rules: list[PlainRule]) -> None:
    totals = {group: group_total(found, rules, group, bounds) for group, bounds in BOUNDS.items()}
    assert {group: Decimal(str(row[group])) for group in BOUNDS} == totals
    assert Decimal(str(row["total"])) == sum(totals.values())
    assert row["score"] == shown(sum(totals.values(), Decimal(0)), row["disqualified"] is not None)


@settings(RANDOM, max_examples=examples(8, 100))
@given(rules=plain_rules(), history=histories(), seed=st.randoms())
def test_the_order_of_arrival_changes_nothing(
    rules: list[PlainRule], history: tuple[list[Row], list[Row]], seed: Any
) -> None:
    leads, activities = history
    mixed = seed.sample(activities, len(activities))
    scoring = scoring_of(rules)
    for one, other in zip(
        on_duckdb(scoring, leads, activities), on_duckdb(scoring, leads, mixed), strict=True
    ):
        check_alike(one, other)


def check_alike(one: Row, other: Row) -> None:
    """Doubles add up in any order: contributions may differ in their last millionth, nothing else may."""
    points = {name: (json.loads(one[name]), json.loads(other[name])) for name in ("contributions",)}
    mine, theirs = points["contributions"]
    assert all(abs(mine.get(rule, 0) - theirs.get(rule, 0)) < 1.5e-6 for rule in mine.keys() | theirs.keys())
    totals = ("total", "fit", "engagement", "negative")
    assert all(abs(one[name] - other[name]) < 20e-6 for name in totals)
    inexact = {"contributions", *totals}
    assert {k: v for k, v in one.items() if k not in inexact} == {
        k: v for k, v in other.items() if k not in inexact
    }


@settings(RANDOM, max_examples=examples(8, 100))
@given(
    rules=plain_rules(),
    history=histories(),
    points=st.integers(1, 40),
    added=st.sampled_from(["fit", "engagement"]),
)
def test_a_rule_that_gives_points_never_lowers_a_score(
    rules: list[PlainRule], history: tuple[list[Row], list[Row]], points: int, added: str
) -> None:
    more = PlainRule("added", added, points, LEAD_CONDITIONS[0])
    before = on_duckdb(scoring_of(rules), *history)
    after = on_duckdb(scoring_of([*rules, more]), *history)
    assert all(one["score"] <= other["score"] <= 100 for one, other in zip(before, after, strict=True))
