"""Routing a batch on the ledger: chunks of at most 1,000 leads, hottest first, each under the routing lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.policy.model import Policy
from clearlane.route import intake, matching, store
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.eligibility import sells
from clearlane.route.floor import Floor
from clearlane.route.merged import join_merged
from clearlane.route.state import load_floor
from clearlane.route.store import Decided
from clearlane.rules import Dialect

CHUNK: Final = 1_000
LOCK: Final = 0x636C_6561_726C_616E
"""key of the transaction advisory lock that hands out decision numbers"""

Counts = Mapping[str, int]

_UNDECIDED = """
select w.lead_id from work w
join lateral (
    select * from score
    where lead_id = w.lead_id and as_of <= :as_of and policy_hash = :scoring order by as_of desc, score_id desc limit 1
) s on true
join lead l on l.lead_id = w.lead_id
where w.batch_id = :batch
  and not exists (select from decision d where d.batch_id = w.batch_id and d.lead_id = w.lead_id)
order by s.hand_raise desc, s.score desc, l.created_at, w.lead_id
"""


def chunks(connection: Connection, batch: Batch) -> list[list[UUID]]:
    """The leads of the batch that are scored as of its moment and not decided yet, hottest first."""
    bound = {"batch": batch.batch_id, "as_of": batch.as_of, "scoring": batch.policy["scoring"]}
    leads = list(connection.execute(sa.text(_UNDECIDED), bound).scalars())
    return [leads[start : start + CHUNK] for start in range(0, len(leads), CHUNK)]


def run(connection: Connection, policy: Policy, batch: Batch) -> Counts:
    """Route the whole batch in the caller's transaction; the numbers of leads by what became of them."""
    total: Counter[str] = Counter()
    for leads in chunks(connection, batch):
        total.update(run_chunk(connection, policy, batch, leads))
    return total


def run_chunk(connection: Connection, policy: Policy, batch: Batch, leads: Sequence[UUID]) -> Counts:
    """Route these leads of the batch, in order of heat. Commit afterwards: the routing lock is held until then.

    What the leads are is read under the lock, so runs at the same time never decide one lead twice. A lead that
    this batch decided before is skipped.
    """
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    join_merged(connection, batch, leads)
    intake.gather(connection, policy, batch, leads)
    settled = intake.settle(connection, batch)
    intake.candidates(connection)
    rows = candidate_rows(connection, policy)
    floor = load_floor(connection, policy, batch, (row["band"] for row in rows))
    seqs = store.numbers(connection, len(rows))
    decided = [Decided(seq, row, _decided(floor, row)) for seq, row in zip(seqs, rows, strict=True)]
    store.save(connection, floor, batch, decided)
    return (
        Counter({"decided": len(decided)}) + Counter(one.decision.place for one in decided) + Counter(settled)
    )


def _decided(floor: Floor, row: RowMapping) -> Decision:
    facts = facts_of(floor, row)
    decision = decide(floor.policy, floor, facts)
    floor.take(facts, decision)
    return decision


def candidate_rows(connection: Connection, policy: Policy) -> Sequence[RowMapping]:
    """The rows of `candidate`, hottest first, with territory and the rules that held (`matched`)."""
    statement = (
        "select c.*, c.attributes ->> 'language' as language, m.territory, m.matched"
        f" from candidate c join ({matching.statement(policy.routing, Dialect.POSTGRES)}) m using (lead_id)"
        " order by c.hand_raise desc, c.score desc, c.created_at, c.lead_id"
    )
    # The text of conditions may hold % and : that are no parameters.
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).mappings().all()


_SAME = frozenset(field.name for field in fields(Facts)) - {"company", "account", "owned", "owner"}


def facts_of(floor: Floor, row: RowMapping) -> Facts:
    """The facts of a row of `candidate`. An owner who left is no owner any more."""
    owner = row["owner_rep"]
    return Facts(
        **{name: row[name] for name in _SAME},
        company=row["company_key"],
        account=str(row["account_id"]) if row["account_id"] else None,
        owned=row["assignment_id"] is not None and (owner is None or _still_sells(floor, owner)),
        owner=owner,
    )


def _still_sells(floor: Floor, rep: str) -> bool:
    there = floor.present.get(rep)
    return there is not None and sells(there.rep, floor.as_of)
