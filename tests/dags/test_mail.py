"""Mails leave by Airflow's SMTP connection: one connection for many, each refusal told from each failure."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.route.conftest import World
from tests.route.firms import MONDAY_NOON
from tests.sla.mails.desk import MINUTE, Desk
from tests.sla.mails.sink import Sink, serving

from clearlane.sla.mails import Sent, send_due
from clearlane.sla.mails.claims import LEASE


@pytest.fixture
def desk(ledger) -> Desk:
    return Desk(World(ledger))


@pytest.fixture
def sink() -> Iterator[Sink]:
    with serving(Sink()) as sink:
        yield sink


@pytest.fixture
def connected(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sink:
    connect(monkeypatch, sink.port)
    return sink


def connect(monkeypatch: pytest.MonkeyPatch, port: int, **extra: object) -> None:
    said = {
        "conn_type": "smtp", "host": "127.0.0.1", "port": port,
        "extra": {"disable_tls": True, "disable_ssl": True, "from_email": "leads@clearlane.example", "timeout": 60,
                  "retry_limit": 0, **extra},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(said))


def send(desk: Desk, at=MONDAY_NOON) -> Sent:
    from clearlane_airflow import mail

    with mail.post() as post:
        return send_due(desk.world.engine, desk.policy, at, post)


def test_many_mails_go_by_one_connection(desk: Desk, connected: Sink) -> None:
    desk.owe(*(desk.suspended(f"{n}", person=("ana", "ben", "cyd")[n % 3]) for n in range(6)))
    assert send(desk).sent == 6
    assert connected.connections == 1
    assert {str(message["From"]) for message in connected.got} == {"Clearlane <leads@clearlane.example>"}
    assert connected.got[0].get_content_type() == "multipart/alternative"


def test_the_notice_arrives_whole(desk: Desk, connected: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARLANE_URL", "https://airflow.clearlane.example")
    monkeypatch.setenv("CLEARLANE_LINK_SECRET", "s" * 40)
    desk.lead(band="hot", score=82)
    assert send(desk).sent == 1
    (message,) = connected.got
    for part in ("plain", "html"):
        body = message.get_body((part,)).get_content()
        assert "https://airflow.clearlane.example/clearlane/answers/?token=" in body
        assert "/dags/lead_flow/runs/manual__" in body
        assert "Call by 12:05 (UTC)" in body


def test_without_a_connection_mails_are_kept(airflow_home: Path, desk: Desk) -> None:
    desk.owe(desk.suspended("a"))
    assert send(desk).left == 1
    assert "smtp_default" in desk.mail()["error"]


def test_a_server_that_is_down_keeps_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        connect(monkeypatch, closed.getsockname()[1])
        assert send(desk) == Sent(failed=1, left=2)
    rows = desk.world.rows("select attempts, begun_at, error from mail")
    assert {(row["attempts"], row["begun_at"]) for row in rows} == {(0, None)}
    assert {row["error"] for row in rows} == {"the mail server: cannot be reached (ConnectionRefusedError)"}


def test_a_server_that_never_answers_is_waited_for_no_longer_than_the_connection_says(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        connect(monkeypatch, mute.getsockname()[1], timeout=1)
        desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"))
        assert send(desk) == Sent(failed=1, left=2)


def test_an_answer_that_never_comes_leaves_the_mail_in_doubt_and_the_next_goes(
    desk: Desk, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sink.port, timeout=2)
    sink.silent = 1
    desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"))
    assert send(desk) == Sent(sent=1, failed=1, left=1)
    assert send(desk, MONDAY_NOON + LEASE + MINUTE) == Sent(sent=1, again=1)
    assert [message["X-Clearlane-Repeat"] for message in sink.got] == [None, None, "yes"]


def test_a_refused_recipient_keeps_no_other(desk: Desk, connected: Sink) -> None:
    connected.refused = {"ana@clearlane.example": "550 5.1.1 <ana@clearlane.example> unknown"}
    desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"))
    assert send(desk) == Sent(sent=1, refused=1)
    assert desk.mail()["error"] == "550 5.1.1 … unknown"


@pytest.mark.parametrize(
    ("answer", "state"), [("451 4.7.1 later", "owed"), ("554 5.7.1 spam", "dead"), ("421 closing", "owed")]
)
def test_what_a_server_says_of_one_message(desk: Desk, connected: Sink, answer: str, state: str) -> None:
    connected.answers = [answer]
    desk.owe(desk.suspended("a"))
    assert send(desk).sent == 0
    assert desk.states() == [state]
    assert desk.mail()["error"].startswith(answer[:3])
    assert desk.mail()["begun_at"] is None


def test_a_later_greylisting_of_the_recipient_is_no_bounce(desk: Desk, connected: Sink) -> None:
    connected.refused = {"ana@clearlane.example": "450 4.2.0 greylisted"}
    desk.owe(desk.suspended("a"))
    assert send(desk).failed == 1
    assert desk.world.count("bounce") == 0


def test_a_login_that_is_refused_keeps_all_and_says_so(desk: Desk, connected: Sink, monkeypatch) -> None:
    said = json.loads(__import__("os").environ["AIRFLOW_CONN_SMTP_DEFAULT"])
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**said, "login": "u", "password": "hidden-one"})
    )
    desk.owe(desk.suspended("a"))
    assert send(desk) == Sent(failed=1, left=1)
    assert "hidden-one" not in desk.mail()["error"]


@pytest.mark.parametrize(
    "extra", [{"ssl_context": "odd", "disable_tls": False}, {"timeout": "soon"}, {"from_email": ""}]
)
def test_a_connection_that_is_set_up_wrongly_keeps_all(
    desk: Desk, sink: Sink, monkeypatch: pytest.MonkeyPatch, extra: dict[str, object]
) -> None:
    connect(monkeypatch, sink.port, **extra)
    desk.owe(desk.suspended("a"))
    assert send(desk) == Sent(failed=1, left=1)
    assert (desk.mail()["attempts"], desk.mail()["begun_at"]) == (0, None)
    assert sink.got == []


def test_a_secret_that_cannot_sign_keeps_no_mail(
    desk: Desk, connected: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLEARLANE_URL", "https://airflow.clearlane.example")
    monkeypatch.setenv("CLEARLANE_LINK_SECRET", "too-short")
    desk.lead(band="hot")
    assert send(desk).sent == 1
    assert "token=" not in connected.got[0].get_body(("plain",)).get_content()
    assert "too-short" not in caplog.text


def test_no_log_names_an_address_or_a_person(
    desk: Desk, connected: Sink, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    connected.refused = {"ana@clearlane.example": "550 5.1.1 <ana@clearlane.example> unknown"}
    connected.silent = 1
    with caplog.at_level(logging.DEBUG):
        desk.lead("L1", band="hot")
        desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"), desk.suspended("c", person="cyd"))
        send(desk)
    told = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.log")]
    written = "\n".join(
        [
            *told,
            *capfd.readouterr(),
            *(str(row["error"]) for row in desk.world.rows("select error from mail")),
        ]
    )
    for secret in ("ana@", "ben@", "Fisk", "bright.example", "+4930"):
        assert secret not in written


def test_chats_get_the_kinds_they_are_for_once(
    desk: Desk, connected: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apprise

    told: list[str] = []

    @apprise.decorators.notify(on="kept")
    def keep(body: str, title: str, *_: object, **__: object) -> None:
        told.append(title)

    chats = {"conn_type": "generic", "password": "kept://x", "extra": {"kinds": ["suspended"]}}
    monkeypatch.setenv("AIRFLOW_CONN_CLEARLANE_APPRISE", json.dumps(chats))
    desk.lead("L1", band="hot")
    desk.owe(desk.suspended("a", person="ben"))
    assert send(desk).sent == 2
    assert told == ["No new leads for you until 17:00"]
