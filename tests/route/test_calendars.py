"""Business time: openings, holidays, time off, and due moments, checked against a slow clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import ALWAYS_OPEN, OFFICE

from clearlane.policy.model import Span, TimeOff
from clearlane.route.calendars import ALWAYS, Calendar, due, next_opening, open_between, open_on, openings

MINUTE = timedelta(minutes=1)
BERLIN = Calendar("Europe/Berlin", OFFICE, "DE-BE")
LONDON = Calendar("UTC", OFFICE)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-03-02T12:00", "2026-03-02T12:00"),
        ("2026-03-02T07:59", "2026-03-02T08:00"),
        ("2026-03-06T16:00", "2026-03-09T08:00"),  # closes on Friday at 17:00 in Berlin, 16:00 UTC
        ("2026-03-28T12:00", "2026-03-30T07:00"),  # summer time began on Sunday
        ("2026-04-02T20:00", "2026-04-07T07:00"),  # Good Friday and Easter Monday
    ],
)
def test_the_next_opening_in_berlin(moment, opening):
    assert next_opening(BERLIN, at(moment)) == at(opening)


@pytest.mark.parametrize(
    ("start", "amount", "unit", "expected"),
    [
        ("2026-03-02T12:00", 5, "minutes", "2026-03-02T12:05"),
        ("2026-03-02T16:58", 5, "minutes", "2026-03-03T09:03"),
        ("2026-03-02T17:00", 5, "minutes", "2026-03-03T09:05"),
        ("2026-03-06T15:00", 4, "hours", "2026-03-09T11:00"),
        ("2026-03-06T20:00", 4, "hours", "2026-03-09T13:00"),
        ("2026-03-02T10:30", 1, "days", "2026-03-03T10:30"),
        ("2026-03-06T10:30", 1, "days", "2026-03-09T10:30"),
        ("2026-03-06T18:00", 1, "days", "2026-03-10T09:00"),
        ("2026-03-05T10:30", 3, "days", "2026-03-10T10:30"),
    ],
)
def test_due_moments(start, amount, unit, expected):
    assert due(at(start), Span(amount, unit), LONDON) == at(expected)


def test_a_day_that_closes_earlier_is_due_at_its_closing():
    short_tuesday = Calendar("UTC", {**OFFICE, 2: ((time(9), time(12)),)})
    assert due(at("2026-03-02T16:00"), Span(1, "days"), short_tuesday) == at("2026-03-03T12:00")


def test_a_lunch_break_does_not_count():
    split = Calendar("UTC", {1: ((time(9), time(12)), (time(13), time(17)))})
    assert due(at("2026-03-02T11:50"), Span(20, "minutes"), split) == at("2026-03-02T13:10")


def test_a_night_shift_runs_over_midnight():
    night = Calendar("UTC", {1: ((time(22), time(6)),)})
    assert next_opening(night, at("2026-03-03T03:00")) == at("2026-03-03T03:00")
    assert due(at("2026-03-02T23:00"), Span(8, "hours"), night) == at("2026-03-09T23:00")


def test_always_is_always():
    assert due(at("2026-12-25T23:59"), Span(5, "minutes"), ALWAYS) == at("2026-12-26T00:04")


def test_a_calendar_that_never_opens_has_no_due_moment():
    assert next_opening(Calendar("UTC", {}), at("2026-03-02T12:00")) is None
    assert due(at("2026-03-02T12:00"), Span(1, "hours"), Calendar("UTC", {})) is None


def test_time_off_pauses_the_rep_and_not_the_lead():
    off = TimeOff(date(2026, 3, 2), date(2026, 3, 6), "holiday")
    away = Calendar("UTC", OFFICE, time_off=(off,))
    assert due(at("2026-03-02T12:00"), Span(1, "hours"), away) == at("2026-03-09T10:00")
    assert due(at("2026-03-02T12:00"), Span(1, "hours"), away.without_time_off()) == at("2026-03-02T13:00")


SPANS = st.sampled_from(
    [(), ((time(9), time(17)),), ((time(8), time(11)), (time(12), time(19, 30))), ((time(20), time(4)),)]
)
HOURS = st.dictionaries(st.integers(1, 7), SPANS, min_size=1)
MOMENTS = st.datetimes(datetime(2026, 3, 20), datetime(2026, 4, 10)).map(
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])


@settings(max_examples=examples(20, 200))
@given(HOURS, ZONES, MOMENTS, st.integers(1, 600))
def test_business_time_equals_a_clock_that_ticks_while_open(hours, zone, start, minutes):
    calendar = Calendar(zone, hours)
    assert due(start, Span(minutes, "minutes"), calendar) == _ticked(calendar, start, minutes)


def _ticked(calendar: Calendar, start: datetime, minutes: int) -> datetime | None:
    now, left = start, minutes
    while now < start + timedelta(days=40):
        if _is_open(calendar, now):
            left -= 1
            if left == 0:
                return now + MINUTE
        now += MINUTE
    return None


def _is_open(calendar: Calendar, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(calendar.zone))
    yesterday = (local.isoweekday() - 2) % 7 + 1
    now = local.time()
    today = calendar.hours.get(local.isoweekday(), ())
    return any(a <= now < b if a < b else now >= a for a, b in today) or any(
        b <= a and now < b for a, b in calendar.hours.get(yesterday, ())
    )


@given(HOURS, ZONES, MOMENTS)
def test_openings_are_in_order_and_apart(hours, zone, start):
    spans = [span for span, _ in zip(openings(Calendar(zone, hours), start), range(20), strict=False)]
    assert all(opens < closes for opens, closes in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_around_the_clock_is_open_at_every_moment():
    assert next_opening(Calendar("Asia/Kolkata", ALWAYS_OPEN), at("2026-03-01T00:00")) == at(
        "2026-03-01T00:00"
    )


def test_on_call_opens_whatever_the_hours_holidays_and_time_off():
    off = (TimeOff(date(2026, 3, 1), date(2026, 3, 8), "leave"),)
    duty = (
        (at("2026-03-02T16:30"), at("2026-03-02T20:00")),
        (at("2026-03-03T02:00"), at("2026-03-03T03:00")),
    )
    until = at("2026-03-03T12:00")

    def spans(calendar: Calendar) -> list[tuple[datetime, datetime]]:
        found = openings(calendar, at("2026-03-02T15:00"))
        return [(max(opens, at("2026-03-02T15:00")), closes) for opens, closes in found if opens < until]

    working = Calendar("UTC", OFFICE, on_call=duty)
    assert sum((closes - opens for opens, closes in spans(working)), timedelta()) == timedelta(hours=14)
    assert all(one[1] <= other[0] for one, other in pairwise(spans(working)))
    assert spans(Calendar("UTC", OFFICE, None, off, duty)) == list(duty)
    assert due(at("2026-03-02T19:58"), Span(5, "minutes"), working) == at("2026-03-03T02:03")


def test_open_time_counts_hours_and_not_nights_holidays_or_leave():
    assert open_between(LONDON, at("2026-03-02T16:00"), at("2026-03-03T10:30")) == timedelta(hours=2.5)
    assert open_between(BERLIN, at("2026-04-02T00:00"), at("2026-04-08T00:00")) == timedelta(hours=16)
    assert open_between(LONDON, at("2026-03-03T12:00"), at("2026-03-02T12:00")) == timedelta()
    assert open_on(BERLIN, date(2026, 4, 3)) == timedelta()
    assert open_on(BERLIN, date(2026, 4, 2)) == timedelta(hours=8)


@settings(max_examples=examples(30, 200))
@given(st.integers(0, 60 * 24 * 20), st.integers(1, 60 * 30))
def test_until_a_promise_falls_due_it_was_open_for_as_long_as_promised(offset: int, minutes: int):
    start = at("2026-03-20T00:00") + offset * MINUTE
    end = due(start, Span(minutes, "minutes"), BERLIN)
    assert end is not None
    assert open_between(BERLIN, start, end) == minutes * MINUTE
