"""A firm's register on a real socket, and runs that ask it: the ground of the tests of paid providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Any

from tests.connectors.local_server import Asked, Local, Reply, serving
from tests.enrich.conftest import River
from tests.waiting import until

from clearlane import enrich, identity, policy
from clearlane.enrich import Asked as Counts
from clearlane.ledger import Batch

KEY = "k3y-0f-the-register"
AT = datetime(2026, 3, 1, tzinfo=UTC)
SOURCES = """
schema: 1
owner: o
approver: a
enrichment:
  deadline: {deadline}
  providers:
    firms:
      kind: json
      timeout: {timeout}
      {more}
      json:
        path: "/firms/{{domain}}"
        params: {{mail: "{{email}}"}}
        headers: {{Idempotency-Key: "{{idempotency_key}}"}}
        auth: {{by: header, name: X-Key}}
        record: firm
        confidence: sure
        attributes:
          revenue: {{at: money.revenue, type: number}}
          sector: {{at: sector, values: {{S: software}}}}
          listed: {{at: listed, type: boolean}}
"""


@dataclass
class Register:
    """Answers about firms by domain; `failing` says what else it answers, `slow` how many seconds it takes.

    The first who ask wait for each other until `company` are there: who could meet does meet.
    """

    failing: dict[str, Reply] = field(default_factory=dict)
    slow: float = 0
    company: int = 1
    revenue: Any = 5
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    reached: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    local: Local | None = None

    def __call__(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self.reached.set()
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        until(lambda: self.most_at_once >= self.company)
        if self.slow and self.local:
            self.local.over.wait(self.slow)
        with self._lock:
            self.at_once -= 1
        if asked.headers["X-Key"] != KEY:
            return Reply({"error": "who are you?"}, status=401)
        return self.failing.get(asked.path) or self.failing.get("*") or self.known()

    def known(self, sure: float = 0.9) -> Reply:
        return Reply(
            {"firm": {"money": {"revenue": self.revenue}, "sector": "S", "listed": True, "sure": sure}}
        )

    @property
    def domains(self) -> list[str]:
        return sorted(one.path.removeprefix("/firms/") for one in self.asked)


@dataclass
class Office:
    """A river whose runs ask the register; time goes on by the day."""

    river: River
    register: Register
    address: str

    def set(
        self, more: str = "budget: 100", *, deadline: str = "2 minutes", timeout: str = "1 minute"
    ) -> None:
        text = SOURCES.format(more=more.replace("\n", "\n      "), deadline=deadline, timeout=timeout)
        self.river.policy = policy.parse({"sources": text})

    def run(self, *records: Any, at: datetime = AT, key: str = KEY, **options: Any) -> tuple[Batch, Counts]:
        """Identity, asking and profiles of one run, which speaks for the moment `at`."""
        batch = self.river.batch(as_of=at, **options)
        self.river.deliver(batch, records)
        return batch, self.work(batch, at, key)

    def work(self, batch: Batch, at: datetime = AT, key: str = KEY) -> Counts:
        engine, policy = self.river.engine, self.river.policy
        with engine.begin() as connection:
            identity.run(connection, policy, batch)
        try:
            return self.ask(batch, at, key)
        finally:
            with engine.begin() as connection:
                enrich.run(connection, policy, batch)

    def ask(self, batch: Batch, at: datetime = AT, key: str = KEY) -> Counts:
        secrets = {"firms": self.address.replace("//", f"//:{key}@")}
        return enrich.ask(self.river.engine, self.river.policy, batch, at, secrets.__getitem__)

    def said(self, lead: str, at: datetime = AT) -> Mapping[str, Any]:
        """What the profile holds of the register's attributes."""
        person = self.river.profile(lead, at.isoformat()) or {}
        return {name: person[name] for name in ("revenue", "sector", "listed") if name in person}

    def day(self) -> tuple[int, int, int, int]:
        [row] = self.river.all("select sum(asked), sum(known), sum(unknown), sum(failed) from provider_day")
        return row  # type: ignore[return-value]

    def until(self, condition: str) -> None:
        """Wait until a statement about the ledger gives true."""
        until(lambda: self.river.all(condition)[0][0])


@contextmanager
def office(river: River) -> Iterator[Office]:
    register = Register()
    with serving(register) as local:
        register.local = local
        made = Office(river, register, local.address)
        made.set()
        yield made


def lead(id: str, email: str, **fields: Any) -> tuple[str, str, dict[str, Any]]:
    return "leads", "crm", {"id": id, "created_at": "2026-01-01T00:00:00Z", "email": email, **fields}
