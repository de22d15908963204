"""Files as they come: good ones are read to the last row, broken ones cost what is broken and say where."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearlane.connectors.files import Files
from clearlane.connectors.protocol import CHUNK, Interval, SourceFailed, Write

from .conftest import mapping, no_secret, source

ADA = {"id": "1", "name": "Ada"}
BOB = {"id": "2", "name": "Bob"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_from_the_header(read: Any, delimiter: str) -> None:
    records, broken = read(f"id{delimiter}name\n1{delimiter}Ada\n".encode())
    assert (records, broken) == ([(2, ADA)], [])


def test_a_delimiter_that_is_given_stands(read: Any) -> None:
    records, _ = read(b"id:name\n1:Ada\n", delimiter=":")
    assert records == [(2, ADA)]


def test_a_quoted_field_may_hold_delimiters_quotes_and_lines(read: Any) -> None:
    records, broken = read(b'id,name\n1,"Ada, ""A""\nof London"\n2,Bob\n')
    assert records == [(2, {"id": "1", "name": 'Ada, "A"\nof London'}), (4, BOB)]
    assert broken == []


def test_line_ends_may_be_mixed(read: Any) -> None:
    records, broken = read(b"id,name\r\n1,Ada\n\r2,Bob\r")
    assert (records, broken) == ([(2, ADA), (4, BOB)], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Any, encoding: str) -> None:
    records, broken = read("id,name\n1,Zoë 李\n".encode(encoding))
    assert (records, broken) == ([(2, {"id": "1", "name": "Zoë 李"})], [])


def test_ragged_rows_are_named_and_the_others_read(read: Any) -> None:
    records, broken = read(b"id,name\n1,Ada\n9,Benton, John\n9\n2,Bob\n")
    assert records == [(2, ADA), (5, BOB)]
    assert broken == [(3, "3 columns"), (4, "1 columns")]


def test_empty_cells_beyond_the_header_are_no_harm(read: Any) -> None:
    assert read(b"id,name\n1,Ada,,\n") == ([(2, ADA)], [])


def test_a_quote_left_open_costs_its_line_only(read: Any) -> None:
    records, broken = read(b'id,name\n1,Ada\n9,"Grace\n2,Bob\n')
    assert records == [(2, ADA), (4, BOB)]
    assert [line for line, _ in broken] == [3]


def test_a_quote_left_open_far_above_the_next_costs_its_line_only(read: Any) -> None:
    rows = b"".join(b"%d,x\n" % number for number in range(3000))
    records, broken = read(b'id,name\n9,"Grace\n' + rows + b'9,"Linus"\n')
    assert len(records) == 3001
    assert [line for line, _ in broken] == [2]


def test_the_wrong_encoding_reaches_the_record_as_it_is_and_can_be_named_by_policy(read: Any) -> None:
    content = "id,name\n1,Zoë\n2,Bob\n".encode("cp1252")
    records, _ = read(content)
    assert records[1] == (3, BOB)
    assert read(content, encoding="cp1252")[0][0] == (2, {"id": "1", "name": "Zoë"})


def test_columns_without_a_name_of_their_own_get_one(read: Any) -> None:
    records, _ = read(b"id,,name,name\n1,2,3,4\n")
    assert records == [(2, {"id": "1", "column 2": "2", "name": "3", "name (4)": "4"})]


def test_another_file_than_the_one_mapped_is_refused_whole(read: Any) -> None:
    records, broken = read(b"<html>\n<body>\nlogin\n", fields={"id": "LEADID"})
    assert (records, broken) == ([], [(1, "no column that the mapping names")])


FIELDS = {"id": "id", "name": "name", "phone": "phone"}


@pytest.mark.parametrize(
    "above", ["Leads of October\n", "sep=;\n", "Person;;Ways\n", "\n\nname\n;;;\n", 'Report "A;B\n']
)
def test_titles_above_the_header_are_no_header(read: Any, above: str) -> None:
    records, broken = read(f"{above}id;name;phone\n1;Ada;2\n".encode(), fields=FIELDS)
    ada = {"id": "1", "name": "Ada", "phone": "2"}
    assert (records, broken) == ([(above.count("\n") + 2, ada)], [])


def test_a_header_far_below_is_not_looked_for(read: Any) -> None:
    records, broken = read(b"title\n" * 40 + b"id,name,phone\n1,Ada,2\n", fields=FIELDS)
    assert records == []
    assert broken == [(1, "no column that the mapping names")]


def test_the_header_once_more_is_no_record(read: Any) -> None:
    records, broken = read(b"id,name \n1,Ada\nid,name \n2,Bob\n")
    assert (records, broken) == ([(2, ADA), (4, BOB)], [])


@pytest.mark.parametrize("start", [b"PK\x03\x04 and more", bytes.fromhex("d0cf11e0a1b11ae1")])
def test_a_workbook_is_called_one(read: Any, start: bytes) -> None:
    assert read(start, fields=FIELDS) == ([], [(None, "an Excel workbook or zip archive")])


@pytest.mark.parametrize("content", [b"", b"\n\n", b"id,name\n", b"\n\nid,name\n\n"])
def test_a_file_without_rows_has_no_records(read: Any, content: bytes) -> None:
    assert read(content) == ([], [])


def test_gzip_is_known_by_its_content(read: Any) -> None:
    assert read(gzip.compress(b"id,name\n1,Ada\n"), "leads.csv") == ([(2, ADA)], [])
    assert read(gzip.compress(b"id,name\n1,Ada\n"), "leads.csv.gz") == ([(2, ADA)], [])


def test_a_truncated_gzip_keeps_what_came_and_names_where_it_ended(read: Any) -> None:
    rows = "".join(f"{number},{number * 7919 % 100_003}\n" for number in range(50_000))
    whole = gzip.compress(f"id,name\n{rows}".encode())
    records, broken = read(whole[: len(whole) // 2], "leads.csv.gz")
    assert 10_000 < len(records) < 40_000
    assert records[-1][0] == len(records) + 1
    assert len(broken) == 1
    assert f"after the record of line {records[-1][0]}" in broken[0][1]


def test_json_lines_keep_their_values_and_name_their_broken_lines(read: Any) -> None:
    lines = b'{"id": 1, "ok": true, "in": {"a": [1]}}\n\n{"id": 2\n[1]\n"x"\n{"id": 3}'
    records, broken = read(lines, "leads.jsonl")
    assert records == [(1, {"id": 1, "ok": True, "in": {"a": [1]}}), (6, {"id": 3})]
    assert [line for line, _ in broken] == [3, 4, 5]
    assert broken[1][1] == "a JSON list"


def test_json_nested_beyond_reason_is_a_broken_line(read: Any) -> None:
    records, broken = read(b"[" * 100_000 + b'\n{"id": 1}\n', "leads.jsonl")
    assert records == [(2, {"id": 1})]
    assert [line for line, _ in broken] == [1]


def test_parquet_rows_become_json_values(tmp_path: Path) -> None:
    table = {
        "id": [4563.0, float("nan")],
        "at": [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None],
        "amount": [Decimal("10.50"), None],
        "tags": [["a"], []],
    }
    pq.write_table(pa.table(table), tmp_path / "leads.parquet")
    [chunk] = Files(source(tmp_path), no_secret).read(mapping("leads.parquet"), Interval())
    assert [raw.payload for raw in chunk.records] == [
        {"id": 4563.0, "at": "2026-01-02T03:04:05+00:00", "amount": "10.50", "tags": ["a"]},
        {"id": None, "at": None, "amount": None, "tags": []},
    ]
    assert [raw.line for raw in chunk.records] == [1, 2]


def test_a_gzipped_parquet_file_is_read_and_a_broken_one_named(tmp_path: Path, read: Any) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "plain")
    content = (tmp_path / "plain").read_bytes()
    assert read(gzip.compress(content), "leads.parquet.gz")[0] == [(1, {"id": 1})]
    records, broken = read(content[:-5], "leads.parquet")
    assert records == []
    assert "not readable from its beginning" in broken[0][1]


def test_chunks_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("id\n" + "7\n" * (CHUNK * 2 + 5))
    sizes = [len(c.records) for c in Files(source(tmp_path), no_secret).read(mapping("*.csv"), Interval())]
    assert sizes == [CHUNK, CHUNK, 5]


def test_a_line_without_end_costs_the_file_not_the_memory(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearlane.connectors.text.LONGEST_LINE", 1000)
    records, broken = read(b"id,name\n1,Ada\n" + b"x" * 5000)
    assert records == [(2, ADA)]
    assert "after the record of line 2" in broken[0][1]


def test_a_page_in_one_long_line_is_no_header_and_costs_the_file(read: Any) -> None:
    records, broken = read(b"<" * 200_000 + b"\nid,name\n1,Ada\n")
    assert records == []
    assert "not readable from its beginning" in broken[0][1]


def test_a_moment_beyond_all_calendars_costs_the_rest_of_its_file(tmp_path: Path, read: Any) -> None:
    pq.write_table(pa.table({"at": pa.array([2**62], pa.timestamp("us"))}), tmp_path / "far")
    records, broken = read((tmp_path / "far").read_bytes(), "leads.parquet")
    assert records == []
    assert "not readable from its beginning" in broken[0][1]


@pytest.mark.parametrize(
    "error", [TimeoutError("ftp://user:s3cret@lake"), OSError(5, "ftp://user:s3cret@lake")]
)
def test_a_file_system_that_fails_is_no_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    (tmp_path / "leads.csv").write_text("id,name\n1,Ada\n")
    files = Files(source(tmp_path), no_secret)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(files._system), "open", fails)
    with pytest.raises(SourceFailed, match=r"leads\.csv cannot be read now") as failure:
        list(files.read(mapping("leads.csv"), Interval()))
    assert "s3cret" not in str(failure.value)


def test_a_pattern_names_files_in_order_and_hidden_ones_are_not_ours(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", ".hidden.csv"):
        (tmp_path / name).write_text("id\n1\n")
    (tmp_path / "folder.csv").mkdir()
    chunks = Files(source(tmp_path), no_secret).read(mapping("*.csv"), Interval())
    assert [chunk.file for chunk in chunks] == ["a.csv", "b.csv"]
    assert list(Files(source(tmp_path), no_secret).read(mapping("*.parquet"), Interval())) == []


def test_a_folder_or_file_that_is_not_there_fails_the_source(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match=r"source crm: there is no file leads\.csv"):
        list(Files(source(tmp_path), no_secret).read(mapping("leads.csv"), Interval()))
    with pytest.raises(SourceFailed, match="its address is no folder"):
        Files(source(tmp_path / "nowhere"), no_secret)


def test_an_address_with_credentials_is_shown_by_no_message() -> None:
    with pytest.raises(SourceFailed) as failure:
        Files(source("connection:lake"), lambda name: f"nosuch://user:s3cret@{name}/leads")
    assert "s3cret" not in str(failure.value)


def test_any_file_system_will_do() -> None:
    fsspec.filesystem("memory").pipe_file("/any/leads.csv", b"id,name\n1,Ada\n")
    [chunk] = Files(source("memory://any"), no_secret).read(mapping("leads.csv"), Interval())
    assert [raw.payload for raw in chunk.records] == [ADA]


# --- writing --------------------------------------------------------------------------------------


def writes(owner: str = "r1") -> list[Write]:
    routed = {"owner": None, "queue": "emea, west"}
    return [Write("k1", "leads", "1", {"owner": owner, "queue": None}), Write("k2", "leads", "2", routed)]


def test_assignments_go_back_as_one_file_and_a_retry_writes_the_same(tmp_path: Path) -> None:
    connector = Files(source(tmp_path, push="out"), no_secret)
    assert [receipt.result for receipt in connector.write(writes())] == ["sent", "sent"]
    connector.write(writes())
    [file] = (tmp_path / "out").iterdir()
    assert file.read_text().splitlines() == [
        "idempotency_key,object,external_id,owner,queue",
        "k1,leads,1,r1,",
        'k2,leads,2,,"emea, west"',
    ]
    connector.write(writes("r2"))
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_what_a_write_leaves_alone_is_in_no_column_of_its_file(tmp_path: Path) -> None:
    connector = Files(source(tmp_path, push="out"), no_secret)
    score = [Write("k3", "leads", "3", {"score": 80}), Write("k4", "leads", "4", {"score": 70})]
    receipts = connector.write([score[0], *writes(), score[1]])
    assert [receipt.idempotency_key for receipt in receipts] == ["k3", "k1", "k2", "k4"]
    told = sorted(file.read_text().splitlines() for file in (tmp_path / "out").iterdir())
    assert [lines[0] for lines in told] == [
        "idempotency_key,object,external_id,owner,queue",
        "idempotency_key,object,external_id,score",
    ]
    assert told[1][1:] == ["k3,leads,3,80", "k4,leads,4,70"]


def test_nothing_to_write_writes_nothing(tmp_path: Path) -> None:
    assert Files(source(tmp_path, push="out"), no_secret).write([]) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_no_assignments_behind(tmp_path: Path) -> None:
    connector = Files(source(tmp_path, push="out"), no_secret)
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(SourceFailed, match="cannot be written"):
        connector.write(writes())


def test_a_source_that_is_not_written_to_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="no folder under `push`"):
        Files(source(tmp_path), no_secret).write(writes())
