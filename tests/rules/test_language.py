"""The language by example: what matches, what the terms say, what counts as the same condition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from tests.rules.conftest import Ask

from clearlane.rules import Dialect, Type, explain, explain_rows, parse
from clearlane.rules.sql import quoted

COLUMNS = {
    "employees": Type.NUMBER,
    "revenue": Type.NUMBER,
    "title": Type.TEXT,
    "type": Type.TEXT,
    "date": Type.TIME,
    "created_at": Type.TIME,
    "as_of": Type.TIME,
    "is_customer": Type.BOOLEAN,
    "Company Size": Type.NUMBER,
    'a "quoted" 100%:name': Type.NUMBER,
}
LISTS = {"competitors": ("rival.com", "o'hara.ie"), "nobody": ()}
EMPTY = dict.fromkeys(COLUMNS)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def matches(ask_postgres: Ask, ask_duckdb: Ask) -> Callable[..., bool]:
    """Whether a condition matches a row of these values; both engines must say the same."""

    def both(condition: str, **values: object) -> bool:
        predicate, rows = parse(condition, COLUMNS, LISTS), [{**EMPTY, **values}]
        ((on_postgres,),) = ask_postgres([predicate.sql(Dialect.POSTGRES)], COLUMNS, rows)
        ((on_duckdb,),) = ask_duckdb([predicate.sql(Dialect.DUCKDB)], COLUMNS, rows)
        assert on_postgres is on_duckdb
        return on_duckdb

    return both


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("employees between 50 and 1000", {"employees": 50}),
        ("employees between 50 and 1000", {"employees": 1000}),
        ("EMPLOYEES >= 50 AND Title IS NULL", {"employees": 50}),
        ("type in ('demo', 'pricing')", {"type": "pricing"}),
        ("type not in ('demo')", {"type": "download"}),
        ("employees is null", {}),
        ("is_customer is not true", {}),
        ("not is_customer", {"is_customer": False}),
        ("is_customer = true", {"is_customer": True}),
        ("title ilike '%geschäftsführer%'", {"title": "GESCHÄFTSFÜHRER Vertrieb"}),
        ("title ilike 'łódź%'", {"title": "ŁÓDŹ"}),
        ("lower(title) = 'директор'", {"title": "ДИРЕКТОР"}),
        ("lower(title) = 'αθήνα'", {"title": "ΑΘΉΝΑ"}),
        ("upper(title) = 'ȚARĂ ÎN IAȘI'", {"title": "țară în iași"}),
        ("upper(title) = 'STRAßE'", {"title": "straße"}),
        ("title like '100\\%'", {"title": "100%"}),
        ("title like '100!%' escape '!'", {"title": "100%"}),
        ("title not like '100!%' escape '!'", {"title": "1000"}),
        ("title like 'a\\\\b'", {"title": "a\\b"}),
        ("in_list(title, competitors)", {"title": "o'hara.ie"}),
        ("not in_list(title, nobody)", {"title": "a"}),
        ("title = 'it''s'", {"title": "it's"}),
        ("'B' < 'a'", {}),
        ("revenue / employees > 3", {"revenue": 7, "employees": 2}),
        ("round(employees) = 3", {"employees": 2.5}),
        ("round(employees) = -3", {"employees": -2.5}),
        ("round(employees) = 4503599627370496", {"employees": 4503599627370495.5}),
        ("round(employees) = 9007199254740993e0", {"employees": 9007199254740992.0}),
        ("round(employees) = 0", {"employees": 0.49999999999999994}),
        ('"Company Size" = 3', {"Company Size": 3}),
        ('"a ""quoted"" 100%:name" = 3', {'a "quoted" 100%:name': 3}),
        ("date >= date '2026-01-31'", {"date": NOON}),
        ("date'2026-03-01' < date", {"date": NOON}),
        ("created_at = '2026-03-01T13:00:00+01:00'", {"created_at": NOON}),
        ("created_at = timestamp '2026-03-01 12:00'", {"created_at": NOON}),
        ("created_at = '2026-03-01T12:00Z'", {"created_at": datetime(2026, 3, 1, 12)}),
        ("days_between(created_at, as_of) = 1.5", {"created_at": NOON, "as_of": NOON + timedelta(hours=36)}),
        ("days_between('2026-02-28', created_at) = 1.5", {"created_at": NOON}),
        ("coalesce(employees, 0) = 0", {}),
        ("greatest(employees, revenue) = 5", {"revenue": 5}),
        ("1 = 1 or employees > 1 and employees < 0", {}),
        ("not title = 'a' and employees = 2 * 3 + 1", {"title": "b", "employees": 7}),
        ("employees = -(-5)", {"employees": 5}),
        ("employees = - - 5", {"employees": 5}),
    ],
)
def test_matches(matches: Callable[..., bool], condition: str, values: dict[str, object]) -> None:
    assert matches(condition, **values)


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("employees > 5", {}),
        ("not employees > 5", {}),
        ("title <> 'a'", {}),
        ("not is_customer", {}),
        ("employees not in (1, 2)", {}),
        ("not in_list(title, nobody)", {}),
        ("employees > 0", {"employees": float("nan")}),
        ("employees > 0", {"employees": float("inf")}),
        ("employees * employees > 0", {"employees": 1e200}),
        ("revenue / employees > 0", {"revenue": 1, "employees": 0}),
        ("title = 'A'", {"title": "a"}),
        ("title like 'a'", {"title": "a "}),
        ("title like '100\\%'", {"title": "1000"}),
        ("title like 'a_'", {"title": "a"}),
        ("title ilike 'strasse'", {"title": "straße"}),
    ],
)
def test_does_not_match(matches: Callable[..., bool], condition: str, values: dict[str, object]) -> None:
    assert not matches(condition, **values)


def test_infinite_times_never_match(ask_postgres: Ask, ask_duckdb: Ask) -> None:
    predicate = parse("created_at > '2026-01-01' or created_at <= '2026-01-01'", COLUMNS)
    for ask, dialect in ((ask_postgres, Dialect.POSTGRES), (ask_duckdb, Dialect.DUCKDB)):
        rows = [{"created_at": moment} for moment in ("infinity", "-infinity", "2026-01-01T00:00:00Z")]
        found = ask([predicate.sql(dialect)], {"created_at": Type.TIME}, rows)
        assert found == [(False,), (False,), (True,)]


def test_whole_number_columns_serve_as_numbers(postgres: psycopg.Connection) -> None:
    sql = parse("employees / 2 = 3.5 and revenue < 0", COLUMNS).sql(Dialect.POSTGRES)
    row = "select 7::int as employees, -9223372036854775808 as revenue"
    assert postgres.execute(f"select {sql} from ({row}) as seen").fetchone() == (True,)


def test_texts_compare_bytewise_whatever_the_servers_locale() -> None:
    """The embedded server has no other collation to try this on, so the SQL is read."""
    conditions = [
        "title < 'a'",
        "title between 'a' and 'b'",
        "title in ('a')",
        "title like 'a'",
        "title <> type",
    ]
    for condition in [*conditions, "lower(title) is null", "contains(title, 'a')", "ends_with(title, 'a')"]:
        assert 'collate "C"' in parse(condition, COLUMNS).sql(Dialect.POSTGRES), condition


def test_terms_are_the_authors_words() -> None:
    predicate = parse(
        "employees  between 1 and 9 and (title = 'a and b' or is_customer)\n AND not is_customer", COLUMNS
    )
    assert [term.text for term in predicate.terms] == [
        "employees  between 1 and 9",
        "(title = 'a and b' or is_customer)",
        "not is_customer",
    ]
    assert [term.columns for term in predicate.terms] == [
        {"employees"},
        {"title", "is_customer"},
        {"is_customer"},
    ]
    assert predicate.columns == {"employees", "title", "is_customer"}
    assert predicate.types["employees"] is Type.NUMBER


def test_an_or_is_one_term() -> None:
    assert len(parse("employees > 1 and employees < 9 or is_customer", COLUMNS).terms) == 1


def test_explain_says_which_term_failed_and_what_was_seen() -> None:
    predicate = parse("employees > 50 and title = 'CEO' and revenue > 1", COLUMNS)
    rows = [{"employees": 10, "title": "CEO"}, {"employees": 60, "title": "CFO", "revenue": 2}]
    explained = explain_rows(predicate, rows)
    assert [[term.matched for term in terms] for terms in explained] == [
        [False, True, False],
        [True, False, True],
    ]
    assert [term.values for term in explained[0]] == [{"employees": 10}, {"title": "CEO"}, {"revenue": None}]
    assert explain_rows(predicate, []) == []


def test_explain_takes_values_of_another_type_as_empty() -> None:
    predicate = parse("employees > 5 and title is null and is_customer is not null", COLUMNS)
    seen = explain(predicate, {"employees": "6", "title": 5, "is_customer": 1})
    assert [term.matched for term in seen] == [False, True, False]
    assert not explain(predicate, {"employees": True})[0].matched
    assert explain(predicate, {"employees": Decimal("5.5")})[0].matched


def test_explain_serves_many_calls_on_one_engine() -> None:
    with duckdb.connect() as engine:
        for employees in range(3):
            (term,) = explain(parse("employees > 1", COLUMNS), {"employees": employees}, engine)
            assert term.matched is (employees > 1)


def test_explain_takes_values_of_pandas() -> None:
    predicate = parse(
        "employees = 7 and is_customer and created_at > '2026-01-01' and title is null", COLUMNS
    )
    row = {
        "employees": np.int64(7),
        "is_customer": np.bool_(True),
        "created_at": pd.Timestamp("2026-01-01T01:00", tz=timezone(timedelta(hours=-1))),
        "title": float("nan"),
    }
    assert all(term.matched for term in explain(predicate, row))
    assert not explain(predicate, {**row, "created_at": pd.NaT})[2].matched
    assert not explain(predicate, {**row, "employees": 10**400})[0].matched


@pytest.mark.parametrize(
    "same",
    [
        "EMPLOYEES>=50 AND\n\tTITLE  In ('a','b')",
        "(employees >= 5e1) and ((title in ('a', 'b')))",
        "\"employees\" >= 50.0 and title in ('a', 'b')",
    ],
)
def test_same_meaning_same_fingerprint(same: str) -> None:
    assert (
        parse(same, COLUMNS).fingerprint
        == parse("employees >= 50 and title in ('a', 'b')", COLUMNS).fingerprint
    )


@pytest.mark.parametrize(
    "other",
    [
        "employees > 50 and title in ('a', 'b')",
        "employees >= 50 and title in ('a', 'B')",
        "employees >= 50 or title in ('a', 'b')",
        "employees >= 50 and title in ('a')",
    ],
)
def test_other_meaning_other_fingerprint(other: str) -> None:
    assert (
        parse(other, COLUMNS).fingerprint
        != parse("employees >= 50 and title in ('a', 'b')", COLUMNS).fingerprint
    )


def test_fingerprint_follows_the_list() -> None:
    text = "in_list(title, competitors)"
    assert (
        parse(text, COLUMNS, LISTS).fingerprint
        != parse(text, COLUMNS, {"competitors": ("x.com",)}).fingerprint
    )


def test_a_long_or_is_fine(matches: Callable[..., bool]) -> None:
    condition = " or ".join(f"title = '{i}'" for i in range(200))
    assert matches(condition, title="199")


def test_a_long_list_is_fine(postgres: psycopg.Connection) -> None:
    lists = {"free_mail": tuple(f"domain{i}.example" for i in range(20_000))}
    sql = parse("in_list(title, free_mail)", COLUMNS, lists).sql(Dialect.POSTGRES)
    row = "select 'domain19999.example' as title"
    assert postgres.execute(f"select {sql} from ({row}) as seen").fetchone() == (True,)


def test_sql_passes_drivers_and_sqlalchemy_unchanged(ledger_url: str) -> None:
    """% and : mean parameters there, so the SQL for PostgreSQL holds neither."""
    condition = """title like '%s\\%:a %%' and "a ""quoted"" 100%:name" = 1 and created_at > '2026-01-01'"""
    sql = parse(condition, COLUMNS).sql(Dialect.POSTGRES, "seen")
    assert not set("%:") & set(sql)
    name = quoted('a "quoted" 100%:name', Dialect.POSTGRES)
    row = f"select cast(:title as text) as title, 1 as {name}, timestamptz '20260201T000000Z' as created_at"
    engine = sa.create_engine(ledger_url)
    with engine.connect() as connection:
        found = connection.execute(sa.text(f"select {sql} from ({row}) as seen"), {"title": "xs%:a b"})
        assert found.scalar_one() is True
    engine.dispose()


def test_alias_stands_before_every_column() -> None:
    sql = parse("employees > 1 and title = 'a'", COLUMNS).sql(Dialect.DUCKDB, "lead")
    assert 'lead."employees"' in sql
    assert 'lead."title"' in sql
