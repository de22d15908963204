"""Where a band may begin so that its teams can take its leads and answer them in time.

For each threshold the leads at or above it are played, as they came, through their teams: so many people in the
team's hours, first come first served, each lead holding one for `handling` minutes (an assumption, told with the
result). What is colder waits and is not played. Holidays and leave are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from heapq import heapreplace
from math import inf, isfinite
from typing import Final

import numpy as np
import pandas as pd

from clearlane.policy.model import Hours, Policy, Span, Team
from clearlane.review.arrivals import home_zone
from clearlane.review.cases import Interval
from clearlane.review.judgement.performance import Outcomes
from clearlane.review.judgement.resampling import Flags, Floats, interval, rate, resamples
from clearlane.review.supply import supplies

GOAL: Final = 0.85
"""share of the leads to be answered in time: what the default company promises"""
HANDLING: Final = 12.0
"""minutes that a lead keeps its rep from the next one"""
_WEEK: Final = 7 * 24 * 60
_EVERYONE: Final = "(all together)"


@dataclass(frozen=True)
class Desk:
    """A team at work. Each plays for itself: who is in two teams is counted in both."""

    people: int
    hours: Hours
    zone: str
    takes: float
    """leads a day, weekends included; infinite without a cap"""


@dataclass(frozen=True)
class Threshold:
    """A band's entry: what it brings now, and how low it may lie.

    `lowest` is the lowest entry at which teams can take what comes and answer `goal` of it in time; None: none is high
    enough.
    """

    band: str
    now: float
    leads_a_day: Interval
    takes: float | None
    """leads a day that the teams can take; None: no cap"""
    minutes: float | None
    """business minutes in which the first touch is promised; None: no promise"""
    in_time: Interval | None
    rate: Interval | None
    """of the leads at or above, those that reached the target"""
    lowest: float | None
    rate_between: Interval | None
    """of the leads between `lowest` and `now`, where there is room below"""

    @property
    def proposed(self) -> float | None:
        """Up where it has to; never down by itself: whether more leads are wanted is for people to say."""
        return None if self.lowest is None else max(self.now, self.lowest)


@dataclass(frozen=True)
class Thresholds:
    """Every band but the last, the hottest first, and what was assumed."""

    bands: tuple[Threshold, ...]
    handling: float
    goal: float


@dataclass(frozen=True)
class Desks:
    """The teams that get leads, and how many leads a day all their people together can take; infinite without a cap."""

    teams: Mapping[str, Desk] = field(default_factory=dict)
    takes: float = inf


def desks(policy: Policy, week: date, leads: Mapping[str, float]) -> Desks:
    """Teams that get so many leads a week: who works in the week of the date, in the hours and zone of most of them.

    Who is in several teams gives each a part; in what all can take everybody counts once.
    """
    expected = {team: [weekly] for team, weekly in leads.items() if team in policy.teams.teams}
    monday = week - timedelta(days=week.weekday())
    found = supplies(policy, [monday], expected, {})
    together = supplies(_with_everyone(policy, expected), [monday], {_EVERYONE: [1.0]}, {})
    teams = {
        team: Desk(
            one.working, _hours(policy, team), home_zone(policy, team), min(one.by_day, one.by_week) / 7
        )
        for team, (one,) in found.items()
        if one.working
    }
    (everyone,) = together[_EVERYONE]
    return Desks(teams, min(everyone.by_day, everyone.by_week) / 7)


def _with_everyone(policy: Policy, teams: Iterable[str]) -> Policy:
    """With a team of all members of these, each once."""
    members = {rep: 1.0 for team in teams for rep, _ in policy.teams.teams[team].members}
    whole = Team(_EVERYONE, _EVERYONE, tuple(members.items()))
    return replace(policy, teams=replace(policy.teams, teams={**policy.teams.teams, _EVERYONE: whole}))


def _hours(policy: Policy, team: str) -> Hours:
    members = [policy.teams.reps[rep].hours for rep, _ in policy.teams.teams[team].members]
    return max(members, key=members.count)


def promises(policy: Policy, day_minutes: float = 480) -> Mapping[str, float | None]:
    """Band -> business minutes until the first touch is due; a day of a calendar counts as `day_minutes`."""
    tiers = {band: policy.sla.tier(tier) for band, tier in policy.sla.by_band.items()}
    return {band: _minutes(tier.first_touch, day_minutes) if tier else None for band, tier in tiers.items()}


def _minutes(span: Span | None, day_minutes: float) -> float | None:
    return span.amount * {"minutes": 1, "hours": 60, "days": day_minutes}[span.unit] if span else None


# --- the queue --------------------------------------------------------------------------------------


def business_minutes(at: pd.Series, hours: Hours, zone: str) -> Floats:
    """Minutes open since a fixed Monday until each moment (UTC): while closed the clock stands still."""
    local = at.dt.tz_convert(zone).dt.tz_localize(None)
    minutes = ((local - pd.Timestamp(2001, 1, 1)) / pd.Timedelta(minutes=1)).to_numpy(np.float64)
    open_until = np.concatenate([[0.0], np.cumsum(_is_open(hours))])
    week, within = np.divmod(minutes, _WEEK)
    found: Floats = week * open_until[-1] + np.interp(within, np.arange(_WEEK + 1), open_until)
    return found


def _is_open(hours: Hours) -> Floats:
    """Of each minute of a week from Monday 00:00, 1 where it is open."""
    found = np.zeros(_WEEK)
    for day, spans in hours.items():
        for first, last in spans:
            begins, ends = _minute(first), _minute(last) or 24 * 60
            found[(day - 1) * 1440 + begins : (day - 1) * 1440 + ends] = 1.0
    return found


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def waits(arrivals: Floats, people: int, handling: float) -> Floats:
    """Minutes that each waits for somebody free, first come first served; arrivals in order."""
    free = [float("-inf")] * people
    found = np.empty(len(arrivals))
    for n, at in enumerate(arrivals.tolist()):
        begins = max(at, free[0])
        heapreplace(free, begins + handling)
        found[n] = begins - at
    return found


# --- thresholds -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Played:
    """Leads as often as they stand for, in the order in which they came."""

    at: pd.Series
    day: np.ndarray
    team: np.ndarray
    score: Floats
    opened: Floats
    desks: Mapping[str, Desk]
    handling: float

    def above(self, threshold: float) -> Flags:
        found: Flags = self.score >= threshold
        return found

    def prompt(self, threshold: float, minutes: float) -> tuple[Flags, Flags]:
        """Who is at or above the threshold with a desk, and of all who is answered in time."""
        above, prompt = self.above(threshold), np.zeros(len(self.score), bool)
        asked = np.zeros(len(self.score), bool)
        for team, desk in self.desks.items():
            own = np.flatnonzero(above & (self.team == team))
            prompt[own] = waits(self.opened[own], desk.people, self.handling) <= minutes
            asked[own] = True
        return asked, prompt

    def by_day(self, columns: Sequence[np.ndarray]) -> Floats:
        days = int(self.day.max()) + 1
        return np.column_stack(
            [np.bincount(self.day, column.astype(float), minlength=days) for column in columns]
        )


@dataclass(frozen=True)
class _Aim:
    """Leads a day and business minutes, None: no limit; and the share to be answered in them."""

    takes: float | None
    minutes: float | None
    goal: float


def retuned(
    leads: pd.DataFrame,
    outcomes: Outcomes,
    score: Floats,
    entries: Mapping[str, float],
    desks: Desks,
    promised: Mapping[str, float | None],
    *,
    seed: int,
    handling: float = HANDLING,
    goal: float = GOAL,
) -> Thresholds:
    """Each band (name -> entry, the hottest first) against what its teams can take and answer.

    leads: decided_at (UTC), team. Weighted leads come as often as they stand for, spread over the week around
    (round the end of the span to its beginning).
    """
    played = _played(leads, outcomes.weight, score, desks.teams, handling)
    takes = desks.takes if isfinite(desks.takes) else None
    found = (
        _threshold(band, now, played, _Aim(takes, promised.get(band), goal), seed)
        for band, now in entries.items()
    )
    return Thresholds(tuple(_with_rates(one, outcomes, score) for one in found), handling, goal)


def _played(
    leads: pd.DataFrame, weight: Floats, score: Floats, desks: Mapping[str, Desk], handling: float
) -> _Played:
    times = np.maximum(np.rint(weight), 1).astype(int)
    rows = np.repeat(np.arange(len(leads)), times)
    place = np.concatenate([(np.arange(n) + 0.5) / n - 0.5 for n in times]) if len(times) else np.empty(0)
    first, span = leads["decided_at"].min(), np.ptp(leads["decided_at"]) + pd.Timedelta(minutes=1)
    since = (
        leads["decided_at"].iloc[rows].reset_index(drop=True) - first + pd.to_timedelta(place * 7, unit="D")
    )
    at = first + since % span
    order = np.argsort(at.to_numpy(), kind="stable")
    at, rows = at.iloc[order].reset_index(drop=True), rows[order]
    team = leads["team"].to_numpy(object)[rows]
    opened = np.zeros(len(rows))
    for name, desk in desks.items():
        opened[team == name] = business_minutes(at[team == name], desk.hours, desk.zone)
    day = (at - at.min()).dt.days.to_numpy() if len(at) else np.empty(0, int)
    return _Played(at, day, team, score[rows], opened, desks, handling)


def _threshold(band: str, now: float, played: _Played, aim: _Aim, seed: int) -> Threshold:
    return Threshold(
        band=band,
        now=now,
        leads_a_day=_volume(played, now, seed),
        takes=aim.takes,
        minutes=aim.minutes,
        in_time=None if aim.minutes is None else _in_time(played, now, aim.minutes, seed),
        rate=None,
        lowest=_lowest(played, aim),
        rate_between=None,
    )


def _with_rates(one: Threshold, outcomes: Outcomes, score: Floats) -> Threshold:
    above = score >= one.now
    between = ~above & (score >= one.now if one.lowest is None else score >= one.lowest)
    return replace(
        one,
        rate=rate(outcomes.target[above], outcomes.weight[above]),
        rate_between=rate(outcomes.target[between], outcomes.weight[between]),
    )


def _volume(played: _Played, threshold: float, seed: int) -> Interval:
    """Leads a day, days resampled."""
    days = played.by_day([np.ones(len(played.score)), played.above(threshold)])
    sums = resamples(len(days), seed).sums(np.column_stack([days, np.ones(len(days))]))
    return interval(sums[:, 1] / np.maximum(sums[:, 2], 1)) or Interval(0.0, 0.0, 0.0)


def _in_time(played: _Played, threshold: float, minutes: float, seed: int) -> Interval | None:
    """Share answered in time, days resampled."""
    sums = resamples(int(played.day.max()) + 1, seed).sums(played.by_day(played.prompt(threshold, minutes)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return interval(sums[:, 1] / sums[:, 0])


def _lowest(played: _Played, aim: _Aim) -> float | None:
    """By halving: what comes, and how much of it is late, fall as the threshold rises."""
    tried = np.unique(played.score)
    low, high = 0, len(tried)
    while low < high:
        middle = (low + high) // 2
        if _reaches(played, float(tried[middle]), aim):
            high = middle
        else:
            low = middle + 1
    return float(tried[low]) if low < len(tried) else None


def _reaches(played: _Played, threshold: float, aim: _Aim) -> bool:
    days = int(played.day.max()) + 1
    if aim.takes is not None and played.above(threshold).sum() / days > aim.takes:
        return False
    if aim.minutes is None:
        return True
    asked, prompt = played.prompt(threshold, aim.minutes)
    return bool(prompt.sum() >= aim.goal * asked.sum())


def says(found: Thresholds) -> Iterator[str]:
    """A sentence for each band that must rise, or has room."""
    for one in found.bands:
        if one.lowest is None:
            yield f"{one.band}: no threshold is high enough for what its teams can take and answer in time"
        elif one.lowest > one.now:
            yield (
                f"{one.band}: {one.leads_a_day.value:.1f} leads a day are more than its teams can answer as promised;"
                f" from {one.lowest:g} points on they could (now {one.now:g})"
            )
        elif one.rate_between is not None:
            yield (
                f"{one.band}: there is room down to {one.lowest:g} points (now {one.now:g}); of the leads between"
                f" {one.rate_between.value:.1%} reached the target"
            )
