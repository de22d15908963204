"""The records of which a person is made: by which key each joined, and what people said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import verdicts

RULES: Final[Mapping[str, str]] = {
    "person": "somebody said so",
    "merged_into": "merged in the source",
    "merged_from": "merged in the source",
    "email": "the same e-mail address",
    "email_name": "the same name at a shared e-mail address",
    "phone_name": "the same phone number and name",
    "alike": "so alike that nobody was asked",
}
"""rule of a merge -> why, in words"""


@dataclass(frozen=True)
class Record:
    """A record of the person, or one that was said not to be; `record` is SOURCE:ID."""

    lead_id: str
    record: str
    because: str


@dataclass(frozen=True)
class Person:
    """The record that survives, those merged with it, and those that a person keeps apart from any of them."""

    survivor: Record
    merged: tuple[Record, ...]
    apart: tuple[Record, ...]


_RECORDS: Final = """
select m.lead_id, m.source || ':' || m.external_id as record, j.rule, m.lead_id = m.survivor_id as survives
from lead l join lead m using (survivor_id) left join merge j on j.loser_id = m.lead_id and j.undone_at is null
where l.lead_id = :lead order by m.lead_id <> m.survivor_id, m.created_at, m.lead_id
"""
_OTHERS: Final = """
select lead_id, source || ':' || external_id as record from lead where lead_id = any(cast(:records as uuid[]))
"""


def person(connection: Connection, lead_id: UUID) -> Person:
    """The person that a record is of."""
    rows = connection.execute(sa.text(_RECORDS), {"lead": lead_id}).mappings().all()
    own = {row["lead_id"] for row in rows}
    said = verdicts.about(connection, sorted(own))
    survivor, *losers = (
        Record(str(row["lead_id"]), row["record"], _why(row["rule"], row["lead_id"], said)) for row in rows
    )
    return Person(survivor, tuple(losers), tuple(_apart(connection, own, said)))


def _why(rule: str | None, record: UUID, said: Any) -> str:
    if rule is None:
        return "the earliest record"
    words = [_word(one) for one in said if one["verdict"] == "same" and record in _pair(one)]
    return "; ".join(words) if rule == "person" and words else RULES.get(rule, rule)


def _apart(connection: Connection, own: set[UUID], said: Any) -> list[Record]:
    strangers = {
        other: one for one in said if one["verdict"] == "apart" for other in _pair(one) if other not in own
    }
    rows = connection.execute(sa.text(_OTHERS), {"records": sorted(strangers)}).all()
    return [Record(str(row.lead_id), row.record, _word(strangers[row.lead_id])) for row in rows]


def _pair(said: Mapping[str, Any]) -> set[UUID]:
    return {said["lead_id"], said["other_id"]}


def _word(said: Mapping[str, Any]) -> str:
    return f"{said['by']} said so on {said['decided_at']:%Y-%m-%d}: {said['because']}"
