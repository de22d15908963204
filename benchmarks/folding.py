"""Ten thousand new activities scored in ledgers of a tenth of, all of and ten times a size: the time must stay flat.

The same leads do the same in each; only what the ledger holds beside differs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from sqlalchemy import Engine

from benchmarks import ledgers
from benchmarks.engines import empty_ledger
from clearlane.score import run

NEW, OF_LEADS = 10_000, 5_000
AIM = 1.3


def main(activities: int, rounds: int = 5) -> None:
    """`activities` of the largest ledger; the others hold a tenth and a hundredth."""
    sizes = [activities // 100, activities // 10, activities]
    seconds = {size: _of_size(size, rounds) for size in sizes}
    smallest = seconds[sizes[0]]
    for size, took in seconds.items():
        aimed = f" (aim: at most {AIM:g})" if size == sizes[-1] else ""
        print(
            f"folding {NEW:,} activities into {size:,}: {took:.2f} s = {took / smallest:.2f} × the smallest{aimed}"
        )


def _of_size(activities: int, rounds: int) -> float:
    """The median of the rounds after the first, in seconds: the first builds the signals of the whole ledger."""
    leads = max(OF_LEADS, activities // 10)
    with empty_ledger() as engine:
        with engine.begin() as connection:
            ledgers.fill(connection, leads, activities)
        return statistics.median(_rounds(engine, leads, rounds)[1:])


def _rounds(engine: Engine, leads: int, rounds: int) -> Sequence[float]:
    policy, seconds = ledgers.twenty_rules(), []
    for number in range(1, rounds + 2):
        with engine.begin() as connection:
            batch = ledgers.arrive(connection, leads, NEW, OF_LEADS, number)
        with engine.begin() as connection:
            connection.exec_driver_sql("analyze")
        started = time.perf_counter()
        with engine.begin() as connection:
            run(connection, policy, batch)
        seconds.append(time.perf_counter() - started)
    return seconds
