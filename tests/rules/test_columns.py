"""Attributes are read from JSON alike on both engines, and never raise."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.rules import Dialect, Type
from clearlane.rules.columns import read

NAMES = ["employees", "Company Size", 'a "b"', "a/b~c", "50%:x", "o'brien", "größe", "0", "a.b", "$", ""]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def read_postgres(
    connection: psycopg.Connection[Any], documents: list[str], name: str, kind: Type
) -> list[Any]:
    sql = read(name, kind, Dialect.POSTGRES, "d.attributes")
    asked = (
        f"select {sql} from (select place_of_row, cast(text as jsonb) as attributes "
        "from unnest(cast(%s as text[])) with ordinality as t(text, place_of_row)) as d order by place_of_row"
    )
    found = [value for (value,) in connection.execute(asked, [documents])]
    return [microseconds(value) for value in found] if kind is Type.TIME else found


def read_duckdb(
    connection: duckdb.DuckDBPyConnection, documents: list[str], name: str, kind: Type
) -> list[Any]:
    sql = read(name, kind, Dialect.DUCKDB, "d.attributes")
    sql = f"epoch_us({sql})" if kind is Type.TIME else sql
    asked = f"select {sql} from (select unnest(?::varchar[]) as attributes, unnest(range(?)) as i) as d order by i"
    found = connection.execute(asked, [documents, len(documents)]).fetchall()
    return [value for (value,) in found]


def at(*parts: int) -> int | None:
    return microseconds(datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]


CASES: list[tuple[str, dict[Type, Any]]] = [
    ("1", {Type.NUMBER: 1.0, Type.TEXT: "1"}),
    ("1.50", {Type.NUMBER: 1.5, Type.TEXT: "1.5"}),
    ("100.0", {Type.NUMBER: 100.0, Type.TEXT: "100"}),
    ("-0.0", {Type.NUMBER: 0.0, Type.TEXT: "0"}),
    ("1E2", {Type.NUMBER: 100.0, Type.TEXT: "100"}),
    ("0.000001", {Type.NUMBER: 1e-06, Type.TEXT: "0.000001"}),
    ("0.0000001", {Type.NUMBER: 1e-07}),
    ("123456789012345678", {Type.NUMBER: 123456789012345678.0, Type.TEXT: "123456789012345678"}),
    ("1e400", {}),
    ("-1e400", {}),
    ("1" + "0" * 400, {}),
    ("5e-324", {Type.NUMBER: 5e-324}),
    ("true", {Type.BOOLEAN: True, Type.TEXT: "true"}),
    ("false", {Type.BOOLEAN: False, Type.TEXT: "false"}),
    ("null", {}),
    ("[1]", {}),
    ("{}", {}),
    ('""', {Type.TEXT: ""}),
    ('"5"', {Type.TEXT: "5"}),
    ('"true"', {Type.TEXT: "true"}),
    ('"NaN"', {Type.TEXT: "NaN"}),
    ('"\\u00e9\\n"', {Type.TEXT: "é\n"}),
    ('"now"', {Type.TEXT: "now"}),
    ('"infinity"', {Type.TEXT: "infinity"}),
    ('"2026-02-30"', {Type.TEXT: "2026-02-30"}),
    ('"0000-01-01"', {Type.TEXT: "0000-01-01"}),
    ('"2026-01-01T24:00"', {Type.TEXT: "2026-01-01T24:00"}),
    ('"2026-01-01\\n"', {Type.TEXT: "2026-01-01\n"}),
    ('"2026-01-01"', {Type.TEXT: "2026-01-01", Type.TIME: at(2026, 1, 1)}),
    ('"2026-01-01T10:00"', {Type.TEXT: "2026-01-01T10:00", Type.TIME: at(2026, 1, 1, 10)}),
    ('"2026-01-01 10:00:01Z"', {Type.TEXT: "2026-01-01 10:00:01Z", Type.TIME: at(2026, 1, 1, 10, 0, 1)}),
    (
        '"2026-01-01T10:00:00.123456789+0530"',
        {
            Type.TEXT: "2026-01-01T10:00:00.123456789+0530",
            Type.TIME: at(2026, 1, 1, 4, 30, 0, 123456),
        },
    ),
    (
        '"9999-12-31T23:59:59-14:00"',
        {
            Type.TEXT: "9999-12-31T23:59:59-14:00",
            Type.TIME: microseconds(datetime.max.replace(tzinfo=UTC)),
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize("kind", Type)
def test_reads_what_json_holds(
    postgres: psycopg.Connection[Any], duck: duckdb.DuckDBPyConnection, kind: Type
) -> None:
    documents = [*(f'{{"employees": {text}}}' for text, _ in CASES), "{}"]
    expected = [*(found.get(kind) for _, found in CASES), None]
    assert read_postgres(postgres, documents, "employees", kind) == expected
    assert read_duckdb(duck, documents, "employees", kind) == expected


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(
    postgres: psycopg.Connection[Any], duck: duckdb.DuckDBPyConnection, name: str
) -> None:
    documents = [json.dumps({name: 7, "other": 8}), json.dumps({"other": 9})]
    assert read_postgres(postgres, documents, name, Type.NUMBER) == [7.0, None]
    assert read_duckdb(duck, documents, name, Type.NUMBER) == [7.0, None]


def test_broken_json_is_null(duck: duckdb.DuckDBPyConnection) -> None:
    assert read_duckdb(duck, ['{"employees": ', "", '{"employees": 1}'], "employees", Type.NUMBER) == [
        None,
        None,
        1.0,
    ]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES = st.one_of(
    st.none(), st.booleans(), NUMBERS, MOMENTS, TEXTS, st.from_regex(r"[12]\d{3}-\d\d-\d\d", fullmatch=True)
)


@settings(max_examples=examples(60, 1000), deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=20))
def test_engines_read_alike(
    postgres: psycopg.Connection[Any], duck: duckdb.DuckDBPyConnection, values: list[Any]
) -> None:
    documents = [json.dumps({"a": value}) for value in values]
    for kind in Type:
        assert read_postgres(postgres, documents, "a", kind) == read_duckdb(duck, documents, "a", kind)


@settings(max_examples=examples(60, 1000), deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_survive(
    postgres: psycopg.Connection[Any], duck: duckdb.DuckDBPyConnection, values: list[float]
) -> None:
    documents = [json.dumps({"a": value}) for value in values]
    for found in (
        read_postgres(postgres, documents, "a", Type.NUMBER),
        read_duckdb(duck, documents, "a", Type.NUMBER),
    ):
        assert found == values
        assert all(map(math.isfinite, found))
