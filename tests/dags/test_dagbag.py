"""Policy tests over all DAGs: there are some, they import, and each keeps the house rules."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"lead_flow", "crm_push", "outcome_sync", "score_refresh", "lead_replay"}
FILES = sorted((ROOT / "dags").glob("*.py"))
HEAVY = ("pandas", "great_expectations", "duckdb", "sqlalchemy", "clearlane")


def test_the_known_dags_are_there_and_no_others(dagbag):
    assert dagbag.import_errors == {}
    assert set(dagbag.dags) == KNOWN


def test_each_dag_has_a_page_an_owner_and_tags(dagbag):
    for dag in dagbag.dags.values():
        assert {"**When**", "**Triage**"} <= set(dag.doc_md.replace(":", " ").split()), dag.dag_id
        assert dag.owner == "revops", dag.dag_id
        assert "clearlane" in dag.tags, dag.dag_id
        assert dag.catchup is False, dag.dag_id


def test_each_task_is_documented_bounded_and_retried(dagbag):
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            assert task.execution_timeout, f"{dag.dag_id}.{task.task_id}"
            assert task.doc_md, f"{dag.dag_id}.{task.task_id}"
            assert task.retries >= 1 or task.task_id == "watch", f"{dag.dag_id}.{task.task_id}"


def test_params_are_typed(dagbag):
    assert set(dagbag.dags["lead_flow"].params) == {"mode", "sources", "dry_run"}
    for dag in dagbag.dags.values():
        assert all(dag.params.get_param(name).schema.get("type") for name in dag.params), dag.dag_id


def test_the_stages_follow_the_lead(dagbag):
    lead_flow = dagbag.dags["lead_flow"]
    order = ["open_batch", "sources", "pull", "quality", "identity", "enrich", "score", "route", "push"]
    for before, after in pairwise(order):
        assert after in lead_flow.get_task(before).downstream_task_ids
    assert lead_flow.get_task("watch").upstream_task_ids == set(order)


def test_runs_are_intervals_and_assets_wake_them(dagbag):
    """A run of 12:00 covers [12:00, 12:05), and one event of an asset starts a run between."""
    from airflow.serialization.serialized_objects import DagSerialization

    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for dag in (dagbag.dags["lead_flow"], dagbag.dags["crm_push"]):
        stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        runs = list(stored.iter_dagrun_infos_between(start, start + timedelta(minutes=5)))
        assert runs[0].data_interval.start == start, dag.dag_id
        assert runs[0].data_interval.end == start + timedelta(minutes=5), dag.dag_id
        assert [asset.name for _, asset in stored.timetable.asset_condition.iter_assets()], dag.dag_id


def test_scores_are_refreshed_every_night(dagbag):
    from airflow.serialization.serialized_objects import DagSerialization

    start = datetime(2026, 3, 2, tzinfo=UTC)
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags["score_refresh"]))
    runs = list(stored.iter_dagrun_infos_between(start, start + timedelta(days=2)))
    assert [run.data_interval.end - run.data_interval.start for run in runs] == [timedelta(days=1)] * 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_parsing_a_dag_file_is_light(file, airflow_home):
    """After `import airflow.sdk` a DAG file takes under half a second and adds no heavy library."""
    script = f"""
import importlib.util, sys, time
import airflow.sdk
before, started = set(sys.modules), time.perf_counter()
spec = importlib.util.spec_from_file_location("dag_file", {str(file)!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
took = time.perf_counter() - started
print(took, *sorted({{name.split(".")[0] for name in set(sys.modules) - before}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    took, *added = done.stdout.strip().splitlines()[-1].split()
    assert not set(added) & set(HEAVY)
    assert float(took) < 0.5
