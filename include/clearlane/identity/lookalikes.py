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
_KEYS_OF_FRESH: Final = "select b.key from person_block b join fresh_person using (lead_id)"
_CROWDED: Final = f"""
create temporary table {{name}} on commit drop as
select key from person_block where key in ({_KEYS_OF_FRESH}) group by key having count(*) > {CROWD}
"""
_FORGET: Final = "delete from person_block where lead_id in (select lead_id from fresh_person)"
# A key that fewer have now tells something again.
_TELLING_AGAIN: Final = f"""
insert into fresh_person
select b.lead_id from person_block b where b.key in (
    select f.key from former_crowd f join person_block c using (key) group by f.key having count(*) <= {CROWD})
except select lead_id from fresh_person
"""
_FORGET_PAIRS: Final = """
delete from person_alike
where lead_id in (select lead_id from fresh_person) or other_id in (select lead_id from fresh_person)
"""
_PAIRS: Final = """
create temporary table person_pair on commit drop as
select row_number() over (order by lead_id, other_id) as nth, lead_id, other_id
from (
    select distinct least(b.lead_id, o.lead_id) as lead_id, greatest(b.lead_id, o.lead_id) as other_id
    from fresh_person f join person_block b using (lead_id)
    join person_block o on o.key = b.key and o.lead_id <> b.lead_id
    where not exists (select from crowd c where c.key = b.key)
) near
"""
# Pairs of earlier batches that nothing but such a key brought together would not be found today.
_TELLING_NO_MORE: Final = f"""
with grown as (
    select key from crowd join person_block using (key)
    where lead_id not in (select lead_id from fresh_person) group by key having count(*) <= {CROWD}
), doubted as (
    select distinct a.lead_id, a.other_id
    from grown g join person_block x using (key) join person_alike a using (lead_id)
    join person_block y on y.key = g.key and y.lead_id = a.other_id
)
delete from person_alike a using doubted d
where (d.lead_id, d.other_id) = (a.lead_id, a.other_id) and not exists (
    select from person_block x join person_block y using (key)
    where x.lead_id = a.lead_id and y.lead_id = a.other_id
      and (select count(*) from person_block c where c.key = x.key) <= {CROWD})
"""
_TEMPORARY: Final = ("fresh_person", "former_crowd", "crowd", "person_pair")


def note(connection: Connection, people: People) -> int:
    """Weigh the records that came with this batch against those that share a key; pairs kept. Needs the identity lock.

    Nothing is weighed where nobody is to be asked and nothing to be merged.
    """
    for table in _TEMPORARY:
        connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
    if min(people.ask, people.merge) >= 1 or not connection.exec_driver_sql(_FRESH).rowcount:
        return 0
    for statement in (_CROWDED.format(name="former_crowd"), _FORGET):
        connection.exec_driver_sql(statement)
    _block(connection)
    for statement in (_TELLING_AGAIN, _FORGET_PAIRS, "analyze fresh_person", _CROWDED.format(name="crowd")):
        connection.exec_driver_sql(statement)
    kept = _weigh(connection, connection.exec_driver_sql(_PAIRS).rowcount)
    connection.exec_driver_sql(_TELLING_NO_MORE)
    return kept


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


def _weigh(connection: Connection, pairs: int) -> int:
    kept = 0
    for start in range(0, pairs, CHUNK):
        bound = {"after": start, "until": start + CHUNK}
        some = [tuple(row) for row in connection.execute(sa.text(_SOME_PAIRS), bound)]
        people = known(connection, sorted({record for pair in some for record in pair}))
        kept += copy_rows(connection, "person_alike", _KEPT, _weighed(people, some))
    return kept


_KEPT: Final = ("lead_id", "other_id", "weight", "evidence")


def _weighed(people: Persons, pairs: Sequence[tuple[UUID, ...]]) -> Iterator[tuple[Any, ...]]:
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
        yield (*pairs[pair], round(float(bits[pair]), 4), pieces)


def least_weight(probability: float, people: People) -> float:
    """Bits from which on two records are one person with at least this probability; infinity for 1."""
    return math.log2(people.records * probability / (1 - probability)) if probability < 1 else math.inf


def probability(weight: float, people: People) -> float:
    """That two records that weigh so much are one person."""
    return float(1 / (1 + people.records * 2.0**-weight))
