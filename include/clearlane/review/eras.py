"""Which policy counts when: the stretches of a span of time in which nothing of it changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.policy.model import Policy, Rep

_CHANGES = """
    select distinct in_force_from from policy_in_force
    where in_force_from > :since and in_force_from <= :until order by 1
"""


@dataclass(frozen=True)
class Era:
    """A policy from a moment on, until the next era begins."""

    since: datetime
    policy: Policy


def in_force(connection: Connection, since: datetime, until: datetime) -> tuple[Era, ...]:
    """What was in force between two moments, both included; LookupError where nothing was published."""
    bound = {"since": since, "until": until}
    starts = [since, *connection.execute(sa.text(_CHANGES), bound).scalars()]
    versions = [(start, policies.in_force(connection, start)) for start in starts]
    return tuple(Era(start, policies.stored(connection, hashes)) for start, hashes in versions)


def always(policy: Policy, since: datetime) -> tuple[Era, ...]:
    return (Era(since, policy),)


def by_roster(eras: Sequence[Era], until: datetime) -> tuple[Era, ...]:
    """The same eras, cut where a rep begins or leaves: in each of them the same people sell."""
    ends = [*(era.since for era in eras[1:]), until]
    return tuple(
        Era(since, era.policy) for era, end in zip(eras, ends, strict=True) for since in _cuts(era, end)
    )


def _cuts(era: Era, end: datetime) -> list[datetime]:
    reps = era.policy.teams.reps.values()
    return [era.since, *sorted({at for rep in reps for at in _comings(rep) if era.since < at <= end})]


def _comings(rep: Rep) -> Iterator[datetime]:
    if rep.active_from:
        yield _midnight(rep, rep.active_from)
    if rep.active_until:
        yield _midnight(rep, rep.active_until + timedelta(days=1))


def _midnight(rep: Rep, day: date) -> datetime:
    return datetime.combine(day, clock(0), ZoneInfo(rep.zone)).astimezone(UTC)
