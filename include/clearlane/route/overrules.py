"""Owners whom people chose in a source: each a decision of mode `hand`, which stands until a person changes it.

Made for a whole chunk, under the routing lock and before what the run decides. Nothing is pushed for it: the source
said so. The decisions belong to a batch beside that of the run, for a lead may have asked meanwhile and be answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch, close_batch, copy_rows, ids, open_batch
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import Policy
from clearlane.route import clocks
from clearlane.route.floor import open_floor
from clearlane.route.store import save_roster

DAG: Final = "by_hand"
"""the dag_id of the batches that people's decisions belong to"""

_CHOSEN = "select distinct e.owner_rep from intake i join called e using (event_id) where i.step = 'hand'"
_DECIDE = """
insert into decision (decision_seq, lead_id, batch_id, mode, as_of, profile_id, score_id, roster_id, policy,
                      code_version, place, team, band, rep_id, refused, because, tier, sla_due, event_id)
select nextval('decision_seq'), lead_id, :hand, 'hand', occurred_at, profile_id, score_id, :roster, :policy, :code,
       'owned', cast(:teams as jsonb) ->> chosen, band, chosen, '{}',
       'a person gave it to its owner in the source', tier, due_at, event_id
from (
    select i.*, e.occurred_at, e.owner_rep as chosen, promised.tier, clock.due_at
    from intake i join called e using (event_id)
    left join lateral (
        select tier from decision
        where lead_id = i.lead_id and mode <> 'shadow' order by decision_seq desc limit 1
    ) promised on true
    left join lateral (
        select min(due_at) as due_at from sla_clock
        where lead_id = i.lead_id and kind = 'arrival' and met_at is null and ended_at is null
    ) clock on true
    where i.step = 'hand' order by e.occurred_at, i.lead_id
) made
"""
_END = f"""
update assignment a set ended_at = greatest(a.started_at, e.occurred_at), ended_seq = {LAST_DECISION},
    ended_because = 'owner changed in source'
from intake i join called e using (event_id)
where i.step = 'hand' and a.lead_id = i.lead_id and a.ended_at is null
"""
# Who gets a lead that nobody has touched owes it the touch from then on; of one that is being worked nothing is owed.
_OWED = """
select d.lead_id, d.decision_seq, d.tier, d.rep_id, d.as_of, (
    select inquiry_id from sla_clock
    where lead_id = d.lead_id and kind = 'arrival' and met_at is null and ended_at is null
    order by started_at desc limit 1) as inquiry_id
from intake i join decision d on d.batch_id = :hand and d.lead_id = i.lead_id
where i.step = 'hand' and d.rep_id is not null and exists (
    select from sla_clock k
    where k.lead_id = d.lead_id and k.kind = 'arrival' and k.ended_at is null
      and (k.met_at is null or k.met_at >= d.as_of))
"""
# The lead's own clock runs on: somebody still owes it a first touch.
_END_CLOCKS = """
update sla_clock k set ended_at = greatest(k.started_at, e.occurred_at)
from intake i join called e using (event_id)
where i.step = 'hand' and k.lead_id = i.lead_id and k.met_at is null and k.ended_at is null and k.kind <> 'arrival'
"""
_ASSIGN = """
with taken as (
    insert into assignment (lead_id, rep_id, owner_external_id, team, decision_seq, by, because, started_at)
    select d.lead_id, d.rep_id, e.detail ->> 'owner', d.team, d.decision_seq, 'person', 'owner changed in source',
           d.as_of
    from intake i join called e using (event_id) join decision d on d.batch_id = :hand and d.lead_id = i.lead_id
    where i.step = 'hand'
    returning lead_id, assignment_id, rep_id, team
)
update intake i set assignment_id = taken.assignment_id, owner_rep = taken.rep_id, owner_team = taken.team
from taken where taken.lead_id = i.lead_id
"""
# Who has it now may have called before we knew.
_LOOK_AGAIN = "insert into touch_due (lead_id) select lead_id from intake where step = 'hand'"
_PLACE = """
insert into place as p (lead_id, place, reason, because, team, rep_id, since, decision_seq, batch_id)
select d.lead_id, 'owned', 'owner_changed', 'a person gave it to its owner', d.team, d.rep_id,
       cast(:as_of as timestamptz), d.decision_seq, :batch
from intake i join decision d on d.batch_id = :hand and d.lead_id = i.lead_id
where i.step = 'hand'
on conflict (lead_id) do update set place = excluded.place, reason = excluded.reason, because = excluded.because,
    team = excluded.team, rep_id = excluded.rep_id, since = excluded.since, decision_seq = excluded.decision_seq,
    until = null, batch_id = excluded.batch_id
"""


def record(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Give the leads of `intake` whose step is `hand` to whom people chose; how many. Never commits."""
    chosen = connection.execute(sa.text(_CHOSEN)).scalars().all()
    if not chosen:
        return 0
    bound = {
        "hand": _beside(connection, batch), "batch": batch.batch_id, "as_of": batch.as_of,
        "roster": save_roster(connection, policy), "policy": Jsonb(dict(batch.policy)), "code": batch.code_version,
        "teams": Jsonb(_teams(policy, batch, chosen)),
    }  # fmt: skip
    for effect in (_DECIDE, _END):
        connection.execute(sa.text(effect), bound)
    promises = list(_promises(policy, connection.execute(sa.text(_OWED), bound).mappings().all()))
    for effect in (_END_CLOCKS, _ASSIGN, _LOOK_AGAIN):
        connection.execute(sa.text(effect), bound)
    copy_rows(connection, "sla_clock", clocks.COLUMNS, promises)
    return connection.execute(sa.text(_PLACE), bound).rowcount


def _promises(policy: Policy, owed: Sequence[RowMapping]) -> Iterator[tuple[Any, ...]]:
    """The clocks of who has it now; there is nothing to accept, for a person chose."""
    floor_at = cache(partial(open_floor, policy))
    for row in owed:
        tier = policy.sla.tier(row["tier"])
        for clock in clocks.of_owner(floor_at(row["as_of"]), tier, row["rep_id"], None, accepts=False):
            yield clock.row(row["lead_id"], row["inquiry_id"], row["decision_seq"])


def _teams(policy: Policy, batch: Batch, reps: Any) -> Mapping[str, str | None]:
    floor = open_floor(policy, batch.as_of)
    return {rep: floor.team_of(rep) for rep in reps if rep}


def _beside(connection: Connection, batch: Batch) -> UUID:
    """The batch of the run's changes of owners, ended at once: there is nothing left to do for it."""
    hand = open_batch(
        connection, dag_id=DAG, run_id=_run(batch), run_type="manual", mode="live", dry_run=False, window=None,
        as_of=batch.as_of, sources=(), policy=batch.policy, code_version=batch.code_version,
    )  # fmt: skip
    close_batch(connection, hand.batch_id)
    return hand.batch_id


def beside(batch: Batch) -> UUID:
    """The id of the batch to which the changes of owners belong that this run took up, if there were any."""
    return ids.batch_id(DAG, _run(batch))


def _run(batch: Batch) -> str:
    return f"owners changed, {batch.batch_id}"
