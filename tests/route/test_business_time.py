"""Business time against a clock that is looked at every minute, pandas' business hours, and itself, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import ALWAYS_OPEN, OFFICE

from clearlane.policy.model import Span, TimeOff
from clearlane.route.business_time import due_many, microseconds, moments_of, stages, timeline
from clearlane.route.calendars import (
    ALWAYS,
    Calendar,
    due,
    holidays_of,
    lead_calendar,
    next_opening,
    of_day,
    open_between,
    open_spans,
)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

# --- any calendar ---------------------------------------------------------------------------------

TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Europe/Dublin", "Asia/Kolkata", "Australia/Lord_Howe",
     "America/Santiago", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia"]
)  # fmt: skip
AROUND = st.sampled_from(
    [date(2026, 3, 6), date(2026, 3, 27), date(2026, 4, 2), date(2026, 9, 4), date(2026, 10, 23)]
)
"""days before clocks change somewhere, or with holidays near"""


@st.composite
def days_hours(draw: st.DrawFn) -> tuple[tuple[time, time], ...]:
    edges = sorted(draw(st.lists(TIMES, min_size=2, max_size=4, unique=True)))
    if draw(st.booleans()):
        edges = edges[: len(edges) // 2 * 2]
        return tuple(zip(edges[::2], edges[1::2], strict=True))
    return ((edges[-1], edges[0]),)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    hours = draw(st.dictionaries(st.integers(1, 7), days_hours(), min_size=1))
    first = draw(AROUND) + draw(st.integers(-3, 6)) * DAY
    off = TimeOff(first, first + draw(st.integers(0, 3)) * DAY, "off")
    region = draw(st.sampled_from([None, "DE", "US"]))
    return Calendar(draw(ZONES), hours, region, draw(st.sampled_from([(), (off,)])))


@st.composite
def both(draw: st.DrawFn) -> Calendar:
    """Of a rep who calls: the lead's hours count, too."""
    lead = lead_calendar(draw(ZONES), draw(st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1])))
    return replace(draw(calendars()), also=draw(st.sampled_from([None, lead])))


@st.composite
def starts(draw: st.DrawFn) -> datetime:
    day = datetime.combine(draw(AROUND), time(0), UTC)
    return day + draw(st.integers(-2 * 24 * 60, 5 * 24 * 60)) * MINUTE


# --- a clock that is looked at every minute -------------------------------------------------------

WEEKS = 4


def ticks(start: datetime) -> pd.DatetimeIndex:
    return pd.date_range(start - 3 * DAY, periods=WEEKS * 7 * 24 * 60, freq="min")


@lru_cache(maxsize=64)
def shown(zone: str, start: datetime) -> np.ndarray:
    """What a clock on the wall shows at each minute."""
    return ticks(start).tz_convert(zone).tz_localize(None).to_numpy()


def first_shown(zone: str, start: datetime, wanted: datetime) -> int:
    """The first minute at which the clock shows that time or a later one; 0 where it did so before."""
    later = shown(zone, start) >= np.datetime64(wanted)
    return int(later.argmax()) if later.any() else len(later)


def working_days(calendar: Calendar, start: datetime) -> list[date]:
    first = start.date() - 5 * DAY
    days = (first + n * DAY for n in range(WEEKS * 7 + 5))
    return [day for day in days if not is_free(calendar, day)]


def is_free(calendar: Calendar, day: date) -> bool:
    holiday = calendar.holidays is not None and day in holidays_of(calendar.holidays, day.year)
    return holiday or any(off.first <= day <= off.last for off in calendar.time_off)


def open_minutes(calendar: Calendar, start: datetime) -> np.ndarray:
    """Whether each minute is one of business."""
    found = np.zeros(len(ticks(start)), dtype=bool)
    for day in working_days(calendar, start):
        for opens, closes in calendar.hours.get(day.isoweekday(), ()):
            until = day if closes > opens else day + DAY
            edges = (datetime.combine(day, opens), datetime.combine(until, closes))
            first, last = (first_shown(calendar.zone, start, edge) for edge in edges)
            found[first:last] = True
    return found & open_minutes(calendar.also, start) if calendar.also else found


def ticked(calendar: Calendar, start: datetime, minutes: int) -> datetime | None:
    """When so many minutes of business have passed; None where that takes too long to look at."""
    looked_at = ticks(start)
    worked = looked_at[open_minutes(calendar, start) & (looked_at >= start)]
    return worked[minutes - 1].to_pydatetime() + MINUTE if len(worked) >= minutes else None


@settings(max_examples=examples(60, 1000), deadline=None)
@given(both(), starts(), st.integers(1, 1500))
def test_it_is_what_a_clock_says_that_is_looked_at_every_minute(
    calendar: Calendar, start: datetime, minutes: int
):
    expected = ticked(calendar, start, minutes)
    assume(expected)
    assert due(start, Span(minutes, "minutes"), calendar) == expected


