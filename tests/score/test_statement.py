"""What the model means, by example, on both engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from tests.score.engines import Row, activity, on_duckdb, on_postgres, profile
from tests.score.models import NOW, acted, activity_when, ago, fit, model, stage_when, when

from clearlane.policy.model import Disqualifier, Measure, Recycling, Scoring, StageRule, Variant
from clearlane.rules import Dialect
from clearlane.score import behaviour, statement
from clearlane.score.statement import MEMORY

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


# --- bounds, measures ---------------------------------------------------------------------------------


def test_a_rule_has_a_lowest_and_a_highest(score: Score) -> None:
    swing = replace(acted("swing", "visit", -3), bounds=(-5.0, 24.0))
    gain = replace(fit("gain", "employees = 1", 30), bounds=(0.0, 24.0))
    scoring = replace(model(swing, gain), group_bounds={})
    row = score(scoring, {"employees": 1}, [did("visit", 1), did("visit", 2)])
    assert points(row) == {"swing": -5, "gain": 24}


@pytest.mark.parametrize(
    ("count", "within", "value"),
    [
        ("events", None, 6),
        ("events", 1, 2),  # 2026-03-02, up to noon
        ("events", 2, 4),
        ("days", None, 4),
        ("days", 2, 2),
        ("days", 7, 3),
        ("days_since", None, 0.25),
    ],
)
def test_a_measure_counts_what_a_lead_did(score: Score, count: Any, within: int | None, value: float) -> None:
    visits = [did("visit", days) for days in (0.25, 0.5, 0.50001, 1, 6, 40)]
    measure = Measure("seen", "…", ("visit",), None, count, within)
    exactly = replace(fit("exactly", "true", 7), when=when(f"seen = {value}", "seen"))
    assert points(score(model(exactly, measures=(measure,)), happened=visits)) == {"exactly": 7}


def test_what_never_happened_is_no_event_and_no_time_ago(score: Score) -> None:
    measures = tuple(Measure(n, "…", ("visit",), None, n) for n in ("events", "days", "days_since"))  # type: ignore[arg-type]
    nothing = when("events = 0 and days = 0 and days_since is null", "events", "days", "days_since")
    scoring = model(replace(fit("nothing", "true", 7), when=nothing), measures=measures)
    assert points(score(scoring)) == {"nothing": 7}
    assert points(score(scoring, happened=[did("demo_request", 1)])) == {"nothing": 7}


def test_the_day_that_ends_at_as_of_is_today() -> None:
    midnight = NOW - timedelta(hours=12)
    measure = Measure("today", "…", ("visit",), None, "events", 1)
    scoring = model(replace(fit("one", "true", 7), when=when("today = 1", "today")), measures=(measure,))
    visits = [activity("ada", "visit", midnight - timedelta(hours=h)) for h in (0, 24, 25)]
    (row,) = on_duckdb(scoring, [profile("ada", midnight)], visits)
    assert points(row) == {"one": 7}


def test_disqualifiers_and_stages_read_measures(score: Score) -> None:
    measure = Measure("visits", "…", ("visit",))
    out = Disqualifier("robot", "…", when("visits > 2", "visits"))
    stage = StageRule("pql", "…", stage_when("visits = 2", "visits"))
    scoring = model(measures=(measure,), disqualifiers=(out,), stages=(stage,))
    assert score(scoring, happened=[did("visit", 1)] * 2)["stage"] == "pql"
    assert score(scoring, happened=[did("visit", 1)] * 3)["disqualified"] == "robot"


# --- cycles ---------------------------------------------------------------------------------------

RECYCLES = Recycling(("rejected",), {"*": timedelta(days=30)})
LIVED = [did("visit", 20), did("visit", 3), did("demo_request", 12), did("unsubscribed", 20)]


def recycling(share: float = 0) -> Scoring:
    rules = acted("visit", "visit", 8), acted("unsubscribed", "unsubscribed", -15, group="negative")
    return model(*rules, fit("all", "employees = 1", 50), recycling=replace(RECYCLES, engagement=share))


@pytest.mark.parametrize(("share", "visit"), [(0, 8), (0.5, 12), (1, 16)])
def test_a_new_cycle_forgets_what_was_done_but_not_what_speaks_against(
    score: Score, share: float, visit: float
) -> None:
    row = score(recycling(share), {"employees": 1}, LIVED, cycle_since=ago(days=10))
    assert points(row) == {"visit": visit, "unsubscribed": -15, "all": 50}
    assert (row["hand_raise"], row["counted"]) == (False, 4)


def test_the_first_of_a_new_cycle_counts_again(score: Score) -> None:
    scoring = model(acted("trial", "trial", 16, counting="first", half_life_days=10), recycling=RECYCLES)
    happened = [did("trial", 20), did("trial", 10), did("trial", 1)]
    assert points(score(scoring, happened=happened, cycle_since=ago(days=15))) == {"trial": 8}
    half = replace(scoring, recycling=replace(RECYCLES, engagement=0.5))
    assert points(score(half, happened=happened, cycle_since=ago(days=15))) == {"trial": 2}


@pytest.mark.parametrize(
    ("happened", "rests_days", "reached"),
    [
        ([], None, "inquiry"),  # 50 points of fit, but it did nothing since
        ([did("visit", 20)], None, "inquiry"),
        ([did("visit", 3)], None, "mql"),
        ([did("visit", 3)], 1, "inquiry"),
        ([did("visit", 3)], 0, "mql"),
        ([did("demo_request", 3)], 1, "mql"),
        ([did("demo_request", 20)], 1, "inquiry"),
    ],
)
def test_points_make_a_recycled_lead_an_mql_after_its_rest_and_new_activity(
    score: Score, happened: list[Row], rests_days: float | None, reached: str
) -> None:
    rests = None if rests_days is None else NOW + timedelta(days=rests_days)
    row = score(recycling(), {"employees": 1}, happened, cycle_since=ago(days=10), quiet_until=rests)
    assert (row["reached"], row["stage"]) == (reached, reached)


# --- what a person says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "score_", "band"),
    [
        ({"override_score": 80}, 80, "hot"),
        ({"override_score": 30}, 30, "cool"),  # at once: no dwell
        ({"override_score": 500}, 100, "hot"),
        ({"override_score": 0}, 1, "cold"),
        ({"override_band": "hot"}, 60, "hot"),
        ({"override_band": "cold", "override_score": 80}, 80, "cold"),
        ({"override_band": "no such band"}, 60, "warm"),
    ],
)
def test_what_a_person_set_is_shown(score: Score, said: Row, score_: int, band: str) -> None:
    scoring = replace(model(fit("only", "employees = 1", 60)), group_bounds={})
    row = score(scoring, {"employees": 1}, band_before="warm", band_since=ago(hours=1), **said)
    assert (row["score"], row["band"], row["total"], points(row)) == (score_, band, 60, {"only": 60})


def test_nobody_sets_a_disqualified_lead_above_the_rest(score: Score) -> None:
    row = score(model(), {"domain": "rival.example"}, override_score=90, override_band="hot")
    assert (row["score"], row["band"], row["stage"]) == (0, "cold", "disqualified")


# --- the account --------------------------------------------------------------------------------------


def of_account(
    postgres: sa.Connection, scoring: Scoring, *people: Row, happened: Sequence[Row] = ()
) -> list[Any]:
    rows = on_postgres(postgres, scoring, people, happened)
    assert rows == on_duckdb(scoring, people, happened)
    return [(row["lead_id"], points(row), json.loads(row["account"])) for row in rows]


def test_the_other_people_of_an_account_add_up(postgres: sa.Connection) -> None:
    group = replace(fit("group", "true", 9), when=when("account_engaged >= 1 and account_sum >= 30"))
    scoring = model(fit("size", "employees > 0", 20), acted("visit", "visit", 10), group)
    people = [
        profile("ada", NOW, {"employees": 1}, account_id="x"),
        profile("bo", NOW, {"employees": 1}, account_id="x", own=False),
        profile("cy", NOW, {"employees": 1}, account_id="x", kind="student"),
        profile("dee", NOW, {"employees": 1}, account_id="y"),
        profile("eve", NOW, {"employees": 1}),
    ]
    happened = [activity("bo", "visit", ago(days=30)), activity("cy", "visit", ago(days=1))]
    ada, cy, dee, eve = of_account(postgres, scoring, *people, happened=happened)
    alone = {"account_best": 0, "account_sum": 0, "account_decayed": 0, "account_engaged": 0}
    assert ada == (
        "ada", {"size": 20, "group": 9},
        {"account_best": 30, "account_sum": 30, "account_decayed": 15, "account_engaged": 1},
    )  # fmt: skip
    assert cy[2] == {"account_best": 30, "account_sum": 50, "account_decayed": 15, "account_engaged": 1}
    assert (dee[2], eve[2]) == (alone, alone)


def test_a_model_that_asks_nothing_of_the_account_says_nothing_of_it(score: Score) -> None:
    assert score(model(fit("size", "employees > 0", 20)), {"employees": 1}, account_id="x")["account"] is None


# --- variants -----------------------------------------------------------------------------------------


def test_the_first_variant_whose_condition_holds_is_in_force(score: Score) -> None:
    default = model(fit("size", "employees > 0", 20), acted("visit", "visit", 5))
    large = replace(default, rules=(fit("large", "employees > 0", 60), default.rules[1]), group_bounds={})
    strict = replace(default, bands=tuple(replace(band, entry=2 * band.entry) for band in default.bands))
    scoring = replace(
        default,
        variants=(
            Variant("large", "…", when("employees > 1000"), large),
            Variant("abroad", "…", when("country = 'FR' or employees > 5000"), strict),
        ),
    )
    seen = [
        score(scoring, attributes, [did("visit", 1)])
        for attributes in ({"employees": 9000}, {"employees": 9, "country": "FR"}, {"employees": 9}, {})
    ]
    assert [(row["model"], row["score"], row["band"]) for row in seen] == [
        ("large", 65, "warm"), ("abroad", 25, "cold"), ("default", 25, "cool"), ("default", 5, "cold"),
    ]  # fmt: skip


# --- behaviour from elsewhere -------------------------------------------------------------------------


def test_behaviour_may_come_from_elsewhere() -> None:
    rules = acted("visit", "visit", 5, half_life_days=7), acted("day", "visit", 1, counting="per_day")
    measure = Measure("days", "…", ("visit",), None, "days", 30)
    scoring = model(
        *rules, replace(fit("use", "true", 3), when=when("days = 2", "days")), measures=(measure,)
    )
    shape = behaviour.shape(scoring)
    assert list(shape) == ["behaviour", "bounded_1", "measured_0"]
    given = {
        "behaviour": "select 'ada' as lead_id, timestamptz '2026-03-01 12:00:00+00' as raised_at, 9 as counted,"
        " 0.5 as weight_0",
        "bounded_1": "select 'ada' as lead_id, 2.0 as weight_1",
        "measured_0": "select 'ada' as lead_id, 2.0 as measure_0",
    }
    with duckdb.connect() as connection:
        columns = ", ".join(
            f"cast(null as {type_}) as {name}" for name, type_ in MEMORY.items() if name != "own"
        )
        connection.execute(
            "create table profiles as select 'ada' as lead_id, timestamptz '2026-03-02 12:00:00+00' as as_of,"
            f" 'sales' as kind, null as source, null as account_id, true as own, {columns}, '{{}}' as attributes"
        )
        query = statement(scoring, Dialect.DUCKDB, behaviour=given)
        (row,) = connection.execute(f"select contributions, hand_raise, counted from ({query})").fetchall()
    assert (json.loads(row[0]), row[1], row[2]) == ({"visit": 2.5, "day": 2, "use": 3}, True, 9)
