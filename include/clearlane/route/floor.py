"""The sales floor at one moment: who is there, what each rep holds, whose turn it is, who works which company.

The state that decisions read. It changes only by `Floor.take`, which books one decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

from clearlane.policy.model import Destination, Policy, Rep, Span, Team, Tier
from clearlane.route.business_time import Stages, stages
from clearlane.route.calendars import Calendar, due, promised_calendar
from clearlane.route.decisions import Decision, Facts
from clearlane.route.eligibility import (
    NO_LOAD,
    Load,
    Presence,
    has_room,
    kinds,
    not_in_team,
    presence,
    suspended,
)
from clearlane.route.fairness import Kinds, Rotation, entering
from clearlane.route.fit import Fit, Key
from clearlane.route.lineup import Seats

CompanyKey = tuple[str, str]
Promise = Literal["first_touch", "accept"]
NOBODY_OUT: Final[Mapping[str, datetime]] = MappingProxyType({})


@dataclass(frozen=True)
class RollCall:
    """Who of a team may take a lead that suits everybody, and why the others may not."""

    free: Mapping[str, Presence]
    """below their caps, also those whom the destination's hours do not ask"""
    refused: Mapping[str, str]
    present: frozenset[str]
    names: tuple[str, ...]
    """those present, in order"""
    weights: Mapping[str, float]


@dataclass
class _Memory:
    """What a floor found out once, by what it was asked."""

    calls: dict[int, tuple[Destination, RollCall]] = field(default_factory=dict)
    """by the identity of a destination, which is kept beside the answer"""
    seats: dict[tuple[str, str], Seats] = field(default_factory=dict)
    weights: dict[tuple[str, frozenset[str]], Mapping[str, float]] = field(default_factory=dict)
    kinds: dict[str, Kinds] = field(default_factory=dict)
    dues: dict[tuple[str, str | None, str | None], datetime | None] = field(default_factory=dict)
    stages: dict[tuple[str, Promise, str | None, str | None], Stages | None] = field(default_factory=dict)


