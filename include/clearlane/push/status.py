"""How the writing to each system stands: what is owed, in flight and dead, and why nothing goes, where that is so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Policy


@dataclass(frozen=True)
class Status:
    source: str
    owed: int
    due: int
    """of the owed, those that could be sent now"""
    merges: int
    """of the owed, two records that are to be made one"""
    in_flight: int
    dead: int
    oldest: datetime | None
    """since when the longest owed has been"""
    sent_at: datetime | None
    failures: int
    """of the system as a whole, in a row"""
    held_until: datetime | None
    because: str | None
    """why nothing is sent until then"""
    error: str | None
    """what the system said at its last failure"""


_STATUS: Final = sa.text(
    """
    select source, coalesce(owed, 0) as owed, coalesce(due, 0) as due, coalesce(in_flight, 0) as in_flight,
           coalesce(merges, 0) as merges,
           coalesce(dead, 0) as dead, oldest, sent_at, coalesce(failures, 0) as failures, error,
           case when held > :at then held end as held_until,
           case when held > :at then
               case when paused_until = held then 'it asked to be left alone' else 'it failed too often' end
           end as because
    from unnest(cast(:sources as text[])) as wanted(source)
    left join (
        select source, count(*) filter (where state = 'owed') as owed, count(*) filter (where state = 'dead') as dead,
               count(*) filter (where state = 'owed' and coalesce(next_attempt_at <= :at, true)
                                and coalesce(claimed_until <= :at, true)) as due,
               count(*) filter (where state = 'owed' and object = 'merges') as merges,
               count(*) filter (where state = 'owed' and claimed_until > :at) as in_flight,
               min(owed_at) filter (where state = 'owed') as oldest, max(sent_at) as sent_at
        from outbox group by source
    ) written using (source)
    left join (select *, greatest(paused_until, open_until) as held from push_state) state using (source)
    order by source
    """
)


def statuses(connection: Connection, policy: Policy, at: datetime) -> tuple[Status, ...]:
    """How it stands at the moment (UTC) with each source that policy lets be written to."""
    pushed = [source.name for source in policy.sources.sources.values() if source.push]
    rows = connection.execute(_STATUS, {"sources": pushed, "at": at}).mappings()
    return tuple(Status(**row) for row in rows)


def notes(found: Sequence[Status]) -> Iterator[str]:
    """What somebody should know: systems that nothing is sent to, and writes that wait for a person."""
    for one in found:
        if one.held_until is not None:
            said = f" ({one.error})" if one.error and one.failures else ""
            yield (
                f"nothing is sent to {one.source} until {one.held_until:%Y-%m-%d %H:%M:%S}Z:"
                f" {one.because}{said}; {one.owed} writes are owed"
            )
        if one.dead:
            yield f"{one.dead} writes to {one.source} are dead: `clearlane push dead list` says why"


def as_json(status: Status) -> Mapping[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(status).items()
    }
