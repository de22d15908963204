"""From when on a run may be late: a moment that deadlines count from, registered by the plugin."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from airflow.sdk.definitions.deadline import BaseDeadlineReference


class Queued(BaseDeadlineReference):
    """When a run was queued first.

    Not Airflow's own DAGRUN_QUEUED_AT: 3.3 answers 500 to whoever clears a task of a run whose deadline counts from
    that and was not missed (apache/airflow#70368), so no red task could be cleared in a run's first 15 minutes.
    """

    required_kwargs: ClassVar[set[str]] = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        run = select(DagRun.queued_at).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        queued_at: datetime | None = session.scalar(run)
        return queued_at
