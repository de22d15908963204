"""Runs every benchmark, or the named one, and prints its ratios."""

from __future__ import annotations

import argparse

from benchmarks import (
    folding,
    matching,
    memory,
    people,
    people_in_ledger,
    refreshing,
    review,
    routing,
    scoring,
    sla_watch,
)

FEW = 20_000
"""leads of the slow benchmarks where all of them run"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "name",
        nargs="?",
        choices=[
            *("scoring", "folding", "refreshing", "memory", "routing", "sla_watch", "matching", "people"),
            *("people_in_ledger", "review"),
        ],
    )
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--activities", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=50_000, help="records of a batch of people_in_ledger")
    parser.add_argument("--workers", type=int, default=1, help="of people_in_ledger, at the same time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--explain", action="store_true", help="print the plans of scoring first")
    asked = parser.parse_args()
    if asked.name in (None, "scoring"):
        scoring.main(asked.leads, asked.activities, explain=asked.explain, rounds=asked.rounds)
    if asked.name in (None, "folding"):
        folding.main(asked.activities, rounds=asked.rounds)
    if asked.name in (None, "refreshing"):
        refreshing.main(asked.leads, asked.activities, rounds=asked.rounds)
    if asked.name in (None, "memory"):
        memory.main(asked.leads if asked.name else FEW)
    if asked.name in (None, "routing"):
        routing.main(asked.leads, rounds=asked.rounds)
    if asked.name in (None, "sla_watch"):
        sla_watch.main(rounds=asked.rounds)
    if asked.name in (None, "matching"):
        matching.main()
    if asked.name in (None, "people"):
        people.main(asked.leads)
    if asked.name in (None, "people_in_ledger"):
        people_in_ledger.main(asked.leads if asked.name else FEW, batch=asked.batch, workers=asked.workers)
    if asked.name in (None, "review"):
        review.main()


main()
