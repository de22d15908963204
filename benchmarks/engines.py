"""Databases of their own for a benchmark, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import sqlalchemy as sa

from clearlane import ledger
from clearlane.ledger import server

Execute = Callable[[str], list[tuple[Any, ...]]]
SETTINGS = {
    **server.THROWAWAY,
    "shared_buffers": "1GB",
    "work_mem": "256MB",
    "max_wal_size": "8GB",
    "jit": "off",
}


@contextmanager
def _running() -> Iterator[server.Server]:
    with tempfile.TemporaryDirectory() as folder:
        running = server.start(Path(folder), ["bench"], settings=SETTINGS)
        try:
            yield running
        finally:
            running.stop()
            server.erase(Path(folder))


@contextmanager
def postgres() -> Iterator[Execute]:
    with _running() as running:
        address = running.url("bench").replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            yield lambda query: _rows(connection.execute(query))


def _rows(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return cursor.fetchall() if cursor.description else []


@contextmanager
def in_process() -> Iterator[Execute]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/bench.duckdb") as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield lambda query: connection.execute(query).fetchall()


@contextmanager
def empty_ledger() -> Iterator[sa.Engine]:
    """A migrated ledger without a row."""
    with _running() as running:
        ledger.migrate(running.url("bench"))
        engine = ledger.connect(running.url("bench"))
        try:
            yield engine
        finally:
            engine.dispose()