@dataclass
class Floor:
    """Reps, loads, rotations and companies as of one moment."""

    policy: Policy
    as_of: datetime
    present: Mapping[str, Presence]
    loads: dict[str, Load] = field(default_factory=dict)
    rotations: dict[tuple[str, str], Rotation] = field(default_factory=dict)
    """(team, band) -> whose turn it is"""
    companies: dict[CompanyKey, list[str]] = field(default_factory=dict)
    """(kind, company or account) -> reps who own its open leads, the longest first"""
    fits: dict[Key, Fit] = field(default_factory=dict)
    """what teams are known for that are picked from by best fit; none: nothing was measured"""
    _memory: _Memory = field(default_factory=_Memory, init=False, repr=False, compare=False)

    def load(self, rep: str) -> Load:
        return self.loads.get(rep, NO_LOAD)

    def rotation(self, name: str, band: str) -> Rotation:
        if (name, band) not in self.rotations:
            self.rotations[name, band] = Rotation()
        return self.rotations[name, band]

    def called(self, destination: Destination) -> RollCall | None:
        """Who may take a lead at the destination, as found before; None once one of the team reached a cap."""
        known = self._memory.calls.get(id(destination))
        return known[1] if known else None

    def call(self, destination: Destination, found: RollCall) -> RollCall:
        """Remember who may take a lead at the destination."""
        self._memory.calls[id(destination)] = destination, found
        return found

    def seats(self, team: str, band: str, weights: Mapping[str, float]) -> Seats:
        """The rotation with exactly those of `weights` in it, an object of `Floor.weights`."""
        known = self._memory.seats.get((team, band))
        if known is None or not known.still(weights):
            rotation = self.rotation(team, band)
            known = Seats(rotation, weights, entering(rotation, weights, self.kinds(team)), self.loads)
            self._memory.seats[team, band] = known
        return known

    def kinds(self, team: str) -> Kinds:
        """Who of the team suits the same leads."""
        if team not in self._memory.kinds:
            self._memory.kinds[team] = kinds(self.policy, team, lambda rep: self.present[rep].today)
        return self._memory.kinds[team]

    def weights(self, team: str, reps: frozenset[str]) -> Mapping[str, float]:
        """Weights in force of those members of the team; the same object for the same reps."""
        if (team, reps) not in self._memory.weights:
            of = self.policy.teams.teams[team]
            found = {rep: self._weight(of, rep, weight) for rep, weight in of.members if rep in reps}
            self._memory.weights[team, reps] = found
        return self._memory.weights[team, reps]

    def _weight(self, team: Team, rep: str, weight: float) -> float:
        there = self.present[rep]
        if rep in team.stints and there.today:
            weight = team.weight(rep, there.today) or weight
        return weight * there.share

    def owners(self, facts: Facts) -> tuple[str, ...]:
        """Reps who own open leads of the lead's company or account, in the order in which they came to it."""
        found = (rep for key in company_keys(facts) for rep in self.companies.get(key, ()))
        return tuple(dict.fromkeys(found))

    def team_of(self, rep: str) -> str | None:
        """The first team that has the rep, one in which the rep is now before the others."""
        teams = [team for team in self.policy.teams.teams.values() if rep in dict(team.members)]
        return next((team.id for team in [*filter(self._has(rep), teams), *teams]), None)

    def _has(self, rep: str) -> Callable[[Team], bool]:
        there = self.present.get(rep)
        return lambda team: there is None or not_in_team(team, rep, self.as_of, there.today) is None

    def due(self, tier: Tier | None, rep: str | None, zone: str | None = None) -> datetime | None:
        """When the first touch is due that is promised at this moment to a lead in that time zone."""
        if tier is None or tier.first_touch is None:
            return None
        key = (tier.name, rep, zone)
        if key not in self._memory.dues:
            self._memory.dues[key] = due(self.as_of, tier.first_touch, self.calendar(tier, rep, zone))
        return self._memory.dues[key]

    def stages(self, tier: Tier, promise: Promise, rep: str | None, zone: str | None = None) -> Stages | None:
        """When what is promised at this moment is warned of, falls due and goes to somebody else."""
        key = (tier.name, promise, rep, zone)
        if key not in self._memory.stages:
            span: Span | None = getattr(tier, promise)
            how = self.calendar(tier, rep, zone), tier.warn_share, tier.reassign_factor
            self._memory.stages[key] = stages(self.as_of, span, *how) if span else None
        return self._memory.stages[key]

    def arrival_due(
        self, tier: Tier, rep: str | None, since: datetime, zone: str | None = None
    ) -> datetime | None:
        """When the first touch is due for a lead that arrived at `since`: a rep's time off does not stop that clock."""
        if tier.first_touch is None:
            return None
        return due(since, tier.first_touch, self.calendar(tier, rep, zone).without_time_off())

    def calendar(self, tier: Tier, rep: str | None, zone: str | None = None) -> Calendar:
        """Whose hours count: those of the tier's calendar, and for calls those of the lead, too."""
        return promised_calendar(self.policy, tier, rep if rep in self.present else None, self.as_of, zone)

    def on_call(self, team: str) -> tuple[str, ...]:
        """Who is on call for the team now, in the order of the file."""
        duties = self.policy.teams.on_call
        return tuple(
            duty.rep for duty in duties if duty.team == team and duty.first <= self.as_of < duty.last
        )

    def due_after(
        self, tier: Tier | None, opener: str, until: datetime, zone: str | None = None
    ) -> datetime | None:
        """When the first touch is due of a lead that is held until this rep comes back."""
        span = tier.first_touch if tier else None
        return due(until, span, self.calendar(tier, opener, zone)) if tier and span else None

    def book(self, rep: str, load: Load) -> None:
        """From now on the rep has this load."""
        there, before = self.present.get(rep), self.load(rep)
        self.loads[rep] = load
        if load.open < before.open:
            self._memory.seats.clear()
        elif there is None or has_room(there.caps, load):
            return
        for key in [
            key for key, (_, call) in self._memory.calls.items() if rep in call.free or rep in call.refused
        ]:
            del self._memory.calls[key]

    def take(self, facts: Facts, decision: Decision) -> None:
        """Book a decision: load, turn and company of the rep who gets the lead."""
        rep, pick = decision.rep, decision.pick
        if rep is None or decision.keeps_owner:
            return
        self.book(rep, self.load(rep).plus_one())
        if pick:
            self.rotation(pick.rotation, facts.band).take(rep, pick.turns, pick.weights)
        if facts.company or facts.account:
            self._owns(rep, facts)

    def _owns(self, rep: str, facts: Facts) -> None:
        for key in company_keys(facts):
            owners = self.companies.setdefault(key, [])
            if rep not in owners:
                owners.append(rep)


def company_keys(facts: Facts) -> Iterator[CompanyKey]:
    if facts.company:
        yield facts.kind, f"company:{facts.company}"
    if facts.account:
        yield facts.kind, f"account:{facts.account}"


def open_floor(policy: Policy, as_of: datetime, out: Mapping[str, datetime] = NOBODY_OUT) -> Floor:
    """A floor where nobody holds anything yet; `out` says until when reps take no turns."""
    there = presences(policy.teams.reps.values(), as_of)
    there |= {rep: suspended(there[rep], until) for rep, until in out.items() if rep in there}
    return Floor(policy, as_of, there)


def presences(reps: Iterable[Rep], at: datetime) -> dict[str, Presence]:
    return {rep.id: presence(rep, at) for rep in reps}
