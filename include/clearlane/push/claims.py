"""Who sends which owed writes: claims with a number and an end, and what became of each.

A claim is taken and noted in short transactions; nothing is open while the source is spoken to. Writes of one record
go out in the order in which they were owed, one at a time. Whoever notes after another took the claim over finds its
number gone: what was sent meanwhile is then sent again, for the late write may have undone it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.connectors import Receipt, gate
from clearlane.connectors.gate import Hold
from clearlane.policy.model import Source

ATTEMPTS: Final = 8
"""sendings after which a write is dead and waits for a person"""
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)
LEASE: Final = timedelta(minutes=15)
"""how long a claim holds: longer than any batch takes, with its time-outs and repeats"""
WHOLE: Final = 2
"""sendings after which a write goes in ever smaller batches, so that one bad record spoils no others"""


@dataclass(frozen=True)
class Claim:
    number: int
    rows: Sequence[RowMapping]
    """in the order in which they were owed; of one object"""
    probe: bool


# --- taking -------------------------------------------------------------------------------------------

# `not in` keeps the planner from the index of all that is owed where it has not counted the table yet.
_READY: Final = """
    o.state = 'owed' and o.source = :source and coalesce(o.next_attempt_at <= :at, true)
    and coalesce(o.claimed_until <= :at, true) and not exists (
        select from outbox b
        where (b.source, b.object, b.external_id) = (o.source, o.object, o.external_id)
          and b.state not in ('sent', 'superseded', 'dead', 'dropped') and b.outbox_id <> o.outbox_id
          and (b.outbox_id < o.outbox_id or b.claimed_until > :at))
"""
_NEXT: Final = sa.text(
    f"select o.object, o.attempts from outbox o where {_READY} order by o.outbox_id limit 1"
)
_IN_FLIGHT: Final = sa.text(
    "select count(distinct claimed_by) from outbox where state = 'owed' and source = :source and claimed_until > :at"
)
_TAKE: Final = sa.text(
    f"""
    with taken as (
        select o.outbox_id from outbox o
        where {_READY} and o.object = :object and o.attempts = :attempts
        order by o.outbox_id limit :size for update skip locked
    ), numbered as (select nextval('push_claim_seq') as number)
    update outbox o
    set claimed_by = number, claimed_until = :until, attempts = o.attempts + 1,
        begun_at = coalesce(o.begun_at, :at)
    from taken, numbered where o.outbox_id = taken.outbox_id
    returning o.*
    """
)


def claim(connection: Connection, source: Source, at: datetime, limit: int) -> Claim | Hold | None:
    """The next batch that may be sent now, at most `limit` writes; None where nothing is to be sent."""
    state = gate.held_state(connection, source.name)
    bound: dict[str, Any] = {"source": source.name, "at": at}
    head = connection.execute(_NEXT, bound).first()
    if head is None:
        return None
    in_flight = connection.execute(_IN_FLIGHT, bound).scalar_one()
    allowed = gate.verdict(state, source.limits, in_flight, at)
    if isinstance(allowed, Hold):
        return allowed
    if allowed.probe:
        gate.probing(connection, source.name, source.limits, at)
    size = min(limit, batch_size(allowed.size, head.attempts))
    taking = {**bound, **head._mapping, "size": size, "until": at + LEASE}
    rows = sorted(connection.execute(_TAKE, taking).mappings(), key=lambda row: row["outbox_id"])
    return Claim(rows[0]["claimed_by"], rows, allowed.probe) if rows else None


def batch_size(most: int, attempts: int) -> int:
    """Writes that failed more than once go in smaller batches, in the end alone."""
    return max(1, most >> 2 * max(0, attempts + 1 - WHOLE))


_EXPIRE: Final = sa.text(
    """
    update outbox set claimed_until = null
    where state = 'owed' and source = :source and claimed_until <= :at returning outbox_id
    """
)


def expire(connection: Connection, source: str, at: datetime) -> None:
    """Free the writes of processes that died; of those only the newest of a record is owed on."""
    if freed := _executed(connection, _EXPIRE, source=source, at=at):
        give_up(connection, freed)


# --- noting -------------------------------------------------------------------------------------------

_SENT: Final = sa.text(
    """
    update outbox o
    set state = 'sent', sent_at = :at, error = null, claimed_until = null, next_attempt_at = null,
        sent_revision = (
            select max(r.revision_id) from lead l join lead_revision r using (lead_id)
            where (l.source, l.external_id) = (o.source, o.external_id))
    where outbox_id = any(:ids) and claimed_by = :number and state = 'owed'
    returning outbox_id
    """
)
_FAILED: Final = sa.text(
    """
    update outbox set state = :state, error = :error, next_attempt_at = :next, claimed_until = null,
        attempts = attempts - :given_back
    where outbox_id = :id and claimed_by = :number and state = 'owed'
    """
)
_RELEASE: Final = sa.text(
    """
    update outbox set claimed_until = null, attempts = attempts - 1
    where outbox_id = any(:ids) and claimed_by = :number and state = 'owed'
    """
)
# What late writes may have undone, is owed again.
_AGAIN: Final = sa.text(
    """
    update outbox n set state = 'owed', sent_at = null, attempts = 0,
        note = concat_ws('; ', n.note, 'sent again: an older write of the record came late')
    from outbox o
    where o.outbox_id = any(:late) and n.state = 'sent' and n.outbox_id > o.outbox_id
      and (n.source, n.object, n.external_id) = (o.source, o.object, o.external_id)
    returning n.outbox_id
    """
)
SUPERSEDE: Final = """
    update outbox old set state = 'superseded'
    from outbox newer
    where old.state = 'owed' and {flying} and {which}
      and (newer.source, newer.object, newer.external_id) = (old.source, old.object, old.external_id)
      and newer.outbox_id <> old.outbox_id
      and (newer.decision_seq > coalesce(old.decision_seq, old.knew_seq)
           or (old.decision_seq is null or newer.decision_seq = old.decision_seq)
              and newer.outbox_id > old.outbox_id and newer.score_id >= old.score_id)
