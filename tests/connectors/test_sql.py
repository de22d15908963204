"""Databases as sources: SQLite here, PostgreSQL where the kind of a column matters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane.connectors import Interval, Pulled, SourceFailed, Write, pull
from clearlane.connectors.sql import Sql
from clearlane.policy.model import ObjectMapping, Source

from .conftest import batch, mapping, moment, no_secret, source

JANUARY = Interval(moment("2026-01-01"), moment("2026-02-01"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/crm.db")
    yield engine
    engine.dispose()


def table(engine: sa.Engine, rows: list[tuple[Any, ...]], kind: Any = sa.DateTime) -> sa.Table:
    made = sa.Table("people", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("changed", kind))
    made.create(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(made), [{"id": id, "changed": changed} for id, changed in rows])
    return made


def crm(engine: sa.Engine, *mappings: ObjectMapping, **options: Any) -> Source:
    address = engine.url.render_as_string(hide_password=False)
    return source(address, *mappings, connector="sql", **options)


def read_ids(engine: sa.Engine, wanted: ObjectMapping, interval: Interval = JANUARY) -> list[int]:
    chunks = Sql(crm(engine), no_secret).read(wanted, interval)
    return sorted(raw.payload["id"] for chunk in chunks for raw in chunk.records)


CHANGED = {"fields": {"updated_at": "changed"}, "cursor": "updated_at"}


def test_rows_land_in_the_inbox_like_those_of_files(database: sa.Engine, ledger_engine: sa.Engine) -> None:
    table(database, [(1, datetime(2026, 1, 5, 12)), (2, datetime(2026, 2, 5)), (3, None)])
    people = crm(database, mapping("people", zone="Europe/Berlin", **CHANGED))
    with ledger_engine.connect() as connection:
        first = pull(connection, people, batch(connection, "r1", "2026-01-01", "2026-02-01"), no_secret)
        again = pull(connection, people, batch(connection, "r2", "2026-02-01", "2026-03-01"), no_secret)
        found = connection.execute(sa.text("select external_id, record, line from inbox order by seq")).all()
    assert first == Pulled(received=2, duplicate=0, new=2, unreadable=0)
    assert again == Pulled(received=2, duplicate=1, new=1, unreadable=0)
    assert found[0] == ("1", {"id": "1", "updated_at": "2026-01-05T11:00:00+00:00"}, None)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (sa.DateTime, [datetime(2025, 6, 1), datetime(2026, 1, 5), datetime(2026, 6, 1), None]),
        (
            sa.DateTime(timezone=True),
            [moment("2025-06-01"), moment("2026-01-05"), moment("2026-06-01"), None],
        ),
        (sa.Date, [date(2025, 6, 1), date(2026, 1, 5), date(2026, 6, 1), None]),
    ],
)
def test_the_query_asks_for_the_interval_only(ledger_engine: sa.Engine, kind: Any, rows: list[Any]) -> None:
    table(ledger_engine, list(enumerate(rows)), kind)
    assert read_ids(ledger_engine, mapping("people", **CHANGED)) == [1, 3]
    assert read_ids(ledger_engine, mapping("people", **CHANGED), Interval()) == [0, 1, 2, 3]


def test_a_cursor_that_is_text_is_sifted_after_reading(ledger_engine: sa.Engine) -> None:
    table(ledger_engine, [(1, "05/01/2026"), (2, "05/06/2026")], sa.Text)
    wanted = mapping("people", time_formats=("%d/%m/%Y",), **CHANGED)
    assert read_ids(ledger_engine, wanted) == [1, 2]
    with ledger_engine.connect() as connection:
        run = batch(connection, "r", "2026-01-01", "2026-02-01")
        assert pull(connection, crm(ledger_engine, wanted), run, no_secret).received == 1


def test_a_select_may_name_the_bounds_itself(ledger_engine: sa.Engine) -> None:
    table(ledger_engine, [(1, datetime(2026, 1, 5)), (2, datetime(2026, 6, 5))])
    bounded = "select id, '12:00'::text as note from people where changed >= :start and changed < :end"
    assert read_ids(ledger_engine, mapping(bounded)) == [1]
    assert read_ids(ledger_engine, mapping(bounded), Interval()) == [1, 2]
    assert read_ids(ledger_engine, mapping("with p as (select * from people) select * from p")) == [1, 2]


def test_rows_come_in_chunks_from_a_server_side_cursor(
    ledger_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearlane.connectors.sql.CHUNK", 10)
    table(ledger_engine, [(number, None) for number in range(25)])
    chunks = Sql(crm(ledger_engine), no_secret).read(mapping("people"), JANUARY)
    first = next(chunks)
    with ledger_engine.connect() as connection:
        cursors = connection.execute(
            sa.text("select count(*) from pg_stat_activity where query like 'FETCH%'")
        )
        assert cursors.scalar() == 1
    assert [len(first.records), *(len(chunk.records) for chunk in chunks)] == [10, 10, 5]


def test_values_that_json_lacks_become_text(ledger_engine: sa.Engine) -> None:
    made = (
        "select 1 as id, 1.50::numeric as n, 'NaN'::float8 as f, '\\x01ff'::bytea as b, date '2026-01-02' as d,"
        " '{\"a\": [1]}'::jsonb as j, gen_random_uuid() as u"
    )
    [chunk] = Sql(crm(ledger_engine), no_secret).read(mapping(made), JANUARY)
    payload = chunk.records[0].payload
    assert len(payload.pop("u")) == 36
    assert payload == {"id": 1, "n": "1.50", "f": None, "b": "01ff", "d": "2026-01-02", "j": {"a": [1]}}


# --- failures -------------------------------------------------------------------------------------

SECRET = "s3cret/pass word"
ADDRESS = "postgresql+psycopg://crm:s3cret%2Fpass+word@127.0.0.1:1/crm"


@pytest.mark.parametrize("address", [ADDRESS, "nosuch://crm:s3cret@host/db", "s3cret no address"])
def test_no_message_and_no_log_shows_a_credential(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SourceFailed) as failure:
        list(Sql(source("connection:crm"), lambda name: address).read(mapping("people"), JANUARY))
    shown = f"{failure.value} {failure.value.__cause__} {caplog.text}"
    assert shown.startswith("source crm: ")
    assert "s3cret" not in shown


def test_a_missing_table_is_named_without_the_statement(database: sa.Engine) -> None:
    with pytest.raises(SourceFailed) as failure:
        read_ids(database, mapping("nowhere"))
    assert str(failure.value) == "source crm: leads failed (nowhere)"
    with pytest.raises(SourceFailed) as failure:
        read_ids(database, mapping("select id from nowhere where secret = 'x'"))
    assert "no such table" in str(failure.value)
    assert "secret" not in str(failure.value)


# --- writing --------------------------------------------------------------------------------------


@pytest.fixture
def pushed(database: sa.Engine) -> sa.Engine:
    with database.begin() as connection:
        connection.execute(
            sa.text("create table owners (external_id text primary key, owner text, object text)")
        )
        connection.execute(sa.text("insert into owners values ('1', 'old', 'leads')"))
    return database


def test_assignments_update_what_is_there_and_add_what_is_not(pushed: sa.Engine) -> None:
    writes = [Write("k1", "leads", "1", {"owner": "r1"}), Write("k2", "leads", "2", {"owner": "r2"})]
    connector = Sql(crm(pushed, push="owners"), no_secret)
    for _ in ("first", "again"):
        assert [receipt.result for receipt in connector.write(writes)] == ["sent", "sent"]
    with pushed.connect() as connection:
        found = connection.execute(sa.text("select * from owners order by 1")).all()
    assert found == [("1", "r1", "leads"), ("2", "r2", "leads")]


def test_what_the_rows_hold_is_read_back_in_the_columns_that_are_written(pushed: sa.Engine) -> None:
    connector = Sql(crm(pushed, push="owners"), no_secret)
    writes = [
        Write("k1", "leads", "1", {"owner": "r1", "rank": 1}),
        Write("k2", "leads", "2", {"owner": "r2"}),
    ]
    assert connector.current(writes) == {"1": {"owner": "old"}}
    assert Sql(crm(pushed), no_secret).current(writes) == {}
    with pytest.raises(SourceFailed):
        Sql(crm(pushed, push="nowhere"), no_secret).current(writes)


def test_an_owner_that_is_not_any_more_what_was_seen_is_not_written_over(pushed: sa.Engine) -> None:
    connector = Sql(crm(pushed, push="owners"), no_secret)
    for seen, result in (("older", "changed"), ("old", "sent")):
        [receipt] = connector.write([Write("k1", "leads", "1", {"owner": "r1"}, {"owner": seen})])
        assert receipt.result == result
    with pushed.connect() as connection:
        assert connection.execute(sa.text("select owner from owners")).scalar_one() == "r1"


def test_a_write_the_table_has_no_column_for_is_refused_alone(pushed: sa.Engine) -> None:
    writes = [Write("k1", "leads", "1", {"rank": 1}), Write("k2", "leads", "2", {"owner": "r2"})]
    receipts = Sql(crm(pushed, push="owners"), no_secret).write(writes)
    assert [(receipt.result, receipt.error) for receipt in receipts] == [
        ("refused", "owners has no column rank"),
        ("sent", None),
    ]


def test_a_database_without_a_push_table_is_not_written_to(pushed: sa.Engine) -> None:
    with pytest.raises(SourceFailed, match="no table under `push`"):
        Sql(crm(pushed), no_secret).write([])
    with pytest.raises(SourceFailed):
        Sql(crm(pushed, push="nowhere"), no_secret).write([Write("k", "leads", "1", {})])
