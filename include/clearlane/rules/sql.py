"""From a checked tree to SQL that means the same on every engine.

Columns are expected as double precision, text, boolean and timestamptz (DuckDB: TIMESTAMPTZ; the others:
warehouses.py). The SQL for PostgreSQL holds neither % nor a colon, so drivers and SQLAlchemy's text() leave it
as it is.
"""

from __future__ import annotations

import enum
from datetime import datetime

from clearlane.rules.tree import Call, Node
from clearlane.rules.warehouses import BigQuery, Snowflake, Spark, Trino
from clearlane.rules.writer import Writer

_COPIES = {"lower": 4, "upper": 4, "round": 2, "floor": 3, "ceil": 3, "ends_with": 2, "/": 2}


class Dialect(enum.StrEnum):
    """PostgreSQL and DuckDB run the whole model; the others add up behaviour where it is kept."""

    POSTGRES = "postgres"
    DUCKDB = "duckdb"
    SPARK = "spark"
    SNOWFLAKE = "snowflake"
    BIGQUERY = "bigquery"
    TRINO = "trino"


def write(node: Node, dialect: Dialect, alias: str | None = None) -> str:
    """The tree as a SQL expression; `alias` is put before every column as it is."""
    return _WRITERS[dialect](alias).write(node)


def copies(node: Node) -> int:
    """How many leaves the SQL of a tree holds at most: some functions repeat their argument."""
    if not isinstance(node, Call):
        return 1
    if node.name == "in":
        return 2 * copies(node.arguments[0])
    repeated = len(node.arguments) if node.name in ("least", "greatest") else _COPIES.get(node.name, 1)
    return repeated * sum(copies(argument) for argument in node.arguments)


def quoted(name: str, dialect: Dialect) -> str:
    """A column's name as SQL."""
    return _WRITERS[dialect](None).name(name)


def text_literal(text: str, dialect: Dialect) -> str:
    """A text as SQL."""
    return _WRITERS[dialect](None).text(text)


def time_literal(moment: datetime, dialect: Dialect) -> str:
    """A moment in UTC as SQL."""
    return _WRITERS[dialect](None).time(moment)


def number(value: float, dialect: Dialect = Dialect.POSTGRES) -> str:
    """A finite number as a double."""
    return _WRITERS[dialect](None).number(value)


def as_double(sql: str, dialect: Dialect) -> str:
    """A number or null as a double."""
    return _WRITERS[dialect](None).cast(sql)


def epoch_seconds(moment: str, dialect: Dialect) -> str:
    """Seconds since 1970 as a double: whole microseconds divided by a million."""
    writer = _WRITERS[dialect](None)
    return f"({writer.cast(writer.epoch(moment))} / {writer.number(1e6)})"


class _DuckDb(Writer):
    def time(self, moment: datetime) -> str:
        return f"cast('{moment.replace(tzinfo=None).isoformat(' ')}+00' as timestamptz)"

    def byte_length(self, sql: str) -> str:
        return f"strlen({sql})"

    def epoch(self, moment: str) -> str:
        return f"epoch_us({moment})"


class _Postgres(Writer):
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

    def epoch(self, moment: str) -> str:
        return f"(extract(epoch from {moment}) * 1000000)"

    def contains(self, text: str, part: str) -> str:
        return f"(strpos({text}, {part}) > 0)"

    def ends_with(self, text: str, part: str) -> str:
        return f"(right({text}, length({part})) = {part})"

    def trim(self, text: str) -> str:
        return f"btrim({text}, ' ')"

    def round(self, sql: str) -> str:
        # PostgreSQL rounds halves of doubles to even; the largest number below one half is exact here.
        return f"trunc({sql} + sign({sql}) * {self.number(0.49999999999999994)})"


_WRITERS: dict[Dialect, type[Writer]] = {
    Dialect.POSTGRES: _Postgres,
    Dialect.DUCKDB: _DuckDb,
    Dialect.SPARK: Spark,
    Dialect.SNOWFLAKE: Snowflake,
    Dialect.BIGQUERY: BigQuery,
    Dialect.TRINO: Trino,
}


def _passes_drivers(text: str) -> bool:
    return not any(sign in text for sign in "%:\\")


def _escaped(text: str) -> str:
    for sign in "\\%:":
        text = text.replace(sign, f"\\{ord(sign):04x}")
    return text
