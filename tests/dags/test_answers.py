"""The pages behind the links of mails, as the api-server serves them: looked at by programs, answered by people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response
from tests.companies import END

from clearlane.sla import links

SECRET, OLDER = "n" * 40, "o" * 40
PATH = "/clearlane/answers/"


@pytest.fixture
def client(published: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The app where the plugin mounts it, on a ledger with one lead of Maya's; no redirect is followed."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from clearlane_airflow import answers, connections

    monkeypatch.setenv(connections.LINK_SECRET, f"{SECRET} {OLDER}")
    airflow = FastAPI()
    airflow.mount(PATH.rstrip("/"), answers.app)
    with TestClient(airflow, follow_redirects=False) as client:
        yield client


@pytest.fixture
def lead(published: Any) -> Any:
    """A hot lead that Maya was just given."""
    from tests.route.conftest import World

    world = World(published)
    lead = world.lead("L1")
    world.known(lead, at=END - timedelta(hours=1), company="<b>Acme</b> & Sons", email="zoe@acme.example")
    batch = world.batch(as_of=END)
    world.score(batch, lead, score=81, band="hot")
    with published.begin() as connection:
        for statement in _GIVEN:
            connection.execute(sa.text(statement), {"lead": lead, "batch": batch.batch_id, "at": END})
    return lead


_GIVEN = (
    "insert into roster (roster_id, content) values ('r', '{}')",
    "insert into decision (decision_seq, lead_id, batch_id, mode, as_of, profile_id, score_id, roster_id, policy,"
    " code_version, place, team, band, rep_id, refused, because, tier)"
    " select nextval('decision_seq'), s.lead_id, :batch, 'live', :at, profile_id, score_id, 'r', '{}', '1', 'owned',"
    " 'sdr_amer', 'hot', 'maya_brooks', '{}', 'Hot: an AE calls now', 'hot' from score s where lead_id = :lead",
    "insert into assignment (lead_id, rep_id, team, decision_seq, by, because, started_at)"
    " select lead_id, rep_id, team, decision_seq, 'clearlane', because, :at from decision",
    "update place set place = 'owned', rep_id = 'maya_brooks' where lead_id = :lead",
    "insert into sla_clock (lead_id, decision_seq, kind, tier, rep_id, started_at, due_at)"
    " select lead_id, decision_seq, kind, 'hot', rep_id, :at, cast(:at as timestamptz) + interval '15 minutes'"
    " from decision cross join (values ('assignment'), ('accept')) as of (kind)",
)


def address(lead: Any, answer: Any, *, secret: str = SECRET, lasts: timedelta = timedelta(days=1)) -> str:
    until = datetime.now(UTC) + lasts
    return links.url("", links.signed(secret, lead, 1, "maya_brooks", answer, until))


def rows(ledger: Any, statement: str) -> list[Any]:
    with ledger.connect() as connection:
        return list(connection.execute(sa.text(statement)).all())


def changed(ledger: Any) -> int:
    tables = ("link_use", "outcome", "routing_event")
    met = rows(ledger, "select count(*) from sla_clock where met_at is not null")[0][0]
    return met + sum(rows(ledger, f"select count(*) from {table}")[0][0] for table in tables)


def heading(page: Response) -> str:
    return re.findall("<h1>(.*?)</h1>", page.text)[0]


# --- looking changes nothing ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "asks"), [("accept", "Take this lead?"), ("decline", "Decline this lead?")]
)
def test_programs_that_look_at_a_link_answer_nothing(
    client: Any, lead: Any, published: Any, answer: str, asks: str
) -> None:
    link = address(lead, answer)
    for _ in range(2):
        assert client.head(link).status_code == 200
        assert heading(client.get(link)) == asks
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        assert client.request(method, link).status_code == 405
    assert changed(published) == 0


def test_a_page_is_not_kept_framed_scripted_or_told_to_others(client: Any, lead: Any) -> None:
    for page in (client.get(address(lead, "accept")), client.get(PATH), client.post(PATH, data={})):
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
        assert "http" not in page.text.replace("http-equiv", "")


def test_what_a_stranger_wrote_into_a_form_is_shown_as_text(client: Any, lead: Any) -> None:
    page = client.get(address(lead, "accept")).text
    assert "&lt;b&gt;Acme&lt;/b&gt; &amp; Sons" in page
    assert "zoe" not in page
    assert "Hot: an AE calls now" in page


# --- answering ------------------------------------------------------------------------------------


def test_a_press_of_the_button_takes_the_lead_and_a_second_one_shows_it(
    client: Any, lead: Any, published: Any
) -> None:
    link = address(lead, "accept")
    for _ in range(2):
        answered = client.post(link)
        assert answered.status_code == 303
        page = client.get(PATH + answered.headers["location"])
        assert heading(page) == "You took this lead"
        assert "The first touch is still due" in page.text
    assert rows(published, "select kind, rep_id from outcome") == [("accepted", "maya_brooks")]
    assert changed(published) == 3


def test_a_decline_asks_for_a_reason_of_the_list_and_takes_no_other(
    client: Any, lead: Any, published: Any
) -> None:
    link = address(lead, "decline", secret=OLDER)
    assert 'value="wrong territory"' in client.get(link).text
    assert "time-out" not in client.get(link).text
    for wrong in ({}, {"reason": "dull"}, {"reason": "accept time-out"}):
        page = client.post(link, data=wrong)
        assert (page.status_code, "Choose one of the reasons." in page.text) == (422, True)
    assert changed(published) == 0
    assert client.post(link, data={"reason": "duplicate"}).status_code == 303
    assert heading(client.get(link)) == "You declined this lead"
    assert rows(published, "select kind, rep_id, detail ->> 'reason' from routing_event") == [
        ("decline", "maya_brooks", "duplicate")
    ]


# --- links that are not good ----------------------------------------------------------------------


def test_forged_and_cut_links_say_nothing_about_a_lead(client: Any, lead: Any, published: Any) -> None:
    good = address(lead, "accept")
    other_case = PATH + links.query(good.partition("=")[2].swapcase())
    forged = [good[:-3], address(lead, "accept", secret="f" * 40), PATH, PATH + "?token=", other_case]
    for link in forged:
        for page in (client.get(link), client.post(link)):
            assert (page.status_code, heading(page)) == (404, "This link is not valid")
            assert "Acme" not in page.text
    assert changed(published) == 0


def test_an_expired_link_and_one_of_a_lead_that_moved_on_say_so(
    client: Any, lead: Any, published: Any
) -> None:
    late = address(lead, "accept", lasts=timedelta(seconds=-1))
    for page in (client.get(late), client.post(late)):
        assert (page.status_code, heading(page)) == (410, "This link has expired")
    link = address(lead, "accept")
    with published.begin() as connection:
        connection.execute(sa.text("update assignment set ended_at = started_at"))
        connection.execute(sa.text("update place set place = 'closed'"))
    client.post(link)
    page = client.get(link)
    assert (page.status_code, heading(page)) == (410, "This lead is not yours any more")
    assert "Acme" not in page.text
    assert changed(published) == 0


def test_forms_that_are_large_or_files_are_refused(client: Any, lead: Any, published: Any) -> None:
    link = address(lead, "decline")
    assert client.post(link, data={"reason": "x" * 5_000}).status_code == 413
    assert client.post(link, content=(part for part in [b"reason=spam"])).status_code == 413
    assert client.post(link, files={"reason": ("a.txt", b"spam")}).status_code == 404
    assert changed(published) == 0


def test_without_a_secret_no_link_is_valid(client: Any, lead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARLANE_LINK_SECRET")
    assert client.get(address(lead, "accept")).status_code == 404


def test_while_routing_holds_on_or_the_ledger_is_away_the_answer_is_not_lost_silently(
    client: Any, lead: Any, published: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from clearlane.route.routing import LOCK
    from clearlane.sla import answers

    monkeypatch.setattr(answers, "_PATIENCE", "select set_config('lock_timeout', '50ms', true)")
    link = address(lead, "accept")
    with published.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
        page = client.post(link)
        assert (page.status_code, page.headers["retry-after"]) == (503, "60")
        assert heading(page) == "Please try again in a minute"
    assert changed(published) == 0
    assert links.digest(link.partition("=")[2]) not in caplog.text
    assert client.post(link).status_code == 303
