"""Rows in bulk: COPY into a temporary table, from which INSERT ... SELECT goes on; COPY out into a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    import pandas as pd


def staging(connection: Connection, name: str, like: Table, columns: Sequence[str]) -> str:
    """A temporary table with the named columns of a ledger table, gone with the transaction."""
    listed = ", ".join(f'"{column}"' for column in columns)
    connection.exec_driver_sql(f'drop table if exists pg_temp."{name}"')
    connection.exec_driver_sql(
        f'create temporary table "{name}" on commit drop as select {listed} from "{like.name}" with no data'
    )
    return name


def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """COPY tuples into a table of this transaction and return their number.

    Dicts and lists go as jsonb, tuples as arrays.
    """
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 0
    with connection.connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([_adapted(value) for value in row])
            count += 1
    return count


def _adapted(value: Any) -> Any:
    if isinstance(value, dict | list):
        return Jsonb(value)
    return list(value) if isinstance(value, tuple) else value


def copy_frame(connection: Connection, table: str, frame: pd.DataFrame) -> int:
    """COPY a frame, its columns by name; missing values become null."""
    objects = frame.astype(object)
    rows = objects.where(objects.notna(), None).itertuples(index=False, name=None)
    return copy_rows(connection, table, list(frame.columns), rows)


def stage_rows(
    connection: Connection, name: str, like: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Rows in a temporary table `name`, typed like the ledger table they are meant for."""
    staging(connection, name, like, columns)
    return copy_rows(connection, name, columns, rows)


def copy_out(connection: Connection, select: str, values: Mapping[str, Any], path: Path) -> int:
    """COPY the rows of a select into a CSV file with a header and return their number; memory stays flat.

    `select` names its values as %(name)s. An empty field is a null, a quoted empty one an empty text.
    """
    cursor = connection.connection.cursor()
    with (
        path.open("wb") as file,
        cursor.copy(f"copy ({select}) to stdout (format csv, header)", values) as copy,
    ):
        for block in copy:
            file.write(block)
    return int(cursor.rowcount)


def refresh_statistics(connection: Connection, *tables: str) -> None:
    """Tell the planner what a large write left: it plans the next stage for what was there before, else."""
    connection.exec_driver_sql("analyze " + ", ".join(f'"{table}"' for table in tables))
