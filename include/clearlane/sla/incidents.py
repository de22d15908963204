"""What is wrong with the pipeline, told once: an incident opens, is seen, and is over; one mail at each end.

What opens together is one mail, and so is what is over together; what stays open is told once a day. Several may note
at once: an open incident is one row of its key, a mail one row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.sla import mails
from clearlane.sla.pipeline import KINDS, Finding

CALM: Final = timedelta(minutes=30)
"""what was not found for so long is over: what comes and goes is one incident"""
LONG_CALM: Final = timedelta(hours=26)
"""of DAGs that nothing is promised of, which leave a trace where they fail only: longer than a night is away"""
GRAVE: Final = frozenset({"scheduler", "run", "quality", "source"})
"""kinds of findings in which leads wait: told at any hour"""
REVOPS: Final = "revops"
MONITOR: Final = "monitor"
"""whom `clearlane alive` tells by itself"""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Incident:
    """Moments are UTC; `closed_at` None: open."""

    incident_id: int
    key: str
    because: str
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None

    @property
    def kind(self) -> str:
        return self.key.partition(".")[0]


@dataclass(frozen=True)
class Noted:
    opened: int
    closed: int
    open: int


_SEEN: Final = sa.text(
    """
    update incident set because = :because, seen_at = greatest(seen_at, :at)
    where key = :key and closed_at is null
    """
)
_OPEN: Final = sa.text(
    """
    insert into incident (key, because, opened_at, seen_at) values (:key, :because, :at, :at)
    on conflict (key) where closed_at is null do nothing returning *
    """
)
_CLOSE: Final = sa.text(
    """
    update incident i set closed_at = :at
    from unnest(cast(:keys as text[]), cast(:calm as interval[])) c(key, calm)
    where i.key = c.key and i.closed_at is null and i.seen_at <= :at - c.calm
    returning i.*
    """
)
_OF_MONITOR: Final = sa.text(
    """
    select i.* from incident i
    where i.closed_at is null or i.closed_at > :at - interval '1 day' and exists (
        select from mail m where m.key = 'incident:' || i.incident_id || ':open:' || :person)
    """
)
_ALL_OPEN: Final = sa.text("select * from incident where closed_at is null order by opened_at, incident_id")


def note(connection: Connection, policy: Policy, found: Sequence[Finding], at: datetime) -> Noted:
    """Keep what all checks found at a moment, and owe who is told of it. Never commits.

    What follows from something else opens nothing, and keeps open what is.
    """
    opened = _opened(connection, found, at)
    missing = sorted({one.key for one in open_ones(connection)} - {one.key for one in found})
    bound = {"keys": missing, "calm": [calm(policy, key) for key in missing], "at": at}
    closed = _incidents(connection.execute(_CLOSE, bound))
    still = open_ones(connection)
    mails.owe(connection, policy, _letters(opened, closed, still, at))
    return Noted(len(opened), len(closed), len(still))


def tell(connection: Connection, policy: Policy, finding: Finding, at: datetime, **more: str) -> bool:
    """Keep one thing that somebody saw, and owe who is told of it; whether it is news. Never commits.

    `more` goes into the mail: `triage`, `url`.
    """
    opened = _opened(connection, [finding], at)
    mails.owe(connection, policy, _letters(opened, (), (), at, more))
    return bool(opened)


def tell_monitor(connection: Connection, policy: Policy, address: str, at: datetime) -> None:
    """Owe an address each open incident once, and once that it is over. Never commits."""
    letters = []
    for one in _incidents(connection.execute(_OF_MONITOR, {"at": at, "person": MONITOR})):
        state = "over" if one.closed_at else "open"
        letter = _letter(state, f"{one.incident_id}:{state}", [one], at, person=MONITOR)
        letters.append(replace(letter, address=address, urgency="now"))
    mails.owe(connection, policy, letters)


def open_ones(connection: Connection) -> tuple[Incident, ...]:
    """What is wrong, the oldest first."""
    return _incidents(connection.execute(_ALL_OPEN))


def calm(policy: Policy, key: str) -> timedelta:
    """How long after it was last found an incident is over."""
    kind, _, about = key.partition(".")
    runs = policy.sla.pipeline.runs
    if kind != "run":
        return CALM
    return max(CALM, 2 * runs[about]) if about in runs else LONG_CALM


def _opened(connection: Connection, found: Iterable[Finding], at: datetime) -> tuple[Incident, ...]:
    """Those that are new; the others are seen once more."""
    new: list[Incident] = []
    for one in found:
        said = {"key": one.key, "because": one.because, "at": at}
        if not connection.execute(_SEEN, said).rowcount and one.explained_by is None:
            new += _incidents(connection.execute(_OPEN, said))
    return tuple(new)


def _incidents(rows: sa.CursorResult[Any]) -> tuple[Incident, ...]:
    found = (Incident(**row) for row in rows.mappings())
    return tuple(sorted(found, key=lambda one: (one.opened_at, one.incident_id)))


# --- mails --------------------------------------------------------------------------------------------


def _letters(
    opened: Sequence[Incident],
    closed: Sequence[Incident],
    still: Sequence[Incident],
    at: datetime,
    more: Mapping[str, str] = NOTHING,
) -> list[mails.Mail]:
    """What opened, what is over, and once a day what has been open for a day."""
    old = [one for one in still if at - one.opened_at >= timedelta(days=1)]
    return [
        *(_letter("open", f"{opened[0].incident_id}:open", opened, at, more) for _ in opened[:1]),
        *(_letter("over", f"{closed[0].incident_id}:over", closed, at) for _ in closed[:1]),
        *(_letter("still", f"still:{at:%Y-%m-%d}", old, at) for _ in old[:1]),
    ]


def _letter(
    state: str,
    key: str,
    told: Sequence[Incident],
    at: datetime,
    more: Mapping[str, str] = NOTHING,
    person: str = REVOPS,
) -> mails.Mail:
    grave = state == "open" and any(one.kind in GRAVE for one in told)
    return mails.Mail(
        key=f"incident:{key}:{person}",
        kind="incident",
        person=person,
        urgency="now" if grave else "soon",
        send_after=at,
        facts={"state": state, "incidents": [{**_fact(one), **more} for one in told]},
        expires_at=at + timedelta(days=1),
    )


def _fact(one: Incident) -> dict[str, str]:
    kind = KINDS.get(one.kind)
    return {
        "key": one.key,
        "what": kind.says if kind else one.kind,
        "triage": kind.do if kind and not one.closed_at else "",
        "because": one.because,
        "opened_at": one.opened_at.isoformat(),
        "seen_at": one.seen_at.isoformat(),
    }
