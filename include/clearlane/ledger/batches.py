"""The batch row: what one run works on, written once and reused by every clear and retry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from clearlane.ledger import ids
from clearlane.ledger.models import batch

Mode = Literal["live", "shadow"]
OUTCOMES_ONLY: Final = ("outcome_sync", "sla_watch")
"""the DAGs whose runs bring no leads: what they took of others would be scored by nobody"""
UNROUTED: Final = "outcome_sync"
"""of these the one that routes nothing"""


@dataclass(frozen=True)
class Batch:
    """One run of a DAG. All moments are UTC; a run without dates has no window."""

    batch_id: UUID
    dag_id: str
    run_id: str
    run_type: str
    mode: Mode
    dry_run: bool
    window_start: datetime | None
    window_end: datetime | None
    as_of: datetime
    sources: tuple[str, ...]
    policy: Mapping[str, str]
    code_version: str

    @property
    def live(self) -> bool:
        return self.mode == "live"

    @property
    def takes_unclaimed(self) -> bool:
        """Whether it does what waits for any run, such as events; backfills do not, nor runs that route nothing."""
        return self.live and self.run_type != "backfill" and self.dag_id != UNROUTED

    @property
    def takes_inbox(self) -> bool:
        """Whether it takes what waits in the inbox; runs that read outcomes only never do."""
        return self.takes_unclaimed and self.dag_id not in OUTCOMES_ONLY


def mode_of(asked: str, run_type: str) -> Mode:
    """`auto` is shadow for a backfill and live for every other run."""
    if asked in ("live", "shadow"):
        return cast(Mode, asked)
    return "shadow" if run_type == "backfill" else "live"


def open_batch(
    connection: Connection,
    *,
    dag_id: str,
    run_id: str,
    run_type: str,
    mode: str,
    dry_run: bool,
    window: tuple[datetime, datetime] | None,
    as_of: datetime,
    sources: tuple[str, ...],
    policy: Mapping[str, str],
    code_version: str,
) -> Batch:
    """The batch of this run: a new row, or the first one when the run was opened before."""
    start, end = window or (None, None)
    row = {
        "batch_id": ids.batch_id(dag_id, run_id),
        "dag_id": dag_id,
        "run_id": run_id,
        "run_type": run_type,
        "mode": mode_of(mode, run_type),
        "dry_run": dry_run,
        "window_start": start,
        "window_end": end,
        "as_of": as_of,
        "sources": list(sources),
        "policy": dict(policy),
        "code_version": code_version,
    }
    connection.execute(insert(batch).values(row).on_conflict_do_nothing())
    return batch_of(connection, ids.batch_id(dag_id, run_id))


def batch_of(connection: Connection, batch_id: UUID | str) -> Batch:
    """The stored batch; LookupError when there is none."""
    row = (
        connection.execute(sa.select(batch).where(batch.c.batch_id == UUID(str(batch_id)))).mappings().first()
    )
    if row is None:
        raise LookupError(f"no batch {batch_id} in the ledger: was the run's `open` task cleared away?")
    return _batch(row)


def _batch(row: Any) -> Batch:
    kept = {name: row[name] for name in Batch.__dataclass_fields__}
    return Batch(**{**kept, "sources": tuple(row["sources"])})


def close_batch(connection: Connection, batch_id: UUID) -> None:
    """Note that the run has come to its end; the first end stands."""
    connection.execute(
        sa.update(batch)
        .where(batch.c.batch_id == batch_id, batch.c.closed_at.is_(None))
        .values(closed_at=sa.func.clock_timestamp())
    )


_ERASING: Final = "hashtext('clearlane.erase')"


def keep_from_erasing(connection: Connection) -> None:
    """Let nobody be erased while this transaction goes on: what it has read it may write."""
    connection.execute(sa.text(f"select pg_advisory_xact_lock_shared({_ERASING})"))


def keep_erasing(connection: Connection) -> None:
    """Wait for the runs' transactions under way, and let others wait until this one has ended."""
    connection.execute(sa.text(f"select pg_advisory_xact_lock({_ERASING})"))
