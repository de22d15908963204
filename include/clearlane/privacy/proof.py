"""The proof that nothing is left: a search over every column of every table there is, and over folders.

Tables and columns come from the database's own catalogue, so a table that is new tomorrow is searched too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.privacy import finding, wording

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
    return and_folders(again(connection, everywhere(connection, wanted), wanted), wanted, folders)


def everywhere(connection: Connection, values: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Table -> where the rows stand that say a value, alone or inside another; of every table there is."""
    its = finding.tables(connection).items()
    return {table: finding.rows(connection, table, columns, values) for table, columns in its}


def again(connection: Connection, rows: Mapping[str, Sequence[str]], values: Sequence[str]) -> Searched:
    """Look at those rows of each table, and at all that were written by this transaction or since."""
    its = finding.tables(connection)
    found = [
        Found(f"{table}.{column}", count, table in STAFF)
        for table, columns in its.items()
        for column, count in _counts(connection, table, columns, rows.get(table, ()), values)
    ]
    return Searched(sum(map(len, its.values())), 0, tuple(found))


def and_folders(searched: Searched, values: Sequence[str], folders: Sequence[Path]) -> Searched:
    """What was searched and found, and every file of the folders with it."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = _in_files(files, values)
    return replace(searched, files=searched.files + len(files), found=(*searched.found, *found))


def _counts(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[str], values: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """Columns in which a value stands, each with the number of rows."""
    quoted = [connection.dialect.identifier_preparer.quote(column) for column in columns]
    of = _LOOKED_AT.format(connection.dialect.identifier_preparer.quote(table))
    asked = {"rows": list(rows), "hints": wording.hints(values)}
    if values and connection.execute(sa.text(_saying(quoted, of)), asked).scalar_one():
        counts = connection.execute(
            sa.text(_counting(quoted, of)), asked | {"pattern": wording.pattern(values)}
        ).one()
        yield from ((column, int(count)) for column, count in zip(columns, counts, strict=True) if count)


def _saying(columns: Sequence[str], of: str) -> str:
    return f"select {finding.among(wording.together(columns))} from {of}"


def _counting(columns: Sequence[str], of: str) -> str:
    counts = (f"count(*) filter (where cast({column} as text) ~* :pattern)" for column in columns)
    return f"select {', '.join(counts)} from {of} where {wording.together(columns)} {finding.SAYS}"


def _in_files(files: Sequence[Path], values: Sequence[str]) -> Iterator[Found]:
    for path in files:
        text = f"{path}\n{path.read_bytes().decode(errors='replace')}"
        said = wording.said_in(text, values)
        if said and re.search(wording.pattern(said), text, re.IGNORECASE):
            yield Found(path.name, 1)


# A transaction's age is counted from this one: 0 is this one itself, and what began later is younger.
_LOOKED_AT: Final = """(
    select * from {0} where ctid = any(cast(:rows as tid[])) and age(xmin) > 0
    union all select * from {0} where age(xmin) <= 0
) looked_at"""
