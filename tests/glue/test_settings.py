"""settings.env names options that Airflow has, and heavy imports happen where tasks are forked."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clearlane_airflow import settings

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every option of Airflow's core, by the name of its environment variable."""
    spec = importlib.util.find_spec("airflow")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("Airflow is not installed")
    described = Path(spec.submodule_search_locations[0]) / "config_templates" / "config.yml"
    sections = yaml.safe_load(described.read_text())
    return {
        f"AIRFLOW__{section}__{option}".upper()
        for section, content in sections.items()
        for option in content["options"]
    }


def everything(home: Path) -> dict[str, str]:
    named = {"metadata_url": "postgresql+psycopg2://", "ledger_url": "postgresql+psycopg://", "secret": "s"}
    return {**settings.environment(home=home, **named), **settings.log_ports()}


def test_airflow_knows_every_option(options: set[str], tmp_path: Path) -> None:
    asked = {name for name in everything(tmp_path) if name.startswith("AIRFLOW__")}
    known_to_the_auth_manager = {
        name for name in asked if name.startswith("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_")
    }
    assert len(asked) > 15
    assert asked - options - known_to_the_auth_manager == set()


def test_every_folder_on_the_path_exists() -> None:
    assert all(folder.is_dir() for folder in settings.PYTHONPATH)


def test_every_value_is_one_that_a_shell_and_compose_read_alike() -> None:
    assert all(value and not set(value) & set("\"'$# ") for value in settings.shared().values())


def test_the_log_ports_differ() -> None:
    assert len(set(settings.log_ports().values())) == 2


def imported(component: str) -> set[str]:
    """What a process of Airflow has imported before it does anything of its own."""
    asks = "import sys, airflow_local_settings as _; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asks, component],
        env={**settings.shared(), "PYTHONPATH": ":".join(map(str, settings.PYTHONPATH))},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"great_expectations", "phonenumbers", "sqlglot"}


def test_the_parent_of_tasks_has_the_heavy_imports_and_nothing_of_ours() -> None:
    found = imported("scheduler")
    assert found >= HEAVY
    assert {name for name in found if name.startswith("clearlane")} == set()


def test_no_other_process_has_heavy_imports() -> None:
    assert not imported("dag-processor") & HEAVY
