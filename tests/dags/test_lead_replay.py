"""`lead_replay` runs by hand on a real PostgreSQL: a report, and not one row in the ledger."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.companies import END, policy_for

from clearlane.ledger import ids

SPAN = {
    "from": (END - timedelta(days=5)).isoformat(),
    "to": "2026-11-19T00:00:00Z",
    "horizon": 90,
    "out": None,
}


def sizes(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {
            name: connection.exec_driver_sql(f'select count(*) from "{name}"').scalar_one() for name in names
        }


def test_a_candidate_is_played_and_nothing_is_written(dagbag, flowed, company, airflow_home, tmp_path):
    before = sizes(flowed)
    texts = policy_for(company)
    texts["scoring"] = texts["scoring"].replace(
        'when: "employees between 50 and 1000"\n      points: 15',
        'when: "employees between 50 and 1000"\n      points: 1',
    )
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    run = dagbag.dags["lead_replay"].test(logical_date=END, run_conf={**SPAN, "policy": str(tmp_path)})
    assert run.state == "success"
    assert sizes(flowed) == before
    folder = airflow_home / "data_docs" / str(ids.batch_id("lead_replay", run.run_id))
    told = json.loads((folder / "whatif.json").read_text())
    assert told["figures"]["leads"] > told["figures"]["unchanged"]
    assert told["files"] == ["scoring"]
    assert (folder / "index.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "no-such-version"},
        {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"},
        {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
    ],
)
def test_what_cannot_be_played_is_a_red_run_without_another_try(dagbag, published, wrong):
    run = dagbag.dags["lead_replay"].test(logical_date=END, run_conf={**SPAN, "policy": "in_force", **wrong})
    assert run.state == "failed"
    assert [task.try_number for task in run.get_task_instances()] == [1]
