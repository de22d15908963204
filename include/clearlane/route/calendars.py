"""Working hours: when a rep or a team is there, and when a promise in business time falls due.

Moments are aware datetimes; answers are UTC. Hours are wall-clock time of the calendar's zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import lru_cache
from heapq import merge
from itertools import islice
from zoneinfo import ZoneInfo

import holidays as holiday_calendars

from clearlane.policy.model import Hours, Rep, Sla, Span, TimeOff

HORIZON_DAYS = 400
_DAY = timedelta(days=1)
_Opening = tuple[datetime, datetime]


@dataclass(frozen=True)
class Calendar:
    """Open spans by ISO weekday, less the holidays of a country or region and the time off."""

    zone: str
    hours: Hours
    holidays: str | None = None
    time_off: tuple[TimeOff, ...] = ()
    on_call: tuple[_Opening, ...] = ()
    """moments between which it is open whatever the hours, as UTC"""

    def __hash__(self) -> int:
        return hash((self.zone, self.holidays, self.time_off, self.on_call))

    def local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone))

    def without_time_off(self) -> Calendar:
        return replace(self, time_off=())


_ALL_DAY = ((clock(0), clock(0)),)
ALWAYS = Calendar("UTC", dict.fromkeys(range(1, 8), _ALL_DAY))


def rep_calendar(rep: Rep) -> Calendar:
    return Calendar(rep.zone, rep.hours, rep.holidays, rep.time_off)


def team_calendar(sla: Sla) -> Calendar:
    return Calendar(sla.team_zone, sla.team_hours)


def absence(calendar: Calendar, at: datetime) -> TimeOff | None:
    """The time off that covers the local date of `at`."""
    today = calendar.local(at).date()
    return next((off for off in calendar.time_off if off.first <= today <= off.last), None)


@lru_cache(maxsize=4096)  # few reps have a calendar that nobody shares
def next_opening(calendar: Calendar, at: datetime) -> datetime | None:
    """`at` itself while open, else the next opening; None where none comes within 400 days."""
    return next((max(opens, at.astimezone(UTC)) for opens, _ in openings(calendar, at)), None)


@lru_cache(maxsize=4096)
def due(start: datetime, span: Span, calendar: Calendar) -> datetime | None:
    """When `span` of business time after `start` has passed; None where the calendar never opens.

    Minutes and hours run only while open. A day ends at the same time of the next working day (a start out of
    hours counts as the next opening), or at the last closing before that time.
    """
    if span.unit == "days":
        return _after_days(start, round(span.amount), calendar)
    return _after_open_time(start, timedelta(**{span.unit: span.amount}), calendar)


def openings(calendar: Calendar, at: datetime) -> Iterator[_Opening]:
    """Open spans that end after `at`, in order, as UTC moments that do not overlap."""
    first = calendar.local(at).date() - _DAY
    reached = at.astimezone(UTC) - HORIZON_DAYS * _DAY
    days = (span for offset in range(HORIZON_DAYS) for span in _of_day(calendar, first + offset * _DAY))
    for opens, closes in merge(days, sorted(calendar.on_call)):
        if closes > max(reached, at):
            yield max(opens, reached), closes
            reached = closes


def _of_day(calendar: Calendar, day: date) -> list[_Opening]:
    spans = calendar.hours.get(day.isoweekday(), ())
    if not spans or _is_free(calendar, day):
        return []
    zone = ZoneInfo(calendar.zone)
    return sorted(_moments(day, opens, closes, zone) for opens, closes in spans)


def _moments(day: date, opens: clock, closes: clock, zone: ZoneInfo) -> _Opening:
    """A span of one day, or over midnight where it closes no later than it opens."""
    until = day if closes > opens else day + _DAY
    return _utc(day, opens, zone), _utc(until, closes, zone)


def _utc(day: date, at: clock, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _is_free(calendar: Calendar, day: date) -> bool:
    off = any(off.first <= day <= off.last for off in calendar.time_off)
    return off or (calendar.holidays is not None and day in holidays_of(calendar.holidays, day.year))


@lru_cache(maxsize=512)
def holidays_of(region: str, year: int) -> frozenset[date]:
    """Public holidays of an ISO country or subdivision ("DE", "US-CA"); NotImplementedError for others."""
    country, _, subdivision = region.partition("-")
    return frozenset(holiday_calendars.country_holidays(country, subdiv=subdivision or None, years=year))


def _after_open_time(start: datetime, length: timedelta, calendar: Calendar) -> datetime | None:
    left = length
    for opens, closes in openings(calendar, start):
        begins = max(opens, start.astimezone(UTC))
        if closes - begins >= left:
            return begins + left
        left -= closes - begins
    return None


def _after_days(start: datetime, days: int, calendar: Calendar) -> datetime | None:
    begins = next_opening(calendar, start)
    if begins is None or days < 1:
        return begins
    local = calendar.local(begins)
    day = next(islice(_working_days(calendar, local.date()), days - 1, None), None)
    return None if day is None else _same_time(calendar, day, local.timetz().replace(tzinfo=None))


def _working_days(calendar: Calendar, after: date) -> Iterator[date]:
    days = (after + offset * _DAY for offset in range(1, HORIZON_DAYS))
    return (day for day in days if _of_day(calendar, day))


def _same_time(calendar: Calendar, day: date, at: clock) -> datetime:
    """The wall-clock time on that day, moved into its opening hours."""
    wanted = _utc(day, at, ZoneInfo(calendar.zone))
    spans = _of_day(calendar, day)
    inside = next((max(wanted, opens) for opens, closes in spans if wanted <= closes), None)
    return inside if inside is not None else spans[-1][1]


def open_on(calendar: Calendar, day: date) -> timedelta:
    """How long it is open in the spans that begin on a local date."""
    return sum((closes - opens for opens, closes in _of_day(calendar, day)), timedelta())


def open_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """How long it is open from one moment until another; nothing where the other does not come later."""
    passed = timedelta()
    for opens, closes in openings(calendar, start):
        if opens >= end:
            break
        passed += max(min(closes, end) - max(opens, start), timedelta())
    return passed
