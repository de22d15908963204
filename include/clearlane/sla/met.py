"""Clocks that a touch has met: a logged call, mail, chat or meeting by the owner's team, after the clock began.

Touches are the outcomes `first_touch` and `meeting`; an accept is met by `accepted` too. A touch whose member nobody
knows counts: it was logged by somebody. One that is logged long after it happened counts, marked (`met_late`); one in
time counts also where the promise has ended since. What is met stays met, by its first touch, also where the source
deletes the touch later: nobody tells us of that. A breach that a touch in time belies, logged after it was told, is
withdrawn. Reads `outcome`, `touch_due`, writes `sla_clock`, `sla_event`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch, copy_rows
from clearlane.policy.model import Policy
from clearlane.route import intake

SKEW: Final = timedelta(minutes=5)
"""how much earlier than our clock a source may date a touch that followed"""
WITHDRAWN_WITHIN: Final = timedelta(days=7)
"""how long after it was told a breach is withdrawn by a touch that is logged late"""

WARN: Final = """k.warned_at is null and (k.met_at is null or k.met_at > k.warn_at)
    and (k.ended_at is null or k.ended_at > k.warn_at)"""
DUE: Final = """k.breached_at is null and (k.met_at is null or k.met_at > k.due_at)
    and (k.ended_at is null or k.ended_at > k.due_at)"""
"""clocks of which a warning, or a breach, may still be told: each as its partial index says it"""
FOUND: Final = f"""
select k.clock_id from sla_clock k where {WARN} and k.warn_at < :as_of
union select k.clock_id from sla_clock k where {DUE} and k.due_at < :as_of
union select k.clock_id from sla_clock k where k.unverified_since is not null
"""
"""clocks of which something is to be told, unless a touch met them"""

# What is about to be judged, and what is new: the cost follows these, not all that is open or was. Who writes a touch,
# a promise or an owner lists the lead in the same transaction, so nothing is lost, whichever ends first and whatever
# breaks in between. A lead that another run looks at in this moment is left to that run.
_DUE: Final = """
create temporary table due on commit drop as
select due_id, lead_id from touch_due order by due_id for update skip locked
"""
# One after the other, and counted: joined at once, all leads and clocks there ever were would be read.
_CONCERNED: Final = f"""
create temporary table concerned on commit drop as
select k.clock_id from due join lead m using (lead_id) join lead own using (survivor_id)
join sla_clock k on k.lead_id = own.lead_id
union {FOUND}
"""
# A lead that a person handed on was being worked, as a touch says that came late: its new owner owes nothing.
_HANDED_ON: Final = """
update sla_clock k set met_at = null, ended_at = k.started_at
from concerned c, decision d
where c.clock_id = k.clock_id and d.decision_seq = k.decision_seq and d.mode = 'hand' and d.event_id is not null
  and k.kind = 'assignment' and k.ended_at is null and (
    select x.met_at from sla_clock x
    where x.lead_id = k.lead_id and x.kind = 'arrival' and x.started_at <= k.started_at
    order by x.started_at desc, x.clock_id desc limit 1) < k.started_at
"""
# A touch of after the run's moment is for a later run.
_LOOKED_AT: Final = """
delete from touch_due t using due d
where t.due_id = d.due_id and not exists (
    select from lead m join lead own using (survivor_id) join outcome o on o.lead_id = own.lead_id
    where m.lead_id = d.lead_id and o.kind in ('first_touch', 'meeting', 'accepted') and o.occurred_at >= :as_of)
