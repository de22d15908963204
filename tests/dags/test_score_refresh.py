"""`score_refresh` runs on a real PostgreSQL, after leads have flowed."""

from __future__ import annotations

from datetime import timedelta

from tests.companies import END
from tests.dags.test_lead_flow import DRY, ask, count, healthy

BANDS = "select band, count(*) from standing group by band"


def test_a_month_later_the_base_has_cooled(dagbag, published):
    assert dagbag.dags["lead_flow"].test(logical_date=END, run_conf=DRY).state == "success"
    bands = dict(ask(published, BANDS))
    decided, rows = count(published, "decision"), count(published, "score")
    night = END + timedelta(days=30)
    run = dagbag.dags["score_refresh"].test(logical_date=night)
    assert run.state == "success"
    later = dict(ask(published, BANDS))
    assert sum(later.values()) == sum(bands.values())
    assert later["cold"] > bands["cold"]
    assert count(published, "routing_event where kind = 'band'") > 0
    assert count(published, "score") - rows == count(published, "score where batch_id is null")
    assert count(published, "decision") == decided
    healthy(published)