"""
"""Owed and not in flight, though another write of the record holds a newer decision, or all of it and a newer score."""
OVERRULED: Final = """
    update outbox old set state = 'superseded'
    from decision chosen join routing_event e using (event_id)
    where old.state = 'owed' and old.claimed_until is null and {which}
      and chosen.lead_id = old.lead_id and chosen.mode = 'hand' and e.kind in ('owner', 'override')
      and coalesce(old.decision_seq, old.knew_seq) < chosen.decision_seq
"""
"""Owed and not in flight, though a person chose another owner in a source since."""
_OVERRULED: Final = sa.text(OVERRULED.format(which="old.outbox_id = any(:ids)"))
_SUPERSEDE: Final = sa.text(
    SUPERSEDE.format(which="old.outbox_id = any(:ids)", flying="old.claimed_until is null")
)


def note(
    connection: Connection, claim: Claim, receipts: Mapping[int, Receipt], at: datetime, *, excused: bool
) -> tuple[int, int, int]:
    """Keep what became of the claimed writes (by outbox_id): how many were sent, failed, and are dead.

    Those without a receipt were given up meanwhile.

    `excused`: failures are the system's, and count against no write.
    """
    claim = replace(claim, rows=[row for row in claim.rows if row["outbox_id"] in receipts])
    sent = [row["outbox_id"] for row in claim.rows if receipts[row["outbox_id"]].result == "sent"]
    noted = _executed(connection, _SENT, ids=sent, number=claim.number, at=at)
    late = sorted(set(sent) - set(noted))
    again = _executed(connection, _AGAIN, late=late) if late else []
    failures = list(_failures(claim, receipts, at, excused=excused))
    if failures:
        connection.execute(_FAILED, failures)
    changed = [*again, *(failure["id"] for failure in failures)]
    give_up(connection, changed)
    dead = sum(failure["state"] == "dead" for failure in failures)
    return len(sent), len(failures) - dead, dead


def release(connection: Connection, claim: Claim) -> None:
    """Give the claim back as if it had never been taken."""
    connection.execute(_RELEASE, {"ids": _ids(claim), "number": claim.number})


def give_up(connection: Connection, ids: Sequence[int]) -> int:
    """Supersede those of these owed writes that are not wanted any more; how many."""
    statements = (_SUPERSEDE, _OVERRULED) if ids else ()
    return sum(connection.execute(statement, {"ids": list(ids)}).rowcount for statement in statements)


def _executed(connection: Connection, statement: sa.TextClause, **bound: Any) -> Sequence[int]:
    return connection.execute(statement, bound).scalars().all()


def _ids(claim: Claim) -> list[int]:
    return [row["outbox_id"] for row in claim.rows]


def _failures(
    claim: Claim, receipts: Mapping[int, Receipt], at: datetime, *, excused: bool
) -> Iterator[dict[str, Any]]:
    for row in claim.rows:
        receipt = receipts[row["outbox_id"]]
        if receipt.result != "sent":
            dead = receipt.result == "refused" or (not excused and row["attempts"] >= ATTEMPTS)
            yield {
                "id": row["outbox_id"], "number": claim.number, "state": "dead" if dead else "owed",
                "error": receipt.error, "next": None if dead else _next(row, receipt, at), "given_back": int(excused),
            }  # fmt: skip


def _next(row: RowMapping, receipt: Receipt, at: datetime) -> datetime | None:
    if receipt.result == "changed":
        return None
    return at + wait(row["idempotency_key"], row["attempts"], receipt.retry_after)


def wait(key: str, attempts: int, retry_after: float | None) -> timedelta:
    """Exponential backoff of which up to half is spread by the key, never sooner than the source asked for."""
    backoff: timedelta = min(FIRST_WAIT * 2.0 ** min(attempts - 1, 32), LONGEST_WAIT)
    spread = int.from_bytes(hashlib.sha256(f"{key} {attempts}".encode()).digest()[:4]) / 2**32
    return max(backoff * (0.5 + 0.5 * spread), timedelta(seconds=retry_after or 0))
