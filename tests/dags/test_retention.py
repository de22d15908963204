"""`retention` runs on a real PostgreSQL, after leads have flowed: it prunes what was old at the end of its week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.companies import END
from tests.dags.test_lead_flow import count, healthy

PRUNED = "inbox where state = 'consumed' and payload = '{}'"


def test_a_week_prunes_what_was_old_at_its_end(dagbag, flowed):
    retention = dagbag.dags["retention"]
    later = datetime.now(UTC) + timedelta(days=400)
    for moment, dry in ((END, False), (later, True)):
        assert retention.test(logical_date=moment, run_conf={"dry_run": dry}).state == "success"
        assert count(flowed, PRUNED) == 0
    assert retention.test(logical_date=later, run_conf={"dry_run": False}).state == "success"
    assert count(flowed, PRUNED) > 0
    assert count(flowed, "quarantine") == 0
    healthy(flowed)
