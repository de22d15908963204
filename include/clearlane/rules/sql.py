"""From a checked tree to SQL that means the same on every engine.

Columns are expected as double precision, text, boolean and timestamptz (DuckDB: TIMESTAMPTZ). The SQL
for PostgreSQL holds neither % nor a colon, so drivers and SQLAlchemy's text() leave it as it is.
"""

from __future__ import annotations

import enum
import sys
from datetime import datetime

from clearlane.rules.grammar import ESCAPE
from clearlane.rules.letters import CAPITALS, SMALL
from clearlane.rules.span import COLUMN_EXPONENT
from clearlane.rules.tree import Call, Column, Literal, Node, Type

_COPIES = {"lower": 4, "upper": 4, "round": 2, "ends_with": 2, "/": 2}


class Dialect(enum.StrEnum):
    POSTGRES = "postgres"
    DUCKDB = "duckdb"


def write(node: Node, dialect: Dialect, alias: str | None = None) -> str:
    """The tree as a SQL expression; `alias` is put before every column as it is."""
    return _WRITERS[dialect](alias).write(node)


def copies(node: Node) -> int:
    """How many leaves the SQL of a tree holds at most: some functions repeat their argument."""
    if not isinstance(node, Call):
        return 1
    if node.name == "in":
        return 2 * copies(node.arguments[0])
    return _COPIES.get(node.name, 1) * sum(copies(argument) for argument in node.arguments)


def quoted(name: str, dialect: Dialect) -> str:
    """A column's name as SQL."""
    return _WRITERS[dialect](None).name(name)


def text_literal(text: str, dialect: Dialect) -> str:
    """A text as SQL."""
    return _WRITERS[dialect](None).text(text)


