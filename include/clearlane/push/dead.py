"""Writes that a source refused or that failed too often: a person tries them again or lets them go.

Tried again, a write says what its lead scores by now; where a newer write of the record
holds all that it does, it is superseded instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.push import claims


class NotPossible(ValueError):
    """Some of the writes are not there, or not dead; the text names each."""


@dataclass(frozen=True)
class Dead:
    """One dead write: its number, the record it is for, what it would set, and what the source said."""

    number: int
    record: str
    lead_id: str
    owed_at: datetime
    attempts: int
    sets: tuple[str, ...]
    error: str | None


@dataclass(frozen=True)
class Retried:
    """Writes owed again, and those of which there is nothing left to write."""

    owed: int
    superseded: int


_LISTED: Final = sa.text(
    """
    select outbox_id as number, source || ':' || external_id as record, lead_id::text, owed_at, attempts,
           array(select jsonb_object_keys(fields) order by 1) as sets, error
    from outbox where state = 'dead' order by outbox_id
    """
)
_LOCKED: Final = sa.text("select outbox_id, state from outbox where outbox_id = any(:ids) for update")
_RETRY: Final = sa.text(
    """
    update outbox o
    set state = 'owed', attempts = 0, next_attempt_at = null, claimed_until = null, by = :by,
        note = concat_ws('; ', o.note, 'tried again: ' || :because),
        fields = o.fields || case when st.score_id >= o.score_id then (
            select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(jsonb_build_object(
                'score', st.score, 'band', st.band, 'grade', st.grade, 'stage', st.stage))
            where o.fields ? key and (key <> 'stage' or not o.fields ? 'stage_since')) else '{}' end,
        score_id = greatest(o.score_id, st.score_id)
    from outbox x left join standing st using (lead_id)
    where o.outbox_id = x.outbox_id and x.outbox_id = any(:ids)
    """
)
_DROP: Final = sa.text(
    """
    update outbox set state = 'dropped', by = :by, note = concat_ws('; ', note, 'dropped: ' || :because)
    where outbox_id = any(:ids)
    """
)


def listed(connection: Connection) -> tuple[Dead, ...]:
    """All dead writes, the longest dead first."""
    rows = connection.execute(_LISTED).mappings()
    return tuple(Dead(**{**row, "sets": tuple(row["sets"])}) for row in rows)


def retry(connection: Connection, numbers: Sequence[int], *, by: str, because: str) -> Retried:
    """Owe the writes again; none given means all dead ones. NotPossible where one is not dead."""
    ids = _dead(connection, numbers or [one.number for one in listed(connection)])
    connection.execute(_RETRY, {"ids": ids, "by": by, "because": because})
    superseded = claims.give_up(connection, ids)
    return Retried(len(ids) - superseded, superseded)


def drop(connection: Connection, numbers: Sequence[int], *, by: str, because: str) -> int:
    """Let the writes go; they are kept, with the reason. NotPossible where one is not dead."""
    ids = _dead(connection, numbers)
    return connection.execute(_DROP, {"ids": ids, "by": by, "because": because}).rowcount


def as_json(dead: Dead) -> Mapping[str, Any]:
    return {**asdict(dead), "owed_at": dead.owed_at.isoformat(), "sets": list(dead.sets)}


def _dead(connection: Connection, numbers: Sequence[int]) -> list[int]:
    wanted = list(numbers)
    found = {row.outbox_id: row.state for row in connection.execute(_LOCKED, {"ids": wanted})}
    wrong = [
        f"{number} is {found.get(number, 'no write')}" for number in wanted if found.get(number) != "dead"
    ]
    if wrong:
        raise NotPossible(f"only dead writes can be tried again or dropped: {'; '.join(wrong)}")
    return wanted
