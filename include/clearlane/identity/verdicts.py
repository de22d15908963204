"""What people said of two records: one person (`same`), two (`apart`), or nothing any more (`withdraw`).

Of each pair the latest counts. What keys say of the two gives way to it, in every later run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

Verdict = Literal["same", "apart", "withdraw"]
Pair = tuple[UUID, UUID]

LATEST: Final = """
select distinct on (lead_id, other_id) verdict_id, lead_id, other_id, verdict, by, because, decided_at
from person_verdict order by lead_id, other_id, verdict_id desc
"""
"""of each pair (the smaller id first) what counts now"""
_STAGED: Final = f"""
create temporary table said on commit drop as
select p.lead_id, p.other_id, v.verdict
from ({LATEST}) v
cross join lateral (values (v.lead_id, v.other_id), (v.other_id, v.lead_id)) p (lead_id, other_id)
where v.verdict <> 'withdraw'
"""


def stage(connection: Connection) -> None:
    """Make the temporary table `said` of what counts now, each pair from both sides."""
    connection.exec_driver_sql("drop table if exists pg_temp.said")
    connection.exec_driver_sql(_STAGED)
    connection.exec_driver_sql("create index on said (lead_id)")
    connection.exec_driver_sql("analyze said")


_SAY: Final = f"""
insert into person_verdict (lead_id, other_id, verdict, by, because, decided_at)
select :one, :other, :verdict, :by, :because, :at
where :verdict is distinct from coalesce((
    select verdict from ({LATEST}) v where (v.lead_id, v.other_id) = (:one, :other)), 'withdraw')
"""


def say(connection: Connection, pair: Pair, verdict: Verdict, *, by: str, because: str, at: datetime) -> bool:
    """Keep what a person says of two records; whether it is news. Needs the identity lock."""
    one, other = sorted(pair)
    if one == other:
        raise ValueError("a record is no pair with itself")
    bound = {"one": one, "other": other, "verdict": verdict, "by": by, "because": because, "at": at}
    statement = sa.text(_SAY).bindparams(
        sa.bindparam("one", type_=sa.UUID),
        sa.bindparam("other", type_=sa.UUID),
        sa.bindparam("verdict", type_=sa.Text),
    )
    return connection.execute(statement, bound).rowcount > 0


_AMONG: Final = f"""
select * from ({LATEST}) v
where verdict <> 'withdraw' and (lead_id = any(cast(:records as uuid[])) or other_id = any(cast(:records as uuid[])))
order by verdict_id
"""


def about(connection: Connection, records: Sequence[UUID]) -> Sequence[RowMapping]:
    """What counts now of pairs of which at least one is among the records, the oldest first."""
    return connection.execute(sa.text(_AMONG), {"records": list(records)}).mappings().all()


_TAKEN: Final = """
with taken as (
    update person_verdict set taken_batch = :batch_id where taken_batch is null returning lead_id, other_id
)
insert into touched (lead_id, reason) select distinct unnest(array[lead_id, other_id]), 'merge' from taken
"""


def take(connection: Connection, batch_id: UUID) -> None:
    """Add to `touched` the records of which a person said something since the last run: they are scored anew."""
    connection.execute(sa.text(_TAKEN), {"batch_id": batch_id})
