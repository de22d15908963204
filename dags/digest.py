"""The week in figures, as a mail to the head of sales and RevOps: what got better, what got worse, who needs help.

**When**: Mondays at 06:00 UTC, about the week from Monday to Monday that has just ended.
**Reads → writes**: clocks, the log of promises, assignments, outcomes → one mail for each reader and week.
**Triage**: a red task is tried again at will: a mail is owed once. A backfilled week mails nothing; `clearlane digest
--week` shows any. `clearlane sla mails` says what was not sent and why.
"""

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.defaults import DEFAULT_ARGS, DRY_RUN


@dag(
    schedule=CronDataIntervalTimetable("0 6 * * 1", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={"dry_run": DRY_RUN},
    tags=["clearlane", "figures"],
    doc_md=__doc__,
)
def digest():
    tasks.digest(tasks.open_batch())


digest()
