"""Records delivered to a ledger as connectors and quality leave them: typed, waiting, claimed by a batch."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import sqlalchemy as sa

from clearlane.ledger import Batch, open_batch
from clearlane.policy.model import Policy

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
Record = tuple[str, str, Mapping[str, Any]]  # object, source, record

_INBOX = sa.text("""
insert into inbox (source, object, record_key, external_id, source_time, first_batch, batch_id, payload, record)
values (:source, :object, :record_key, :external_id, :source_time, :batch_id, :batch_id,
        cast(:record as jsonb), cast(:record as jsonb))
on conflict (source, object, record_key) do nothing
""")


@dataclass
class River(ABC):
    """A ledger, and runs over what is delivered to it."""

    engine: sa.Engine
    policy: Policy
    numbers: Any = field(default_factory=lambda: count(1))

    def batch(self, **options: Any) -> Batch:
        given = {
            "dag_id": "lead_flow", "run_id": f"run {next(self.numbers)}", "run_type": "manual", "mode": "live",
            "dry_run": False, "window": None, "as_of": AS_OF, "sources": ("crm",), "policy": {}, "code_version": "1",
        }  # fmt: skip
        with self.engine.begin() as connection:
            return open_batch(connection, **(given | options))

    def deliver(self, batch: Batch, records: Sequence[Record]) -> None:
        rows = [_row(batch, *record) for record in records]
        with self.engine.begin() as connection:
            if rows:
                connection.execute(_INBOX, rows)

    @abstractmethod
    def work(self, batch: Batch) -> object:
        """What a run does with what was delivered to its batch."""

    def change(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def run(self, *records: Record, **options: Any) -> Batch:
        batch = self.batch(**options)
        self.deliver(batch, records)
        self.work(batch)
        return batch

    def all(self, statement: str, **bound: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement), bound)]


def _row(batch: Batch, object: str, source: str, record: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(record, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    external_id = record.get("id")
    return {
        "source": source,
        "object": object,
        "record_key": f"{external_id}:{digest}" if external_id else f"{digest}:0",
        "external_id": external_id,
        "source_time": record.get("updated_at") or record.get("occurred_at") or record.get("created_at"),
        "batch_id": batch.batch_id,
        "record": text,
    }
