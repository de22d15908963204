"""Working the quarantine: what is there and why, again after a repair, or never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane.connectors import pull
from clearlane.ledger import open_batch
from clearlane.policy.model import Lookup, ObjectMapping, Source, Sources
from clearlane.quality import quarantine
from clearlane.quality.quarantine import Chosen, NotPossible

SINCE = datetime(2026, 2, 1, tzinfo=UTC)
BY = {"by": "ada", "because": "mapping repaired"}


@pytest.fixture
def connection(ledger_engine: sa.Engine) -> Iterator[sa.Connection]:
    with ledger_engine.connect() as connection:
        yield connection


def crm(folder: Path, fields: dict[str, str], **options: Any) -> Source:
    leads = ObjectMapping("leads", "leads.csv", fields, **options)
    calls = ObjectMapping("activities", "calls.csv", {"type": "= call", "minutes": "Length"})
    mails = ObjectMapping("activities", "mails.csv", {"type": "= mail", "subject": "Subject"})
    return Source("crm", "files", str(folder), {"leads": leads, "calls": calls, "mails": mails})


def known(source: Source) -> Sources:
    return Sources({source.name: source}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "leads.csv").write_text("LEADID,Mail,When\n1,a@b.com,2026-01-05\n2,broken, row,x\n")
    (tmp_path / "calls.csv").write_text("Length\n5\n")
    (tmp_path / "mails.csv").write_text("Subject\nHello\n")
    return tmp_path


@pytest.fixture
def held(connection: sa.Connection, folder: Path) -> sa.Connection:
    """All that was pulled is in quarantine: the broken row by pull, the others by a verdict of quality."""
    run = open_batch(
        connection,
        dag_id="lead_flow",
        run_id="r",
        run_type="scheduled",
        mode="live",
        dry_run=False,
        window=None,
        as_of=SINCE,
        sources=("crm",),
        policy={},
        code_version="test",
    )
    pull(connection, crm(folder, {"id": "LEADID", "email": "E-Mail"}), run, lambda name: name)
    reasons = [{"field": "email", "rule": "required", "found": None, "allowed": "an address"}]
    connection.execute(
        sa.text(
            "insert into quarantine (seq, reasons, since, hand_raise)"
            " select seq, :reasons, :since, object = 'activities' from inbox where state = 'waiting'"
        ),
        {"reasons": json.dumps(reasons), "since": SINCE},
    )
    connection.execute(sa.text("update inbox set state = 'quarantined'"))
    return connection


def seq_of(connection: sa.Connection, file: str, line: int = 2) -> int:
    found = sa.text("select seq from inbox where file = :file and line = :line")
    return int(connection.execute(found, {"file": file, "line": line}).scalar_one())


def row(connection: sa.Connection, seq: int) -> Any:
    return connection.execute(sa.text("select * from inbox where seq = :seq"), {"seq": seq}).mappings().one()


def test_the_list_names_origin_and_every_reason_hand_raises_first(held: sa.Connection) -> None:
    entries = quarantine.listed(held)
    assert [entry.hand_raise for entry in entries] == [True, True, False, False]
    shown = {entry.origin: entry.why for entry in entries}
    assert shown["crm leads 1, leads.csv line 2"] == "email required: nothing (allowed: an address)"
    assert shown["crm leads, leads.csv line 3"] == (
        "record readable: leads.csv line 3: 4 columns (allowed: 3 columns, as in the header)"
    )


def test_the_list_can_be_narrowed(held: sa.Connection) -> None:
    assert len(quarantine.listed(held, Chosen(object="leads"))) == 2
    assert len(quarantine.listed(held, limit=1)) == 1
    assert quarantine.listed(held, Chosen(source="web")) == []
    assert quarantine.listed(held, state="dismissed") == []


def test_a_record_is_shown_whole(held: sa.Connection) -> None:
    seq = seq_of(held, "leads.csv", 3)
    entry = quarantine.shown(held, seq)
    assert entry.payload == {"raw": "2,broken, row,x"}
    assert json.loads(json.dumps(quarantine.as_json(entry)))["since"] == "2026-02-01T00:00:00+00:00"
    with pytest.raises(LookupError, match="holds no record 0"):
        quarantine.shown(held, 0)


def test_replay_maps_again_and_hands_over_to_the_next_run(held: sa.Connection, folder: Path) -> None:
    seq = seq_of(held, "leads.csv")
    assert "email" not in row(held, seq)["record"]
    repaired = crm(folder, {"id": "LEADID", "email": "Mail", "created_at": "When"})
    assert quarantine.replay(held, [seq], sources=known(repaired), **BY) == 1
    after = row(held, seq)
    assert after["record"] == {"id": "1", "email": "a@b.com", "created_at": "2026-01-05T00:00:00+00:00"}
    assert (after["state"], after["batch_id"]) == ("waiting", None)
    assert after["first_batch"] is not None
    assert after["source_time"] == datetime(2026, 1, 5, tzinfo=UTC)
    entry = quarantine.shown(held, seq)
    assert (entry.state, entry.by, entry.because) == ("replayed", "ada", "mapping repaired")


def test_replay_finds_the_mapping_of_the_file(held: sa.Connection, folder: Path) -> None:
    seqs = [seq_of(held, "calls.csv"), seq_of(held, "mails.csv")]
    assert quarantine.replay(held, seqs, sources=known(crm(folder, {})), **BY) == 2
    assert row(held, seqs[0])["record"] == {"type": "call", "minutes": "5"}
    assert row(held, seqs[1])["record"] == {"type": "mail", "subject": "Hello"}


def test_replay_keeps_what_look_ups_had_found(held: sa.Connection, folder: Path) -> None:
    seq = seq_of(held, "leads.csv")
    held.execute(
        sa.text("""update inbox set record = '{"owner": "u1", "id": "1"}' where seq = :seq"""), {"seq": seq}
    )
    lookups = {"owner": Lookup("users.csv", "Name", "Owner", "Id")}
    quarantine.replay(held, [seq], sources=known(crm(folder, {"id": "LEADID"}, lookups=lookups)), **BY)
    assert row(held, seq)["record"]["owner"] == "u1"


def test_dismissed_records_leave_the_list_and_stay_in_the_ledger(held: sa.Connection) -> None:
    seq = seq_of(held, "leads.csv", 3)
    assert quarantine.dismiss(held, [seq], **BY) == 1
    assert seq not in {entry.seq for entry in quarantine.listed(held)}
    assert [entry.seq for entry in quarantine.listed(held, state="dismissed")] == [seq]
    assert row(held, seq)["state"] == "quarantined"


def test_all_or_nothing_with_every_reason(held: sa.Connection, folder: Path) -> None:
    lead, broken, call = seq_of(held, "leads.csv"), seq_of(held, "leads.csv", 3), seq_of(held, "calls.csv")
    quarantine.dismiss(held, [call], **BY)
    with pytest.raises(NotPossible) as refused:
        quarantine.replay(held, [lead, broken, call, 0], sources=Sources({}, {}), **BY)
    assert str(refused.value).split("; ") == [
        "0 is not in the quarantine",
        f"{call} is dismissed already",
        f"{lead}: sources.yaml maps no leads of crm",
        f"{broken} could never be read: deliver it again, repaired",
        f"{call}: sources.yaml maps no activities of crm",
    ]
    assert row(held, lead)["state"] == "quarantined"
    with pytest.raises(NotPossible, match="0 is not in the quarantine"):
        quarantine.dismiss(held, [lead, 0], **BY)
    assert quarantine.shown(held, lead).state == "open"
