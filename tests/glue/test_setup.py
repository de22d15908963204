"""What a newcomer meets first: which Python is taken, clear sentences, and locks that lock everything."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from clearlane_airflow import demo, settings

ROOT = settings.ROOT
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(\S+)", re.I | re.M)
ASKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)", re.I | re.M)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A Python of another time: it answers to --version and fails at everything else."""
    return script(tmp_path / "python3", '[ "$1" = --version ] && echo "Python 3.9.2" && exit; exit 1')


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def pythons(*named: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / ".ci" / "pythons"), *named], capture_output=True, text=True)


def test_a_python_that_fits_is_found() -> None:
    found = pythons()
    assert found.returncode == 0
    assert all(re.match(r"3\.1[123] /", line) for line in found.stdout.splitlines())


def test_one_that_does_not_fit_is_passed_over(old: Path) -> None:
    fits = pythons().stdout.split()[1]
    assert pythons(str(old), fits).stdout.split()[1] == fits


def test_an_old_python_is_named_in_a_sentence(old: Path) -> None:
    refused = pythons(str(old))
    assert refused.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in refused.stderr
    assert "Python 3.9.2" in refused.stderr
    assert "PYTHON=" in refused.stderr


def test_a_shim_that_points_nowhere_is_named_too(tmp_path: Path) -> None:
    refused = pythons(str(script(tmp_path / "shim", "echo command not found >&2; exit 127")))
    assert "nothing that runs" in refused.stderr


def test_a_busy_port_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(demo.Stopped, match=f"port {port} is busy.*make demo PORT="):
            demo._need_free(port)
    demo._need_free(port)


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_lock_holds_all_that_is_asked_for(name: str) -> None:
    lock = (ROOT / f"{name}.txt").read_text()
    pinned = {package.lower() for package, _ in PINNED.findall(lock)}
    asked = {package.lower() for package in ASKED.findall((ROOT / f"{name}.in").read_text())}
    assert len(asked) > 5
    assert asked - pinned == set()


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_the_lock_hashes_every_package_and_names_no_address(name: str) -> None:
    lock = (ROOT / f"{name}.txt").read_text()
    packages = re.split(r"\n(?=[a-z0-9])", lock, flags=re.I)[1:]
    assert len(packages) == len(PINNED.findall(lock))
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in lock
    assert "--index-url" not in lock


def test_both_locks_agree() -> None:
    runtime = set(PINNED.findall((ROOT / "requirements.txt").read_text()))
    development = set(PINNED.findall((ROOT / "requirements-dev.txt").read_text()))
    assert runtime <= development


def test_the_readme_names_commands_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.M))
    assert {"demo", "test"} <= named
    assert named - targets == set()
