"""Which lead records are one person: keys of revisions, connected components, reversible merges, places.

Only what the batch touches is looked at: its leads, those they were merged with, and whatever shares a key
with any of them. The survivor is the smallest (created_at, source, external id), whatever came first. What a person
said of two records comes before all keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import lookalikes, parting, verdicts
from clearlane.ledger import copy_rows
from clearlane.ledger.gone import MERGED
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import People

_MERGING: Final = "('email', 'email_name', 'phone_name')"
_STRONGEST: Final = ("person", "merged_into", "merged_from", "email", "email_name", "phone_name", "alike")
_STRENGTH: Final = f"array_position(array{list(_STRONGEST)}, {{kind}})"

# --- keys -----------------------------------------------------------------------------------------

_FRESH_KEYS: Final = """
create temporary table fresh_key on commit drop as
select lead_id, kind, value, bool_or(current) as current
from (
    select r.lead_id, case e.key when 'mail_domain' then 'domain' else e.key end as kind, v.value, r.current
    from (
        select lead_id, keys,
               row_number() over (partition by lead_id order by valid_from desc, content_hash desc) = 1 as current
        from lead_revision
        where lead_id in (select lead_id from arrived_lead)
    ) r
    join lateral jsonb_each(r.keys) e on e.key not in ('city', 'address')
    cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(e.value) when 'array' then e.value else jsonb_build_array(e.value) end) v(value)
) keyed
group by 1, 2, 3
"""

_REKEYED: Final = """
create temporary table rekeyed on commit drop as
select kind, value from fresh_key
union
select kind, value from lead_key where lead_id in (select lead_id from arrived_lead)
"""

_DROP_KEYS: Final = """
delete from lead_key k
where k.lead_id in (select lead_id from arrived_lead)
  and not exists (select from fresh_key f where (f.lead_id, f.kind, f.value) = (k.lead_id, k.kind, k.value))
"""

_ADD_KEYS: Final = """
insert into lead_key (lead_id, kind, value, current)
select lead_id, kind, value, current from fresh_key
on conflict (lead_id, kind, value) do update set current = excluded.current
where lead_key.current <> excluded.current
"""

# --- components -----------------------------------------------------------------------------------

# Leads and keys are both nodes, so a key that n leads share costs n steps, not n * n.
_REACHED: Final = f"""
create temporary table person on commit drop as
with recursive reached (lead_id, kind, value) as (
    select m.lead_id, cast(null as text), cast(null as text)
    from lead m
    where m.survivor_id in (
        select survivor_id from lead
        where lead_id in (select lead_id from arrived_lead union all select lead_id from again))
    union
    select next.* from reached r cross join lateral (
        select cast(null as uuid), k.kind, k.value from lead_key k
        where k.lead_id = r.lead_id and k.current and k.kind in {_MERGING}
        union all
        select k.lead_id, null, null from lead_key k
        where k.kind = r.kind and k.value = r.value and k.current
        union all
        select l.lead_id, null, null from lead_key k join lead l on l.lead_id = cast(k.value as uuid)
        where :linked and k.lead_id = r.lead_id and k.current and k.kind in {MERGED}
        union all
        select k.lead_id, null, null from lead_key k
        where :linked and k.value = cast(r.lead_id as text) and k.kind in {MERGED} and k.current
        union all
        select s.other_id, null, null from said s where s.lead_id = r.lead_id and s.verdict in ('same', 'likely')
    ) next
)
select l.lead_id, l.survivor_id as former_id, l.survivor_id, cast(null as text) as rule,
       row_number() over (order by l.created_at, l.source collate "C", l.external_id collate "C") as label
