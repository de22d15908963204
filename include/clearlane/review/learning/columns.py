"""The columns of an export as numbers and categories: read as text, so that what a cell holds decides its type.

Numbers may carry thousands separators, a currency or a per cent sign; words such as NA or unknown in a column of
numbers are empty cells. Times are read in the formats that exports use, the first that fits all cells of a column.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clearlane.sheets import PARQUET, Unreadable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

MISSING: Final = frozenset(
    ("", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "?", "unknown", "missing", "select",
     "#n/a", "nat", "not available", "undefined")
)  # fmt: skip
"""what an empty cell is called in columns of numbers and times, in small letters"""
WON: Final = frozenset(
    ("1", "1.0", "true", "t", "yes", "y", "won", "win", "converted", "churn", "churned", "default", "bad", "positive",
     "success", "subscribed", "customer", "closed won", "accepted", "purchased", "sold")
)  # fmt: skip
"""what a target says that happened, in small letters"""
FORMATS: Final = (
    "ISO8601", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y",
    "%m-%d-%Y", "%d-%m-%Y %H:%M", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%m/%d/%y", "%d/%m/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b-%Y", "%b-%y", "%Y-%m", "%Y%m%d", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_DRESSED: Final = (
    r"\(?[+-]?\s*[$€£¥]?\s*[+-]?(?:[0-9]{1,3}(?:[,' \u00a0][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?\s*[%$€£¥]?\)?"
)
_COMMA: Final = r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?"
_ODD: Final = 0.02
"""share of cells that may be no number in a column of numbers"""


@dataclass(frozen=True)
class Column:
    """One column: `numbers` (nan where empty), or `codes` of `categories` (-1 where empty)."""

    name: str
    numbers: Floats | None = None
    codes: Codes | None = None
    categories: tuple[str, ...] = ()
    plain: bool = True
    """whether every cell is written as `clearlane score` reads it"""

    @property
    def missing(self) -> Flags:
        if self.numbers is not None:
            return np.isnan(self.numbers)
        assert self.codes is not None
        return self.codes < 0


@dataclass(frozen=True)
class Table:
    """Columns of one length; `left_out` says of each other column why it is not learnt from."""

    rows: int
    columns: Mapping[str, Column]
    left_out: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> pd.DataFrame:
    """All cells as text, empty where nothing is written. Raises Unreadable with file and line."""
    if not path.is_file():
        raise Unreadable(str(path), "there is no such file")
    frame = _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)
    twice = sorted({name for name in frame.columns if list(frame.columns).count(name) > 1})
    if twice:
        raise Unreadable(str(path), "this column is there twice", line=1, column=twice[0])
    if frame.empty:
        raise Unreadable(str(path), "there are no rows below the header")
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except Exception as error:
        raise Unreadable(str(path), f"not a Parquet file that can be read: {_first(error)}") from None
    named = frame.set_axis([str(name) for name in frame.columns], axis=1)
    texts = {
        name: named[name].astype("object").where(named[name].notna(), "").astype("str") for name in named
    }
    return pd.DataFrame(texts)


def _csv(path: Path) -> pd.DataFrame:
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(1 << 16)
    if not sample.strip():
        raise Unreadable(str(path), "it is empty: the first line must name the columns", line=1)
    separator = _separator(sample)
    records = enumerate(csv.reader(io.StringIO(sample), delimiter=separator), start=1)
    begins, header = next((number, cells) for number, cells in records if cells)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # told below, with its line
            frame = _cells(path, separator, encoding, begins, len(header))
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame({place: [] for place in range(len(header) + 1)}, dtype=str)
    except (pd.errors.ParserError, ValueError) as error:
        found = re.search(r"line (\d+)", str(error))
        raise Unreadable(str(path), _first(error), line=int(found[1]) if found else None) from None
    frame = frame.fillna("")
    more = np.flatnonzero((frame[len(header)] != "").to_numpy())
    if len(more):
        reason = f"found more than the {len(header)} cells that the header names"
        raise Unreadable(str(path), reason, line=int(more[0]) + 2)
    names = [name.strip() or f"column_{place + 1}" for place, name in enumerate(header)]
    return frame.drop(columns=len(header)).set_axis(names, axis=1)


def _cells(path: Path, separator: str, encoding: str, begins: int, header: int) -> pd.DataFrame:
    """The rows below the record with which the header begins, with one column more than it names."""
    return pd.read_csv(
        path, sep=separator, encoding=encoding, header=None, skiprows=begins, names=range(header + 1), dtype=str,
        index_col=False, keep_default_na=False, na_filter=False, on_bad_lines="error", low_memory=False,
    )  # fmt: skip


def _encoding(path: Path) -> str:
    """UTF-8, or what Excel writes in Western Europe."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            while chunk := file.read(1 << 20):
                if "\0" in chunk:
                    raise Unreadable(str(path), "not a text file: it holds NUL bytes")
    except UnicodeDecodeError:
        return "cp1252" if _is_text(path) else "latin-1"
    return "utf-8-sig"


def _is_text(path: Path) -> bool:
    raw = path.read_bytes()
    if b"\0" in raw:
        raise Unreadable(str(path), "not a text file in UTF-8 or Windows-1252: it holds NUL bytes")
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return True