class _Writer:
    """What the engines have in common."""

    def __init__(self, alias: str | None) -> None:
        self.prefix = f"{alias}." if alias else ""

    def write(self, node: Node, calculating: bool = False) -> str:
        if isinstance(node, Column):
            return self.column(node, calculating)
        if isinstance(node, Literal):
            return self.literal(node)
        return self.call(node, calculating or node.name in ("+", "-", "*", "/"))

    def column(self, node: Column, calculating: bool) -> str:
        sql = self.prefix + self.name(node.name)
        if node.type is Type.NUMBER:
            return _bounded(sql) if calculating else _finite(sql)
        if node.type is Type.TIME:
            return self.dated(sql)
        return sql

    def literal(self, node: Literal) -> str:
        value = node.value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return number(value)
        return self.time(value) if isinstance(value, datetime) else self.text(value)

    def call(self, node: Call, calculating: bool) -> str:
        parts = [self.write(argument, calculating) for argument in node.arguments]
        match node.name:
            case "and" | "or":
                return f"({f' {node.name} '.join(parts)})"
            case "not":
                return f"(not {parts[0]})"
            case "is_null":
                return f"({parts[0]} is null)"
            case "is_true":
                return f"coalesce({parts[0]}, false)"
            case "in" if len(parts) == 1:
                return f"({parts[0]} <> {parts[0]})"
            case "negative":
                return f"(- {parts[0]})"
            case "/":
                return f"({parts[0]} / nullif({parts[1]}, {number(0.0)}))"
            case "+" | "-" | "*":
                return f"({parts[0]} {node.name} {parts[1]})"
        if node.arguments[0].type is Type.TEXT and node.type is Type.BOOLEAN:
            parts[0] = self.bytewise(parts[0])
        match node.name:
            case "=" | "<>" | "<" | "<=" | ">" | ">=":
                return f"({parts[0]} {node.name} {parts[1]})"
            case "between":
                return f"({parts[0]} between {parts[1]} and {parts[2]})"
            case "in":
                return f"({parts[0]} in ({', '.join(parts[1:])}))"
            case "like":
                return f"({parts[0]} like {parts[1]} escape '{ESCAPE}')"
        return self.function(node.name, parts)

    def function(self, name: str, parts: list[str]) -> str:
        match name:
            case "length":
                return f"cast(length({parts[0]}) as double precision)"
            case "lower" | "upper":
                return self.recased(name, parts[0])
            case "contains":
                return self.contains(*parts)
            case "ends_with":
                return self.ends_with(*parts)
            case "trim":
                return self.trim(parts[0])
            case "round":
                return self.round(parts[0])
            case "days_between":
                return f"({self.microseconds(*parts)} / {number(86_400_000_000.0)})"
        return f"{name}({', '.join(parts)})"

    def recased(self, name: str, sql: str) -> str:
        """The engine's own function serves where every letter is one byte; the table where not."""
        old, new = (CAPITALS, SMALL) if name == "lower" else (SMALL, CAPITALS)
        return (
            f"case when {self.byte_length(sql)} = length({sql}) then {name}({self.bytewise(sql)}) "
            f"else translate({sql}, {self.text(old)}, {self.text(new)}) end"
        )

    def dated(self, sql: str) -> str:
        """Years 1 to 9999: no infinity, and differences that fit every engine."""
        first, last = self.time(datetime.min), self.time(datetime.max)
        return f"case when {sql} between {first} and {last} then {sql} end"

    def name(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def text(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def bytewise(self, sql: str) -> str:
        return sql

    def time(self, moment: datetime) -> str:
        raise NotImplementedError

    def byte_length(self, sql: str) -> str:
        raise NotImplementedError

    def microseconds(self, start: str, end: str) -> str:
        raise NotImplementedError

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def ends_with(self, text: str, part: str) -> str:
        return f"ends_with({text}, {part})"

    def trim(self, text: str) -> str:
        return f"trim({text}, ' ')"

    def round(self, sql: str) -> str:
        return f"round({sql})"


class _DuckDb(_Writer):
    def time(self, moment: datetime) -> str:
        return f"cast('{moment.replace(tzinfo=None).isoformat(' ')}+00' as timestamptz)"

    def byte_length(self, sql: str) -> str:
        return f"strlen({sql})"

    def microseconds(self, start: str, end: str) -> str:
        return f"cast(epoch_us({end}) - epoch_us({start}) as double precision)"


class _Postgres(_Writer):
    def name(self, name: str) -> str:
        plain = super().name(name)
        return plain if _passes_drivers(name) else "U&" + _escaped(plain)

    def text(self, text: str) -> str:
        plain = super().text(text)
        return plain if _passes_drivers(text) else "U&" + _escaped(plain)

    def bytewise(self, sql: str) -> str:
        return f'({sql} collate "C")'

    def time(self, moment: datetime) -> str:
        basic = moment.replace(tzinfo=None).isoformat().replace("-", "").replace(":", "")
        return f"timestamptz '{basic}Z'"

    def byte_length(self, sql: str) -> str:
        return f"octet_length({sql})"

    def microseconds(self, start: str, end: str) -> str:
        seconds = f"(extract(epoch from {end}) - extract(epoch from {start}))"
        return f"cast({seconds} * 1000000 as double precision)"

    def contains(self, text: str, part: str) -> str:
        return f"(strpos({text}, {part}) > 0)"

    def ends_with(self, text: str, part: str) -> str:
        return f"(right({text}, length({part})) = {part})"

    def trim(self, text: str) -> str:
        return f"btrim({text}, ' ')"

    def round(self, sql: str) -> str:
        # PostgreSQL rounds halves of doubles to even; the largest number below one half is exact here.
        return f"trunc({sql} + sign({sql}) * {number(0.49999999999999994)})"


_WRITERS: dict[Dialect, type[_Writer]] = {Dialect.POSTGRES: _Postgres, Dialect.DUCKDB: _DuckDb}


def number(value: float) -> str:
    """A finite number as a double of every engine."""
    return f"cast('{value!r}' as double precision)"


def _finite(sql: str) -> str:
    """Null for NaN and infinities: both engines order NaN above every number."""
    return f"case when {_within(sql, sys.float_info.max)} then cast({sql} as double precision) end"


def _bounded(sql: str) -> str:
    """The number as it takes part in a calculation; see span.py."""
    tiny = f"case when {_within(sql, 10.0**-COLUMN_EXPONENT)} then {number(0.0)}"
    return (
        f"case when {_within(sql, 10.0**COLUMN_EXPONENT)} then "
        f"{tiny} else cast({sql} as double precision) end end"
    )


def _within(sql: str, limit: float) -> str:
    return f"{sql} between {number(-limit)} and {number(limit)}"


def _passes_drivers(text: str) -> bool:
    return not any(sign in text for sign in "%:\\")


def _escaped(text: str) -> str:
    for sign in "\\%:":
        text = text.replace(sign, f"\\{ord(sign):04x}")
    return text
