"""What every DAG of the house shares: owner, retries with backoff, time-outs, alerts, typed Params."""

import sys
from datetime import timedelta
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from clearlane_airflow import alerts
from clearlane_airflow.deadlines import Queued

OWNER = "revops"
DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(minutes=30),
    "on_failure_callback": alerts.task_failed,
}
# `airflow dags test` of 3.3 breaks off at the end of a run that has a deadline; it would not watch it anyway.
LATE = (
    None
    if {"dags", "test"} <= set(sys.argv)
    else DeadlineAlert(
        name="late",
        reference=Queued(),
        interval=timedelta(minutes=15),
        callback=SyncCallback(alerts.run_is_late),
    )
)
"""the deadline of runs that leads wait for"""

MODE = Param(
    "auto",
    type="string",
    enum=["auto", "live", "shadow"],
    title="Mode",
    description="auto: live, but shadow in a backfill. live: also in a backfill, whose leads are released."
    " shadow: decides, and assigns, pushes and mails nothing.",
)
SOURCES = Param(
    [],
    type="array",
    items={"type": "string"},
    title="Sources",
    description="Names from sources.yaml, one a line, as crm; empty means all of them.",
)
DRY_RUN = Param(
    None,
    type=["null", "boolean"],
    title="Dry run",
    description="Left alone: as the deployment says (CLEARLANE_DRY_RUN; unless it is false, nothing is sent)."
    " Switched on: what is owed to sources and people is kept, not sent. Switched on and off again: it is sent.",
)
COUNT_ONLY = Param(
    False,
    type="boolean",
    title="Count only",
    description="Count what is too old, and change nothing. Off: it is emptied, and nobody can bring it back.",
)
REPLAY = {
    "from": Param(
        type="string",
        format="date-time",
        title="From",
        description="Runs that ended after this moment are played again; it has to be before To.",
    ),
    "to": Param(
        type="string", format="date-time", title="To", description="Runs that ended by this moment, included."
    ),
    "policy": Param(
        "in_force",
        type="string",
        minLength=1,
        title="Policy",
        description="in_force: the one in force now. Or a folder of policy files that the workers can read, or the"
        " hash of a stored version of one file.",
    ),
    "horizon": Param(
        90,
        type="number",
        exclusiveMinimum=0,
        title="Horizon, in days",
        description="An outcome counts that came within so many days after the decision.",
    ),
    "out": Param(
        None,
        type=["null", "string"],
        title="Folder",
        description="Where the report is kept, below a folder of the run. Empty: with the Data Docs.",
    ),
}
REVIEW = {
    "mode": Param(
        "auto",
        type="string",
        enum=["auto", "live", "shadow"],
        title="Mode",
        description="auto: live, but shadow in a backfill. Shadow reports only: nobody is asked or written to.",
    ),
    "horizon_days": Param(
        90,
        type="number",
        exclusiveMinimum=0,
        title="Horizon, in days",
        description="An outcome counts that came in so many days after the first decision; younger leads are left out.",
    ),
    "history_days": Param(
        365,
        type="number",
        exclusiveMinimum=0,
        title="History, in days",
        description="Leads that were first decided in so many days before the run's moment.",
    ),
    "holdout": Param(
        0.3,
        type="number",
        minimum=0.1,
        maximum=0.5,
        title="Holdout, a share",
        description="The newest so many of the leads, from 0.1 to 0.5 of all, on which the proposal is judged.",
    ),
    "most_change": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Most change, in points",
        description="By how many points one rule may move, 1 or more. Empty: as review in scoring.yaml says.",
    ),
    "changes": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        title="Rules that may change",
        description="How many of them at most. Empty: as review in scoring.yaml says.",
    ),
    "answer_within": Param(
        14,
        type="number",
        exclusiveMinimum=0,
        title="Answer within, in days",
        description="No answer in so many days means that nothing changes.",
    ),
    "dry_run": DRY_RUN,
}
