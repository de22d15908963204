"""From the temporary tables of arrivals into the ledger's revisions, activities, outcomes and owners.

A revision is what the source said from a moment on, kept once per (record, moment, content). Of revisions of
one moment the greatest content hash counts as the latest, so the order of arrival never does.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

ALWAYS: Final = "timestamptz '1970-01-01 00:00:00+00'"
"""valid_from of a record that carries no time: known since ever"""

LONGEST_ID: Final = 500  # characters, as of the records' own


def moment(field: str) -> str:
    """A time of `i.record` as timestamptz; null where it is none (and never a word such as `today`)."""
    found = f"(i.record ->> '{field}')"
    return (
        f"case when {found} ~ '^[0-9]{{4}}-' and pg_input_is_valid({found}, 'timestamptz') "
        f"then cast({found} as timestamptz) end"
    )


def number(field: str) -> str:
    found = f"(i.record ->> '{field}')"
    return (
        f"case when pg_input_is_valid({found}, 'double precision') then cast({found} as double precision) end"
    )


def _text(field: str) -> str:
    return f"nullif(btrim(i.record ->> '{field}'), '')"


def _reference(field: str) -> str:
    """The id of another record; what is too long to be one would not fit into an index."""
    return f"case when length({_text(field)}) <= {LONGEST_ID} then {_text(field)} end"


_VALID_FROM: Final = f"coalesce({moment('updated_at')}, {moment('created_at')}, {ALWAYS})"
_HAPPENED: Final = f"coalesce({moment('occurred_at')}, {moment('created_at')}, i.source_time, {ALWAYS})"
CONTENT_HASH: Final = "encode(sha256(convert_to(cast(i.record as text), 'UTF8')), 'hex')"
"""of a revision: sha256 of the inbox row i that brought it"""


def _rest(*fields: str) -> str:
    """The record without the fields that have a column of their own, and without nulls."""
    listed = ", ".join(f"'{field}'" for field in fields)
    return f"jsonb_strip_nulls(i.record - array[{listed}])"


_LEADS: Final = f"""
insert into lead (lead_id, source, external_id, created_at, survivor_id)
select distinct on (a.lead_id)
       a.lead_id, i.source, a.external_id, coalesce({moment("created_at")}, {_VALID_FROM}), a.lead_id
from arrived_lead a join inbox i using (seq)
order by a.lead_id, 4
on conflict (lead_id) do nothing
"""

_LEAD_REVISIONS: Final = f"""
insert into lead_revision (lead_id, valid_from, content_hash, attributes, keys, seq)
select a.lead_id, {_VALID_FROM}, {CONTENT_HASH},
       {_rest("id", "country", "domain")} || jsonb_strip_nulls(jsonb_build_object(
           'email', coalesce(a.email, {_text("email")}),
           'phone', coalesce(a.phone, {_text("phone")}),
           'country', a.country,
           'country_as_given', case when a.country is null then {_text("country")} end,
           'domain', a.domain)),
       jsonb_strip_nulls(jsonb_build_object(
           'email', case when not a.desk then a.email end,
           'role_email', case when a.desk then a.email end,
           'email_name', case when a.desk then a.email || '|' || a.person end,
           'phone_name', a.phone || '|' || a.person,
           'company', a.company,
           'phone', a.phone,
           'city', a.city,
           'address', a.address,
           'domain', a.domain,
           'mail_domain', a.mail_domain,
           'merged_into', cast(a.merged_into as jsonb),
           'merged_from', cast(a.merged_from as jsonb))),
       a.seq
from arrived_lead a join inbox i using (seq)
order by a.lead_id, a.seq
on conflict (lead_id, valid_from, content_hash) do nothing
"""

# What the source says created_at is, in any revision; else the first moment of which it spoke.
_CREATED: Final = """
update lead l set created_at = c.created_at
from (
    select r.lead_id, coalesce(min(m.created_at), min(r.valid_from)) as created_at
    from lead_revision r
    cross join lateral (
        select case when r.attributes ->> 'created_at' ~ '^[0-9]{4}-'
                     and pg_input_is_valid(r.attributes ->> 'created_at', 'timestamptz')
                    then cast(r.attributes ->> 'created_at' as timestamptz) end as created_at
    ) m
    where r.lead_id in (select lead_id from arrived_lead)
    group by r.lead_id
) c
where l.lead_id = c.lead_id and l.created_at <> c.created_at
"""

_CONTACTS: Final = f"""
insert into contact_revision (contact_id, source, external_id, valid_from, content_hash, email, phone,
                              account_external_id, owner_external_id, attributes, seq)
select a.contact_id, i.source, a.external_id, {_VALID_FROM}, {CONTENT_HASH}, a.email, a.phone,
       {_reference("account_id")}, {_text("owner")}, {_rest("id", "email", "phone", "account_id", "owner")}, a.seq
from arrived_contact a join inbox i using (seq)
on conflict (contact_id, valid_from, content_hash) do nothing
"""

_ACCOUNTS: Final = f"""
insert into account_revision (account_id, source, external_id, valid_from, content_hash, name, name_key,
                              domain, country, phone, city_key, address_key, owner_external_id,
                              parent_external_id, attributes, seq)
select a.account_id, i.source, a.external_id, {_VALID_FROM}, {CONTENT_HASH}, {_text("name")}, a.name_key,
       a.domain, a.country, a.phone, a.city_key, a.address_key, {_text("owner")}, {_reference("parent")},
       {_rest("id", "name", "country", "domain", "owner", "parent")}, a.seq
