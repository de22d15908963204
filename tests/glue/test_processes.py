"""Background processes are found again, and stopping them leaves nobody behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.waiting import until

from clearlane_airflow import processes

# A parent that starts a child of its own, tells both pids, and ends at nothing but a signal.
FAMILY = """
import os, signal, subprocess, sys
{deaf}
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(os.getpid(), child.pid, flush=True)
signal.pause()
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.stop(tmp_path)


def test_what_is_started_is_found(folder: Path) -> None:
    _family(folder)
    assert processes.alive(folder) == processes.started(folder) == {"family"}


def test_stopping_ends_parent_and_child(folder: Path) -> None:
    pids = _family(folder)
    assert processes.stop(folder) == {"family"}
    assert not any(map(_runs, pids))
    assert processes.started(folder) == frozenset()


def test_a_child_whose_parent_was_killed_is_ended_too(folder: Path) -> None:
    parent, child = _family(folder)
    os.kill(parent, 9)
    until(lambda: not _runs(parent))
    assert _runs(child)
    assert processes.alive(folder) == frozenset()
    assert processes.started(folder) == {"family"}
    processes.stop(folder)
    assert not _runs(child)


def test_one_that_does_not_listen_is_ended_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.2)
    pids = _family(folder, deaf=DEAF)
    processes.stop(folder)
    until(lambda: not any(map(_runs, pids)))


def test_another_process_with_the_same_number_is_left_alone(folder: Path) -> None:
    (folder / "old.pid").write_text(f'{{"pid": {os.getpid()}, "born": 0}}')
    assert processes.alive(folder) == frozenset()


def test_what_it_said_can_be_read(folder: Path) -> None:
    _family(folder)
    assert len(processes.tail(folder, "family").split()) == 2
    assert processes.tail(folder, "nobody") == ""


def test_stopping_nothing_stops_nothing(folder: Path) -> None:
    assert processes.stop(folder) == frozenset()


def _family(folder: Path, deaf: str = "") -> tuple[int, int]:
    command = [sys.executable, "-c", FAMILY.format(deaf=deaf)]
    processes.start("family", command, folder=folder, cwd=folder, environment={})
    until(lambda: processes.tail(folder, "family").count(" ") == 1)
    parent, child = processes.tail(folder, "family").split()
    return int(parent), int(child)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
