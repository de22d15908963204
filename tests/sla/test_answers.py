"""A rep takes a lead or declines it by a link: once, for a lead that is still theirs, and whoever is first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.route.conftest import World, simple
from tests.route.firms import MONDAY_NOON
from tests.route.test_events import swept, tell
from tests.route.test_run import merge
from tests.sla.mails.desk import Desk

from clearlane import ledger, sla
from clearlane.route.byhand import NotPossible
from clearlane.sla import answers, links
from clearlane.sla.answers import Standing
from clearlane.sla.links import Answer, Link
from clearlane.sla.mails import Web

TOKEN = re.compile(r"/clearlane/answers/\?token=([\w.-]+)")
MINUTE = timedelta(minutes=1)
CLICKED = MONDAY_NOON + 3 * MINUTE


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    engine = ledger.connect(ledger_url)
    yield World(engine)
    engine.dispose()


@pytest.fixture
def lead(world: World) -> UUID:
    """A hot lead of Ana's, with an accept clock."""
    lead = world.lead("L", company="Acme")
    world.known(lead, at=MONDAY_NOON - MINUTE, company="Acme Ltd", email="zoe@acme.example", last_name="Zoe")
    world.run(simple(), [lead], score=80, band="hot")
    assert world.place(lead)[2] == "ana"
    return lead


def link(world: World, lead: UUID, answer: Answer, rep: str = "ana") -> Link:
    seq = world.rows(
        "select max(decision_seq) as seq from decision where lead_id = :lead and mode = 'live'", lead=lead
    )
    return Link(lead, seq[0]["seq"], rep, answer, MONDAY_NOON + timedelta(days=1))


def said(world: World, of: Link, reason: str = "", at: Any = CLICKED) -> Standing:
    with world.engine.begin() as connection:
        return answers.answer(connection, simple(), token(of), of, reason, at)


def stands(world: World, of: Link) -> Standing:
    with world.engine.connect() as connection:
        reading = connection.execution_options(postgresql_readonly=True)
        return answers.standing(reading, token(of), of)


def token(of: Link) -> str:
    return links.signed("s" * 32, of.lead_id, of.decision_seq, of.rep_id, of.answer, of.expires_at)


def clocks(world: World) -> dict[str, Any]:
    return {row["kind"]: row["met_at"] for row in world.rows("select kind, met_at from sla_clock")}


def written(world: World) -> tuple[int, ...]:
    return tuple(world.count(table) for table in ("outcome", "routing_event", "link_use"))


# --- taken ----------------------------------------------------------------------------------------


def test_the_page_says_company_score_why_and_due_and_no_name(world: World, lead: UUID) -> None:
    now = stands(world, link(world, lead, "accept"))
    assert now.state == "open"
    assert now.about is not None
    assert (now.about.company, now.about.score, now.about.band) == ("Acme Ltd", 80, "hot")
    assert now.about.due_at == MONDAY_NOON + 5 * MINUTE
    assert "Zoe" not in repr(now)
    assert "zoe@" not in repr(now)
    assert written(world) == (0, 0, 0)


def test_to_take_a_lead_meets_the_accept_clock_and_no_other(world: World, lead: UUID) -> None:
    now = said(world, link(world, lead, "accept"))
    assert (now.state, now.at) == ("accepted", CLICKED)
    assert clocks(world) == {"arrival": None, "assignment": None, "accept": CLICKED}
    [told] = world.rows("select * from outcome")
    assert (told["source"], told["kind"], told["rep_id"]) == ("clearlane", "accepted", "ana")
    assert (told["lead_id"], told["occurred_at"]) == (lead, CLICKED)


def test_said_again_it_stays_as_it_was_said_first(world: World, lead: UUID) -> None:
    first = said(world, link(world, lead, "accept"))
    before = written(world)
    assert said(world, link(world, lead, "accept"), at=CLICKED + MINUTE) == first
    assert stands(world, link(world, lead, "accept")) == first
    assert written(world) == before == (1, 0, 1)


def test_the_ledger_keeps_no_link(world: World, lead: UUID) -> None:
    of = link(world, lead, "accept")
    said(world, of)
    [used] = world.rows("select * from link_use")
    assert token(of) not in repr(used)
    assert used["token_hash"] == links.digest(token(of))


def test_the_watch_finds_nothing_left_to_meet(world: World, lead: UUID) -> None:
    said(world, link(world, lead, "accept"))
    batch = world.batch(as_of=CLICKED + MINUTE)
    with world.engine.begin() as connection:
        assert sla.meet(connection, simple(), batch) == 0


def test_an_answer_about_a_record_is_one_about_the_person_into_whom_it_is_merged(
    world: World, lead: UUID
) -> None:
    said(world, link(world, lead, "accept"))
    older = world.lead("A", created_at=CLICKED - timedelta(days=30))
    merge(world, lead, older)
    world.run(simple(), [older], as_of=CLICKED + MINUTE)
    assert world.rows("select lead_id, answer from link_use") == [{"lead_id": older, "answer": "accept"}]


# --- declined -------------------------------------------------------------------------------------


def test_a_decline_gives_the_lead_to_another_with_the_next_run(world: World, lead: UUID) -> None:
    now = said(world, link(world, lead, "decline"), "Wrong territory")
    assert (now.state, now.reason, now.at) == ("declined", "wrong territory", CLICKED)
    swept(world, simple(), as_of=CLICKED + MINUTE)
    assert world.place(lead)[2] == "ben"
    assert [row["kind"] for row in world.rows("select kind from turn where returned_seq is not null")] == [
        "return"
    ]
    after = stands(world, link(world, lead, "decline", rep="ana"))
    assert after.state == "gone"


