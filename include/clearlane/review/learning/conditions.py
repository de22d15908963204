"""Conditions that rules may ask, found in columns: each knows its text in the rule language and where it holds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlane.review.learning.columns import Column, Table

Flags = NDArray[np.bool_]
_WORDS = frozenset(
    (
        "and",
        "or",
        "not",
        "in",
        "between",
        "like",
        "ilike",
        "escape",
        "is",
        "null",
        "true",
        "false",
        "date",
        "timestamp",
    )
)


@dataclass(frozen=True)
class Span:
    """A number from `low` (inclusive) to `high` (exclusive); None is no limit."""

    column: str
    low: float | None = None
    high: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def when(self) -> str:
        name = quoted(self.column)
        low = [] if self.low is None else [f"{name} >= {number(self.low)}"]
        high = [] if self.high is None else [f"{name} < {number(self.high)}"]
        return " and ".join(low + high)

    def with_lists(self, named: Mapping[OneOf, str]) -> str:
        return self.when

    @property
    def because(self) -> str:
        if self.low is None:
            return f"{self.column} below {number(self.high or 0)}"
        if self.high is None:
            return f"{self.column} of {number(self.low)} or more"
        return f"{self.column} from {number(self.low)} to below {number(self.high)}"

    def holds(self, table: Table) -> Flags:
        values = table.columns[self.column].numbers
        assert values is not None
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return (values >= low) & (values < high)


@dataclass(frozen=True)
class OneOf:
    """A text that is exactly one of `values`; None among them is an empty cell."""

    column: str
    values: tuple[str | None, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(value for value in self.values if value is not None)

    @property
    def when(self) -> str:
        return self.with_lists({})

    def with_lists(self, named: Mapping[OneOf, str]) -> str:
        """The condition, over a named list where its values are too many to stand in it."""
        column, name = quoted(self.column), named.get(self)
        texts = [literal(value) for value in self.named]
        asked = (
            [f"{column} in ({', '.join(texts)})"] if len(texts) > 1 else [f"{column} = {t}" for t in texts]
        )
        asked = [f"in_list({column}, {name})"] if name else asked
        empty = [f"{column} is null"] if None in self.values else []
        return " or ".join(asked + empty)

    @property
    def because(self) -> str:
        shown = [value if value.strip() else "blank" for value in self.named]
        shown += ["empty"] if None in self.values else []
        more = f" or {len(shown) - 5} more" if len(shown) > 6 else ""
        return f"{self.column} is {', '.join(shown[:5] if more else shown)}{more}"

    def holds(self, table: Table) -> Flags:
        column = table.columns[self.column]
        if column.codes is None:
            return column.missing if None in self.values else np.zeros(table.rows, np.bool_)
        wanted = set(self.values)
        asked = np.array([*(category in wanted for category in column.categories), None in wanted])
        return asked[column.codes]


@dataclass(frozen=True)
class Both:
    """Two conditions on different columns at once."""

    one: Span | OneOf
    other: Span | OneOf

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(sorted({*self.one.columns, *self.other.columns}))

    @property
    def when(self) -> str:
        return self.with_lists({})

    def with_lists(self, named: Mapping[OneOf, str]) -> str:
        return " and ".join(bracketed(part.with_lists(named)) for part in (self.one, self.other))

    @property
    def because(self) -> str:
        return f"{self.one.because}, and {self.other.because}"

    def holds(self, table: Table) -> Flags:
        return self.one.holds(table) & self.other.holds(table)


Simple = Span | OneOf
Condition = Span | OneOf | Both


def empty(column: Column) -> OneOf:
    return OneOf(column.name, (None,))


def bracketed(text: str) -> str:
    return f"({text})" if " or " in text else text


def quoted(name: str) -> str:
    """The name of a column as the rule language reads it, whatever its signs."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in _WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def roundest(low: float, high: float) -> float:
    """The shortest decimal above `low` and up to `high`: a limit between two values that people can read."""
    if low < 0 < high:
        return 0.0
    if high == int(high) and high - low <= 1:
        return high
    for digits in range(-15, 16):
        unit = 10.0**-digits
        tried = round(math.floor(high / unit) * unit, max(digits, 0))
        if low < tried <= high:
            return tried
    return high
