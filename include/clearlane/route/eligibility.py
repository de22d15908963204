"""Who may take a lead at a moment, and why not: presence, hours, ramp and caps in force."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import ceil, floor
from typing import NamedTuple

from clearlane.policy.model import Caps, Destination, Policy, Rep, Team, within
from clearlane.route.calendars import Calendar, absence, next_opening, rep_calendar
from clearlane.route.decisions import Facts
from clearlane.route.fairness import ALIKE, Kinds

BARRED = "not again"
"""how a refusal begins that speaks of a rep who had this lead before"""
_OF_LEAD = ": does not "
"""what a refusal has that speaks of this lead only, not of the rep's presence"""


class Load(NamedTuple):
    """Leads that we gave a rep: in this hour, today and this week in the rep's zone, and those still open."""

    day: int = 0
    week: int = 0
    open: int = 0
    hour: int = 0

    def plus_one(self) -> Load:
        day, week, held, hour = self
        return Load(day + 1, week + 1, held + 1, hour + 1)


NO_LOAD = Load()


@dataclass(frozen=True)
class Presence:
    """A rep at one moment, whatever the lead. `caps` and `share` are those of the ramp."""

    rep: Rep
    absent: str | None
    opening: datetime | None
    in_hours: bool
    share: float
    caps: Caps
    today: date | None = None
    """the rep's local date"""


def presence(rep: Rep, at: datetime) -> Presence:
    """What holds for the rep at `at`: absence with its reason, next opening, ramped caps."""
    calendar = rep_calendar(rep)
    today = calendar.local(at).date()
    opening = next_opening(calendar, at)
    share = ramp_share(rep, today)
    absent = _not_selling(rep, today) or _off(calendar, at)
    if absent is None and opening is None:
        absent = "no working hours"
    return Presence(rep, absent, opening, opening == at, share, ramped(rep.caps, share), today)


def suspended(there: Presence, until: datetime) -> Presence:
    """The rep without turns until that moment (UTC), for having been silent too often."""
    return (
        there
        if there.absent
        else replace(there, absent=f"silent too often: out until {until:%Y-%m-%d %H:%M}Z")
    )


def _off(calendar: Calendar, at: datetime) -> str | None:
    """Without the reason: refusals reach traces and the CRM, and why somebody is ill concerns nobody there."""
    off = absence(calendar, at)
    return f"off until {off.last}" if off else None


def _not_selling(rep: Rep, today: date) -> str | None:
    if not rep.sells:
        return "does not sell"
    if rep.active_from and today < rep.active_from:
        return f"starts on {rep.active_from}"
    if rep.active_until and today > rep.active_until:
        return f"left on {rep.active_until}"
    return None


def sells(rep: Rep, at: datetime) -> bool:
    """Whether the rep counts as an owner at all on that day; on leave still counts."""
    return _not_selling(rep, rep_calendar(rep).local(at).date()) is None


def ramp_share(rep: Rep, today: date) -> float:
    """The share of caps and weight in this month since `active_from`; 1 after the ramp."""
    if not rep.ramp or rep.active_from is None or today < rep.active_from:
        return rep.ramp[0] if rep.ramp and rep.active_from else 1.0
    begun = rep.active_from
    months = (today.year - begun.year) * 12 + today.month - begun.month - (today.day < begun.day)
    return rep.ramp[months] if months < len(rep.ramp) else 1.0


def ramped(caps: Caps, share: float) -> Caps:
    """Caps of a rep on the ramp, rounded down; those per hour up, or the first months would let nobody in."""
    given = (caps.day, caps.week, caps.open)
    day, week, held = (cap if cap is None else floor(cap * share + 1e-9) for cap in given)
    return Caps(day, week, held, None if caps.hour is None else ceil(caps.hour * share - 1e-9))


def not_in_team(team: Team, rep: str, at: datetime, today: date | None) -> str | None:
    """Why the rep is not in the team now: the team's own dates are of UTC, the member's of its zone."""
    day = at.astimezone(UTC).date()
    if not within(day, team.first, team.last):
        return _outside(team, day, team.first, team.last)
    stints = team.stints.get(rep, ())
    if not stints or today is None or team.weight(rep, today) is not None:
        return None
    stint = next((one for one in stints if one.first and one.first > today), stints[-1])
    return _outside(team, today, stint.first, stint.last)


def _outside(team: Team, day: date, first: date | None, last: date | None) -> str:
    return f"starts on {first} ({team.id})" if first and day < first else f"left on {last} ({team.id})"


_CAP = " cap of "
OUT_OF_HOURS = "out of hours until "


def is_cap(reason: str) -> bool:
    """Whether a refusal speaks of a cap."""
    return _CAP in reason


