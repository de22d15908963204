"""How well names that were made up and garbled find their account: the floor of what the benchmark measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks import matching, matching_lists, matching_scripts, matching_sets
from benchmarks.matching_sets import Made, Task

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
    tmp_path: Path, made: Callable[[int, int], Made], number: int, precision: float, recall: float
) -> None:
    _assert_found(matching.task_of(made(SEED, number)), tmp_path, precision, recall)


def _assert_found(task: Task, folder: Path, precision: float, recall: float) -> None:
    right, found, _ = matching.figures(task, matching.ours(task, folder))
    assert right >= precision
    assert found >= recall
    assert len(task.truth) < len(task.leads)


def test_leads_that_say_odd_things_find_their_account_in_a_grown_list(tmp_path: Path) -> None:
    task = matching_lists.grown(SEED, 500)
    _assert_found(task, tmp_path, 0.98, 0.95)
    twice = {account for accounts in task.either.values() for account in accounts}
    assert twice
    assert twice.isdisjoint(task.truth.values())


def test_names_from_other_scripts_are_rarely_taken_for_another(tmp_path: Path) -> None:
    _assert_found(matching_scripts.elsewhere(SEED, 200), tmp_path, 0.95, 0.55)


def test_the_same_seed_makes_the_same_set() -> None:
    assert matching_sets.invented(SEED, 50) == matching_sets.invented(SEED, 50)
    assert matching_sets.invented(SEED, 50) != matching_sets.invented(SEED + 1, 50)
    assert matching_lists.grown(SEED, 50).leads.equals(matching_lists.grown(SEED, 50).leads)
