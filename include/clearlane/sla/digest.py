"""The figures of a week: how soon, what was not kept, what became of offers, how far cohorts came; and the week before.

A week is from Monday to Monday, UTC. The same ledger, week and moment give the same digest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.quality import profiles, scores
from clearlane.score.gaps import Gap, gaps
from clearlane.sla import figures, speed
from clearlane.sla.figures import Cohort, Intake, Offers, Reason, Trouble
from clearlane.sla.speed import Breaches, Kept, Speed, Window

WEEK: Final = timedelta(days=7)
COHORTS: Final = timedelta(days=150)
"""how far back cohorts are shown"""
TREND: Final = 8 * WEEK
PROMISES: Final[Mapping[str, str]] = {
    "arrival": "arrival to first touch",
    "assignment": "assignment to first touch",
    "accept": "assignment to accept",
}


@dataclass(frozen=True)
class Week:
    window: Window
    speed: Sequence[Speed]
    breaches: Sequence[Breaches]
    offers: Sequence[Offers]
    reasons: Sequence[Reason]
    intake: Sequence[Intake]
    quality: Sequence[Quality]


@dataclass(frozen=True)
class Quality:
    """How good a source's records were in a week: 0 to 100 points, what cost some, what was not as usual."""

    source: str
    score: int
    costs: tuple[str, ...]
    unusual: tuple[str, ...]


@dataclass(frozen=True)
class Digest:
    week: Week
    before: Week
    trend: Sequence[Kept]
    cohorts: Sequence[Cohort]
    troubles: Sequence[Trouble]
    gaps: Sequence[Gap] = ()
    """what rules ask for and leads lack, what is worth most first"""


def digest(connection: Connection, policy: Policy, monday: datetime, as_of: datetime) -> Digest:
    """The week that begins on a Monday (`monday_of`), as of a moment. Leaves temporary tables until the commit."""
    end = monday + WEEK
    profiles.refresh(connection, policy, as_of)
    return Digest(
        week=_week(connection, policy, Window(monday, end, as_of)),
        before=_week(connection, policy, Window(monday - WEEK, monday, as_of)),
        trend=speed.trend(connection, Window(end - TREND, end, as_of)),
        cohorts=figures.cohorts(connection, min(end, as_of) - COHORTS, as_of),
        troubles=figures.troubles(connection, Window(monday, end, as_of)),
        gaps=gaps(connection, policy.scoring, as_of),
    )


def _week(connection: Connection, policy: Policy, window: Window) -> Week:
    return Week(
        window,
        speed.speed(connection, policy, window),
        speed.breaches(connection, window),
        figures.offers(connection, policy.routing.rerouting.returned, window),
        figures.reasons(connection, window),
        figures.intake(connection, window),
        _quality(connection, policy, window),
    )


def _quality(connection: Connection, policy: Policy, window: Window) -> Sequence[Quality]:
    """By the days of the week that are over."""
    last = min(window.until, window.as_of).date() - timedelta(days=1)
    found = scores.scores(connection, policy, window.since.date(), last)
    return tuple(
        Quality(one.source, one.points, tuple(one.reasons), tuple(map(scores.sentence, one.deviations)))
        for one in found
    )


def last_monday(as_of: datetime) -> datetime:
    """When the last week began that has ended by a moment."""
    midnight = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday()) - WEEK


def monday_of(week: str) -> datetime:
    """When a week like `2026-W10` begins; ValueError for what names none."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", week)
    if found is None:
        raise ValueError(f"{week!r} is no week: write it as 2026-W10")
    day = date.fromisocalendar(int(found[1]), int(found[2]), 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


# --- as data ----------------------------------------------------------------------------------------------


def as_json(told: Digest) -> Mapping[str, Any]:
    """Spans in seconds, moments as ISO 8601, shares from 0 to 1; null where there is nothing to tell."""
    return {
        "week": _week_json(told.week),
        "before": _week_json(told.before),
        "trend": [_row(one) for one in told.trend],
        "cohorts": [_row(one) for one in told.cohorts],
        "troubles": [_row(one) for one in told.troubles],
    }


def _week_json(week: Week) -> Mapping[str, Any]:
    rows = {one.name: getattr(week, one.name) for one in fields(week) if one.name != "window"}
    window = {name: moment.isoformat() for name, moment in asdict(week.window).items()}
    return {**window, **{name: [_row(one) for one in listed] for name, listed in rows.items()}}


def _row(one: Any) -> Mapping[str, Any]:
    shown = {name: _value(value) for name, value in asdict(one).items()}
    return shown | ({"share": one.share} if isinstance(one, Speed | Offers) else {})


def _value(value: Any) -> Any:
    match value:
        case timedelta():
            return value.total_seconds()
        case date():
            return value.isoformat()
        case tuple():
            return list(value)
        case _:
            return value


# --- as tables --------------------------------------------------------------------------------------------


def tables(told: Digest) -> Sequence[Table]:
    """The week as a person reads it on a screen."""
    week = told.week
    return (
        _speed_table(week.speed),
        _table(
            "Not kept",
            ("promise", "of", "cause", "broken", "withdrawn"),
            (
                (PROMISES.get(one.promise, one.promise), _of(one), one.cause, one.count, one.withdrawn)
                for one in week.breaches
            ),
        ),
        _table(
            "Leads given, and what was made of them",
            ("of", "given", "accepted", "declined", "no lead", "timed out", "taken away", "open", "share"),
            (
                (_of(one), one.offered, one.accepted, one.declined, one.returned, one.timed_out, one.taken,
                 one.open, percent(one.share))
                for one in week.offers
            ),
        ),
        _table(
            "Why they were declined",
            ("of", "reason", "leads"),
            ((_of(one), one.reason, one.count) for one in week.reasons),
        ),
        _cohort_table(told.cohorts),
        _table(
            "Quality of sources",
            ("source", "score", "points lost"),
            ((one.source, one.score, "; ".join(one.costs)) for one in week.quality),
        ),
    )  # fmt: skip


def _speed_table(speeds: Sequence[Speed]) -> Table:
    heads = (
        "promise",
        "of",
        "kept",
        "late",
        "untouched",
        "not judged",
        "in time",
        "median",
        "p90",
        "in hours",
        "p90",
    )
    rows = (
        (PROMISES[one.promise], _of(one), one.kept, one.late, one.untouched, one.unjudged, percent(one.share),
         *(span(each) for each in (one.median, one.p90, one.business_median, one.business_p90)))
        for one in speeds
    )  # fmt: skip
    return _table("Speed to lead", heads, rows)


def _cohort_table(cohorts: Sequence[Cohort]) -> Table:
    rows = (
        (f"{one.month:%Y-%m}", _of(one), one.leads, one.accepted, one.sql, one.won, f"{one.amount:,.0f}",
         f"{one.won_amount:,.0f}", ", ".join(one.unfinished))
        for one in cohorts
    )  # fmt: skip
    heads = ("month", "of", "MQL", "accepted", "SQL", "won", "pipeline", "won amount", "unfinished")
    return _table("Cohorts of leads", heads, rows)


def _table(title: str, heads: Sequence[str], rows: Any) -> Table:
    table = Table(*heads, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _of(one: Speed | Breaches | Offers | Reason | Cohort) -> str:
    return "all" if one.by == "all" else f"{one.by} {one.name or 'none'}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def span(length: timedelta | None) -> str:
    """`4 min`, `1 h 20 min`, `2 d 3 h`; a dash where it never ended."""
    from clearlane.sla.mails.rendering import length as told

    return "–" if length is None else told(length)
