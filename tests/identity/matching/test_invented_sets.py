"""How well names that were made up and garbled find their account: the floor of what the benchmark measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks import matching, matching_sets
from benchmarks.matching_sets import Set

SEED = 71


@pytest.mark.parametrize(
    ("made", "number", "precision", "recall"),
    [
        (matching_sets.invented, 500, 0.98, 0.95),
        (matching_sets.short, 150, 0.97, 0.92),
        (matching_sets.institutions, 250, 0.98, 0.94),
    ],
)
def test_garbled_names_find_their_account(
    tmp_path: Path, made: Callable[[int, int], Set], number: int, precision: float, recall: float
) -> None:
    task = matching.task_of(made(SEED, number))
    found, missed, _ = matching.figures(task, matching.ours(task, tmp_path))
    assert found >= precision
    assert missed >= recall
    assert len(task.truth) < len(task.leads)


def test_the_same_seed_makes_the_same_set() -> None:
    assert matching_sets.invented(SEED, 50) == matching_sets.invented(SEED, 50)
    assert matching_sets.invented(SEED, 50) != matching_sets.invented(SEED + 1, 50)
