"""A person is erased: every record that is the person, and every trace by value elsewhere, in one transaction.

Ids, times, points and decisions stay, for figures are made of them; nothing says any more whose they are. Runs wait
meanwhile, for none may write what it read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.identity import normalise
from clearlane.ledger.batches import keep_erasing
from clearlane.privacy import finding, folders, proof, sweeping, wording
from clearlane.privacy import tombstones as stones
from clearlane.privacy.proof import Searched
from clearlane.privacy.tombstones import Key, Name, Secrets
from clearlane.route.routing import LOCK


class Unknown(LookupError):
    """Nothing in the ledger goes by that name."""


class Incomplete(RuntimeError):
    """Something was found that would have been left; nothing was erased. The text says where, never what."""


@dataclass(frozen=True)
class Erased:
    """Rows changed or removed by table; the records to delete in their sources; what the search found afterwards.

    `shared` counts the person's phones and names that other people in the ledger have too: they were not searched.
    """

    counts: Mapping[str, int]
    records: tuple[str, ...]
    tombstones: int
    shared: int
    searched: Searched


def erase(
    connection: Connection,
    *names: str,
    by: str,
    because: str,
    at: datetime,
    key: Key,
    secrets: Secrets | None = None,
    places: Sequence[Path] = (),
    records_only: bool = False,
) -> Erased:
    """Erase who goes by an e-mail address, lead id or `source:external id`; again, it finds what came since.

    Raises Unknown, and Incomplete where the search afterwards finds anything; the caller commits, or rolls back to
    have tried only. Files in `places` are rewritten last, and are not rolled back. `records_only`: the same records
    are kept away, and the person may come anew.
    """
    keep_erasing(connection)
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    _choose(connection, names)
    named = _tombstone_names(connection)
    known = connection.execute(sa.text(_ANYBODY)).scalar_one()
    if not known and not _erased_before(connection, named, key, secrets):
        raise Unknown(
            f"nobody in the ledger goes by {', '.join(map(repr, names))}:"
            " give an e-mail address, a lead id or SOURCE:EXTERNAL_ID"
        )
    records = tuple(connection.execute(sa.text(_RECORDS)).scalars())
    values, shared = _values(connection)
    erasure = connection.execute(_NOTE, {"at": at, "by": by, "because": because}).scalar_one()
    kept_away = (
        {one for one in named if one[0] == "record"}
        if records_only
        else named | _own_phones(connection, values)
    )
    made = stones.add(connection, kept_away, key, erasure)
    emptied = _emptied(connection, at)
    telling = proof.everywhere(connection, values)
    swept = sweeping.sweep(connection, telling, values, key)
    counts = _counted(emptied | {f"{table}, by value": count for table, count in swept.items()})
    connection.execute(_NOTE_COUNTS, {"id": erasure, "counts": Jsonb(counts)})
    searched = proof.again(connection, telling, values)
    if searched.left:
        raise Incomplete("left in " + ", ".join(one.where for one in searched.found if not one.staff))
    folders.rewrite(places, values)
    return Erased(counts, records, made, shared, proof.and_folders(searched, values, places))


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {table: count for table, count in sorted(counts.items()) if count}


def verify(connection: Connection, name: str, places: Sequence[Path] = ()) -> Searched:
    """Search for a value, as it is given, in every column of the ledger and every file of the folders."""
    return proof.search(connection, [name.strip()], places)


# --- who ------------------------------------------------------------------------------------------


def _choose(connection: Connection, names: Sequence[str]) -> None:
    """The temporary tables `gone_lead`, `gone_email` and `gone_contact`: records and addresses that are the people."""
    given = [name for name in names if "@" in name]
    normal = normalise.emails(given)
    bound = {
        "names": list(names),
        "addresses": [normal.get(name, name.strip().lower()) for name in given],
    }
    for table in ("gone_lead", "gone_email", "gone_contact", "gone_seq"):
        connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
    for statement in (_LEADS, _EMAILS, _CONTACTS, _MORE_EMAILS, _SEQS):
        used = {key: value for key, value in bound.items() if f":{key}" in statement}
        connection.execute(sa.text(statement), used)
    addresses = connection.execute(sa.text("select value from gone_email")).scalars().all()
    rows = finding.rows(connection, "inbox", ("payload", "record"), addresses, _UNUSED)
    if rows:
        connection.execute(sa.text(_MORE_SEQS), {"rows": rows, "pattern": wording.pattern(addresses)})


_LEADS: Final = """
create temporary table gone_lead on commit drop as
with named as (
    select lead_id from lead
    where cast(lead_id as text) = any(:names) or source || ':' || external_id = any(:names)
    union
    select lead_id from lead_key where kind in ('email', 'role_email') and value = any(:addresses)
)
select lead_id, source, external_id from lead
where survivor_id in (select survivor_id from lead join named using (lead_id))
"""
_EMAILS: Final = """
create temporary table gone_email on commit drop as
select unnest(cast(:addresses as text[])) as value
union
select value from lead_key join gone_lead using (lead_id) where kind = 'email'
"""
_CONTACTS: Final = """
create temporary table gone_contact on commit drop as
select distinct contact_id, source, external_id from contact_revision
where email in (select value from gone_email)
   or contact_id in (select contact_id from lead join gone_lead using (lead_id))
