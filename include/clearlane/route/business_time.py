"""Business time of many promises at once: what `calendars.due` says of one, by look-up in the calendar's open spans.

Moments are whole microseconds since 1970 UTC in arrays; NEVER stands for a moment that does not come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import cached_property
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.policy.model import Span
from clearlane.route.calendars import HORIZON, Calendar, due, of_day, on_clock, open_between, open_spans

Moments = npt.NDArray[np.int64]
NEVER: Final = np.iinfo(np.int64).max
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_DAY_US: Final = _DAY // _MICROSECOND
_HORIZON_US: Final = HORIZON // _MICROSECOND


class Stages(NamedTuple):
    """When a promise is warned of, falls due, and goes to somebody else; None: never."""

    warn: datetime | None
    due: datetime
    reassign: datetime | None


def stages(start: datetime, span: Span, calendar: Calendar, share: float, factor: float) -> Stages | None:
    """The moments of one promise; None where it never falls due.

    Warned after `share` and taken away after `factor` of the open time until it is due.
    """
    end = due(start, span, calendar)
    if end is None:
        return None
    length = open_between(calendar, start, end)
    warn, reassign = (_after(start, length * part, calendar) for part in (share, factor))
    return Stages(warn, end, reassign and max(reassign, end))


def _after(start: datetime, length: timedelta, calendar: Calendar) -> datetime | None:
    return due(start, Span(length / timedelta(minutes=1), "minutes"), calendar)


def moments_of(given: Sequence[datetime | None]) -> Moments:
    return np.array([NEVER if one is None else microseconds(one) for one in given], dtype=np.int64)


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment(of: int) -> datetime | None:
    return None if of == NEVER else _EPOCH + int(of) * _MICROSECOND


def due_many(starts: Sequence[datetime], span: Span, calendar: Calendar) -> list[datetime | None]:
    """`calendars.due` of each start."""
    given = moments_of(starts)
    return [moment(one) for one in (timeline(calendar, given).due(given, span) if len(given) else ())]


def timeline(calendar: Calendar, starts: Moments) -> Timeline:
    """The timeline that promises which begin then need; at least one of them."""
    first, last = (
        calendar.local(_EPOCH + int(one) * _MICROSECOND).date() for one in (np.min(starts), np.max(starts))
    )
    return Timeline(calendar, first - _DAY, last + 2 * HORIZON)


@dataclass(frozen=True)
class Timeline:
    """The open spans of a calendar that begin on these local dates."""

    calendar: Calendar
    first: date
    last: date

    @cached_property
    def _spans(self) -> tuple[Moments, Moments, Moments]:
        """Openings, closings, and the open time before each opening."""
        spans = list(open_spans(self.calendar, self.first, self.last))
        opens, closes = (moments_of([span[side] for span in spans]) for side in (0, 1))
        return opens, closes, np.concatenate(([0], np.cumsum(closes - opens)))[:-1].astype(np.int64)

    def worked(self, until: Moments) -> Moments:
        """How long it was open before each moment, since the first date."""
        opens, closes, before = self._spans
        if not len(opens):
            return np.zeros_like(until)
        at = np.maximum(np.searchsorted(opens, until, "right") - 1, 0)
        inside = np.clip(until, opens[at], closes[at]) - opens[at]
        return np.asarray(before[at] + inside, dtype=np.int64)

    def after(self, starts: Moments, lengths: Moments) -> Moments:
        """When it was open for so long since each start."""
        opens, closes, before = self._spans
        ends = before + closes - opens
        wanted = self.worked(starts) + lengths
        at = np.maximum(np.searchsorted(ends, wanted, "left"), np.searchsorted(closes, starts, "right"))
        found = at < len(opens)
        at = np.where(found, at, 0)
        reached = np.maximum(opens[at] + wanted - before[at], starts) if len(opens) else starts
        in_time = found & (opens[at] <= starts + _HORIZON_US) if len(opens) else found
        return np.where(in_time, reached, NEVER)

    def due(self, starts: Moments, span: Span) -> Moments:
        """When a promise that begins at each start falls due."""
        if span.unit == "days":
            return self._after_days(starts, round(span.amount))
        length = timedelta(**{span.unit: span.amount}) // _MICROSECOND
        return self.after(starts, np.full_like(starts, length))

    def stages(
        self, starts: Moments, span: Span, share: float, factor: float
    ) -> tuple[Moments, Moments, Moments]:
        """When promises that begin then are warned of, fall due and are taken away, as `stages` says of one."""
        ends = self.due(starts, span)
        length = np.where(
            ends == NEVER, 0, self.worked(np.where(ends == NEVER, starts, ends)) - self.worked(starts)
        )
        parts = (np.rint(length * part).astype(np.int64) for part in (share, factor))
        warn, reassign = (np.where(ends == NEVER, NEVER, self.after(starts, part)) for part in parts)
        return warn, ends, np.maximum(reassign, ends)

    def _after_days(self, starts: Moments, days: int) -> Moments:
        begins = self.after(starts, np.zeros_like(starts))
        if days < 1:
            return begins
        found = np.full_like(starts, NEVER)
        coming = begins != NEVER
        if coming.any():
            found[coming] = self._days_later(begins[coming], days)
        return found

    def _days_later(self, begins: Moments, days: int) -> Moments:
        """The same local time so many working days later, moved into that day's hours."""
        today, times = self._shown(begins)
        at = np.searchsorted(self._working, today, "right") + days - 1
        there = at < len(self._working)
        target = np.where(there, self._working[np.where(there, at, 0)], 0)
        there &= target < today + HORIZON.days
        found = np.full_like(begins, NEVER)
        for ordinal in np.unique(target[there]):
            rows = there & (target == ordinal)
            found[rows] = self._into(date.fromordinal(int(ordinal)), times[rows])
        return found

    @cached_property
    def _working(self) -> npt.NDArray[np.int64]:
        """The local dates with hours, as ordinals."""
        days = (self.first + n * _DAY for n in range((self.last - self.first).days + 1))
        return np.array([day.toordinal() for day in days if of_day(self.calendar, day)], dtype=np.int64)

    def _shown(self, moments: Moments) -> tuple[npt.NDArray[np.int64], Moments]:
        """The date (as ordinal) and the time of day (in microseconds) that a clock in the zone shows."""
        index = pd.DatetimeIndex(moments.astype("datetime64[us]"), tz="UTC").tz_convert(self.calendar.zone)
        local: Any = index.tz_localize(None).as_unit("us").asi8
        return local // _DAY_US + _EPOCH.toordinal(), local % _DAY_US

    def _into(self, day: date, times: Moments) -> Moments:
        """These times of a working day, moved into its hours."""
        spans = of_day(self.calendar, day)
        opens, closes = (moments_of([span[side] for span in spans]) for side in (0, 1))
        wanted = self._on_clock(day, times)
        at = np.searchsorted(closes, wanted, "left")
        inside = at < len(closes)
        return np.where(inside, np.maximum(wanted, opens[np.where(inside, at, 0)]), closes[-1])

    def _on_clock(self, day: date, times: Moments) -> Moments:
        zone = ZoneInfo(self.calendar.zone)
        begins, ends = on_clock(day, clock(0), zone), on_clock(day + _DAY, clock(0), zone)
        if begins.astimezone(zone).utcoffset() == ends.astimezone(zone).utcoffset():
            offset = begins.astimezone(zone).utcoffset() or timedelta()
            midnight = datetime.combine(day, clock(0), UTC) - offset
            return np.asarray(microseconds(midnight) + times, dtype=np.int64)
        shown = ((datetime.min + int(one) * _MICROSECOND).time() for one in times)
        return moments_of([on_clock(day, one, zone) for one in shown])
