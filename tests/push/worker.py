"""A process that drains the outbox again and again: `python worker.py LEDGER POLICY MOMENT`, until nothing is owed.

POLICY is a folder. Its clock runs a thousand times as fast, so that waits are short.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from clearlane import policy, push

SPEED = 1000


def main(ledger: str, folder: str, moment: str) -> None:
    engine, pinned = sa.create_engine(ledger), policy.load(Path(folder))
    begun = time.monotonic()
    while True:
        at = datetime.fromisoformat(moment) + timedelta(seconds=(time.monotonic() - begun) * SPEED)
        counts = push.drain(
            engine, pinned, at, lambda name: name, dry_run=False, limit=10_000,
            monotonic=lambda: time.monotonic() * SPEED, wait=lambda seconds: time.sleep(seconds / SPEED),
        )  # fmt: skip
        print(counts, flush=True)
        if not counts["left"]:
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
