"""Pulling: every record once, every count right, whatever is delivered again and in whichever order."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane import ledger
from clearlane.connectors import Chunk, Interval, Pulled, Raw, Receipt, Write, interval_of, pull
from clearlane.connectors.inbox import LONGEST_ID, canonical, pull_from
from clearlane.ledger import Batch
from clearlane.policy.model import Lookup, ObjectMapping, Source

from .conftest import batch, mapping, moment, no_secret, source

LEADS = "id,name,created_at\n1,Ada,2026-01-05\n2,Bob,2026-01-15\n3,Cy,2026-02-05\n4,Di,\n"
CREATED = {"cursor": "created_at", "lookback": timedelta(0)}


@pytest.fixture
def crm(tmp_path: Path) -> Source:
    (tmp_path / "leads.csv").write_text(LEADS)
    return source(tmp_path, mapping("leads.csv", **CREATED))


def run(
    connection: sa.Connection, crm: Source, name: str, start: str, end: str, mode: str = "live"
) -> Pulled:
    return pull(connection, crm, batch(connection, name, start, end, mode), no_secret)


def rows(connection: sa.Connection, statement: str) -> list[Any]:
    return [tuple(row) for row in connection.execute(sa.text(statement))]


def ids(connection: sa.Connection) -> list[str]:
    return [found for (found,) in rows(connection, "select external_id from inbox order by seq")]


# --- what a row holds -----------------------------------------------------------------------------


def test_a_record_lands_as_received_and_in_our_names(connection: sa.Connection, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text('LEADID,When,Note\n7,15/01/2026,"a\nb"\n8,16/01/2026,\n')
    crm = source(
        tmp_path,
        mapping(
            "*.csv", fields={"id": "LEADID", "created_at": "When"}, time_formats=("%d/%m/%Y",), drop=("Note",)
        ),
    )
    counts = run(connection, crm, "r", "2026-01-01", "2026-02-01")
    first, second = connection.execute(sa.text("select * from inbox order by seq")).mappings()
    assert counts == Pulled(received=2, duplicate=0, new=2, unreadable=0)
    assert first["payload"] == {"LEADID": "7", "When": "15/01/2026", "Note": "a\nb"}
    assert first["record"] == {"id": "7", "created_at": "2026-01-15T00:00:00+00:00"}
    assert (first["source"], first["object"], first["external_id"]) == ("crm", "leads", "7")
    assert first["source_time"] == moment("2026-01-15")
    assert (first["file"], first["line"], second["line"]) == ("leads.csv", 2, 4)
    assert first["state"] == "waiting"
    assert first["first_batch"] == first["batch_id"] is not None
    assert first["record_key"].startswith("7:")


def test_records_without_an_id_are_keyed_by_content_and_number_among_equals(
    connection: sa.Connection, tmp_path: Path
) -> None:
    (tmp_path / "calls.csv").write_text("type\ncall\ncall\nmail\n")
    run(connection, source(tmp_path, mapping("calls.csv", "activities")), "r", "2026-01-01", "2026-02-01")
    keys = [key for (key,) in rows(connection, "select record_key from inbox order by seq")]
    assert [key[-2:] for key in keys] == [":0", ":1", ":0"]
    assert keys[0][:-2] == keys[1][:-2] != keys[2][:-2]


def test_a_changed_record_is_a_new_one(connection: sa.Connection, crm: Source, tmp_path: Path) -> None:
    run(connection, crm, "r1", "2026-01-01", "2026-03-01")
    (tmp_path / "leads.csv").write_text(LEADS.replace("Ada", "Ada L."))
    assert run(connection, crm, "r2", "2026-01-01", "2026-03-01") == Pulled(4, 3, 1, 0)


def test_look_ups_join_files_of_the_source(connection: sa.Connection, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("LEADID,Last\n1,Ada\n2,Bob\n3,Bob\n")
    (tmp_path / "touches.csv").write_text("Who\nAda\nBob\n")
    lookup = Lookup(read="leads.csv", match="Last", by="Who", take="LEADID")
    touches = mapping("touches.csv", "activities", fields={"name": "Who"}, lookups={"lead_id": lookup})
    run(connection, source(tmp_path, touches), "r", "2026-01-01", "2026-02-01")
    assert rows(connection, "select record from inbox order by seq") == [
        ({"name": "Ada", "lead_id": "1"},),
        ({"name": "Bob"},),
    ]


def test_what_the_ledger_cannot_hold_is_not_looked_up(connection: sa.Connection, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_bytes(b"LEADID,Last\n1\x00,Ada\n\xff,Bob\n3,Cy\n")
    (tmp_path / "touches.csv").write_text("Who\nAda\nBob\nCy\n")
    lookup = Lookup(read="leads.csv", match="Last", by="Who", take="LEADID")
    touches = mapping("touches.csv", "activities", fields={"name": "Who"}, lookups={"lead_id": lookup})
    run(connection, source(tmp_path, touches), "r", "2026-01-01", "2026-02-01")
    found = rows(connection, "select record ->> 'lead_id' from inbox order by seq")
    assert found == [(None,), (None,), ("3",)]


# --- intervals and watermarks ---------------------------------------------------------------------


def test_a_live_run_reads_from_the_watermark_to_its_end(connection: sa.Connection, crm: Source) -> None:
    run(connection, crm, "r1", "2026-01-10", "2026-01-12")
    assert ids(connection) == ["1", "4"]  # the first run reads from the beginning
    run(connection, crm, "r2", "2026-02-01", "2026-02-06")
    assert ids(connection) == ["1", "4", "2", "3"]  # nothing between two windows is lost


def test_the_end_belongs_to_the_next_run(connection: sa.Connection, crm: Source) -> None:
    run(connection, crm, "r1", "2026-01-01", "2026-02-05")
    assert "3" not in ids(connection)
    run(connection, crm, "r2", "2026-02-05", "2026-03-05")
    assert ids(connection)[-1] == "3"


def test_without_a_cursor_records_later_than_the_run_are_left_to_a_later_one(
    connection: sa.Connection, tmp_path: Path
) -> None:
    (tmp_path / "leads.csv").write_text(LEADS + "5,Eve,2999-01-01\n")
    crm = source(tmp_path, mapping("leads.csv"))
    backfill = batch(connection, "r", "2026-01-01", "2026-02-01", "shadow")
    pull(connection, crm, backfill, no_secret)
    claimed = rows(
        connection, "select external_id, batch_id from inbox where batch_id is not null order by seq"
    )
    assert claimed == [(number, backfill.batch_id) for number in ("1", "2", "4", "5")]  # no lead is of 2999
    assert pull(connection, crm, backfill, no_secret) == Pulled(5, 0, 5, 0)


def test_a_shadow_run_reads_its_window_and_moves_no_watermark(connection: sa.Connection, crm: Source) -> None:
    run(connection, crm, "r1", "2026-01-10", "2026-02-01", mode="shadow")
    assert ids(connection) == ["2", "4"]
    assert rows(connection, "select * from source_state") == []


def test_a_late_window_reads_itself_again_and_never_moves_the_watermark_back(
    connection: sa.Connection, crm: Source
) -> None:
    run(connection, crm, "r2", "2026-02-01", "2026-03-01")
    late = run(connection, crm, "r1", "2026-01-01", "2026-02-01")
    assert late == Pulled(received=3, duplicate=3, new=0, unreadable=0)
    assert rows(connection, "select distinct watermark from source_state") == [(moment("2026-03-01"),)]


def test_a_mapping_that_is_added_later_reads_from_the_beginning(
    connection: sa.Connection, crm: Source, tmp_path: Path
) -> None:
    run(connection, crm, "r1", "2026-01-01", "2026-03-01")
    (tmp_path / "more.csv").write_text("id,created_at\n7,2026-01-02\n")
    both = source(tmp_path, *crm.objects.values(), mapping("more.csv", **CREATED))
    assert run(connection, both, "r2", "2026-03-01", "2026-03-02") == Pulled(2, 1, 1, 0)


def test_a_file_that_broke_is_read_from_where_it_was_once_it_is_whole(
    connection: sa.Connection, tmp_path: Path
) -> None:
    whole = gzip.compress(LEADS.encode())
    crm = source(tmp_path, mapping("leads.csv.gz", **CREATED))
    (tmp_path / "leads.csv.gz").write_bytes(whole[:20])
    run(connection, crm, "r1", "2026-01-01", "2026-03-01")
    (tmp_path / "leads.csv.gz").write_bytes(whole)
    run(connection, crm, "r2", "2026-03-01", "2026-04-01")
    assert sorted(filter(None, ids(connection))) == ["1", "2", "3", "4"]


def test_a_broken_file_holds_its_own_watermark_until_a_person_dismisses_it(
    connection: sa.Connection, tmp_path: Path
) -> None:
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(LEADS.encode())[:20])
    (tmp_path / "whole.csv").write_text(LEADS)
    crm = source(tmp_path, mapping("*.csv*", **CREATED))
    of_files = (
        "select split_part(object, ': ', 2), watermark from source_state where object like '%: %' order by 1"
    )
    run(connection, crm, "r1", "2026-01-01", "2026-03-01")
    assert rows(connection, of_files) == [("whole.csv", moment("2026-03-01"))]
    connection.execute(sa.text("update quarantine set state = 'dismissed'"))
    run(connection, crm, "r2", "2026-03-01", "2026-04-01")
    assert rows(connection, of_files) == [
        ("broken.csv.gz", moment("2026-04-01")),
        ("whole.csv", moment("2026-04-01")),
    ]


def test_a_file_that_comes_later_than_its_records_is_read_from_the_beginning(
    connection: sa.Connection, tmp_path: Path
) -> None:
    crm = source(tmp_path, mapping("leads-*.csv", **CREATED))
    (tmp_path / "leads-1.csv").write_text("id,created_at\n1,2026-01-05\n")
    run(connection, crm, "r1", "2026-01-01", "2026-02-01")
    (tmp_path / "leads-2.csv").write_text("id,created_at\n2,2026-01-06\n3,2026-01-25\n")
    run(connection, crm, "r0", "2026-01-01", "2026-01-20")  # an earlier window, cleared late, sees it first
    run(connection, crm, "r2", "2026-02-01", "2026-03-01")
    assert ids(connection) == ["1", "2", "3"]


def test_a_record_written_late_is_found_by_looking_back() -> None:
    live = _batch("live", ("2026-01-02", "2026-01-03"))
    assert interval_of(live, moment("2026-01-02"), timedelta(hours=1)).start == moment("2026-01-01 23:00")
    assert interval_of(live, moment("2026-01-01"), timedelta(0)).start == moment("2026-01-01")
    assert interval_of(live, None, timedelta(hours=1)) == Interval(None, moment("2026-01-03"))


def test_what_a_source_shows_late_is_read_whichever_dag_comes_first(
    connection: sa.Connection, tmp_path: Path
) -> None:
    touches = mapping(
        "touches.csv",
        "outcomes",
        fields={"occurred_at": "at"},
        cursor="occurred_at",
        lag=timedelta(minutes=90),
    )
    (tmp_path / "touches.csv").write_text("id,at\n1,2026-01-01 07:00\n")
    late = source(str(tmp_path), touches)
    run(connection, late, "r1", "2026-01-01 09:55", "2026-01-01 10:00")
    (tmp_path / "touches.csv").write_text("id,at\n1,2026-01-01 07:00\n2,2026-01-01 08:33\n")
    run(connection, late, "r2", "2026-01-01 10:00", "2026-01-01 10:05")
    assert ids(connection) == ["1", "2"]


def test_a_run_without_dates_ends_at_its_moment() -> None:
    undated = _batch("live", None)
    assert interval_of(undated, moment("2026-01-02"), timedelta(0)) == Interval(
        moment("2026-01-02"), moment("2026-06-01")
    )
    assert interval_of(_batch("shadow", None), None, timedelta(0)) == Interval(None, moment("2026-06-01"))


def _batch(mode: Any, window: tuple[str, str] | None) -> Batch:
    import uuid

    start, end = map(moment, window) if window else (None, None)
    as_of = moment("2026-06-01")
    return Batch(
        uuid.UUID(int=1), "d", "r", "scheduled", mode, False, start, end, as_of, ("crm",), {}, "test"
    )


# --- counts ---------------------------------------------------------------------------------------


def assert_counts_hold(connection: sa.Connection) -> None:
    wrong = """
        select * from delivery
        full join (select first_batch as batch_id, source, object, count(*) as own from inbox group by 1, 2, 3) as i
            using (batch_id, source, object)
        where received is distinct from duplicate + coalesce(own, 0)
    """
    assert rows(connection, wrong) == []


def test_a_pull_that_is_cleared_and_run_again_counts_the_same(connection: sa.Connection, crm: Source) -> None:
    first = run(connection, crm, "r", "2026-01-01", "2026-03-01")
    again = run(connection, crm, "r", "2026-01-01", "2026-03-01")
    assert again == first == Pulled(received=4, duplicate=0, new=4, unreadable=0)
    assert_counts_hold(connection)


def test_the_same_record_twice_in_one_delivery_is_a_duplicate(
    connection: sa.Connection, tmp_path: Path
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(LEADS)
    counts = run(connection, source(tmp_path, mapping("*.csv")), "r", "2026-01-01", "2026-03-01")
    assert counts == Pulled(received=8, duplicate=4, new=4, unreadable=0)
    assert_counts_hold(connection)


def test_a_source_without_records_is_counted_as_read(connection: sa.Connection, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("id\n")
    run(connection, source(tmp_path, mapping("leads.csv")), "r", "2026-01-01", "2026-03-01")
    assert rows(connection, "select object, received, duplicate from delivery") == [("leads", 0, 0)]


DAYS = st.integers(1, 27).map(lambda day: f"2026-01-{day:02}")
RECORD = st.fixed_dictionaries(
    {"id": st.sampled_from(["", "1", "2"]), "type": st.sampled_from(["a", "b"]), "at": DAYS | st.just("")}
)
FILES = st.lists(st.lists(RECORD, max_size=6), min_size=1, max_size=3)
BOUNDS = [f"2026-01-{day:02}" for day in (1, 8, 15, 22, 28)]


@settings(max_examples=examples(20, 200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, order=st.permutations(list(pairwise(BOUNDS))), again=st.integers(0, 3), data=st.data())
def test_any_order_and_number_of_deliveries_leaves_the_same_inbox(
    ledger_engine: sa.Engine,
    tmp_path_factory: pytest.TempPathFactory,
    files: Any,
    order: Any,
    again: int,
    data: Any,
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for number, records in enumerate(files):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{number}.jsonl").write_text(text)
    fields = {"occurred_at": "at"}
    crm = source(folder, mapping("*.jsonl", "activities", fields=fields, cursor="occurred_at"))
    runs = list(enumerate([*order, *order[:again]]))
    mode = data.draw(st.sampled_from(["live", "shadow"]))
    with ledger_engine.connect() as connection:
        for number, (start, end) in runs:
            run(connection, crm, f"r{number}", start, end, mode)
            assert_counts_hold(connection)
        several = keys(connection)
        connection.rollback()
        run(connection, crm, "once", BOUNDS[0], BOUNDS[-1], mode)
        assert keys(connection) == several
        connection.rollback()


def keys(connection: sa.Connection) -> list[Any]:
    return rows(
        connection, "select source, object, record_key, payload::text, record::text from inbox order by 3"
    )


def test_two_runs_at_once_append_each_record_once(ledger_engine: sa.Engine, tmp_path: Path) -> None:
    lines = [f"{number},x" for number in range(2000)]
    forth, back = tmp_path / "forth", tmp_path / "back"
    for folder, order in ((forth, lines), (back, lines[::-1])):
        folder.mkdir()
        (folder / "leads.csv").write_text("\n".join(["id,name", *order]))
    together = threading.Barrier(2)

    def one(folder: Path) -> None:
        with ledger_engine.begin() as connection:
            mine = batch(connection, folder.name, "2026-01-01", "2026-02-01")
            together.wait(timeout=30)
            results.append(pull(connection, source(folder, mapping("leads.csv")), mine, no_secret))

    results: list[Pulled] = []
    threads = [threading.Thread(target=one, args=(folder,)) for folder in (forth, back)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted((result.new, result.duplicate) for result in results) == [(0, 2000), (2000, 0)]
    with ledger_engine.connect() as connection:
        assert_counts_hold(connection)


# --- what cannot be read --------------------------------------------------------------------------


def test_a_broken_row_goes_to_quarantine_with_file_and_line(
    connection: sa.Connection, tmp_path: Path
) -> None:
    (tmp_path / "leads.csv").write_bytes(b"id,name\n1,Ada\n9,Benton, John\n8,Zo\xeb\n7,a\x00b\n2,Bob\n")
    crm = source(tmp_path, mapping("leads.csv"))
    assert run(connection, crm, "r1", "2026-01-01", "2026-02-01") == Pulled(5, 0, 5, 3)
    assert run(connection, crm, "r2", "2026-02-01", "2026-03-01") == Pulled(5, 5, 0, 0)
    found = rows(
        connection,
        "select line, payload ->> 'raw', reasons -> 0 ->> 'found', reasons -> 0 ->> 'allowed'"
        " from inbox join quarantine using (seq) where inbox.state = 'quarantined' order by line",
    )
    assert found == [
        (3, "9,Benton, John", "leads.csv line 3: 3 columns", "2 columns, as in the header"),
        (4, '{"id": "8", "name": "Zo\\udceb"}', "leads.csv line 4: bytes that are not utf-8", None),
        (5, '{"id": "7", "name": "a\\u0000b"}', "leads.csv line 5: a NUL character", None),
    ]
    assert_counts_hold(connection)


def test_a_broken_file_is_named_and_the_others_are_read(connection: sa.Connection, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\x1f\x8bno gzip")
    (tmp_path / "b.csv").write_text("id\n1\n")
    crm = source(tmp_path, mapping("*.csv"))
    assert run(connection, crm, "r1", "2026-01-01", "2026-02-01") == Pulled(2, 0, 2, 1)
    assert run(connection, crm, "r2", "2026-02-01", "2026-03-01").new == 0
    [(object, file, reasons)] = rows(
        connection, "select object, file, reasons from inbox join quarantine using (seq)"
    )
    assert (object, file) == ("file", "a.csv")
    assert reasons[0]["found"].startswith("a.csv: not readable from its beginning")
    counted = rows(connection, "select object, received, duplicate from delivery order by 1, 3")
    assert counted == [("file", 1, 0), ("file", 1, 1), ("leads", 1, 0), ("leads", 1, 1)]
    assert_counts_hold(connection)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"id": "' + "7" * (LONGEST_ID + 1) + '"}', "an id of more than"),
        ('{"id": 1, "a": ' + "[" * 150 + "]" * 150 + "}", "nested more than"),
        ('{"id": 1, "a": ' + '{"a": ' * 900 + '"\\\\u0000"' + "}" * 901, "nested more than"),
        ('{"id": 1, "a": 1e999}', "not JSON compliant"),
        ('{"id": 1, "a": "\\ud800"}', "bytes that are not utf-8"),
        ('{"id": 1, "a\\u0000": 1}', "a NUL character"),
    ],
)
def test_what_the_ledger_cannot_hold_costs_its_record(
    connection: sa.Connection, tmp_path: Path, line: str, found: str
) -> None:
    (tmp_path / "leads.jsonl").write_text(line + '\n{"id": 2, "a": "\\\\u0000"}\n')
    counts = run(connection, source(tmp_path, mapping("*.jsonl")), "r", "2026-01-01", "2026-02-01")
    assert counts == Pulled(received=2, duplicate=0, new=2, unreadable=1)
    [(reason,)] = rows(connection, "select reasons -> 0 ->> 'found' from quarantine")
    assert reason.startswith("leads.jsonl line 1: ")
    assert found in reason


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_is_called_canonical_the_ledger_can_hold(value: Any) -> None:
    try:
        text = canonical(value)
    except ValueError:
        return
    assert "\x00" not in json.dumps(json.loads(text), ensure_ascii=False)
    assert canonical(json.loads(text)) == text


# --- what lists leave out -------------------------------------------------------------------------


class Forgetful:
    """Lists one lead, and knows another by its id."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        yield Chunk([Raw({"id": "open", "created_at": "2026-01-05"})])

    def read_absent(self, object: ObjectMapping, known: Sequence[str]) -> Iterator[Chunk]:
        self.asked.append(list(known))
        yield Chunk([Raw({"id": one, "created_at": "2026-01-05", "converted": True}) for one in known])

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        raise AssertionError("nothing is written")