@settings(max_examples=examples(30, 500), deadline=None)
@given(both(), starts(), starts())
def test_so_is_the_open_time_between_two_moments(calendar: Calendar, start: datetime, end: datetime):
    assume(start - DAY < end < start + 20 * DAY)
    looked_at = ticks(start)
    worked = open_minutes(calendar, start) & (looked_at >= start) & (looked_at < end)
    assert open_between(calendar, start, end) == int(worked.sum()) * MINUTE


def test_hours_over_which_the_clock_leaps_end_when_it_does():
    """On 29 March 2026 clocks in Berlin go from 02:00 to 03:00, at 01:00 UTC."""
    night = Calendar("Europe/Berlin", {7: ((time(0), time(2, 30)),)})
    leap = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert of_day(night, date(2026, 3, 29)) == [(leap - timedelta(hours=2), leap)]
    assert of_day(Calendar("Europe/Berlin", {7: ((time(2, 15), time(2, 45)),)}), date(2026, 3, 29)) == []


# --- pandas ---------------------------------------------------------------------------------------


@settings(max_examples=examples(60, 1000), deadline=None)
@given(starts(), st.integers(1, 40), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_whole_hours_of_an_office_are_those_of_pandas(start: datetime, hours: int, zone: str):
    """Days without a change of clocks in the hours: pandas counts hours of the wall, we hours that pass."""
    office = Calendar(zone, OFFICE, "DE")
    days = [day for year in (2026, 2027) for day in holidays_of("DE", year)]
    offset = pd.offsets.CustomBusinessHour(n=hours, start="09:00", end="17:00", holidays=days)
    local = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    expected = (pd.Timestamp(local) + offset).to_pydatetime()
    found = due(start, Span(hours, "hours"), office)
    opens = (
        next_opening(office, found) if found else None
    )  # where we say at closing, pandas says at the next opening
    assert opens
    assert opens.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == expected


# --- many at once ---------------------------------------------------------------------------------

SPANS = st.builds(Span, st.integers(0, 90), st.sampled_from(["minutes", "hours"])) | st.builds(
    Span, st.integers(0, 12), st.just("days")
)


@settings(max_examples=examples(40, 500), deadline=None)
@given(both(), st.lists(starts(), min_size=1, max_size=8), SPANS, st.integers(0, 59_999_999))
def test_many_at_once_are_each_by_itself(
    calendar: Calendar, given: Sequence[datetime], span: Span, more: int
):
    moments = [one + more * timedelta(microseconds=1) for one in given]
    assert due_many(moments, span, calendar) == [due(one, span, calendar) for one in moments]


@pytest.mark.parametrize("span", [Span(5, "minutes"), Span(3, "days")])
def test_of_none_there_is_none(span: Span):
    assert due_many([], span, ALWAYS) == []
    assert due_many([datetime(2026, 3, 2, tzinfo=UTC)], span, Calendar("UTC", {})) == [None]


def test_an_opening_in_more_than_400_days_is_none():
    start = datetime(2026, 3, 2, tzinfo=UTC)
    later = [start, start + 30 * DAY]
    off = (TimeOff(date(2026, 1, 1), date(2027, 4, 20), "sabbatical"),)
    calendar = Calendar("UTC", ALWAYS_OPEN, time_off=off)
    for span in (Span(5, "minutes"), Span(1, "days")):
        found = [due(one, span, calendar) for one in later]
        assert [one is None for one in found] == [True, False]
        assert due_many(later, span, calendar) == found


# --- warned, due, taken away ----------------------------------------------------------------------

SHARES = st.sampled_from([0.25, 0.5, 0.6, 0.8])
FACTORS = st.sampled_from([1.0, 1.5, 2.0, 3.0])


@settings(max_examples=examples(60, 1000), deadline=None)
@given(both(), st.lists(starts(), min_size=1, max_size=5), SPANS, SHARES, FACTORS)
def test_the_stages_of_many_are_those_of_each(
    calendar: Calendar, given: list[datetime], span: Span, share: float, factor: float
):
    many = timeline(calendar, moments_of(given)).stages(moments_of(given), span, share, factor)
    for n, start in enumerate(given):
        one = stages(start, span, calendar, share, factor)
        expected = (None, None, None) if one is None else tuple(one)
        assert [row[n] for row in many] == list(moments_of(expected))


@settings(max_examples=examples(60, 1000), deadline=None)
@given(both(), starts(), SPANS, SHARES, FACTORS)
def test_the_stages_are_shares_of_the_open_time(
    calendar: Calendar, start: datetime, span: Span, share: float, factor: float
):
    found = stages(start, span, calendar, share, factor)
    assume(found)
    length = open_between(calendar, start, found.due)
    assert found.warn is not None
    assert found.warn <= found.due
    assert open_between(calendar, start, found.warn) == length * share
    if found.reassign:
        assert found.reassign >= found.due
        assert open_between(calendar, start, found.reassign) == length * factor


def test_moments_are_whole_microseconds():
    at = datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC)
    assert microseconds(at) % 60_000_000 == 1
    assert next_opening(ALWAYS, at) == at
    assert next(open_spans(ALWAYS, at.date(), at.date()))[0] == at.replace(hour=0, microsecond=0)
