"""Rows that say one of many values are found a block at a time, and are those that a look at each row finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.privacy import finding, proof, wording

PAGES = 150
NAMES = [f"anna{n}@acme.example" for n in range(3 * wording.AT_ONCE)]


@pytest.fixture(scope="module")
def connection(ledger_server, ledger_template: str) -> Iterator[sa.Connection]:
    """A table of 150 pages in which each value could be anywhere, long values kept beside the pages included."""
    ledger_server.create("finding", ledger_template)
    engine = sa.create_engine(ledger_server.url("finding"))
    with engine.connect() as connection:
        connection.exec_driver_sql('create table "a table" (number bigint, "said so" text, record jsonb)')
        filled = f"""insert into "a table" select n, repeat('x', 600), jsonb_build_object('n', n, 'say', 'nothing')
            from generate_series(1, {PAGES * 12}) n"""
        connection.exec_driver_sql(filled)
        yield connection
    engine.dispose()
    ledger_server.drop("finding")


def say(connection: sa.Connection, column: str, number: int, said: str) -> None:
    value = "jsonb_build_object('say', cast(:said as text))" if column == "record" else ":said"
    update = sa.text(f'update "a table" set "{column}" = {value} where number = :number')
    connection.execute(update, {"said": said, "number": number})


def found(connection: sa.Connection, values: list[str], where: str = "true") -> list[int]:
    rows = finding.rows(connection, "a table", finding.tables(connection)["a table"], values, where)
    asked = sa.text('select number from "a table" where ctid = any(cast(:rows as tid[])) order by 1')
    numbers = list(connection.execute(asked, {"rows": rows}).scalars())
    assert len(numbers) == len(rows)
    return numbers


WHERE = st.integers(1, PAGES * 12)
SAID = st.dictionaries(
    WHERE, st.tuples(st.sampled_from(["said so", "record"]), st.sampled_from(NAMES)), max_size=5
)


@settings(max_examples=examples(15, 150))
@given(SAID, st.sets(st.sampled_from(NAMES), max_size=5), st.integers(0, 5000))
def test_the_rows_are_those_that_say_it(
    connection: sa.Connection, said, others: set[str], length: int
) -> None:
    values = sorted(others | {value for _, value in list(said.values())[:3]})
    with connection.begin_nested() as tried:
        for number, (column, value) in said.items():
            say(connection, column, number, f"{'é' * length} ask <{value.upper()}>")
        told = [number for number, (_, value) in said.items() if value in values]
        assert found(connection, values) == sorted(told)
        assert found(connection, values, "number % 2 = 0") == sorted(n for n in told if n % 2 == 0)
        tried.rollback()


def test_no_value_is_nowhere_and_hundreds_are_looked_for_at_once(connection: sa.Connection) -> None:
    with connection.begin_nested() as tried:
        say(connection, "said so", 7, NAMES[-1])
        assert found(connection, []) == []
        assert found(connection, NAMES) == [7]
        tried.rollback()


def test_what_is_kept_beside_the_pages_makes_texts_no_longer(connection: sa.Connection) -> None:
    with connection.begin_nested() as tried:
        long = "select string_agg(md5(cast(n as text)), '') from generate_series(number, number + 2000) n"
        connection.exec_driver_sql(f'update "a table" set "said so" = ({long}) where mod(number, 3) = 0')
        say(connection, "record", 1000, NAMES[0])
        pages, steps = finding._pages(connection, '"a table"')
        assert steps[0] < finding.STEPS[0], pages
        assert found(connection, NAMES[:1]) == [1000]
        tried.rollback()


def test_what_is_written_after_the_search_is_looked_at_again(connection: sa.Connection) -> None:
    """Of a row that nobody had found, too, and from within a savepoint."""
    with connection.begin_nested() as tried:
        rows = proof.everywhere(connection, NAMES[:1])
        assert proof.again(connection, rows, NAMES[:1]).found == ()
        with connection.begin_nested():
            say(connection, "record", 5, NAMES[0])
        (one,) = proof.again(connection, rows, NAMES[:1]).found
        assert (one.where, one.count) == ("a table.record", 1)
        tried.rollback()
