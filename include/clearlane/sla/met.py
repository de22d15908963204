"""Clocks that a touch has met: a logged call, mail, chat or meeting by the owner's team, after the clock began.

Touches are the outcomes `first_touch` and `meeting`; an accept is met by `accepted` too. A touch whose member nobody
knows counts: it was logged by somebody. One that is logged long after it happened counts, marked (`met_late`). What is
met stays met, by its first touch, also where the source deletes the touch later: nobody tells us of that. A breach
that a touch in time belies, logged after it was told, is withdrawn. Reads `outcome`, writes `sla_clock`, `sla_event`.
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

# Clock by clock through indexes, which `limit` sees to: what it costs follows the open clocks, not all that ever was.
_MEET: Final = """
with met as (
    select k.clock_id, t.at, t.late
    from sla_clock k
    left join decision d on d.decision_seq = k.decision_seq
    cross join lateral (
        select greatest(o.occurred_at, k.started_at) as at,
               b.as_of - o.occurred_at > cast(:late_after as interval) as late
        from lead own
        join lead m on m.survivor_id = own.survivor_id
        join outcome o on o.lead_id = m.lead_id
        left join inbox i on i.seq = o.seq
        left join batch b on b.batch_id = i.first_batch
        left join owner_name n on n.source = o.source and n.name = lower(btrim(o.rep_id))
        where own.lead_id = k.lead_id
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
        order by 1, o.outcome_id limit 1
    ) t
    where {which} and k.kind <> 'follow_up'
)
update sla_clock k set met_at = met.at, met_late = coalesce(met.late, false) from met where met.clock_id = k.clock_id
"""


_OPEN: Final = "k.met_at is null and k.ended_at is null"
# As their partial indexes say it: clocks that a warning or a breach may still be told of.
_UNTOLD: Final = """k.met_at is not null and k.clock_id in (
    select x.clock_id from sla_clock x where x.breached_at is null and (x.met_at is null or x.met_at > x.due_at)
      and (x.ended_at is null or x.ended_at > x.due_at) and x.met_at is not null and x.due_at < :as_of
    union all
    select x.clock_id from sla_clock x where x.warned_at is null and (x.met_at is null or x.met_at > x.warn_at)
      and (x.ended_at is null or x.ended_at > x.warn_at) and x.met_at is not null and x.warn_at < :as_of)"""
_LATELY: Final = "(k.met_at is null and k.ended_at is null or k.met_at >= :lately)"


def meet(connection: Connection, policy: Policy, batch: Batch, *, again: timedelta | None = None) -> int:
    """Note as met the open clocks of leads that were touched before the batch's moment; how many. Not in shadow.

    Clocks that were met in the time `again` before are looked at once more: of touches that arrive in another order
    than they happened the first still counts.
    """
    if not batch.live:
        return 0
    intake.begin(connection, policy, batch)
    connection.execute(sa.text("drop table if exists pg_temp.team_member"))
    connection.execute(sa.text("create temporary table team_member (team text, rep_id text) on commit drop"))
    members = ((team.id, rep) for team in policy.teams.teams.values() for rep, _ in team.members)
    copy_rows(connection, "team_member", ["team", "rep_id"], members)
    bound = {"as_of": batch.as_of, "skew": SKEW, "late_after": policy.sla.late_after}
    if again is None:
        return connection.execute(sa.text(_MEET.format(which=_OPEN)), bound).rowcount
    lately = {**bound, "lately": batch.as_of - again}
    return connection.execute(sa.text(_MEET.format(which=_LATELY)), lately).rowcount


def meet_earlier(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Of clocks that were met late, and not told of yet, note a touch that came before the one that is known.

    After `meet`, in its transaction; how many. So nobody is blamed for touches that arrive in another order.
    """
    bound = {"as_of": batch.as_of, "skew": SKEW, "late_after": policy.sla.late_after}
    return connection.execute(sa.text(_MEET.format(which=_UNTOLD)), bound).rowcount


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
