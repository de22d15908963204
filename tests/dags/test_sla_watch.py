"""`sla_watch` runs on a real PostgreSQL, after leads have flowed: what is due is told once, and leads go on."""

from __future__ import annotations

from datetime import timedelta

from tests.companies import END
from tests.dags.test_lead_flow import ask, count, healthy, states

LATER = END + timedelta(hours=30)
TOLD = "select clock_id, kind, rep_id, occurred_at from sla_event order by 1, 2, 3"


def test_the_watch_tells_what_is_due_once_and_gives_leads_on(dagbag, flowed):
    watch = dagbag.dags["sla_watch"]
    run = watch.test(logical_date=LATER, run_conf={"sources": [], "dry_run": True})
    assert run.state == "success"
    assert states(run)["watch"] == {"skipped"}
    told = dict(ask(flowed, "select kind, count(*) from sla_event group by 1"))
    assert told["breach"] > 0
    assert count(flowed, "decision d join batch b using (batch_id) where b.dag_id = 'sla_watch'") > 0
    assert count(flowed, "mail where kind = 'breach'") > 0
    assert count(flowed, "batch where dag_id = 'sla_watch' and closed_at is not null") == 1
    assert count(flowed, "work w join batch b using (batch_id) where b.dag_id = 'sla_watch'") == 0
    healthy(flowed)

    before = ask(flowed, TOLD)
    old = watch.test(logical_date=END + timedelta(hours=1), run_conf={"sources": [], "dry_run": True})
    assert old.state == "success"
    assert ask(flowed, TOLD) == before
