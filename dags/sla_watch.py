"""Watches the promises: who is warned, what was not kept, which leads go to somebody else, who above is told.

**When**: every 5 minutes; runs may be left out, late, twice, beside each other: each thing is told once.
**Reads → writes**: touches of each source → clocks, `sla_event`, mails, leads routed anew, outbox.
**Triage**: a red `pull` is one source: its clocks wait as unverified (`clearlane doctor`) until a run reads it;
a red `held` is a delivery that a batch rule keeps in quarantine until a person decides.
"""

from itertools import pairwise

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.defaults import DEFAULT_ARGS, DRY_RUN, LATE, SOURCES


@dag(
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args=DEFAULT_ARGS,
    deadline=LATE,
    params={"sources": SOURCES, "dry_run": DRY_RUN},
    tags=["clearlane", "promises"],
    doc_md=__doc__,
)
def sla_watch():
    batch_id = tasks.open_batch()
    sources = tasks.sources(batch_id)
    pulled = tasks.pull_touches.override(task_id="pull").partial(batch_id=batch_id).expand(source=sources)
    river = [
        stage(batch_id) for stage in (tasks.quality, tasks.identity, tasks.sweep, tasks.reroute, tasks.push)
    ]
    held = tasks.held(batch_id)
    pulled >> river[0] >> held
    for before, after in pairwise(river):
        before >> after
    [batch_id, sources, pulled, *river, held] >> tasks.watch()


sla_watch()
