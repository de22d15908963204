"""Clocks that a touch has met: a logged call, mail, chat or meeting by the owner's team, after the clock began.

Touches are the outcomes `first_touch` and `meeting`; an accept is met by `accepted` too. A touch whose member nobody
knows counts: it was logged by somebody. Reads `outcome`, writes `sla_clock.met_at`; what is met stays met.
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

_MEET: Final = """
with met as (
    select k.clock_id, min(greatest(o.occurred_at, k.started_at)) as at
    from sla_clock k
    join lead own on own.lead_id = k.lead_id
    join lead m on m.survivor_id = own.survivor_id
    join outcome o on o.lead_id = m.lead_id
    left join decision d on d.decision_seq = k.decision_seq
    left join owner_name n on n.source = o.source and n.name = lower(btrim(o.rep_id))
    where k.met_at is null and k.ended_at is null
      and o.kind = any(case when k.kind = 'accept' then array['first_touch', 'meeting', 'accepted']
                            else array['first_touch', 'meeting'] end)
      and o.occurred_at >= k.started_at - :skew and o.occurred_at < :as_of
      and (n.rep_id is null or n.rep_id = k.rep_id
           or exists (select from team_member t where t.team = d.team and t.rep_id = n.rep_id)
           or exists (select from assignment a
                      where a.lead_id = own.survivor_id and a.rep_id = n.rep_id
                        and a.started_at <= o.occurred_at + :skew
                        and (a.ended_at is null or a.ended_at > o.occurred_at)))
    group by k.clock_id
)
update sla_clock k set met_at = met.at from met where met.clock_id = k.clock_id
"""


def meet(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Note as met the open clocks of leads that were touched before the batch's moment; how many. Not in shadow."""
    if not batch.live:
        return 0
    intake.begin(connection, policy, batch)
    connection.execute(sa.text("drop table if exists pg_temp.team_member"))
    connection.execute(sa.text("create temporary table team_member (team text, rep_id text) on commit drop"))
    members = ((team.id, rep) for team in policy.teams.teams.values() for rep, _ in team.members)
    copy_rows(connection, "team_member", ["team", "rep_id"], members)
    return connection.execute(sa.text(_MEET), {"as_of": batch.as_of, "skew": SKEW}).rowcount
