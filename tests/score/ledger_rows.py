"""Leads, profiles and activities put straight into a ledger, as the stages before would have left them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from clearlane.ledger import Batch, ids, models, open_batch

BORN = datetime.fromisoformat("2026-01-05T08:00:00+00:00")


def batch(connection: Connection, as_of: datetime, run: str = "run") -> Batch:
    return open_batch(
        connection, dag_id="lead_flow", run_id=run, run_type="scheduled", mode="live", dry_run=True, window=None,
        as_of=as_of, sources=(), policy={}, code_version="test",
    )  # fmt: skip


def lead(connection: Connection, name: str, survivor: str | None = None) -> UUID:
    own = ids.lead_id("crm", name)
    _insert(
        connection, models.lead, lead_id=own, source="crm", external_id=name, created_at=BORN,
        survivor_id=ids.lead_id("crm", survivor or name),
    )  # fmt: skip
    return own


def profile(
    connection: Connection,
    lead_id: UUID,
    attributes: Mapping[str, Any],
    valid_from: datetime = BORN,
    kind: str = "sales",
) -> None:
    key = f"{lead_id}:{valid_from}:{sorted(attributes.items())}"
    seq = _record(connection, key)
    shared = {
        "lead_id": lead_id,
        "valid_from": valid_from,
        "content_hash": key,
        "attributes": dict(attributes),
    }
    revision = _insert(connection, models.lead_revision, seq=seq, **shared)
    _insert(connection, models.lead_profile, provenance={}, kind=kind, revision_id=revision, **shared)


def activity(
    connection: Connection, lead_id: UUID, type_: str, occurred_at: datetime, key: str = "", **attributes: Any
) -> UUID:
    """An activity that no signal holds yet; `key` tells it from another of the same lead, type and moment."""
    key = f"{lead_id}:{type_}:{occurred_at}:{key}"
    own = ids.activity_id("crm", key)
    _insert(
        connection, models.activity, activity_id=own, source="crm", lead_id=lead_id, type=type_,
        occurred_at=occurred_at, attributes=attributes, seq=_record(connection, key),
    )  # fmt: skip
    _insert(connection, models.signal_due, lead_id=lead_id, activity_id=own)
    return own


def outcome(
    connection: Connection, lead_id: UUID, kind: str, occurred_at: datetime, reason: str = "timing"
) -> None:
    own = ids.named("outcome", str(lead_id), f"{kind}:{occurred_at}")
    _insert(
        connection, models.outcome, outcome_id=own, source="crm", lead_id=lead_id, kind=kind, reason=reason,
        occurred_at=occurred_at,
    )  # fmt: skip


def correct(connection: Connection, activity_id: UUID, **values: Any) -> None:
    """Another version of an activity replaces it, perhaps on another record: both are counted anew."""
    one = models.activity.c.activity_id == activity_id
    due = "insert into signal_due (lead_id) select lead_id from activity where activity_id = :id"
    connection.execute(sa.text(due), {"id": activity_id})
    connection.execute(sa.update(models.activity).where(one).values(**values))
    connection.execute(sa.text(due), {"id": activity_id})


def work(connection: Connection, of: Batch, *leads: UUID) -> None:
    for lead_id in leads:
        _insert(connection, models.work, batch_id=of.batch_id, lead_id=lead_id, reason="revision")


def _record(connection: Connection, key: str) -> int:
    return _insert(connection, models.inbox, source="crm", object="leads", record_key=key, payload={})


def _insert(connection: Connection, table: Table, **values: Any) -> Any:
    return connection.execute(sa.insert(table).values(values)).inserted_primary_key[0]
