"""The nouns of routing: what is known of a lead, how a rep was picked, what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from zoneinfo import available_timezones

from clearlane.route.fairness import Standing

Way = Literal["turn", "fit", "learning", "unmeasured"]
"""how a pick was made: by turn, by fit, by turn to keep learning, by turn for want of results"""
NOBODY: Mapping[str, str] = MappingProxyType({})
NO_TERMS: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True)
class Facts:
    """What a decision knows of one lead. Owners are reps who sell; `matched` has a 1 for each rule that held."""

    lead_id: Any
    band: str
    matched: str = ""
    kind: str = "sales"
    source: str | None = None
    stage: str | None = None
    zone: str | None = None
    """IANA zone of the lead, where calls have to keep to its hours"""
    hand_raise: bool = False
    stopped: str | None = None
    """why nobody may contact this lead at all"""
    disqualified: str | None = None
    language: str | None = None
    terms: Mapping[str, str | None] = field(default_factory=lambda: NO_TERMS)
    """the lead's value of each attribute that some destination matches"""
    company: str | None = None
    account: str | None = None
    account_owner: str | None = None
    parent_account_owner: str | None = None
    """of the accounts above, the nearest that has one"""
    opportunity_owner: str | None = None
    contact_owner: str | None = None
    owned: bool = False
    """the lead has an owner who stays and is told that it asked again"""
    owner: str | None = None
    """the rep who owns it; None also for an owner whom teams.yaml does not know"""
    reconsidered: bool = False
    """the lead is another than when its owner got it: it stays where its rule accepts the owner"""
    owns_company: bool = False
    """the owner has other open leads of the lead's company"""
    barred: Mapping[str, str] = field(default_factory=lambda: NOBODY)
    """rep -> why this lead is never offered to that rep again, as a refusal"""
    outgrown: Sequence[str] = ()
    """pools in which it waited for too long"""
    given_up: str | None = None
    """why the manager decides, and nobody by turn"""
    team: str | None = None
    """the team as whose member the owner got it"""
    cover: str | None = None
    """who is told while the owner is away"""
    territory: str | None = None
    fresh: bool = False
    """came lately, and nobody has decided it before: it may be explored"""
    heirs: Sequence[str] = ()
    """who covers for an owner who left, the first first"""


def calling_zone(zone: object, *, hand_raise: bool) -> str | None:
    """The time zone to whose hours calls have to keep; None where it is none, and for who asked for sales."""
    return str(zone) if zone in _zones() and not hand_raise else None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class Pick(NamedTuple):
    """One turn in a rotation: who was chosen, who came next, who was free, and what the turn changes."""

    rep: str
    runner_up: str | None
    eligible: tuple[str, ...]
    rotation: str
    turns: Mapping[str, Standing]
    """the standings after it of the chosen and of all who enter with it"""
    weights: Mapping[str, float]
    """of all who were there, also of those whom the lead did not suit"""
    way: Way = "turn"
    results_id: str | None = None
    """the measured results that were compared"""


class Decision(NamedTuple):
    """Where one lead goes, and why. `reason` is a short code, `refused` says rep -> why not."""

    lead_id: Any
    place: str
    reason: str
    because: str
    rule: str | None = None
    tier: str | None = None
    team: str | None = None
    rep: str | None = None
    due: datetime | None = None
    eligible: tuple[str, ...] = ()
    refused: Mapping[str, str] = NOBODY
    pick: Pick | None = None
    keeps_owner: bool = False
    until: datetime | None = None
    """of a lead that is held: the moment from which it is routed again"""
    cover: str | None = None
    """who is told in the owner's place"""
    explored: float | None = None
    """the share of leads below the threshold of which this is one; None: none of them"""

    @property
    def rotation(self) -> str | None:
        return self.pick.rotation if self.pick else None

    @property
    def runner_up(self) -> str | None:
        return self.pick.runner_up if self.pick else None
