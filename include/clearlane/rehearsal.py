"""The generated company on a ledger of its own, thrown away afterwards: to try a policy without any data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from clearlane import ledger, policy, sample, steps
from clearlane.ledger import server

DAYS = 7
LEADS = 1000
SEED = 7
READS = "data/sample"
"""the folder that sources.yaml reads where it reads the generated company"""


class NotTheSample(LookupError):
    """The policy reads other systems than the generated company."""


@contextmanager
def lived(
    texts: Mapping[str, str], end: datetime, *, days: int = DAYS, leads: int = LEADS
) -> Iterator[Engine]:
    """A ledger on which the company lived the `days` before `end` by this policy, a run for each day.

    The same policy and end give the same leads. Raises NotTheSample and policy.PolicyErrors.
    """
    if READS not in texts.get("sources", ""):
        raise NotTheSample(f"sources.yaml does not read {READS}: name a ledger in CLEARLANE_LEDGER_URL")
    with TemporaryDirectory(prefix="clearlane-") as folder:
        company, directory = Path(folder) / "company", Path(folder) / "ledger"
        sample.write(company, end=end, seed=SEED, days=days, leads=leads)
        with _ledger(directory) as engine:
            _publish(engine, {**texts, "sources": texts["sources"].replace(READS, str(company))})
            for n in range(days, 0, -1):
                _run(engine, end - timedelta(days=n), end - timedelta(days=n - 1))
            yield engine


@contextmanager
def _ledger(directory: Path) -> Iterator[Engine]:
    try:
        url = server.start(directory, ["ledger"], settings=server.THROWAWAY).url("ledger")
        ledger.migrate(url)
        engine = ledger.connect(url)
        yield engine
        engine.dispose()
    finally:
        server.erase(directory)


def _publish(engine: Engine, texts: Mapping[str, str]) -> None:
    with engine.begin() as connection:
        policy.publish(connection, texts, by="rehearsal", because="to try a policy")


def _run(engine: Engine, start: datetime, end: datetime) -> None:
    batch = steps.open_batch(
        engine,
        dag_id="lead_flow",
        run_id=end.isoformat(),
        run_type="manual",
        mode="live",
        dry_run=True,
        window=(start, end),
        as_of=end,
        code_version="rehearsal",
    )
    steps.river(engine, str(batch.batch_id), end, _no_secret)


def _no_secret(name: str) -> str:
    raise LookupError(f"the generated company has no connection {name}")