from lead l
where l.lead_id in (select lead_id from reached where lead_id is not null)
"""

# What each record of a person has in common with others; who is named by another has that name in common with it.
_TIES: Final = f"""
create temporary table tie on commit drop as
select k.lead_id, k.kind, k.value from person join lead_key k using (lead_id)
where k.current and (k.kind in {_MERGING} or k.kind in {MERGED})
union
select p.lead_id, k.kind, k.value from person p join lead_key k on k.value = cast(p.lead_id as text)
where :linked and k.current and k.kind in {MERGED}
union
select p.lead_id, case s.verdict when 'same' then 'person' else 'alike' end,
       cast(least(s.lead_id, s.other_id) as text) || ' ' || greatest(s.lead_id, s.other_id)
from person p join said s using (lead_id) where s.verdict in ('same', 'likely')
"""
# What a person said of two comes before what they are like.
_LIKELY: Final = f"""
insert into said (lead_id, other_id, verdict)
select p.lead_id, p.other_id, 'likely'
from person_alike a cross join lateral (values (a.lead_id, a.other_id), (a.other_id, a.lead_id)) p (lead_id, other_id)
where {lookalikes.SURE}
  and not exists (select from said s where (s.lead_id, s.other_id) = (p.lead_id, p.other_id))
"""
# Most sources merge nothing, and then nobody is looked up for it.
_LINKED: Final = f"select exists (select from lead_key where kind in {MERGED} and current)"

_SPREAD: Final = """
update person p set label = m.label
from (
    select k.lead_id, min(shared.label) as label
    from (
        select k.kind, k.value, min(p.label) as label
        from person p join tie k using (lead_id)
        group by k.kind, k.value
        having count(*) > 1
    ) shared
    join tie k using (kind, value)
    group by k.lead_id
) m
where p.lead_id = m.lead_id and m.label < p.label
"""

_NAMED: Final = "create temporary table numbered on commit drop as select label, lead_id from person"
_SURVIVORS: Final = """
update person p set survivor_id = n.lead_id from numbered n where n.label = p.label
"""

# Of the keys by which a record hangs together with others of its person, the strongest.
_RULES: Final = f"""
update person p set rule = r.rule
from (
    select distinct on (lead_id) lead_id, kind as rule
    from (
        select k.lead_id, k.kind, q.survivor_id,
               count(*) over (partition by k.kind, k.value, q.survivor_id) as sharing
        from tie k join person q using (lead_id)
    ) shared
    where survivor_id <> lead_id and sharing > 1
    order by lead_id, {_STRENGTH.format(kind="kind")}
) r
where r.lead_id = p.lead_id
"""

# --- whom a person keeps apart --------------------------------------------------------------------

_TORN: Final = """
create temporary table torn on commit drop as
select distinct p.label
from person p join said s using (lead_id) join person o on o.lead_id = s.other_id and o.label = p.label
where s.verdict = 'apart'
"""
_TORN_RECORDS: Final = (
    "select lead_id, n.label from person p join numbered n using (lead_id) join torn on torn.label = p.label"
)
_TORN_TIES: Final = f"""
select {_STRENGTH.format(kind="k.kind")}, k.kind, k.value, k.lead_id
from tie k join person p using (lead_id) join torn using (label)
"""
_TORN_APART: Final = """
select s.lead_id, s.other_id from said s join person p using (lead_id) join torn using (label) where s.verdict = 'apart'
"""
_PART: Final = """
update person p set label = g.label from parted g where g.lead_id = p.lead_id and g.label <> p.label
"""

# --- merges and places ----------------------------------------------------------------------------

_UNMERGE: Final = """
update merge m set undone_at = :as_of
from person p
where m.loser_id = p.lead_id and m.undone_at is null
  and (p.survivor_id = p.lead_id or (m.survivor_id, m.rule) <> (p.survivor_id, p.rule))
"""

_MERGE: Final = """
insert into merge (loser_id, survivor_id, rule, merged_at)
select p.lead_id, p.survivor_id, p.rule, :as_of
from person p
where p.survivor_id <> p.lead_id
  and not exists (select from merge m where m.loser_id = p.lead_id and m.undone_at is null)
