"""Conditions for warehouses without a server here: read back by SQLGlot, and run as it understands them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp
from tests.profiles import examples
from tests.rules.conditions import COLUMNS, CONDITIONS, ROWS, Piece, Row
from tests.rules.conftest import Ask
from tests.rules.test_engines import parsed
from tests.rules.warehouses import WAREHOUSES, in_duckdb, parsed_back

from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.columns import read
from clearlane.rules.sql import quoted, text_literal, time_literal

SOME = settings(max_examples=examples(20, 200), suppress_health_check=list(HealthCheck))
READABLE = 8_000
"""characters of SQL"""
NATIVE = {Dialect.SPARK: {"octet_length", "btrim"}}
"""Functions that the engine has, and SQLGlot has no word for."""


def short(piece: Piece) -> Predicate | None:
    """The predicate, unless its SQL is so long that SQLGlot would read it for seconds, or minutes."""
    predicate = parsed(piece)
    return predicate if predicate and len(predicate.sql(Dialect.SPARK, "seen")) <= READABLE else None


@SOME
@given(pieces=st.lists(CONDITIONS, min_size=1, max_size=3), rows=st.lists(ROWS, min_size=1, max_size=6))
def test_it_means_the_same_where_it_can_be_run(ask_duckdb: Ask, pieces: list[Piece], rows: list[Row]) -> None:
    both = [(piece, predicate) for piece in pieces if (predicate := short(piece))]
    expected = [tuple(piece.value(row, False) is True for piece, _ in both) for row in rows]
    for dialect in WAREHOUSES if both else ():
        asked = [in_duckdb(predicate.sql(dialect, "seen"), dialect) for _, predicate in both]
        assert (dialect, ask_duckdb(asked, COLUMNS, rows)) == (dialect, expected)


@SOME
@given(CONDITIONS)
def test_the_parser_of_the_warehouse_knows_every_word(piece: Piece) -> None:
    predicate = short(piece)
    for dialect in WAREHOUSES if predicate else ():
        tree = parsed_back(predicate.sql(dialect, "seen"), dialect)
        unknown = {str(node.this) for node in tree.find_all(exp.Anonymous, exp.Command)}
        assert (dialect, unknown) <= (dialect, NATIVE.get(dialect, set()))
        assert {column.name.lower() for column in tree.find_all(exp.Column)} == {
            name.lower() for name in predicate.columns
        }


@pytest.mark.parametrize(
    ("dialect", "name", "text", "time"),
    [
        (Dialect.SPARK, "`page`", "'it\\'s 50% \\\\ \\u0024{x}'", "timestamp '2026-01-31 09:30:00.000000+00:00'"),
        (
            Dialect.SNOWFLAKE, '"PAGE"', "'it''s 50% \\\\ ${x}'",
            "cast('2026-01-31 09:30:00.000000+00:00' as timestamp_tz)",
        ),
        (Dialect.BIGQUERY, "`page`", "'it\\'s 50% \\\\ ${x}'", "timestamp '2026-01-31 09:30:00.000000+00:00'"),
        (Dialect.TRINO, '"page"', "'it''s 50% \\ ${x}'", "timestamp '2026-01-31 09:30:00.000000 UTC'"),
    ],
)  # fmt: skip
def test_names_texts_and_times(dialect: Dialect, name: str, text: str, time: str) -> None:
    assert quoted("page", dialect) == name
    assert text_literal("it's 50% \\ ${x}", dialect) == text
    assert time_literal(datetime(2026, 1, 31, 9, 30, tzinfo=UTC), dialect) == time


def test_names_that_a_warehouse_would_not_fold_are_quoted_as_they_are() -> None:
    assert quoted("Company Size", Dialect.SNOWFLAKE) == '"Company Size"'
    assert quoted("pageUrl", Dialect.SNOWFLAKE) == '"pageUrl"'


def test_only_the_ledger_and_files_read_json() -> None:
    with pytest.raises(ValueError, match="snowflake"):
        read("page", Type.TEXT, Dialect.SNOWFLAKE)
