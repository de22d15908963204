"""The clocks that a decision starts: what is promised from now on, by whom, in whose hours.

The lead's own (arrival) falls due and no more; what an owner owes is warned of before and taken away after; a place
that is no rep owes an answer, too, in the team's hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Sla, Tier, Waiting
from clearlane.route.business_time import Stages, stages
from clearlane.route.calendars import team_calendar
from clearlane.route.decisions import Decision, calling_zone
from clearlane.route.floor import Floor

Kind = Literal["arrival", "assignment", "accept", "queue"]
COLUMNS: Final = (
    "lead_id", "inquiry_id", "decision_seq", "kind", "tier", "rep_id", "place", "started_at", "warn_at", "due_at",
    "reassign_at",
)  # fmt: skip
KEEPING: Final = ("exceptions", "pool")
"""places where a lead that is put there again goes on waiting"""
NO_TIER: Final = "none"


_LOOK_AGAIN: Final = "insert into touch_due (lead_id) select distinct unnest(cast(:leads as uuid[]))"


def look_again(connection: Connection, leads: Iterable[UUID]) -> None:
    """Ask the next run to hold the touches of leads against what is promised from now on, and by whom."""
    connection.execute(sa.text(_LOOK_AGAIN), {"leads": list(leads)})


class Clock(NamedTuple):
    """A promise from a moment on."""

    kind: Kind
    tier: str
    rep: str | None
    place: str | None
    started_at: datetime
    stages: Stages

    def row(self, lead_id: Any, inquiry_id: Any, decision_seq: int) -> tuple[Any, ...]:
        """The values of COLUMNS."""
        warn, due, reassign = self.stages
        about = self.kind, self.tier, self.rep, self.place, self.started_at
        return lead_id, inquiry_id, decision_seq, *about, warn, due, reassign


def of_decision(floor: Floor, lead: RowMapping, d: Decision) -> Iterator[Clock]:
    """Arrival once per inquiry or first routing; assignment and accept for each owner who gets it; a queue's wait."""
    tier, told = floor.policy.sla.tier(d.tier), d.cover or d.rep
    zone = calling_zone(lead["attributes"].get("zone"), hand_raise=lead["hand_raise"])
    if tier and (lead["inquiry_id"] or not lead["clocked"]):
        yield from _arrival(floor, tier, d, told, arrived(lead), zone)
    if d.place == "owned":
        yield from of_owner(floor, tier, told, zone, accepts=not d.keeps_owner)
    if not goes_on_waiting(lead, d):
        yield from of_queue(floor, tier, d.place, max(floor.as_of, d.until or floor.as_of))


def arrived(lead: RowMapping) -> datetime:
    """The submit time of the inquiry, else the lead's creation; a lead that comes back arrives now."""
    first = lead["created_at"] if lead["decided_before"] is None else lead["as_of"]
    moment: datetime = min(lead["asked_at"] or first, lead["as_of"])
    return moment


def goes_on_waiting(lead: RowMapping, d: Decision) -> bool:
    """Whether the lead waits for an answer where it is put again: its clock runs on."""
    return bool(
        lead["queued"] and d.place in KEEPING and (d.place, d.team) == (lead["place"], lead["place_team"])
    )


def _arrival(
    floor: Floor, tier: Tier, d: Decision, told: str | None, since: datetime, zone: str | None
) -> Iterator[Clock]:
    """Who is held is due as the decision says, which knows who comes back: not by the team's hours."""
    due = d.due if d.place == "held" else floor.arrival_due(tier, told, since, zone)
    if due is not None:
        yield Clock("arrival", tier.name, told, None, since, Stages(None, due, None))


def of_owner(
    floor: Floor, tier: Tier | None, rep: str | None, zone: str | None, *, accepts: bool
) -> Iterator[Clock]:
    """What the owner owes from now on: a touch, and to say that the lead is accepted."""
    if tier is None:
        return
    promises = {"assignment": floor.stages(tier, "first_touch", rep, zone)}
    if accepts:
        promises["accept"] = floor.stages(tier, "accept", rep)
    for kind, promised in promises.items():
        if promised:
            yield Clock(cast(Kind, kind), tier.name, rep, None, floor.as_of, promised)


def of_queue(floor: Floor, tier: Tier | None, place: str, since: datetime) -> Iterator[Clock]:
    """What a place owes that is no rep: nothing to leads without a promise, but those in exceptions are somebody's."""
    if place != "exceptions" and (tier is None or tier.first_touch is None):
        return
    promised = waiting(floor.policy.sla, place, since, tier)
    if promised:
        yield Clock("queue", tier.name if tier else NO_TIER, None, place, since, promised)


def waiting(sla: Sla, place: str, since: datetime, tier: Tier | None = None) -> Stages | None:
    """When a wait is warned of and falls due; it is never taken away."""
    span = sla.queues.get(cast(Waiting, place))
    if span is None:
        return None
    found = stages(
        since, span, team_calendar(sla), tier.warn_share if tier else Tier.warn_share, Tier.reassign_factor
    )
    return found and found._replace(reassign=None)
