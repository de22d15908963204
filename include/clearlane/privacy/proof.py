"""The proof that nothing is left: a search over every column of every table there is, and over folders.

Tables and columns come from the database's own catalogue, so a table that is new tomorrow is searched too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
    pattern = wording.pattern(values)
    columns = connection.execute(_COLUMNS).all()
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    if not pattern:
        return Searched(len(columns), len(files), ())
    found = (*_in_tables(connection, columns, pattern), *_in_files(files, pattern))
    return Searched(len(columns), len(files), found)


def _in_tables(connection: Connection, columns: Sequence[sa.Row[Any]], pattern: str) -> Iterator[Found]:
    quoted = connection.dialect.identifier_preparer.quote
    for row in columns:
        table, column = row.table_name, row.column_name
        statement = f"select count(*) from {quoted(table)} where cast({quoted(column)} as text) ~* :pattern"
        count = int(connection.execute(sa.text(statement), {"pattern": pattern}).scalar_one())
        if count:
            yield Found(f"{table}.{column}", count, table in STAFF)


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
