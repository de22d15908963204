"""What CI runs: the workflows call the scripts that anyone may call, and the scripts say what became of each part."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))


def job(name: str) -> dict[str, Any]:
    [only] = workflow(name)["jobs"].values()
    return only


def test_ci_runs_on_each_python_that_is_supported() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ]
    first, end = (int(minor) for minor in re.fullmatch(r">=3\.(\d+),<3\.(\d+)", wanted).groups())  # type: ignore[union-attr]
    assert job("ci.yaml")["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(first, end)]


@pytest.mark.parametrize(("name", "script"), [("ci.yaml", ".ci/run"), ("nightly.yaml", ".ci/nightly")])
def test_a_workflow_only_calls_its_script(name: str, script: str) -> None:
    assert [step["run"] for step in job(name)["steps"] if "run" in step] == [script]
    assert (ROOT / script).stat().st_mode & 0o111


@pytest.mark.parametrize("path", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name)
def test_a_workflow_is_pinned_bounded_and_reads_only(path: Path) -> None:
    used = [step["uses"] for step in job(path.name)["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one) for one in used)
    assert workflow(path.name)["permissions"] == {"contents": "read"}
    assert job(path.name)["timeout-minutes"] <= 360


# --- the nightly script -----------------------------------------------------------------------------


@pytest.fixture
def nightly(tmp_path: Path) -> Any:
    """The script in a folder of its own, where `make` fails for what is named and there are these Pythons."""

    def run(*fails: str, pythons: str) -> subprocess.CompletedProcess[str]:
        programs = {
            ".ci/nightly": (ROOT / ".ci/nightly").read_text(encoding="utf-8"),
            ".ci/pythons": f"#!/bin/sh\nprintf '{pythons}'\n",
            "bin/make": f'#!/bin/sh\ncase " {" ".join(fails)} " in *" $1 "*) exit 2;; esac\n',
        }
        for name, text in programs.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
        return subprocess.run([tmp_path / ".ci/nightly"], capture_output=True, text=True, env={"PATH": path})

    return run


NEW, OLD = "3.13 /usr/bin/python3.13\\n", "3.11 /usr/bin/python3.11\\n"


@pytest.mark.parametrize(
    ("fails", "pythons", "told"),
    [
        ((), NEW, ["test-full: passed", "test-crm: passed"]),
        (("test-full",), NEW, ["test-full: failed", "test-crm: passed"]),
        ((), OLD, ["test-full: passed", "test-crm: could not run, it needs Python 3.12 or newer"]),
    ],
)
def test_the_night_says_what_became_of_each_part(
    nightly: Any, fails: tuple[str, ...], pythons: str, told: list[str]
) -> None:
    done = nightly(*fails, pythons=pythons)
    assert done.stdout.splitlines()[-2:] == told
    assert done.returncode == (1 if fails else 0)
