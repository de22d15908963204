"""What is told of as unusual, in words; and that a year in which nothing is wrong tells of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.quality.steady import changed, year

from clearlane.quality.days import WEEKS, Day, FieldFigures
from clearlane.quality.deviations import ALL_DAYS, Deviation, bound, deviations

PROMISED = 0.01
"""share of days on which a source that is as ever is told of"""


def alarms(days: Sequence[Day]) -> tuple[int, int]:
    """Days told of, of days that can be judged."""
    found = [bool(deviations([day], days[max(0, i - 7 * WEEKS) : i])) for i, day in enumerate(days)]
    return sum(found), len(found) - 5 * 7


def test_a_steady_year_tells_of_nothing() -> None:
    told, judged = alarms(year(seed=1, size=300))
    assert judged == 330
    assert told <= PROMISED * judged


@pytest.mark.full
@pytest.mark.parametrize("size", [60, 300, 2000])
@pytest.mark.parametrize("unrest", [0.0, 0.1, 0.2])
def test_steady_years_of_any_size_and_unrest_tell_of_nothing(size: int, unrest: float) -> None:
    told, judged = map(sum, zip(*(alarms(year(seed, size, 365, unrest)) for seed in range(4)), strict=True))
    assert told <= PROMISED * judged


# --- what is told -----------------------------------------------------------------------------------

DAYS = year(seed=2, size=400, days=12 * 7 + 1)
TODAY = DAYS[-1]


def told(day: Day, before: Sequence[Day] = DAYS[:-1]) -> dict[tuple[str, str], Deviation]:
    return {(one.field, one.what): one for one in deviations([day], before)}


def test_a_day_like_the_others_is_not_told_of() -> None:
    assert told(TODAY) == {}


def test_a_delivery_that_is_half_missing_is_told_in_words() -> None:
    found = told(replace(TODAY, rows=TODAY.rows // 3))[("", "volume")]
    assert found.because == f"{TODAY.rows // 3} records, usually about {found.usual:,.0f} on a Monday"
    assert found.z < 0


def test_nothing_at_all_is_told() -> None:
    nothing = Day(TODAY.day, "crm", "leads", 0)
    assert list(told(nothing)) == [("", "volume")]


@pytest.mark.parametrize(
    ("figures", "what", "words"),
    [
        ({"filled": 300}, "missing", "missing in "),
        (
            {"emptied": 60, "filled": TODAY.fields["country"].filled - 60},
            "emptied",
            "unusable and emptied in ",
        ),
        ({"distinct": 2}, "variety", "2 different values in "),
        ({"shape": {"h0": 300, "h1": 20}}, "spread", "its values are spread otherwise: stability index"),
    ],
)
def test_a_field_that_changed_is_told_by_name(figures: dict[str, object], what: str, words: str) -> None:
    found = told(changed(TODAY, "phone" if what == "spread" else "country", **figures))
    assert [key[1] for key in found] == [what]
    assert next(iter(found.values())).because.startswith(words)


def test_a_field_that_went_away_is_missing_in_every_record() -> None:
    fields = {name: one for name, one in TODAY.fields.items() if name != "company"}
    found = told(replace(TODAY, fields=fields))[("company", "missing")]
    assert found.because == "missing in 100% of the records, usually in 6%"


def test_more_in_quarantine_is_told_and_less_is_not() -> None:
    worse = told(replace(TODAY, quarantined=TODAY.rows // 5))[("", "quarantined")]
    assert worse.because.startswith("20% of the records went to quarantine, usually ")
    assert told(replace(TODAY, quarantined=0)) == {}


def test_numbers_ten_times_too_large_are_told_with_their_middle() -> None:
    one = TODAY.fields["employees"]
    shape = {f"n{int(kind[1:]) + 7}": count for kind, count in one.shape.items()}
    larger = changed(TODAY, "employees", shape=shape, quantiles=tuple(10 * value for value in one.quantiles))
    assert "; half are below " in told(larger)[("employees", "spread")].because


def test_a_bad_week_in_the_past_hides_nothing() -> None:
    broken = [replace(day, rows=day.rows * 20) if 30 <= i < 37 else day for i, day in enumerate(DAYS[:-1])]
    assert ("", "volume") in told(replace(TODAY, rows=TODAY.rows // 4), broken)
    assert told(TODAY, broken) == {}


def test_what_has_no_past_is_not_judged() -> None:
    new = replace(TODAY, fields={**TODAY.fields, "fax": FieldFigures(400, 400, 0, 400, {"h1": 400})})
    empty = [Day(day.day, "crm", "leads", 0) for day in DAYS[:-1]]
    assert told(new) == {}
    assert told(replace(TODAY, rows=1), DAYS[-ALL_DAYS:-1]) == {}
    assert told(replace(TODAY, rows=1), empty) == {}


def test_another_source_or_object_says_nothing_of_this_one() -> None:
    others = [replace(day, source="web") for day in DAYS[:-1]] + [replace(d, object="x") for d in DAYS[:-1]]
    assert told(replace(TODAY, rows=1), others) == {}


@settings(max_examples=examples(10, 60))
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_days_before_does_not_count(chance: object) -> None:
    before = list(DAYS[:-1])
    chance.shuffle(before)  # type: ignore[attr-defined]
    day = replace(TODAY, rows=TODAY.rows // 3)
    assert told(day, before) == told(day)


def test_the_more_figures_the_surer_each_must_be() -> None:
    assert bound(1, 84) < bound(60, 84) < bound(60, 28)


def test_days_after_it_and_of_long_ago_do_not_count() -> None:
    old = [replace(day, day=day.day - timedelta(weeks=13)) for day in DAYS[:-1]]
    late = [replace(day, day=day.day + timedelta(weeks=13)) for day in DAYS[:-1]]
    assert told(replace(TODAY, rows=1), [*old, *late]) == {}
