"""Assignment notices leave in the run that gives the leads, of a company like the demo's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.companies import WINDOWS
from tests.e2e.rivers import River, no_secrets
from tests.sla.mails.desk import Box

from clearlane import steps
from clearlane.sla.mails import Post, Web

WORKING_HOURS = timedelta(hours=15)  # UTC: 10 in New York, 16 in Berlin


@pytest.fixture
def river(ledger_engine: sa.Engine, texts: Mapping[str, str]) -> River:
    """The small company, to which nothing is written back."""
    made = River(ledger_engine)
    made.publish({**texts, "sources": texts["sources"].replace("    push: assignments\n", "")})
    return made


def test_new_owners_are_told_in_the_run_that_pushes_them(river: River) -> None:
    batch_id = river.open(WINDOWS[0], dry_run=False)
    box = Box()
    web = Web("https://airflow.clearlane.example", ("s" * 40,))
    counts = steps.river(
        river.engine, batch_id, WINDOWS[0][1] + WORKING_HOURS, no_secrets, lane="plain", post=Post(box, web)
    )
    with river.engine.connect() as connection:
        rows = connection.exec_driver_sql("select kind, state, urgency from mail").all()
        given = connection.exec_driver_sql(
            "select count(*) from assignment where by = 'clearlane' and ended_at is null"
        ).scalar_one()
    notices = [row for row in rows if row.kind == "notice"]
    assert len(notices) == counts["notices"] == given > 3
    assert {row.state for row in notices if row.urgency == "now"} == {"sent"}
    assert counts["mails_sent"] == len(box.got)
    hot = next(message for message in box.got if str(message["Subject"]).startswith("Hot: "))
    text = hot.get_body(("plain",)).get_content()
    for said in ("Why you", "Score", "/clearlane/answers/?token=", "/dags/lead_flow/runs/"):
        assert said in text
