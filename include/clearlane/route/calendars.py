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

from clearlane.policy.model import Hours, Policy, Rep, Sla, Span, Tier, TimeOff

HORIZON = timedelta(days=400)
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
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
    also: Calendar | None = None
    """open only while this one is, too"""

    def __hash__(self) -> int:
        return hash((self.zone, self.holidays, self.time_off, self.on_call, self.also))

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


def promised_calendar(
    policy: Policy, tier: Tier, rep: str | None, at: datetime | None, zone: str | None = None
) -> Calendar:
    """Whose hours count for what is promised at a moment, and for calls to a lead in the zone its own, too.

    Without a moment nobody is on call.
    """
    own = _owners_calendar(policy, tier, policy.teams.reps.get(rep or ""), at)
    return replace(own, also=lead_calendar(zone, tier.lead_hours)) if zone and tier.lead_hours else own


def _owners_calendar(policy: Policy, tier: Tier, rep: Rep | None, at: datetime | None) -> Calendar:
    if tier.calendar == "always":
        return ALWAYS
    if tier.calendar == "team" or rep is None:
        return team_calendar(policy.sla)
    return replace(rep_calendar(rep), on_call=duties(policy, rep.id, at) if at else ())


def duties(policy: Policy, rep: str, at: datetime) -> tuple[_Opening, ...]:
    """The spans in which the rep is on call at that moment."""
    mine = (duty for duty in policy.teams.on_call if duty.rep == rep)
    return tuple((duty.first, duty.last) for duty in mine if duty.first <= at < duty.last)


def lead_calendar(zone: str, hours: tuple[clock, clock]) -> Calendar:
    """When somebody who lives in the zone may be called: the same local times every day."""
    return Calendar(zone, dict.fromkeys(range(1, 8), (hours,)))


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
    """Open spans that end after `at` and begin within 400 days of it, in order, as UTC moments that do not overlap."""
    first, last = calendar.local(at).date() - _DAY, at + HORIZON
    days = open_spans(calendar, first, first + HORIZON + 3 * _DAY)
    return ((opens, closes) for opens, closes in days if closes > at and opens <= last)


def open_spans(calendar: Calendar, first: date, last: date) -> Iterator[_Opening]:
    """The spans that begin on these local dates, and those on call, in order, as UTC moments that do not overlap."""
    reached = _LONG_AGO
    days = (span for n in range((last - first).days + 1) for span in _own(calendar, first + n * _DAY))
    for opens, closes in merge(days, sorted(calendar.on_call)):
        if closes > reached:
            yield from _shared(calendar.also, (max(opens, reached), closes))
            reached = closes


def of_day(calendar: Calendar, day: date) -> list[_Opening]:
    """The spans that begin on a local date, as UTC moments."""
    return [part for span in _own(calendar, day) for part in _shared(calendar.also, span)]


def _own(calendar: Calendar, day: date) -> list[_Opening]:
    spans = calendar.hours.get(day.isoweekday(), ())
    if not spans or _is_free(calendar, day):
        return []
    zone = ZoneInfo(calendar.zone)
    moments = (_moments(day, opens, closes, zone) for opens, closes in spans)
    return sorted(span for span in moments if span[0] < span[1])


def _shared(other: Calendar | None, span: _Opening) -> Iterator[_Opening]:
    """The parts of a span in which another calendar is open, too; all of it without one."""
    if other is None:
        yield span
        return
    first = other.local(span[0]).date() - _DAY
    for opens, closes in open_spans(other, first, other.local(span[1]).date()):
        if opens < span[1] and closes > span[0]:
            yield max(opens, span[0]), min(closes, span[1])


def _moments(day: date, opens: clock, closes: clock, zone: ZoneInfo) -> _Opening:
    """A span of one day, or over midnight where it closes no later than it opens."""
    until = day if closes > opens else day + _DAY
    return on_clock(day, opens, zone), on_clock(until, closes, zone)


def on_clock(day: date, at: clock, zone: ZoneInfo) -> datetime:
    """The first moment at which a clock in the zone shows that time or, where it leaps over it, a later one."""
    moment = datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)
    shown = moment.astimezone(zone).replace(tzinfo=None)
    return moment if shown == datetime.combine(day, at) else _leap(moment, zone)


def _leap(after: datetime, zone: ZoneInfo) -> datetime:
    """When the zone's clock leapt, less than a day before `after`. Clocks leap at whole seconds."""
    before, offset = after - _DAY, after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


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
    days = (after + offset * _DAY for offset in range(1, HORIZON.days))
    return (day for day in days if of_day(calendar, day))


def _same_time(calendar: Calendar, day: date, at: clock) -> datetime:
    """The wall-clock time on that day, moved into its opening hours."""
    wanted = on_clock(day, at, ZoneInfo(calendar.zone))
    spans = of_day(calendar, day)
    inside = next((max(wanted, opens) for opens, closes in spans if wanted <= closes), None)
    return inside if inside is not None else spans[-1][1]


def end_of_day(calendar: Calendar, at: datetime) -> datetime:
    """When the working day that `at` belongs to ends (UTC); on a day off and after closing at local midnight."""
    today = calendar.local(at).date()
    for day in (today - _DAY, today):
        spans = of_day(calendar, day)
        begun = day == today or (spans and spans[0][0] <= at)
        if begun and spans and at < spans[-1][1]:
            return spans[-1][1]
    return on_clock(today + _DAY, clock(0), ZoneInfo(calendar.zone))


def open_on(calendar: Calendar, day: date) -> timedelta:
    """How long it is open in the spans that begin on a local date."""
    return sum((closes - opens for opens, closes in of_day(calendar, day)), timedelta())


def open_between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """How long it is open from one moment until another; nothing where the other does not come later."""
    passed = timedelta()
    for opens, closes in openings(calendar, start):
        if opens >= end:
            break
        passed += max(min(closes, end) - max(opens, start), timedelta())
    return passed
