"""Asks paid providers, several at once, until the run's deadline; what is not answered by then stays open.

Before each request one short transaction looks at the breaker, claims the ask and takes it from the day's budget; after
it another keeps what was said. So processes share all of it, no answer that was paid for is lost, and nothing is held
while a provider thinks.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from threading import Lock, Thread
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine

from clearlane.connectors import gate
from clearlane.connectors.gate import Hold
from clearlane.connectors.http import Failed, Refused
from clearlane.connectors.protocol import SourceFailed
from clearlane.enrich.provider import Abort, Found, Paid, Skip
from clearlane.enrich.wanted import Wanted
from clearlane.ledger.batches import keep_from_erasing
from clearlane.policy.model import PaidProvider

_LOG: Final = logging.getLogger(__name__)
FATAL: Final = frozenset({401, 402, 403})
"""statuses after which a person must act: key, credits, rights"""
PAUSE: Final = timedelta(minutes=5)
"""before an ask that failed is tried again by a run, twice as long after each further failure"""
TRIES: Final = 2
"""of one ask in one run, where the same request may be sent again"""
GLANCE: Final = 0.2  # seconds
MARGIN: Final = timedelta(seconds=30)
"""for which a claim outlives its request: whoever holds it is dead by then"""


@dataclass
class Tally:
    """What the threads of a run have done: counted under a lock."""

    counts: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def add(self, name: str) -> None:
        with self.lock:
            self.counts[name] += 1


def row_of(provider: str) -> str:
    """What the provider is called among the systems that have a breaker."""
    return f"provider:{provider}"


class Asker:
    """Works off the asks of one provider; its threads may go on for a request's length after the deadline."""

    def __init__(
        self,
        engine: Engine,
        settings: PaidProvider,
        client: Paid,
        wanted: Sequence[Wanted],
        *,
        as_of: datetime,
        at: datetime,
        ends: float,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`as_of`: the moment that answers are noted with; `at`: now; `ends`: the deadline, by `clock`."""
        self.aborted: str | None = None
        self._engine, self._settings, self._client = engine, settings, client
        self._queue, self._tally = deque(wanted), Tally()
        self._as_of, self._at, self._begun, self._ends = as_of, at, clock(), ends
        self._wait, self._clock, self._turn = wait, clock, Lock()

    def start(self) -> Sequence[Thread]:
        """As many threads as the provider takes requests at once; they die with the process."""
        count = min(self._settings.limits.concurrent, len(self._queue))
        threads = [
            Thread(target=self._work, name=f"ask {self._settings.name}", daemon=True) for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        return threads

    @property
    def required(self) -> bool:
        return self._settings.required

    @property
    def counts(self) -> Mapping[str, int]:
        with self._tally.lock:
            return dict(self._tally.counts)

    # --- one ask ------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while wanted := self._allowed():
                self._ask(wanted)
        except Exception:  # a thread has nobody to raise to; what it claimed is free again by itself
            _LOG.exception("provider %s: a thread of the run has ended", self._settings.name)
            self._tally.add("broken")

    def _allowed(self) -> Wanted | None:
        """The first in the queue, claimed: one thread at a time, so that who comes first has the last of a budget."""
        with self._turn:
            while self._in_time() and (wanted := self._next()):
                claimed = self._claimed(wanted)
                if isinstance(claimed, Hold):
                    self._held(wanted, claimed)
                elif claimed:
                    return wanted
        return None

    def _next(self) -> Wanted | None:
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def _in_time(self) -> bool:
        """Whether a request that begins now ends before the deadline."""
        return self._clock() + self._settings.timeout / timedelta(seconds=1) <= self._ends

    def _now(self) -> datetime:
        return self._at + timedelta(seconds=self._clock() - self._begun)

    def _ask(self, wanted: Wanted) -> None:
        self._tally.add("asked")
        try:
            found = self._client.ask(wanted.known, self._key(wanted))
        except Abort as error:
            self._stop(wanted, str(error))
        except Skip as error:
            self._put_off(wanted, str(error))
        except SourceFailed as error:
            self._failed(wanted, error)
        else:
            self._keep(wanted, found)

    def _key(self, wanted: Wanted) -> str:
        """The same until there is an answer, so that asking again after a failure is no second order."""
        with self._engine.begin() as connection:
            since = connection.execute(_SINCE, self._of(wanted)).scalar()
        return f"{wanted.key[:32]}-{since:%Y%m%d%H%M%S}" if since else wanted.key[:48]

    def _claimed(self, wanted: Wanted) -> Hold | bool:
        """Whether this thread may send the request: False where somebody else does, or has."""
        limits, name = self._settings.limits, row_of(self._settings.name)
        with self._engine.begin() as connection:
            state, now = gate.held_state(connection, name), self._now()
            allowed = gate.verdict(state, limits, self._in_flight(connection, now), now)
            if isinstance(allowed, Hold):
                return allowed
            until = now + self._settings.timeout + MARGIN
            if not connection.execute(_CLAIM, self._of(wanted) | {"now": now, "until": until}).rowcount:
                return False
            if not connection.execute(_SPEND, self._today(now) | {"budget": self._settings.budget}).rowcount:
                connection.rollback()
                return Hold(_tomorrow(now), "the day's budget is spent")
            if not self._paced(connection, now):
                connection.rollback()
                glance = now + timedelta(seconds=GLANCE)
                return Hold(min(state["next_request_at"], glance), "as many as its rate allows were asked")
            if allowed.probe:
                gate.probing(connection, name, limits, now)
        return True

    def _in_flight(self, connection: Connection, now: datetime) -> int:
        bound = {"provider": self._settings.name, "now": now}
        return int(connection.execute(_IN_FLIGHT, bound).scalar_one())

    def _paced(self, connection: Connection, now: datetime) -> bool:
        rate = self._settings.limits.rate
        return not rate or gate.reserved(connection, row_of(self._settings.name), rate, now, now) is not None

    # --- what became of it --------------------------------------------------------------------

    def _held(self, wanted: Wanted, hold: Hold) -> None:
        """Nobody may ask now: for a moment, or for so long that all who wait are told when."""
        self._queue.appendleft(wanted)
        left = hold.until - self._now()
        if left <= gate.GLANCE:
            self._wait(min(max(left / timedelta(seconds=1), 0), GLANCE))
            return
        self._clear(hold.until, hold.because)

    def _keep(self, wanted: Wanted, found: Found) -> None:
        sure = found.confidence >= self._settings.least
        known = bool(found.attributes) and sure
        answer = {
            **self._of(wanted), "attributes": Jsonb(dict(found.attributes) if known else {}),
            "confidence": found.confidence, "observed_at": self._as_of, "now": self._now(),
        }  # fmt: skip
        with self._engine.begin() as connection:
            self._begin(connection)
            connection.execute(_LOCK, self._of(wanted))
            connection.execute(_ANSWER, answer)
            connection.execute(_ANSWERED, answer)
            self._note(connection, "known" if known else "unknown")
            gate.well(connection, row_of(self._settings.name))
        self._tally.add("known" if known else "unknown")

    def _failed(self, wanted: Wanted, error: SourceFailed) -> None:
        if isinstance(error, Refused) and error.status in FATAL:
            self._stop(wanted, str(error))
            return
        _LOG.warning("%s", error)
        name, limits = row_of(self._settings.name), self._settings.limits
        again = (
            isinstance(error, Failed) and error.again and not error.retry_after and wanted.tries + 1 < TRIES
        )
        with self._engine.begin() as connection:
            self._begin(connection)
            now = self._now()
            if error.retry_after:
                gate.pause(connection, name, now, error.retry_after)
            else:
                gate.failed(connection, name, limits, now, str(error))
            self._free(connection, wanted, now if again else now + _longer(wanted.tries), str(error))
            self._note(connection, "failed")
        self._tally.add("failed")
        if again:
            self._queue.append(replace(wanted, tries=wanted.tries + 1))

    def _put_off(self, wanted: Wanted, because: str) -> None:
        with self._engine.begin() as connection:
            self._begin(connection)
            self._free(connection, wanted, self._now() + _longer(wanted.tries), because)

    def _stop(self, wanted: Wanted, because: str) -> None:
        """No more is asked: a person must act first, whom the pipeline's watch tells."""
        self.aborted = because
        _LOG.error("%s; nothing more is asked for now", because)
        now = self._now()
        with self._engine.begin() as connection:
            self._begin(connection)
            gate.stop(connection, row_of(self._settings.name), self._settings.limits, now, because)
            self._free(connection, wanted, now + gate.LONGEST_REST, because)
            self._note(connection, "failed")
        self._tally.add("failed")
        self._clear(now + gate.LONGEST_REST, because)

    def _clear(self, until: datetime, because: str) -> None:
        """Leave all that waits to later runs."""
        left = []
        while wanted := self._next():
            left.append(wanted.key)
        bound = {"provider": self._settings.name, "keys": left, "until": until, "because": because}
        with self._engine.begin() as connection:
            connection.execute(_PUT_OFF, bound)

    def _begin(self, connection: Connection) -> None:
        """Locks in the order in which everybody takes them: erasing, the provider's row, asks."""
        keep_from_erasing(connection)
        gate.held_state(connection, row_of(self._settings.name))

    def _free(self, connection: Connection, wanted: Wanted, due: datetime, because: str) -> None:
        connection.execute(_FREE, self._of(wanted) | {"due_at": due, "because": because})

    def _note(self, connection: Connection, what: str) -> None:
        connection.execute(_NOTED[what], self._today(self._now()))

    def _of(self, wanted: Wanted) -> dict[str, Any]:
        return {"provider": self._settings.name, "key": wanted.key}

    def _today(self, now: datetime) -> dict[str, Any]:
        return {"provider": self._settings.name, "day": now.astimezone(UTC).date()}


def _longer(tries: int) -> timedelta:
    return min(PAUSE * 2.0 ** min(tries, 16), timedelta(days=1))


def _tomorrow(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time_of_day(), UTC)


# --- statements -----------------------------------------------------------------------------------

_OPEN: Final = "provider = :provider and asked_key = :key and answered_at is null"
_SINCE: Final = sa.text(f"select min(since) from enrichment_ask where {_OPEN}")
_IN_FLIGHT: Final = sa.text(
    "select count(distinct asked_key) from enrichment_ask"
    " where provider = :provider and answered_at is null and claimed_until > :now"
)
_CLAIM: Final = sa.text(
    f"""
    update enrichment_ask set claimed_until = :until
    where {_OPEN} and not exists (
        select from enrichment_ask a
        where a.provider = :provider and a.asked_key = :key and a.answered_at is null and a.claimed_until > :now)
    """
)
_SPEND: Final = sa.text(
    """
    insert into provider_day (provider, day, asked) select :provider, :day, 1 where :budget > 0
    on conflict (provider, day) do update set asked = provider_day.asked + 1 where provider_day.asked < :budget
    """
)
_NOTED: Final = {
    what: sa.text(f"update provider_day set {what} = {what} + 1 where provider = :provider and day = :day")
    for what in ("known", "unknown", "failed")
}
_FREE: Final = sa.text(
    f"""
    update enrichment_ask set claimed_until = null, due_at = :due_at, tries = tries + 1, because = :because
    where {_OPEN}
    """
)
_PUT_OFF: Final = sa.text(
    """
    update enrichment_ask set due_at = greatest(due_at, :until), because = :because
    where provider = :provider and asked_key = any(:keys) and answered_at is null
    """
)
_LOCK: Final = sa.text(f"select from enrichment_ask where {_OPEN} order by revision_id for update")
_ANSWER: Final = sa.text(
    f"""
    with told as (
        insert into enrichment (revision_id, provider, turn, attributes, confidence, observed_at, asked_key)
        select a.revision_id, a.provider, coalesce(max(e.turn), 0) + 1, :attributes, :confidence, :observed_at, :key
        from enrichment_ask a left join enrichment e using (revision_id, provider)
        where a.{_OPEN.replace("asked_key", "a.asked_key").replace(" answered_at", " a.answered_at")}
        group by a.revision_id, a.provider order by a.revision_id
        on conflict do nothing
        returning revision_id, provider, turn, observed_at
    )
    update enrichment e set until = told.observed_at from told
    where (e.revision_id, e.provider, e.turn) = (told.revision_id, told.provider, told.turn - 1)
    """
)
_ANSWERED: Final = sa.text(
    f"update enrichment_ask set answered_at = :now, claimed_until = null where {_OPEN}"
)
