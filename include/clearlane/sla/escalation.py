"""What follows a breach: the lead is taken from a silent owner, then its manager is told, then the head of sales.

An owner who stays silent until `reassign_at` loses the lead through routing (event `breach`: the turn stays charged),
one who does not accept in time through a decline (`accept time-out`). A lead that a person gave, or that was touched
since, is not taken away: its manager is told instead. So is whoever manages a queue in which a lead waits too long, and
a lead that routing gave up. The head of sales comes last, for tiers that name that role.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch, copy_rows
from clearlane.policy.model import TIME_OUT, Policy
from clearlane.route.business_time import due_many
from clearlane.route.calendars import team_calendar
from clearlane.sla import reading


@dataclass(frozen=True)
class Moved:
    """Leads that routing is asked to take away, and those of which somebody above was told."""

    reassigned: int = 0
    escalated: int = 0


_UNTOLD = """k.met_at is null and k.ended_at is null and k.breached_at is not null and not exists (
      select from sla_event e where e.clock_id = k.clock_id and e.kind in ('reassign', 'escalate_manager'))"""
_QUEUED = f"""
select k.clock_id, k.place, k.due_at, k.reassign_at from sla_clock k
where k.kind = 'queue' and k.place <> 'match_ask' and {_UNTOLD} order by k.place, k.clock_id
"""
_LATE = f"""
create temporary table late on commit drop as
select k.*, l.survivor_id, coalesce(q.moment, k.reassign_at) as moment
from sla_clock k join lead l using (lead_id) left join queued q using (clock_id)
where {_UNTOLD} and k.kind in ('assignment', 'queue') and coalesce(q.moment, k.reassign_at) < :as_of
  and coalesce(k.paused_at > coalesce(q.moment, k.reassign_at), true)
"""
_RELIEVED = f"""
create temporary table relieved on commit drop as
select j.*, a.rep_id as owner, coalesce(a.team, d.team, p.team, u.team) as owner_team,
       j.kind = 'assignment' and a.by = 'clearlane' and a.rep_id is not null and not exists (
           select from lead m join outcome h on h.lead_id = m.lead_id
           where m.survivor_id = j.survivor_id and h.kind in ('first_touch', 'meeting')
             and h.occurred_at >= a.started_at and h.occurred_at < :as_of) as movable
from late j join ({reading.JUDGED.format(clocks="late")}) r using (clock_id)
left join assignment a on a.lead_id = j.lead_id and a.ended_at is null
left join decision d on d.decision_seq = j.decision_seq
left join sla_rule u on u.rule = d.rule
left join place p on p.lead_id = j.lead_id
where (r.known_to > j.moment) is true or (j.kind = 'queue' and not r.watched)
"""
_EVENT: Final = """
insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at, rep_id, team, to_rep_id, detail, batch_id)
"""
_DETAIL: Final = "jsonb_strip_nulls(jsonb_build_object('clock', j.kind, 'tier', j.tier, 'place', j.place))"
_REASSIGN = f"""{_EVENT}
select j.clock_id, j.lead_id, 'reassign', j.moment, :as_of, j.owner, j.owner_team, t.manager, {_DETAIL}, :batch
from relieved j left join sla_team t on t.team = j.owner_team
where j.movable
on conflict do nothing
"""
_TAKE_AWAY = """
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
select j.survivor_id, 'breach', j.moment, j.owner, 'silent until ' || to_char(j.moment at time zone 'UTC',
       'YYYY-MM-DD HH24:MI') || 'Z', jsonb_build_object('clock', j.clock_id, 'tier', j.tier)
from relieved j
where j.movable and not exists (
    select from routing_event e
    where e.lead_id = j.survivor_id and e.kind = 'breach' and e.rep_id = j.owner and e.handled_batch is null)
"""
_DECLINE = """
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
select j.survivor_id, 'decline', j.due_at, a.rep_id, 'not accepted in time',
       jsonb_build_object('reason', cast(:reason as text), 'clock', j.clock_id)