"""
_MEET: Final = """
with met as (
    select distinct on (k.clock_id) k.clock_id, greatest(o.occurred_at, k.started_at) as at,
           b.as_of - o.occurred_at > cast(:late_after as interval) as late
    from concerned join sla_clock k using (clock_id)
    join lead own on own.lead_id = k.lead_id
    join lead m on m.survivor_id = own.survivor_id
    join outcome o on o.lead_id = m.lead_id
    left join inbox i on i.seq = o.seq
    left join batch b on b.batch_id = i.first_batch
    left join decision d on d.decision_seq = k.decision_seq
    left join owner_name n on n.source = o.source and n.name = lower(btrim(o.rep_id))
    where k.kind <> 'follow_up'
      and (k.ended_at is null or k.met_at is not null or o.occurred_at <= k.due_at and o.occurred_at < k.ended_at)
      and o.kind = any(case when k.kind = 'accept' then array['first_touch', 'meeting', 'accepted']
                            else array['first_touch', 'meeting'] end)
      and o.occurred_at >= k.started_at - :skew and o.occurred_at < :as_of
      and greatest(o.occurred_at, k.started_at) < coalesce(k.met_at, 'infinity')
      and (n.rep_id is null or n.rep_id = k.rep_id
           or exists (select from team_member t where t.team = d.team and t.rep_id = n.rep_id)
           or exists (select from assignment a
                      where a.lead_id = own.survivor_id and a.rep_id = n.rep_id
                        and a.started_at <= o.occurred_at + :skew
                        and (a.ended_at is null or a.ended_at > o.occurred_at)))
    order by k.clock_id, 2, o.outcome_id
)
update sla_clock k set met_at = met.at, met_late = coalesce(met.late, false) from met where met.clock_id = k.clock_id
"""


def meet(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Note the clocks that touches before the batch's moment have met; how many are new or earlier. Not in shadow.

    Of touches that arrive in another order than they happened the first counts.
    """
    if not batch.live:
        return 0
    intake.begin(connection, policy, batch)
    for table in ("team_member", "due", "concerned"):
        connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
    connection.execute(sa.text("create temporary table team_member (team text, rep_id text) on commit drop"))
    members = ((team.id, rep) for team in policy.teams.teams.values() for rep, _ in team.members)
    copy_rows(connection, "team_member", ["team", "rep_id"], members)
    for table, statement in {"due": _DUE, "concerned": _CONCERNED}.items():
        connection.execute(sa.text(statement), {"as_of": batch.as_of})
        connection.execute(sa.text(f"analyze {table}"))
    bound = {"as_of": batch.as_of, "skew": SKEW, "late_after": policy.sla.late_after}
    met = connection.execute(sa.text(_MEET), bound).rowcount
    for effect in (_HANDED_ON, _LOOKED_AT):
        connection.execute(sa.text(effect), {"as_of": batch.as_of})
    return met


_WITHDRAW: Final = """
insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at, rep_id, team, detail, batch_id)
select e.clock_id, e.lead_id, 'withdrawn', e.occurred_at, :as_of, e.rep_id, e.team,
       e.detail || jsonb_build_object('of', e.kind, 'met_at', h.at), :batch
from sla_event e join sla_clock k using (clock_id)
cross join lateral (
    select k.met_at as at where k.met_at <= k.due_at
    union all
    select o.occurred_at from lead own join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
    left join owner_name n on n.source = o.source and n.name = lower(btrim(o.rep_id))
    where own.lead_id = k.lead_id and k.met_at is null and k.ended_at is not null and k.kind <> 'follow_up'
      and o.kind in ('first_touch', 'meeting') and (n.rep_id is null or n.rep_id = e.rep_id)
      and o.occurred_at >= k.started_at - cast(:skew as interval) and o.occurred_at <= k.due_at
    order by 1 limit 1
) h
where e.kind in ('breach', 'time_out') and e.noted_at > cast(:as_of as timestamptz) - cast(:kept as interval)
  and not exists (select from sla_event x where x.clock_id = e.clock_id and x.kind = 'withdrawn')
on conflict do nothing
"""


def withdraw(connection: Connection, batch: Batch) -> int:
    """Note the breaches of the last days that a touch in time, logged later, belies; how many. After `meet`."""
    bound = {"as_of": batch.as_of, "batch": batch.batch_id, "skew": SKEW, "kept": WITHDRAWN_WITHIN}
    return connection.execute(sa.text(_WITHDRAW), bound).rowcount
