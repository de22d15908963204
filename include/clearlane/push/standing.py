"""The owner or queue that a lead stands with, told to those of its records that their source shows with another.

Records that became one person, records that were told otherwise while they were one, and the other records of a lead
whose owner somebody changed in one of them. Nothing is owed where the source says so already, as far as is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping
from sqlalchemy.dialects.postgresql import JSONB

from clearlane.ledger.gone import gone
from clearlane.ledger.models import LAST_DECISION
from clearlane.push.owners import Owners

# A person is looked at whose records were merged or parted at the moment, or whose owner a person changed.
_CONCERNED: Final = """
    with member as materialized (
        select m.lead_id, m.survivor_id, m.source, m.external_id from lead m
        where m.survivor_id in (
            select l.survivor_id from lead l where l.lead_id = any(cast(:leads as uuid[]))
            union
            select l.survivor_id from work w join lead l using (lead_id) where w.batch_id = :batch_id)
    ), reason as materialized (
        select m.survivor_id from member m join merge g on g.loser_id = m.lead_id
        where g.undone_at is null and g.merged_at = :as_of
        union
        select m.survivor_id from member m join joining j on j.members @> array[m.lead_id] and j.undone_at is null
        where m.lead_id <> m.survivor_id and j.joined_at = :as_of
        union
        select m.survivor_id from member m join outbox x on (x.external_id, x.source) = (m.external_id, m.source)
        join joining j using (joining_id) where x.begun_at is not null and j.undone_at = :as_of
        union
        select survivor_id from decision d join lead using (lead_id) where d.batch_id = :beside
    )
"""
_MOMENT: Final = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
_WANTED: Final = f"""jsonb_build_object(
        'owner', o.owner, 'queue', coalesce(q.queue, case when a.rep_id is null then p.place end),
        'place', p.place, 'team', p.team, 'because', coalesce(d.because, p.because), 'tier', d.tier,
        'cover', co.owner, 'sla_due', {_MOMENT.format("d.sla_due")})"""


def compared(takers: str, taken: Callable[[str], str]) -> sa.TextClause:
    """What each record would be told, beside what its source is known to show; `takers` and `taken` of the outbox."""
    return sa.text(
        f"""
        {_CONCERNED}
        select m.lead_id as record, m.survivor_id as lead_id, m.source, m.external_id, j.joining_id,
               {taken(_WANTED)} as fields,
               m.source || ':leads:' || m.external_id || ':standing:' || coalesce(last.outbox_id, 0) as key,
               known.owner, known.queue, known.said
        from reason join lead m using (survivor_id)
        join place p on p.lead_id = m.survivor_id and p.place not in ('waiting', 'quarantined', 'held', 'closed')
        join {takers} on t.source = m.source and t.taken ? 'owner'
        left join assignment a on a.lead_id = m.survivor_id and a.ended_at is null
        left join decision d on d.decision_seq = p.decision_seq
        left join jsonb_to_recordset(:owners) o(source text, rep_id text, owner text)
            on (o.source, o.rep_id) = (m.source, a.rep_id)
        left join jsonb_to_recordset(:queues) q(team text, queue text) on q.team = p.team and a.rep_id is null
        left join cover c on c.lead_id = m.survivor_id and c.rep_id = a.rep_id and c.ended_at is null
        left join jsonb_to_recordset(:owners) co(source text, rep_id text, owner text)
            on (co.source, co.rep_id) = (m.source, c.cover_rep_id)
        left join lateral (
            select joining_id from joining
            where members @> array[m.lead_id] and undone_at is null and joined_at = :as_of
            order by joined_at desc, joining_id desc limit 1
        ) j on true
        left join lateral (
            select max(outbox_id) as outbox_id from outbox x
            where (x.source, x.object, x.external_id) = (m.source, 'leads', m.external_id)
        ) last on true
        left join lateral ({_KNOWN}) known on true
        where not {gone("m")} and (p.place <> 'owned' or o.owner is not null)
          and (:by_hand or t.live_from is null or m.created_at >= t.live_from or last.outbox_id is not null)
        order by m.source, m.external_id
        """
    ).bindparams(sa.bindparam("batch_id", type_=sa.UUID), sa.bindparam("beside", type_=sa.UUID))


# What waits to be sent will be shown; then what was sent last, the record itself and a person's choice found before
# a write, whichever is newest. What may have arrived and may not is in doubt.
_KNOWN: Final = """
    with told as (
        select x.* from outbox x
        where (x.source, x.object, x.external_id) = (m.source, 'leads', m.external_id) and x.fields ? 'owner'
    ), sent as (
        select * from told where state = 'sent' order by sent_at desc, outbox_id desc limit 1
    ), shown as (
        select attributes ->> 'owner' as owner, valid_from from lead_revision
        where lead_id = m.lead_id and revision_id > coalesce((select sent_revision from sent), 0)
        order by valid_from desc, content_hash desc limit 1
    ), chosen as (
        select detail ->> 'owner' as owner, occurred_at from routing_event
        where lead_id in (m.lead_id, m.survivor_id) and kind = 'override' and detail ->> 'source' = m.source
          and detail ->> 'external_id' = m.external_id
          and occurred_at > coalesce((select sent_at from sent), '-infinity')
          and occurred_at > coalesce((select valid_from from shown), '-infinity')
        order by event_id desc limit 1
    )
    select * from (
        select 1 as nth, 'owed' as said, fields ->> 'owner' as owner, fields ->> 'queue' as queue, outbox_id
        from told where state = 'owed'
        union all
        select 2, 'doubtful', null, null, outbox_id from told
        where begun_at is not null and state in ('superseded', 'dead', 'dropped')
          and outbox_id > coalesce((select outbox_id from sent), 0)
        union all
        select 3, 'found', owner, null, 0 from chosen
        union all
        select 4, 'found', owner, null, 0 from shown
        union all
        select 5, 'sent', fields ->> 'owner', fields ->> 'queue', outbox_id from sent
    ) known order by nth, outbox_id desc limit 1