"""
_MORE_EMAILS: Final = """
insert into gone_email
select email from contact_revision join gone_contact using (contact_id) where email is not null
except select value from gone_email
"""
_SEQS: Final = """
create temporary table gone_seq on commit drop as
select seq from lead_revision join gone_lead using (lead_id)
union select seq from contact_revision join gone_contact using (contact_id)
union select seq from activity join gone_lead using (lead_id)
union select seq from activity where email in (select value from gone_email)
union select seq from outcome join gone_lead using (lead_id) where seq is not null
union select i.seq from inbox i join gone_lead g on i.object = 'leads'
    and (i.source, i.external_id) = (g.source, g.external_id)
union select i.seq from inbox i join gone_contact g on i.object = 'contacts'
    and (i.source, i.external_id) = (g.source, g.external_id)
union select i.seq from inbox i join gone_lead g on i.object in ('activities', 'outcomes')
    and i.source = g.source and i.record ->> 'lead_id' = g.external_id and i.state <> 'consumed'
"""
# Records that nobody consumed are known by their text alone: an address in one of them is whom it is about.
_UNUSED: Final = "state in ('waiting', 'quarantined') and object not in ('accounts', 'opportunities', 'reps')"
_MORE_SEQS: Final = """
insert into gone_seq
select seq from inbox
where ctid = any(cast(:rows as tid[]))
  and (cast(payload as text) ~* :pattern or cast(record as text) ~* :pattern)
except select seq from gone_seq
"""
_ANYBODY: Final = """
select exists (select from gone_lead) or exists (select from gone_contact) or exists (select from gone_seq)
"""
_RECORDS: Final = """
select source || ' leads ' || external_id from gone_lead
union select source || ' contacts ' || external_id from gone_contact order by 1
"""


def _tombstone_names(connection: Connection) -> set[Name]:
    return {tuple(row) for row in connection.execute(sa.text(_NAMES))} | {
        (row.kind, row.value) for row in connection.execute(sa.text(_KEYS))
    }


_NAMES: Final = """
select 'record', source, 'leads', external_id from gone_lead
union select 'record', source, 'contacts', external_id from gone_contact
"""
_KEYS: Final = """
select 'email' as kind, value from gone_email
union
select kind, value from lead_key join gone_lead using (lead_id) where kind in ('email_name', 'phone_name')
"""


def _erased_before(connection: Connection, named: Iterable[Name], key: Key, secrets: Secrets | None) -> bool:
    keys = [key, *(one for one in stones.keys_in_use(connection, secrets) if one.id != key.id)]
    return any(stones.stands(connection, keys, one) for one in named)


# --- what tells of the person -----------------------------------------------------------------------


def _values(connection: Connection) -> tuple[list[str], int]:
    """E-mails, phones and full names to search for, and how many were left out because others have them too."""
    emails = connection.execute(sa.text("select value from gone_email")).scalars().all()
    said = connection.execute(sa.text(_SAID)).scalars().all()
    told = {value.strip() for value in said if len(value.strip()) >= wording.SHORTEST} - set(emails)
    others = _shared(connection, told)
    return [*emails, *sorted(told - others)], len(others)


def _own_phones(connection: Connection, values: Iterable[str]) -> set[Name]:
    """Numbers, in E.164, among the values, which nobody else has: what others' records may no longer say."""
    ends = {digits[-_END:] for value in values if "@" not in value and len(digits := _digits(value)) >= _END}
    numbers = connection.execute(sa.text(_NUMBERS)).scalars()
    return {("phone", number) for number in numbers if number[-_END:] in ends}


def _digits(value: str) -> str:
    return "".join(char for char in value if char.isdigit())


