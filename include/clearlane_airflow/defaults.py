"""What every DAG of the house shares: owner, retries with backoff, time-outs, typed Params."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param

OWNER = "revops"
DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(minutes=30),
}

MODE = Param(
    "auto",
    type="string",
    enum=["auto", "live", "shadow"],
    title="Mode",
    description="auto: live, but shadow in a backfill. Shadow decides and assigns, pushes and mails nothing.",
)
SOURCES = Param(
    [],
    type="array",
    items={"type": "string"},
    title="Sources",
    description="Names from sources.yaml; empty means all of them.",
)
DRY_RUN = Param(
    None,
    type=["null", "boolean"],
    title="Dry run",
    description="Keep what is owed to the sources in the outbox. Empty: as the deployment says (CLEARLANE_DRY_RUN).",
)
