"""A ledger's connection, runs of lead_flow, and rows delivered straight into the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane import policy
from clearlane.ledger import Batch, open_batch
from clearlane.policy.model import BatchRule, Check, Contract, Field, ObjectContract, Policy
from clearlane.rules import Type

END = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)

LEADS = ObjectContract(
    fields=(
        Field("id", Type.TEXT, required=True),
        Field("created_at", Type.TIME, required=True, checks=(Check("not_future"),)),
        Field("email", Type.TEXT, checks=(Check("email"),)),
        Field("phone", Type.TEXT, checks=(Check("phone"),)),
        Field("employees", Type.NUMBER, checks=(Check("between", [1, 5_000_000]),)),
    ),
    any_of=(("email", "phone"),),
)
ACTIVITIES = ObjectContract(
    fields=(
        Field("id", Type.TEXT, checks=(Check("not_rounded"),)),
        Field("occurred_at", Type.TIME, required=True),
    )
)

_numbers = count(1)


def contract(*rules: BatchRule) -> Policy:
    """A policy with the contract above, one declared attribute, and the request of a demo as a hand-raise."""
    empty = policy.parse({})
    scoring = replace(
        empty.scoring, attributes={"trial": Type.BOOLEAN, "color": Type.TEXT}, hand_raise_types=("demo",)
    )
    objects = {"leads": LEADS, "activities": ACTIVITIES}
    return replace(empty, scoring=scoring, contract=Contract(objects, rules))


def opened(connection: sa.Connection, run: str = "one", **options: Any) -> Batch:
    """A live scheduled run over the day before END, unless said otherwise."""
    defaults: dict[str, Any] = {
        "dag_id": "lead_flow", "run_id": run, "run_type": "scheduled", "mode": "live", "dry_run": False,
        "window": (END - DAY, END), "as_of": END, "sources": ("crm",), "policy": {}, "code_version": "test",
    }  # fmt: skip
    return open_batch(connection, **{**defaults, **options})


def deliver(
    connection: sa.Connection,
    batch: Batch | None,
    records: Sequence[Mapping[str, Any]],
    object: str = "leads",
    at: datetime | None = END - timedelta(hours=1),
    source: str = "crm",
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Put mapped records into the inbox, claimed by the batch or by none; `payload`: what they came as."""
    rows = [
        {
            "source": source, "object": object, "key": str(next(_numbers)), "id": record.get("id"), "at": at,
            "batch": batch and batch.batch_id, "record": json.dumps(record),
            "payload": json.dumps(payload or record),
        }
        for record in records
    ]  # fmt: skip
    statement = sa.text("""
        insert into inbox (source, object, record_key, external_id, source_time, first_batch, batch_id,
                           payload, record)
        values (:source, :object, :key, :id, :at, :batch, :batch, cast(:payload as jsonb), cast(:record as jsonb))
    """)
    if rows:
        connection.execute(statement, rows)


def lead(id: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "created_at": "2026-03-01T10:00:00+00:00", "email": f"{id}@acme.com", **fields}


@pytest.fixture
def connection(ledger_engine: sa.Engine) -> Iterator[sa.Connection]:
    with ledger_engine.connect() as connection:
        yield connection
