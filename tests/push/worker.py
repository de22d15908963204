"""What a process does that drains the outbox again and again until nothing is owed; it may be killed."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from clearlane import policy, push

SPEED = 1000


def drain(engine: sa.Engine, folder: Path, moment: datetime) -> None:
    """Write with the policy of a folder. The clock runs a thousand times as fast, so that waits are short."""
    pinned = policy.load(folder)
    begun = time.monotonic()
    while True:
        at = moment + timedelta(seconds=(time.monotonic() - begun) * SPEED)
        counts = push.drain(
            engine, pinned, at, lambda name: name, dry_run=False, limit=10_000,
            monotonic=lambda: time.monotonic() * SPEED, wait=lambda seconds: time.sleep(seconds / SPEED),
        )  # fmt: skip
        if not counts["left"]:
            return
        time.sleep(0.05)
