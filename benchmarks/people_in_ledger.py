"""Records through the identity stage of a ledger: time, memory of the worker, and what is found of the doubles.

All at once, as a first load brings them, then a thousand more, as a run does. Recall counts pairs of records of one
person: those that keys merge, and with them those that a person is asked about.
"""

from __future__ import annotations

import resource
from time import perf_counter

import pandas as pd
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Engine

from benchmarks.engines import empty_ledger
from benchmarks.ledgers import AS_OF
from benchmarks.people import generated, shares
from clearlane import identity, ledger
from clearlane.identity import lookalikes
from clearlane.ledger import Batch, copy_rows
from clearlane.policy import parse
from clearlane.policy.model import People

MORE = 1_000
_PAIRS = """
select l.external_id as one, o.external_id as other
from person_alike a join lead l using (lead_id) join lead o on o.lead_id = a.other_id where a.weight >= :least
"""


def main(leads: int = 100_000, seed: int = 1) -> None:
    frame = generated(seed, leads + MORE)
    with empty_ledger() as engine:
        for name, some in (("all at once", frame[:leads]), (f"{MORE:,} more", frame[leads:])):
            batch = _delivered(engine, name, some)
            start = perf_counter()
            with engine.begin() as connection:
                identity.run(connection, parse({}), batch)
            print(f"people in a ledger: {name:12} {len(some):>9,} records  {perf_counter() - start:7.1f} s")
        merged, asked = _found(engine)
    for name, found in (("merged", merged), ("merged and asked about", _joined(merged, asked))):
        precision, recall = shares(frame["truth"], frame["lead_id"].map(found))
        print(f"people in a ledger: {name:22} precision {precision:.4f}  recall {recall:.4f}")
    print(
        f"people in a ledger: memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most"
    )


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
        least = lookalikes.least_weight(policy.ask, policy)
        return merged, pd.read_sql(sa.text(_PAIRS), connection, params={"least": least})


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
