"""Empties what is older than `retention:` of `contract.yaml` keeps it: records as they came, mails, Data Docs and more.

**When**: Sundays at 22:00 UTC. A backfilled week prunes only what was too old at its end.
**Reads → writes**: the ledger and the folder of Data Docs → the same, emptied; figures, decisions and tombstones stay.
**Triage**: a red task is tried again at will: what is done stays done, in chunks, beside other runs. `clearlane
retention --dry-run` counts what is due; docs/privacy.md says what is left of each kind.
"""

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime, duration

from clearlane_airflow import tasks
from clearlane_airflow.defaults import COUNT_ONLY, DEFAULT_ARGS


@dag(
    schedule=CronDataIntervalTimetable("0 22 * * 0", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS | {"execution_timeout": duration(hours=4)},
    params={"dry_run": COUNT_ONLY},
    tags=["clearlane", "privacy"],
    doc_md=__doc__,
)
def retention():
    tasks.retention()


retention()
