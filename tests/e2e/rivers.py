"""A river to let run in a test: a published policy, a ledger, and runs by window, without Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from clearlane import policy, steps
from clearlane.ledger import connect, server

PUBLISHED = datetime(2020, 1, 1, tzinfo=UTC)


def no_secrets(name: str) -> str:
    raise LookupError(f"no connection {name} in this test")


@dataclass(frozen=True)
class River:
    """One ledger with the runs that are let through it; `at` of a run is the end of its window."""

    engine: sa.Engine
    secrets: Callable[[str], str] = no_secrets
    lane: str = "plain"

    def publish(self, texts: Mapping[str, str] | Path) -> None:
        with self.engine.begin() as connection:
            policy.publish(connection, texts, by="test", because="test", in_force_from=PUBLISHED)

    def open(
        self,
        window: tuple[datetime, datetime] | None,
        *,
        mode: str = "live",
        run_type: str = "manual",
        run_id: str | None = None,
        as_of: datetime | None = None,
        dry_run: bool = True,
    ) -> str:
        moment = as_of or (window[1] if window else datetime.now(UTC))
        batch = steps.open_batch(
            self.engine,
            dag_id="lead_flow",
            run_id=run_id or f"{run_type}__{moment.isoformat()}",
            run_type=run_type,
            mode=mode,
            dry_run=dry_run,
            window=window,
            as_of=moment,
            code_version="test",
        )
        return str(batch.batch_id)

    def run(self, window: tuple[datetime, datetime] | None, **options: object) -> Mapping[str, int]:
        batch_id = self.open(window, **options)  # type: ignore[arg-type]
        at = window[1] if window else datetime.now(UTC)
        return steps.river(self.engine, batch_id, at, self.secrets, lane=self.lane)


@contextmanager
def flowing(ledgers: server.Server, name: str, like: str) -> Iterator[River]:
    """A river on a ledger of its own: a copy of the one named, on which nobody may work meanwhile."""
    ledgers.create(name, like)
    river = River(connect(ledgers.url(name)))
    try:
        yield river
    finally:
        river.engine.dispose()
        ledgers.drop(name)
