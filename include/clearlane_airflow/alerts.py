"""What Airflow knows of its runs and the ledger does not: a task failed for good, a run takes too long.

Each opens an incident, or is seen once more in the open one: `clearlane.sla.incidents` tells of it once. Of an
exception it keeps the kind, and its text only where we wrote it; of what a run works on, nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from clearlane_airflow.connections import ledger

log = logging.getLogger(__name__)


def task_failed(context: Mapping[str, Any]) -> None:
    """on_failure_callback of every task: the incident of its source, or of its DAG."""
    _guarded(lambda: _note_failure(context))


def run_is_late(context: Mapping[str, Any]) -> None:
    """Callback of a DAG's deadline: the incident of that DAG."""
    run = context["dag_run"]
    _guarded(lambda: _tell(f"run.{run['dag_id']}", f"the run {run['dag_run_id']} takes longer than it may"))


def _note_failure(context: Mapping[str, Any]) -> None:
    failure, task = context.get("exception"), context["ti"]
    source = context.get("source")
    key = f"source.{source}" if source else f"run.{task.dag_id}"
    because = f"the task {task.task_id} of {task.dag_id} failed in the run {task.run_id}: {_said(failure)}"
    _tell(key, because, url=task.log_url, triage=triage(context["dag"].doc_md or ""))


def _said(failure: object) -> str:
    """Its kind; its text only where that is ours, and so names no secret and no person."""
    from clearlane.connectors import SourceFailed

    if isinstance(failure, SourceFailed):
        return str(failure)
    return type(failure).__name__ if isinstance(failure, BaseException) else "it was ended from outside"


def triage(page: str) -> str:
    """The paragraph of a DAG's page that says what to do when it is red."""
    said = page.partition("**Triage**:")[2].partition("\n\n")[0]
    return " ".join(said.split())


def _tell(key: str, because: str, **more: str) -> None:
    from clearlane import steps

    steps.tell_incident(ledger(), key, because, datetime.now(UTC), **more)


def _guarded(note: Callable[[], None]) -> None:
    """A failure is a failure also where it cannot be noted."""
    try:
        note()
    except Exception as problem:
        log.warning("the incident could not be noted: %s", type(problem).__name__)
