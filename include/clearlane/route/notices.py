"""What the calendar brings about, told as events before a live run routes: reps who left or are away, old pool leads.

An absence takes only leads that nobody touched and that are due before its end; for the rest somebody covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import Policy, Rep
from clearlane.route import covers
from clearlane.route.calendars import absence, rep_calendar
from clearlane.route.owner_changes import note_owner_changes
from clearlane.route.pools import note_aged
from clearlane.route.routing import LOCK


@dataclass(frozen=True)
class Gone:
    """A rep who is not there from a moment on; `until` is the end of an absence, None of a departure.

    `covers` are whom teams.yaml names to take over from one who left.
    """

    rep: str
    since: datetime
    because: str
    until: datetime | None = None
    covers: tuple[str, ...] = ()


# Old leads that a source keeps its owner for are not ours to hand over.
_DEPARTED = """
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
select a.lead_id, 'departure', greatest(a.started_at, :since), a.rep_id, :because,
       case when cardinality(cast(:covers as text[])) > 0 and exists (
           select from lead m join outcome h on h.lead_id = m.lead_id
           where m.survivor_id = a.lead_id and h.kind in ('first_touch', 'meeting') and h.occurred_at >= a.started_at
       ) then jsonb_build_object('covers', cast(:covers as text[])) else '{}' end
from assignment a
where a.rep_id = :rep and a.ended_at is null and not exists (
    select from routing_event e
    where e.lead_id = a.lead_id and e.kind = 'departure' and e.rep_id = a.rep_id and e.occurred_at >= a.started_at)
"""
_ABSENT = """
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
select a.lead_id, 'absence', :since, a.rep_id, :because, '{}'
from assignment a join lead l using (lead_id)
where a.rep_id = :rep and a.ended_at is null and a.by = 'clearlane' and a.started_at < :since
  and exists (
      select from sla_clock k
      where k.lead_id = a.lead_id and k.met_at is null and k.ended_at is null and k.due_at < :until)
  and not exists (
      select from lead m join outcome h on h.lead_id = m.lead_id
      where m.survivor_id = l.survivor_id and h.kind in ('first_touch', 'meeting')
        and h.occurred_at >= a.started_at and h.occurred_at < :as_of)
  and not exists (select from cover c where c.lead_id = a.lead_id and c.rep_id = a.rep_id and c.ended_at is null)
  and not exists (
      select from routing_event e
      where e.lead_id = a.lead_id and e.kind = 'absence' and e.rep_id = a.rep_id and e.occurred_at = :since)
"""
_UNKNOWN = """
select distinct rep_id from assignment
where ended_at is null and by = 'clearlane' and rep_id <> all(cast(:reps as text[]))
"""


def note(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Write the events that are due by the batch's moment, each once; how many. Only of runs that take unclaimed ones.

    Commit afterwards: the routing lock is held until then.
    """
    if not batch.takes_unclaimed:
        return 0
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    reps = policy.teams.reps
    unknown = connection.execute(sa.text(_UNKNOWN), {"reps": list(reps)}).scalars()
    gone = [Gone(rep, batch.as_of - timedelta(days=400), "is no longer in teams.yaml") for rep in unknown]
    gone += _departed(reps.values(), batch.as_of)
    told = sum(_told(connection, _DEPARTED, one) for one in gone)
    absent = _absent(reps.values(), batch.as_of)
    told += sum(_told(connection, _ABSENT, one, batch.as_of) for one in absent)
    covers.keep(connection, policy, batch.as_of, {one.rep: one.until for one in absent if one.until})
    told += note_owner_changes(connection, policy, batch)
    return told + note_aged(connection, policy, batch.as_of)


def _told(connection: Connection, statement: str, gone: Gone, as_of: datetime | None = None) -> int:
    bound = {"rep": gone.rep, "since": gone.since, "because": gone.because, "covers": list(gone.covers)}
    more = {"until": gone.until, "as_of": as_of} if as_of else {}
    return connection.execute(sa.text(statement), {**bound, **more}).rowcount


def _departed(reps: Iterable[Rep], at: datetime) -> list[Gone]:
    left = ((rep, rep.active_until) for rep in reps if rep.active_until)
    found = (
        Gone(rep.id, _begin(rep, day + timedelta(days=1)), f"left on {day}", covers=rep.cover)
        for rep, day in left
    )
    return [one for one in found if one.since <= at]


def _absent(reps: Iterable[Rep], at: datetime) -> list[Gone]:
    away = ((rep, absence(rep_calendar(rep), at)) for rep in reps if rep.time_off)
    return [
        Gone(
            rep.id, _begin(rep, off.first), f"off until {off.last}", _begin(rep, off.last + timedelta(days=1))
        )
        for rep, off in away
        if off
    ]


def _begin(rep: Rep, day: date) -> datetime:
    return datetime.combine(day, clock(0), ZoneInfo(rep.zone))
