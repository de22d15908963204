"""The ledger as it was before a decision, and that decision made again under another policy: in a savepoint.

Rewinding removes what later decisions left. It is whole where decisions only add, which `only_adding` asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from clearlane import route
from clearlane.ledger import batch_of
from clearlane.policy import Policy

_DECISION = """
select d.*, l.external_id from decision d join lead l using (lead_id)
where d.lead_id = :lead and d.batch_id = :batch
"""
_ENDED = "select count(*) from assignment where ended_at is not null"
_FORGET = (
    "set local session_replication_role = replica",  # deletes need no look at who refers to what
    "delete from sla_clock where decision_seq >= :seq",
    "delete from outbox where decision_seq >= :seq",
    "delete from turn where decision_seq >= :seq",
    "delete from assignment where decision_seq >= :seq",
    "update inquiry set decision_seq = null where decision_seq >= :seq",
    """
    update place p set decision_seq = f.decision_seq, place = coalesce(f.place, 'waiting'),
        reason = coalesce(f.rule, 'new'), because = '', team = f.team, rep_id = f.rep_id
    from decision d left join lateral (
        select * from decision where lead_id = d.lead_id and decision_seq < :seq order by decision_seq desc limit 1
    ) f on true
    where d.lead_id = p.lead_id and d.decision_seq >= :seq
    """,
    "delete from decision where decision_seq >= :seq",
)


def only_adding(connection: sa.Connection) -> bool:
    """No decision ended what an earlier one had begun."""
    return connection.execute(sa.text(_ENDED)).scalar_one() == 0


def rewind(connection: sa.Connection, seq: int) -> None:
    """Bring routing back to its state before decision `seq`."""
    for statement in _FORGET:
        connection.execute(sa.text(statement), {"seq": seq} if ":seq" in statement else {})
    connection.execute(sa.text("set local session_replication_role = origin"))


def decision_of(connection: sa.Connection, lead: UUID, batch: UUID) -> Mapping[str, Any]:
    return dict(connection.execute(sa.text(_DECISION), {"lead": lead, "batch": batch}).mappings().one())


def decided_again(
    connection: sa.Connection, policy: Policy, decision: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The decision that routing makes for the lead of a rewound one; what it writes is undone."""
    lead, batch = decision["lead_id"], decision["batch_id"]
    with connection.begin_nested() as savepoint:
        route.run_chunk(connection, policy, batch_of(connection, batch), [lead])
        again = decision_of(connection, lead, batch)
        savepoint.rollback()
    return again
