"""`outcome_sync` runs on a real PostgreSQL, after leads have flowed: outcomes arrive, clocks are met, leads stay."""

from __future__ import annotations

from datetime import timedelta

from tests.companies import END
from tests.dags.test_lead_flow import ask, count, healthy


def test_outcomes_arrive_by_themselves_and_meet_clocks(dagbag, flowed):
    before = {table: count(flowed, table) for table in ("lead", "decision", "work", "score")}
    places = ask(flowed, "select lead_id, place from place order by 1")
    run = dagbag.dags["outcome_sync"].test(logical_date=END + timedelta(hours=3))
    assert run.state == "success"
    assert {table: count(flowed, table) for table in before} == before
    assert ask(flowed, "select lead_id, place from place order by 1") == places
    assert count(flowed, "batch where dag_id = 'outcome_sync' and closed_at is not null") == 1
    assert count(flowed, "delivery d join batch b using (batch_id) where b.dag_id = 'outcome_sync'") > 0
    assert not ask(
        flowed,
        "select 1 from delivery d join batch b using (batch_id) where b.dag_id = 'outcome_sync'"
        " and d.object not in ('outcomes', 'reps', 'file')",
    )
    healthy(flowed)
