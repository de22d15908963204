"""Brings every lead's score up to date: points fade, overrides end, windows move on, a new policy is in force.

**When**: every night at 02:15 UTC.
**Reads → writes**: signals and standings → standings; a row of `score` and an event for routing where band or
stage changed.
**Triage**: clear it; what a broken run left undone the next one finds. While it scores, other runs wait a chunk
of 10,000 leads at most. `clearlane explain LEAD` tells why a lead's band changed.
"""

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.defaults import DEFAULT_ARGS


@dag(
    schedule=CronDataIntervalTimetable("15 2 * * *", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["clearlane", "score"],
    doc_md=__doc__,
)
def score_refresh():
    tasks.score_refresh()


score_refresh()
