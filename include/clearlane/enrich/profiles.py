"""A person as known from a moment on: records, company, contact, deals and providers in one set of attributes.

There is a row for each moment at which something that the person is made of changed, and only where its
content differs from the moment before. What the person is made of is read from the ledger each time, so the
order in which it came does not matter; a row that was written under other circumstances is superseded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.enrich import kinds
from clearlane.enrich.precedence import EVERY, LAST, Priority
from clearlane.identity.companies import affiliations, valid
from clearlane.ledger import copy_rows
from clearlane.ledger.gone import deleted
from clearlane.policy.model import KindRule, Matching

CHUNK: Final = 5_000

_OF_PERSON: Final = (
    "'id', 'name', 'type', 'owner', 'created_at', 'updated_at', 'email', 'phone', 'first_name', 'last_name'"
)
"""Attributes of an account that do not fill gaps of the person."""

# --- what the persons of a chunk are made of ------------------------------------------------------

_MEMBERS: Final = f"""
select l.survivor_id as person_id, l.lead_id, l.source, l.external_id,
       r.revision_id, r.valid_from, r.content_hash,
       coalesce(r.keys ->> 'email', r.keys ->> 'role_email') as email, r.keys ->> 'domain' as domain,
       r.keys ->> 'mail_domain' as mail_domain, r.keys ->> 'company' as company,
       {deleted("r.attributes")} as deleted,
       r.attributes ->> 'country' as country,
       r.keys ->> 'phone' as phone, r.keys ->> 'city' as city, r.keys ->> 'address' as address
from chunk join lead l on l.survivor_id = chunk.person_id join lead_revision r using (lead_id)
"""

# Every contact, account and deal that may belong to the person at some moment; which ones do is decided below.
_RELATED: Final = """
with recursive contact as (
    select distinct m.person_id, c.source, c.external_id, c.account_external_id, c.contact_id
    from member m join contact_revision c using (email)
), account as (
    select m.person_id, a.source, a.external_id, a.account_id
    from member m cross join lateral (values (m.domain), (m.mail_domain)) d (domain)
    join account_revision a on a.domain = d.domain
    union
    select m.person_id, a.source, a.external_id, a.account_id
    from member m join account_revision a on a.name_key = m.company
    union
    select m.person_id, a.source, a.external_id, a.account_id
    from member m join alike k on k.company = m.company join account_revision a using (name_key)
    union
    select m.person_id, a.source, a.external_id, a.account_id
    from member m join account_revision a on a.phone = m.phone and (m.company is null or a.name_key is null)
    union
    select m.person_id, a.source, a.external_id, a.account_id
    from member m join match_verdict v on v.company = m.company join account_revision a using (account_id)
    union
    select c.person_id, a.source, a.external_id, a.account_id
    from contact c join contact_revision r using (contact_id)
    join account_revision a on a.source = r.source and a.external_id = r.account_external_id
), above as (
    select person_id, source, external_id, account_id from account
    union
    select b.person_id, a.source, a.external_id, a.account_id
    from above b join account_revision r using (account_id)
    join account_revision a on a.source = r.source and a.external_id = r.parent_external_id
)
select person_id, 'contact' as noun, contact_id as id from contact
union
select person_id, 'account', account_id from above
union
select m.person_id, 'opportunity', o.opportunity_id
from member m join opportunity_revision o on o.source = m.source and o.lead_external_id = m.external_id
union
select c.person_id, 'opportunity', o.opportunity_id
from contact c join opportunity_revision o on o.source = c.source and o.contact_external_id = c.external_id
union
select a.person_id, 'opportunity', o.opportunity_id
from account a join opportunity_revision o on o.source = a.source and o.account_external_id = a.external_id
"""

_ADDRESSES: Final = """cross join lateral (
        values ('email', {row}.email), ('domain', split_part({row}.email, '@', 2)), ('domain', {row}.mail_domain)
    ) address (kind, value)"""
"""By which of its addresses a record may be suppressed."""

_POINTS: Final = f"""
with start as (
    select person_id, min(valid_from) as at from member group by 1
), change as (
    select r.person_id, n.valid_from as at
    from related r join contact_revision n on n.contact_id = r.id and r.noun = 'contact'
    union all
    select r.person_id, n.valid_from
    from related r join account_revision n on n.account_id = r.id and r.noun = 'account'
    union all
    select r.person_id, n.valid_from
    from related r join opportunity_revision n on n.opportunity_id = r.id and r.noun = 'opportunity'
    union all
    select m.person_id, v.decided_at
    from member m join match_verdict v on v.company = m.company
    union all
    select m.person_id, n.observed_at
    from member m join enrichment n using (revision_id) where n.turn > 1
    union all
    select m.person_id, s.since
    from member m {_ADDRESSES.format(row="m")} join suppression s using (kind, value)
)
select person_id, valid_from as at from member
union
select change.person_id, change.at from change join start using (person_id) where change.at > start.at
union
select p.lead_id, p.valid_from from chunk join lead_profile p on p.lead_id = chunk.person_id
"""

# --- the person at each of the moments ------------------------------------------------------------

# What a deleted record says counts no more while another record of the person is there.
_SUBJECTS: Final = """
select *, not deleted or bool_and(deleted) over (partition by person_id, at) as speaks, row_number() over (
           partition by person_id, at order by deleted, valid_from desc, content_hash desc, lead_id) - 1 as rank
