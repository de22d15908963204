"""Waiting for what other threads and processes do: for a condition, with a bound that only a fault reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

LONG = 120.0  # seconds


def until(condition: Callable[[], object], seconds: float = LONG, pause: float = 0.01) -> None:
    """Return once the condition holds; the pause only spares the processor."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(pause)
