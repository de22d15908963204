"""Requests for sales: a hand-raise opens an inquiry unless another came shortly before it.

The gap is counted from hand-raise to hand-raise of one person, over all that is known of it, so the order of
arrival does not matter. Whoever reads inquiries as of a moment takes those with `arrived_at` before it.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Scoring

_OPENING: Final = """
with raised as (
    select a.activity_id, l.survivor_id as lead_id, a.type, a.occurred_at,
           a.occurred_at - lag(a.occurred_at) over (
               partition by l.survivor_id order by a.occurred_at, a.activity_id) as gap
    from work w join lead l on l.survivor_id = w.lead_id join activity a on a.lead_id = l.lead_id
    where w.batch_id = :batch_id and a.type = any(:types)
), opening as (
    select * from raised where gap is null or gap > :gap
)"""

_OPEN: Final = f"""{_OPENING}
insert into inquiry (inquiry_id, lead_id, type, arrived_at)
select activity_id, lead_id, type, occurred_at from opening order by activity_id
on conflict (inquiry_id) do update set
    lead_id = excluded.lead_id, type = excluded.type, arrived_at = excluded.arrived_at
where (inquiry.lead_id, inquiry.type, inquiry.arrived_at)
      is distinct from (excluded.lead_id, excluded.type, excluded.arrived_at)
"""

# An earlier hand-raise that came late takes the later one in; one with a clock stands.
_FOLDED: Final = f"""{_OPENING}
delete from inquiry i using raised r
where i.inquiry_id = r.activity_id and r.gap <= :gap
  and not exists (select from sla_clock c where c.inquiry_id = i.inquiry_id)
"""


def note(connection: Connection, batch_id: UUID, scoring: Scoring) -> int:
    """Bring the inquiries of the batch's leads up to date; rows opened or moved."""
    bound: dict[str, Any] = {
        "batch_id": batch_id,
        "types": list(scoring.hand_raise_types),
        "gap": scoring.inquiry_gap,
    }
    connection.execute(sa.text(_FOLDED), bound)
    return connection.execute(sa.text(_OPEN), bound).rowcount
