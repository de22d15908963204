"""A system to write to: it keeps records, reads them back, logs what it was asked, and fails as told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearlane.connectors import Receipt, SourceFailed, Write

Answer = str | Exception
"""what the system says: sent, refused, retry or retry:SECONDS, changed; `lost`: written, and nobody hears of it"""


@dataclass
class Crm:
    """Answers in turn, then `sent`; `poison` are records that can never be written."""

    answers: list[Answer] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Write] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """writes that changed a record, with what they changed"""
    before_write: Callable[[], None] | None = None
    drops: set[str] = field(default_factory=set)
    """fields it takes without a word and does not keep"""

    def write(self, writes: Sequence[Write]) -> list[Receipt]:
        self.calls.append("write")
        if self.before_write:
            self.before_write()
        self.asked += writes
        return [self._receipt(write) for write in writes]

    def _receipt(self, write: Write) -> Receipt:
        answer = self.answers.pop(0) if self.answers else "sent"
        if isinstance(answer, Exception):
            raise answer
        if write.external_id in self.poison:
            answer = "retry"
        result, _, seconds = answer.partition(":")
        if result in ("sent", "lost"):
            self.put(write.external_id, write.fields)
        if result == "lost":
            raise SourceFailed("crm: no answer in time")
        said = None if result == "sent" else "no"
        return Receipt(write.idempotency_key, result, said, float(seconds or 0) or None)  # type: ignore[arg-type]

    def put(self, record: str, fields: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in fields.items() if name not in self.drops}
        held = self.records.setdefault(record, {})
        changed = {name: value for name, value in kept.items() if held.get(name) != value}
        held |= kept
        if changed:
            self.log.append((record, changed))


class ReadableCrm(Crm):
    """One that can be read back."""

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        self.calls.append("current")
        names = {
            "owner",
            "score",
            "band",
            "grade",
            "stage",
            "queue",
            "place",
            "team",
            "because",
            "tier",
            "sla_due",
        }
        return {
            write.external_id: {name: self.records[write.external_id].get(name) for name in names}
            for write in writes
            if write.external_id in self.records
        }


@dataclass
class Time:
    """A clock that moves by waiting only."""

    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
