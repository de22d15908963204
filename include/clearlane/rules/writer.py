"""What the engines have in common: a checked tree as SQL, by what an engine can be told in the same words."""

from __future__ import annotations

import sys
from datetime import datetime

from clearlane.rules.grammar import ESCAPE
from clearlane.rules.letters import CAPITALS, SMALL
from clearlane.rules.span import COLUMN_EXPONENT
from clearlane.rules.tree import Call, Column, Literal, Node, Type


class Writer:
    """One engine; the words below are those of PostgreSQL and DuckDB alike."""

    double = "double precision"

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
            return self.bounded(sql) if calculating else self.finite(sql)
        if node.type is Type.TIME:
            return self.dated(sql)
        return sql

    def literal(self, node: Literal) -> str:
        value = node.value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return self.number(value)
        return self.time(value) if isinstance(value, datetime) else self.text(value)

    def call(self, node: Call, calculating: bool) -> str:
        if node.name == "like":
            return self.like(node)
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
                return f"({parts[0]} / nullif({parts[1]}, {self.number(0.0)}))"
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
        return self.function(node.name, parts)

    def like(self, node: Call) -> str:
        text, pattern = (self.write(argument) for argument in node.arguments)
        return f"({self.bytewise(text)} like {pattern} escape '{ESCAPE}')"

    def function(self, name: str, parts: list[str]) -> str:
        match name:
            case "length":
                return self.cast(f"length({parts[0]})")
            case "lower" | "upper":
                return self.recased(name, parts[0])
            case "contains":
                return self.contains(*parts)
            case "starts_with":
                return self.starts_with(*parts)
            case "ends_with":
                return self.ends_with(*parts)
            case "trim":
                return self.trim(parts[0])
            case "round":
                return self.round(parts[0])
            case "floor" | "ceil":
                return self.whole(name, parts[0])
            case "least" | "greatest":
                return self.extreme(name, parts)
            case "days_between":
                return f"({self.microseconds(*parts)} / {self.number(86_400_000_000.0)})"
        return f"{name}({', '.join(parts)})"

    # --- numbers ---

    def number(self, value: float) -> str:
        return self.cast(f"'{value!r}'")

    def cast(self, sql: str) -> str:
        return f"cast({sql} as {self.double})"

    def finite(self, sql: str) -> str:
        """Null for NaN and infinities: engines order NaN above every number, or nowhere."""
        return f"case when {self.within(sql, sys.float_info.max)} then {self.cast(sql)} end"

    def bounded(self, sql: str) -> str:
        """The number as it takes part in a calculation; see span.py."""
        tiny = f"case when {self.within(sql, 10.0**-COLUMN_EXPONENT)} then {self.number(0.0)}"
        return (
            f"case when {self.within(sql, 10.0**COLUMN_EXPONENT)} then {tiny} else {self.cast(sql)} end end"
        )

    def within(self, sql: str, limit: float) -> str:
        return f"{sql} between {self.number(-limit)} and {self.number(limit)}"

    def round(self, sql: str) -> str:
        return f"round({sql})"

    def whole(self, name: str, sql: str) -> str:
        return f"{name}({sql})"

    def extreme(self, name: str, parts: list[str]) -> str:
        return f"{name}({', '.join(parts)})"

    # --- texts ---

    def name(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def text(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def bytewise(self, sql: str) -> str:
        return sql

    def byte_length(self, sql: str) -> str:
        raise NotImplementedError

    def recased(self, name: str, sql: str) -> str:
        """The engine's own function serves where every letter is one byte; the table where not."""
        old, new = (CAPITALS, SMALL) if name == "lower" else (SMALL, CAPITALS)
        return (
            f"case when {self.byte_length(sql)} = length({sql}) then {name}({self.bytewise(sql)}) "
            f"else translate({sql}, {self.text(old)}, {self.text(new)}) end"
        )

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def starts_with(self, text: str, part: str) -> str:
        return f"starts_with({text}, {part})"

    def ends_with(self, text: str, part: str) -> str:
        return f"ends_with({text}, {part})"

    def trim(self, text: str) -> str:
        return f"trim({text}, ' ')"

    # --- times ---

    def time(self, moment: datetime) -> str:
        raise NotImplementedError

    def dated(self, sql: str) -> str:
        """Years 1 to 9999: no infinity, and differences that fit every engine."""
        first, last = self.time(datetime.min), self.time(datetime.max)
        return f"case when {sql} between {first} and {last} then {sql} end"

    def epoch(self, moment: str) -> str:
        """Whole microseconds since 1970."""
        raise NotImplementedError

    def microseconds(self, start: str, end: str) -> str:
        """From start to end, as a double."""
        return self.cast(f"{self.epoch(end)} - {self.epoch(start)}")
