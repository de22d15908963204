"""Warehouses that keep behaviour: what Spark, Snowflake, BigQuery and Trino say in words of their own.

Columns are expected as double, text, boolean and an instant: timestamp (Spark, BigQuery), timestamp_tz or
timestamp_ltz (Snowflake), timestamp with time zone (Trino). Three things are left to the engine: Trino's
moments are exact to the microsecond from 1685 to 2255; a name in small letters is one that Snowflake was given
without quotes (PAGE is page); and Spark may not run with spark.sql.parser.escapedStringLiterals.
"""

from __future__ import annotations

from datetime import datetime

from clearlane.rules.grammar import ESCAPE
from clearlane.rules.tree import Call, Literal
from clearlane.rules.writer import Writer

_WHOLE_BEYOND = 2.0**53
"""Doubles from here on are whole numbers, and too large for integers further on."""


def _utc(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


class _Warehouse(Writer):
    double = "double"

    def byte_length(self, sql: str) -> str:
        return f"octet_length({sql})"

    def contains(self, text: str, part: str) -> str:
        return f"(strpos({text}, {part}) > 0)"


class _NullsAreInfectious(_Warehouse):
    """Engines whose least and greatest are null as soon as one of the values is."""

    def extreme(self, name: str, parts: list[str]) -> str:
        firsts = [", ".join([part, *parts[:i], *parts[i + 1 :]]) for i, part in enumerate(parts)]
        return f"{name}({', '.join(f'coalesce({first})' for first in firsts)})"


class Spark(_Warehouse):
    """Spark SQL 3.4 or newer, ANSI mode or not."""

    def name(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def text(self, text: str) -> str:
        # Spark replaces variables in a statement before it reads it, also within texts.
        escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\u0024{")
        return f"'{escaped}'"

    def time(self, moment: datetime) -> str:
        return f"timestamp '{_utc(moment)}+00:00'"

    def epoch(self, moment: str) -> str:
        return f"unix_micros({moment})"

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def starts_with(self, text: str, part: str) -> str:
        return f"startswith({text}, {part})"

    def ends_with(self, text: str, part: str) -> str:
        return f"endswith({text}, {part})"

    def trim(self, text: str) -> str:
        return f"btrim({text}, ' ')"

    def whole(self, name: str, sql: str) -> str:
        """Spark's floor and ceil give integers."""
        return (
            f"case when {self.within(sql, _WHOLE_BEYOND)} then {self.cast(f'{name}({sql})')} else {sql} end"
        )


class Snowflake(_NullsAreInfectious):
    def name(self, name: str) -> str:
        plain = name.isascii() and name.isidentifier() and name == name.lower()
        return super().name(name.upper() if plain else name)

    def text(self, text: str) -> str:
        return super().text(text.replace("\\", "\\\\"))

    def bytewise(self, sql: str) -> str:
        return f"collate({sql}, 'utf8')"

    def time(self, moment: datetime) -> str:
        return f"cast('{_utc(moment)}+00:00' as timestamp_tz)"

    def epoch(self, moment: str) -> str:
        return f"date_part(epoch_microsecond, {moment})"

    def contains(self, text: str, part: str) -> str:
        return f"contains({text}, {part})"

    def starts_with(self, text: str, part: str) -> str:
        return f"startswith({text}, {part})"

    def ends_with(self, text: str, part: str) -> str:
        return f"endswith({text}, {part})"


class BigQuery(_NullsAreInfectious):
    double = "float64"

    def name(self, name: str) -> str:
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def text(self, text: str) -> str:
        escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}
        return "'" + "".join(escapes.get(sign, sign) for sign in text) + "'"

    def bytewise(self, sql: str) -> str:
        return f"collate({sql}, '')"

    def byte_length(self, sql: str) -> str:
        return f"byte_length({sql})"

    def like(self, node: Call) -> str:
        """Its like knows no other escape than the backslash."""
        text, pattern = node.arguments
        assert isinstance(pattern, Literal)
        return f"({self.bytewise(self.write(text))} like {self.text(_backslashed(str(pattern.value)))})"

    def time(self, moment: datetime) -> str:
        return f"timestamp '{_utc(moment)}+00:00'"

    def epoch(self, moment: str) -> str:
        return f"unix_micros({moment})"


class Trino(_NullsAreInfectious):
    def byte_length(self, sql: str) -> str:
        return f"length(to_utf8({sql}))"

    def time(self, moment: datetime) -> str:
        return f"timestamp '{_utc(moment)} UTC'"

    def epoch(self, moment: str) -> str:
        return f"round(to_unixtime({moment}) * 1e6)"

    def ends_with(self, text: str, part: str) -> str:
        return f"(substr({text}, length({text}) - length({part}) + 1) = {part})"

    def trim(self, text: str) -> str:
        return f"trim(both ' ' from {text})"

    def round(self, sql: str) -> str:
        # Its round goes by way of integers; the largest number below one half is exact here.
        return f"truncate({sql} + sign({sql}) * {self.number(0.49999999999999994)})"


def _backslashed(pattern: str) -> str:
    """The pattern with a backslash for our escape."""
    signs, found = iter(pattern), ""
    for sign in signs:
        if sign == ESCAPE:
            sign = next(signs)
            found += f"\\{sign}" if sign in "%_" else sign
        else:
            found += "\\\\" if sign == "\\" else sign
    return found
