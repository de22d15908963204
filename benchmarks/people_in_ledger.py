"""Records through the identity stage of a ledger: time, memory, and what is found of the doubles.

In batches, as a backfill brings them, by as many workers as are asked for; then a thousand more, as a run does. Recall
counts pairs of records of one person: those that keys merge, and with them those that a person is asked about.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time

import pandas as pd
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Engine

from benchmarks.engines import empty_ledger
from benchmarks.ledgers import AS_OF
from benchmarks.people import generated, shares
from clearlane import ledger, steps
from clearlane.identity import lookalikes
from clearlane.ledger import Batch, copy_rows
from clearlane.policy.model import People

MORE = 1_000
_PAIRS = f"""
select l.external_id as one, o.external_id as other
from person_alike a join lead l using (lead_id) join lead o on o.lead_id = a.other_id where {lookalikes.SURE}
"""


@dataclass(frozen=True)
class Spent:
    """On one batch: seconds in all, busy ones of the worker and of its PostgreSQL process, and MB of both at most."""

    seconds: float
    worker: float
    postgres: float
    worker_mb: float
    postgres_mb: float


def main(leads: int = 100_000, batch: int = 50_000, workers: int = 1, seed: int = 1) -> None:
    frame = generated(seed, leads + MORE)
    with empty_ledger() as engine, ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        address = engine.url.render_as_string(hide_password=False)

        def submit(start: int, end: int) -> Future[Spent]:
            delivered = _delivered(engine, f"from {start}", frame[start:end])
            return pool.submit(_identified, address, str(delivered.batch_id))

        began = perf_counter()
        runs = [submit(start, min(start + batch, leads)) for start in range(0, leads, batch)]
        spent: list[Spent] = []
        for run in runs:
            spent.append(run.result())
            known = min(len(spent) * batch, leads)
            print(f"people in a ledger: {known:>9,} records  {_told(spent[-1])}", flush=True)
        seconds = perf_counter() - began
        _tell(engine, frame)
        print(
            f"people in a ledger: {leads:>9,} in all, {workers} workers  {seconds:.0f} s, {_told(_sum(spent))}"
        )
        print(f"people in a ledger: {MORE:>9,} more     {_told(submit(leads, len(frame)).result())}")


def _tell(engine: Engine, frame: pd.DataFrame) -> None:
    merged, asked = _found(engine)
    truth = frame.set_index("lead_id")["truth"].reindex(merged.index)
    for name, found in (("merged", merged), ("merged and asked about", _joined(merged, asked))):
        precision, recall = shares(truth, found)
        print(f"people in a ledger: {name:22} precision {precision:.4f}  recall {recall:.4f}")


def _sum(spent: Sequence[Spent]) -> Spent:
    return Spent(
        *(sum(getattr(one, name) for one in spent) for name in ("seconds", "worker", "postgres")),
        *(max(getattr(one, name) for one in spent) for name in ("worker_mb", "postgres_mb")),
    )


def _told(spent: Spent) -> str:
    return (
        f"{spent.seconds:7.1f} s, busy {spent.worker:6.1f} s and PostgreSQL {spent.postgres:6.1f} s,"
        f" {spent.worker_mb:,.0f} MB and PostgreSQL {spent.postgres_mb:,.0f} MB"
    )


def _identified(address: str, batch_id: str) -> Spent:
    """What the stage took for a batch; runs in a process of its own."""
    engine = _engine(address)
    with engine.connect() as connection:
        backend = int(connection.exec_driver_sql("select pg_backend_pid()").scalar_one())
    start, worker, postgres = perf_counter(), process_time(), _busy(backend)
    steps.identity(engine, batch_id)
    return Spent(
        perf_counter() - start, process_time() - worker, _busy(backend) - postgres,
        _most_memory("self"), _most_memory(str(backend)),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _engine(address: str) -> Engine:
    return sa.create_engine(address, pool_size=1)


def _busy(process: int) -> float:
    """Seconds of a core that a process has used."""
    numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def _most_memory(process: str) -> float:
    """In MB, of PostgreSQL with what it used of the memory that its processes share."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _delivered(engine: Engine, name: str, frame: pd.DataFrame) -> Batch:
    records = frame.drop(columns="truth").rename(columns={"lead_id": "id"}).to_dict("records")
    with engine.begin() as connection:
        batch = ledger.open_batch(
            connection, dag_id="bench", run_id=name, run_type="manual", mode="live", dry_run=False, window=None,
            as_of=AS_OF, sources=("crm",), policy={}, code_version="0",
        )  # fmt: skip
        columns = (
            "source",
            "object",
            "record_key",
            "external_id",
            "first_batch",
            "batch_id",
            "payload",
            "record",
        )
        rows = (
            ("crm", "leads", one["id"], one["id"], batch.batch_id, batch.batch_id, Jsonb({}),
             Jsonb({name: value for name, value in one.items() if value}))
            for one in records
        )  # fmt: skip
        copy_rows(connection, "inbox", columns, rows)
        connection.exec_driver_sql("analyze inbox")
    return batch


def _found(engine: Engine) -> tuple[pd.Series, pd.DataFrame]:
    """Of each record the one that survives, and the pairs that a person is asked about."""
    policy = People()
    survivors = (
        "select l.external_id, s.external_id as one from lead l join lead s on s.lead_id = l.survivor_id"
    )
    with engine.connect() as connection:
        merged = pd.read_sql(sa.text(survivors), connection).set_index("external_id")["one"]
        return merged, pd.read_sql(sa.text(_PAIRS), connection, params=lookalikes.sure(policy.ask, policy))


def _joined(merged: pd.Series, asked: pd.DataFrame) -> pd.Series:
    """The persons that there would be if every question were answered with yes."""
    of = merged.to_dict()
    for one, other in asked.itertuples(index=False):
        kept, gone = sorted((_root(of, one), _root(of, other)))
        of[gone] = kept
    return pd.Series({record: _root(of, record) for record in of})


def _root(of: dict[str, str], record: str) -> str:
    while of[record] != record:
        record = of[record]
    return record
