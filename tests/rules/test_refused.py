"""What is outside the language is refused: with a reason, at a place, in bounded time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.rules import FUNCTIONS, Dialect, Predicate, Refused, Type, explain, parse

COLUMNS = {
    "employees": Type.NUMBER,
    "title": Type.TEXT,
    "created_at": Type.TIME,
    "is_customer": Type.BOOLEAN,
    "as_of": Type.TIME,
}
LISTS = {"competitors": ("rival.com",), "free_mail": ("mail.example",)}
BOUND_SECONDS = 5


def refusal(text: str) -> Refused:
    """The refusal of a text, or a failure when it takes too much of the processor, never ends or is accepted."""
    pool = ThreadPoolExecutor(1)
    try:
        error, seconds = pool.submit(_tried, text).result(timeout=20 * BOUND_SECONDS)
    finally:
        pool.shutdown(wait=False)
    assert isinstance(error, Refused), f"{text[:80]!r} gave {error!r}"
    assert seconds < BOUND_SECONDS
    return error


def _tried(text: str) -> tuple[Exception | None, float]:
    started = time.thread_time()
    error: Exception | None = None
    try:
        parse(text, COLUMNS, LISTS)
    except Exception as found:
        error = found
    return error, time.thread_time() - started


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ("", "is empty", 0),
        (" \n ", "is empty", 0),
        ("employees > (select max(employees) from lead)", "subquery", 13),
        ("exists (select 1)", "any, all, some and exists", 0),
        ("title = any('{a}')", "any, all, some and exists", 8),
        ("1 = 1; drop table lead", "second statement", 5),
        ("1 = 1 union select 1", "subquery", 6),
        ("employees > 1 -- always", "comment", 14),
        ("employees > 1 /* always */", "comment", 14),
        ("employees > 1 # always", "comment", 14),
        ("employees::text = '1'", "cast or a parameter", 9),
        ("cast(employees as text) = '1'", "cast is not allowed", 0),
        ("try_cast(title as int) = 1", "cast is not allowed", 0),
        ("employees = :limit", "parameter", 12),
        ("employees = ?", "parameter", 12),
        ("employees = $1", "parameter", 12),
        ("title = $$a$$", "dollar quote", 8),
        ("title = E'a'", "prefix E", 8),
        ("title = U&'a'", "not in the language", 9),
        ("title = x'41'", "prefix x", 8),
        ("title = b'0'", "prefix b", 8),
        ("employees = 0x1F", "not a number", 12),
        ("employees = 1_000", "not a number", 12),
        ("employees = 1.2.3", "not a number", 12),
        ("employees = 1e999", "too large", 12),
        ("title = 'a\0b'", "NUL", 10),
        ("title = '\ud800'", "broken character", 9),
        ("title = 'a", "never closed", 8),
        ('"title = 1', "never closed", 0),
        ("lead.title = 'a'", "a dot is not allowed", 4),
        ("title.a = 'a'", "a dot is not allowed", 5),
        ("title[1] = 'a'", "square brackets", 5),
        ("title = {}", "curly brackets", 8),
        ("employees % 2 = 0", "only allowed inside a like", 10),
        ("title ~ 'a'", "pattern match", 6),
        ("title similar to 'a'", "pattern match", 6),
        ("title || 'a' = 'b'", "not joined", 6),
        ("title == 'a'", "cannot be read near =", 7),
        ("case when is_customer then true end", "case is not in the language", 0),
        ("row_number() over () = 1", "window functions", 0),
        ("count(title) > 1", "totals", 0),
        ("sum(employees) > 1", "totals", 0),
        ("now() > created_at", "compare with as_of", 0),
        ("created_at < current_date", "compare with as_of", 13),
        ("created_at + interval '1 day' > as_of", "days_between", 13),
        ("title = 'a' collate c", "collate", 12),
        ("employees is distinct from 1", "distinct", 13),
        ("in_list(title, x -> x)", "unknown list x", 15),
        ("pg_sleep(10) is null", "unknown function pg_sleep", 0),
        ("read_csv('/etc/passwd') is null", "unknown function read_csv", 0),
        ("employes > 5", "did you mean employees?", 0),
        ('"employes" > 5', "did you mean employees?", 0),
        ("lenght(title) > 5", "did you mean length?", 0),
        ("in_list(title, competitor)", "did you mean competitors?", 15),
        ("title in (competitors)", "unknown column competitors", 10),
        ("title = ‘a’", "word processor", 8),
        ("employees ≥ 5", "write <=, >= or <>", 10),
        ("employees > 5)", "closes nothing", 13),
        ("(employees > 5", "bracket ) is missing", 14),
        ("employees > 5 and", "missing beside an and", 14),
        ("and employees > 5", "missing beside an and", 0),
        ("employees > 5 or", "cannot be read", 14),
        ("employees > 5 employees < 9", "cannot be read near", 14),
        ("employees", "true or false", 0),
        ("'a'", "true or false", 0),
        ("employees > 'many'", "cannot be compared with 'many', a text", 12),
        ("title > 5", "cannot be compared with 5, a number", 8),
        ("title = is_customer", "cannot be compared", 8),
        ("is_customer > false", "have no order", 0),
        ("employees in ('a')", "cannot be compared", 14),
        ("employees in ()", "in takes its values in brackets", 0),
        ("employees in employees", "in takes its values in brackets", 0),
        ("title in ('a', null)", "null equals nothing", 0),
        ("title = null", "null equals nothing", 0),
        ("title is 'a'", "null, true or false only", 0),
        ("title is true", "takes a boolean", 0),
        ("employees and is_customer", "true or false", 0),
        ("employees or is_customer", "or takes a boolean", 0),
        ("not employees", "not takes a boolean", 4),
        ("title like title", "quoted pattern", 0),
        ("employees like '1%'", "like takes a text", 0),
        ("title like 'a\\'", "ends with its escape", 11),
        ("title like 'a' escape 'ab'", "one character", 0),
        ("title = 'a' escape 'b'", "cannot be read", None),
        ("'a' 'b' = title", "not in the language", 0),
        ("(1, 2) = (1, 2)", "not in the language", None),
        ("created_at > 'yesterday'", "is not a time", 13),
        ("created_at > 'now'", "is not a time", 13),
        ("created_at > '2026-02-30'", "is not a time", 13),
        ("created_at > timestamp '0001-01-01T00:00+14:00'", "is not a time", None),
        ("lower(title, 'a') = 'a'", "lower is written lower(text)", 0),
        ("lower() = 'a'", "lower is written lower(text)", 0),
        ("lower(employees) = 'a'", "lower takes a text", 6),
        ("coalesce(title, 1) = 'a'", "cannot be taken together", 16),
        ("least(title, 'a') = 'a'", "least takes a number or time", 6),
        ("days_between(created_at, title) > 1", "takes a time", None),
        ("in_list(title) ", "in_list is written", 0),
        ("in_list(title, 'a')", "in_list is written", 0),
        ("in_list(employees, free_mail)", "in_list takes a text", 8),
        ("*", "not in the language", 0),
        ("employees = *", "not in the language", None),
        ("employees" + "*employees" * 5 + " > 0", "range of numbers", 0),
        ("1 / employees" + " / employees" * 5 + " > 0", "range of numbers", 0),
        ("(employees - 1)" + " * (employees - 1)" * 3 + " > 0", "range of numbers", None),
        ("employees / 1e200 / 1e200 > 0", "range of numbers", None),
        ("employees * 1e200 * 1e200 > 0", "range of numbers", None),
        ("round(" * 20 + "employees" + ")" * 20 + " > 0", "too complicated", None),
        ("lower(" * 31 + "title" + ")" * 31 + " = 'a'", "too complicated", None),
    ],
)  # fmt: skip
def test_refused_with_its_reason(text: str, reason: str, position: int | None) -> None:
    refused = refusal(text)
    assert reason in refused.reason
    assert str(refused) == refused.reason
    if position is not None:
        assert refused.position == position


MEGABYTE = 1_000_000
HUGE = {
    "a megabyte of letters": "a" * MEGABYTE,
    "a megabyte of brackets": "(" * MEGABYTE,
    "a megabyte of text": "title = '" + "a" * MEGABYTE + "'",
    "a megabyte of or": " or ".join(["1=1"] * (MEGABYTE // 7)),
    "over 4 KB in bytes only": "title = '" + "é" * 2100 + "'",
    "brackets": "(" * 33 + "is_customer" + ")" * 33,
    "open brackets": "(" * 4000,
    "not": "not " * 33 + "is_customer",
    "minus": "employees = " + "- " * 33 + "1",
    "signs in brackets": "employees = " + "-(" * 17 + "1" + ")" * 17,
    "functions": "lower(" * 33 + "title" + ")" * 33 + " = 'a'",
    "in": "1 in (" * 40 + "1" + ")" * 40,
    "a sum": "1" + " + 1" * 900 + " > 0",
    "a product": "1" + "*1" * 1900 + " > 0",
    "comparisons": "1" + "=1" * 1900,
    "betweens": "1 between 1 and 1 " * 200,
    "quotes": "'" * 4001,
    "names": '"' * 4001,
    "is null": "title" + " is null" * 400,
    "escapes": "title like 'a'" + " escape '!'" * 300,
    "words": "title " * 600,
    "commas": "," * 4000,
    "unknown names": " and ".join(f"column{i}" for i in range(300)),
    "mixed": "not (" * 16 + "-(" * 16,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_huge_and_deep_is_refused_in_bounded_time(text: str) -> None:
    assert len(refusal(text).reason) < 300


def test_deep_but_allowed() -> None:
    assert parse("(" * 32 + "is_customer" + ")" * 32, COLUMNS)
    assert parse("not " * 32 + "is_customer", COLUMNS)
    with pytest.raises(Refused, match="3 levels"):
        parse("((((is_customer))))", COLUMNS, max_depth=3)
    with pytest.raises(Refused, match="10 bytes"):
        parse("is_customer", COLUMNS, max_bytes=10)


def test_names_that_postgres_would_cut_are_refused() -> None:
    name = "n" * 64
    with pytest.raises(Refused, match="longer than 63 bytes"):
        parse(f"{name} > 1", {name: Type.NUMBER})


VOCABULARY = (
    list(COLUMNS)
    + list(LISTS)
    + [f"{function.name}(" for function in FUNCTIONS]
    + ["and", "or", "not", "in", "between", "like", "ilike", "escape", "is", "null", "true"]
    + ["false", "date", "timestamp", "select", "distinct"]
    + ["(", ")", ")", ")", ",", "+", "-", "*", "/", "=", "<>", "!=", "<", "<=", ">", ">=", "."]
    + ["1", "2.5", ".5", "1e308", "1e-308", "'a'", "'%'", "'!'", "''", "'2026-01-01'", '"title"', "::", ";", "--"]
)  # fmt: skip


@settings(max_examples=examples(400, 4000), deadline=None)
@given(st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join) | st.text(max_size=30))
def test_any_text_is_refused_or_runs(text: str) -> None:
    """Nothing but Refused comes out of parse, and what it accepts runs on an empty row."""
    predicate = accepted(text)
    if predicate is not None:
        assert all(isinstance(term.matched, bool) for term in explain(predicate, {}))


def accepted(text: str) -> Predicate | None:
    try:
        return parse(text, COLUMNS, LISTS)
    except Refused as refused:
        assert refused.position is None or 0 <= refused.position <= len(text)  # noqa: PT017 (both ways count)
        return None


def test_nothing_of_the_author_becomes_sql() -> None:
    """A text that would end its own quotes stays a text."""
    title = "'; drop table lead; --\\"
    condition = f"title = '{title.replace(chr(39), chr(39) * 2)}'"
    sql = parse(condition, COLUMNS).sql(Dialect.DUCKDB)
    with duckdb.connect() as connection:
        connection.execute("create table lead as select unnest([?, 'other']) as title", [title])
        assert connection.execute(f"select title from lead where {sql}").fetchall() == [(title,)]
