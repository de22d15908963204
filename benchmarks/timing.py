"""Times of the same kind of work, one after the other in one run: a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of each round, by name, in the order in which they ran."""

    rounds: Mapping[str, tuple[float, ...]]

    def best(self, name: str) -> float:
        return min(self.rounds[name])

    def ratio(self, name: str, reference: str) -> float:
        """The median over the rounds of `name` against `reference` in the same round."""
        pairs = zip(self.rounds[name], self.rounds[reference], strict=True)
        return statistics.median(one / other for one, other in pairs)

    def line(self, name: str, reference: str, aim: float | None = None) -> str:
        aimed = "" if aim is None else f" (aim: at most {aim:g})"
        return f"  {name} {self.best(name):.2f} s = {self.ratio(name, reference):.2f} × {reference}{aimed}"


def timed(work: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Every work once a round, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            started = time.perf_counter()
            do()
            seconds[name].append(time.perf_counter() - started)
    return Times({name: tuple(found) for name, found in seconds.items()})
