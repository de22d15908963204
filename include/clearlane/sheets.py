"""What is given without a ledger: a CSV or Parquet file, or a frame, as rows of texts.

Every column is read as text, so that what cannot be read is named with its file, line and column.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from clearlane.rules import Dialect
from clearlane.rules.sql import quoted, text_literal

PARQUET = (".parquet", ".pq")
_CHUNK = 1 << 20


class Unreadable(ValueError):
    """Something given cannot be read; the text names file, line and column."""

    def __init__(
        self, where: str, reason: str, *, line: int | None = None, column: str | None = None
    ) -> None:
        self.where, self.reason, self.line, self.column = where, reason, line, column
        parts = [where, f"line {line}" if line else "", f"column {column}" if column else ""]
        super().__init__(f"{', '.join(part for part in parts if part)}: {reason}")


@dataclass(frozen=True)
class Sheet:
    """Rows of texts. `relation` has the columns t0, t1, ... in the order of `columns`; read it once."""

    name: str
    columns: tuple[str, ...]
    relation: str
    found: Callable[[int, int], tuple[int, str]]
    """(row from 1, column from 0) -> its line in a CSV file, else the row; and its text."""
    broken: Callable[[Exception], Unreadable]
    """What the failure to read the relation means."""

    def raw(self, column: str) -> str:
        """The SQL name of a column."""
        return f"t{self.columns.index(column)}"

    def refused(self, row: int, column: str, reason: str) -> Unreadable:
        """Why the cell of this row cannot be used."""
        line, text = self.found(row, self.columns.index(column))
        shown = f"found '{text[:80]}', {reason}" if text else reason
        return Unreadable(self.name, shown, line=line, column=column)


def of_file(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> Sheet:
    """The sheet of a .parquet file, or of a comma-separated UTF-8 file with a header."""
    if not path.is_file():
        raise Unreadable(str(path), "there is no such file")
    reads = _of_parquet if path.suffix.lower() in PARQUET else _of_csv
    return reads(connection, name, path)


def of_frame(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> Sheet:
    """The sheet of a frame; missing values are empty cells."""
    columns = _unique(name, [str(column) for column in frame.columns])
    texts = pd.DataFrame({f"t{i}": _texts(frame.iloc[:, i]) for i in range(len(columns))})
    connection.register(f"given {name}", texts)
    return Sheet(
        name, columns, f'"given {name}"',
        lambda row, column: (row, str(texts.iat[row - 1, column])),
        lambda error: Unreadable(name, _first_line(error)),
    )  # fmt: skip


def _texts(column: pd.Series) -> pd.Series:
    return column.astype("object").where(column.notna(), None).astype("str")


def write(frame: pd.DataFrame, out: Path) -> None:
    """Write a frame, Parquet or CSV by the file's ending, whole or not at all."""
    unfinished = out.with_name(f".{out.name}.unfinished")
    if out.suffix.lower() in PARQUET:
        frame.to_parquet(unfinished, index=False)
    else:
        frame.to_csv(unfinished, index=False)
    os.replace(unfinished, out)


# --- Parquet ---


def _of_parquet(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> Sheet:
    source = f"read_parquet({text_literal(str(path), Dialect.DUCKDB)})"

    def broken(error: Exception) -> Unreadable:
        return Unreadable(str(path), f"not a Parquet file that can be read: {_first_line(error)}")

    try:
        names = [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
    except duckdb.Error as error:
        raise broken(error) from None
    casts = [f"cast({quoted(name, Dialect.DUCKDB)} as varchar) as t{i}" for i, name in enumerate(names)]
    relation = f"(select {', '.join(casts)} from {source})"

    def found(row: int, column: int) -> tuple[int, str]:
        picked = connection.execute(f"select t{column} from {relation} limit 1 offset {row - 1}").fetchone()
        return row, str(picked[0]) if picked and picked[0] is not None else ""

    return Sheet(str(path), _unique(str(path), names), relation, found, broken)


# --- CSV ---


def _of_csv(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> Sheet:
    columns = _unique(str(path), _header(path))

    def broken(error: Exception) -> Unreadable:
        return _structure(path, len(columns)) or Unreadable(str(path), _first_line(error))

    try:
        connection.register(f"given {name}", _reader(path, len(columns)))
    except pa.ArrowInvalid as error:
        raise broken(error) from None
    if _has_odd_quotes(path) and (wrong := _structure(path, len(columns))):
        raise wrong
    return Sheet(str(path), columns, f'"given {name}"', lambda row, column: _cell(path, row, column), broken)


def _reader(path: Path, columns: int) -> pa.RecordBatchReader:
    names = [f"t{i}" for i in range(columns)]
    return arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(column_names=names, skip_rows_after_names=1),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _header(path: Path) -> list[str]:
    _, cells = next(_records(path), (1, None))
    return cells or []


def _has_odd_quotes(path: Path) -> bool:
    """A quote that is never closed would swallow the rows behind it without a word."""
    with path.open("rb") as file:
        return sum(chunk.count(b'"') for chunk in iter(lambda: file.read(_CHUNK), b"")) % 2 == 1


def _structure(path: Path, columns: int) -> Unreadable | None:
    """The first record of a broken file that is not as the header says."""
    for line, cells in _records(path, strict=True):
        if cells is None:
            return Unreadable(str(path), "a quote opens here that is not closed as it should be", line=line)
        if len(cells) != columns:
            return Unreadable(str(path), f"found {len(cells)} cells, the header names {columns}", line=line)
        if any("\ufffd" in cell for cell in cells) and not _is_text(path, line):
            return Unreadable(str(path), "not UTF-8", line=line)
    return None


def _is_text(path: Path, line: int) -> bool:
    """Whether the bytes of the line are UTF-8; the replacement character may stand in a text by right."""
    with path.open("rb") as file:
        raw = next((text for number, text in enumerate(file, start=1) if number == line), b"")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _cell(path: Path, row: int, column: int) -> tuple[int, str]:
    """Line and text of a cell; the header is row 0."""
    line, cells = next(record for number, record in enumerate(_records(path)) if number == row)
    return line, cells[column] if cells else ""


def _records(path: Path, *, strict: bool = False) -> Iterator[tuple[int, list[str] | None]]:
    """Each record that is not an empty line, with the line on which it starts; None where one never ends."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader, start = csv.reader(file, strict=strict), 1
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start = reader.line_num + 1
        except csv.Error:
            yield start, None


def _unique(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    if not columns:
        raise Unreadable(name, "it is empty: the first line must name the columns", line=1)
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise Unreadable(name, "this column is there twice", line=1, column=twice[0])
    return tuple(columns)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
