"""What a person says a lead is worth, in place of the model: set, ended, and in force at a moment.

Reads lead; writes score_override, and signal_due so that the next run or refresh scores the lead anew.
An override belongs to the person: whichever record it was set on, it follows the survivor of a merge.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Scoring


class NotAllowed(ValueError):
    """An override that the policy or the ledger does not allow; the text says what is."""


def in_force(leads: str, as_of: str = ":as_of") -> str:
    """Select of lead_id (the survivor), override_id, score and band: what is in force at `as_of`.

    `leads` is a relation with the lead_ids of survivors, or a select in brackets; `as_of` any SQL moment.
    One row per person at most: of two persons that became one, the override that was set last.
    """
    return f"""
     select distinct on (record.survivor_id) record.survivor_id as lead_id, said.override_id, said.score, said.band
     from score_override said join lead record using (lead_id)
     where record.survivor_id in (select lead_id from {leads} as wanted)
       and said.since <= {as_of} and coalesce(said.until > {as_of}, true) and coalesce(said.ended_at > {as_of}, true)
     order by record.survivor_id, said.override_id desc
    """


def set_override(
    connection: Connection,
    scoring: Scoring,
    lead_id: UUID,
    *,
    score: int | None = None,
    band: str | None = None,
    by: str,
    because: str,
    since: datetime,
    until: datetime | None = None,
) -> int:
    """Show this score, or put the person into this band, from `since` on; gives the override's id.

    Ends the one in force. Raises NotAllowed for a score outside the range, an unknown band, a moment that is
    over before it begins, or no reason. Never commits.
    """
    _check(scoring, score, band, by, because)
    if until is not None and until <= since:
        raise NotAllowed(
            f"--until {until:%Y-%m-%d %H:%M} is not after the moment at which the override begins"
        )
    person = _survivor(connection, lead_id)
    _end(connection, person, by=by, because="another override took its place", at=since)
    row = {"lead_id": person, "score": score, "band": band, "by": by, "because": because}
    number = connection.execute(sa.text(_SET), {**row, "since": since, "until": until}).scalar_one()
    _queue(connection, person)
    return int(number)


def end_override(connection: Connection, lead_id: UUID, *, by: str, because: str, at: datetime) -> int:
    """Take back what is in force: the model counts again from `at` on. Gives the id of what ended.

    Raises NotAllowed when nothing is in force at that moment, or no reason is given. Never commits.
    """
    _check_said(by, because)
    person = _survivor(connection, lead_id)
    ended = _end(connection, person, by=by, because=because, at=at)
    if ended is None:
        raise NotAllowed("no override of this lead is in force")
    _queue(connection, person)
    return ended


_SET = """
 insert into score_override (lead_id, score, band, by, because, since, until)
 values (:lead_id, :score, :band, :by, :because, :since, :until) returning override_id
"""
_END = """
 update score_override set ended_at = :at, ended_by = :by, ended_because = :because
 where lead_id in (select lead_id from lead where survivor_id = :person)
   and since <= :at and coalesce(until > :at, true) and coalesce(ended_at > :at, true)
 returning override_id
"""
_QUEUE = (
    "insert into signal_due (lead_id, activity_id) select lead_id, null from lead where survivor_id = :person"
)


def _survivor(connection: Connection, lead_id: UUID) -> UUID:
    found = connection.execute(sa.text("select survivor_id from lead where lead_id = :id"), {"id": lead_id})
    survivor: UUID | None = found.scalar()
    if survivor is None:
        raise NotAllowed(f"the ledger knows no lead {lead_id}")
    return survivor


def _end(connection: Connection, person: UUID, *, by: str, because: str, at: datetime) -> int | None:
    ended = connection.execute(sa.text(_END), {"person": person, "by": by, "because": because, "at": at})
    return max(ended.scalars(), default=None)


def _queue(connection: Connection, person: UUID) -> None:
    """Counting the person's records anew is what makes the next run or refresh score it again."""
    connection.execute(sa.text(_QUEUE), {"person": person})


def _check(scoring: Scoring, score: int | None, band: str | None, by: str, because: str) -> None:
    low, high = scoring.range
    names = [known.name for known in scoring.bands]
    _check_said(by, because)
    if (score is None) == (band is None):
        raise NotAllowed("give either --score or --band")
    if score is not None and not low <= score <= high:
        raise NotAllowed(f"--score: found {score}, allowed: {low} to {high}")
    if band is not None and band not in names:
        raise NotAllowed(f"--band: found {band!r}, allowed: {', '.join(names)}")


def _check_said(by: str, because: str) -> None:
    said: dict[str, Any] = {"--by": by, "--because": because}
    for name, text in said.items():
        if not text.strip():
            raise NotAllowed(f"{name} is empty: an override says who set it and why")
