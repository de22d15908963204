"""Names of leads' companies and of accounts that are alike: found once for each new name, kept with their evidence.

What two names weigh depends on the two alone (rarity as the kinds of words let expect), and every two that share
a key are weighed once, whichever came first: so the order of arrival leaves the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, log
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity.matching import meetings
from clearlane.identity.matching.blocking import lasting_keys
from clearlane.identity.matching.bounds import reaching
from clearlane.identity.matching.likeness import Named, of_names, together
from clearlane.identity.matching.meetings import Meetings
from clearlane.identity.matching.names import parsed
from clearlane.identity.matching.rarity import NOTHING_SEEN
from clearlane.ledger import copy_rows
from clearlane.policy.model import Matching

LEAST: Final = 3.0
"""nats that two names must weigh to be kept"""
CHANCE: Final = log(Matching().companies)
"""against which names are bound; a policy of more companies only asks more often"""
NAMES: Final = 5_000
"""new names that meet others at a time"""

_FRESH: Final = """
create temporary table fresh_name on commit drop as
select side, name, row_number() over (order by side, name) as nth from (
    select 'lead' as side, r.keys ->> 'company' as name
    from lead_revision r where r.lead_id in (select lead_id from arrived_lead)
    union all
    select 'account', r.name_key
    from account_revision r where r.account_id in (select account_id from arrived_account)
) arrived
where name is not null
  and not exists (select from company_block b where b.side = arrived.side and b.name = arrived.name)
group by 1, 2
"""
# Of each key of the new names: the names of leads and those of accounts that have it, one side of them new.
_SHARED: Final = """
with fresh as (
    select b.side, b.key, array_agg(b.name) as names
    from fresh_name f join company_block b using (side, name) where f.nth > :after and f.nth <= :until
    group by 1, 2
)
select f.key, f.names as leads, known.names as accounts
from fresh f cross join lateral (
    select array_agg(a.name) as names from company_block a where a.key = f.key and a.side = 'account'
) known
where f.side = 'lead' and known.names is not null
union all
select f.key, known.names, f.names
from fresh f cross join lateral (
    select array_agg(l.name) as names from company_block l
    where l.key = f.key and l.side = 'lead'
      and not exists (select from fresh_name n where n.side = 'lead' and n.name = l.name)
) known
where f.side = 'account' and known.names is not null
"""


def note(connection: Connection) -> int:
    """Weigh the names that came with this batch against those known; keep those that are alike, or of one phone.

    Their number. After `people.regroup`; needs the identity lock.
    """
    return _note_names(connection) + _note_called(connection)


def _note_names(connection: Connection) -> int:
    connection.exec_driver_sql("drop table if exists pg_temp.fresh_name")
    if not connection.exec_driver_sql(_FRESH).rowcount:
        return 0
    fresh = connection.exec_driver_sql("select side, name from fresh_name").fetchall()
    rows = ((side, name, key) for side, name in fresh for key in sorted(lasting_keys(parsed(name))))
    copy_rows(connection, "company_block", ("side", "name", "key"), rows)
    connection.exec_driver_sql("analyze fresh_name")
    return sum(_note_some(connection, after) for after in range(0, len(fresh), NAMES))


def _note_some(connection: Connection, after: int) -> int:
    shared = connection.execute(sa.text(_SHARED), {"after": after, "until": after + NAMES})
    met = meetings.among(tuple(row) for row in shared)
    return copy_rows(connection, "alike", _COLUMNS, _weighed(met))


_COLUMNS: Final = ("company", "name_key", "weight", "forms", "ceiling", "evidence")


def _weighed(met: Meetings) -> Iterator[tuple[Any, ...]]:
    could = reaching(met, NOTHING_SEEN, LEAST)
    for lead, account in zip(met.leads[could].tolist(), met.accounts[could].tolist(), strict=True):
        company, name = met.names[lead], met.names[account]
        like = of_names(parsed(company), parsed(name), NOTHING_SEEN)
        if together(like, ()).beyond(CHANCE) + CHANCE >= LEAST:
            yield company, name, *_kept(like)


# Names of one phone are kept whatever they weigh: the number may outweigh them.
_CALLED: Final = """
select company, name_key from (
    select l.keys ->> 'company' as company, r.name_key
    from lead_revision l join account_revision r on r.phone = l.keys ->> 'phone'
    where l.lead_id in (select lead_id from arrived_lead)
    union
    select l.keys ->> 'company', r.name_key
    from account_revision r join lead_key k on k.kind = 'phone' and k.value = r.phone
    join lead_revision l on l.lead_id = k.lead_id and l.keys ->> 'phone' = r.phone
    where r.account_id in (select account_id from arrived_account)
) called
where company is not null and name_key is not null
  and not exists (select from alike a where (a.company, a.name_key) = (called.company, called.name_key))
"""


def _note_called(connection: Connection) -> int:
    called = connection.execute(sa.text(_CALLED)).fetchall()
    rows = (
        (company, name, *_kept(of_names(parsed(company), parsed(name), NOTHING_SEEN)))
        for company, name in called
    )
    return copy_rows(connection, "alike", _COLUMNS, rows)


def _kept(like: Named) -> tuple[float, float, float | None, list[Any]]:
    pieces = [[round(one.weight, 2), *one[1:]] for one in like.evidence]
    return round(like.words, 6), like.forms, like.ceiling if like.ceiling < inf else None, pieces


# The watch asks anew whose company may be an account: a name, an account or a verdict came, or a question is open.
# Looked up lead by lead: read as sets, all names that are alike would be.
_ASK: Final = """
insert into touch_due (lead_id)
select distinct m.survivor_id
from (
    select distinct l.lead_id, l.survivor_id from touched t join lead l using (lead_id) where t.reason <> 'activity'
) m
cross join lateral (
    select from lead_key k cross join lateral (select from alike a where a.company = k.value limit 1) one
    where k.lead_id = m.lead_id and k.kind = 'company'
    union all
    select from sla_clock k
    where k.lead_id = m.survivor_id and k.place = 'match_ask' and k.met_at is null and k.ended_at is null
    limit 1
) concerned
"""


def look_again(connection: Connection) -> None:
    """List those of `touched` whose company is like an account's for the watch. After `companies.affiliate`."""
    connection.execute(sa.text(_ASK))


_TAKEN: Final = """
with taken as (
    update match_verdict set taken_batch = :batch_id where taken_batch is null returning company
)
insert into touched (lead_id, reason)
select distinct k.lead_id, 'account' from taken join lead_key k on k.kind = 'company' and k.value = taken.company
"""


def take_verdicts(connection: Connection, batch_id: UUID) -> None:
    """Add to `touched` the leads of companies of which a person said since the last run which account they are."""
    connection.execute(sa.text(_TAKEN), {"batch_id": batch_id})
