"""How it stands with the mails: what is owed and since when, what was refused or is dead, which addresses bounce."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.sla.mails.claims import bounced
from clearlane.sla.mails.sending import without_addresses

LATE: Final = timedelta(minutes=30)
"""after which an urgent mail that is still owed is worth a word"""


@dataclass(frozen=True)
class Listed:
    """A mail that was not sent, or not yet. No address, no name but the reader's id."""

    mail_id: int
    kind: str
    person: str
    state: str
    urgency: str
    lead: str | None
    since: datetime
    attempts: int
    because: str | None


@dataclass(frozen=True)
class Bounce:
    person: str
    """ids of whom the ledger has written to at that address"""
    address: str
    since: datetime
    because: str


_LISTED: Final = """
select m.mail_id, m.kind, m.person, m.state, m.urgency, l.source || ':' || l.external_id as lead,
       m.send_after as since, m.attempts, m.error as because
from mail m left join lead l using (lead_id)
where m.state = any(cast(:states as text[]))
order by m.state = 'owed' desc, m.send_after desc, m.mail_id desc limit :most
"""
_COUNTS: Final = "select state, count(*) as mails from mail group by state order by state"
_BOUNCES: Final = """
select coalesce((select string_agg(distinct person, ', ' order by person) from mail m
                 where lower(m.address) = b.address), '') as person,
       b.address, b.noted_at as since, b.because
from bounce b where ended_at is null order by noted_at, bounce_id
"""
_OLDEST: Final = """
select count(*) as owed, min(send_after) filter (where urgency = 'now') as since,
       (array_agg(error order by mail_id desc) filter (where error is not null))[1] as error
from mail where state = 'owed'
"""
_UNSENT: Final = ("owed", "refused", "dead", "expired")


def listed(
    connection: Connection, states: Sequence[str] = _UNSENT, most: int = 200
) -> tuple[Mapping[str, int], Sequence[Listed]]:
    """How many mails are in each state, and the newest of those asked for."""
    rows = connection.execute(sa.text(_LISTED), {"states": list(states), "most": most}).mappings()
    counts = _counts(connection)
    return counts, [Listed(**row) for row in rows]


def _counts(connection: Connection) -> dict[str, int]:
    return {row.state: row.mails for row in connection.execute(sa.text(_COUNTS))}


def bounces(connection: Connection) -> Sequence[Bounce]:
    """The addresses that nothing is sent to."""
    return [Bounce(**row) for row in connection.execute(sa.text(_BOUNCES)).mappings()]


def notes(connection: Connection, at: datetime) -> Iterator[str]:
    """What `doctor` says: mails that do not go, were refused or are dead, and bouncing addresses."""
    row = connection.execute(sa.text(_OLDEST)).one()
    if row.since and row.since < at - LATE:
        said = f" ({row.error})" if row.error else ""
        yield f"{row.owed} mails are owed, an urgent one since {row.since:%Y-%m-%d %H:%M}Z{said}"
    counts = _counts(connection)
    for state in ("refused", "dead"):
        if counts.get(state):
            yield f"{counts[state]} mails are {state}: `clearlane sla mails` says why"
    for one in bounces(connection):
        yield f"mails to {one.person or 'an address'} come back since {one.since:%Y-%m-%d}: the manager is told instead"


# --- what people do -------------------------------------------------------------------------------------

_MENDED: Final = "update bounce set ended_at = :at where address = lower(:address) and ended_at is null"
# What may have been sent is sent again on somebody's word.
_RETRY: Final = """
update mail set state = 'owed', attempts = 0, next_attempt_at = null, claimed_until = null, expires_at = null,
    begun_at = null, again = false, error = null
where mail_id = any(:ids) and state in ('refused', 'dead', 'expired')
"""


def note_bounce(connection: Connection, address: str, because: str, at: datetime) -> None:
    """Somebody found mails to the address coming back. Never commits."""
    bounced(connection, address, without_addresses(because), at)


def end_bounce(connection: Connection, address: str, at: datetime) -> bool:
    """The address works again; False where nothing bounced."""
    return connection.execute(sa.text(_MENDED), {"address": address, "at": at}).rowcount > 0


def retry(connection: Connection, mails: Sequence[int]) -> int:
    """Owe these refused, dead or expired mails anew, without an end; how many. Never commits."""
    return connection.execute(sa.text(_RETRY), {"ids": list(mails)}).rowcount


def as_json(one: Listed | Bounce) -> Mapping[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }
