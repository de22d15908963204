"""Background processes that are found again and stopped whole: each leads a session, its pid lies in a file."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

_GRACE = 10.0  # seconds between asking a process to end and ending it


def start(
    name: str, command: Sequence[str], *, folder: Path, cwd: Path, environment: Mapping[str, str]
) -> None:
    """Start `command` as the leader of a session of its own; its output goes to `folder`/`name`.log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        started = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    born = psutil.Process(started.pid).create_time()
    (folder / f"{name}.pid").write_text(json.dumps({"pid": started.pid, "born": born}))


def alive(folder: Path) -> frozenset[str]:
    """The names of the processes started in `folder` that still run."""
    return frozenset(file.stem for file in folder.glob("*.pid") if _leads(file))


def started(folder: Path) -> frozenset[str]:
    """The names of the processes started in `folder` and not yet stopped, running or not."""
    return frozenset(file.stem for file in folder.glob("*.pid"))


def stop(folder: Path) -> frozenset[str]:
    """End every process started in `folder` with all it started; the names of those that still ran."""
    names = alive(folder)
    files = list(folder.glob("*.pid"))
    asked = _tell_all(files, psutil.Process.terminate)
    deadline = time.monotonic() + _GRACE
    while any(map(_runs, asked)) and time.monotonic() < deadline:
        time.sleep(0.05)
    _tell_all(files, psutil.Process.kill)
    for file in files:
        file.unlink()
    return names


def tail(folder: Path, name: str, lines: int = 15) -> str:
    """The last lines that a process wrote."""
    log = folder / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def _leads(file: Path) -> bool:
    """Whether the process of a pid file runs: the same one, not a later one with its number."""
    noted = json.loads(file.read_text())
    try:
        leader = psutil.Process(noted["pid"])
        return abs(leader.create_time() - noted["born"]) < 1 and _runs(leader)
    except psutil.NoSuchProcess:
        return False


def _runs(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and only waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _tell_all(files: Sequence[Path], what: Callable[[psutil.Process], None]) -> list[psutil.Process]:
    members = [member for file in files for member in _members(file)]
    for member in members:
        with suppress(psutil.NoSuchProcess):
            what(member)
    return members


def _members(file: Path) -> list[psutil.Process]:
    """All that run in the session that the process of a pid file led, also after its own end."""
    noted = json.loads(file.read_text())
    return [
        process
        for process in psutil.process_iter(["create_time"])
        if process.info["create_time"] >= noted["born"] - 1
        and _session(process.pid) == noted["pid"]
        and _runs(process)
    ]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
