"""Leads from their sources to their owners: pull, quality, identity, enrich, score, route, push.

**When**: every 5 minutes, as a data interval, and whenever the inbox is told of something new.
**Reads → writes**: the sources of `sources.yaml` → the ledger → the outbox.
**Triage**: a red `pull` is one source, the others went on and the next run reads its gap; a red `held` is a
delivery that a batch rule keeps in quarantine until a person decides (`clearlane quarantine list`), the others went on.
Any task may be cleared.
"""

from itertools import pairwise

from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.assets import INBOX
from clearlane_airflow.defaults import DEFAULT_ARGS, DRY_RUN, LATE, MODE, SOURCES


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"), assets=[INBOX]
    ),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=4,
    default_args=DEFAULT_ARGS,
    deadline=LATE,
    params={"mode": MODE, "sources": SOURCES, "dry_run": DRY_RUN},
    tags=["clearlane", "leads"],
    doc_md=__doc__,
)
def lead_flow():
    batch_id = tasks.open_batch()
    sources = tasks.sources(batch_id)
    pulled = tasks.pull.partial(batch_id=batch_id).expand(source=sources)
    river = [
        stage(batch_id)
        for stage in (tasks.quality, tasks.identity, tasks.enrich, tasks.score, tasks.route, tasks.push)
    ]
    held = tasks.held(batch_id)
    pulled >> river[0] >> held
    for before, after in pairwise(river):
        before >> after
    [batch_id, sources, pulled, *river, held] >> tasks.watch()


lead_flow()
