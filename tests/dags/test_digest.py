"""`digest` runs on a real PostgreSQL, after leads have flowed: one mail for each reader and week, kept in a dry run."""

from __future__ import annotations

from datetime import timedelta

from tests.companies import END
from tests.dags.test_lead_flow import ask, count

MONDAY = (END + timedelta(days=7 - END.weekday())).replace(hour=6, minute=0)


def test_the_week_is_owed_once_to_each_reader(dagbag, flowed):
    for hours in (0, 1):
        run = dagbag.dags["digest"].test(
            logical_date=MONDAY + timedelta(hours=hours), run_conf={"dry_run": True}
        )
        assert run.state == "success"
    owed = ask(
        flowed,
        "select person, state, jsonb_array_length(facts -> 'pictures') from mail where kind = 'digest' order by 1",
    )
    assert [(person, state) for person, state, _ in owed] == [("irene_clay", "owed"), ("revops", "owed")]
    assert all(pictures > 0 for *_, pictures in owed)
    assert count(flowed, "batch where dag_id = 'digest' and closed_at is not null") == 2
