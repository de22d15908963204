"""Every standing brought up to date a day later, against one UPDATE of as many rows of the same shape."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, Engine

from benchmarks import ledgers
from benchmarks.engines import empty_ledger
from clearlane import policy as policies
from clearlane import score, steps

AIM = 2.0
_PLAIN = "create table plain (like standing including all)"
_UPDATE = "update plain set as_of = as_of + interval '1 day', score = score - 1, total = total - 1"


def main(leads: int, activities: int, rounds: int = 3) -> None:
    with empty_ledger() as engine:
        took = _transaction(engine, lambda connection: _score_everyone(connection, leads, activities))
        print(f"refreshing: {leads:,} leads × {activities:,} activities, filled and scored in {took:.0f} s")
        for day in range(1, rounds + 1):
            _report(engine, day)


def _score_everyone(connection: Connection, leads: int, activities: int) -> None:
    ledgers.fill(connection, leads, activities)
    policy = ledgers.twenty_rules()
    policies.publish(connection, policies.texts(ledgers.MODEL), by="benchmark", because="measured")
    score.run(connection, policy, ledgers.of_everyone(connection))
    connection.exec_driver_sql(_PLAIN)
    connection.exec_driver_sql("insert into plain select * from standing")


def _report(engine: Engine, day: int) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum (analyze) plain")
        connection.exec_driver_sql("vacuum (analyze)")
    plain = _transaction(engine, lambda connection: connection.exec_driver_sql(_UPDATE))
    started = time.perf_counter()
    counts = steps.score_refresh(engine, ledgers.AS_OF + timedelta(days=day))
    took = time.perf_counter() - started
    ratio = f"{took / plain:.2f} × the UPDATE's {plain:.1f} s (aim: at most {AIM:g})"
    print(f"  day {day}: {took:.1f} s = {ratio}; {dict(counts)}")


def _transaction(engine: Engine, work: Callable[[Connection], object]) -> float:
    started = time.perf_counter()
    with engine.begin() as connection:
        work(connection)
    return time.perf_counter() - started
