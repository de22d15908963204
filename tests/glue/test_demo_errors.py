"""What the demo says when it cannot go on."""

from __future__ import annotations

import pytest
import typer

from clearlane_airflow import demo

TAIL = "[2026-11-22T09:00:00] {scheduler.py:1} [/usr/lib] no such [file]"


def test_the_end_of_a_log_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), demo._plain_errors():
        raise demo.Stopped(TAIL)
    assert TAIL in capsys.readouterr().out
