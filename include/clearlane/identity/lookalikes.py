"""Records that may be one person though no key says so: found when they arrive, kept with what speaks for it.

What two records weigh depends on the two alone, and every two that share a key which few have are weighed, whichever
came first: so the order of arrival leaves the same rows. Who is asked about, and who is merged without asking, follows
from `people` in sources.yaml when it is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity.duplicates import evidence
from clearlane.identity.duplicates.blocks import lasting_keys
from clearlane.identity.duplicates.persons import FIELDS, Persons, persons
from clearlane.ledger import copy_rows
from clearlane.policy.model import People

CROWD: Final = 30
"""records that share a key from which on it tells nothing"""
LEAST: Final = 12.0
"""bits that two records must weigh to be kept"""
CHUNK: Final = 10_000
LEVELS: Final = ("different", "akin", "near", "equal")

_FRESH: Final = (
    "create temporary table fresh_person on commit drop as select distinct lead_id from arrived_lead"
)
_NEXT_FRESH: Final = """
create temporary table fresh_person on commit drop as
select distinct lead_id from lead_revision where lead_id > '{after}' order by lead_id limit {most}
"""
# Of a key that many share no more are counted than say so: the cost follows what arrived, not what is there.
_HELD: Final = """
create temporary table {name} on commit drop as
select key, (select count(*) from (select from person_block b where b.key = k.key limit {crowd} + 1) few) as records
from (select distinct b.key from fresh_person join person_block b using (lead_id)) k
"""
_FORGET: Final = "delete from person_block where lead_id in (select lead_id from fresh_person)"
# A key that fewer have now tells something again.
_TELLING_AGAIN: Final = """
insert into fresh_person
select b.lead_id from former_held f join person_block b using (key)
where f.records > {crowd}
  and (select count(*) from (select from person_block c where c.key = f.key limit {crowd} + 1) few) <= {crowd}
except select lead_id from fresh_person
"""
_FORGET_PAIRS: Final = """
delete from person_alike
where lead_id in (select lead_id from fresh_person) or other_id in (select lead_id from fresh_person)
"""
# In the order of the keys: then few records are read for many pairs.
_PAIRS: Final = """
create temporary table person_pair on commit drop as
select row_number() over (order by key, lead_id, other_id) as nth, lead_id, other_id
from (
    select least(b.lead_id, o.lead_id) as lead_id, greatest(b.lead_id, o.lead_id) as other_id,
           min(b.key collate "C") as key
    from held join person_block b using (key) join fresh_person f using (lead_id)
    join person_block o on o.key = b.key and o.lead_id <> b.lead_id
    where held.records between 2 and {crowd}
    group by 1, 2
) near
"""
# Pairs of earlier batches that nothing but a key brought together which is a crowd's now would not be found today.
_OUTGROWN: Final = """
create temporary table outgrown on commit drop as
select held.key, m.lead_id
from held cross join lateral (
    select b.lead_id from person_block b
    where b.key = held.key and not exists (select from fresh_person f where f.lead_id = b.lead_id) limit {crowd} + 1
) m
where held.records > {crowd}
"""
_TELLING_NO_MORE: Final = """
with grown as (
    select key from outgrown group by key having count(*) <= {crowd}
), doubted as materialized (
    select distinct a.lead_id, a.other_id
    from grown join outgrown x using (key) join person_alike a using (lead_id)
    join outgrown y on y.key = x.key and y.lead_id = a.other_id
)
delete from person_alike a using doubted d
where (d.lead_id, d.other_id) = (a.lead_id, a.other_id) and not exists (
    select from person_block x cross join lateral (
        select count(*) as records from (select from person_block c where c.key = x.key limit {crowd} + 1) few
    ) held
    where x.lead_id = d.lead_id and held.records <= {crowd}
      and exists (select from person_block y where y.lead_id = d.other_id and y.key = x.key))
"""
_TEMPORARY: Final = ("fresh_person", "former_held", "held", "person_pair", "outgrown")


def note(connection: Connection, people: People) -> int:
    """Weigh the records that came with this batch against those that share a key; pairs kept. Needs the identity lock.

    Nothing is weighed where nobody is to be asked and nothing to be merged.
    """
    if min(people.ask, people.merge) >= 1:
        return 0
    return _renewed(connection) if _fresh(connection, _FRESH) else 0


def note_again(connection: Connection, people: People, after: UUID, most: int = CHUNK) -> UUID | None:
    """Weigh so many records anew, of the ids that follow `after`; the last of them, null where none was left.

    Once all are done, the ledger holds what it would if all its records had come at once. Needs the identity lock.
    """
    if min(people.ask, people.merge) >= 1:
        return None
    if not _fresh(connection, _NEXT_FRESH.format(after=after, most=most)):
        return None
    last = connection.exec_driver_sql(
        "select lead_id from fresh_person order by lead_id desc limit 1"
    ).scalar_one()
    _renewed(connection)
    return UUID(str(last))


def _fresh(connection: Connection, statement: str) -> int:
    for table in _TEMPORARY:
        connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
    return connection.exec_driver_sql(statement).rowcount


def _renewed(connection: Connection) -> int:
    """Weigh the records of `fresh_person` against those that share a key, and forget what was kept of them."""
    _run(connection, "analyze fresh_person", _HELD.format(name="former_held", crowd=CROWD), _FORGET)
    _block(connection)
    _run(connection, "analyze person_block", _TELLING_AGAIN, "analyze fresh_person", _FORGET_PAIRS)
    _run(connection, _HELD.format(name="held", crowd=CROWD), "analyze held", _PAIRS, "analyze person_pair")
    kept = _weigh(connection)
    _run(connection, _OUTGROWN, "analyze outgrown", _TELLING_NO_MORE)
    return kept


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement.format(crowd=CROWD))


# --- texts ------------------------------------------------------------------------------------------

_NAMES: Final = tuple(name for names in FIELDS.values() for name in names.split())
_FIRST: Final = tuple(names.split()[0] for names in FIELDS.values())
_TEXTS: Final = """
select cast(r.lead_id as text) as lead_id, coalesce(r.attributes ->> 'domain', r.keys ->> 'mail_domain') as website,
       (select jsonb_object_agg(key, value) from jsonb_each_text(r.attributes) where key = any(:names)) as said
