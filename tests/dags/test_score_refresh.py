"""`score_refresh` runs on a real PostgreSQL, after leads have flowed."""

from __future__ import annotations

from datetime import timedelta

from tests.companies import END
from tests.dags.test_lead_flow import ask, count, healthy

BANDS = "select band, count(*) from standing group by band"


def test_a_month_later_the_base_has_cooled(dagbag, flowed):
    bands = dict(ask(flowed, BANDS))
    decided, rows = count(flowed, "decision"), count(flowed, "score")
    night = END + timedelta(days=30)
    run = dagbag.dags["score_refresh"].test(logical_date=night)
    assert run.state == "success"
    later = dict(ask(flowed, BANDS))
    assert sum(later.values()) == sum(bands.values())
    assert later["cold"] > bands["cold"]
    assert count(flowed, "routing_event where kind = 'band'") > 0
    assert count(flowed, "score") - rows == count(flowed, "score where batch_id is null")
    assert count(flowed, "decision") == decided
    healthy(flowed)
