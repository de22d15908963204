"""One Airflow for all DAG tests: its environment is set before it is imported, its database made once.

Airflow's database and the ledger stand on the session's PostgreSQL; every test has a ledger of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.e2e.rivers import flowing

from clearlane.ledger import server
from clearlane_airflow.settings import PYTHONPATH, environment

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/dags/"):
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="session")
def airflow_home(ledger_server: server.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An initialised Airflow. It must not have been imported before: its settings are read at import."""
    assert "airflow" not in sys.modules, "a test imported airflow before its environment was set"
    home = tmp_path_factory.mktemp("airflow")
    settings = environment(
        home=home,
        metadata_url=ledger_server.url("airflow", driver="psycopg2"),
        ledger_url=ledger_server.url("airflow"),
        secret="only for tests",
    )
    os.environ.update({name: value for name, value in settings.items() if name != "PYTHONPATH"})
    os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
    sys.path[:0] = [str(folder) for folder in PYTHONPATH if str(folder) not in sys.path]
    from airflow.utils.db import initdb

    initdb()
    yield home
    from airflow.settings import dispose_orm

    dispose_orm()


@pytest.fixture(scope="session")
def dagbag(airflow_home: Path) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(ROOT / "dags")
    for dag in found.dags.values():
        # `dag.test` of 3.3 breaks off at the end of a run that has a deadline: see clearlane_airflow.defaults.
        dag.deadline = None
    return found


@contextmanager
def found_by_tasks(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """The engine of the ledger of an address, which the tasks of this test find too."""
    from clearlane_airflow import connections

    monkeypatch.setenv(connections.LEDGER_URL, url)
    connections._engine.cache_clear()
    engine = connections._engine(url)
    yield engine
    engine.dispose()
    connections._engine.cache_clear()


@pytest.fixture
def ledger(airflow_home: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """This test's own ledger, with nothing in it."""
    with found_by_tasks(ledger_url, monkeypatch) as engine:
        yield engine


@pytest.fixture(scope="session")
def company(exports: Path) -> Path:
    return exports


@pytest.fixture
def published(
    airflow_home: Path, ledger_server: server.Server, no_day: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sa.Engine]:
    """A ledger with the default policy in force, reading the small company."""
    with (
        flowing(ledger_server, "published", no_day),
        found_by_tasks(ledger_server.url("published"), monkeypatch) as engine,
    ):
        yield engine


@pytest.fixture
def flowed(
    airflow_home: Path, ledger_server: server.Server, all_days: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sa.Engine]:
    """That ledger after the company's days, without Airflow: as `lead_flow` leaves it."""
    with (
        flowing(ledger_server, "flowed", all_days),
        found_by_tasks(ledger_server.url("flowed"), monkeypatch) as engine,
    ):
        yield engine
