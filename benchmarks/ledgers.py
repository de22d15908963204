"""A ledger of any size, filled inside the database: what the stages before scoring would have left."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from benchmarks import company
from clearlane import policy as policies
from clearlane.ledger import Batch, open_batch
from clearlane.policy.model import Policy

AS_OF = datetime(2026, 11, 18, tzinfo=UTC)
MODEL = Path(__file__).parent / "policy"
_BORN = f"{company.NOW} - interval '120 days'"
_FILL = """
 insert into lead (lead_id, source, external_id, created_at, survivor_id)
 select {identity}, 'crm', n::text, {born}, {identity} from {leads};
 insert into lead_revision (lead_id, valid_from, content_hash, attributes, seq)
 select {identity}, {born}, n::text, '{{}}', n from {leads};
 insert into lead_profile (lead_id, valid_from, content_hash, attributes, provenance, kind, revision_id)
 select {identity}, {born}, n::text, {packed}, '{{}}', 'sales', n from {leads};
 {activities};
 analyze
"""
_ACTIVITIES = """
 insert into activity (activity_id, source, lead_id, type, occurred_at, attributes, seq)
 select md5('deed {first} ' || n)::uuid, 'crm', {of_lead}, {deed}, {at}, {said}, {first} + n from {numbers}
"""
_TOUCHED = """
 insert into work select distinct cast(:id as uuid), lead_id, 'activity' from activity where seq > :first
"""


def fill(connection: Connection, leads: int, activities: int) -> None:
    """So many leads, each a person of its own, and what they did in the 90 days before AS_OF."""
    of_lead = company.identity(f"1 + n * 1299721 % {leads}")
    at = f"{company.NOW} - {company.AGE} * interval '1 second'"
    did = _activities(0, of_lead, at, activities)
    script = _FILL.format(
        identity=company.identity("n"),
        born=_BORN,
        packed=company.PACKED,
        leads=company.numbers(leads),
        activities=did,
    )
    # Rows that the stages before would point at are left out: no foreign keys while it is filled.
    _execute(connection, f"set local session_replication_role = replica; {script}")


def _execute(connection: Connection, script: str) -> None:
    connection.connection.cursor().execute(script)


def _activities(first: int, of_lead: str, at: str, count: int) -> str:
    return _ACTIVITIES.format(
        first=first,
        of_lead=of_lead,
        at=at,
        deed=company.DEED,
        said=company.SAID,
        numbers=company.numbers(count),
    )


def arrive(connection: Connection, leads: int, count: int, of_leads: int, round_: int) -> Batch:
    """A batch with so many new activities in its last minutes, of leads spread evenly over the ledger."""
    of_lead = company.identity(f"1 + n % {of_leads} * {leads // of_leads}")
    at = f"{company.NOW} + interval '{round_} hours' - n % 600 * interval '1 second'"
    first = 10**9 + round_ * count
    _execute(
        connection,
        f"set local session_replication_role = replica; {_activities(first, of_lead, at, count)};"
        f" insert into signal_due (lead_id, activity_id) select lead_id, activity_id from activity where seq > {first}",
    )
    run = batch(connection, f"round {round_}", AS_OF.replace(hour=round_))
    connection.execute(sa.text(_TOUCHED), {"id": run.batch_id, "first": first})
    return run


def of_everyone(connection: Connection) -> Batch:
    """A batch of all leads, as of AS_OF."""
    run = batch(connection, "everyone", AS_OF)
    everyone = "insert into work select cast(:id as uuid), lead_id, 'revision' from lead"
    connection.execute(sa.text(everyone), {"id": run.batch_id})
    return run


def batch(connection: Connection, run: str, as_of: datetime) -> Batch:
    return open_batch(
        connection, dag_id="benchmark", run_id=run, run_type="scheduled", mode="live", dry_run=True, window=None,
        as_of=as_of, sources=(), policy={}, code_version="benchmark",
    )  # fmt: skip


def twenty_rules() -> Policy:
    return policies.load(MODEL)
