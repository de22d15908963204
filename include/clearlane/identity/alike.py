"""Names of leads' companies and of accounts that are alike: found once for each new name, kept with their evidence.

What two names weigh depends on the two alone (rarity as the kinds of words let expect), and every two that share
a key are weighed once, whichever came first: so the order of arrival leaves the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import compress
from math import log
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from rapidfuzz import fuzz
from sqlalchemy import Connection

from clearlane.identity.matching.blocking import lasting_keys
from clearlane.identity.matching.bounds import reaching
from clearlane.identity.matching.likeness import Company, likeness
from clearlane.identity.matching.names import parsed
from clearlane.identity.matching.rarity import NOTHING_SEEN
from clearlane.ledger import copy_rows
from clearlane.policy.model import Matching

LEAST: Final = 3.0
"""nats that two names must weigh to be kept"""
CHANCE: Final = log(Matching().companies)
"""against which names are bound; a policy of more companies only asks more often"""
NAMES: Final = 5_000
"""new names whose pairs are there at a time"""

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
# A word's beginning or end alone says little: such pairs are looked at only where their letters are alike.
_PAIRS: Final = """
with fresh as (
    select side, name from fresh_name where nth > :after and nth <= :until
), shared as (
    select l.name as company, a.name, a.key
    from fresh f join company_block l on l.side = 'lead' and l.name = f.name and f.side = 'lead'
    join company_block a on a.key = l.key and a.side = 'account'
    union all
    select l.name, a.name, a.key
    from fresh f join company_block a on a.side = 'account' and a.name = f.name and f.side = 'account'
    join company_block l on l.key = a.key and l.side = 'lead'
    where not exists (select from fresh_name n where n.side = 'lead' and n.name = l.name)
)
select company, name, bool_and(left(key, 1) in ('^', '$')) as by_letters from shared group by 1, 2
"""
LETTERS_ALIKE: Final = 75.0
"""of 100 letters of the shorter name, in the most alike part of the longer"""


def note(connection: Connection) -> int:
    """Weigh the names that came with this batch against those known, and keep those that are alike; their number.

    Needs the identity lock.
    """
    connection.exec_driver_sql("drop table if exists pg_temp.fresh_name")
    if not connection.exec_driver_sql(_FRESH).rowcount:
        return 0
    fresh = connection.exec_driver_sql("select side, name from fresh_name").fetchall()
    rows = ((side, name, key) for side, name in fresh for key in sorted(lasting_keys(parsed(name))))
    copy_rows(connection, "company_block", ("side", "name", "key"), rows)
    connection.exec_driver_sql("analyze fresh_name")
    return sum(_note_some(connection, after) for after in range(0, len(fresh), NAMES))


def _note_some(connection: Connection, after: int) -> int:
    pairs = connection.execute(sa.text(_PAIRS), {"after": after, "until": after + NAMES}).fetchall()
    return copy_rows(connection, "alike", ("company", "name_key", "weight", "evidence"), _weighed(pairs))


def _weighed(pairs: Iterable[Any]) -> Iterator[tuple[str, str, float, list[Any]]]:
    near = [pair for *pair, by_letters in pairs if not by_letters or _spelt_alike(*pair)]
    company_of = cache(lambda name: Company(parsed(name)))
    for company, name in compress(near, reaching(near, NOTHING_SEEN, LEAST)):
        like = likeness(company_of(company), company_of(name), NOTHING_SEEN)
        weight = like.beyond(CHANCE) + CHANCE
        if weight >= LEAST:
            yield (
                company,
                name,
                round(weight, 6),
                [[round(one.weight, 2), *one[1:]] for one in like.evidence],
            )


def _spelt_alike(company: str, name: str) -> bool:
    return fuzz.partial_ratio(company, name) >= LETTERS_ALIKE


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
