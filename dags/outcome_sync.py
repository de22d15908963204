"""Reads what became of leads: first touches, accepted and rejected, stages, won and lost, owners whom people changed.

**When**: every hour, at a quarter past.
**Reads → writes**: the outcomes and members of each source, two days back → outcomes, the stages that they mean, SLA
clocks that are met, events that tell routing of a new owner; into the outbox where a source takes it. Sends nothing.
**Triage**: a red `pull` is one source, the others went on and the next run reads its gap; a red `held` is a delivery
that a batch rule keeps in quarantine until a person decides. Any task may be cleared.
"""

from airflow.sdk import CronDataIntervalTimetable, dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.defaults import DEFAULT_ARGS, SOURCES


@dag(
    schedule=CronDataIntervalTimetable("15 * * * *", timezone="UTC"),
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={"sources": SOURCES},
    tags=["clearlane", "outcomes"],
    doc_md=__doc__,
)
def outcome_sync():
    batch_id = tasks.open_batch()
    sources = tasks.sources(batch_id)
    pulled = tasks.pull_outcomes.override(task_id="pull").partial(batch_id=batch_id).expand(source=sources)
    judged, identified, noted = tasks.quality(batch_id), tasks.identity(batch_id), tasks.outcomes(batch_id)
    held = tasks.held(batch_id)
    pulled >> judged >> [identified, held]
    identified >> noted
    [batch_id, sources, pulled, judged, identified, noted, held] >> tasks.watch()


outcome_sync()
