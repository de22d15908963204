"""Both engines, asked about the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import psycopg
import pytest

from clearlane.ledger.server import Server
from clearlane.rules import Dialect, Type
from clearlane.rules.sql import quoted

Ask = Callable[[Sequence[str], dict[str, Type], Sequence[dict[str, Any]]], list[tuple[Any, ...]]]
_PARAMETERS = {"number": "float8", "text": "text", "boolean": "boolean", "time": "timestamptz"}


def statement(found: Sequence[str], columns: dict[str, Type], dialect: Dialect, mark: str) -> str:
    read = [
        f"unnest(cast({mark} as {_PARAMETERS[kind]}[])) as {quoted(name, dialect)}"
        for name, kind in columns.items()
    ]
    return (
        f"select {', '.join(found)} from (select unnest(cast({mark} as int[])) as place_of_row, "
        f"{', '.join(read)}) as seen order by place_of_row"
    )


def by_column(columns: dict[str, Type], rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [list(range(len(rows))), *([row[name] for row in rows] for name in columns)]


@pytest.fixture(scope="module")
def postgres(ledger_server: Server) -> Iterator[psycopg.Connection[Any]]:
    ledger_server.create("rules")
    with psycopg.connect(ledger_server.url("rules").replace("+psycopg", ""), autocommit=True) as connection:
        yield connection
    ledger_server.drop("rules")


@pytest.fixture(scope="module")
def ask_postgres(postgres: psycopg.Connection[Any]) -> Ask:
    """Evaluates SQL expressions over rows given as parameters."""

    def ask(
        found: Sequence[str], columns: dict[str, Type], rows: Sequence[dict[str, Any]]
    ) -> list[tuple[Any, ...]]:
        sql = statement(found, columns, Dialect.POSTGRES, "%s")
        return postgres.execute(sql, by_column(columns, rows)).fetchall()

    return ask


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def ask_duckdb(duck: duckdb.DuckDBPyConnection) -> Ask:
    """Evaluates SQL expressions over rows given as parameters."""

    def ask(
        found: Sequence[str], columns: dict[str, Type], rows: Sequence[dict[str, Any]]
    ) -> list[tuple[Any, ...]]:
        sql = statement(found, columns, Dialect.DUCKDB, "?")
        return duck.execute(sql, by_column(columns, rows)).fetchall()

    return ask
