"""What would lift a lead: every lift really lifts, and no smaller set of changes does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.profiles import examples
from tests.score import ledger_rows as rows
from tests.score.models import NOW, acted, activity_when, ago, fit, model, when

from clearlane import policy
from clearlane.policy.model import Disqualifier, Measure, Rule, Scoring, Variant
from clearlane.rules import Type, parse
from clearlane.score import run, score_frame
from clearlane.score.explain import Score, stored
from clearlane.score.lift import Lifts, lifts

DTYPES = {"employees": "Float64", "seniority": "string", "country": "string", "free_mail": "boolean"}
CHANGEABLE = frozenset({"employees", "seniority", "country", "free_mail"})


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def changeable(*rules: Rule, **changes: Any) -> Scoring:
    return model(*rules, **{"changeable": CHANGEABLE, "disqualifiers": (), **changes})


def scored(ledger: Connection, scoring: Scoring, lead: UUID) -> Score:
    number = ledger.execute(sa.text("select count(*) from batch")).scalar_one()
    batch = rows.batch(ledger, NOW, run=f"run {number}")
    rows.work(ledger, batch, lead)
    run(ledger, replace(policy.parse({}), scoring=scoring, hashes={"scoring": f"v{number}"}), batch)
    return stored(ledger, lead, NOW)


def lifted(ledger: Connection, scoring: Scoring, lead: UUID) -> Lifts:
    score = scored(ledger, scoring, lead)
    return lifts(ledger, scoring, score, score.band, NOW)


def said(found: Lifts) -> list[dict[str, str]]:
    return [{change.attribute: change.said for change in lift.changes} for lift in found.by_knowing]


def lead(ledger: Connection, **attributes: Any) -> UUID:
    own = rows.lead(ledger, "ada")
    rows.profile(ledger, own, attributes)
    return own


def test_one_change_lifts_and_all_values_that_do_are_named(ledger: Connection) -> None:
    scoring = changeable(
        fit("size", "employees between 50 and 1000", 15), fit("boss", "seniority in ('vp', 'cxo')", 12)
    )
    rules = changeable(*scoring.rules, fit("base", "created_at is null", 12))
    found = lifted(ledger, rules, lead(ledger, employees=20))
    assert (found.above, said(found)) == ("cool", [{"employees": "50 to 1,000"}])
    assert [(lift.score, lift.band) for lift in found.by_knowing] == [(27, "cool")]


def test_the_best_of_the_smallest_sets_comes_first(ledger: Connection) -> None:
    rules = [
        fit("size", "employees >= 50", 26), fit("boss", "seniority in ('vp', 'cxo')", 30),
        fit("german", "country = 'DE'", 1),
    ]  # fmt: skip
    found = lifted(ledger, changeable(*rules), lead(ledger))
    assert said(found) == [{"seniority": "cxo or vp"}, {"employees": "50 or more"}]
    assert found.size == 1


def test_two_conditions_of_one_rule_are_found_together(ledger: Connection) -> None:
    scoring = changeable(
        fit("both", "employees > 50 and country = 'DE'", 30), fit("size", "employees > 10", 3)
    )
    found = lifted(ledger, scoring, lead(ledger, employees=3, country="FR"))
    assert said(found) == [{"country": "DE", "employees": "more than 50"}]


def test_three_changes_are_tried_and_a_fourth_is_not(ledger: Connection) -> None:
    rules = [
        fit("size", "employees >= 50", 9), fit("boss", "seniority = 'vp'", 9), fit("german", "country = 'DE'", 7),
        fit("mail", "free_mail", -9, group="negative"),
    ]  # fmt: skip
    found = lifted(ledger, changeable(*rules), lead(ledger))
    assert said(found) == [{"country": "DE", "employees": "50 or more", "seniority": "vp"}]
    nothing = lifted(ledger, changeable(*rules), lead_again(ledger, free_mail=True))
    assert (nothing.by_knowing, nothing.size, nothing.complete) == ((), None, True)


def lead_again(ledger: Connection, **attributes: Any) -> UUID:
    own = rows.lead(ledger, "bo")
    rows.profile(ledger, own, attributes)
    return own


def test_what_disqualifies_can_be_lifted_too(ledger: Connection) -> None:
    against = Disqualifier("unknown", "Nobody knows", when("country is null and free_mail"))
    scoring = changeable(fit("size", "employees >= 50", 30), disqualifiers=(against,))
    found = lifted(ledger, scoring, lead(ledger, employees=100, free_mail=True))
    assert said(found) == [{"country": "known"}, {"free_mail": "no"}]


def test_a_kind_that_the_model_decides_is_decided_anew(ledger: Connection) -> None:
    scoring = model(fit("size", "employees >= 50", 30), changeable=CHANGEABLE)
    found = lifted(ledger, scoring, student(ledger, seniority="student", employees=60))
    assert said(found) == [{"seniority": "something else"}]


def student(ledger: Connection, **attributes: Any) -> UUID:
    own = rows.lead(ledger, "cy")
    rows.profile(ledger, own, attributes, kind="student")
    return own


def test_only_what_the_policy_marks_is_changed(ledger: Connection) -> None:
    scoring = changeable(fit("size", "employees >= 50", 30), changeable=frozenset({"country"}))
    assert lifted(ledger, scoring, lead(ledger)).by_knowing == ()
    assert lifted(ledger, replace(scoring, changeable=frozenset()), lead_again(ledger)).by_knowing == ()


def test_the_hottest_cannot_be_lifted(ledger: Connection) -> None:
    scoring = changeable(
        fit("size", "employees >= 50", 50), fit("boss", "seniority = 'vp'", 40, group="engagement")
    )
    assert lifted(ledger, scoring, lead(ledger, employees=50, seniority="vp")) == Lifts(None)


def test_one_more_of_something_would_do(ledger: Connection) -> None:
    scoring = changeable(
        acted("demo", "demo_request", 30), acted("price", "pricing_page_view", 9, half_life_days=7),
        acted("daily", "visit", 20, counting="per_day"),
        acted("long visit", "visit", 22, when=activity_when("minutes >= 5")), acted("gone", "unsubscribed", -20),
    )  # fmt: skip
    ada = lead(ledger)
    rows.activity(ledger, ada, "pricing_page_view", ago(days=7))
    found = lifted(ledger, scoring, ada)
    assert [(more.types, more.times, more.attributes, more.band) for more in found.by_doing] == [
        (("visit",), 1, {"minutes": 5.0}, "cool"),
        (("demo_request",), 1, {}, "cool"),
        (("pricing_page_view",), 3, {}, "cool"),
    ]


def test_what_was_done_stays_as_it_was(ledger: Connection) -> None:
    scoring = changeable(
        fit("size", "employees >= 50", 20), acted("demo", "demo_request", 20, half_life_days=14),
        acted("daily", "visit", 5, counting="per_day"),
    )  # fmt: skip
    ada = lead(ledger)
    rows.activity(ledger, ada, "demo_request", ago(days=14))
    rows.activity(ledger, ada, "visit", ago(days=1))
    rows.activity(ledger, ada, "visit", ago(days=2))
    found = lifted(ledger, scoring, ada)
    assert [(said(found), lift.score) for lift in found.by_knowing] == [([{"employees": "50 or more"}], 40)]


def test_spans_of_numbers_are_said_as_a_person_would(ledger: Connection) -> None:
    scoring = changeable(
        fit("size", "not (employees between 50 and 1000)", 30), fit("tiny", "employees < 10", -30)
    )
    found = lifted(ledger, scoring, lead(ledger, employees=100))
    assert said(found) == [{"employees": "10 to 49 or more than 1,000"}]


def test_a_value_that_another_attribute_has_is_tried(ledger: Connection) -> None:
    scoring = changeable(fit("same", "country = seniority", 30))
    assert said(lifted(ledger, scoring, lead(ledger, seniority="DE"))) == [{"country": "DE"}]


def test_measures_colleagues_and_variants_stay_in_force(ledger: Connection) -> None:
    def seen(id: str, text: str, points: float) -> Rule:
        return Rule(id, "fit", id, points, when(text, "visits"))

    default = changeable(
        seen("visits", "visits >= 2 and country = 'DE'", 12), seen("group", "account_sum >= 20 and employees > 5", 9),
        acted("demo", "demo_request", 22), measures=(Measure("visits", "Visits", ("visit",)),),
    )  # fmt: skip
    large = replace(default, rules=(*default.rules, fit("large", "country = 'DE'", 4)))
    scoring = replace(default, variants=(Variant("large", "Large", when("employees >= 1000"), large),))
    ada, bo = lead(ledger), lead_again(ledger)
    ledger.execute(sa.text("update lead_profile set account_id = :id"), {"id": UUID(int=7)})
    rows.activity(ledger, bo, "demo_request", ago(days=1))
    for days in (1, 2):
        rows.activity(ledger, ada, "visit", ago(days=days))
    assert said(lifted(ledger, scoring, ada)) == [{"country": "DE", "employees": "1,000 or more"}]


def test_more_sets_than_can_be_tried_are_said_to_be_so(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearlane.score.lift.MOST", 1)
    rules = [
        fit("one", "employees > 5", 10), fit("two", "country = 'DE'", 4), fit("three", "free_mail", 10),
        fit("four", "seniority = 'vp'", 10),
    ]  # fmt: skip
    found = lifted(ledger, changeable(*rules), lead(ledger))
    assert (found.by_knowing, found.complete) == ((), False)


def test_attributes_may_have_any_name(ledger: Connection) -> None:
    names = dict.fromkeys(("n", "place", "id", "Größe"), Type.TEXT)
    rules = [Rule(name, "fit", name, 9, parse(f"\"{name}\" = 'x'", names)) for name in names]
    found = lifted(
        ledger,
        changeable(*rules, attributes=names, kinds=(), stages=(), changeable=frozenset(names)),
        lead(ledger),
    )
    assert said(found)[0] == {"Größe": "x", "id": "x", "n": "x"}


# --- against brute force ---

CONDITIONS = [
    "employees between 50 and 1000", "employees > 10", "not (employees >= 20)", "employees * 2 < 60",
    "seniority in ('vp', 'cxo')", "lower(seniority) = 'vp' and employees >= 50", "seniority = 'student'",
    "country = 'DE'", "country = 'DE' and free_mail", "country is null", "contains(country, 'D')", "free_mail",
    "not free_mail and employees > 10", "country = seniority", "coalesce(employees, 5) < 8", "created_at is null",
]  # fmt: skip
VALUES: Mapping[str, list[Any]] = {
    "employees": [4, 5, 8, 10, 11, 15, 19, 20, 29, 30, 45, 50, 51, 700, 1000, 1001, 9000],
    "seniority": ["vp", "VP", "cxo", "student", "DE", "other"],
    "country": ["DE", "D", "FR", "vp", "cxo", "student"],
    "free_mail": [True, False],
}
POINTS = st.sampled_from([-20, -7, 3, 8, 12, 14, 26])


@st.composite
def models(draw: st.DrawFn) -> Scoring:
    picked = draw(st.lists(st.tuples(st.sampled_from(CONDITIONS), POINTS), min_size=2, max_size=7))
    groups = [draw(st.sampled_from(["fit", "engagement"])) for _ in picked]
    rules = [
        fit(f"rule {i}", text, points, group=group)  # type: ignore[arg-type]
        for i, ((text, points), group) in enumerate(zip(picked, groups, strict=True))
    ]
    against = [
        Disqualifier("out", "Out", when(text))
        for text in draw(st.lists(st.sampled_from(CONDITIONS), max_size=1))
    ]
    demo = acted("demo", "demo_request", draw(st.sampled_from([5, 20])), half_life_days=14)
    bounds = {
        "fit": (-10.0, draw(st.sampled_from([25.0, 50.0]))),
        "engagement": (-30.0, 50.0),
        "negative": (0.0, 0.0),
    }
    names = draw(st.sets(st.sampled_from(sorted(CHANGEABLE)), min_size=1, max_size=3))
    return changeable(
        *rules, demo, disqualifiers=tuple(against), group_bounds=bounds, changeable=frozenset(names)
    )


LEADS = st.fixed_dictionaries({name: st.sampled_from([None, *values]) for name, values in VALUES.items()})


@settings(max_examples=examples(6, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(models(), LEADS, st.booleans())
def test_every_lift_lifts_and_no_smaller_set_does(
    ledger_engine: sa.Engine, scoring: Scoring, attributes: dict[str, Any], asked: bool
) -> None:
    known = {name: value for name, value in attributes.items() if value is not None}
    with ledger_engine.connect() as connection:
        own = lead(connection, **known)
        if asked:
            rows.activity(connection, own, "demo_request", ago(days=3))
        found = lifted(connection, scoring, own)
        score = stored(connection, own, NOW)
        connection.rollback()
    smallest, best = by_brute_force(scoring, attributes, asked, score)
    assert found.size == smallest
    assert max((lift.score for lift in found.by_knowing), default=None) == best
    for lift in found.by_knowing:
        changed = {**attributes, **{change.attribute: change.value for change in lift.changes}}
        assert bands(scoring, [changed], asked) == [(lift.band, lift.score)]
    for more in found.by_doing:
        assert bands(scoring, [attributes], asked, more.times) == [(more.band, more.score)]
        assert bands(scoring, [attributes], asked, more.times - 1)[0][0] != more.band


def by_brute_force(
    scoring: Scoring, attributes: dict[str, Any], asked: bool, score: Score
) -> tuple[int | None, int | None]:
    """The size of the smallest set of changes that lifts, over all values, and the highest score of that size."""
    names = [band.name for band in scoring.bands]
    for size in (1, 2, 3):
        tried = [
            {**attributes, **dict(zip(picked, values, strict=True))}
            for picked in combinations(sorted(scoring.changeable), size)
            for values in product(*(VALUES[name] for name in picked))
        ]
        reached = bands(scoring, tried, asked) if tried else []
        lifting = [shown for band, shown in reached if names.index(band) < names.index(score.band)]
        if lifting:
            return size, max(lifting)
    return None, None


def bands(scoring: Scoring, leads: list[dict[str, Any]], asked: bool, more: int = 0) -> list[tuple[str, int]]:
    """Band and score of each lead, from a frame: no ledger, no memory. `more`: demo requests at this moment."""
    frame = pd.DataFrame(
        {name: pd.array([one[name] for one in leads], dtype=DTYPES[name]) for name in VALUES}
    )
    frame.insert(0, "lead_id", [str(i) for i in range(len(leads))])
    moments = [ago(days=3)] * asked + [ago(microseconds=n + 1) for n in range(more)]
    acts = [(str(i), "demo_request", moment) for i in range(len(leads)) for moment in moments]
    activities = pd.DataFrame(acts, columns=["lead_id", "type", "occurred_at"]) if acts else None
    scores = score_frame(scoring, frame.assign(source="crm", kind="sales"), activities, None, NOW)
    return [(row.band, row.score) for row in scores.itertuples()]