from arrived_account a join inbox i using (seq)
on conflict (account_id, valid_from, content_hash) do nothing
"""

_OPPORTUNITIES: Final = f"""
insert into opportunity_revision (opportunity_id, source, external_id, valid_from, content_hash,
                                  lead_external_id, contact_external_id, account_external_id,
                                  owner_external_id, stage, amount, closed_at, attributes, seq)
select a.opportunity_id, i.source, a.external_id, {_VALID_FROM}, {CONTENT_HASH},
       {_reference("lead_id")}, {_reference("contact_id")}, {_reference("account_id")}, {_text("owner")},
       {_text("stage")}, {number("amount")}, {moment("closed_at")},
       {_rest("id", "lead_id", "contact_id", "account_id", "owner", "stage", "amount", "closed_at")}, a.seq
from arrived_opportunity a join inbox i using (seq)
on conflict (opportunity_id, valid_from, content_hash) do nothing
"""

# An activity or outcome that comes again, changed, replaces the older version of itself.
_NEWEST: Final = "order by 1, i.source_time desc nulls last, i.record_key desc"


def _newer(table: str) -> str:
    return f"""
    (select (coalesce(n.source_time, '-infinity'), n.record_key) from inbox n where n.seq = excluded.seq)
    > (select (coalesce(o.source_time, '-infinity'), o.record_key) from inbox o where o.seq = {table}.seq)"""


def _replaced(*columns: str) -> str:
    return ", ".join(f"{column} = excluded.{column}" for column in columns)


ACTIVITY: Final = {
    "type": f"coalesce({_text('type')}, 'unknown')",
    "occurred_at": _HAPPENED,
    "attributes": _rest("id", "lead_id", "contact_id", "email", "type", "occurred_at"),
}
"""What an activity says, of the inbox row i that brought it."""
_ACTIVITY_COLUMNS: Final = (
    "lead_external_id", "contact_external_id", "email", "type", "occurred_at", "attributes", "seq", "known_seq",
)  # fmt: skip
_ACTIVITIES: Final = f"""
insert into activity (activity_id, source, lead_external_id, contact_external_id, email, type, occurred_at,
                      attributes, seq, known_seq)
select distinct on (1) a.activity_id, i.source, {_reference("lead_id")}, {_reference("contact_id")}, a.email,
       {", ".join(ACTIVITY.values())}, a.seq, currval('known_seq')
from arrived_activity a join inbox i using (seq)
{_NEWEST}
on conflict (activity_id) do update set {_replaced(*_ACTIVITY_COLUMNS)}
where {_newer("activity")}
"""

_OUTCOMES: Final = f"""
insert into outcome (outcome_id, source, lead_external_id, kind, occurred_at, reason, rep_id, amount, seq)
select distinct on (1) a.outcome_id, i.source, {_reference("lead_id")}, coalesce({_text("kind")}, 'unknown'),
       {_HAPPENED}, {_text("reason")}, {_text("rep")}, {number("amount")}, a.seq
from arrived_outcome a join inbox i using (seq)
{_NEWEST}
on conflict (outcome_id) do update set {
    _replaced("lead_external_id", "kind", "occurred_at", "reason", "rep_id", "amount", "seq")
}
where {_newer("outcome")}
"""

_OWNERS: Final = f"""
insert into owner (source, external_id, name, email, active, valid_from)
select distinct on (1, 2)
       i.source, coalesce(i.external_id, i.record_key), {_text("name")}, lower({_text("email")}),
       coalesce(lower({_text("active")}) not in ('false', 'no', '0', 'n', 'f', 'inactive'), true), {_VALID_FROM}
from inbox i
where i.batch_id = :batch_id and i.state = 'waiting' and i.object = 'reps'
order by 1, 2, 6 desc, 5 desc, 3 desc nulls last, 4 desc nulls last
on conflict (source, external_id) do update set {_replaced("name", "email", "active", "valid_from")}
where (excluded.valid_from, excluded.active, coalesce(excluded.name, ''), coalesce(excluded.email, ''))
    > (owner.valid_from, owner.active, coalesce(owner.name, ''), coalesce(owner.email, ''))
"""

_CONSUMED: Final = """
update inbox set state = 'consumed'
where batch_id = :batch_id and state = 'waiting'
  and (object = 'reps' or seq in (
      select seq from arrived_lead union all select seq from arrived_contact
      union all select seq from arrived_account union all select seq from arrived_opportunity
      union all select seq from arrived_activity union all select seq from arrived_outcome))
"""


def write(connection: Connection, batch_id: UUID) -> dict[str, int]:
    """Insert what is new of the arrived records; rows inserted or replaced per table. Needs the identity lock."""
    connection.execute(sa.text(_LEADS))
    counts = {table: _run(connection, statement, batch_id) for table, statement in _STATEMENTS.items()}
    connection.execute(sa.text(_CREATED))
    return counts


def consume(connection: Connection, batch_id: UUID) -> int:
    """Mark the batch's rows as consumed and return their number."""
    return _run(connection, _CONSUMED, batch_id)


_STATEMENTS: Final = {
    "lead_revision": _LEAD_REVISIONS,
    "contact_revision": _CONTACTS,
    "account_revision": _ACCOUNTS,
    "opportunity_revision": _OPPORTUNITIES,
    "activity": _ACTIVITIES,
    "outcome": _OUTCOMES,
    "owner": _OWNERS,
}


def _run(connection: Connection, statement: str, batch_id: UUID) -> int:
    bound: dict[str, Any] = {"batch_id": batch_id} if ":batch_id" in statement else {}
    return connection.execute(sa.text(statement), bound).rowcount
