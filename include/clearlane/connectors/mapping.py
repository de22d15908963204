"""From a raw record to our names: columns, literals, moments, money, values, look-ups.

Whatever cannot be read is left as it was found, so that quality names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from clearlane.connectors.values import at
from clearlane.policy.model import Lookup, ObjectMapping

Record = dict[str, str]
Found = Mapping[str, Mapping[str, str]]
"""our field -> {value of the look-up's `by` column: value found}"""

MOMENTS: Final = ("updated_at", "occurred_at", "created_at")
"""the fields that say when a record changed or happened, the best first"""

_MONEY = re.compile(
    r"(?P<sign>-?)\s*[$€£¥]?\s*(?P<digits>\d{1,3}(?:,\d{3}){1,5}|\d{1,18})(?P<rest>\.\d{1,6})?\s*(?P<unit>[KMB]?)"
)
_COMMA: Final = str.maketrans(",.", ".,")
_UNIT: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
_EPOCH: Final = {"epoch_seconds": 1, "epoch_milliseconds": 1000}
_EXCEL: Final = "excel_days"
_DAY_NULL: Final = datetime(1899, 12, 30)  # of Excel's days, from March 1900 on
_MOST_DAYS: Final = 2_958_466  # the year 10000


class Mapper:
    """Maps the records of one object; `found` holds what its look-ups say."""

    def __init__(self, mapping: ObjectMapping, found: Found | None = None) -> None:
        self.mapping = mapping
        self._literals, self._columns = _parted(mapping.fields)
        self._hidden = {*mapping.drop, *self._columns.values(), *mapping.fields}
        self._opened = {column.split(".")[0] for column in self._hidden if "." in column}
        self._found = found or {}
        self._moment = moment_reader(mapping)
        self._converters = tuple(_converters(mapping, self._moment))

    def __call__(self, payload: Mapping[str, Any]) -> Record:
        """Our names -> text. Moments are ISO 8601 in UTC; what is empty is left out."""
        record = self._extras(payload) if self.mapping.extras else {}
        record |= self._literals
        record |= {ours: _text(payload.get(column)) for ours, column in self._columns.items()}
        if self._opened:
            nested = {ours: column for ours, column in self._columns.items() if "." in column}
            record |= {ours: _text(found(payload, column)) for ours, column in nested.items()}
        if self._found:
            record |= self._looked_up(payload)
        for field, convert in self._converters:
            if field in record:
                record[field] = convert(record[field])
        return {field: value for field, value in record.items() if value}

    def cursor(self, payload: Mapping[str, Any]) -> datetime | None:
        """The record's moment on the object's cursor; None without a cursor or a readable moment."""
        field = self.mapping.cursor
        if field is None:
            return None
        column = self._columns.get(field, field)
        return self._moment(_text(found(payload, column)))

    def source_time(self, record: Record) -> datetime | None:
        """When the source says that the record changed or happened."""
        moments = (self._moment(record.get(field, "")) for field in (self.mapping.cursor or "", *MOMENTS))
        return next(filter(None, moments), None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the source that the mapping names."""
        return tuple(dict.fromkeys(self._columns.values()))

    def _extras(self, payload: Mapping[str, Any]) -> Record:
        flat = _leaves(payload, self._opened) if self._opened else payload.items()
        return {name: _text(value) for name, value in flat if name not in self._hidden}

    def _looked_up(self, payload: Mapping[str, Any]) -> Record:
        by = {field: _text(found(payload, lookup.by)) for field, lookup in self.mapping.lookups.items()}
        taken = {field: self._found[field].get(value) for field, value in by.items()}
        return {field: value for field, value in taken.items() if value}


def found(payload: Mapping[str, Any], column: str) -> Any:
    """The value of a column; `address.city` and `emails.0.value` also reach into what JSON nests."""
    return payload.get(column) if column in payload or "." not in column else at(payload, column)


def unambiguous(lookup: Lookup, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """{match: take} of the rows whose `match` stands there once."""
    taken: dict[str, str | None] = {}
    for row in rows:
        key = _text(found(row, lookup.match))
        taken[key] = None if key in taken else _text(found(row, lookup.take))
    return {key: value for key, value in taken.items() if key and value}


def moment_reader(mapping: ObjectMapping) -> Callable[[str], datetime | None]:
    """Text -> moment in UTC, by the mapping's formats, then ISO 8601; None where it cannot be read.

    A moment without a zone is in the mapping's zone. Distinct values are parsed once.
    """
    zone = ZoneInfo(mapping.zone)

    @lru_cache(maxsize=100_000)
    def read(text: str) -> datetime | None:
        moment = parsed(text, mapping.time_formats) if text else None
        if moment is None:
            return None
        try:
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except OverflowError:
            return None

    return read


def number(text: str, decimal: str = ".") -> str:
    """`$1,117.10K` -> `1117100`, `-$22,700.00` -> `-22700`; anything else as it was.

    With a comma for `decimal` `1.117,10` and `1 117,10` are read so.
    """
    match = _MONEY.fullmatch(text.strip() if decimal == "." else _with_points(text.strip()))
    if not match:
        return text
    digits = match["digits"].replace(",", "") + (match["rest"] or ".0")
    amount = Decimal(digits) * _UNIT[match["unit"]]
    return match["sign"] + f"{amount:f}".rstrip("0").rstrip(".")


def _with_points(text: str) -> str:
    """`1.117,10` and `1 117,10` as `1,117.10`."""
    return re.sub(r"(?<=\d)\s(?=\d{3})", ".", text).translate(_COMMA)


def _parted(fields: Mapping[str, str]) -> tuple[Record, dict[str, str]]:
    literals = {ours: column[1:].strip() for ours, column in fields.items() if column.startswith("=")}
    return literals, {ours: column for ours, column in fields.items() if ours not in literals}


def _converters(
    mapping: ObjectMapping, moment: Callable[[str], datetime | None]
) -> Iterator[tuple[str, Callable[[str], str]]]:
    @lru_cache(maxsize=100_000)
    def utc(text: str) -> str:
        read = moment(text)
        return read.isoformat() if read else text

    for field, values in mapping.values.items():
        yield field, partial(_replaced, values)
    times = {field for field in (*mapping.fields, *MOMENTS) if field.endswith("_at")}
    for field in sorted(times | {mapping.cursor or "created_at"}):
        yield field, utc
    for field in mapping.numbers:
        yield field, partial(number, decimal=mapping.decimal)


def _leaves(payload: Mapping[str, Any], opened: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Columns and values; the objects that the mapping reaches into come member by member."""
    for name, value in payload.items():
        if name in opened and isinstance(value, Mapping):
            members = {f"{name}.{inner}": held for inner, held in value.items()}
            yield from _leaves(members, members)
        else:
            yield name, value


def _replaced(values: Mapping[str, str], text: str) -> str:
    return values.get(text, text)


def parsed(text: str, formats: Iterable[str]) -> datetime | None:
    """The moment that the first fitting format reads, ISO 8601 last; without a zone where the text has none."""
    for attempt in (*formats, None):
        try:
            if attempt in _EPOCH:
                return datetime.fromtimestamp(float(text) / _EPOCH[attempt], UTC)
            if attempt == _EXCEL:
                return _of_excel(float(text))
            return datetime.strptime(text, attempt) if attempt else datetime.fromisoformat(text)
        except (ValueError, OverflowError, OSError):
            continue
    return None


def _of_excel(days: float) -> datetime:
    """`46296.5` -> noon of 1 October 2026, to the second: a spreadsheet's number of a day and the time of the day."""
    if not 61 <= days < _MOST_DAYS:
        raise ValueError("no day of Excel")
    return _DAY_NULL + timedelta(seconds=round(days * 86_400))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # an id that a table kept as 4563.0
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
