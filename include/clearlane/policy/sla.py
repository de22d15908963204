"""sla.yaml: the promises: how soon each tier is touched and accepted, and in whose hours."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clearlane.policy.document import Document
from clearlane.policy.model import Sla, Tier
from clearlane.policy.problems import nearest
from clearlane.policy.shapes import FileShape, HoursText, Shape, SpanText, Zone


class TierShape(Shape):
    first_touch: SpanText = None
    accept: SpanText = None
    calendar: Literal["rep", "team", "always"] = "rep"
    warn_at: float = Field(default=0.6, gt=0, lt=1)
    reassign_at: float = Field(default=2.0, ge=1)


class TeamCalendarShape(Shape):
    zone: Zone
    hours: HoursText


class SlaShape(FileShape):
    tiers: dict[str, TierShape]
    by_band: dict[str, str] = Field(default={})
    hand_raise: str
    team_calendar: TeamCalendarShape


NONE = Tier("none", None, None, "always")
EMPTY = Sla({"none": NONE}, {}, "none", {}, "UTC")


def built(document: Document, shape: SlaShape) -> Sla:
    """Tiers by name; bands and hand-raises that name no tier are reported."""
    named = [(("by_band", band), tier) for band, tier in shape.by_band.items()]
    for path, tier in [*named, (("hand_raise",), shape.hand_raise)]:
        if tier not in shape.tiers:
            document.report(path, tier, "a tier of this file", nearest(tier, shape.tiers))
    return Sla(
        tiers={name: _tier(name, tier) for name, tier in shape.tiers.items()},
        by_band=dict(shape.by_band),
        hand_raise=shape.hand_raise,
        team_hours=shape.team_calendar.hours,
        team_zone=shape.team_calendar.zone,
    )


def _tier(name: str, shape: TierShape) -> Tier:
    return Tier(name, shape.first_touch, shape.accept, shape.calendar, shape.warn_at, shape.reassign_at)
