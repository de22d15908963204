"""Who owes each open promise, from when on: written whenever a lead may have moved.

Reads `place` and `cover`, writes `sla_owed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

# Until its first decision a lead waits for a run: nobody owes it but the pipeline.
_WAITED: Final = """
insert into sla_owed (clock_id, since, place)
select k.clock_id, k.started_at, 'waiting' from sla_clock k
where k.lead_id = any(cast(:leads as uuid[])) and k.met_at is null and k.ended_at is null
  and k.started_at < :at and not exists (select from sla_owed o where o.clock_id = k.clock_id)
"""
_OWED: Final = """
insert into sla_owed (clock_id, since, rep_id, team, place)
select k.clock_id, greatest(cast(:at as timestamptz), k.started_at, o.since), n.rep_id, p.team, n.place
from sla_clock k join place p using (lead_id)
left join cover v on v.lead_id = k.lead_id and v.rep_id = p.rep_id and v.ended_at is null
cross join lateral (
    select case when p.place = 'owned' and k.kind <> 'queue' then coalesce(v.cover_rep_id, p.rep_id) end as rep_id,
           case when k.kind = 'queue' then k.place else p.place end as place
) n
left join lateral (select * from sla_owed where clock_id = k.clock_id order by since desc limit 1) o on true
where k.lead_id = any(cast(:leads as uuid[])) and k.met_at is null and k.ended_at is null
  and (o.clock_id is null or (o.rep_id, o.team, o.place) is distinct from (n.rep_id, p.team, n.place))
on conflict (clock_id, since) do update set rep_id = excluded.rep_id, team = excluded.team, place = excluded.place
"""


def note(connection: Connection, leads: Sequence[UUID], at: datetime) -> None:
    """Note who owes the open promises of these leads from `at` on, where that is somebody else than before."""
    bound = {"leads": list(leads), "at": at}
    connection.execute(sa.text(_WAITED), bound)
    connection.execute(sa.text(_OWED), bound)
