"""What is owed is sent once; what fails is noted, tried again or given up, and repeated at most once, marked."""

from __future__ import annotations

import threading
from datetime import timedelta
from email.message import EmailMessage

import pytest
import sqlalchemy as sa
from tests.route.firms import MONDAY_NOON
from tests.sla.mails.desk import ADA, MINUTE, Box, Desk
from tests.sla.mails.sink import Sink, serving

from clearlane.sla.mails import MailFailed, notices, status
from clearlane.sla.mails.claims import ATTEMPTS, LEASE
from clearlane.sla.mails.smtp import mail_server, sender

DAY = timedelta(days=1)


def test_a_hot_notice_is_sent_once_and_says_all(desk: Desk) -> None:
    desk.lead(band="hot", score=82)
    assert desk.send().sent == 1
    assert desk.send(MONDAY_NOON + MINUTE).sent == 0
    (message,) = desk.box.got
    assert message["Subject"] == "Hot: Ada Fisk, Bright Data — call by 12:05"
    assert str(message["To"]) == "Ana <ana@clearlane.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_body(["plain"]).get_content()
    for said in (
        "Call by 12:05 (UTC)",
        "13:05 (Berlin)",
        "Because of rest; Ana is next",
        "82 of 100, hot",
        "+493012345",
    ):
        assert said in text
    assert desk.states() == ["sent"]
    assert desk.mail()["message_id"] == message["Message-ID"]


def test_nothing_is_sent_dry_or_without_a_mail_server_and_the_mail_says_why(desk: Desk) -> None:
    desk.lead(band="hot")
    assert desk.send(dry_run=True).left == 1
    assert "dry run" in desk.mail()["error"]
    assert desk.box.tried == 0
    from clearlane.sla import mails

    assert mails.send_due(desk.world.engine, desk.policy, MONDAY_NOON, mails.Post()).left == 1
    assert "smtp_default" in desk.mail()["error"]
    with desk.world.engine.connect() as connection:
        (note,) = status.notes(connection, MONDAY_NOON + timedelta(hours=1))
    assert note.startswith("1 mails are owed, an urgent one since 2026-03-02 12:00Z (kept: no mail server")
    assert desk.send().sent == 1
    assert desk.mail()["error"] is None


def test_a_notice_for_a_lead_that_went_on_is_dropped(desk: Desk) -> None:
    desk.lead(band="hot")
    with desk.world.engine.begin() as connection:
        connection.execute(sa.text("update assignment set rep_id = 'ben'"))
    assert desk.send().dropped == 1
    assert desk.box.tried == 0
    assert desk.mail()["error"] == "the lead is somebody else's by now"


def test_what_expired_is_not_sent(desk: Desk) -> None:
    desk.owe(desk.suspended("a", expires_at=MONDAY_NOON + MINUTE))
    assert desk.send(MONDAY_NOON + MINUTE).expired == 1
    assert desk.states() == ["expired"]


def test_a_server_that_is_down_ends_the_sending_and_counts_against_no_mail(desk: Desk) -> None:
    desk.owe(*(desk.suspended(f"{n}", person=p) for n, p in enumerate(("ana", "ben", "cyd"))))
    desk.box.answers = [MailFailed("connection refused", down=True)]
    for run in range(ATTEMPTS + 2):
        assert desk.send(MONDAY_NOON + run * 5 * MINUTE).left == 3
    assert desk.box.tried == ATTEMPTS + 2
    rows = desk.world.rows("select attempts, begun_at, error from mail")
    assert {(row["attempts"], row["begun_at"], row["error"]) for row in rows} == {
        (0, None, "connection refused")
    }
    assert desk.send(MONDAY_NOON + timedelta(hours=2), Box()).sent == 3


def test_a_mail_that_fails_is_tried_later_and_in_the_end_dead(desk: Desk) -> None:
    desk.owe(desk.suspended("a"), desk.suspended("b", person="ben"))
    failing = Box([MailFailed("451 4.7.1 greylisted", temporary=True), {}])
    assert (failing_once := desk.send(box=failing)).failed == 1
    assert failing_once.sent == 1
    assert desk.send(box=failing).sent == 0  # not before its time
    for run in range(1, ATTEMPTS):
        desk.send(MONDAY_NOON + run * timedelta(hours=1, minutes=1), Box([MailFailed("451", temporary=True)]))
    assert sorted(desk.states()) == ["dead", "sent"]
    with desk.world.engine.begin() as connection:
        dead = [row["mail_id"] for row in desk.world.rows("select mail_id from mail where state = 'dead'")]
        assert status.retry(connection, dead) == 1
    assert desk.send(MONDAY_NOON + timedelta(days=1)).sent == 1


