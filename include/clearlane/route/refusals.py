"""Why a rep could not take a lead, read from the sentences that decisions store: its code, and when it ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Final
from zoneinfo import ZoneInfo

from clearlane.policy.model import Rep
from clearlane.route.calendars import next_opening, rep_calendar
from clearlane.route.state import day_and_week, hour_of

Ends = Callable[[Rep, datetime, str], datetime | None]
"""(rep, when it was said, what was found in the sentence) -> until when it holds, or None"""


def _after_leave(rep: Rep, said_at: datetime, last: str) -> datetime | None:
    return _midnight(rep, date.fromisoformat(last) + timedelta(days=1))


def _from_day(rep: Rep, said_at: datetime, first: str) -> datetime | None:
    return _midnight(rep, date.fromisoformat(first))


def _midnight(rep: Rep, day: date) -> datetime:
    return datetime.combine(day, clock(0), ZoneInfo(rep.zone)).astimezone(UTC)


def _at(rep: Rep, said_at: datetime, moment: str) -> datetime | None:
    return datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def _cap_over(rep: Rep, said_at: datetime, span: str) -> datetime | None:
    _, tomorrow, _, monday = day_and_week(rep, said_at)
    return {"hour": hour_of(rep, said_at)[1], "day": tomorrow, "week": monday}.get(span)


def _never(rep: Rep, said_at: datetime, found: str) -> datetime | None:
    return None


_DAY = r"(\d{4}-\d\d-\d\d)"
_KNOWN: Final[tuple[tuple[str, re.Pattern[str], Ends], ...]] = (
    ("cap", re.compile(r"(hour|day|week|open) cap of \d+ reached"), _cap_over),
    ("out_of_hours", re.compile(rf"out of hours until ({_DAY[1:-1]} \d\d:\d\d)Z"), _at),
    ("silent", re.compile(rf"silent too often: out until ({_DAY[1:-1]} \d\d:\d\d)Z"), _at),
    ("away", re.compile(rf"off until {_DAY}"), _after_leave),
    ("not_yet", re.compile(rf"starts on {_DAY}"), _from_day),
    ("left", re.compile(rf"left on {_DAY}"), _never),
    ("not_selling", re.compile(r"(does not sell|not in teams\.yaml)"), _never),
    ("no_hours", re.compile(r"(no working hours)"), _never),
    ("match", re.compile(r"([a-z_]+): "), _never),
)
WORDS: Final[Mapping[str, str]] = {
    "cap": "at cap",
    "out_of_hours": "out of hours",
    "silent": "silent too often",
    "away": "away",
    "not_yet": "not yet there",
    "left": "left",
    "not_selling": "does not sell",
    "no_hours": "no working hours",
    "match": "does not match the lead",
    "other": "other",
}
"""code -> how it is told"""


def code(reason: str) -> str:
    """The code of a stored refusal: a key of WORDS."""
    return next((name for name, pattern, _ in _KNOWN if pattern.match(reason)), "other")


def ends(rep: Rep, reason: str, said_at: datetime) -> datetime | None:
    """From when (UTC) the rep may be at work and the reason does not hold any more; None where no moment is known."""
    moment = lapses(rep, reason, said_at)
    return next_opening(rep_calendar(rep), max(said_at, moment)) if moment else None


def lapses(rep: Rep, reason: str, said_at: datetime) -> datetime | None:
    """From when (UTC) a reason that was said at a moment does not hold any more, at work or not; None: unknown."""
    for _, pattern, end in _KNOWN:
        found = pattern.match(reason)
        if found:
            return end(rep, said_at, found[1])
    return None