from (
    select distinct on (p.person_id, p.at, m.lead_id) p.at, m.*
    from point p join member m on m.person_id = p.person_id and m.valid_from <= p.at
    order by p.person_id, p.at, m.lead_id, m.valid_from desc, m.content_hash desc
) valid
"""

_DEALS: Final = """
with linked as (
    select s.person_id, s.at, o.opportunity_id, 0 as distance
    from subject s join opportunity_revision o on o.source = s.source and o.lead_external_id = s.external_id
    union
    select a.person_id, a.at, o.opportunity_id, 1
    from affiliation a join contact_revision c on c.revision_id = a.contact_revision_id
    join opportunity_revision o on o.source = c.source and o.contact_external_id = c.external_id
    union
    select a.person_id, a.at, o.opportunity_id, 2
    from affiliation a join account_revision c on c.revision_id = a.account_revision_id
    join opportunity_revision o on o.source = c.source and o.account_external_id = c.external_id
), valid as (
    select distinct on (s.person_id, s.at, s.opportunity_id)
           s.person_id, s.at, s.distance, r.source, r.external_id, r.lead_external_id, r.contact_external_id,
           r.account_external_id, r.owner_external_id, r.valid_from, lower(coalesce(r.stage, 'open')) as stage
    from linked s join opportunity_revision r using (opportunity_id)
    where r.valid_from <= s.at
    order by s.person_id, s.at, s.opportunity_id, r.valid_from desc, r.content_hash desc, s.distance
)
select person_id, at, bool_or(stage not in ('won', 'lost')) as open, bool_or(stage = 'won') as won,
       (array_agg(owner_external_id order by distance, valid_from desc, source collate "C", external_id collate "C")
           filter (where stage not in ('won', 'lost') and owner_external_id is not null))[1] as owner
from valid group by 1, 2
"""

# Whoever owns the accounts above the person's, nearest first; where these form a ring it is walked once.
_PARENTS: Final = f"""
with recursive line as (
    select f.person_id, f.at, 0 as distance, a.source, a.external_id, a.parent_external_id, a.owner_external_id as owner
    from affiliation f join account_revision a on a.revision_id = f.account_revision_id
    where a.parent_external_id is not null
    union all
    select s.person_id, s.at, s.distance + 1, r.source, r.external_id, r.parent_external_id, r.owner_external_id
    from line s join account_revision r on r.source = s.source and r.external_id = s.parent_external_id
    where {valid("account_revision", "account_id")}
) cycle external_id set again using path
select person_id, at, jsonb_agg(owner order by distance) as owners
from line where distance > 0 and not again and owner is not null group by 1, 2
"""

_FACTS: Final = f"""
with stop as (
    select s.person_id, s.at, bool_or(p.scope = 'contact') as contact, bool_or(p.scope = 'marketing') as marketing
    from subject s {_ADDRESSES.format(row="s")} join suppression p using (kind, value)
    where p.since <= s.at
    group by 1, 2
), present as (
    select person_id, at, bool_and(deleted) as deleted, bool_or(deleted) as marked from subject group by 1, 2
)
select s.person_id, s.at, jsonb_strip_nulls(jsonb_build_object(
           'contact_known', c.revision_id is not null,
           'contact_owner', c.owner_external_id,
           'has_open_opportunity', coalesce(d.open, false),
           'opportunity_owner', d.owner,
           'is_customer', coalesce(lower(a.attributes ->> 'type') !~ '^(former|ex|churned|lost)\\M', true)
               and (coalesce(d.won, false)
                    or coalesce(lower(a.attributes ->> 'type') ~ '^(customer|client|kunde|cliente)', false)),
           'account_name', a.name,
           'account_type', a.attributes ->> 'type',
           'account_owner', a.owner_external_id,
           'account_source', a.source,
           'parent_account_owner', parents.owners ->> 0,
           'parent_account_owners', parents.owners,
           'account_country', a.country,
           'account_domain', a.domain,
           'suppressed', coalesce(stop.contact, false),
           'deleted', case when present.marked then present.deleted end,
           'opt_out', case when stop.marketing then true end)) as attributes