def over_cap(caps: Caps, load: Load) -> str | None:
    """Which cap one more lead would exceed."""
    if has_room(caps, load):
        return None
    for name, cap, count in (
        ("hour", caps.hour, load.hour),
        ("day", caps.day, load.day),
        ("week", caps.week, load.week),
        ("open", caps.open, load.open),
    ):
        if cap is not None and count >= cap:
            return f"{name}{_CAP}{cap} reached"
    return None


def has_room(caps: Caps, load: Load) -> bool:
    """Whether one more lead exceeds no cap."""
    return (
        (caps.open is None or load.open < caps.open)
        and (caps.day is None or load.day < caps.day)
        and (caps.week is None or load.week < caps.week)
        and (caps.hour is None or load.hour < caps.hour)
    )


def refusal(there: Presence, load: Load, destination: Destination) -> str | None:
    """Why this rep cannot take any lead at this destination now; None when free."""
    if there.absent:
        return there.absent
    if destination.hours in ("require", "on_call") and not there.in_hours:
        return f"{OUT_OF_HOURS}{there.opening:%Y-%m-%d %H:%M}Z"
    return over_cap(there.caps, load)


def language_refusal(rep: Rep, destination: Destination, language: str | None) -> str | None:
    """Why the rep does not suit the lead's language; an unknown language suits everybody."""
    if not destination.language or not language:
        return None
    spoken = {_primary(name) for name in rep.languages}
    return None if _primary(language) in spoken else f"language{_OF_LEAD}speak {_primary(language)}"


def of_lead(reason: str) -> bool:
    """Whether a refusal speaks of this lead only: the rep is there for others."""
    return _OF_LEAD in reason or reason.startswith(BARRED)


def unsuited(there: Presence, destination: Destination, facts: Facts) -> str | None:
    """Why a rep who is there does not suit this lead at this destination; None where it suits."""
    return (
        language_refusal(there.rep, destination, facts.language)
        or _too_new(there, destination)
        or next(
            (f"{name}{_OF_LEAD}suit the lead" for name in _unmatched(there.rep, destination, facts)), None
        )
    )


def kinds(policy: Policy, team: str, today: Callable[[str], date | None]) -> Kinds:
    """What decides which leads each rep of the team suits, by all destinations that lead there; `today` is local."""
    asking = [
        one for one in policy.routing.destinations(team) if one.language or one.match or one.min_tenure_days
    ]
    if not asking:
        return ALIKE
    names = sorted({name for one in asking for name in one.match})
    days = sorted({one.min_tenure_days for one in asking if one.min_tenure_days})
    speaks = any(one.language for one in asking)
    return {
        rep: _kind(policy.teams.reps[rep], names, days, today(rep), speaks)
        for rep, _ in policy.teams.teams[team].members
    }


def _kind(rep: Rep, names: Sequence[str], days: Sequence[int], today: date | None, speaks: bool) -> Hashable:
    spoken = frozenset(map(_primary, rep.languages)) if speaks else None
    suited = tuple(frozenset(map(folded, rep.suits.get(name, ()))) for name in names)
    return spoken, suited, tuple(_ready(rep, today, least) is None for least in days)


def _too_new(there: Presence, destination: Destination) -> str | None:
    days = destination.min_tenure_days
    ready = _ready(there.rep, there.today, days) if days is not None else None
    return f"tenure{_OF_LEAD}have {days} days before {ready}" if ready else None


def _ready(rep: Rep, today: date | None, days: int) -> date | None:
    """When the rep will have been there for so many days; None from then on, and where it is not known."""
    since = rep.active_from and rep.active_from + timedelta(days=days)
    return since if since and today and today < since else None


def _unmatched(rep: Rep, destination: Destination, facts: Facts) -> Iterator[str]:
    """Attributes of which the rep takes other values than the lead's; no list and no value suit everybody."""
    for name in destination.match:
        value, listed = facts.terms.get(name), rep.suits.get(name)
        if value and listed and not any(_suits(folded(one), folded(value)) for one in listed):
            yield name


def _suits(listed: str, value: str) -> bool:
    return value.startswith(listed[:-1]) if listed.endswith("*") else value == listed


def folded(value: str) -> str:
    """Values are compared without case and outer spaces."""
    return value.strip().casefold()


def _primary(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].strip().lower()


def soonest(free: Iterable[Presence]) -> frozenset[str]:
    """Reps who are in hours, else those who come back first."""
    known = [there for there in free if there.opening is not None]
    first = min((there.opening for there in known if there.opening), default=None)
    return frozenset(there.rep.id for there in known if there.opening == first)


def at_work(free: Mapping[str, Presence], destination: Destination) -> frozenset[str]:
    """Of the free reps those whom the destination's hours ask: all of them when hours are ignored."""
    return frozenset(free) if destination.hours == "ignore" else soonest(free.values())
