"""Sends what is left in the outbox to the source systems, and the mails that are still owed to people.

**When**: every 5 minutes, and whenever a run has put something into the outbox.
**Reads → writes**: the outbox → the systems that `sources.yaml` says may be written to.
**Triage**: a write that failed stays owed and is tried again with backoff, eight times in all; then it is dead
and waits for a person: `clearlane push dead list · retry · drop`. `clearlane push status` and `clearlane sla mails`
tell what is owed and why nothing is sent, `clearlane explain LEAD` what the source said. Runs share pace and work.
"""

from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.assets import OUTBOX
from clearlane_airflow.defaults import DEFAULT_ARGS, DRY_RUN


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"), assets=[OUTBOX]
    ),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={"dry_run": DRY_RUN},
    tags=["clearlane", "push"],
    doc_md=__doc__,
)
def crm_push():
    tasks.drain.override(task_id="push")()


crm_push()
