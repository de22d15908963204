"""What is given without a ledger: a CSV or Parquet file, or a frame, as rows of texts.

Every column is read as text, so that what cannot be read is named with its file, line and column.
"""

from __future__ import annotations

import csv
import os
import re
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
DELIMITERS = ",;\t|"
_CHUNK = 1 << 20
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_NO_TEXT = "not UTF-8: save it as `CSV UTF-8`"


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
    """The sheet of a .parquet file, or of a CSV file with a header, in UTF-8 or, by its mark, in UTF-16.

    The delimiter is found from the header; a first line `sep=;`, as Excel reads it, is passed over.
    """
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
    form = _form(path)
    columns = _unique(str(path), _named(_header(form)))

    def broken(error: Exception) -> Unreadable:
        return _structure(form, len(columns)) or Unreadable(str(path), _first_line(error))

    try:
        connection.register(f"given {name}", _reader(form, len(columns)))
    except pa.ArrowInvalid as error:
        raise broken(error) from None
    if _has_odd_quotes(path) and (wrong := _structure(form, len(columns))):
        raise wrong
    return Sheet(str(path), columns, f'"given {name}"', lambda row, column: _cell(form, row, column), broken)


@dataclass(frozen=True)
class _Form:
    """How a CSV file is written; `above`: lines before its header."""

    path: Path
    encoding: str
    delimiter: str
    above: int


def _form(path: Path) -> _Form:
    with path.open("rb") as file:
        start = file.read(4)
    if start in _BOOKS:
        raise Unreadable(str(path), "an Excel workbook or zip archive: save the sheet as `CSV UTF-8`")
    encoding = "utf-16" if start[:2] in _UTF_16 else "utf-8-sig"
    with path.open(encoding=encoding, errors="replace") as text:
        lines = [text.readline(), text.readline()]
    above = int(re.fullmatch(r"sep=.\s*", lines[0]) is not None)
    line = lines[above]
    return _Form(
        path,
        encoding,
        max(DELIMITERS, key=lambda one: len(next(csv.reader([line], delimiter=one), ()))),
        above,
    )


def _reader(form: _Form, columns: int) -> pa.RecordBatchReader:
    names = [f"t{i}" for i in range(columns)]
    encoding = "utf-16" if form.encoding == "utf-16" else "utf8"
    return arrow_csv.open_csv(
        form.path,
        read_options=arrow_csv.ReadOptions(
            column_names=names, skip_rows_after_names=1 + form.above, encoding=encoding
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=form.delimiter),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _header(form: _Form) -> list[str]:
    _, cells = next(_records(form), (1, None))
    return cells or []


def _named(header: Sequence[str]) -> list[str]:
    """The names without spaces around; a column without one has its position for a name."""
    return [name.strip() or f"column {position}" for position, name in enumerate(header, start=1)]


def _has_odd_quotes(path: Path) -> bool:
    """A quote that is never closed would swallow the rows behind it without a word."""
    with path.open("rb") as file:
        return sum(chunk.count(b'"') for chunk in iter(lambda: file.read(_CHUNK), b"")) % 2 == 1


def _structure(form: _Form, columns: int) -> Unreadable | None:
    """The first record of a broken file that is not as the header says."""
    path = form.path
    for line, cells in _records(form, strict=True):
        if cells is None:
            return Unreadable(str(path), "a quote opens here that is not closed as it should be", line=line)
        if any("\ufffd" in cell for cell in cells) and not _is_text(path, line):
            return Unreadable(str(path), _NO_TEXT, line=line)
        if len(cells) != columns:
            return Unreadable(str(path), f"found {len(cells)} cells, the header names {columns}", line=line)
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


def _cell(form: _Form, row: int, column: int) -> tuple[int, str]:
    """Line and text of a cell; the header is row 0."""
    line, cells = next(record for number, record in enumerate(_records(form)) if number == row)
    return line, cells[column] if cells else ""


def _records(form: _Form, *, strict: bool = False) -> Iterator[tuple[int, list[str] | None]]:
    """Each record that is not an empty line, with the line on which it starts; None where one never ends."""
    with form.path.open(encoding=form.encoding, errors="replace", newline="") as file:
        for _ in range(form.above):
            file.readline()
        reader, start = csv.reader(file, strict=strict, delimiter=form.delimiter), 1 + form.above
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start = reader.line_num + form.above + 1
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