from judged j join assignment a on a.lead_id = j.lead_id and a.ended_at is null
where j.kind = 'accept' and j.due and j.known and j.met_at is null and j.ended_at is null and a.rep_id is not null
  and not exists (
    select from routing_event e
    where e.lead_id = j.survivor_id and e.kind in ('decline', 'breach') and e.rep_id = a.rep_id
      and e.handled_batch is null)
"""
_TO_MANAGER = f"""{_EVENT}
select j.clock_id, j.lead_id, 'escalate_manager', j.moment, :as_of, j.owner, j.owner_team,
       coalesce(t.manager, :exceptions_owner), {_DETAIL}, :batch
from relieved j left join sla_team t on t.team = j.owner_team
where not j.movable
on conflict do nothing
"""
_GIVEN_UP = f"""{_EVENT}
select j.clock_id, p.lead_id, 'escalate_manager', p.since, :as_of, null, p.team,
       coalesce(t.manager, :exceptions_owner), {_DETAIL} || jsonb_build_object('because', p.because), :batch
from place p
cross join lateral (
    select * from sla_clock where lead_id = p.lead_id and place is distinct from 'match_ask'
    order by kind = 'queue' and met_at is null and ended_at is null desc, clock_id desc limit 1
) j
left join sla_team t on t.team = p.team
where p.place = 'exceptions' and p.reason = 'manager_decides' and p.since < :as_of
  and not exists (
      select from sla_event e
      where e.lead_id = p.lead_id and e.kind = 'escalate_manager' and e.occurred_at >= p.since)
on conflict do nothing
"""
_TO_HEAD = f"""{_EVENT}
select j.clock_id, j.lead_id, 'escalate_head', greatest(j.due_at, e.occurred_at), :as_of, e.rep_id, e.team,
       :head, {_DETAIL}, :batch
from sla_event e join sla_clock j using (clock_id) join sla_tier y on y.tier = j.tier
where e.kind = 'escalate_manager' and y.head and j.met_at is null and j.ended_at is null
  and j.breached_at is not null and cast(:head as text) is not null
  and not exists (select from sla_event x where x.clock_id = j.clock_id and x.kind = 'escalate_head')
on conflict do nothing
"""


def act(connection: Connection, policy: Policy, batch: Batch) -> Moved:
    """Ask routing to take late leads away, and tell who is above. After the sweep has judged the clocks."""
    bound = {
        "as_of": batch.as_of, "batch": batch.batch_id, "head": policy.sla.head_of_sales, "reason": TIME_OUT,
        "exceptions_owner": policy.routing.exceptions_owner,
    }  # fmt: skip
    _queue(connection, policy)
    for name, statement in {"late": _LATE, "relieved": _RELIEVED}.items():
        connection.execute(sa.text(f"drop table if exists pg_temp.{name}"))
        connection.execute(sa.text(statement), bound)
        connection.execute(sa.text(f"analyze {name}"))
    reassigned, _, _ = (
        connection.execute(sa.text(one), bound).rowcount for one in (_REASSIGN, _TAKE_AWAY, _DECLINE)
    )
    told = (connection.execute(sa.text(one), bound).rowcount for one in (_TO_MANAGER, _GIVEN_UP, _TO_HEAD))
    return Moved(reassigned, sum(told))


def _queue(connection: Connection, policy: Policy) -> None:
    """Make `queued`: when somebody above is told that a lead waits, as long again after the wait fell due."""
    connection.execute(sa.text("drop table if exists pg_temp.queued"))
    connection.execute(
        sa.text(
            "create temporary table queued (clock_id bigint primary key, moment timestamptz) on commit drop"
        )
    )
    rows = connection.execute(sa.text(_QUEUED)).mappings().all()
    copy_rows(connection, "queued", ["clock_id", "moment"], list(_seconds(policy, rows)))


def _seconds(policy: Policy, rows: Sequence[RowMapping]) -> Iterator[tuple[int, datetime | None]]:
    calendar = team_calendar(policy.sla)
    for place, group in groupby(rows, key=lambda row: row["place"]):
        same = list(group)
        span = policy.sla.queues.get(place)
        dues = [row["due_at"] for row in same]
        moments = due_many(dues, span, calendar) if span else dues
        for row, moment in zip(same, moments, strict=True):
            yield row["clock_id"], row["reassign_at"] or moment
