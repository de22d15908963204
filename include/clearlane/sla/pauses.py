"""Pauses: the promises to a lead stand still because it asked for a later date, and go on by themselves.

Asked by a person (`clearlane sla pause`), or by an activity of a type that sla.yaml names, whose attribute says until
when. All open clocks of the lead fall due later by the business time that the pause takes; what fell due before stays.
Reads `activity`, writes `pause`, `sla_clock`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch, copy_rows
from clearlane.policy.model import Policy
from clearlane.route.byhand import NotPossible
from clearlane.sla import clocks

_OPEN: Final = """
select p.until from pause p join lead l using (lead_id)
where l.survivor_id = :lead and p.began_at <= :at and coalesce(p.ended_at, p.until) > :at
"""
_PROMISED: Final = """
select exists (
    select from sla_clock k join lead l using (lead_id)
    where l.survivor_id = :lead and k.met_at is null and k.ended_at is null)
"""
_PAUSE: Final = """
insert into pause (lead_id, key, because, by, began_at, until)
values (:lead, 'hand:' || cast(:lead as text) || ':' || cast(cast(:at as timestamptz) as text), :because, :by, :at,
        :until)
"""
_RESUME: Final = """
update pause p set ended_at = :at from lead l
where l.lead_id = p.lead_id and l.survivor_id = :lead and p.began_at <= :at and coalesce(p.ended_at, p.until) > :at
"""


def pause(
    connection: Connection,
    policy: Policy,
    lead_id: UUID,
    *,
    until: datetime,
    by: str,
    because: str,
    at: datetime,
) -> int:
    """Let the promises to a lead stand still from now until a moment; how many clocks. Never commits.

    Raises NotPossible for an `until` that is past, without a reason, for a lead that is owed nothing or paused already.
    """
    if not because.strip():
        raise NotPossible("--because is empty: say what the lead asked for")
    if until <= at:
        raise NotPossible(f"{until:%Y-%m-%d %H:%M}Z is past: a pause ends later than now")
    paused = connection.execute(sa.text(_OPEN), {"lead": lead_id, "at": at}).scalar()
    if paused:
        raise NotPossible(f"lead {lead_id} is paused until {paused:%Y-%m-%d %H:%M}Z: resume it first")
    if not connection.execute(sa.text(_PROMISED), {"lead": lead_id}).scalar():
        raise NotPossible(f"lead {lead_id} is owed nothing: no clock runs")
    bound = {"lead": lead_id, "at": at, "until": until, "by": by, "because": because}
    connection.execute(sa.text(_PAUSE), bound)
    return clocks.restage(connection, policy, [lead_id], at)


def resume(connection: Connection, policy: Policy, lead_id: UUID, *, at: datetime) -> int:
    """End the pause of a lead before its time; how many clocks run again. NotPossible for one that is not paused."""
    if not connection.execute(sa.text(_RESUME), {"lead": lead_id, "at": at}).rowcount:
        raise NotPossible(f"lead {lead_id} is not paused")
    return clocks.restage(connection, policy, [lead_id], at)


# --- by the watch -----------------------------------------------------------------------------

_LATER: Final = "type text primary key, attribute text"
_ISO: Final = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$"
# Only what is younger than a month is looked at: a later date that was asked for longer ago has passed, or is a rep's.
_ASKED: Final = """
with asked as (
    select y.activity_id, y.lead_id, y.occurred_at, y.attributes ->> w.attribute as wish
    from sla_later w join activity y on y.type = w.type
    where y.occurred_at < :as_of and y.occurred_at >= cast(:as_of as timestamptz) - interval '31 days'
), dated as (
    select activity_id, lead_id, occurred_at, cast(wish as timestamptz) as until from asked where wish ~ :iso
)
insert into pause (lead_id, key, because, began_at, until)
select a.lead_id, 'activity:' || a.activity_id, 'the lead asked for a later date', :as_of, a.until
from dated a join lead m using (lead_id)
where a.until > :as_of
  and exists (
      select from sla_clock k join lead l using (lead_id)
      where l.survivor_id = m.survivor_id and k.started_at <= a.occurred_at and k.met_at is null and k.ended_at is null)
on conflict (key) do nothing
returning lead_id
"""
_OVER: Final = """
select distinct l.survivor_id from sla_clock k join lead l using (lead_id)
where k.paused_at is not null and k.met_at is null and k.ended_at is null and not exists (
    select from pause p join lead m using (lead_id)
    where m.survivor_id = l.survivor_id and p.began_at <= :as_of and coalesce(p.ended_at, p.until) > :as_of)
"""
_SURVIVORS: Final = "select distinct survivor_id from lead where lead_id = any(cast(:leads as uuid[]))"


def keep(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Begin the pauses that leads asked for, end those that are over; how many clocks changed. Never commits."""
    asked = _asked(connection, policy, batch)
    over = connection.execute(sa.text(_OVER), {"as_of": batch.as_of}).scalars().all()
    changed = connection.execute(sa.text(_SURVIVORS), {"leads": [*asked, *over]}).scalars().all()
    return clocks.restage(connection, policy, changed, batch.as_of) if changed else 0


def _asked(connection: Connection, policy: Policy, batch: Batch) -> Sequence[UUID]:
    if not policy.sla.later:
        return ()
    connection.execute(sa.text("drop table if exists pg_temp.sla_later"))
    connection.execute(sa.text(f"create temporary table sla_later ({_LATER}) on commit drop"))
    copy_rows(connection, "sla_later", ["type", "attribute"], policy.sla.later.items())
    return connection.execute(sa.text(_ASKED), {"as_of": batch.as_of, "iso": _ISO}).scalars().all()