from unnest(cast(:leads as uuid[])) wanted (lead_id)
cross join lateral (
    select lead_id, attributes, keys from lead_revision where lead_id = wanted.lead_id
    order by valid_from desc, content_hash desc limit 1
) r
"""


def known(connection: Connection, leads: list[UUID]) -> Persons:
    """What the newest revisions of these records say of who they are."""
    names = [name for name in _NAMES if name not in FIELDS["domain"].split()]
    rows = connection.execute(sa.text(_TEXTS), {"leads": leads, "names": names}).all()
    frame = pd.DataFrame([row.said or {} for row in rows], dtype=object)
    frame = frame.reindex(columns=sorted({*_FIRST, *map(str, frame.columns)})).where(
        lambda one: one.notna(), ""
    )
    frame["lead_id"], frame["website"] = [row.lead_id for row in rows], [row.website or "" for row in rows]
    return persons(frame)


def _block(connection: Connection) -> None:
    leads = connection.exec_driver_sql("select lead_id from fresh_person order by lead_id").scalars().all()
    for start in range(0, len(leads), CHUNK):
        people = known(connection, list(leads[start : start + CHUNK]))
        keys = {(str(people.ids[place]), key) for place, key in lasting_keys(people)}
        copy_rows(connection, "person_block", ("lead_id", "key"), keys)


# --- weights ----------------------------------------------------------------------------------------

_SOME_PAIRS: Final = (
    "select lead_id, other_id from person_pair where nth > :after and nth <= :until order by nth"
)


def _weigh(connection: Connection) -> int:
    pairs = connection.exec_driver_sql("select count(*) from person_pair").scalar_one()
    records = among(connection.exec_driver_sql("select count(*) from lead").scalar_one()) if pairs else 0
    kept = 0
    for start in range(0, pairs, CHUNK):
        bound = {"after": start, "until": start + CHUNK}
        some = [tuple(row) for row in connection.execute(sa.text(_SOME_PAIRS), bound)]
        people = known(connection, sorted({record for pair in some for record in pair}))
        kept += copy_rows(connection, "person_alike", _KEPT, _weighed(people, some, records))
    return kept


def among(count: int) -> int:
    """Among how many a record's person is looked for in a ledger of `count`: the power of ten of at least three times.

    Two records that come to a ledger of n are one person by chance about once in n; and one step of ten at a time, so
    that what is asked hardly follows the order of arrival.
    """
    power = 1
    while power < 3 * count:
        power *= 10
    return power


_KEPT: Final = ("lead_id", "other_id", "weight", "evidence", "records")


def _weighed(people: Persons, pairs: Sequence[tuple[UUID, ...]], records: int) -> Iterator[tuple[Any, ...]]:
    """The values of _KEPT, of the pairs that may be one person; a piece of evidence is [bits, field, level]."""
    places = {record: place for place, record in enumerate(people.ids)}
    left, right = (np.array([places[str(pair[side])] for pair in pairs]) for side in (0, 1))
    weights = evidence.usual(people)
    judged = evidence.judged(people, weights, left, right)
    bits = judged.bits - weights.prior
    some = np.flatnonzero(judged.allowed & (bits >= LEAST))
    if not len(some):
        return
    parts = evidence.parts(people, weights, left[some], right[some])
    for nth, pair in enumerate(some.tolist()):
        pieces = [
            [round(float(worth[nth]), 1), field, LEVELS[levels[nth]]]
            for field, (levels, worth) in parts.items()
            if levels[nth] < len(LEVELS)
        ]
        yield (*pairs[pair], round(float(bits[pair]), 4), pieces, records)


ODDS: Final = "(a.weight - ln(greatest(a.records, :records)) / ln(2))"
"""SQL: odds, in bits, that the pair `a` of person_alike is one person; :records is the policy's"""
SURE: Final = f"(a.weight >= :least and {ODDS} >= :odds)"
"""SQL: whether they are as good as those that `sure` was told; its values are bound"""


def sure(probability: float, people: People) -> dict[str, float]:
    """Values of SURE, for pairs that are one person with at least this probability: all of them with 0, none with 1."""
    odds = math.log2(probability / (1 - probability)) if 0 < probability < 1 else math.inf
    odds = odds if probability else -math.inf
    return {"records": people.records, "odds": odds, "least": math.log2(people.records) + odds}


def probability(odds: float) -> float:
    """Of odds in bits."""
    return float(1 / (1 + 2.0**-odds))
