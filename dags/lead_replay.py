"""Plays history again in shadow, with the policy of then and with another one, and reports what differs.

**When**: by hand, with the span of time and the policy to try.
**Reads → writes**: the ledger as it was at each decision → a report, which is the Data Docs of the run. It writes
no score, turn, assignment or clock, and nothing to a source.
**Triage**: "no lead was decided or scored" names the span: nothing ran then. A policy folder must be readable for
the worker. Clear it as often as you like: nothing but the report is written.
"""

from airflow.sdk import dag
from pendulum import datetime

from clearlane_airflow import tasks
from clearlane_airflow.defaults import DEFAULT_ARGS, REPLAY


@dag(
    schedule=None,
    start_date=datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=REPLAY,
    tags=["clearlane", "review"],
    doc_md=__doc__,
)
def lead_replay():
    tasks.replay()


lead_replay()