def test_a_lasting_failure_is_dead_at_once(desk: Desk) -> None:
    desk.owe(desk.suspended("a"))
    assert desk.send(box=Box([MailFailed("552 too large", temporary=False)])).dead == 1


def test_a_refused_recipient_is_kept_and_the_manager_is_told_instead(desk: Desk) -> None:
    from dataclasses import replace

    sales = replace(desk.policy.teams.teams["sales"], manager="ben")
    desk.policy = replace(desk.policy, teams=replace(desk.policy.teams, teams={"sales": sales}))
    desk.owe(desk.suspended("a"), desk.suspended("b", person="cyd"))
    refusing = Box([{"ana@clearlane.example": "550 5.1.1 <ana@clearlane.example> user unknown"}, {}])
    assert (desk.send(box=refusing).refused, refusing.tried) == (1, 2)
    assert sorted(desk.states()) == ["refused", "sent"]
    assert desk.mail()["error"] == "550 5.1.1 … user unknown"
    desk.owe(desk.suspended("c"))
    assert desk.send(MONDAY_NOON + MINUTE).sent == 1
    (told,) = desk.box.got
    assert str(told["To"]) == "Ben <ben@clearlane.example>"
    assert "For Ana, whose mails come back" in told.get_body(["plain"]).get_content()
    with desk.world.engine.begin() as connection:
        assert [one.person for one in status.bounces(connection)] == ["ana"]
        assert status.end_bounce(connection, "Ana@clearlane.example", MONDAY_NOON)
        assert not status.end_bounce(connection, "ana@clearlane.example", MONDAY_NOON)
    desk.owe(desk.suspended("d"))
    desk.send(MONDAY_NOON + 2 * MINUTE)
    assert str(desk.box.got[-1]["To"]).startswith("Ana")


def test_nobody_of_that_name_is_refused_and_seen(desk: Desk) -> None:
    desk.owe(desk.suspended("a", person="gone"))
    assert desk.send().refused == 1
    assert desk.mail()["error"] == "teams.yaml knows nobody called gone"


@pytest.mark.parametrize("lost", ["answer", "process"])
def test_what_may_have_been_sent_is_sent_once_more_marked_and_no_more(desk: Desk, lost: str) -> None:
    desk.owe(desk.suspended("a"))
    failure = MailFailed("timed out", uncertain=True) if lost == "answer" else KeyboardInterrupt()

    class Lossy(Box):
        def __call__(self, message: EmailMessage) -> dict[str, str]:
            self.got.append(message)
            raise failure

    lossy = Lossy()
    for moment in (MONDAY_NOON, *(MONDAY_NOON + n * (LEASE + MINUTE) for n in (1, 2)), MONDAY_NOON + DAY):
        if lost == "process":
            try:
                desk.send(moment, lossy)
            except KeyboardInterrupt:
                continue
        else:
            desk.send(moment, lossy)
    first, second = lossy.got
    assert (first["X-Clearlane-Repeat"], second["X-Clearlane-Repeat"]) == (None, "yes")
    assert first["Message-ID"] == second["Message-ID"]
    assert "may have this mail already" in second.get_body(["plain"]).get_content()
    assert desk.states() == ["dead"]
    assert desk.mail()["error"].startswith("may have been sent")


def test_after_the_window_nothing_is_repeated(desk: Desk) -> None:
    desk.owe(desk.suspended("a"))
    desk.send(box=Box([MailFailed("timed out", uncertain=True)]))
    window = desk.policy.sla.mail.repeat_window
    assert desk.send(MONDAY_NOON + window + MINUTE).dead == 1
    assert desk.box.tried == 0


