"""Files from the wild, and good ones spoiled in every way: each is read to its end and each row accounted for."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from clearlane.connectors import Interval, Pulled, pull
from clearlane.connectors.files import Files

from .conftest import batch, mapping, no_secret, source

CONTACTS = {"email": "email", "phone": "phone1", "company": "company_name", "first_name": "first_name"}


@pytest.fixture(scope="module")
def dirty(shared_data: Path) -> Path:
    return shared_data / "dirty"


def run(connection: sa.Connection, folder: Path, read: str, **options: object) -> Pulled:
    crm = source(folder, mapping(read, **options))
    return pull(connection, crm, batch(connection, "r", "2026-01-01", "2026-02-01"), no_secret)


def broken_lines(connection: sa.Connection) -> set[int]:
    return set(connection.execute(sa.text("select line from inbox where state = 'quarantined'")).scalars())


def test_a_clean_export_is_read_whole(connection: sa.Connection, dirty: Path) -> None:
    assert run(connection, dirty, "us-500.csv", fields=CONTACTS) == Pulled(500, 0, 500, 0)


def test_unquoted_commas_cost_exactly_their_rows(connection: sa.Connection, dirty: Path) -> None:
    name = "us-500_unquoted_commas.csv"
    lines = (dirty / name).read_text().splitlines()
    ragged = {number for number, line in enumerate(lines, start=1) if line.count(",") != 11}
    counts = run(connection, dirty, name, fields=CONTACTS)
    assert broken_lines(connection) == ragged
    assert counts == Pulled(received=len(lines) - 1, duplicate=0, new=len(lines) - 1, unreadable=len(ragged))
    assert len(ragged) > 100


def test_every_file_of_the_collection_runs_to_its_end(connection: sa.Connection, dirty: Path) -> None:
    files = sorted(path for path in dirty.rglob("*") if path.is_file())
    mappings = [mapping(str(path.relative_to(dirty))) for path in files]
    counts = pull(
        connection, source(dirty, *mappings), batch(connection, "r", "2026-01-01", "2026-02-01"), no_secret
    )
    seen = set(connection.execute(sa.text("select distinct file from inbox")).scalars())
    assert seen == {wanted.read for wanted in mappings}
    assert counts.received == counts.new + counts.duplicate


def test_a_page_instead_of_an_export_is_refused_whole(connection: sa.Connection, dirty: Path) -> None:
    assert run(connection, dirty, "isemail/tests.xml", fields=CONTACTS) == Pulled(1, 0, 1, 1)


def test_labelled_addresses_arrive_unchanged(connection: sa.Connection, dirty: Path) -> None:
    """Control characters, quotes, unicode: what quality will judge is what the file holds."""
    counts = run(connection, dirty, "email_validator_cases.jsonl")
    lines = (dirty / "email_validator_cases.jsonl").read_text().count("\n")
    assert counts.received == lines
    assert counts.unreadable <= 1


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "truncated gzip": lambda content: gzip.compress(content)[:-500],
    "broken gzip": lambda content: (
        gzip.compress(content)[:2000] + b"\x00" * 50 + gzip.compress(content)[2050:]
    ),
    "cut in a row": lambda content: content[:40_000],
    "another encoding": lambda content: content.decode().replace("o", "ø").encode("latin-1"),
    "NUL bytes": lambda content: content.replace(b"James", b"Ja\x00mes"),
    "mixed line ends": lambda content: content.replace(b"\n", b"\r\n", 100).replace(b"\r\n", b"\r", 50),
    "open quotes": lambda content: content.replace(b"\nK", b'\n"K'),
    "lines of nothing": lambda content: content.replace(b"\n", b"\n\n\n"),
}


@pytest.mark.parametrize("way", SPOILED)
def test_a_spoiled_export_runs_to_its_end(
    connection: sa.Connection, dirty: Path, tmp_path: Path, way: str
) -> None:
    (tmp_path / "a.csv").write_bytes(SPOILED[way]((dirty / "us-500.csv").read_bytes()))
    shutil.copy(dirty / "us-500.csv", tmp_path / "b.csv")
    counts = run(connection, tmp_path, "*.csv", fields=CONTACTS)
    whole = connection.execute(
        sa.text("select count(*) from inbox where file = 'b.csv' and line is not null")
    )
    good = connection.execute(sa.text("select count(*) from inbox where state = 'waiting'")).scalar_one()
    assert counts.received == counts.new + counts.duplicate
    assert good >= 500
    assert int(whole.scalar_one()) + counts.duplicate >= 500
    named = connection.execute(
        sa.text("select count(*) from quarantine where reasons -> 0 ->> 'found' not like 'a.csv%'")
    )
    assert named.scalar() == 0


# --- any bytes at all -----------------------------------------------------------------------------


@example(content=b'a,b\n"1,2\n3,4\n"5,6')
@example(content=b"\xff\xfea\x00")
@example(content=b"\x1f\x8b")
@given(content=st.binary(max_size=200) | st.text('a,"\n\r;|0é\x00', max_size=80).map(str.encode))
def test_any_bytes_are_read_to_their_end(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("leads.csv", "leads.jsonl", "leads.parquet"):
        (folder / name).write_bytes(content)
    chunks = list(Files(source(folder), no_secret).read(mapping("leads.*"), Interval()))
    assert {chunk.file for chunk in chunks} <= {"leads.csv", "leads.jsonl", "leads.parquet"}


FIELD = st.text(st.sampled_from('ab ,;"\n\r\tü'), max_size=6)


@given(
    rows=st.lists(st.tuples(FIELD, FIELD), max_size=8),
    spoiled=st.sets(st.integers(0, 7)),
    seed=st.integers(0, 99),
)
def test_spoiling_some_rows_costs_only_those(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], spoiled: set[int], seed: int
) -> None:
    """Rows are quoted as RFC 4180 says; between them stand ragged ones."""
    ragged = ["x", "x,y,z", "1,2,3,4"]
    text, expected, broken, line = "one,two\n", [], [], 2
    for number, row in enumerate(rows):
        if number in spoiled:
            text += random.Random(seed + number).choice(ragged) + "\n"
            broken.append(line)
            line += 1
        written = ",".join('"' + value.replace('"', '""') + '"' for value in row)
        text += written + "\n"
        expected.append((line, {"one": row[0], "two": row[1]}))
        line += len((written + "\n").replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
    folder = tmp_path_factory.mktemp("rows")
    (folder / "leads.csv").write_bytes(text.encode())
    chunks = list(Files(source(folder), no_secret).read(mapping("leads.csv", delimiter=","), Interval()))
    assert [(raw.line, raw.payload) for chunk in chunks for raw in chunk.records] == expected
    assert [item.line for chunk in chunks for item in chunk.broken] == broken
