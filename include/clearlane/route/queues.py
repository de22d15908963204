"""Who waits longer than promised in exceptions, a pool or held: information for `doctor`, no broken invariant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Policy

_OVERDUE = """
with waiting as (
    select p.place, p.since,
           p.place = 'pool' and p.since + cast(:longest as interval) <= :at as too_old,
           p.until <= :at as released,
           exists (
               select from sla_clock k where k.lead_id = p.lead_id and k.kind = 'arrival'
                 and k.met_at is null and k.ended_at is null and k.due_at <= :at) as late
    from place p where p.place in ('exceptions', 'pool', 'held')
)
select place, count(*) filter (where late) as late, count(*) filter (where too_old) as too_old,
       count(*) filter (where released) as released, min(since) as oldest
from waiting group by place
having bool_or(late or coalesce(too_old, false) or coalesce(released, false)) order by place
"""


def overdue(connection: Connection, policy: Policy, at: datetime) -> Sequence[str]:
    """A sentence for each queue in which leads wait past a first touch, the pool's longest age, or their hour."""
    bound = {"at": at, "longest": policy.routing.pool_max_age}
    return [_told(row) for row in connection.execute(sa.text(_OVERDUE), bound).mappings()]


def _told(row: sa.RowMapping) -> str:
    said = {
        "past the promised first touch": row["late"],
        "longer than a pool may keep them": row["too_old"],
        "past the moment from which they are routed again": row["released"],
    }
    counts = ", ".join(f"{count} {how}" for how, count in said.items() if count)
    return f"{row['place']}: {counts}; the oldest since {row['oldest']:%Y-%m-%d %H:%M}Z"
