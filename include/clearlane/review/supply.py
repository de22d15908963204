"""How many leads a team can take in a week: the working days of its members times their caps, ramps included.

Who is in several teams gives each what the others are expected to leave, at least a part as large as its own leads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil, inf
from typing import Final

from clearlane.policy.model import Caps, Policy, Rep, Team, within
from clearlane.review.arrivals import Held
from clearlane.route.calendars import holidays_of, open_on, rep_calendar
from clearlane.route.eligibility import ramp_share, ramped

WEEK: Final = 7
_DAY: Final = timedelta(days=1)
_NOT_HELD: Final = Held()


@dataclass(frozen=True)
class Day:
    """A member on one local date."""

    hours: float
    takes: float
    """leads, by the caps of a day and an hour; infinite without"""


@dataclass(frozen=True)
class Member:
    """A rep in a team for a week: the days worked and the caps in force."""

    rep: str
    weight: float
    share: float
    """of the ramp"""
    days: tuple[Day, ...]
    """on which the rep works"""
    caps: Caps
    on_leave: bool
    holidays: int

    @property
    def takes(self) -> float:
        """Leads in the week by the caps of hour, day and week."""
        return min(sum(day.takes for day in self.days), inf if self.caps.week is None else self.caps.week)


@dataclass(frozen=True)
class Supply:
    """What a team has for its leads in one week; limits are infinite where no cap is set."""

    members: int
    """who belong to it in that week"""
    working: int
    """who work on at least one of its days"""
    hours: float
    on_leave: int
    holidays: int
    """working days that public holidays take"""
    ramping: int
    by_day: float
    """leads by the caps of hours and days"""
    by_week: float
    room: float
    """open leads that the working members may hold"""
    open: float
    """open leads that they hold now"""
    days: float
    """working days, each as full as the ramp allows: what one lead a day more gives"""
    people: float
    """members who work, each as full as the ramp allows: what one open lead more gives"""


def supplies(
    policy: Policy, mondays: Sequence[date], expected: Mapping[str, Sequence[float]], held: Mapping[str, Held]
) -> Mapping[str, Sequence[Supply]]:
    """By team with expected leads, a supply for each week; `expected` are leads by team and week."""
    weeks = [_week(policy, monday, _of_week(expected, n), held) for n, monday in enumerate(mondays)]
    return {team: [week[team] for week in weeks] for team in expected}


def _of_week(expected: Mapping[str, Sequence[float]], week: int) -> dict[str, float]:
    return {team: leads[week] for team, leads in expected.items()}


def _week(
    policy: Policy, monday: date, expected: Mapping[str, float], held: Mapping[str, Held]
) -> dict[str, Supply]:
    members = {team: _members(policy, policy.teams.teams[team], monday) for team in expected}
    asked = {team: _by_member(members[team], leads) for team, leads in expected.items()}
    wanted: dict[str, float] = {}
    for of_team in asked.values():
        for rep, leads in of_team.items():
            wanted[rep] = wanted.get(rep, 0.0) + leads
    return {
        team: _supply(members[team], [_part(one, asked[team], wanted) for one in members[team]], held)
        for team in expected
    }


def _by_member(members: Sequence[Member], leads: float) -> dict[str, float]:
    """A team's leads spread over those who work, by weight and days."""
    turns = {member.rep: member.weight * len(member.days) for member in members}
    total = sum(turns.values())
    return {rep: leads * own / total if total else 0.0 for rep, own in turns.items()}


def _part(member: Member, asked: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """How much of a member is there for this team, 0 to 1."""
    takes, own = member.takes, asked[member.rep]
    others = wanted[member.rep] - own
    if not others or not takes or takes == inf:
        return 1.0
    return max(1 - others / takes, own / (own + others))


def _supply(members: Sequence[Member], parts: Sequence[float], held: Mapping[str, Held]) -> Supply:
    there = [(member, part) for member, part in zip(members, parts, strict=True) if member.days]
    return Supply(
        members=len(members),
        working=len(there),
        hours=sum(day.hours for member in members for day in member.days),
        on_leave=sum(member.on_leave for member in members),
        holidays=sum(member.holidays for member in members),
        ramping=sum(member.share < 1 for member, _ in there),
        by_day=sum(_share(part, day.takes) for member, part in there for day in member.days),
        by_week=sum(_share(part, _cap(member.caps.week)) for member, part in there),
        room=sum(_share(part, _cap(member.caps.open)) for member, part in there),
        open=sum(part * held.get(member.rep, _NOT_HELD).open for member, part in there),
        days=sum(part * member.share * len(member.days) for member, part in there),
        people=sum(part * member.share for member, part in there),
    )


def _share(part: float, limit: float) -> float:
    return limit if limit == inf else part * limit


def _cap(cap: int | None) -> float:
    return inf if cap is None else cap


def _members(policy: Policy, team: Team, monday: date) -> tuple[Member, ...]:
    """Who belongs to the team on some day of the week that begins then."""
    found = (_member(policy.teams.reps[rep], team, monday) for rep, _ in team.members)
    return tuple(member for member in found if member is not None)


def _member(rep: Rep, team: Team, monday: date) -> Member | None:
    week = (monday + n * _DAY for n in range(WEEK))
    belongs = [day for day in week if _belongs(rep, team, day)]
    if not belongs:
        return None
    last, usual = belongs[-1], replace(rep_calendar(rep), holidays=None, time_off=())
    working = [day for day in belongs if open_on(usual, day)]
    share = ramp_share(rep, last)
    return Member(
        rep=rep.id,
        weight=(team.weight(rep.id, last) or 0.0) * share,
        share=share,
        days=tuple(day for day in (_day(rep, date_) for date_ in working) if day.hours),
        caps=ramped(rep.caps, share),
        on_leave=any(_off(rep, day) for day in working),
        holidays=sum(is_holiday(rep, day) for day in working),
    )


def _belongs(rep: Rep, team: Team, day: date) -> bool:
    selling = rep.sells and within(day, rep.active_from, rep.active_until)
    return selling and within(day, team.first, team.last) and team.weight(rep.id, day) is not None


def _off(rep: Rep, day: date) -> bool:
    return any(within(day, off.first, off.last) for off in rep.time_off)


def is_holiday(rep: Rep, day: date) -> bool:
    return rep.holidays is not None and day in holidays_of(rep.holidays, day.year)


def _day(rep: Rep, day: date) -> Day:
    hours = open_on(rep_calendar(rep), day) / timedelta(hours=1)
    caps = ramped(rep.caps, ramp_share(rep, day))
    return Day(hours, min(_cap(caps.day), _cap(caps.hour) * ceil(hours) if hours else 0.0))
