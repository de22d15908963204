"""Two records of one source that a person, or `people.merge` of sources.yaml, said are one: merged there as well.

Only where the source says `merge: push`, for that cannot be taken back: a key that two records have in common merges
them here alone. The earlier record takes in the later. What is not merged by us is listed for people, until the source
says that it was done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.connectors import Merge, Receipt
from clearlane.identity import lookalikes, verdicts
from clearlane.identity.membership import RULES
from clearlane.ledger import Batch
from clearlane.ledger.gone import gone
from clearlane.policy.model import Policy, Source
from clearlane.push.claims import Claim

OBJECT: Final = "merges"
"""the object of such a write; its `merged_into` names the record that takes the other in"""

_OWE: Final = f"""
    with member as materialized (
        select m.*, row_number() over (order by m.created_at, m.external_id collate "C") as nth from lead m
        where m.source = any(:sources) and not {gone("m")} and m.survivor_id in (
            select l.survivor_id from lead l where l.lead_id = any(cast(:leads as uuid[]))
            union
            select l.survivor_id from work w join lead l using (lead_id) where w.batch_id = :batch_id)
    ), said as (
        select v.lead_id, v.other_id from ({verdicts.LATEST}) v where v.verdict = 'same'
        union
        select a.lead_id, a.other_id from person_alike a join member using (lead_id) where {lookalikes.SURE}
    )
    insert into outbox (idempotency_key, source, object, external_id, lead_id, joining_id, batch_id, fields)
    select concat_ws(':', other.source, '{OBJECT}', other.external_id, one.external_id, j.joining_id),
           other.source, '{OBJECT}', other.external_id, other.lead_id, j.joining_id, :batch_id,
           jsonb_build_object('merged_into', one.external_id)
    from said
    cross join lateral (values (said.lead_id, said.other_id), (said.other_id, said.lead_id)) two (one_id, other_id)
    join member one on one.lead_id = two.one_id
    join member other on other.lead_id = two.other_id
        and (other.source, other.survivor_id) = (one.source, one.survivor_id) and other.nth > one.nth
    cross join lateral (
        select joining_id from joining
        where members @> array[one.lead_id, other.lead_id] and undone_at is null
        order by joined_at desc, joining_id desc limit 1
    ) j
    where not exists (
        select from outbox x
        where (x.source, x.object) = (one.source, '{OBJECT}') and x.state in ('owed', 'sent', 'dead')
          and (x.external_id, x.fields ->> 'merged_into') in (
            (other.external_id, one.external_id), (one.external_id, other.external_id)))
    order by other.nth, one.nth
    on conflict (idempotency_key) do nothing
"""


def owe(connection: Connection, policy: Policy, batch: Batch, leads: Sequence[UUID] = ()) -> int:
    """Owe the merges of these leads, and of the batch's, to the sources that are to be told; how many."""
    sources = [source.name for source in policy.sources.sources.values() if _pushes(source)]
    if not sources:
        return 0
    people = policy.sources.people
    bound = {"sources": sources, "leads": list(leads), "batch_id": batch.batch_id}
    bound |= lookalikes.sure(people.merge, people)
    return connection.execute(sa.text(_OWE), bound).rowcount


def _pushes(source: Source) -> bool:
    return source.push is not None and source.merge == "push"


# --- sending ------------------------------------------------------------------------------------------

_UNWANTED: Final = sa.text(
    """
    update outbox o set state = 'superseded', claimed_until = null, attempts = attempts - 1,
        note = concat_ws('; ', o.note, case when :pushes then 'no longer one person' else 'merged by hand by now' end)
    from lead other
    where o.outbox_id = any(:ids) and o.claimed_by = :number and o.state = 'owed'
      and (other.source, other.external_id) = (o.source, o.external_id)
      and (not :pushes or not exists (
        select from lead one where (one.source, one.external_id) = (o.source, o.fields ->> 'merged_into')
          and one.survivor_id = other.survivor_id))
    returning o.outbox_id
    """
)


def wanted(connection: Connection, source: Source, claim: Claim) -> dict[int, Merge]:
    """Those of the claimed merges, by outbox_id, whose records are still one person; the others are given up."""
    ids = [row["outbox_id"] for row in claim.rows]
    bound = {"ids": ids, "number": claim.number, "pushes": _pushes(source)}
    unwanted = set(connection.execute(_UNWANTED, bound).scalars())
    return {
        row["outbox_id"]: Merge(row["idempotency_key"], row["external_id"], row["fields"]["merged_into"])
        for row in claim.rows
        if row["outbox_id"] not in unwanted
    }


