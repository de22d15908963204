"""What fails or takes too long in Airflow opens one incident of its DAG, and says nothing of a person or a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
PERSON = "zdenek.vraspir@brno-tools.example"


def ask(engine: sa.Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).all()


def failure(dag: Any, task: str, exception: BaseException | None, **more: Any) -> dict[str, Any]:
    """The context that Airflow hands to a failure callback."""
    instance = SimpleNamespace(
        dag_id=dag.dag_id,
        task_id=task,
        run_id="scheduled__1",
        log_url="http://localhost:8080/dags/lead_flow/1",
    )
    return {"ti": instance, "dag": dag, "exception": exception, **more}


@pytest.fixture
def alerts(airflow_home: Any) -> Any:
    from clearlane_airflow import alerts

    return alerts


def test_a_task_that_fails_again_and_again_is_one_incident_and_one_mail(
    dagbag: Any, published: sa.Engine, alerts: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lead_flow = dagbag.dags["lead_flow"]
    for _ in range(3):
        alerts.task_failed(failure(lead_flow, "route", OSError(f"no {PERSON} here")))
    alerts.task_failed(failure(lead_flow, "score", None))
    [(key, because, opened)] = ask(published, "select key, because, closed_at is null from incident")
    assert (key, opened) == ("run.lead_flow", True)
    assert because == "the task score of lead_flow failed in the run scheduled__1: it was ended from outside"
    [(facts, address)] = ask(published, "select facts, address from mail where kind = 'incident'")
    [told] = facts["incidents"]
    assert told["because"] == "the task route of lead_flow failed in the run scheduled__1: OSError"
    assert told["triage"].startswith("a red `pull` is one source")
    assert "\n" not in told["triage"]
    assert told["url"] == "http://localhost:8080/dags/lead_flow/1"
    assert address == "revops@clearlane.example"
    assert PERSON not in json.dumps(facts) + caplog.text


def test_a_source_that_fails_in_several_dags_is_one_incident(
    dagbag: Any, published: sa.Engine, alerts: Any
) -> None:
    from clearlane.connectors import SourceFailed

    for dag_id in ("lead_flow", "sla_watch", "outcome_sync"):
        failed = SourceFailed("source crm answered 401: the credentials are not accepted")
        alerts.task_failed(failure(dagbag.dags[dag_id], "pull", failed, source="crm"))
    [(key, because)] = ask(published, "select key, because from incident")
    assert key == "source.crm"
    assert because == (
        "the task pull of outcome_sync failed in the run scheduled__1:"
        " source crm answered 401: the credentials are not accepted"
    )


def test_a_run_that_takes_too_long_belongs_to_the_same_incident(
    dagbag: Any, published: sa.Engine, alerts: Any
) -> None:
    late = {"dag_run": {"dag_id": "lead_flow", "dag_run_id": "scheduled__2"}, "deadline": {}}
    alerts.run_is_late(context=late)
    alerts.task_failed(failure(dagbag.dags["lead_flow"], "pull", OSError()))
    assert ask(published, "select count(*) from incident") == [(1,)]
    [(facts,)] = ask(published, "select facts from mail")
    assert facts["incidents"][0]["because"] == "the run scheduled__2 takes longer than it may"


def test_where_the_ledger_is_away_a_failure_stays_a_failure(
    dagbag: Any, alerts: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> Any:
        raise ConnectionError(f"postgresql://clearlane:s3cret@{PERSON}")

    monkeypatch.setattr(alerts, "ledger", away)
    alerts.task_failed(failure(dagbag.dags["lead_flow"], "pull", OSError()))
    assert "the incident could not be noted: ConnectionError" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_callback_that_may_read_no_connection_finds_the_ledger(
    airflow_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied

    from clearlane_airflow import connections

    def denied(_: str) -> str:
        raise AirflowSecretsBackendAccessDenied("the token of a deadline's callback")

    monkeypatch.setattr(connections, "address", denied)
    monkeypatch.setenv(connections.LEDGER_URL, "postgresql://ledger")
    assert connections.ledger_url() == "postgresql://ledger"
    monkeypatch.delenv(connections.LEDGER_URL)
    with pytest.raises(AirflowSecretsBackendAccessDenied):
        connections.ledger_url()


def test_each_task_but_those_that_repeat_others_alerts(dagbag: Any, alerts: Any) -> None:
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            called = task.on_failure_callback or []
            expected = [] if task.task_id in ("watch", "held") else [alerts.task_failed]
            assert (called if isinstance(called, list) else [called]) == expected, (
                f"{dag.dag_id}.{task.task_id}"
            )


def test_what_policy_says_of_schedules_is_what_the_dags_do(dagbag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization
    from tests.companies import END

    from clearlane.policy.model import RUNS

    for dag_id, every in RUNS.items():
        stored = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags[dag_id]))
        ends = [run.data_interval.end for run in stored.iter_dagrun_infos_between(END, END + 3 * every)]
        assert {(later - end).total_seconds() for end, later in pairwise(ends)} == {every.total_seconds()}, (
            dag_id
        )


@pytest.mark.parametrize("dag_id", ["lead_flow", "sla_watch"])
def test_runs_that_leads_wait_for_have_a_deadline(airflow_home: Any, dag_id: str) -> None:
    from airflow.dag_processing.dagbag import DagBag

    [deadline] = DagBag(ROOT / "dags" / f"{dag_id}.py").dags[dag_id].deadline
    assert deadline.interval == timedelta(minutes=15)
    assert deadline.callback.path == "clearlane_airflow.alerts.run_is_late"


def test_the_monitor_is_told_keys_and_nothing_else(published: sa.Engine, airflow_home: Any) -> None:
    from fastapi.testclient import TestClient

    from clearlane_airflow import alive

    alive._wrong.cache_clear()
    answer = TestClient(alive.app).get("/alive")
    assert answer.status_code == 503
    assert answer.json() == {"alive": False, "wrong": ["scheduler"]}
