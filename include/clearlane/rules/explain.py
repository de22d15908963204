"""Which of a condition's terms matched a row, and the values that were seen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Integral, Real

import duckdb
import numpy as np

from clearlane.rules.predicate import Predicate
from clearlane.rules.sql import Dialect, quoted
from clearlane.rules.tree import Type

_STORED = {
    Type.TEXT: "varchar",
    Type.NUMBER: "double",
    Type.BOOLEAN: "boolean",
    Type.TIME: "timestamptz",
}
Row = Mapping[str, object]


@dataclass(frozen=True)
class TermResult:
    """One term on one row; `values` holds the columns it reads, None where empty."""

    text: str
    matched: bool
    values: Mapping[str, object]


Engine = duckdb.DuckDBPyConnection


def explain(predicate: Predicate, row: Row, engine: Engine | None = None) -> tuple[TermResult, ...]:
    """Each term of the predicate on one row; the predicate matches when all of them do."""
    return explain_rows(predicate, [row], engine)[0]


def explain_rows(
    predicate: Predicate, rows: Sequence[Row], engine: Engine | None = None
) -> list[tuple[TermResult, ...]]:
    """Each term of the predicate on each row, in one statement. Absent columns are empty.

    A value that is not of its column's declared type counts as empty; times without a zone are UTC.
    Many calls are quicker on an `engine` of the caller, a DuckDB connection that stays open.
    """
    if not rows:
        return []
    seen = {name: [_value(row.get(name), kind) for row in rows] for name, kind in predicate.types.items()}
    with nullcontext(engine) if engine else duckdb.connect() as connection:
        matches = _matches(predicate, seen, len(rows), connection)
    return [
        tuple(_results(predicate, matched, {name: values[i] for name, values in seen.items()}))
        for i, matched in enumerate(matches)
    ]


def _results(predicate: Predicate, matched: Sequence[bool], values: Row) -> Iterable[TermResult]:
    for term, hit in zip(predicate.terms, matched, strict=True):
        yield TermResult(term.text, bool(hit), {name: values[name] for name in sorted(term.columns)})


def _matches(
    predicate: Predicate, seen: Mapping[str, Sequence[object]], count: int, engine: Engine
) -> list[tuple[bool, ...]]:
    read = [
        f"unnest(?::{_STORED[kind]}[]) as {quoted(name, Dialect.DUCKDB)}"
        for name, kind in predicate.types.items()
    ]
    found = ", ".join(term.sql(Dialect.DUCKDB, "seen") for term in predicate.terms)
    row = ", ".join(["unnest(range(?)) as place_of_row", *read])
    statement = f"select {found} from (select {row}) as seen order by place_of_row"
    return engine.execute(statement, [count, *seen.values()]).fetchall()


def _value(value: object, kind: Type) -> object:
    """The value as its declared type, or None."""
    match kind:
        case Type.NUMBER:
            return _number(value)
        case Type.TIME:
            return _moment(value)
        case Type.TEXT:
            return str(value) if isinstance(value, str) else None
        case Type.BOOLEAN:
            return bool(value) if isinstance(value, bool | np.bool_) else None


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    if isinstance(value, Integral):
        return int(value) if abs(int(value)) <= sys.float_info.max else None
    return float(value)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, datetime) or value != value:  # pandas has a time that equals nothing
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
