"""A sender that is killed when the mail server has the message: one marked repeat, within the window, then no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.route.firms import MONDAY_NOON
from tests.sla.mails.desk import MINUTE, Desk
from tests.sla.mails.sink import Sink, serving

from clearlane.sla.mails import Sent
from clearlane.sla.mails.claims import LEASE

ROOT = Path(__file__).resolve().parents[3]


def test_a_sender_killed_after_the_message_leaves_one_marked_repeat(ledger_url: str, desk: Desk) -> None:
    desk.owe(desk.suspended("a"))
    with serving(Sink(silent=1)) as sink:
        dying = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.sla.mails.worker",
                ledger_url,
                str(sink.port),
                MONDAY_NOON.isoformat(),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'include'}{os.pathsep}{ROOT}"},
        )
        assert sink.came.acquire(timeout=60)
        dying.kill()
        dying.wait()
    assert desk.states() == ["owed"]
    assert desk.send(MONDAY_NOON + MINUTE).sent == 0  # the claim of the dead still holds
    assert desk.send(MONDAY_NOON + LEASE + MINUTE) == Sent(sent=1, again=1)
    (first,), (second,) = sink.got, desk.box.got
    assert (first["X-Clearlane-Repeat"], second["X-Clearlane-Repeat"]) == (None, "yes")
    assert first["Message-ID"] == second["Message-ID"]