order by p.lead_id
"""

_JOIN: Final = """
update lead l set survivor_id = p.survivor_id
from person p
where p.lead_id = l.lead_id and l.survivor_id <> p.survivor_id
"""

_NEW_PLACES: Final = """
insert into place (lead_id, place, reason, because, since, batch_id)
select distinct lead_id, 'waiting', 'new', 'new: a run is working on it', cast(:as_of as timestamptz),
       cast(:batch_id as uuid)
from arrived_lead
order by lead_id
on conflict (lead_id) do nothing
"""

# What the place of a record was before the record was one with others: it is given back.
_KEEP_PLACES: Final = f"""
with closing as (
    select p.lead_id, p.survivor_id, to_jsonb(l) as was from person p join place l using (lead_id)
    where p.survivor_id <> p.lead_id and (l.place, l.reason) <> ('closed', 'merged') and l.reason <> 'erased'
), joined as (
    insert into joining (members, joined_at, seq)
    select array[lead_id, survivor_id], :as_of, {LAST_DECISION} from closing order by lead_id
    returning joining_id, members
)
insert into joining_effect (joining_id, relation, key, before, after)
select j.joining_id, 'place', cast(c.lead_id as text), c.was, '{{}}'
from joined j join closing c on c.lead_id = j.members[1]
"""

_LOCK_PLACES: Final = """
select from place where lead_id in (select lead_id from person) order by lead_id for update
"""

_CLOSE_LOSERS: Final = """
update place set place = 'closed', reason = 'merged', because = case
                     when p.rule like 'merged%' then 'merged into another record in the source'
                     when p.rule = 'person' then 'merged into another record of this person by hand'
                     else 'merged into another record of this person (by ' || translate(p.rule, '_', ' ') || ')' end,
                 team = null, rep_id = null, since = :as_of, decision_seq = null, batch_id = :batch_id
from person p
where p.lead_id = place.lead_id and p.survivor_id <> p.lead_id
  and (place.place, place.reason) <> ('closed', 'merged')
"""

_REOPEN: Final = """
update place set place = 'waiting', reason = 'unmerged', because = 'no longer merged: a run is working on it',
                 since = :as_of, batch_id = :batch_id
from person p
where p.lead_id = place.lead_id and p.survivor_id = p.lead_id
  and place.place = 'closed' and place.reason = 'merged'
"""

_CHANGED: Final = """
insert into touched (lead_id, reason)
select distinct unnest(array[former_id, survivor_id, lead_id]), 'merge' from person where former_id <> survivor_id
"""

# --- what the policy merges now ---------------------------------------------------------------------

# Pairs of two persons that it would merge, and of one that nothing but their likeness made one, and not enough today.
_DUE: Final = f"""
insert into person_due (lead_id)
select a.lead_id from person_alike a join lead l using (lead_id) join lead o on o.lead_id = a.other_id
where {lookalikes.SURE} and l.survivor_id <> o.survivor_id
union
select m.loser_id from merge m
where m.rule = 'alike' and m.undone_at is null and not exists (
    select from person_alike a where (a.lead_id = m.loser_id or a.other_id = m.loser_id) and {lookalikes.SURE})
