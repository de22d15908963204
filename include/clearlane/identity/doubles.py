"""Records of two people that may be one: what a person is asked, the surest first.

An answer is `people merge` or `people apart`. Nothing waits for it: routing and promises take each record as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import lookalikes
from clearlane.identity.verdicts import LATEST
from clearlane.policy.model import People


@dataclass(frozen=True)
class Side:
    """One of the two records: SOURCE:ID, the person's name, address and company as they are known."""

    record: str
    name: str
    email: str
    company: str


@dataclass(frozen=True)
class Double:
    """Two records that may be one person; `because` names what agrees and what does not, with its bits."""

    one: Side
    other: Side
    probability: float
    because: str


HEADS: Final = ("one", "other", "probability", "why")


def cells(two: Double) -> Sequence[str]:
    """A question as a row under HEADS."""
    sides = ("\n".join((side.record, side.name, side.email, side.company)) for side in (two.one, two.other))
    return *sides, f"{two.probability:.1%}", two.because


_PAIRS: Final = f"""
with apart as (
    select l.survivor_id as one, o.survivor_id as other
    from ({LATEST}) v join lead l using (lead_id) join lead o on o.lead_id = v.other_id where v.verdict = 'apart'
), pair as (
    select distinct on (one, other)
           least(l.survivor_id, o.survivor_id) as one, greatest(l.survivor_id, o.survivor_id) as other,
           a.lead_id, a.other_id, {lookalikes.ODDS} as odds, a.evidence
    from person_alike a join lead l using (lead_id) join lead o on o.lead_id = a.other_id
    where {lookalikes.SURE} and l.survivor_id <> o.survivor_id and {{which}}
      and not exists (
        select from apart p where (p.one, p.other) in ((l.survivor_id, o.survivor_id), (o.survivor_id, l.survivor_id)))
      and not exists (
        select from place
        where lead_id in (a.lead_id, a.other_id) and place = 'closed' and reason in ('deleted', 'erased'))
    order by one, other, odds desc, a.lead_id
)
select * from pair order by odds desc, lead_id, other_id limit :most
"""
_OF_LEAD: Final = """(
    l.survivor_id in (select survivor_id from lead where lead_id = :lead)
    or o.survivor_id in (select survivor_id from lead where lead_id = :lead))"""
_SIDES: Final = """
select l.lead_id, l.source || ':' || l.external_id as record, coalesce(r.attributes ->> 'email', '') as email,
       coalesce(r.attributes ->> 'company', '') as company,
       coalesce(nullif(concat_ws(' ', r.attributes ->> 'first_name', r.attributes ->> 'last_name'), ''),
                r.attributes ->> 'name', '') as name
from lead l cross join lateral (
    select attributes from lead_revision where lead_id = l.lead_id order by valid_from desc, content_hash desc limit 1
) r where l.lead_id = any(cast(:records as uuid[]))
"""


def asked(connection: Connection, policy: People, most: int = 1_000) -> list[Double]:
    """What a person is asked, at most so many, the surest first."""
    return _doubles(connection, "true", **lookalikes.sure(policy.ask, policy), most=most)


def of_lead(connection: Connection, lead: UUID, policy: People) -> list[Double]:
    """Whom the record's person may be as well, however unlikely."""
    return _doubles(connection, _OF_LEAD, **lookalikes.sure(0.0, policy), most=20, lead=lead)


def _doubles(connection: Connection, which: str, **bound: Any) -> list[Double]:
    pairs = connection.execute(sa.text(_PAIRS.format(which=which)), bound).mappings().all()
    if not pairs:
        return []
    records = sorted({record for pair in pairs for record in (pair["lead_id"], pair["other_id"])})
    sides = {
        row.lead_id: Side(row.record, row.name, row.email, row.company)
        for row in connection.execute(sa.text(_SIDES), {"records": records})
    }
    people = lookalikes.known(connection, records)
    texts = {UUID(record): dict(people.texts.iloc[place]) for place, record in enumerate(people.ids)}
    return [
        Double(
            sides[pair["lead_id"]],
            sides[pair["other_id"]],
            lookalikes.probability(pair["odds"]),
            _because(pair["evidence"], texts[pair["lead_id"]], texts[pair["other_id"]]),
        )
        for pair in pairs
    ]


_WORDS: Final = {"equal": "same", "near": "nearly", "akin": "perhaps", "different": "other"}


def _because(pieces: Sequence[Any], one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """The pieces of evidence in words, those that weigh most first."""
    return ", ".join(
        f"{_WORDS[level]} {field} {_told(one.get(field, ''), other.get(field, ''))} {bits:+.1f}"
        for bits, field, level in sorted(pieces, key=lambda piece: (-abs(piece[0]), piece[1]))
    )


def _told(one: str, other: str) -> str:
    return f"“{one}”" if one == other else f"“{one}” – “{other}”"
