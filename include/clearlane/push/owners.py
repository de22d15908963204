"""Whose choice an owner in a source system is: ours, known to the decision, or a person's, which stands.

Known are the owners we began to write since the last write that came through, the owner in the newest revision the
decision was made from, where that came after it, and those of overrides it took into account; of a write of no
decision, what there was when it was owed. Whoever else sells and is found as owner was chosen by a person since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, RowMapping

from clearlane.connectors import UNREADABLE
from clearlane.ledger.models import PLACES
from clearlane.policy.model import OWNERSHIP, Policy, Source
from clearlane.push.claims import Claim
from clearlane.route.owners import User, folded, owner_names

ROUTING: Final = "owner"


@dataclass(frozen=True)
class Owners:
    """The owners of one source by all their spellings, at one moment."""

    reps: Mapping[str, str | None]
    queues: frozenset[str] = field(default_factory=frozenset)

    def who(self, named: object) -> str | None:
        """One word for all spellings of an owner; None for nobody, a queue, and whoever does not sell."""
        name = folded(str(named or ""))
        if not name or name in self.queues:
            return None
        return self.reps.get(name, name)


_USERS: Final = sa.text("select source, external_id, name, email, active from owner where source = :source")


def owners_of(connection: Connection, policy: Policy, source: Source, at: datetime) -> Owners:
    """Who the source's owners are, by teams.yaml and by the source's own list of users."""
    users = [User(*row) for row in connection.execute(_USERS, {"source": source.name})]
    named = owner_names(policy.teams, users, [source.name], at)
    queues = (team.queue for team in policy.teams.teams.values() if team.queue)
    return Owners(
        {name: rep for (of, name), rep in named.items() if of == source.name},
        frozenset(map(folded, (*queues, *PLACES))),
    )


# --- what was known -----------------------------------------------------------------------------------

_KNOWN: Final = sa.text(
    """
    with mine as (
        select o.outbox_id, o.source, o.object, o.external_id, o.lead_id, l.lead_id as record_id,
               coalesce(o.decision_seq, o.knew_seq + 1) as knew_before,
               coalesce(o.knew_revision, p.revision_id) as knew,
               s.sent_id, s.sent_decision, s.sent_revision
        from outbox o
        left join decision d using (decision_seq) left join lead_profile p using (profile_id)
        left join lead l on (l.source, l.external_id) = (o.source, o.external_id)
        left join lateral (
            select outbox_id as sent_id, coalesce(decision_seq, knew_seq) as sent_decision, sent_revision from outbox x
            where (x.source, x.object, x.external_id) = (o.source, o.object, o.external_id)
              and x.state = 'sent' and x.fields ? 'owner'
            order by x.sent_at desc, x.outbox_id desc limit 1
        ) s on true
        where o.outbox_id = any(:ids)
    )
    select m.outbox_id, b.fields ->> 'owner' as owner
    from mine m join outbox b on (b.source, b.object, b.external_id) = (m.source, m.object, m.external_id)
        and b.begun_at is not null and b.outbox_id >= coalesce(m.sent_id, 0)
    union
    select m.outbox_id, r.attributes ->> 'owner'
    from mine m cross join lateral (
        select revision_id, attributes from lead_revision
        where lead_id = m.record_id and revision_id <= m.knew order by valid_from desc, revision_id desc limit 1
    ) r where r.revision_id > coalesce(m.sent_revision, 0)
    union
    select m.outbox_id, e.detail ->> 'owner'
    from mine m join routing_event e on e.lead_id in (m.lead_id, m.record_id)
        and e.kind in ('owner', 'override') and e.handled_seq < m.knew_before
        and (m.sent_decision is null or e.handled_seq >= m.sent_decision)
    """
)


def chosen_by_people(
    connection: Connection,
    owners: Owners,
    rows: Sequence[RowMapping],
    current: Mapping[str, Mapping[str, Any]],
) -> list[RowMapping]:
    """The claimed writes whose record is now owned by somebody whom the decision did not know to own it."""
    found = {row["outbox_id"]: owners.who(_owner(current, row)) for row in rows if ROUTING in row["fields"]}
    asked = [number for number, who in found.items() if who is not None]
    known: dict[int, set[str | None]] = {number: set() for number in asked}
    for number, owner in connection.execute(_KNOWN, {"ids": asked}) if asked else ():
        known[number].add(owners.who(owner))
    return [
        row
        for row in rows
        if row["outbox_id"] in known and found[row["outbox_id"]] not in known[row["outbox_id"]]
    ]


def _owner(current: Mapping[str, Mapping[str, Any]], row: RowMapping) -> object:
    """The owner that the record has; None also where that cannot be read, and so nobody can be seen to have chosen."""
    owner = current.get(row["external_id"], {}).get("owner")
    return None if owner == UNREADABLE else owner


# --- what is kept of it -------------------------------------------------------------------------------

_WITHHOLD: Final = sa.text(
    """
    update outbox set fields = fields - cast(:names as text[]),
        note = concat_ws('; ', note, 'the owner stands: a person changed it in the source')
    where outbox_id = any(:ids) and claimed_by = :number and state = 'owed'
    returning *
    """
)
_OVERRIDE: Final = sa.text(
    """
    insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
    select :lead_id, 'override', :occurred_at, :rep_id, 'a person changed the owner in the source', :detail
    where not exists (
        select from routing_event e where e.lead_id = :lead_id and e.kind = 'override' and e.handled_batch is null
          and e.detail ->> 'owner' = :owner and e.detail ->> 'source' = :source)
    """
)


def let_stand(
    connection: Connection, policy: Policy, owners: Owners, claim: Claim, rows: Sequence[RowMapping],
    current: Mapping[str, Mapping[str, Any]], at: datetime,
) -> dict[int, RowMapping]:  # fmt: skip
    """Take the owner out of these writes and tell routing whom people chose; the writes as they are now.

    A choice that routing was told and has not read yet is told once.
    """
    bound = {"ids": [row["outbox_id"] for row in rows], "names": list(OWNERSHIP), "number": claim.number}
    kept = {row["outbox_id"]: row for row in connection.execute(_WITHHOLD, bound).mappings()}
    events = [_override(policy, owners, row, current[row["external_id"]], at) for row in rows]
    for event in events:
        connection.execute(_OVERRIDE, event)
    return kept


def _override(
    policy: Policy, owners: Owners, row: RowMapping, record: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    """What routing is told: who has the lead now, what we were about to write and, where known, who chose and when."""
    who, changed = owners.who(record["owner"]), record.get("owner_changed_at")
    detail = {
        "owner": record["owner"], "source": row["source"], "external_id": row["external_id"],
        "wanted": row["fields"]["owner"], "decision": row["decision_seq"], "by": record.get("owner_changed_by"),
    }  # fmt: skip
    return {
        "lead_id": row["lead_id"], "rep_id": who if who in policy.teams.reps else None,
        "occurred_at": changed if isinstance(changed, datetime) and changed < at else at,
        "owner": str(record["owner"]), "source": row["source"], "detail": Jsonb(detail),
    }  # fmt: skip


# --- what is there already ----------------------------------------------------------------------------


def missing(owners: Owners, fields: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """The fields of a write that the record does not hold, of those that its connector writes."""
    return [name for name in fields if name in record and not _same(owners, name, fields[name], record[name])]


def _same(owners: Owners, name: str, wanted: object, found: object) -> bool:
    if name == "owner" and owners.who(wanted) is not None:
        return owners.who(wanted) == owners.who(found)
    return any(_read(wanted, read) == _read(found, read) for read in _READINGS)


def _read(value: object, read: Any) -> object:
    """The value in one reading; itself and its reading in a pair, so that what cannot be read equals nothing else."""
    try:
        return read(value)
    except (TypeError, ValueError):
        return read, str(value)


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


_READINGS: Final[Iterable[Any]] = (_text, lambda value: float(str(value)), _moment)
