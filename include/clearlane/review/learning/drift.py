"""Rules whose worth changes within the span that a review looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from clearlane.review.cases import Finding
from clearlane.review.learning.chance import surprise
from clearlane.review.learning.problem import Problem

MOST: Final = 3
"""rules that are named, the most telling first"""


def drifting(problem: Problem, slope: float, level: float, draws: np.random.Generator) -> Iterator[Finding]:
    """Rules that were worth more, or less, among the newer half of the leads, beyond chance at this level.

    All rules are freed first, so that points which are wrong in both halves are no drift. `slope`: log odds per point.
    """
    newer = problem.newer.astype(np.float64)
    known = problem.known(problem.points).columns
    judged = problem.evidence[:, problem.judged]
    both = np.column_stack([known[:, 1] * newer, judged * newer[:, None]])
    names = ("the score as a whole", *(problem.rules[rule] for rule in problem.judged))
    base = np.column_stack([known, judged, newer])
    for _ in range(MOST):
        found = surprise(base, both, problem.target, problem.weight, level, draws)
        if found.p_value > level:
            return
        yield _told(names[found.best], found.odds[found.best], found.error[found.best], slope)
        base = np.column_stack([base, both[:, found.best]])


def _told(name: str, odds: float, error: float, slope: float) -> Finding:
    more = "more" if odds > 0 else "less"
    if name.startswith("the score"):
        return Finding("drift", name, f"tells {more} among the newer half of the leads than among the older")
    low, high = sorted(abs(odds + side * 1.96 * error) / slope for side in (1, -1))
    return Finding(
        "drift",
        name,
        f"worth {low:.0f} to {high:.0f} points {more} among the newer half of the leads than among the older: "
        "points that fit the whole span fit neither half",
    )