def test_a_repeat_that_surely_failed_may_be_tried_again_within_the_window(desk: Desk) -> None:
    desk.owe(desk.suspended("a"))
    box = Box([MailFailed("timed out", uncertain=True), MailFailed("refused", down=True), {}])
    for moment in (0, 5, 6):
        desk.send(MONDAY_NOON + moment * MINUTE, box)
    assert [message["X-Clearlane-Repeat"] for message in box.got] == ["yes"]
    assert desk.states() == ["sent"]


def test_whoever_comes_late_notes_nothing(desk: Desk) -> None:
    """The first sender hangs past its claim; the second sends again, and the first one's word no longer counts."""
    desk.owe(desk.suspended("a"))
    second = Box()

    def hanging(message: EmailMessage) -> dict[str, str]:
        desk.send(MONDAY_NOON + LEASE + MINUTE, second)
        return {"ana@clearlane.example": "550 no"}

    desk.send(box=hanging)
    assert [message["X-Clearlane-Repeat"] for message in second.got] == ["yes"]
    assert desk.states() == ["sent"]


def test_two_senders_at_once_send_each_mail_once(desk: Desk) -> None:
    desk.rules(digest_above=100, per_hour=100)
    desk.owe(*(desk.suspended(f"{n}", person=("ana", "ben", "cyd")[n % 3]) for n in range(30)))
    boxes, gate = [Box(), Box()], threading.Barrier(2)

    def work(box: Box) -> None:
        gate.wait()
        desk.send(box=box)

    threads = [threading.Thread(target=work, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [message["Message-ID"] for box in boxes for message in box.got]
    assert len(ids) == len(set(ids)) == 30
    assert set(desk.states()) == {"sent"}


def test_a_slow_server_does_not_hold_up_the_run(desk: Desk) -> None:
    desk.owe(*(desk.suspended(f"{n}", person=("ana", "ben", "cyd")[n % 3]) for n in range(9)))
    passed = iter(range(0, 100_000, 30))
    done = desk.send(monotonic=lambda: float(next(passed)))
    assert 0 < done.sent < 9
    assert done.sent + done.left == 9


def test_a_mail_that_cannot_be_written_keeps_no_other(desk: Desk) -> None:
    from dataclasses import replace

    broken = replace(desk.suspended("a"), facts={"until": "soon"})
    desk.owe(broken, desk.suspended("b", person="ben"))
    assert desk.send().sent == 1
    assert desk.world.rows("select error from mail where state = 'owed'") == [
        {"error": "could not be written: ValueError"}
    ]


def test_mails_that_wait_become_one(desk: Desk) -> None:
    leads = [desk.world.lead(f"L{number}", **ADA) for number in range(24)]  # three reps take turns
    batch = desk.world.run(desk.policy, leads, band="warm")
    with desk.world.engine.begin() as connection:
        assert notices.owe(connection, desk.policy, batch) == 24
    done = desk.send()
    assert (done.sent, done.joined) == (3, 3)
    assert desk.box.subjects[0].startswith("8 leads need you")
    text = desk.box.got[0].get_body(["plain"]).get_content()
    assert text.count("* Yours: Ada Fisk, Bright Data") == 8
    assert sorted(desk.states()) == ["joined"] * 24 + ["sent"] * 3
    assert desk.send(MONDAY_NOON + MINUTE).sent == 0


def test_an_hour_holds_no_more_than_policy_says(desk: Desk) -> None:
    desk.rules(per_hour=4)
    desk.owe(*(desk.suspended(f"{n}") for n in range(10)))
    for moment, total in ((0, 4), (30, 4), (61, 8), (122, 10)):
        desk.send(MONDAY_NOON + moment * MINUTE)
        assert len(desk.box.got) == total


@pytest.mark.parametrize(
    ("code", "state"), [("550 5.1.1 unknown", "refused"), ("450 4.2.0 greylisted", "owed")]
)
def test_whom_a_server_by_address_puts_off_is_not_refused(desk: Desk, code: str, state: str) -> None:
    with serving(Sink(refused={"ana@clearlane.example": code})) as sink:
        desk.owe(desk.suspended("a"))
        desk.send(box=sender(mail_server(f"smtp://127.0.0.1:{sink.port}?from=c@clearlane.example")))
    assert desk.states() == [state]
    assert desk.world.count("bounce") == int(state == "refused")
