"""What the model means, by example, on both engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.score.engines import Row, activity, on_duckdb, on_postgres, profile
from tests.score.models import NOW, acted, activity_when, ago, fit, model, stage_when

from clearlane.policy.model import Scoring, StageRule

Score = Callable[..., Row]


@pytest.fixture(params=["postgres", "duckdb"])
def score(request: pytest.FixtureRequest) -> Score:
    """Score one lead: its attributes, its activities, and what is known of it before."""

    def one(
        scoring: Scoring, attributes: Row | None = None, happened: Sequence[Row] = (), **known: Any
    ) -> Row:
        profiles = [profile("ada", NOW, attributes, **known)]
        if request.param == "duckdb":
            (row,) = on_duckdb(scoring, profiles, happened)
        else:
            connection: sa.Connection = request.getfixturevalue("postgres")
            (row,) = on_postgres(connection, scoring, profiles, happened)
        return row

    return one


def points(row: Row) -> dict[str, float]:
    return json.loads(row["contributions"])


def did(type_: str, days: float, **attributes: Any) -> Row:
    return activity("ada", type_, ago(days=days), **attributes)


def test_fit_rules_add_up(score: Score) -> None:
    scoring = model(fit("size", "employees >= 50", 15), fit("buyer", "seniority = 'vp'", 12.25))
    row = score(scoring, {"employees": 300, "seniority": "vp"})
    assert (row["score"], row["total"], row["fit"], points(row)) == (
        27,
        27.25,
        27.25,
        {"size": 15, "buyer": 12.25},
    )


def test_a_rule_that_does_not_fire_is_not_among_the_contributions(score: Score) -> None:
    row = score(model(fit("size", "employees >= 50", 15), fit("free", "free_mail", 0)), {"free_mail": True})
    assert (row["score"], row["contributions"]) == (1, "{}")


def test_points_fade_by_half_in_a_half_life(score: Score) -> None:
    scoring = model(acted("pricing", "pricing_page", 8, half_life_days=7))
    row = score(scoring, happened=[did("pricing_page", 7), did("pricing_page", 14), did("other", 1)])
    assert points(row) == {"pricing": 6}


def test_decay_counts_by_the_second(score: Score) -> None:
    row = score(model(acted("visit", "visit", 10, half_life_days=1)), happened=[did("visit", 0.25)])
    assert points(row) == {"visit": round(10 * 0.5**0.25, 6)}


def test_very_old_activities_have_faded_without_a_failure(score: Score) -> None:
    row = score(model(acted("visit", "visit", 10, half_life_days=0.01)), happened=[did("visit", 9000)])
    assert row["contributions"] == "{}"


def test_an_activity_at_as_of_or_later_does_not_count_yet(score: Score) -> None:
    scoring = model(acted("visit", "visit demo_request", 10))
    row = score(scoring, happened=[did("visit", 0), did("demo_request", -1)])
    assert (row["contributions"], row["hand_raise"]) == ("{}", False)
    just_before = activity("ada", "visit", NOW - timedelta(microseconds=1))
    assert points(score(scoring, happened=[just_before])) == {"visit": 10}


def test_caps_hold_for_a_rule_a_group_and_the_whole(score: Score) -> None:
    scoring = model(
        acted("visit", "visit", 10, cap=25), acted("chat", "chat", 40), fit("a", "employees > 0", 45),
        fit("b", "employees > 0", 45), fit("bad", "employees > 0", -20, cap=8, group="negative"),
    )  # fmt: skip
    row = score(scoring, {"employees": 1}, [did("visit", 1)] * 9 + [did("chat", 1)])
    assert points(row) == {"visit": 25, "chat": 40, "a": 45, "b": 45, "bad": -8}
    assert [row[name] for name in ("fit", "engagement", "negative", "total", "score")] == [50, 50, -8, 92, 92]
    higher = score(
        replace(scoring, range=(0, 90)), {"employees": 1}, [did("visit", 1)] * 9 + [did("chat", 1)]
    )
    assert (higher["total"], higher["score"]) == (92, 90)


def test_first_counts_the_earliest_alone(score: Score) -> None:
    scoring = model(acted("trial", "trial", 16, counting="first", half_life_days=10))
    assert points(score(scoring, happened=[did("trial", 10), did("trial", 20), did("trial", 1)])) == {
        "trial": 4
    }


def test_per_day_counts_the_earliest_of_each_day(score: Score) -> None:
    scoring = model(acted("visit", "visit", 4, counting="per_day", half_life_days=0.5))
    # NOW is noon: half a day ago is midnight, the first moment of today.
    row = score(
        scoring, happened=[did("visit", 0.5), did("visit", 0.25), did("visit", 0.75), did("visit", 1)]
    )
    assert points(row) == {"visit": 2 + 1}


def test_at_most_n_per_window_of_seven_days_since_1970(score: Score) -> None:
    scoring = model(acted("click", "click", 1, at_most=3, window_days=7))
    # 1970-01-01 was a Thursday, so windows begin on Thursdays: 2026-02-26 is one, four and a half days ago.
    this_week = [did("click", days) for days in (0.1, 1, 2, 3, 4.5)]
    assert points(score(scoring, happened=this_week)) == {"click": 3}
    assert points(score(scoring, happened=[*this_week, did("click", 4.51)])) == {"click": 4}


def test_at_most_without_a_window_counts_the_earliest_of_all_time(score: Score) -> None:
    scoring = model(acted("click", "click", 8, at_most=1, half_life_days=1))
    assert points(score(scoring, happened=[did("click", 2), did("click", 1)])) == {"click": 2}


def test_days_are_counted_before_they_are_limited(score: Score) -> None:
    scoring = model(acted("visit", "visit", 1, counting="per_day", at_most=2, window_days=7))
    assert points(score(scoring, happened=[did("visit", d) for d in (1, 1.01, 2, 2.01, 3)])) == {"visit": 2}


def test_an_activity_rule_may_ask_of_the_activity_and_of_the_lead(score: Score) -> None:
    scoring = model(acted("click", "click", 3, when=activity_when("minutes >= 5"), lead="country = 'DE'"))
    happened = [did("click", 1, minutes=5), did("click", 1, minutes=4), did("click", 1, minutes="9")]
    assert points(score(scoring, {"country": "DE"}, happened)) == {"click": 3}
    assert points(score(scoring, {"country": "FR"}, happened)) == {}


@pytest.mark.parametrize(
    ("total", "shown"), [(49.499999, 49), (49.5, 50), (0.4, 1), (-7, 1), (120, 100), (0, 1)]
)
def test_the_score_is_the_nearest_whole_number_within_the_range(
    score: Score, total: float, shown: int
) -> None:
    scoring = replace(model(fit("only", "employees = 1", total)), group_bounds={})
    assert score(scoring, {"employees": 1})["score"] == shown


def test_tenths_add_up_as_on_paper(score: Score) -> None:
    scoring = model(
        *(fit(f"tenth_{i}", "employees = 1", 0.1) for i in range(5)), fit("rest", "employees = 1", 49)
    )
    row = score(scoring, {"employees": 1})
    assert (row["total"], row["score"]) == (49.5, 50)


def test_a_disqualified_lead_scores_nothing_and_says_by_what(score: Score) -> None:
    scoring = model(fit("size", "employees > 0", 50), acted("demo", "demo_request", 40))
    row = score(
        scoring, {"employees": 1, "domain": "rival.example"}, [did("demo_request", 1)], band_before="hot"
    )
    assert [row[n] for n in ("score", "band", "stage", "disqualified", "total")] == [
        0, "cold", "disqualified", "competitor", 90
    ]  # fmt: skip


def test_the_kind_is_decided_here_unless_it_is_known(score: Score) -> None:
    scoring = model()
    assert score(scoring, {"seniority": "student"})["disqualified"] == "student"
    known = score(scoring, {"seniority": "student"}, kind="support")
    assert (known["kind"], known["disqualified"]) == ("support", None)


@pytest.mark.parametrize(
    ("total", "band"), [(75, "hot"), (74.4, "warm"), (50, "warm"), (25, "cool"), (24, "cold")]
)
def test_bands_are_entered_at_their_thresholds(score: Score, total: float, band: str) -> None:
    scoring = replace(model(fit("only", "employees = 1", total)), group_bounds={})
    assert score(scoring, {"employees": 1})["band"] == band


@pytest.mark.parametrize(
    ("total", "before", "hours", "band"),
    [
        (72, "hot", 48, "hot"),  # above the exit threshold
        (69, "hot", 48, "warm"),
        (69, "hot", 23, "hot"),  # not there for a day yet
        (69, "hot", 24, "warm"),
        (47, "hot", 48, "warm"),  # falls to the first band whose exit it still holds
        (47, "warm", 48, "warm"),
        (47, "cool", 1, "cool"),
        (76, "cool", 1, "hot"),  # upwards at once
        (5, "hot", 48, "cold"),
        (72, "unheard of", 48, "warm"),
    ],
)
def test_a_band_is_left_late(score: Score, total: float, before: str, hours: float, band: str) -> None:
    scoring = replace(model(fit("only", "employees = 1", total)), group_bounds={})
    row = score(scoring, {"employees": 1}, band_before=before, band_since=ago(hours=hours))
    assert row["band"] == band


@pytest.mark.parametrize(
    ("fit_points", "acts", "grade"), [(40, 30, "A1"), (39, 15, "B2"), (10, 5, "C3"), (9, 4, "D4")]
)
def test_grades_are_fit_by_engagement(score: Score, fit_points: float, acts: float, grade: str) -> None:
    scoring = model(fit("a", "employees = 1", fit_points), acted("b", "visit", acts))
    assert score(scoring, {"employees": 1}, [did("visit", 1)])["grade"] == grade


def test_a_hand_raise_makes_an_mql_since_it_was_made(score: Score) -> None:
    row = score(model(), happened=[did("demo_request", 3), did("demo_request", 2), did("demo_request", 31)])
    assert (row["stage"], row["hand_raise"]) == ("mql", True)
    assert row["entered_at"] == row["raised_at"] == "2026-02-27 12:00:00+00"


def test_a_hand_raise_stands_for_its_days(score: Score) -> None:
    assert score(model(), happened=[did("demo_request", 30)])["hand_raise"]
    assert not score(model(), happened=[did("demo_request", 30.001)])["hand_raise"]


def test_the_score_makes_an_mql_at_as_of(score: Score) -> None:
    scoring = model(fit("a", "employees = 1", 50))
    scoring = replace(scoring, stages=(StageRule("mql", "…", stage_when("score >= 50 and band = 'warm'")),))
    row = score(scoring, {"employees": 1})
    assert (row["stage"], row["entered_at"]) == ("mql", "2026-03-02 12:00:00+00")


@pytest.mark.parametrize(
    ("before", "stage"),
    [
        (None, "pql"),
        ("inquiry", "pql"),
        ("mql", "mql"),
        ("pql", "pql"),
        ("sql", "sql"),
        ("customer", "customer"),
    ],
)
def test_stages_never_go_backwards(score: Score, before: str | None, stage: str) -> None:
    scoring = model(fit("a", "employees = 1", 20))
    row = score(scoring, {"employees": 1}, source="product", stage_before=before)
    assert (row["reached"], row["stage"]) == ("pql", stage)


def test_texts_of_a_policy_are_texts_in_sql(score: Score) -> None:
    name = 'it\'s 100% :sure\\ "yes"'
    scoring = model(fit(name, f"\"Größe der Firma\" = '{name.replace(chr(39), chr(39) * 2)}'", 3))
    assert points(score(scoring, {"Größe der Firma": name})) == {name: 3}


def test_a_hundred_rules_and_more(score: Score) -> None:
    scoring = model(*(fit(f"r{i}", "employees = 1", 0.25) for i in range(150)))
    row = score(scoring, {"employees": 1})
    assert (row["fit"], len(points(row))) == (37.5, 150)


def test_huge_points_do_not_break_the_batch(score: Score) -> None:
    scoring = replace(
        model(acted("visit", "visit", 1e300), fit("a", "employees = 1", -1e300)), group_bounds={}
    )
    row = score(scoring, {"employees": 1}, [did("visit", 1)] * 3)
    assert (points(row), row["total"], row["score"]) == ({"visit": 1e9, "a": -1e9}, 0, 1)


def test_every_lead_has_a_row_of_its_own(postgres: sa.Connection) -> None:
    scoring = model(acted("visit", "visit", 5), acted("click", "click", 1, at_most=2, window_days=7))
    leads = [profile(name, NOW - timedelta(days=i)) for i, name in enumerate(["ada", "bo", "cy"])]
    happened = [
        activity("ada", "visit", ago(days=1)),
        activity("bo", "visit", ago(days=1)),
        activity("bo", "click", ago(days=2)),
    ]
    rows = on_postgres(postgres, scoring, leads, happened)
    assert [points(row) for row in rows] == [{"visit": 5}, {"click": 1}, {}]
    assert rows == on_duckdb(scoring, leads, happened)