"""


def untold(owners: Mapping[str, Owners], rows: Sequence[RowMapping]) -> list[RowMapping]:
    """The rows of `compared` whose source does not show what is wanted; `owners` by source."""
    return [row for row in rows if not _shows(owners[row["source"]], row)]


def _shows(owners: Owners, row: RowMapping) -> bool:
    """An owner that was found there, and not written by us, gives way to another owner only, never to a queue."""
    wanted, found = owners.who(row["fields"].get("owner")), owners.who(row["owner"])
    if row["said"] == "doubtful":
        return False
    if wanted is None and found is not None:
        return bool(row["said"] == "found")
    return wanted == found and (wanted is not None or _in_queue(row))


def _in_queue(row: RowMapping) -> bool:
    return "queue" not in row["fields"] or row["fields"]["queue"] == row["queue"]


_OWE: Final = sa.text(
    f"""
    insert into outbox
        (idempotency_key, source, object, external_id, lead_id, joining_id, batch_id, knew_seq, knew_revision, fields,
         note)
    select r.key, r.source, 'leads', r.external_id, r.lead_id, r.joining_id, :batch_id, {LAST_DECISION},
           (select max(revision_id) from lead_revision where lead_id = r.record), r.fields,
           'told of the owner that the person has'
    from jsonb_to_recordset(:rows) r(
        key text, source text, external_id text, lead_id uuid, record uuid, joining_id bigint, fields jsonb)
    order by r.source, r.external_id
    on conflict (idempotency_key) do nothing
    returning outbox_id
    """
).bindparams(sa.bindparam("batch_id", type_=sa.UUID), sa.bindparam("rows", type_=JSONB))
_OWED: Final = ("key", "source", "external_id", "lead_id", "record", "joining_id", "fields")


def owed(connection: Connection, rows: Sequence[RowMapping], batch_id: UUID) -> list[int]:
    """Owe what these rows of `compared` want; the numbers of the writes."""
    wanted = [{name: _plain(row[name]) for name in _OWED} for row in rows]
    return list(connection.execute(_OWE, {"rows": wanted, "batch_id": batch_id}).scalars()) if wanted else []


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value
