"""Spark gives conditions the same meaning; needs pyspark and Java (`make test-spark`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.rules.conditions import COLUMNS, CONDITIONS, ROWS, Piece, Row
from tests.rules.conftest import Ask
from tests.rules.test_engines import CALCULATIONS, EXTREMES, compared, constant, parsed

from clearlane.rules import Dialect, Type, parse
from clearlane.rules.sql import quoted

_STORED = {Type.NUMBER: "double", Type.TEXT: "string", Type.BOOLEAN: "boolean", Type.TIME: "timestamp"}
SOME = settings(max_examples=examples(25, 150), suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def ask_spark(spark: Any) -> Ask:
    """Evaluates SQL expressions over rows of a temporary view."""

    def ask(
        found: Sequence[str], columns: dict[str, Type], rows: Sequence[dict[str, Any]]
    ) -> list[tuple[Any, ...]]:
        names = ", ".join(f"{quoted(name, Dialect.SPARK)} {_STORED[kind]}" for name, kind in columns.items())
        values = [(place, *(row[name] for name in columns)) for place, row in enumerate(rows)]
        spark.createDataFrame(values, f"place_of_row int, {names}").createOrReplaceTempView("seen")
        query = f"select {', '.join(found)} from seen order by place_of_row"
        return [tuple(row) for row in spark.sql(query).collect()]

    return ask


@SOME
@given(st.lists(CONDITIONS, min_size=8, max_size=12), st.lists(ROWS, min_size=4, max_size=8))
def test_spark_agrees(ask_spark: Ask, pieces: list[Piece], rows: list[Row]) -> None:
    both = [(piece, predicate) for piece in pieces if (predicate := parsed(piece))]
    expected = [tuple(piece.value(row, False) is True for piece, _ in both) for row in rows]
    assert (
        ask_spark([predicate.sql(Dialect.SPARK, "seen") for _, predicate in both], COLUMNS, rows) == expected
    )


@SOME
@given(
    st.lists(CALCULATIONS, min_size=8, max_size=12),
    st.lists(st.fixed_dictionaries({"n": EXTREMES, "Number Two": EXTREMES}), min_size=9),
)
def test_no_calculation_raises(ask_spark: Ask, calculations: list[Piece], numbers: list[Row]) -> None:
    pieces = [compared("<=", (calculation, constant("0", 0.0))) for calculation in calculations]
    both = [(piece, predicate) for piece in pieces if (predicate := parsed(piece))]
    rows = [{**dict.fromkeys(COLUMNS), **row} for row in numbers]
    expected = [tuple(piece.value(row, False) is True for piece, _ in both) for row in rows]
    assert ask_spark([predicate.sql(Dialect.SPARK) for _, predicate in both], COLUMNS, rows) == expected


TEXTS = ["${x}", "$", "\\", "\\'", "it's", "a\\nb", "a\nb", "\\u0024", "%", "`", "ÄÖ🤦"]


def test_texts_and_names_arrive_as_they_are(ask_spark: Ask) -> None:
    columns = {text: Type.TEXT for text in TEXTS if text != "${x}"}
    names = [text.replace('"', '""') for text in columns]
    texts = [text.replace("'", "''") for text in TEXTS]
    predicates = [parse(f"\"{name}\" = '{text}'", columns) for name in names for text in texts]
    rows = [dict.fromkeys(columns, text) for text in TEXTS]
    expected = [tuple(text == other for _ in names for other in TEXTS) for text in TEXTS]
    assert ask_spark([predicate.sql(Dialect.SPARK) for predicate in predicates], columns, rows) == expected
