"""Child processes that work on the ledger beside the test, and that may be killed."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

import sqlalchemy as sa

from clearlane.ledger import connect


def forked(work: Callable[[sa.Engine], object], url: str) -> int:
    """Run `work` in a child on an engine of its own; returns the child's pid."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work(connect(url))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """Wait for a child and return how it ended: 0, an exit code, or minus a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return ended(pid)


def waits_for_a_lock(connection: sa.Connection, pid: int) -> bool:
    """Does any backend of the database, other than ours, stand before a lock, or has the child ended?"""
    waiting = "select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"
    gone = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    assert gone is None, "the child ended before it reached the lock"
    return bool(connection.execute(sa.text(waiting)).scalar_one())