_BECAME: Final = sa.text(
    "update outbox set fields = fields || jsonb_build_object('became', cast(:became as text))"
    " where outbox_id = :id and state = 'sent' and fields ? 'merged_into'"
)
# What was owed to either of the two is owed to what became of them, once the source tells of it.
_LET_GO: Final = sa.text(
    f"""
    update outbox o set state = 'dropped', note = concat_ws('; ', o.note, 'the record is merged in the source')
    from lead l
    where o.state = 'owed' and o.claimed_until is null and o.object = 'leads'
      and (l.source, l.external_id) = (o.source, o.external_id) and {gone("l")}
      and o.source = :source and o.external_id = any(:records)
    """
)


def note(connection: Connection, claim: Claim, receipts: Mapping[int, Receipt]) -> None:
    """Keep what became of two records that were merged, and let go what else was owed to them."""
    done = {
        number: receipt.became
        for number, receipt in receipts.items()
        if receipt.result == "sent" and receipt.became
    }
    for number, became in done.items():
        connection.execute(_BECAME, {"id": number, "became": became})
    rows = [row for row in claim.rows if row["outbox_id"] in done]
    records = {name for row in rows for name in (row["external_id"], row["fields"]["merged_into"])}
    if rows:
        connection.execute(_LET_GO, {"source": rows[0]["source"], "records": sorted(records)})


# --- for people ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Twice:
    """A person whom one source has twice: `record` is to be merged there into `into` (both SOURCE:ID), by whom, why."""

    record: str
    into: str
    by_us: bool
    """it is owed: we merge the two"""
    because: str


_TWICE: Final = f"""
    with living as (
        select m.*, first_value(m.external_id) over (
            partition by m.survivor_id, m.source order by m.created_at, m.external_id collate "C") as into
        from lead m
        where m.source = any(:sources) and not {gone("m")} and m.survivor_id in (
            select survivor_id from lead where survivor_id <> lead_id
              and (cast(:leads as uuid[]) is null
                   or survivor_id in (select survivor_id from lead where lead_id = any(cast(:leads as uuid[])))))
    )
    select l.source || ':' || l.external_id as record, l.source || ':' || coalesce(owed.into, l.into) as into,
           owed.into is not null as by_us, g.rule
    from living l
    cross join lateral (select rule from merge where loser_id = l.lead_id and undone_at is null) g
    left join lateral (
        select x.fields ->> 'merged_into' as into from outbox x
        where (x.source, x.object, x.external_id, x.state) = (l.source, '{OBJECT}', l.external_id, 'owed') limit 1
    ) owed on true
    where l.into <> l.external_id
    order by g.rule <> 'person', l.source, l.created_at, l.external_id
"""


def twice(connection: Connection, policy: Policy, leads: Sequence[UUID] | None = None) -> list[Twice]:
    """Who is still twice in a source that is written to, of these leads or of all; what people said comes first."""
    sources = [source.name for source in policy.sources.sources.values() if source.push]
    bound = {"sources": sources, "leads": None if leads is None else list(leads)}
    rows = connection.execute(sa.text(_TWICE), bound).mappings()
    return [
        Twice(row["record"], row["into"], row["by_us"], RULES.get(row["rule"], row["rule"])) for row in rows
    ]


@dataclass(frozen=True)
class Stays:
    """Two records that were merged in their source, or are just being merged, and that are two people here."""

    record: str
    into: str
    since: datetime | None


_STAYS: Final = f"""
    select o.source || ':' || o.external_id as record, o.source || ':' || (o.fields ->> 'merged_into') as into,
           o.sent_at as since
    from outbox o
    join lead other on (other.source, other.external_id) = (o.source, o.external_id)
    join lead one on (one.source, one.external_id) = (o.source, o.fields ->> 'merged_into')
    where o.object = '{OBJECT}' and one.survivor_id <> other.survivor_id
      and (o.state = 'sent' or o.state = 'owed' and o.claimed_until is not null)
      and other.lead_id = any(cast(:leads as uuid[]))
    order by o.outbox_id
"""


def stays(connection: Connection, leads: Sequence[UUID]) -> list[Stays]:
    """Merges of these leads that their source cannot take back, though they are two people here."""
    return [Stays(**row) for row in connection.execute(sa.text(_STAYS), {"leads": list(leads)}).mappings()]


def sentences(connection: Connection, policy: Policy, leads: Sequence[UUID]) -> Iterator[str]:
    """What somebody has to know of these leads: who is still twice, and which merges cannot be taken back."""
    for one in twice(connection, policy, leads):
        how = "owed" if one.by_us else "by hand"
        yield f"{one.record} is to be merged into {one.into} there ({how})"
    for kept in stays(connection, leads):
        since = f"since {kept.since:%Y-%m-%d %H:%M}Z" if kept.since else "at this moment"
        yield (
            f"{kept.record} is merged into {kept.into} there, {since}, which cannot be taken back: here they are two,"
            f" there they stay one, and nothing is written to {kept.record}. Make a new record there if they are two"
        )