def _shared(connection: Connection, told: Set[str]) -> set[str]:
    """Those of the values that somebody else has too, or a company or colleague goes by."""
    if not told:
        return set()
    asked = {
        "values": list(told),
        "patterns": [*map(wording.one_pattern, told)],
        **{table: finding.rows(connection, table, columns, told) for table, columns in _TELLING.items()},
    }
    return set(connection.execute(sa.text(_OTHERS), asked).scalars())


_SAID: Final = """
with told as (
    select attributes from lead_revision join gone_lead using (lead_id)
    union all select record from inbox join gone_seq using (seq)
        where object in ('leads', 'contacts') and record is not null
    union all select attributes || jsonb_build_object('phone', phone) from contact_revision
        join gone_contact using (contact_id)
)
select distinct value from told cross join lateral (values
    (case when length(regexp_replace(attributes ->> 'phone', '[^0-9]', '', 'g')) >= 7 then attributes ->> 'phone' end),
    (case when attributes ->> 'first_name' <> '' and attributes ->> 'last_name' <> ''
          then (attributes ->> 'first_name') || ' ' || (attributes ->> 'last_name') end),
    (case when attributes ->> 'name' like '% %' then attributes ->> 'name' end)
) said (value) where value is not null
"""
_END: Final = 7
"""digits by which a number as it was written is known among numbers in E.164"""
_NUMBERS: Final = """
select split_part(value, '|', 1) from lead_key join gone_lead using (lead_id) where kind = 'phone_name'
except
select split_part(value, '|', 1) from lead_key
where kind = 'phone_name' and not exists (select from gone_lead g where g.lead_id = lead_key.lead_id)
"""
# A name or a number that someone else has as well, or a company or colleague goes by, tells of them too.
_TELLING: Final[Mapping[str, Sequence[str]]] = {
    "lead_revision": ("attributes",),
    "contact_revision": ("phone", "attributes"),
    "account_revision": ("name", "phone", "attributes"),
    "owner": ("name",),
    "roster": ("content",),
    "policy_file": ("content",),
}
_OTHERS: Final = """
with others as materialized (
    select cast(r.attributes as text) as said from lead_revision r
        where r.ctid = any(cast(:lead_revision as tid[]))
          and not exists (select from gone_lead g where g.lead_id = r.lead_id)
    union all select concat_ws(chr(10), r.phone, cast(r.attributes as text)) from contact_revision r
        where r.ctid = any(cast(:contact_revision as tid[]))
          and not exists (select from gone_contact g where g.contact_id = r.contact_id)
    union all select r.attributes ->> 'company' from lead_revision r join gone_lead using (lead_id)
    union all select concat_ws(chr(10), name, phone, cast(attributes as text)) from account_revision
        where ctid = any(cast(:account_revision as tid[]))
    union all select name from owner where ctid = any(cast(:owner as tid[]))
    union all select cast(content as text) from roster where ctid = any(cast(:roster as tid[]))
    union all select content from policy_file where ctid = any(cast(:policy_file as tid[]))
)
select value from unnest(cast(:values as text[]), cast(:patterns as text[])) as told (value, pattern)
where exists (select from others where said ~* pattern)
"""

# --- what is left of the records ----------------------------------------------------------------------

