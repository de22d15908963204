"""Who runs short, when, by how much: the leads each team can expect in the next weeks against what it can take.

A week is judged as a whole, from Monday to Sunday in the zone of most of the team's members: what comes on a Saturday
is taken on Monday. What a team cannot take goes down the ladder of its rule, as it does today.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import inf, isfinite
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from clearlane.policy.model import Policy, Team
from clearlane.review import arrivals, demand, shortage
from clearlane.review.arrivals import Asked, Held
from clearlane.review.demand import MIN_WEEKS, Coverage, Floats, History
from clearlane.review.ladders import ladder_teams
from clearlane.review.supply import WEEK, Supply, is_holiday, supplies

WEEKS: Final = 4
HISTORY_WEEKS: Final = 26
SHORT: Final = 0.5
"""probability from which a team is told to run short in a week"""
_DAY: Final = timedelta(days=1)


class TooLittleHistory(LookupError):
    """No team has been asked for MIN_WEEKS whole weeks."""


@dataclass(frozen=True)
class Range:
    """Four of five futures lie between low and high; half lie above the middle."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Week:
    """A team in the week that begins on this Monday."""

    monday: date
    leads: Range
    bands: Mapping[str, Range]
    takes: float | None
    """leads that it can take; None: no cap limits it"""
    short: float
    """leads it cannot take, the mean of all futures"""
    probability: float
    """that it is short of at least one"""
    limit: str | None
    """what sets `takes`: `nobody at work` or the cap of `day`, `week` or `open` leads"""
    supply: Supply


@dataclass(frozen=True)
class Outlook:
    """One team, week after week, and the smallest changes each of which would do."""

    team: str
    name: str
    weeks: tuple[Week, ...]
    history_weeks: int
    open_days: float | None
    """how long a lead stays open, as measured; None: none was closed in that time"""
    remedies: tuple[str, ...] = ()

    @property
    def short_weeks(self) -> tuple[Week, ...]:
        return tuple(week for week in self.weeks if week.probability >= SHORT)

    @property
    def worst(self) -> Week:
        return max(self.weeks, key=lambda week: (week.probability, week.short))


@dataclass(frozen=True)
class Forecast:
    """What is told at a moment; teams in danger first."""

    as_of: datetime
    seed: int
    teams: tuple[Outlook, ...]
    coverage: Coverage
    """how the intervals did on the weeks of history that could be told from those before them"""
    too_new: Mapping[str, int]
    """team of which nothing is told -> its whole weeks of history"""
    quiet: tuple[str, ...]
    """teams that were never asked"""


def forecast(
    connection: Connection, policy: Policy, as_of: datetime, *, weeks: int = WEEKS, seed: int = 7
) -> Forecast:
    """The weeks that begin on or after the UTC date of `as_of`, from live decisions until then.

    Teams, caps, calendars and rules are the policy's. Raises TooLittleHistory.
    """
    since = _monday(as_of.date()) - HISTORY_WEEKS * WEEK * _DAY
    start = datetime.combine(since, time(0), UTC)
    asked = arrivals.asked(connection, policy, start - _DAY, as_of)
    first = arrivals.began(connection, as_of)
    held = arrivals.held(connection, start, as_of)
    return told(policy, asked, held, first, as_of, weeks=weeks, seed=seed)


def told(
    policy: Policy,
    asked: Sequence[Asked],
    held: Mapping[str, Held],
    first: datetime | None,
    as_of: datetime,
    *,
    weeks: int = WEEKS,
    seed: int = 7,
) -> Forecast:
    """The forecast from what was asked of each team since the first decision and what its members hold."""
    bands = _bands(policy, asked)
    histories = dict(_histories(policy, asked, bands, first, as_of))
    known = {team: one for team, one in histories.items() if len(one.parts) >= MIN_WEEKS}
    too_new = {team: len(one.parts) for team, one in histories.items() if team not in known}
    if not known:
        raise TooLittleHistory(
            f"{max(too_new.values(), default=0)} whole weeks of live decisions; at least {MIN_WEEKS} are needed"
        )
    begins = _monday(as_of.date() + 6 * _DAY)
    mondays = [begins + n * WEEK * _DAY for n in range(weeks)]
    futures = {
        team: demand.draws(one, _parts(policy, team, asked, mondays), seed=seed)
        for team, one in known.items()
    }
    expected = {team: drawn.sum(axis=2).mean(axis=0).tolist() for team, drawn in futures.items()}
    supply = supplies(policy, mondays, expected, held)
    outlooks = [
        _outlook(policy, team, bands, mondays, futures[team], supply[team], held, len(known[team].parts))
        for team in known
    ]
    return Forecast(
        as_of=as_of,
        seed=seed,
        teams=tuple(sorted(_with_neighbours(policy, outlooks), key=_danger)),
        coverage=sum((demand.backtest(one, seed=seed, size=500) for one in known.values()), Coverage()),
        too_new=too_new,
        quiet=tuple(team for team in policy.teams.teams if team not in histories),
    )


def _danger(outlook: Outlook) -> tuple[float, float, str]:
    return -round(outlook.worst.probability, 2), -outlook.worst.short, outlook.name


def as_json(found: Forecast) -> dict[str, Any]:
    """Plain values: dates and moments as ISO 8601, no limit as null."""
    plain: dict[str, Any] = _plain(asdict(found))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not isfinite(value) else value


# --- history ------------------------------------------------------------------------------------


def _monday(day: date) -> date:
    return day - day.weekday() * _DAY


def _bands(policy: Policy, asked: Iterable[Asked]) -> tuple[str, ...]:
    """The hottest first; bands that the model has no more at the end."""
    return tuple(dict.fromkeys([*(band.name for band in policy.scoring.bands), *(one.band for one in asked)]))