from subject s
join present using (person_id, at)
left join affiliation f using (person_id, at)
left join contact_revision c on c.revision_id = f.contact_revision_id
left join account_revision a on a.revision_id = f.account_revision_id
left join deal d using (person_id, at)
left join parents using (person_id, at)
left join stop using (person_id, at)
where s.rank = 0
"""

_FOUND: Final = f"""
with known as (
    select s.person_id, s.at, s.rank, s.source as layer, 'lead' as wider,
           s.source || ':' || s.external_id as origin, e.key, e.value
    from subject s join lead_revision r using (revision_id) cross join lateral jsonb_each(r.attributes) e
    where s.speaks
    union all
    select s.person_id, s.at, s.rank, n.provider, null, n.provider, e.key, e.value
    from subject s
    join enrichment n on n.revision_id = s.revision_id
         and (n.turn = 1 or n.observed_at <= s.at) and (n.until is null or s.at < n.until)
    cross join lateral jsonb_each(n.attributes) e
    union all
    select f.person_id, f.at, 0, 'account', null, 'account', e.key, e.value
    from affiliation f join account_revision a on a.revision_id = f.account_revision_id
    cross join lateral jsonb_each(
        jsonb_strip_nulls(jsonb_build_object('country', a.country, 'domain', a.domain)) || a.attributes) e
    where e.key not in ({_OF_PERSON})
    union all
    select f.person_id, f.at, 0, 'account', null, 'account', 'account_' || e.key, e.value
    from affiliation f join account_revision a on a.revision_id = f.account_revision_id
    cross join lateral jsonb_each(a.attributes) e
), valued as (
select k.person_id, k.at, k.rank, k.key, k.value, k.origin, k.layer,
       least(coalesce(own.priority, everywhere.priority, {LAST}),
             coalesce(own_wider.priority, wider.priority, {LAST})) as priority
from known k
left join precedence own on own.attribute = k.key and own.layer = k.layer
left join precedence own_wider on own_wider.attribute = k.key and own_wider.layer = k.wider
left join precedence everywhere on everywhere.attribute = '{EVERY}' and everywhere.layer = k.layer
left join precedence wider on wider.attribute = '{EVERY}' and wider.layer = k.wider
), chosen as (
    select distinct on (person_id, at, key) person_id, at, key, value, origin
    from valued order by person_id, at, key, priority, rank, layer
)
select person_id, at, jsonb_object_agg(key, value) as attributes, jsonb_object_agg(key, origin) as provenance
from chosen group by 1, 2
"""

# Facts of the ledger are no matter of precedence: they overwrite what a record says under the same name.
_MERGED: Final = """
select s.person_id, s.at, l.source, s.revision_id, f.contact_revision_id, f.account_id, f.account_revision_id,
       coalesce(m.attributes, '{}') || t.attributes as attributes,
       coalesce(m.provenance, '{}') || (select jsonb_object_agg(key, 'ledger') from jsonb_object_keys(t.attributes) key)
           as provenance
from subject s join fact t using (person_id, at) join lead l on l.lead_id = s.person_id
left join found m using (person_id, at) left join affiliation f using (person_id, at)
where s.rank = 0
"""

CONTENT_HASH: Final = (
    "encode(sha256(convert_to(concat_ws('|', attributes, kind, kind_rule, account_id), 'UTF8')), 'hex')"
)
"""of a profile's own columns; a profile of nothing has the hash `none`"""

# Materialized, or each condition of a kind would merge the attributes again.
# A moment before any record of the person is an empty profile, where a record that left had one.
_INSERT: Final = """
insert into lead_profile (lead_id, valid_from, content_hash, attributes, provenance, kind, kind_rule, revision_id,
                          contact_revision_id, account_id, account_revision_id)
with merged as materialized ({merged}), judged as ({judged}), present as (
    select person_id, at, attributes, provenance, kind, kind_rule, revision_id, contact_revision_id, account_id,
           account_revision_id,
           {hashed} as hash
    from judged
    union all
    select p.person_id, p.at, '{{}}', '{{}}', 'sales', null, first.revision_id, null, null, null, 'none'
    from point p
    cross join lateral (
        select revision_id from member m where m.person_id = p.person_id
        order by m.valid_from, m.content_hash limit 1
    ) first
    where not exists (select from subject s where s.person_id = p.person_id and s.at = p.at)
), compared as (
    select p.*, lag(p.hash) over (partition by p.person_id order by p.at) as hash_before, stored.content_hash as stored
    from present p
    left join lateral (
        select content_hash from lead_profile where lead_id = p.person_id and valid_from = p.at
        order by profile_id desc limit 1
    ) stored on true
)
select person_id, at, hash, attributes, provenance, kind, kind_rule, revision_id, contact_revision_id, account_id,
       account_revision_id
from compared
where case when stored is null then hash is distinct from hash_before else hash <> stored end
order by person_id, at
"""