def _separator(sample: str) -> str:
    """The sign that cuts the first lines into the same number of cells, the most of them."""
    lines = sample.splitlines()[:50]
    lines = lines[:-1] if len(lines) > 2 and not sample.endswith("\n") else lines

    def cut(sign: str) -> tuple[float, int]:
        counts = [len(cells) for cells in csv.reader(lines, delimiter=sign) if cells]
        same = sum(count == counts[0] for count in counts) / max(len(counts), 1)
        return (same if counts and counts[0] > 1 else 0.0, counts[0] if counts else 0)

    return max(",;\t|", key=cut)


def target(texts: pd.Series, name: str, where: str) -> Flags:
    """Which rows reached the target. Raises Unreadable where there are not two outcomes."""
    small = texts.str.strip().str.casefold()
    numbers = pd.to_numeric(small, errors="coerce")
    values = sorted(set(small) - {""})
    empty = np.flatnonzero((small == "").to_numpy())
    if len(empty):
        raise Unreadable(where, "the target is empty", line=int(empty[0]) + 2, column=name)
    if len(values) == 1:
        raise Unreadable(where, f"all rows say {values[0]!r}: there must be two outcomes", column=name)
    if len(values) > 2:
        shown = ", ".join(values[:5])
        raise Unreadable(where, f"found {len(values)} outcomes ({shown} …), allowed are two", column=name)
    if numbers.notna().all():
        return np.asarray(numbers == numbers.max(), np.bool_)
    happened = [value for value in values if value in WON] or [_rarer(small)]
    return np.asarray(small == happened[0], np.bool_)


def _rarer(small: pd.Series) -> str:
    counts = small.value_counts()
    no = [value for value in counts.index if re.match(r"(no|not|non|lost|false|stay|good|0)\b", value)]
    if len(no) == 1:
        return str(next(value for value in counts.index if value != no[0]))
    return str(min(counts.index, key=lambda value: (counts[value], value)))


def moments(texts: pd.Series) -> Floats | None:
    """Seconds or plain numbers by which rows can be put in order of time; None where they are neither."""
    column = _numbers(texts)
    if column is not None:
        return column[0]
    read_ = times(texts)
    if read_ is None:
        return None
    seconds = (read_ - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.asarray(seconds, np.float64)


def not_a_time(texts: pd.Series) -> int:
    """The first row that the format of most others does not fit."""
    iso = pd.to_datetime(texts.str.strip(), format="mixed", errors="coerce", utc=True)
    return int(np.argmax(iso.isna().to_numpy()))


def times(texts: pd.Series) -> pd.Series | None:
    """Moments in UTC in the first format that fits all cells; None where there is none."""
    small = texts.str.strip()
    empty = small.str.casefold().isin(MISSING)
    distinct = pd.Series(small[~empty].unique(), dtype="object")
    if distinct.empty or not distinct.head(1000).str.contains(r"\d", regex=True).all():
        return None
    for form in FORMATS:
        tried = pd.to_datetime(distinct.head(200), format=form, errors="coerce", utc=True)
        if tried.isna().any():
            continue
        whole = pd.to_datetime(distinct, format=form, errors="coerce", utc=True)
        if whole.notna().mean() > 1 - _ODD / 20:
            return small.where(~empty).map(pd.Series(whole.array, index=distinct.array))
    return None


def _numbers(texts: pd.Series) -> tuple[Floats, bool] | None:
    """The column as numbers, and whether all cells are plain ones; None where it is no column of numbers."""
    small = texts.str.strip()
    empty = small.str.casefold().isin(MISSING).to_numpy()
    filled = small[~empty]
    if filled.empty:
        return None
    plain = filled.str.fullmatch(_NUMBER)
    spelt = bool((small[empty] == "").all())
    if plain.all():
        return _placed(filled.astype("float64"), empty), spelt
    for pattern, clean in ((_DRESSED, _undressed), (_COMMA, _without_comma)):
        if filled.str.fullmatch(pattern).mean() >= 1 - _ODD:
            fitting = filled.where(filled.str.fullmatch(pattern), "nan")
            return _placed(clean(fitting).astype("float64"), empty), False
    if plain.mean() >= 1 - _ODD:
        return _placed(filled.where(plain, "nan").astype("float64"), empty), False
    return None


def _undressed(filled: pd.Series) -> pd.Series:
    negative = filled.str.startswith("(")
    bare = filled.str.replace(r"[,'\s\u00a0$€£¥%()]", "", regex=True)
    return ("-" + bare).where(negative, bare)


def _without_comma(filled: pd.Series) -> pd.Series:
    return filled.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)


def _placed(filled: pd.Series, empty: Flags) -> Floats:
    whole = np.full(len(empty), np.nan)
    whole[~empty] = filled.to_numpy()
    whole[~np.isfinite(whole)] = np.nan
    return whole


def typed(name: str, texts: pd.Series) -> Column:
    """The column as numbers where its cells are, else as categories of its exact texts."""
    numbers = _numbers(texts)
    if numbers is not None:
        return Column(name, numbers=numbers[0], plain=numbers[1])
    codes, categories = pd.factorize(texts.where(texts != "", None), sort=True)
    return Column(name, codes=codes.astype(np.int64), categories=tuple(map(str, categories)))


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def named(columns: Iterable[str], wanted: Sequence[str], path: Path) -> None:
    """Raises Unreadable where a column that is asked for is not there."""
    known = list(columns)
    for name in wanted:
        if name not in known:
            shown = ", ".join(known[:30])
            raise Unreadable(str(path), f"there is no such column; there are {shown}", line=1, column=name)
