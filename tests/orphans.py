"""The folders of the sessions' servers: each after its process, those of killed sessions erased by the next one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from clearlane.ledger import server

_OURS = "clearlane-tests-"


def own_folder(folder: Path) -> Path:
    """Where the server of this process stands."""
    return folder / f"{_OURS}{os.getpid()}"


def erase_orphans(folder: Path) -> None:
    """Erase the servers of sessions that were killed before they could; one session at a time does."""
    with (folder / f"{_OURS.rstrip('-')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for directory in folder.glob(f"{_OURS}*"):
            pid = directory.name.removeprefix(_OURS)
            if directory.is_dir() and _ours(directory) and pid.isdigit() and not _alive(int(pid)):
                server.erase(directory)


def _ours(directory: Path) -> bool:
    try:
        return directory.stat().st_uid == os.geteuid()
    except FileNotFoundError:  # a session that ended meanwhile has erased its own
        return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
