"""The proof that nothing is left: a search over every column of every table there is, and over folders.

Tables and columns come from the database's own catalogue, so a table that is new tomorrow is searched too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.privacy import wording

STAFF: Final = frozenset({"policy_file", "roster", "owner"})
"""what the company says of its own people and rules: erasing a lead leaves it, and the search says so apart"""


@dataclass(frozen=True)
class Found:
    """Where something is left: a table's column or a file, with the number of rows or 1; never the value itself."""

    where: str
    count: int
    staff: bool = False


@dataclass(frozen=True)
class Searched:
    columns: int
    files: int
    found: tuple[Found, ...]

    @property
    def left(self) -> int:
        """Rows and files that still tell of the person, but for the company's own lists of its people."""
        return sum(one.count for one in self.found if not one.staff)


def search(connection: Connection, values: Iterable[str], folders: Sequence[Path] = ()) -> Searched:
    """Look for the values in every text, JSON and array column of the ledger, and in every file of the folders."""
    wanted = tuple(values)
    columns = connection.execute(_COLUMNS).all()
    found = tuple(_in_tables(connection, columns, wanted)) if wanted else ()
    return and_folders(Searched(len(columns), 0, found), wanted, folders)


def and_folders(searched: Searched, values: Sequence[str], folders: Sequence[Path]) -> Searched:
    """What was searched and found, and every file of the folders with it."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = _in_files(files, wording.pattern(values)) if values else ()
    return replace(searched, files=searched.files + len(files), found=(*searched.found, *found))


def _in_tables(
    connection: Connection, columns: Sequence[sa.Row[Any]], values: Sequence[str]
) -> Iterator[Found]:
    asked = {"hint": wording.hint(values), "pattern": wording.pattern(values)}
    for table, its in groupby(columns, key=lambda row: str(row.table_name)):
        names = [str(row.column_name) for row in its]
        counts = connection.execute(sa.text(_counting(connection, table, names)), asked).one()
        for name, count in zip(names, counts, strict=True):
            if count:
                yield Found(f"{table}.{name}", int(count), table in STAFF)


def _counting(connection: Connection, table: str, columns: Sequence[str]) -> str:
    """The rows in which each column says it; one pass over the table, one look at most rows."""
    quoted = [connection.dialect.identifier_preparer.quote(column) for column in columns]
    counts = (f"count(*) filter (where cast({column} as text) ~* :pattern)" for column in quoted)
    rows = f"{connection.dialect.identifier_preparer.quote(table)} where {wording.together(quoted)} ~* :hint"
    return f"select {', '.join(counts)} from {rows}"


def _in_files(files: Sequence[Path], pattern: str) -> Iterator[Found]:
    wanted = re.compile(pattern, re.IGNORECASE)
    for path in files:
        if wanted.search(str(path)) or wanted.search(path.read_bytes().decode(errors="replace")):
            yield Found(path.name, 1)


_COLUMNS: Final = sa.text("""
select c.table_name, c.column_name
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
  and c.udt_name in ('text', 'varchar', 'bpchar', 'citext', 'json', 'jsonb', 'xml', '_text', '_varchar', 'bytea')
order by 1, 2
""")