def test_the_page_of_a_used_link_says_what_was_answered_when_the_lead_is_anothers(
    world: World, lead: UUID
) -> None:
    of = link(world, lead, "decline")
    said(world, of, "spam")
    swept(world, simple(), as_of=CLICKED + MINUTE)
    now = said(world, of, "spam", at=CLICKED + 2 * MINUTE)
    assert (now.state, now.reason, now.about) == ("declined", "spam", None)


@pytest.mark.parametrize("reason", ["", "dull", "accept time-out"])
def test_only_reasons_that_people_give_are_taken(world: World, lead: UUID, reason: str) -> None:
    with pytest.raises(NotPossible):
        said(world, link(world, lead, "decline"), reason)
    assert written(world) == (0, 0, 0)
    assert reason not in answers.reasons(simple())


def test_who_took_a_lead_may_decline_it_later_and_not_the_other_way_round(world: World, lead: UUID) -> None:
    said(world, link(world, lead, "accept"))
    assert said(world, link(world, lead, "decline"), "duplicate").state == "declined"
    later = Link(lead, link(world, lead, "accept").decision_seq, "ana", "accept", MONDAY_NOON + 9 * MINUTE)
    assert said(world, later).state == stands(world, link(world, lead, "accept")).state == "declined"
    assert written(world) == (1, 1, 2)


# --- not theirs -----------------------------------------------------------------------------------


def test_somebody_else_and_an_earlier_owner_change_nothing(world: World, lead: UUID) -> None:
    old = link(world, lead, "accept")
    assert said(world, link(world, lead, "accept", rep="ben")).state == "gone"
    tell(world, lead, "decline", rep="ana", at=MONDAY_NOON + MINUTE, reason="spam")
    swept(world, simple(), as_of=MONDAY_NOON + 2 * MINUTE)
    assert said(world, old).state == "gone"
    assert said(world, link(world, lead, "accept", rep="ben")).state == "accepted"


def test_a_lead_that_came_back_is_answered_by_its_new_mail_only(world: World, lead: UUID) -> None:
    old = link(world, lead, "accept")
    with world.engine.begin() as connection:
        connection.execute(sa.text("update assignment set ended_at = started_at"))
        connection.execute(
            sa.text(
                "insert into assignment (lead_id, rep_id, by, because, started_at)"
                " select lead_id, 'ana', 'person', 'given back', :at from lead where nextval('decision_seq') > 0"
            ),
            {"at": CLICKED},
        )
    assert said(world, old).state == "gone"


def test_a_lead_whose_time_to_accept_ran_out_is_not_taken_any_more(world: World, lead: UUID) -> None:
    tell(world, lead, "decline", rep="ana", at=MONDAY_NOON + MINUTE, reason="accept time-out")
    assert said(world, link(world, lead, "accept")).state == "gone"
    assert world.count("link_use") == 0


def test_a_lead_that_left_sales_is_gone(world: World, lead: UUID) -> None:
    of = link(world, lead, "accept")
    with world.engine.begin() as connection:
        connection.execute(sa.text("update place set place = 'closed', rep_id = null"))
        connection.execute(sa.text("update assignment set ended_at = :at"), {"at": CLICKED})
    assert said(world, of).state == "gone"
    assert stands(world, of).about is None


def test_the_link_of_a_record_that_was_merged_speaks_for_the_person(world: World, lead: UUID) -> None:
    of = link(world, lead, "accept")
    survivor = world.lead("M")
    with world.engine.begin() as connection:
        for statement in (
            "update lead set survivor_id = :survivor",
            "update assignment set lead_id = :survivor",
            "update sla_clock set lead_id = :survivor",
            "update place set place = 'owned', rep_id = 'ana' where lead_id = :survivor",
        ):
            connection.execute(sa.text(statement), {"survivor": survivor})
    assert said(world, of).state == "accepted"
    assert world.rows("select lead_id from outcome") == [{"lead_id": survivor}]


# --- at once --------------------------------------------------------------------------------------


def test_of_many_clicks_at_once_one_is_the_answer(world: World, lead: UUID) -> None:
    asked = [(link(world, lead, "accept"), "")] * 4 + [
        (link(world, lead, "decline"), reason) for reason in ("spam", "duplicate", "no capacity", "spam")
    ]
    with ThreadPoolExecutor(len(asked)) as threads:
        states = [one.state for one in threads.map(lambda one: said(world, *one), asked)]
    assert set(states) <= {"accepted", "declined"}
    assert world.count("routing_event") == 1
    assert world.count("outcome") <= 1
    used = world.rows("select answer, count(*) as count from link_use group by 1")
    assert all(row["count"] == 1 for row in used)
    swept(world, simple(), as_of=CLICKED + MINUTE)
    assert world.place(lead)[2] == "ben"


# --- from the mail --------------------------------------------------------------------------------


def test_the_links_of_a_notice_answer_for_its_lead(world: World) -> None:
    secret = "s" * 32
    desk = Desk(world, web=Web("https://air.example", (secret,)))
    lead = desk.lead(score=80, band="hot")
    desk.send()
    [letter] = desk.box.got
    tokens = TOKEN.findall(letter.get_body(("plain",)).get_content())  # type: ignore[union-attr]
    accept, decline = (links.read(secret, sent, CLICKED) for sent in dict.fromkeys(tokens))
    assert (accept.answer, accept.rep_id, decline.answer, decline.rep_id) == (
        "accept",
        "ana",
        "decline",
        "ana",
    )
    assert said(world, accept).state == "accepted"
    assert clocks(world)["accept"] == CLICKED
    assert said(world, decline, "conflict").state == "declined"
    swept(world, simple(), as_of=CLICKED + MINUTE)
    assert world.place(lead)[2] == "ben"
