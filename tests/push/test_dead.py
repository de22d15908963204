"""What cannot be sent waits for a person, who tries it again or lets it go; how it stands is told."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.push.conftest import NOON, SOURCES, TEAMS, Desk
from tests.push.crm import Crm
from tests.push.test_draining import connected, drain, owed, states  # noqa: F401
from typer.testing import CliRunner

from clearlane import policy, push
from clearlane.cli import app
from clearlane.push import dead, status

WHO = {"by": "kim", "because": "the field is there now"}


@pytest.fixture
def refused(desk: Desk, connected) -> Crm:  # noqa: F811
    """A system that refused the writes of records 7 and 8."""
    owed(desk, "7", "8")
    crm = connected(Crm(["refused", "refused"]))
    drain(desk)
    return crm


def ids(desk: Desk) -> list[int]:
    return [row["outbox_id"] for row in desk.outbox() if row["state"] == "dead"]


def test_the_dead_are_listed_with_what_the_source_said(desk, refused):
    with desk.engine.connect() as connection:
        found = dead.listed(connection)
    assert [(one.record, one.attempts, one.error) for one in found] == [
        ("crm:7", 1, "no"),
        ("crm:8", 1, "no"),
    ]
    assert "owner" in found[0].sets


def test_tried_again_they_are_sent(desk, refused):
    with desk.engine.begin() as connection:
        assert dead.retry(connection, [], **WHO) == dead.Retried(2, 0)
    assert drain(desk)["sent"] == 2
    assert {row["by"] for row in desk.outbox()} == {"kim"}
    assert {row["note"] for row in desk.outbox()} == {"tried again: the field is there now"}


def test_tried_again_a_write_brings_no_old_score_back(desk, refused):
    batch = desk.batch("two")
    desk.scored(batch, "crm", "7", score=60)
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    drain(desk)
    with desk.engine.begin() as connection:
        dead.retry(connection, ids(desk), **WHO)
    drain(desk)
    assert (refused.records["7"]["owner"], refused.records["7"]["score"]) == ("U1", 60)


def test_tried_again_after_a_newer_decision_there_is_nothing_left_to_write(desk, refused):
    owed(desk, "7", run="two", rep="bob")
    drain(desk)
    with desk.engine.begin() as connection:
        assert dead.retry(connection, ids(desk), **WHO) == dead.Retried(1, 1)
    drain(desk)
    assert refused.records["7"]["owner"] == "bob@vendor.example"


def test_dropped_they_are_kept_and_never_sent(desk, refused):
    with desk.engine.begin() as connection:
        assert dead.drop(connection, ids(desk)[:1], **WHO) == 1
    assert states(desk) == ["dropped", "dead"]
    assert drain(desk)["sent"] == 0
    assert desk.outbox()[0]["note"] == "dropped: the field is there now"


def test_only_the_dead_can_be_tried_again_or_dropped(desk, refused):
    with desk.engine.begin() as connection:
        dead.retry(connection, ids(desk)[:1], **WHO)
        with pytest.raises(dead.NotPossible, match=r"1 is owed; 99 is no write"):
            dead.drop(connection, [1, 2, 99], **WHO)
    assert states(desk) == ["owed", "dead"]


def test_a_source_says_how_it_stands(desk, connected):  # noqa: F811
    owed(desk, "7", "8", "9")
    connected(Crm(["sent", "refused", "retry:600"]))
    drain(desk, batch=1)
    with desk.engine.connect() as connection:
        [one] = status.statuses(connection, desk.policy, NOON + timedelta(minutes=1))
    assert (one.source, one.owed, one.due, one.in_flight, one.dead) == ("crm", 1, 0, 0, 1)
    assert (one.held_until, one.because) == (NOON + timedelta(minutes=10), "it asked to be left alone")
    assert list(status.notes([one])) == [
        "nothing is sent to crm until 2026-03-02 12:10:00Z: it asked to be left alone (no); 1 writes are owed",
        "1 writes to crm are dead: `clearlane push dead list` says why",
    ]


def test_a_source_that_was_never_written_to_has_nothing_to_say(desk):
    with desk.engine.connect() as connection:
        [one] = status.statuses(connection, desk.policy, NOON)
    assert (one.owed, one.oldest, one.held_until) == (0, None, None)
    assert list(status.notes([one])) == []


@pytest.fixture
def clearlane(desk: Desk, ledger_url: str, monkeypatch: pytest.MonkeyPatch):
    """The command line on the ledger of the desk, whose policy is in force."""
    texts = {"teams": TEAMS, "sources": SOURCES.replace("FOLDER", '"nowhere"')}
    with desk.engine.begin() as connection:
        policy.publish(connection, texts, by="kim", because="test", in_force_from=NOON)
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_url)
    return lambda *words: CliRunner().invoke(app, [*words], catch_exceptions=True)


def test_the_commands(desk, refused, clearlane):
    listed = json.loads(clearlane("push", "dead", "list", "--json").output)
    assert [one["number"] for one in listed] == ids(desk)
    assert "crm:7" in clearlane("push", "dead", "list").output
    number = str(listed[0]["number"])
    said = ("--by", "kim", "--because", "told them")
    assert "1 writes dropped" in clearlane("push", "dead", "drop", number, *said).output
    wrong = clearlane("push", "dead", "drop", number, *said)
    assert (wrong.exit_code, "is dropped" in wrong.output) == (1, True)
    [one] = json.loads(clearlane("push", "status", "--json").output)
    assert (one["source"], one["dead"]) == ("crm", 1)
    assert "push dead list" in clearlane("push", "status").output
    assert "1 writes are owed again" in clearlane("push", "dead", "retry", *said).output
    assert states(desk) == ["dropped", "owed"]
