"""Watches the promises: who was to be warned, what was not kept, which leads go to somebody else, who above is told.

**When**: every 5 minutes. A run may be left out, come late, twice, or beside another: each thing is told once.
**Reads → writes**: the touches of each source → outcomes → clocks, the log `sla_event`, reps out for the day; leads of
silent owners are routed anew and pushed. A clock whose source was not read past its due moment is unverified: it is
not judged before it is read. A backfill, and a run that a later one has overtaken, tell nothing.
**Triage**: a red `pull` is one source, whose clocks wait as unverified (`clearlane doctor` counts them) until a run
reads it again. Any task may be cleared.
"""

from itertools import pairwise

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.defaults import DEFAULT_ARGS, DRY_RUN, SOURCES


@dag(
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=2,
    default_args=DEFAULT_ARGS,
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
    pulled >> river[0]
    for before, after in pairwise(river):
        before >> after
    [batch_id, sources, pulled, *river] >> tasks.watch()


sla_watch()