def write(
    connection: Connection,
    batch_id: UUID,
    precedence: Sequence[Priority],
    rules: Sequence[KindRule],
    matching: Matching,
) -> int:
    """Write the profiles that changed of the batch's leads; rows written.

    One run at a time: whoever writes last has read what the others wrote.
    """
    connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('clearlane.enrich'))"))
    _fill_precedence(connection, precedence)
    return sum(_write_chunk(connection, rules, matching) for _ in _chunks(connection, batch_id))


def _fill_precedence(connection: Connection, precedence: Sequence[Priority]) -> None:
    connection.exec_driver_sql("drop table if exists pg_temp.precedence")
    connection.exec_driver_sql(
        "create temporary table precedence (attribute text, layer text, priority int) on commit drop"
    )
    copy_rows(connection, "precedence", ("attribute", "layer", "priority"), precedence)


_NEXT: Final = """
insert into chunk
select w.lead_id from work w join lead l using (lead_id)
where w.batch_id = :batch_id and l.survivor_id = l.lead_id
  and (cast(:after as uuid) is null or w.lead_id > :after)
order by w.lead_id limit :size
"""


def _chunks(connection: Connection, batch_id: UUID) -> Iterator[None]:
    after = None
    while True:
        connection.exec_driver_sql("drop table if exists pg_temp.chunk")
        connection.exec_driver_sql("create temporary table chunk (person_id uuid primary key) on commit drop")
        bound = {"batch_id": batch_id, "after": after, "size": CHUNK}
        if not connection.execute(sa.text(_NEXT), bound).rowcount:
            return
        yield
        after = connection.exec_driver_sql("select person_id from chunk order by 1 desc limit 1").scalar_one()


def _write_chunk(connection: Connection, rules: Sequence[KindRule], matching: Matching) -> int:
    _keep(connection, "member", _MEMBERS)
    _keep(connection, "related", _RELATED)
    _keep(connection, "point", _POINTS)
    _keep(connection, "subject", _SUBJECTS)
    _keep(connection, "affiliation", affiliations("subject", matching))
    _keep(connection, "deal", _DEALS)
    _keep(connection, "parents", _PARENTS)
    _keep(connection, "fact", _FACTS)
    _keep(connection, "found", _FOUND)
    insert = _INSERT.format(merged=_MERGED, judged=kinds.chosen(rules, "merged"), hashed=CONTENT_HASH)
    return connection.exec_driver_sql(insert, execution_options=_AS_WRITTEN).rowcount


_AS_WRITTEN: Final = {"no_parameters": True}  # a percent sign of a condition is one


def _keep(connection: Connection, table: str, select: str) -> None:
    """The select's rows in a temporary table, with statistics: plans for unknown sizes go wrong by far.

    The columns that join are enough; statistics of the attributes would cost more than they bring.
    """
    connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
    create = f"create temporary table {table} on commit drop as {select}"
    connection.exec_driver_sql(create, execution_options=_AS_WRITTEN)
    connection.exec_driver_sql(f"analyze {table} (person_id{_JOINS.get(table, '')})")


_JOINS: Final = {
    "member": ", source, external_id, email, domain, mail_domain, company",
    "related": ", noun, id",
    "point": ", at",
    "subject": ", at, source, external_id, email, domain, mail_domain, company, rank, revision_id",
    "affiliation": ", at, contact_revision_id, account_revision_id",
    "deal": ", at",
    "parents": ", at",
    "fact": ", at",
    "found": ", at",
}


# --- reading --------------------------------------------------------------------------------------


def profiles_at(as_of: str = ":as_of", leads: str = "lead") -> str:
    """Text of a select: the profile of each lead of the relation `leads` (lead_id) as of a moment.

    Columns lead_id, profile_id, valid_from, attributes, provenance, kind, kind_rule, source, created_at,
    revision_id, contact_revision_id, account_id, account_revision_id, contact_id, company_key; leads that were
    not known at the moment have no row. `as_of` is a SQL expression of type timestamptz, or a bound parameter.
    """
    return f"""
select p.lead_id, p.profile_id, p.valid_from, p.attributes, p.provenance, p.kind, p.kind_rule, l.source,
       l.created_at, p.revision_id, p.contact_revision_id, p.account_id, p.account_revision_id, l.contact_id,
       l.company_key
from {leads} asked join lead l using (lead_id)
cross join lateral (
    select * from lead_profile
    where lead_id = l.lead_id and valid_from <= cast({as_of} as timestamptz)
    order by valid_from desc, profile_id desc limit 1
) p
where p.attributes <> '{{}}'"""
