"""One function, answered by several processes that share what it holds: the same answers in the same order."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

SLICE: Final = 500
"""what a process takes at a time"""

_answers: list[Callable[[Sequence[Any]], list[Any]]] = []
"""the function, in the process that was made to answer it"""


@contextmanager
def shared(
    answers: Callable[[Sequence[Any]], list[Any]], processes: int
) -> Iterator[Callable[[Sequence[Any]], Iterable[Any]]]:
    """The function, which answers each by itself, done by so many processes; by this one where it cannot be copied.

    The processes are copies of this one, so that what the function holds is there once.
    """
    if processes < 2 or not _can_copy():
        yield answers
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _begin, (answers,)) as pool:
        pool.submit(_answer, ()).result()  # all are made with the first
        yield lambda asked: chain.from_iterable(pool.map(_answer, _slices(asked)))


def _can_copy() -> bool:
    forks = "fork" in multiprocessing.get_all_start_methods()
    return forks and not multiprocessing.current_process().daemon


def _begin(answers: Callable[[Sequence[Any]], list[Any]]) -> None:
    gc.freeze()  # what was there is not looked through again
    # What the copied process does when it is told to end is not for its copies: they would outlive it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _answers.append(answers)


def _answer(asked: Sequence[Any]) -> list[Any]:
    return _answers[-1](asked)


def _slices(asked: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (asked[start : start + SLICE] for start in range(0, len(asked), SLICE))