on conflict (lead_id) do nothing
"""
_AGAIN: Final = "create temporary table again (lead_id uuid) on commit drop"
_TAKE_AGAIN: Final = """
with taken as (
    delete from person_due where lead_id in (select lead_id from person_due order by lead_id limit :most)
    returning lead_id
)
insert into again select lead_id from taken
"""
AT_ONCE: Final = 1_000
"""records that a run groups anew because the policy has changed"""


def note_due(connection: Connection, policy: People) -> int:
    """List whose likeness the policy judges otherwise than their records stand, for the next runs; their number."""
    return connection.execute(sa.text(_DUE), lookalikes.sure(policy.merge, policy)).rowcount


def take_due(connection: Connection, most: int = AT_ONCE) -> None:
    """Make the temporary table `again` of so many that are due: `regroup` looks at them as well."""
    connection.exec_driver_sql("drop table if exists pg_temp.again")
    connection.exec_driver_sql(_AGAIN)
    connection.execute(sa.text(_TAKE_AGAIN), {"most": most})


_TEMPORARY: Final = ("fresh_key", "rekeyed", "person", "numbered", "tie", "torn", "parted")


def regroup(connection: Connection, batch_id: UUID, as_of: datetime, policy: People) -> int:
    """Bring keys, survivors, merges and places up to date with the arrived leads; merges opened. After `take_due`.

    Leaves the temporary tables `person` (all members looked at) and `rekeyed` behind; adds to `touched`.
    """
    for table in _TEMPORARY:
        connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
    for statement in (_FRESH_KEYS, _REKEYED, _DROP_KEYS, _ADD_KEYS):
        connection.execute(sa.text(statement))
    verdicts.stage(connection)
    connection.execute(sa.text(_LIKELY), lookalikes.sure(policy.merge, policy))
    _find_components(connection)
    return _record(connection, batch_id, as_of)


def regroup_known(
    connection: Connection, records: Iterable[UUID], batch_id: UUID, as_of: datetime, policy: People
) -> list[UUID]:
    """As `regroup`, of records that are known already and said nothing new; all members looked at."""
    for table, columns in {"arrived_lead": "lead_id uuid", "touched": "lead_id uuid, reason text"}.items():
        connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
        connection.exec_driver_sql(f"create temporary table {table} ({columns}) on commit drop")
    copy_rows(connection, "arrived_lead", ("lead_id",), ((record,) for record in records))
    take_due(connection, 0)
    regroup(connection, batch_id, as_of, policy)
    return list(connection.execute(sa.text("select lead_id from person order by lead_id")).scalars())


def _find_components(connection: Connection) -> None:
    linked = {"linked": connection.execute(sa.text(_LINKED)).scalar_one()}
    connection.execute(sa.text(_REACHED), linked)
    connection.execute(sa.text(_NAMED))
    connection.exec_driver_sql("analyze person")
    connection.execute(sa.text(_TIES), linked)
    connection.exec_driver_sql("analyze tie")
    while connection.execute(sa.text(_SPREAD)).rowcount:
        pass
    _part(connection)
    connection.execute(sa.text(_SURVIVORS))
    connection.execute(sa.text(_RULES))


def _part(connection: Connection) -> None:
    """Take the components apart of which a person said that two of their records are two people."""
    if not connection.execute(sa.text(_TORN)).rowcount:
        return
    records = {row.lead_id: row.label for row in connection.execute(sa.text(_TORN_RECORDS))}
    ties: defaultdict[parting.Tie, list[UUID]] = defaultdict(list)
    for strength, kind, value, record in connection.execute(sa.text(_TORN_TIES)):
        ties[strength, kind, value].append(record)
    apart: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for record, other in connection.execute(sa.text(_TORN_APART)):
        apart[record].add(other)
    connection.exec_driver_sql("create temporary table parted (lead_id uuid, label bigint) on commit drop")
    copy_rows(connection, "parted", ("lead_id", "label"), parting.groups(records, ties, apart).items())
    connection.execute(sa.text(_PART))


def _record(connection: Connection, batch_id: UUID, as_of: datetime) -> int:
    run = {"batch_id": batch_id, "as_of": as_of}
    connection.execute(sa.text(_CHANGED))
    connection.execute(sa.text(_UNMERGE), {"as_of": as_of})
    merged = connection.execute(sa.text(_MERGE), {"as_of": as_of}).rowcount
    connection.execute(sa.text(_JOIN))
    connection.execute(sa.text(_LOCK_PLACES))
    connection.execute(sa.text(_KEEP_PLACES), {"as_of": as_of})
    connection.execute(sa.text(_REOPEN), run)
    connection.execute(sa.text(_NEW_PLACES), run)
    connection.execute(sa.text(_CLOSE_LOSERS), run)
    return merged
