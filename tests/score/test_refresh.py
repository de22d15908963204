"""The nightly refresh: what fades, ends or moves on by itself leaves the base as if all of it were scored anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.profiles import examples
from tests.score import ledger_rows as rows
from tests.score import test_scoring
from tests.score.models import NOW, acted, ago, fit, model, stage_when, when
from tests.score.test_scoring import policy_of

from clearlane.policy.model import Measure, Policy, Scoring, StageRule, Variant
from clearlane.score import fading, overrides, refresh, score_at

MODEL = model(
    fit("size", "employees >= 50", 30),
    acted("visit", "visit", 10, half_life_days=7),
    acted("demo", "demo_request", 40, half_life_days=14),
    acted("left", "unsubscribed", -20, half_life_days=7, group="negative"),
    fit("small", "employees < 10", -5, group="negative"),
)
POLICY = policy_of(MODEL)


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


QUIET = dict.fromkeys(("faded", "to_score", "scored", "written", "events"), 0)


def refreshed(ledger: Connection, as_of: datetime, version: Policy = POLICY) -> dict[str, int]:
    """Both passes, as the step does them."""
    faded = refresh.fade(ledger, version, as_of)
    chunks = iter(lambda: refresh.rescore(ledger, version, as_of), None)
    return {**QUIET, **vars(faded), **refresh.total(list(chunks))}


def scored_at(ledger: Connection, moment: datetime, *leads: UUID, version: Policy = POLICY) -> None:
    test_scoring.scored_at(ledger, moment, *leads, version=version)


def table(ledger: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in ledger.execute(sa.text(query))]


def a_lead(ledger: Connection, name: str = "ada", **attributes: Any) -> UUID:
    own = rows.lead(ledger, name)
    rows.profile(ledger, own, attributes)
    return own


def test_points_fade_without_a_row_of_history(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=100)
    rows.activity(ledger, ada, "visit", ago(days=1))
    scored_at(ledger, NOW, ada)
    assert refreshed(ledger, ago(days=-3)) == QUIET | {"faded": 1}
    assert table(ledger, "select score, round(total::numeric, 3)::float, as_of, band from standing") == [
        (37, pytest.approx(36.73, abs=1e-3), ago(days=-3), "cool")
    ]
    assert table(ledger, "select score from score") == [(39,)]


def test_a_band_that_is_left_is_a_row_and_an_event(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=100)
    scored_at(ledger, NOW, ada)
    rows.activity(ledger, ada, "demo_request", ago(days=-1))
    scored_at(ledger, ago(days=-2), ada)
    assert table(ledger, "select band, stage from standing") == [("warm", "mql")]
    done = refreshed(ledger, ago(days=-29))
    assert (done["scored"], done["written"], done["events"]) == (1, 1, 1)
    assert table(ledger, "select kind, because, detail, handled_batch from routing_event") == [
        (
            "band",
            "band changed from warm to cool (decay)",
            {"before": "warm", "after": "cool", "cause": ["decay"]},
            None,
        )
    ]
    assert refreshed(ledger, ago(days=-29)) == QUIET


def test_an_override_that_ends_gives_the_model_its_say(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=100)
    scored_at(ledger, ago(days=3), ada)
    overrides.set_override(
        ledger, MODEL, ada, score=90, by="kim", because="a friend", since=ago(days=2), until=ago(days=-2)
    )
    assert refreshed(ledger, NOW)["events"] == 2
    assert table(ledger, "select score, band, stage from standing") == [(90, "hot", "mql")]
    assert refreshed(ledger, ago(days=-1))["to_score"] == 0
    assert refreshed(ledger, ago(days=-3))["written"] == 1
    assert table(ledger, "select score from standing") == [(30,)]
    causes = table(ledger, "select detail -> 'cause' from routing_event order by event_id")
    assert causes == [(["override"],)] * 3


def test_an_activity_that_was_still_to_come_counts_when_it_is_past(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=100)
    rows.activity(ledger, ada, "visit", ago(days=-1))
    scored_at(ledger, NOW, ada)
    assert table(ledger, "select score from standing") == [(30,)]
    assert refreshed(ledger, ago(hours=-1))["written"] == 0
    assert refreshed(ledger, ago(days=-8))["written"] == 1
    assert table(ledger, "select score from standing") == [(35,)]


def test_what_a_run_of_before_folds_is_not_lost_on_a_standing_of_later(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=100)
    rows.activity(ledger, ada, "visit", ago(days=1))
    scored_at(ledger, NOW, ada)
    assert refreshed(ledger, ago(days=-3))["faded"] == 1
    rows.activity(ledger, ada, "visit", ago(days=-1))
    scored_at(ledger, ago(days=-2), ada)
    assert table(ledger, "select as_of, score from standing") == [(ago(days=-3), 37)]
    check_night(ledger, POLICY, [ada], ago(days=-4))
    assert table(ledger, "select score from standing") == [(44,)]


def test_a_profile_that_was_still_to_come_counts_when_it_holds(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=5)
    rows.profile(ledger, ada, {"employees": 100}, valid_from=ago(days=-2))
    scored_at(ledger, NOW, ada)
    for days, score in ((1, 1), (3, 30)):
        check_night(ledger, POLICY, [ada], ago(days=-days))
        assert table(ledger, "select score from standing") == [(score,)]


def test_a_hand_raise_that_no_longer_stands_is_told(ledger: Connection) -> None:
    ada = a_lead(ledger, employees=100)
    rows.activity(ledger, ada, "demo_request", ago(days=1))
    scored_at(ledger, NOW, ada)
    assert refreshed(ledger, ago(days=-28))["to_score"] == 1  # the band
    assert refreshed(ledger, ago(days=-29))["to_score"] == 0
    assert refreshed(ledger, ago(days=-29.5))["written"] == 1
    assert table(ledger, "select hand_raise from score order by score_id desc limit 1") == [(False,)]


def test_a_new_version_is_scored_for_the_whole_base(ledger: Connection) -> None:
    scored_at(ledger, NOW, *(a_lead(ledger, name, employees=100) for name in ("ada", "bo")))
    later = policy_of(model(fit("size", "employees >= 50", 40)), "v2")
    assert refreshed(ledger, ago(days=-1), later)["written"] == 2
    assert table(ledger, "select distinct score from standing") == [(40,)]
    assert len(table(ledger, "select counting_id from counting")) == 1  # hand-raises


def test_what_stage_rules_ask_of_points() -> None:
    assert fading.asks_for_more(stage_when("score >= 50 and fit > 20 or hand_raise"))
    assert fading.asks_for_more(stage_when("source = 'product' and fit >= 10"))
    assert not fading.asks_for_more(stage_when("score < 50"))
    assert not fading.asks_for_more(stage_when("not score >= 50"))
    assert not fading.asks_for_more(stage_when("score between 10 and 20"))
    assert not fading.asks_for_more(stage_when("fit >= engagement"))
    assert not fading.asks_for_more(stage_when("score - fit >= 10"))


# --- as if all were scored anew ---

MEASURED = replace(
    model(
        fit("size", "employees >= 50", 30),
        acted("visit", "visit", 12, half_life_days=3, cap=30),
        acted("days", "visit click", 4, counting="per_day", half_life_days=7),
        acted("few", "click", 3, at_most=2, window_days=7, half_life_days=2),
        acted("bad", "click", -9, half_life_days=2, group="negative"),
        fit("small", "employees < 10", -5, group="negative"),
    ),
    measures=(Measure("recent", "…", ("click",), None, "events", 7),),
)
MODELS = [
    MODEL,
    MEASURED,
    replace(
        MEASURED,
        rules=(*MEASURED.rules, fit("fresh", "created_at > as_of", 10)),
        stages=(StageRule("mql", "…", stage_when("score < 20 and fit > 0")), *MEASURED.stages[1:]),
        variants=(Variant("german", "…", when("country = 'DE'"), replace(MODEL, variants=())),),
    ),
]
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["visit", "click", "demo_request", "unsubscribed"]),
        st.integers(-3 * 24, 30 * 24).map(lambda hours: ago(hours=hours)),
    ),
    max_size=12,
)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {"employees": st.sampled_from([5, 20, 100]), "country": st.sampled_from(["DE", "FR"])}
    ),
    min_size=3,
    max_size=3,
)
NIGHTS = st.lists(st.integers(1, 9 * 24), min_size=1, max_size=5, unique=True).map(sorted)


@settings(
    max_examples=examples(12, 150),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(scoring=st.sampled_from(MODELS), people=PEOPLE, events=EVENTS, nights=NIGHTS)
def test_a_refresh_shows_what_scoring_all_would(
    ledger: Connection, scoring: Scoring, people: list[dict[str, Any]], events: list[Any], nights: list[int]
) -> None:
    with ledger.begin_nested() as savepoint:
        version = policy_of(scoring)
        leads = [a_lead(ledger, f"lead {i}", **attributes) for i, attributes in enumerate(people)]
        for i, (lead, type_, moment) in enumerate(events):
            rows.activity(ledger, leads[lead], type_, moment, key=str(i))
        scored_at(ledger, NOW, *leads, version=version)
        for hours in nights:
            check_night(ledger, version, leads, ago(hours=-hours))
        savepoint.rollback()


def check_night(ledger: Connection, version: Policy, leads: list[UUID], moment: datetime) -> None:
    expected = {row["lead_id"]: row for row in score_at(ledger, version, leads, moment)}
    refreshed(ledger, moment, version)
    shown = "select lead_id, score, band, grade, stage from standing"
    for lead, *found in table(ledger, shown):
        assert found == [expected[lead][name] for name in ("score", "band", "grade", "stage")]
