"""Sentences about a score: each must be understood by whoever works with the lead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.score import ledger_rows as rows
from tests.score.models import NOW, acted, activity_when, ago, fit, model

from clearlane import policy
from clearlane.policy.model import Scoring
from clearlane.score import explain, overrides, run, wording
from clearlane.score.changes import Change as Found
from clearlane.score.explain import stored
from clearlane.score.history import Change, history
from clearlane.score.lift import Lift, Lifts, More, lifts

MODEL = model(
    fit("size", "employees between 50 and 1000", 30),
    fit("german", "country = 'DE' and employees > 10", 25),
    acted("visit", "visit", 10, half_life_days=7, when=activity_when("minutes >= 1"), cap=12),
    acted("daily", "visit click", 1, counting="per_day"),
    acted("demo", "demo_request", 40),
    changeable=frozenset({"employees", "country"}),
)


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def scored(ledger: Connection, lead: UUID, scoring: Scoring = MODEL, **later: float) -> None:
    at = NOW + timedelta(**later)
    batch = rows.batch(ledger, at, run=f"run of {at}")
    rows.work(ledger, batch, lead)
    run(ledger, replace(policy.parse({}), scoring=scoring, hashes={"scoring": "v1"}), batch)


def busy(ledger: Connection) -> UUID:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 1200, "country": "DE"})
    for hours in (168, 167, 166):
        rows.activity(ledger, ada, "visit", ago(hours=hours), minutes=2)
    rows.activity(ledger, ada, "click", ago(hours=24))
    scored(ledger, ada)
    return ada


def test_the_score_is_told_with_its_sum_and_its_band(ledger: Connection) -> None:
    told = explain(ledger, MODEL, busy(ledger), NOW)
    assert list(wording.score(told, None)) == [
        ("39", "cool, grade B3, inquiry as of 2026-03-02 12:00 UTC"),
        ("total", "39 points: fit 25 + engagement 14 + negative 0"),
        (
            "band",
            "cool since 2026-03-02 12:00 UTC: entered at 25, left below 20; warm from 50, 11 points more",
        ),
    ]


def test_each_rule_is_told_with_what_it_saw_counted_and_lost(ledger: Connection) -> None:
    told = explain(ledger, MODEL, busy(ledger), NOW)
    assert list(wording.rules(told.fired)) == [
        ("+25.00", "german: because of german (country: DE, employees: 1,200)"),
        (
            "+12.00",
            "visit: because of visit (visit × 3, 2026-02-23 12:00 to 2026-02-23 14:00, 50% faded);"
            " 12 of 15.06 points: more does not count",
        ),
        (
            "+2.00",
            "daily: because of daily (visit or click × 4, 2 of them counted, 2026-02-23 12:00 to 2026-03-01 12:00)",
        ),
    ]
    assert list(wording.nearly(told.nearly)) == [
        ("(+30.00)", "size: because of size; needs employees between 50 and 1000 (employees: 1,200)")
    ]


def test_what_nearly_counted_is_told_with_the_activity_that_came_nearest(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    rows.activity(ledger, ada, "visit", ago(hours=2))
    scored(ledger, ada)
    assert list(wording.nearly(explain(ledger, MODEL, ada, NOW).nearly)) == [
        ("(+25.00)", "german: because of german; needs country = 'DE' (country: not known)"),
        (
            "(+10.00)",
            "visit: because of visit; needs minutes >= 1 (the nearest, at 2026-03-02 10:00: minutes: not known)",
        ),
    ]


def test_what_would_lift_it_is_told_as_what_to_find_out_and_what_to_wait_for(ledger: Connection) -> None:
    ada = busy(ledger)
    score = stored(ledger, ada)
    assert list(wording.lift(lifts(ledger, MODEL, score, "cool", NOW), MODEL)) == [
        ("64 warm", "if employees is 50 to 1,000"), ("75 hot", "with 1 more demo_request"),
    ]  # fmt: skip


def test_that_nothing_lifts_it_is_told_plainly() -> None:
    assert list(wording.lift(Lifts("hot"), MODEL)) == [
        ("", "no 3 changes of country or employees would reach hot"),
        ("", "no activity alone, not even 5 times, would reach hot"),
    ]
    assert list(wording.lift(Lifts(None), MODEL)) == []
    several = Lifts(
        "hot",
        (Lift((Found("country", "DE", "DE"), Found("employees", 50.0, "50 or more")), 80, "hot"),),
        (More(("click", "visit"), 2, {"minutes": 5.0}, 76, "hot"),),
    )
    assert [text for _, text in wording.lift(several, MODEL)] == [
        "if country is DE and employees is 50 or more",
        "with 2 more click or visit with minutes: 5",
    ]


def test_what_stands_beside_the_score_is_told_where_it_is(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100, "country": "DE", "domain": "rival.example"})
    rows.activity(ledger, ada, "demo_request", ago(days=1))
    scored(ledger, ada)
    lines = dict(wording.score(explain(ledger, MODEL, ada, NOW), None))
    assert lines["disqualified"] == "competitor: A competitor (domain: rival.example)"
    assert lines["band"] == "cold since 2026-03-02 12:00 UTC: who is disqualified is always there"
    assert lines[""] == "asked for sales: routed at once, whatever the score"


def test_groups_that_are_cut_and_scores_that_faded_say_so(ledger: Connection) -> None:
    ada = busy(ledger)
    tight = replace(MODEL, group_bounds={**MODEL.group_bounds, "fit": (0.0, 20.0)})
    scored(ledger, ada, tight, hours=1)
    told = explain(ledger, tight, ada, NOW + timedelta(hours=1))
    now = {"score": 30, "band": "warm", "as_of": NOW + timedelta(days=3)}
    lines = list(wording.score(told, now))
    assert ("", "fit rules come to 25; 20 is the most that counts") in lines
    assert ("now", "30, warm at 2026-03-05 12:00 UTC: -4 since, by time alone") in lines


def test_an_override_is_told_with_who_and_why(ledger: Connection) -> None:
    ada = busy(ledger)
    overrides.set_override(ledger, MODEL, ada, score=80, by="mo", because="met their board", since=NOW)
    scored(ledger, ada, hours=1)
    lines = dict(wording.score(explain(ledger, MODEL, ada, NOW + timedelta(hours=1)), None))
    assert (
        lines["override"] == "score 80, set by mo on 2026-03-02 12:00 UTC, until taken back: met their board"
    )


def test_history_tells_each_step_with_its_cause_and_its_points(ledger: Connection) -> None:
    ada = busy(ledger)
    rows.activity(ledger, ada, "demo_request", NOW)
    scored(ledger, ada, hours=1)
    overrides.set_override(
        ledger, MODEL, ada, band="cool", by="mo", because="no", since=NOW + timedelta(hours=2)
    )
    scored(ledger, ada, hours=3)
    assert list(wording.history(history(ledger, ada, NOW + timedelta(hours=3)))) == [
        (
            "2026-03-02 12:00",
            "39 cool, inquiry: scored for the first time (german +25.00, visit +12.00, daily +2.00)",
        ),
        (
            "2026-03-02 13:00",
            "39 → 75, cool → hot, B3 → B1, inquiry → mql: what the lead did changed (demo +40.00)",
        ),
        ("2026-03-02 15:00", "75 → 75, hot → cool: a person set it, or took that back"),
    ]


def row(**values: Any) -> dict[str, Any]:
    shown = {"score": 50, "band": "warm", "grade": "A2", "stage": "mql", "disqualified": None, "as_of": NOW}
    return {**shown, **values}


def test_long_deltas_are_cut_and_disqualifications_named() -> None:
    delta = {f"rule {i}": float(10 - i) for i in range(8)}
    change = Change(row(disqualified="spam"), row(), ("attribute", "decay"), delta)
    ((_, text),) = wording.history([change])
    assert text.startswith(
        "50 → 50, not disqualified → disqualified by spam: what we know changed, faded with time ("
    )
    assert text.endswith("rule 5 +5.00 and 2 more)")
