"""Learns from outcomes what the points should be, and asks a person: only a yes puts new points in force.

**When**: at 06:00 UTC on the first of January, April, July and October; by hand with other limits. A backfill reports.
**Reads → writes**: leads as first routed, their outcomes → a report (Data Docs), a mail; after a yes a policy.
**Triage**: `decision` waits under Required Actions. A red `apply` says why: clear `decision` to be asked again.
`clearlane review show · diff` tell what was decided and the change for the repository; `policy rollback` undoes it.
"""

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime, duration

from clearlane_airflow import tasks
from clearlane_airflow.decision import PointsDecision
from clearlane_airflow.defaults import DEFAULT_ARGS, REVIEW


@dag(
    schedule=CronDataIntervalTimetable("0 6 1 1,4,7,10 *", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    default_args=DEFAULT_ARGS,
    params=REVIEW,
    tags=["clearlane", "review"],
    doc_md=__doc__,
)
def weight_review():
    batch_id = tasks.open_batch()
    reviewed = tasks.review(batch_id)
    decision = PointsDecision(
        task_id="decision",
        review_id=batch_id,
        response_timeout=duration(days=14),
        retries=20,
        retry_delay=duration(seconds=2),
        retry_exponential_backoff=False,
        doc_md="Ask a person whether the proposed points are to be in force; no answer in time changes nothing.",
    )
    reviewed >> decision
    tasks.apply(batch_id, decision.output)


weight_review()
