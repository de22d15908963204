"""A small client of Airflow's REST API, as a person with a password uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import requests

_PATIENCE = 30.0  # seconds for one answer; a busy machine needs some


@dataclass(frozen=True)
class Airflow:
    """The api-server at `url` ("http://localhost:8080"), called as one user."""

    url: str
    user: str
    password: str

    def unhealthy(self) -> frozenset[str]:
        """The parts of Airflow that do not report as healthy; all of them while nobody answers."""
        parts = frozenset({"metadatabase", "scheduler", "triggerer", "dag_processor"})
        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=_PATIENCE)
            answer.raise_for_status()
        except requests.RequestException:
            return parts
        told = answer.json()
        return frozenset(part for part in parts if (told.get(part) or {}).get("status") != "healthy")

    def warm(self) -> None:
        """Let the api-server build the execution API now: the first task would wait for it, and could fail."""
        requests.get(f"{self.url}/execution/health", timeout=180).raise_for_status()

    def knows(self, dag_id: str) -> bool:
        """Whether the DAG has been read and can be started."""
        return self._call("GET", f"/dags/{dag_id}", missing={"is_stale": True})["is_stale"] is False

    def import_errors(self) -> list[str]:
        """What keeps DAG files from being read: file and the last line of each error."""
        found = self._call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in found]

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        interval: tuple[datetime, datetime],
        conf: Mapping[str, Any],
        logical_date: datetime | None = None,
    ) -> bool:
        """Start a run for the interval [start, end); False, and nothing done, where it exists already.

        `logical_date`: in place of the start; a run whose logical date is to come is never scheduled.
        """
        start, end = (moment.isoformat() for moment in interval)
        body = {
            "dag_run_id": run_id,
            "logical_date": (logical_date or interval[0]).isoformat(),
            "data_interval_start": start,
            "data_interval_end": end,
            "conf": dict(conf),
        }
        return bool(self._call("POST", f"/dags/{dag_id}/dagRuns", body, exists={}))

    def retry(self, dag_id: str, run_id: str) -> None:
        """Clear the failed tasks of a run, so that they run again; what succeeded stays."""
        self._call("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", {"dry_run": False, "only_failed": True})

    def state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[tuple[str, str | None]]:
        """The run's tasks, each with its state (None: not yet begun)."""
        found = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return [(str(task["task_id"]), task["state"]) for task in found]

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        missing: Mapping[str, Any] | None = None,
        exists: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        answer = requests.request(
            method, f"{self.url}/api/v2{path}", json=body, headers=self._signed, timeout=_PATIENCE
        )
        instead = {404: missing, 409: exists}.get(answer.status_code)
        if instead is not None:
            return dict(instead)
        answer.raise_for_status()
        return dict(answer.json())

    @cached_property
    def _signed(self) -> dict[str, str]:
        who = {"username": self.user, "password": self.password}
        answer = requests.post(f"{self.url}/auth/token", json=who, timeout=_PATIENCE)
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}
