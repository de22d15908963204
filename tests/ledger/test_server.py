"""The embedded PostgreSQL starts, is joined, is found, stops, and lets only one start at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from clearlane.ledger import server


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # pytest's folders are closed to other accounts, as the home folder of root is.
    directory = tmp_path_factory.mktemp("server with a space")
    yield directory
    server.erase(directory)


@pytest.fixture
def started(directory: Path) -> server.Server:
    return server.start(directory, ["one"], settings=server.THROWAWAY)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_both_drivers_reach_a_database(started: server.Server, driver: str) -> None:
    assert _asked(started.url("one", driver), "select current_database()") == "one"


def test_times_are_utc_and_text_sorts_by_bytes(started: server.Server) -> None:
    assert _asked(started.url("one"), "show timezone") == "UTC"
    assert _asked(started.url("one"), "select 'Z' < 'a'") is True


def test_the_settings_asked_for_are_in_force(started: server.Server) -> None:
    assert _asked(started.url("one"), "show fsync") == "off"


def test_a_second_start_joins_the_first(directory: Path, started: server.Server) -> None:
    assert server.start(directory, ["one", "two"]) == started
    assert _asked(started.url("two"), "select current_database()") == "two"


def test_a_running_server_is_found(directory: Path, started: server.Server) -> None:
    assert server.running(directory) == started


def test_two_starts_at_once_make_one_server(tmp_path: Path) -> None:
    found: list[server.Server] = []
    threads = [threading.Thread(target=lambda: found.append(server.start(tmp_path))) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 2
        assert len(set(found)) == 1
    finally:
        server.erase(tmp_path)


def test_a_copy_holds_what_its_template_holds(started: server.Server) -> None:
    started.create("shape")
    _do(started.url("shape"), "create table seat (n int)")
    started.create("copy", "shape")
    assert _asked(started.url("copy"), "select count(*) from seat") == 0


def test_dropping_closes_open_connections(started: server.Server) -> None:
    started.create("gone")
    engine = sa.create_engine(started.url("gone"))
    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        started.drop("gone")
        with pytest.raises(sa.exc.DBAPIError):
            connection.execute(sa.text("select 1"))
    engine.dispose()


def test_data_survive_a_stop(directory: Path) -> None:
    first = server.start(directory, ["kept"])
    _do(first.url("kept"), "create table note as select 'still here' as text")
    first.stop()
    assert server.running(directory) is None
    first.stop()  # a stopped server stays stopped
    again = server.start(directory, settings=server.THROWAWAY)
    assert _asked(again.url("kept"), "select text from note") == "still here"


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "it's, here"
    try:
        started = server.start(deep, settings=server.THROWAWAY)
        assert len(os.fsencode(started.sockets)) < 80
        assert _asked(started.url("postgres"), "select 1") == 1
    finally:
        server.erase(deep)
    assert not started.sockets.exists()


def test_erasing_leaves_nothing(tmp_path: Path) -> None:
    home = server.start(tmp_path / "pg", settings=server.THROWAWAY).home
    server.erase(tmp_path / "pg")
    assert server.running(tmp_path / "pg") is None
    assert not home.exists()


def test_a_refusal_tells_what_postgresql_said(tmp_path: Path) -> None:
    with pytest.raises(server.ServerFailed, match="no_such_setting"):
        server.start(tmp_path, settings={"no_such_setting": "1"})
    server.erase(tmp_path)


def _asked(url: str, query: str) -> object:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(sa.text(query))
    finally:
        engine.dispose()


def _do(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
