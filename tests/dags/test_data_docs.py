"""What a run left to read, as the api-server serves it, and the buttons that lead there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.companies import END

from clearlane.ledger import ids, open_batch

PATH = "/clearlane/data-docs"


@pytest.fixture
def client(published: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The app where the plugin mounts it, asked by somebody who may see every DAG; no redirect is followed."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from clearlane_airflow import data_docs

    monkeypatch.setenv("CLEARLANE_DATA_DOCS", str(tmp_path))
    may_read = {dependency.dependency: lambda: None for dependency in data_docs.MAY_READ}
    monkeypatch.setattr(data_docs.app, "dependency_overrides", may_read)
    airflow = FastAPI()
    airflow.mount(PATH, data_docs.app)
    with TestClient(airflow, follow_redirects=False) as client:
        yield client


def wrote(folder: Path, dag_id: str, run_id: str) -> UUID:
    """The id of a run that left a page."""
    batch_id = ids.batch_id(dag_id, run_id)
    (folder / str(batch_id)).mkdir()
    (folder / str(batch_id) / "index.html").write_text("<p>the report</p>")
    return batch_id


def judged(engine: sa.Engine, run_id: str) -> None:
    """A run of which a batch rule said stop before anything was read."""
    with engine.begin() as connection:
        batch = open_batch(
            connection, dag_id="lead_flow", run_id=run_id, run_type="scheduled", mode="live", dry_run=False,
            window=None, as_of=END, sources=("crm",), policy={}, code_version="test",
        )  # fmt: skip
        connection.execute(_STOPPED, {"batch": batch.batch_id})


_STOPPED = sa.text(
    "insert into quality_result (batch_id, source, object, rule, verdict, seen, allowed, because)"
    " values (:batch, 'crm', 'leads', 'volume', 'stop', 0.1, 'stop at 4', '3 rows, usually 100')"
)


def test_a_run_that_was_stopped_says_why_and_loads_nothing(client: Any, published: Any) -> None:
    judged(published, "scheduled__2026-03-02T00:00:00+00:00")
    answer = client.get(f"{PATH}/lead_flow/scheduled__2026-03-02T00:00:00%2B00:00")
    assert answer.status_code == 200
    assert "volume holds leads of crm back: 3 rows, usually 100" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_run_that_judged_nothing_leads_to_its_report(client: Any, tmp_path: Path) -> None:
    batch_id = wrote(tmp_path, "weight_review", "one")
    answer = client.get(f"{PATH}/weight_review/one")
    assert answer.headers["location"] == f"../weight_review/pages/{batch_id}/index.html"
    page = client.get(f"{PATH}/weight_review/pages/{batch_id}/index.html")
    assert (page.status_code, page.text) == (200, "<p>the report</p>")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_checks_of_each_try_are_named(client: Any, published: Any, tmp_path: Path) -> None:
    judged(published, "one")
    batch_id = wrote(tmp_path, "lead_flow", "one")
    assert f'href="../lead_flow/pages/{batch_id}/index.html"' in client.get(f"{PATH}/lead_flow/one").text


def test_a_report_is_shown_while_the_ledger_is_away(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearlane_airflow import data_docs

    wrote(tmp_path, "weight_review", "one")
    monkeypatch.setattr(
        data_docs, "ledger", lambda: sa.create_engine("postgresql+psycopg://localhost:1/none")
    )
    assert client.get(f"{PATH}/weight_review/one").status_code == 307


def test_a_run_with_nothing_says_so(client: Any) -> None:
    answer = client.get(f"{PATH}/lead_flow/none")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "nothing to read" in answer.text


def test_nobody_reads_what_he_may_not_see(
    client: Any, published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearlane_airflow import data_docs

    judged(published, "one")
    monkeypatch.setattr(data_docs.app, "dependency_overrides", {})
    for path in ("lead_flow/one", f"lead_flow/pages/{ids.batch_id('lead_flow', 'one')}/index.html"):
        assert client.get(f"{PATH}/{path}").status_code == 401


@pytest.mark.parametrize(
    ("dag_id", "task_id", "name"),
    [
        ("lead_flow", "quality", "Data Docs"),
        ("weight_review", "review", "Report"),
        ("lead_replay", "replay", "Report"),
    ],
)
def test_tasks_have_a_button_that_opens_the_page(dagbag: Any, dag_id: str, task_id: str, name: str) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    task = dagbag.dags[dag_id].get_task(task_id)
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags[dag_id])).get_task(task_id)
    assert stored.extra_links == [name]
    [link] = task.operator_extra_links
    run = type("Key", (), {"dag_id": dag_id, "run_id": "manual__2026-03-02T00:00:00+00:00"})
    address = f"{PATH}/{dag_id}/manual__2026-03-02T00%3A00%3A00%2B00%3A00"
    assert link.get_link(task, ti_key=run).endswith(address)
