"""Which of a condition's terms matched a row, and the values that were seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

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


def explain(predicate: Predicate, row: Row) -> tuple[TermResult, ...]:
    """Each term of the predicate on one row; the predicate matches when all of them do."""
    return explain_rows(predicate, [row])[0]


def explain_rows(predicate: Predicate, rows: Sequence[Row]) -> list[tuple[TermResult, ...]]:
    """Each term of the predicate on each row, in one statement. Absent columns are empty.

    A value that is not of its column's declared type counts as empty; times without a zone are UTC.
    """
    if not rows:
        return []
    seen = {name: [_value(row.get(name), kind) for row in rows] for name, kind in predicate.types.items()}
    matches = _matches(predicate, seen, len(rows))
    return [
        tuple(_results(predicate, matched, {name: values[i] for name, values in seen.items()}))
        for i, matched in enumerate(matches)
    ]


def _results(predicate: Predicate, matched: Sequence[bool], values: Row) -> Iterable[TermResult]:
    for term, hit in zip(predicate.terms, matched, strict=True):
        yield TermResult(term.text, bool(hit), {name: values[name] for name in sorted(term.columns)})


def _matches(
    predicate: Predicate, seen: Mapping[str, Sequence[object]], count: int
) -> list[tuple[bool, ...]]:
    read = [
        f"unnest(?::{_STORED[kind]}[]) as {quoted(name, Dialect.DUCKDB)}"
        for name, kind in predicate.types.items()
    ]
    found = ", ".join(term.sql(Dialect.DUCKDB, "seen") for term in predicate.terms)
    row = ", ".join(["unnest(range(?)) as place_of_row", *read])
    statement = f"select {found} from (select {row}) as seen order by place_of_row"
    with duckdb.connect() as connection:
        return connection.execute(statement, [count, *seen.values()]).fetchall()


def _value(value: object, kind: Type) -> object:
    """The value as its declared type, or None."""
    if kind is Type.NUMBER and isinstance(value, int | float) and not isinstance(value, bool):
        return _double(value)
    if kind is Type.TIME and isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if kind is Type.TEXT and isinstance(value, str):
        return value
    if kind is Type.BOOLEAN and isinstance(value, bool):
        return value
    return None


def _double(value: int | float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
