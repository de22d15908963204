"""The stage on a real ledger: what is typed, emptied, quarantined, claimed; and that it may run again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane import quality
from clearlane.ledger import Batch, close_batch
from clearlane.quality import waiting

from .conftest import END, contract, deliver, lead, opened


def run(connection: sa.Connection, batch: Batch, engine: Any = "plain", **options: Any) -> quality.Verdict:
    return quality.run(connection, contract(), batch, engine=engine, **options)


def inbox(connection: sa.Connection) -> dict[str, tuple[str, dict[str, Any]]]:
    rows = connection.execute(sa.text("select external_id, state, record from inbox order by seq"))
    return {row.external_id: (row.state, row.record) for row in rows}


def everything(connection: sa.Connection) -> list[list[Any]]:
    tables = (
        "select seq, state, batch_id, record from inbox",
        "select * from quarantine",
        "select * from quality_note",
    )
    return [sorted(map(str, connection.execute(sa.text(table)))) for table in tables]


def quarantined(connection: sa.Connection) -> dict[str, Any]:
    rows = connection.execute(
        sa.text("select external_id, reasons, hand_raise from quarantine join inbox using (seq)")
    )
    return {row.external_id: row for row in rows}


@pytest.mark.parametrize("engine", ["plain", "gx"])
def test_rows_are_typed_emptied_or_quarantined(connection: sa.Connection, engine: str) -> None:
    batch = opened(connection)
    good = lead("a", employees="1,200", trial="yes", color="0012", note="12")
    deliver(connection, batch, [good, lead("b", employees="many"), lead("c", email="n/a", employees="0")])
    verdict = run(connection, batch, engine)
    assert verdict.counts == quality.Counts(claimed=0, checked=3, emptied=1, quarantined=1, warnings=0)
    rows = inbox(connection)
    assert rows["a"] == ("waiting", good | {"employees": 1200, "trial": True})
    assert rows["b"] == ("waiting", lead("b"))
    assert rows["c"] == ("quarantined", lead("c", email="n/a", employees="0"))
    notes = connection.execute(sa.text("select field, rule, found from quality_note")).all()
    assert notes == [("employees", "type", "many")]
    reasons = quarantined(connection)["c"].reasons
    assert [(reason["field"], reason["rule"], reason["found"]) for reason in reasons] == [
        ("email", "email", "n/a"),
        ("email or phone", "any_of", None),
        ("employees", "between", "0"),
    ]
    assert all(reason["allowed"] for reason in reasons)


def test_a_second_run_changes_nothing(connection: sa.Connection) -> None:
    batch = opened(connection)
    deliver(connection, batch, [lead("a", employees="7.0"), lead("b", employees="?"), lead("c", email="")])
    run(connection, batch)
    before = everything(connection)
    again = run(connection, batch)
    assert everything(connection) == before
    assert again.counts.checked == 2
    assert (again.counts.emptied, again.counts.quarantined) == (0, 0)


def test_an_activity_is_not_known_by_an_id_that_was_rounded(connection: sa.Connection) -> None:
    batch = opened(connection)
    seen = {"type": "demo", "occurred_at": "2026-03-01"}
    deliver(
        connection,
        batch,
        [seen | {"id": "1.23E+17"}, seen | {"id": "1.23E+17"}, seen | {"id": "7"}],
        "activities",
    )
    assert run(connection, batch).counts.emptied == 2
    ids = connection.execute(sa.text("select external_id from inbox where state = 'waiting' order by seq"))
    assert ids.scalars().all() == [None, None, "7"]


def test_values_that_are_no_text_are_read_too(connection: sa.Connection) -> None:
    batch = opened(connection)
    deliver(connection, batch, [lead("a", employees=12, trial=True), lead("b", email={"home": "b@acme.com"})])
    run(connection, batch)
    assert inbox(connection)["a"][1] == lead("a", employees=12, trial=True)
    assert inbox(connection)["b"][0] == "quarantined"


def test_an_object_without_a_contract_passes_as_it_is(connection: sa.Connection) -> None:
    batch = opened(connection)
    deliver(connection, batch, [{"id": "r1", "active": "maybe"}], "reps")
    assert run(connection, batch).counts.quarantined == 0
    assert inbox(connection)["r1"] == ("waiting", {"id": "r1", "active": "maybe"})


def test_more_rows_than_a_chunk_are_all_checked(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "CHUNK", 3)
    batch = opened(connection)
    deliver(connection, batch, [lead(str(number), email="") for number in range(8)])
    assert run(connection, batch).counts.quarantined == 8


def test_data_docs_are_kept_for_each_try_and_hold_no_values(connection: sa.Connection, tmp_path: Any) -> None:
    batch = opened(connection)
    deliver(
        connection, batch, [lead("a"), lead("b", email="somebody.unusual"), lead("c", employees="secretive")]
    )
    first = run(connection, batch, "gx", docs_dir=tmp_path).docs
    second = run(connection, batch, "gx", docs_dir=tmp_path).docs
    assert first
    assert second
    assert first != second
    pages = [page.read_text(encoding="utf-8") for page in first.rglob("*.html")]
    assert (first / "index.html").is_file()
    assert any("email is readable" in page for page in pages)
    assert not any("somebody.unusual" in page or "secretive" in page for page in pages)


# -- requests for sales ----------------------------------------------------------------------------


def test_a_hand_raise_about_a_quarantined_lead_is_marked(connection: sa.Connection) -> None:
    batch = opened(connection)
    deliver(connection, batch, [lead("a", email=""), lead("b", email="")])
    asked = {"id": "1", "lead_id": "a", "type": "demo", "occurred_at": "2026-03-01T11:00:00Z"}
    viewed = {"id": "2", "lead_id": "b", "type": "page_view", "occurred_at": "2026-03-01T11:00:00Z"}
    deliver(connection, batch, [asked, viewed, asked | {"id": "3", "occurred_at": "today"}], "activities")
    run(connection, batch)
    marks = {name: row.hand_raise for name, row in quarantined(connection).items()}
    assert marks == {"a": True, "b": False, "3": True}


def test_a_hand_raise_of_a_later_run_is_marked_too(connection: sa.Connection) -> None:
    first, second = opened(connection, "one"), opened(connection, "two")
    deliver(connection, first, [lead("a", email="")])
    run(connection, first)
    assert not quarantined(connection)["a"].hand_raise
    deliver(connection, second, [{"lead_id": "a", "type": "demo", "occurred_at": "2026-03-01"}], "activities")
    run(connection, second)
    assert quarantined(connection)["a"].hand_raise


def test_a_hand_raise_of_an_earlier_run_is_marked_too(connection: sa.Connection) -> None:
    batch = opened(connection)
    deliver(connection, batch, [{"id": "1", "lead_id": "a", "type": "demo"}], "activities")
    connection.execute(
        sa.text("""
            insert into activity (activity_id, source, lead_external_id, type, occurred_at, attributes, seq)
            select gen_random_uuid(), 'crm', 'a', 'demo', :at, '{}', seq from inbox
        """),
        {"at": END},
    )
    connection.execute(sa.text("update inbox set state = 'consumed', batch_id = null"))
    deliver(connection, batch, [lead("a", email="")])
    run(connection, batch)
    assert quarantined(connection)["a"].hand_raise


# -- whose rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "claimed"),
    [
        ({}, 1),
        ({"run_type": "asset_triggered", "window": None}, 1),
        ({"run_type": "manual", "window": None}, 1),
        ({"run_type": "backfill", "mode": "auto"}, 0),
        ({"run_type": "backfill", "mode": "live"}, 0),
        ({"mode": "shadow"}, 0),
        ({"sources": ("shop",)}, 0),
    ],
)
def test_unclaimed_rows_go_to_live_runs_of_their_source(
    connection: sa.Connection, options: dict[str, Any], claimed: int
) -> None:
    deliver(connection, None, [lead("a")])
    batch = opened(connection, **options)
    assert run(connection, batch).counts.claimed == claimed


def test_a_row_later_than_the_run_waits_for_its_own(connection: sa.Connection) -> None:
    deliver(connection, None, [lead("a")], at=END + timedelta(minutes=1))
    assert run(connection, opened(connection)).counts.claimed == 0
    later = opened(connection, "later", as_of=END + timedelta(hours=1), window=None)
    assert run(connection, later).counts.claimed == 1


def test_a_row_of_the_far_future_is_taken_and_judged(connection: sa.Connection) -> None:
    deliver(connection, None, [lead("a", created_at="2999-01-01T00:00:00Z")], at=END.replace(year=2999))
    assert run(connection, opened(connection)).counts.quarantined == 1


def test_rows_of_a_run_at_work_are_left_to_it(connection: sa.Connection) -> None:
    other = opened(connection, "other")
    deliver(connection, other, [lead("a")])
    assert run(connection, opened(connection)).counts.claimed == 0


def test_rows_of_a_run_that_ended_or_stalled_are_taken(connection: sa.Connection) -> None:
    ended, stalled = opened(connection, "ended"), opened(connection, "stalled")
    deliver(connection, ended, [lead("a")])
    deliver(connection, stalled, [lead("b")])
    close_batch(connection, ended.batch_id)
    long_ago = {"batch": stalled.batch_id, "ago": 2 * waiting.STALLED_AFTER}
    connection.execute(
        sa.text("update batch set opened_at = opened_at - :ago where batch_id = :batch"), long_ago
    )
    assert run(connection, opened(connection)).counts.claimed == 2


def test_rows_of_a_stalled_backfill_are_never_taken_live(connection: sa.Connection) -> None:
    backfill = opened(connection, "backfill", run_type="backfill", mode="shadow")
    deliver(connection, backfill, [lead("a")])
    close_batch(connection, backfill.batch_id)
    assert run(connection, opened(connection)).counts.claimed == 0


def test_two_runs_at_once_share_what_waits(ledger_engine: sa.Engine) -> None:
    with ledger_engine.begin() as connection:
        deliver(connection, None, [lead(str(number)) for number in range(5)])
        one, two = opened(connection, "one"), opened(connection, "two")
    with ledger_engine.connect() as first, ledger_engine.connect() as second:
        assert run(first, one).counts.claimed == 5
        assert run(second, two).counts.claimed == 0
        first.commit()
