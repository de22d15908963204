"""Policy tests over all DAGs: there are some, they import, and each keeps the house rules."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {
    *("lead_flow", "crm_push", "outcome_sync", "score_refresh", "lead_replay", "sla_watch", "digest"),
    *("weight_review", "retention"),
}
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
            assert task.retries >= 1 or task.task_id in ("watch", "held"), f"{dag.dag_id}.{task.task_id}"


def test_params_are_typed(dagbag):
    assert set(dagbag.dags["lead_flow"].params) == {"mode", "sources", "dry_run"}
    for dag in dagbag.dags.values():
        assert all(dag.params.get_param(name).schema.get("type") for name in dag.params), dag.dag_id


def test_the_stages_follow_the_lead(dagbag):
    lead_flow = dagbag.dags["lead_flow"]
    order = ["open_batch", "sources", "pull", "quality", "identity", "enrich", "score", "route", "push"]
    for before, after in pairwise(order):
        assert after in lead_flow.get_task(before).downstream_task_ids
    assert lead_flow.get_task("held").downstream_task_ids == {"watch"}
    assert lead_flow.get_task("watch").upstream_task_ids == {*order, "held"}


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


PARSE_EACH = """
import importlib.util, json, os, sys, time
import airflow.sdk
before = set(sys.modules)
for file in sys.argv[1:]:
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    started = time.process_time()
    spec = importlib.util.spec_from_file_location("dag_file", file)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    took = time.process_time() - started
    added = sorted({name.split(".")[0] for name in set(sys.modules) - before})
    print(json.dumps([file, took, added]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def parsed(airflow_home: Path) -> dict[str, tuple[float, list[str]]]:
    """DAG file → the seconds of processor it takes after `import airflow.sdk`, and the libraries it adds."""
    command = [sys.executable, "-c", PARSE_EACH, *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {file: (took, added) for file, took, added in told}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_parsing_a_dag_file_is_light(file, parsed):
    took, added = parsed[str(file)]
    assert not set(added) & set(HEAVY)
    assert took < 0.5
