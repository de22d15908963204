"""Sends what is owed: claim, look, write, look again, note; each source by itself, at the pace it bears.

Where the connector reads back, every write is preceded by a look: what is there already is not written again, and an
owner whom a person chose stands. Another look follows: what did not arrive is owed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, RowMapping

from clearlane.connectors import (
    UNREADABLE,
    Connector,
    Merges,
    ReadsBack,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
    connected,
    gate,
)
from clearlane.connectors.gate import Hold
from clearlane.policy.model import Policy, Source
from clearlane.push import claims, merges, owners
from clearlane.push.claims import Claim

PATIENCE: Final = timedelta(minutes=4)
"""how long a drain waits in all for a source's pace, pauses and batches of others; the rest is the next one's"""
VERIFIED: Final = ("owner", "score")
"""what has to be there when it was written; systems shorten texts and turn moments as they please"""
Current = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Drained:
    sent: int = 0
    retry: int = 0
    dead: int = 0
    left: int = 0
    """still owed afterwards, those of a dry run included"""
    stood: int = 0
    """owners that people had changed, and that were left alone"""
    written: int = 0
    """records that a source was asked to write: what was there already is sent without"""

    def __add__(self, other: Drained) -> Drained:
        return Drained(**{name: count + getattr(other, name) for name, count in vars(self).items()})


@dataclass(frozen=True)
class Clock:
    """The moment a drain speaks for, which goes on while it works, and how it waits."""

    at: datetime
    monotonic: Callable[[], float]
    wait: Callable[[float], None]
    begun: float

    @classmethod
    def from_now(cls, at: datetime, monotonic: Callable[[], float], wait: Callable[[float], None]) -> Clock:
        return cls(at, monotonic, wait, monotonic())

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.monotonic() - self.begun)

    def until(self, moment: datetime) -> None:
        self.wait(max(0.0, (moment - self.now()).total_seconds()))


class OutOfTime(Exception):
    """The source's pace allows no request before this drain ends."""


def drain(
    engine: Engine,
    policy: Policy,
    at: datetime,
    secrets: Secrets,
    *,
    dry_run: bool,
    limit: int,
    monotonic: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, int]:
    """Send at most `limit` owed writes per source, from `at` (UTC) on; a dry run sends none and counts them.

    What goes wrong with one source is raised when the others have had their turn.
    """
    counts, wrong = Drained(), list[Exception]()
    for source in policy.sources.sources.values() if not dry_run else ():
        if source.push:
            try:
                clock = Clock.from_now(at, monotonic, wait)
                counts += _Drain(engine, policy, source, secrets, clock).run(limit)
            except Exception as error:
                wrong.append(error)
    if wrong:
        raise wrong[0]
    with engine.connect() as connection:
        left = connection.execute(sa.text("select count(*) from outbox where state = 'owed'")).scalar_one()
    return dict(vars(replace(counts, left=left)))


@dataclass(frozen=True)
class Tried:
    """What became of each write of a claim, by outbox_id; of `written` records the source was asked to write."""

    receipts: Mapping[int, Receipt]
    stood: int = 0
    written: int = 0

    @property
    def down(self) -> str | None:
        """What the system as a whole said, where it did none of the writes and refused none."""
        if any(receipt.result != "retry" for receipt in self.receipts.values()):
            return None
        return next((receipt.error or "no write came through" for receipt in self.receipts.values()), None)

    @property
    def retry_after(self) -> float:
        return max((receipt.retry_after or 0.0 for receipt in self.receipts.values()), default=0.0)