def _histories(
    policy: Policy, asked: Sequence[Asked], bands: Sequence[str], first: datetime | None, as_of: datetime
) -> Iterator[tuple[str, History]]:
    """The whole weeks of each team that was ever asked, since the first decision or the team's own beginning."""
    ends = _monday(as_of.date())
    for team in {one.team: None for one in asked}:
        begun = max(filter(None, (first and first.date(), policy.teams.teams[team].first)), default=ends)
        start = max(_monday(begun + 6 * _DAY), ends - HISTORY_WEEKS * WEEK * _DAY)
        mondays = [start + n * WEEK * _DAY for n in range(max((ends - start).days // WEEK, 0))]
        counts = np.zeros((len(mondays), len(bands)), np.int64)
        for one in asked:
            if one.team == team and start <= one.day < ends:
                counts[(one.day - start).days // WEEK, bands.index(one.band)] += one.leads
        yield team, History(counts, _parts(policy, team, asked, mondays))


def _parts(policy: Policy, team: str, asked: Sequence[Asked], mondays: Sequence[date]) -> Floats:
    """How much of an ordinary week each is: where members have a public holiday, leads come as on a weekend."""
    by_weekday = np.zeros(WEEK)
    for one in asked:
        if one.team == team:
            by_weekday[one.day.weekday()] += one.leads
    usual = by_weekday / max(by_weekday.sum(), 1)
    lost = np.maximum(usual - usual[5:].mean(), 0)
    days = [[monday + n * _DAY for n in range(WEEK)] for monday in mondays]
    free = np.array([[_free(policy, policy.teams.teams[team], day) for day in week] for week in days])
    parts: Floats = 1 - free.reshape(-1, WEEK) @ lost
    return parts


def _free(policy: Policy, team: Team, day: date) -> float:
    """The share of the members who have a public holiday."""
    members = [policy.teams.reps[rep] for rep, _ in team.members]
    return sum(is_holiday(rep, day) for rep in members) / len(members) if members else 0.0


# --- demand against supply ------------------------------------------------------------------------


def _outlook(
    policy: Policy,
    team: str,
    bands: Sequence[str],
    mondays: Sequence[date],
    futures: demand.Counts,
    supply: Sequence[Supply],
    held: Mapping[str, Held],
    history_weeks: int,
) -> Outlook:
    of = policy.teams.teams[team]
    remain = shortage.stays(shortage.open_days(held, of))
    leads = futures.sum(axis=2)
    takes = shortage.takes(leads, supply, remain)
    short = np.maximum(leads - takes, 0)
    weeks = tuple(
        Week(
            monday=monday,
            leads=_range(leads[:, n]),
            bands={band: _range(futures[:, n, i]) for i, band in enumerate(bands) if futures[:, n, i].any()},
            takes=_finite(float(np.median(takes[:, n]))),
            short=float(short[:, n].mean()),
            probability=float((short[:, n] >= 1).mean()),
            limit=shortage.limit(supply[n], float(np.median(takes[:, n]))),
            supply=supply[n],
        )
        for n, monday in enumerate(mondays)
    )
    outlook = Outlook(team, of.name, weeks, history_weeks, shortage.open_days(held, of))
    return (
        replace(outlook, remedies=tuple(_remedies(outlook, leads, remain)))
        if outlook.short_weeks
        else outlook
    )


def _range(drawn: Any) -> Range:
    return Range(*demand.interval(drawn))


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


# --- what would do --------------------------------------------------------------------------------


def _remedies(outlook: Outlook, leads: demand.Counts, remain: float) -> Iterator[str]:
    """Each alone makes every week safe: the smallest raise of a cap that binds, the fewest people more."""
    supply = [week.supply for week in outlook.weeks]
    for cap in dict.fromkeys(week.limit or "" for week in outlook.short_weeks):
        more = shortage.smallest_raise(cap, supply, leads, remain) if cap in shortage.CAPS else None
        if more:
            yield f"{more} lead{'s' * (more > 1)} more {shortage.CAPS[cap]} for each of its people"
    people = shortage.fewest_people(supply, leads, remain)
    if people:
        yield f"{people} more {'person' if people == 1 else 'people'} in every week"


def _with_neighbours(policy: Policy, outlooks: Sequence[Outlook]) -> Iterator[Outlook]:
    """The same, each short team with that of its ladders that has the most room, where that is enough."""
    for outlook in outlooks:
        near = _neighbours(policy, outlook.team)
        rooms = [(_spare(outlook, one), one.name) for one in outlooks if one.team in near]
        room, name = max(rooms, default=(0.0, ""))
        if outlook.short_weeks and room > 0:
            spare = f"have room for {room:,.0f} a week more than they may get"
            lend = f"{name}, who stand on a ladder with them and {spare}"
            outlook = replace(outlook, remedies=(*outlook.remedies, lend))
        yield outlook


def _neighbours(policy: Policy, team: str) -> set[str]:
    """Teams that some rule names beside this one, and that share nobody with it."""
    teams = policy.teams.teams
    near = {name for ladder in ladder_teams(policy).values() if team in ladder for name in ladder}
    own = {rep for rep, _ in teams[team].members}
    return {name for name in near if not own & {rep for rep, _ in teams[name].members}}


def _spare(short: Outlook, other: Outlook) -> float:
    """What the other team has left at the upper end of its leads while this one is short; 0: too little."""
    weeks = [
        (week, there)
        for week, there in zip(short.weeks, other.weeks, strict=True)
        if week in short.short_weeks
    ]
    spare = [(there.takes or 0.0) - there.leads.high for _, there in weeks]
    need = max((week.leads.high - (week.takes or 0.0) for week, _ in weeks), default=inf)
    least = min(spare, default=0.0)
    return least if least >= need else 0.0