def test_leads_that_are_not_closed_are_asked_after(connection: sa.Connection, crm: Source) -> None:
    for name, place in (("sold", "owned"), ("done", "closed"), ("new", None)):
        lead = {"id": ledger.ids.lead_id("crm", name), "name": name, "place": place}
        connection.execute(
            sa.text(
                "insert into lead (lead_id, source, external_id, created_at, survivor_id)"
                " values (:id, 'crm', :name, now(), :id)"
            ),
            lead,
        )
        if place:
            connection.execute(
                sa.text(
                    "insert into place (lead_id, place, reason, because, since) values (:id, :place, 'x', 'x', now())"
                ),
                lead,
            )
    forgetful = Forgetful()
    run_of = batch(connection, "r", "2026-01-01", "2026-02-01", "live")
    assert pull_from(forgetful, connection, crm, run_of) == Pulled(3, 0, 3, 0)
    assert forgetful.asked == [["new", "sold"]]
    assert pull_from(forgetful, connection, crm, run_of) == Pulled(3, 0, 3, 0)


class Deleting(Forgetful):
    """Lists no lead once the first is gone."""

    def read_absent(self, object: ObjectMapping, known: Sequence[str]) -> Iterator[Chunk]:
        self.asked.append(list(known))
        yield Chunk([], gone=[one for one in known if one == "sold"])


def test_a_lead_that_is_gone_is_its_last_record_deleted_at_the_end_of_the_run(
    connection: sa.Connection, crm: Source
) -> None:
    connection.execute(
        sa.text(
            "insert into lead (lead_id, source, external_id, created_at, survivor_id)"
            " values (:id, 'crm', 'sold', now(), :id)"
        ),
        {"id": ledger.ids.lead_id("crm", "sold")},
    )
    connection.execute(
        sa.text(
            "insert into inbox (source, object, record_key, external_id, payload, record, state)"
            """ values ('crm', 'leads', 'x', 'sold', '{}', '{"id": "sold", "email": "a@b.example"}', 'consumed')"""
        )
    )
    run_of = batch(connection, "r", "2026-01-01", "2026-02-01", "live")
    for _ in range(2):
        assert pull_from(Deleting(), connection, crm, run_of).new == 2
    [(record, mine)] = connection.execute(
        sa.text("select record, batch_id = :id from inbox where record ? 'deleted'"), {"id": run_of.batch_id}
    )
    assert mine, "it is of this run"
    assert record == {
        "id": "sold", "email": "a@b.example", "deleted": "true", "updated_at": "2026-01-31T23:59:59.999999+00:00",
    }  # fmt: skip
