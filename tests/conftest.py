"""Fixtures of every test: an embedded PostgreSQL with a fresh ledger each, shared data, no network.

One server serves the whole session. A test that asks for `ledger_url` gets a database of its own, cloned from
a migrated template in some hundredths of a second, and leaves nothing behind.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from tests.companies import WINDOWS, policy_for, write_company
from tests.e2e.rivers import flowing
from tests.orphans import erase_orphans, own_folder

from clearlane import ledger
from clearlane.ledger import server

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "ledger_template"
MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30
_numbers = itertools.count(1)

# The command line reads its width when it is imported: of a test, never of the terminal that the tests run in.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

hypothesis.settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True)
hypothesis.settings.register_profile("full", max_examples=1000, deadline=None)
hypothesis.settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "ledger_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ledger)


# -- the share of each worker ----------------------------------------------------------------------

TOGETHER = {
    "tests/dags/": "tests/dags",  # one Airflow
    "tests/sla/test_figures.py": "weeks", "tests/sla/test_speed.py": "weeks", "tests/sla/test_weekly.py": "weeks",
}  # fmt: skip
"""Beginnings of names of tests that one worker runs, because what they share is costly to make."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """File by file, those of TOGETHER with each other; None for any other `--dist` than `loadfile`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Shares(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            own = super()._split_scope(nodeid)
            return next((group for start, group in TOGETHER.items() if nodeid.startswith(start)), own)

    return Shares(config, log)


# -- the ledger ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def ledger_server() -> Iterator[server.Server]:
    """The session's PostgreSQL, with an empty database `airflow` for the tests of the DAGs."""
    folder = _quick_folder()
    erase_orphans(folder)
    directory = own_folder(folder)
    yield server.start(directory, ["airflow"], settings=server.THROWAWAY)
    server.erase(directory)


@pytest.fixture(scope="session")
def ledger_template(ledger_server: server.Server) -> str:
    """The name of a database that holds the ledger's tables and not one row."""
    ledger_server.create(TEMPLATE)
    ledger.migrate(ledger_server.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def ledger_url(ledger_server: server.Server, ledger_template: str) -> Iterator[str]:
    """The address of an empty ledger of this test alone."""
    database = f"test_{next(_numbers)}"
    ledger_server.create(database, ledger_template)
    yield ledger_server.url(database)
    ledger_server.drop(database)


@pytest.fixture
def ledger_engine(ledger_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(ledger_url)
    yield engine
    engine.dispose()


# -- the small company, and ledgers to copy --------------------------------------------------------


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small generated company's exports."""
    return write_company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="session")
def no_day(ledger_server: server.Server, ledger_template: str, exports: Path) -> Iterator[str]:
    """The name of a ledger with the company's policy in force and nobody in it."""
    with flowing(ledger_server, "no_day", ledger_template) as river:
        river.publish(policy_for(exports))
        river.engine.dispose()
        yield "no_day"


@pytest.fixture(scope="session")
def first_day(ledger_server: server.Server, no_day: str) -> Iterator[str]:
    """The name of a ledger after the company's first day."""
    with flowing(ledger_server, "first_day", no_day) as river:
        river.run(WINDOWS[0])
        river.engine.dispose()
        yield "first_day"


@pytest.fixture(scope="session")
def all_days(ledger_server: server.Server, first_day: str) -> Iterator[str]:
    """The name of a ledger after all days of the company, one after the other."""
    with flowing(ledger_server, "all_days", first_day) as river:
        for window in WINDOWS[1:]:
            river.run(window)
        river.engine.dispose()
        yield "all_days"


# -- where the server stands -----------------------------------------------------------------------


def _quick_folder() -> Path:
    """Memory where it has room and may hold programs, else the disk.

    A database is 400 files; to make and drop one cost 0.04 s of processor in memory and 0.4 s on an ext4 disk.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        runs_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        if runs_programs and shutil.disk_usage(MEMORY).free >= ENOUGH:
            return MEMORY
    return Path(tempfile.gettempdir())


# -- Spark -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A Spark session in this process; skips where pyspark or Java is missing. `make test-spark` has both."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: make test-spark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "1", "spark.ui.enabled": "false",
    }  # fmt: skip
    session = sql.SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


# -- data and network ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party data, which is no part of the project; skips where it is missing."""
    named = os.environ.get("CLEARLANE_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no third-party data at {folder} (CLEARLANE_SHARED_DATA names another folder)")
    return folder


class NetworkBlocked(RuntimeError):
    """A test reached for the network."""


@pytest.fixture(scope="session", autouse=True)
def _only_this_machine() -> Iterator[None]:
    """Sockets and name look-ups of this process stay on the loopback address and on Unix sockets."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _stays(self.family, address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _stays(self.family, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        _is_here(host)
        return getaddrinfo(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _stays(family: int, address: Any) -> None:
    if family in (socket.AF_INET, socket.AF_INET6):
        _is_here(address[0])


def _is_here(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    here = name in (None, "", "localhost", "::1", "0.0.0.0", "::", socket.gethostname())
    if not here and not str(name).startswith("127."):
        raise NetworkBlocked(f"a test reached for {name}; tests use the loopback address only")