class _Drain:
    """One source, drained by this process."""

    def __init__(
        self, engine: Engine, policy: Policy, source: Source, secrets: Secrets, clock: Clock
    ) -> None:
        self._engine, self._policy, self._source, self._clock = engine, policy, source, clock
        self._latest = clock.at + PATIENCE
        self._open = lru_cache(maxsize=1)(partial(connected, source, secrets))
        with engine.begin() as connection:
            claims.expire(connection, source.name, clock.at)
            self._owners = owners.owners_of(connection, policy, source, clock.at)

    def run(self, limit: int) -> Drained:
        total = Drained()
        while (left := limit - total.sent - total.retry - total.dead) > 0:
            found = self._claim(left)
            if isinstance(found, Claim):
                try:
                    total += self._sent(found)
                except OutOfTime:
                    break
            elif found is None or found.until > self._latest:
                break
            else:
                self._clock.until(found.until)
        return total

    def _claim(self, limit: int) -> Claim | Hold | None:
        with self._engine.begin() as connection:
            return claims.claim(connection, self._source, self._clock.now(), limit)

    def _sent(self, claim: Claim) -> Drained:
        with self._given_back(claim):
            merging = claim.rows[0]["object"] == merges.OBJECT
            tried = (self._merged if merging else self._tried)(self._open(), claim)
        at = self._clock.now()
        with self._engine.begin() as connection:
            self._tell_gate(connection, tried, at)
            excused = claim.probe and tried.down is not None
            sent, retry, dead = claims.note(connection, claim, tried.receipts, at, excused=excused)
            merges.note(connection, claim, tried.receipts)
        return Drained(sent, retry, dead, stood=tried.stood, written=tried.written)

    @contextmanager
    def _given_back(self, claim: Claim) -> Iterator[None]:
        """Whatever is raised gives the claim back: the next to send looks what became of it."""
        try:
            yield
        except BaseException as error:
            with self._engine.begin() as connection:
                if isinstance(error, SourceFailed):  # it could not even be opened
                    gate.failed(
                        connection, self._source.name, self._source.limits, self._clock.now(), str(error)
                    )
                claims.release(connection, claim)
            raise

    def _tell_gate(self, connection: Connection, tried: Tried, at: datetime) -> None:
        name, limits = self._source.name, self._source.limits
        if tried.down is None:
            gate.well(connection, name)
        else:
            gate.failed(connection, name, limits, at, tried.down)
        if tried.retry_after:
            gate.pause(connection, name, at, tried.retry_after)

    # --- speaking to the source -----------------------------------------------------------------------

    def _tried(self, connector: Connector, claim: Claim) -> Tried:
        try:
            current = self._look(connector, claim.rows)
        except SourceFailed as failed:
            return Tried(_all_failed(claim.rows, failed))
        rows, stood = self._respected(claim, current)
        waiting = [row for row in rows if not self._is_there(row, current)]
        receipts = {row["outbox_id"]: Receipt(row["idempotency_key"], "sent") for row in rows}
        try:
            receipts |= self._written(connector, waiting, current)
        except SourceFailed as failed:
            receipts |= _all_failed(waiting, failed)
        return Tried(receipts, stood, len(waiting))

    def _merged(self, connector: Connector, claim: Claim) -> Tried:
        """Merge those that are still one person; the connector itself looks before and after."""
        with self._engine.begin() as connection:
            wanted = merges.wanted(connection, self._source, claim)
        if not isinstance(connector, Merges):
            said = f"{self._source.connector} cannot merge records"
            refused = {id: Receipt(one.idempotency_key, "refused", said) for id, one in wanted.items()}
            return Tried(refused)
        if wanted:
            self._pace()
        receipts = dict(zip(wanted, connector.merge([*wanted.values()]), strict=True))
        return Tried(receipts, written=len(wanted))

    def _look(self, connector: Connector, rows: Sequence[RowMapping]) -> Current:
        """What the records hold, where the connector reads back."""
        if not rows or not isinstance(connector, ReadsBack):
            return {}
        self._pace()
        return connector.current([_write(row) for row in rows])

    def _respected(self, claim: Claim, current: Current) -> tuple[list[RowMapping], int]:
        """The writes without the owners whom people chose since, and how many those are.

        Where another system is the master of owners, what people choose here counts for nothing.
        """
        if not current or not self._policy.sources.tells(self._source.name, owners.ROUTING):
            return list(claim.rows), 0
        with self._engine.begin() as connection:
            chosen = owners.chosen_by_people(connection, self._owners, claim.rows, current)
            if not chosen:
                return list(claim.rows), 0
            kept = owners.let_stand(
                connection, self._policy, self._owners, claim, chosen, current, self._clock.now()
            )
        return [kept.get(row["outbox_id"], row) for row in claim.rows], len(kept)

    def _is_there(self, row: RowMapping, current: Current) -> bool:
        record = current.get(row["external_id"], {})
        readable = not record.keys().isdisjoint(row["fields"])
        return readable and not owners.missing(self._owners, row["fields"], record)

    def _written(
        self, connector: Connector, rows: Sequence[RowMapping], current: Current
    ) -> dict[int, Receipt]:
        if not rows:
            return {}
        self._pace()
        answered = {
            receipt.idempotency_key: receipt
            for receipt in connector.write([_write(row, current.get(row["external_id"])) for row in rows])
        }
        receipts = {row["outbox_id"]: answered.get(row["idempotency_key"], _silence(row)) for row in rows}
        return self._read_back(connector, rows, receipts)

    def _read_back(
        self, connector: Connector, rows: Sequence[RowMapping], receipts: dict[int, Receipt]
    ) -> dict[int, Receipt]:
        """The receipts; of a write that did not arrive, whatever the source said, one that says so."""
        sent = [row for row in rows if receipts[row["outbox_id"]].result == "sent"]
        try:
            after = self._look(connector, sent)
        except (SourceFailed, OutOfTime):
            return receipts
        for row in sent:
            record = _verifiable(after.get(row["external_id"], {}))
            if lacking := owners.missing(self._owners, row["fields"], record):
                said = f"read back, and not as written: {', '.join(lacking)}"
                receipts[row["outbox_id"]] = Receipt(row["idempotency_key"], "retry", said)
        return receipts

    def _pace(self) -> None:
        """Wait for the next request that the source's rate allows; all processes take theirs from one row."""
        rate = self._source.limits.rate
        if rate is None:
            return
        with self._engine.begin() as connection:
            now = self._clock.now()
            moment = gate.reserved(connection, self._source.name, rate, now, self._latest)
        if moment is None:
            raise OutOfTime
        self._clock.until(moment)


def _write(row: RowMapping, seen: Mapping[str, Any] | None = None) -> Write:
    return Write(row["idempotency_key"], row["object"], row["external_id"], row["fields"], seen)


def _silence(row: RowMapping) -> Receipt:
    return Receipt(row["idempotency_key"], "retry", "no receipt came back")


def _all_failed(rows: Sequence[RowMapping], failed: SourceFailed) -> dict[int, Receipt]:
    return {
        row["outbox_id"]: Receipt(row["idempotency_key"], "retry", str(failed), failed.retry_after)
        for row in rows
    }


def _verifiable(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name in VERIFIED and value != UNREADABLE}
