"""Records of text files, CSV and JSON Lines, with their physical lines; a broken row costs only itself.

Lines end at `\\n`, `\\r\\n` or `\\r`, also mixed. A quote that is never closed costs the line it stands in.
What people and spreadsheets put around a table is no record: titles above the header, the header once more.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from io import TextIOBase
from itertools import islice
from typing import Any, Final

from clearlane.connectors.protocol import Broken, Raw

LONGEST_LINE: Final = 10_000_000  # characters: a file without line ends must not fill the memory
MOST_LINES: Final = 1_000  # of one quoted record: beyond, a quote was left open
DELIMITERS: Final = ",;\t|"
FIRST_LINES: Final = 20  # among which the header is looked for


class LineTooLong(ValueError):
    """A line beyond LONGEST_LINE: this is no text file."""


class Lines:
    """Physical lines, of which those of a record that failed can be given back."""

    def __init__(self, text: TextIOBase) -> None:
        self._text = text
        self._returned: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0
        """of the line handed out last"""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MOST_LINES:
            raise csv.Error(f"a quote that is still open after {MOST_LINES} lines")
        line = self._returned.popleft() if self._returned else self._text.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        if len(line) == LONGEST_LINE:
            raise LineTooLong(f"more than {LONGEST_LINE} characters in one line")
        self.number += 1
        self.taken.append(line)
        return line

    def begin(self) -> None:
        """A new record starts at the next line."""
        self.taken = []

    @property
    def first(self) -> int:
        return self.number - len(self.taken) + 1

    def give_up(self) -> str:
        """The record's first line; the others will be handed out again."""
        self.keep(1)
        return self.taken[0].rstrip("\r\n")

    def keep(self, number: int) -> None:
        """So many of the record's lines; the others will be handed out again."""
        others = self.taken[number:]
        self._returned.extendleft(reversed(others))
        self.number -= len(others)
        self.taken = self.taken[:number]


def csv_records(lines: Lines, delimiter: str | None, wanted: Collection[str] = ()) -> Iterator[Raw | Broken]:
    """The records below the header, unless it has none of the columns that are `wanted`: then it is another file.

    Columns without a name, or named twice, get one of their own.
    """
    header = _header(lines, delimiter, frozenset(wanted))
    if header is None:
        return
    delimiter, written = header
    if wanted and not _known(written, wanted):
        allowed = f"a header with some of {', '.join(wanted)}"[:500]
        found = "no column that the mapping names"
        yield Broken(", ".join(_named(written))[:1000], lines.number, found, allowed, whole=True)
        return
    columns = _named(written)
    for number, row in _rows(lines, delimiter, len(columns)):
        if isinstance(row, Broken):
            yield row
        elif row != written:
            yield Raw(dict(zip(columns, row, strict=True)), number)


def json_records(lines: Lines) -> Iterator[Raw | Broken]:
    """One JSON object a line; blank lines are skipped."""
    for line in lines:
        lines.begin()
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Broken(line.rstrip("\r\n"), lines.number, f"no JSON ({error})", "one JSON object a line")
            continue
        if isinstance(value, dict):
            yield Raw(value, lines.number)
        else:
            kind = type(value).__name__
            yield Broken(line.rstrip("\r\n"), lines.number, f"a JSON {kind}", "one JSON object a line")


def _header(lines: Lines, delimiter: str | None, wanted: Collection[str]) -> tuple[str, list[str]] | None:
    """Delimiter and cells of the first line that is not blank; below titles, of the one with most wanted columns."""
    for line in lines:
        if line.strip():
            break
        lines.begin()
    else:
        return None
    first = _cells(line, delimiter)
    return first if _known(first[1], wanted) > 1 or not wanted else _below_titles(lines, delimiter, wanted)


def _below_titles(lines: Lines, delimiter: str | None, wanted: Collection[str]) -> tuple[str, list[str]]:
    for _ in islice(lines, FIRST_LINES):
        pass
    read = [_cells(line, delimiter) for line in lines.taken]
    best = max(range(len(read)), key=lambda number: _known(read[number][1], wanted))
    lines.keep(best + 1)
    return read[best]


def _known(cells: Sequence[str], wanted: Collection[str]) -> int:
    return len({cell.strip() for cell in cells}.intersection(wanted))


def _cells(line: str, delimiter: str | None) -> tuple[str, list[str]]:
    delimiter = delimiter or max(DELIMITERS, key=lambda candidate: len(_split(line, candidate)))
    return delimiter, _split(line, delimiter)


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _named(header: Sequence[str]) -> list[str]:
    names: list[str] = []
    for position, written in enumerate(header, start=1):
        name = written.strip() or f"column {position}"
        names.append(name if name not in names else f"{name} ({position})")
    return names


def _rows(lines: Lines, delimiter: str, width: int) -> Iterator[tuple[int, Any]]:
    while True:
        lines.begin()
        try:
            # A reader of its own for each record: after a failure it would be in the middle of a quote.
            row = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            yield lines.first, Broken(lines.give_up(), lines.first, f"{error}")
            continue
        if not row:
            continue
        if len(row) > width and not any(row[width:]):
            row = row[:width]
        if len(row) == width:
            yield lines.first, row
        else:
            found, allowed = f"{len(row)} columns", f"{width} columns, as in the header"
            yield lines.first, Broken(lines.give_up(), lines.first, found, allowed)
