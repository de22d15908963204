"""What people see of mails: previews, what was not sent and why, addresses that bounce; doctor's notes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.route.firms import MONDAY_NOON
from tests.sla.mails.desk import Box, Desk
from typer.testing import CliRunner

from clearlane import policy
from clearlane.cli import app
from clearlane.sla.mails import KINDS

DEFAULT = Path(__file__).resolve().parents[3] / "include" / "policy"


@pytest.fixture
def clearlane(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, list(words))


def test_every_mail_is_shown_without_a_ledger(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["sla", "preview", "--out", str(tmp_path)]).exit_code == 0
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"{kind}.{end}" for kind in KINDS for end in ("html", "txt")} | {"index.html"}
    assert "Subject: Hot: Ada Fisk" in run.invoke(app, ["sla", "preview", "notice"]).output
    wrong = run.invoke(app, ["sla", "preview", "notise"])
    assert (wrong.exit_code, "there are notice" in wrong.output) == (2, True)


def test_a_lead_is_shown_as_its_owner_would_read_of_it(desk: Desk, clearlane: Any) -> None:
    with desk.world.engine.begin() as connection:
        policy.publish(connection, DEFAULT, by="test", because="test", in_force_from=MONDAY_NOON)
    desk.lead("A", band="hot")
    with desk.world.engine.begin() as connection:
        for table in ("assignment", "place", "decision", "sla_clock"):
            connection.execute(sa.text(f"update {table} set rep_id = 'maya_brooks'"))
    told = clearlane("sla", "preview", "notice", "--lead", "crm:A")
    assert told.exit_code == 0, told.output
    assert "Subject: Hot: Ada Fisk, Bright Data" in told.output
    assert clearlane("sla", "preview", "--lead", "crm:nobody").exit_code == 1


def test_what_was_not_sent_is_listed_with_the_reason_and_may_be_tried_again(
    desk: Desk, clearlane: Any
) -> None:
    desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"))
    desk.send(box=Box([{"ana@clearlane.example": "550 5.1.1 unknown"}, {}]))
    listed = clearlane("sla", "mails").output
    assert "550 5.1.1 unknown" in listed
    assert "1 refused, 1 sent" in listed
    assert "comes back: ana@clearlane.example (ana)" in listed
    told = json.loads(clearlane("sla", "mails", "--json").output)
    assert [(mail["person"], mail["state"]) for mail in told["mails"]] == [("ana", "refused")]
    assert clearlane("sla", "bounced", "ana@clearlane.example", "--mended").exit_code == 0
    assert "1 mails are owed again" in clearlane("sla", "retry", str(told["mails"][0]["mail_id"])).output
    assert desk.send().sent == 1


def test_a_returned_mail_is_told_by_hand(desk: Desk, clearlane: Any) -> None:
    assert clearlane("sla", "bounced", "ana").exit_code == 2
    assert clearlane("sla", "bounced", "ana@clearlane.example", "--mended").exit_code == 1
    told = clearlane(
        "sla", "bounced", "Ana@clearlane.example", "--because", "<ana@clearlane.example> is full"
    )
    assert told.exit_code == 0
    assert desk.world.rows("select address, because from bounce") == [
        {"address": "ana@clearlane.example", "because": "… is full"}
    ]
    desk.owe(desk.suspended("a"))
    assert desk.send().refused == 1  # nobody manages the team, and revops has no address
