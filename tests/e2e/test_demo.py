"""The newcomer's path: the demo comes up on a copy of the project, changes nothing the second time, goes down."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from clearlane.ledger import server
from clearlane_airflow import settings

pytestmark = [pytest.mark.full, pytest.mark.airflow]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout of its own, so that a demo of the developer's is left alone."""
    place = tmp_path_factory.mktemp("checkout")
    for name in ("include", "dags", "plugins"):
        shutil.copytree(settings.ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "data").mkdir()
    yield place
    demo(place, "erase")


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    """How long the first time took."""
    return {}


@pytest.fixture(scope="module")
def first(copy: Path, port: int, seconds: dict[str, float]) -> subprocess.CompletedProcess[str]:
    began = time.monotonic()
    done = demo(copy, "up", "--port", str(port))
    seconds["first"] = time.monotonic() - began
    return done


def test_the_demo_ends_with_the_way_in(first: subprocess.CompletedProcess[str], port: int) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"http://localhost:{port}" in first.stdout
    assert "password admin" in first.stdout


def test_every_lead_has_a_place(first: subprocess.CompletedProcess[str], copy: Path) -> None:
    leads, places = rows(copy, "lead where survivor_id = lead_id"), rows(copy, "place")
    assert leads > 1000
    assert places >= leads


def test_the_second_time_is_quick_and_changes_nothing(
    first: subprocess.CompletedProcess[str], copy: Path, port: int, seconds: dict[str, float]
) -> None:
    before = [rows(copy, table) for table in ("batch", "decision", "outbox", "lead_revision")]
    began = time.monotonic()
    again = demo(copy, "up", "--port", str(port))
    assert again.returncode == 0, again.stdout + again.stderr
    assert time.monotonic() - began < seconds["first"] / 2
    assert [rows(copy, table) for table in ("batch", "decision", "outbox", "lead_revision")] == before


def test_down_leaves_no_process(first: subprocess.CompletedProcess[str], copy: Path) -> None:
    assert demo(copy, "status").returncode == 0
    assert "scheduler" in demo(copy, "down").stdout
    assert demo(copy, "status").returncode == 1
    assert [process.cmdline() for process in psutil.process_iter() if belongs(process, copy)] == []


def demo(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clearlane_airflow.demo", *arguments],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "HOME": str(place), "PYTHONPATH": str(place / "include")},
        capture_output=True,
        text=True,
        timeout=3600,
    )


def rows(place: Path, table: str) -> int:
    running = server.running(place / ".demo" / "postgres")
    assert running is not None
    engine = sa.create_engine(running.url("clearlane"))
    with engine.connect() as connection:
        found = connection.scalar(sa.text(f"select count(*) from {table}"))
    engine.dispose()
    return int(found or 0)


def belongs(process: psutil.Process, place: Path) -> bool:
    """Whether a process works in the copy or for it; one that has ended, or is somebody else's, does not."""
    try:
        told = [process.cwd(), *process.cmdline(), *process.environ().values()]
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
    return any(str(place) in text for text in told)