_EMPTIED: Final[Sequence[tuple[str, str]]] = (
    ("quality_note", "delete from quality_note where seq in (select seq from gone_seq)"),
    ("quarantine", "delete from quarantine where seq in (select seq from gone_seq)"),
    (
        "enrichment",
        "delete from enrichment where revision_id in"
        " (select revision_id from lead_revision join gone_lead using (lead_id))",
    ),
    (
        "enrichment_ask",
        "delete from enrichment_ask where revision_id in"
        " (select revision_id from lead_revision join gone_lead using (lead_id))",
    ),
    ("lead_key", "delete from lead_key where lead_id in (select lead_id from gone_lead)"),
    (
        "lead_revision",
        "update lead_revision set attributes = '{}', keys = '{}', content_hash = 'erased:' || revision_id"
        " where lead_id in (select lead_id from gone_lead)",
    ),
    (
        "lead_profile",
        "update lead_profile set attributes = '{}', provenance = '{}', content_hash = 'none'"
        " where lead_id in (select lead_id from gone_lead)",
    ),
    (
        "contact_revision",
        "update contact_revision set email = null, phone = null, attributes = '{}',"
        " content_hash = 'erased:' || revision_id where contact_id in (select contact_id from gone_contact)",
    ),
    (
        "activity",
        "update activity set email = null, attributes = '{}' where seq in (select seq from gone_seq)",
    ),
    ("lead", "update lead set contact_id = null, company_key = null where lead_id in (select lead_id from gone_lead)"),
    ("work", "delete from work w using gone_lead g, batch b where w.lead_id = g.lead_id"
             " and b.batch_id = w.batch_id and b.closed_at is null"),
    ("standing", "delete from standing where lead_id in (select lead_id from gone_lead)"),
    ("signal_due", "delete from signal_due where lead_id in (select lead_id from gone_lead)"),
    ("touch_due", "delete from touch_due where lead_id in (select lead_id from gone_lead)"),
    (
        "score",
        "update score set probability_because = null where probability_because is not null"
        " and lead_id in (select lead_id from gone_lead)",
    ),
    (
        "score_override",
        "update score_override set because = 'erased',"
        " ended_because = case when ended_because is not null then 'erased' end"
        " where lead_id in (select lead_id from gone_lead)",
    ),
    (
        "routing_event",
        "delete from routing_event e using gone_lead g where e.lead_id = g.lead_id and e.handled_batch is null"
        " and not exists (select from decision d where d.event_id = e.event_id)",
    ),
    (
        "assignment",
        "update assignment set ended_at = greatest(:at, started_at), ended_because = 'erased',"
        " ended_seq = coalesce(pg_sequence_last_value('decision_seq'), 0)"
        " where ended_at is null and lead_id in (select lead_id from gone_lead)",
    ),
    (
        "cover",
        "update cover set ended_at = greatest(:at, began_at), ended_because = 'erased',"
        " ended_seq = coalesce(pg_sequence_last_value('decision_seq'), 0)"
        " where ended_at is null and lead_id in (select lead_id from gone_lead)",
    ),
    (
        "pause",
        "update pause set because = 'erased', ended_at = coalesce(ended_at, greatest(:at, began_at))"
        " where lead_id in (select lead_id from gone_lead)",
    ),
    (
        "sla_clock",
        "update sla_clock set ended_at = greatest(:at, started_at) where met_at is null and ended_at is null"
        " and lead_id in (select lead_id from gone_lead)",
    ),
    (
        "outbox",
        "update outbox set fields = '{}', error = null,"
        " note = case when state in ('owed', 'dead') then 'withdrawn: erased' end,"
        " state = case when state in ('owed', 'dead') then 'dropped' else state end"
        " where lead_id in (select lead_id from gone_lead)",
    ),
    (
        "mail",
        "update mail set facts = '{}', error = null, state = case when state = 'owed' then 'dropped' else state end"
        " where lead_id in (select lead_id from gone_lead)"
        " or clock_id in (select clock_id from sla_clock join gone_lead using (lead_id))"
        " or decision_seq in (select decision_seq from decision join gone_lead using (lead_id))",
    ),
    (
        "place",
        "update place set place = 'closed', reason = 'erased', because = 'erased: nothing tells any more who this was',"
        " team = null, rep_id = null, since = :at, decision_seq = null, batch_id = null, until = null"
        " where lead_id in (select lead_id from gone_lead) and (place, reason) <> ('closed', 'erased')",
    ),
    ("person_due", "delete from person_due where lead_id in (select lead_id from gone_lead)"),
    ("person_block", "delete from person_block where lead_id in (select lead_id from gone_lead)"),
    (
        "person_alike",
        "delete from person_alike using gone_lead g where g.lead_id in (person_alike.lead_id, other_id)",
    ),
    (
        "joining_effect",
        "delete from joining_effect e using joining j where j.joining_id = e.joining_id"
        " and j.members && (select array_agg(lead_id) from gone_lead)",
    ),
    (
        "suppression",
        "delete from suppression where kind = 'email' and value in (select value from gone_email)",
    ),
)  # fmt: skip


def _emptied(connection: Connection, at: datetime) -> dict[str, int]:
    counts = {}
    for table, statement in _EMPTIED:
        bound: dict[str, Any] = {"at": at} if ":at" in statement else {}
        counts[table] = connection.execute(sa.text(statement), bound).rowcount
    seqs = connection.execute(sa.text("select seq from gone_seq")).scalars().all()
    counts["inbox"] = connection.execute(sa.text(stones.EMPTY), {"keys": seqs}).rowcount
    return counts


_NOTE: Final = sa.text("""
insert into erasure (erased_at, by, because, counts) values (:at, :by, :because, '{}') returning erasure_id
""")
_NOTE_COUNTS: Final = sa.text("update erasure set counts = :counts where erasure_id = :id")
