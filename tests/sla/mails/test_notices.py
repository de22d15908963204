"""Who gets a notice, in the run that gave the lead: new owners and those asked for again; nobody in shadow."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.route.firms import MONDAY_NOON
from tests.route.test_run import merge
from tests.sla.mails.desk import ADA, MINUTE, Desk

from clearlane.sla.mails import notices, preview
from clearlane.sla.mails.content import Content, Web


def owed(desk: Desk) -> list[tuple[str, str, str]]:
    return [
        (row["kind"], row["person"], row["urgency"])
        for row in desk.world.rows("select * from mail order by mail_id")
    ]


def owe(desk: Desk, batch) -> int:
    with desk.world.engine.begin() as connection:
        return notices.owe(connection, desk.policy, batch)


def test_each_new_owner_is_told_once_and_hot_ones_at_once(desk: Desk) -> None:
    leads = [desk.world.lead(name, **ADA) for name in ("A", "B")]
    batch = desk.world.batch()
    desk.world.score(batch, leads[0], band="hot", score=90)
    desk.world.score(batch, leads[1], band="warm")
    desk.world.route(desk.policy, batch)
    assert owe(desk, batch) == 2
    assert owe(desk, batch) == 0
    assert owed(desk) == [("notice", "ana", "now"), ("notice", "ben", "soon")]


@pytest.mark.parametrize("mode", ["shadow", "cold"])
def test_no_owner_no_notice(desk: Desk, mode: str) -> None:
    lead = desk.world.lead("A", **ADA)
    shadow = mode == "shadow"
    batch = desk.world.run(
        desk.policy, [lead], mode=mode if shadow else "live", band="hot" if shadow else "cold"
    )
    assert owe(desk, batch) == 0
    assert owed(desk) == []


def test_an_owner_who_stays_is_told_of_a_new_request_only(desk: Desk) -> None:
    lead = desk.world.lead("A", **ADA)
    desk.world.run(desk.policy, [lead], band="warm")
    later = desk.world.run(desk.policy, [lead], band="warm", as_of=MONDAY_NOON + MINUTE)
    assert owe(desk, later) == 0
    desk.world.asks(lead, MONDAY_NOON + 2 * MINUTE)
    asked = desk.world.run(desk.policy, [lead], band="warm", hand_raise=True, as_of=MONDAY_NOON + 3 * MINUTE)
    assert owe(desk, asked) == 1
    assert owed(desk)[0][1:] == ("ana", "now")
    assert desk.send(MONDAY_NOON + 4 * MINUTE).sent == 1
    assert "demo request" in desk.box.got[0].get_body(("plain",)).get_content()


def test_whoever_covers_is_told_instead_and_told_why(desk: Desk) -> None:
    lead = desk.world.lead("A", **ADA)
    batch = desk.world.run(desk.policy, [lead], band="hot")
    with desk.world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into cover (lead_id, rep_id, cover_rep_id, because, began_at, until)"
                " values (:lead, 'ana', 'ben', 'off', :at, :until)"
            ),
            {"lead": lead, "at": MONDAY_NOON, "until": MONDAY_NOON + timedelta(days=3)},
        )
    assert owe(desk, batch) == 1
    desk.send()
    assert str(desk.box.got[0]["To"]).startswith("Ben")
    text = desk.box.got[0].get_body(("plain",)).get_content()
    assert "waits for Ana, for whom you stand in" in text


def test_who_loses_a_lead_to_a_merge_is_told_once(desk: Desk) -> None:
    older, newer = desk.lead("A", band="warm"), desk.lead("B", band="warm")
    desk.send()
    merge(desk.world, newer, older)
    later = desk.world.run(desk.policy, [older], band="warm", as_of=MONDAY_NOON + 5 * MINUTE)
    assert owe(desk, later) == 1
    assert owe(desk, later) == 0
    assert owed(desk)[-1] == ("reassigned", "ben", "soon")
    assert desk.send(MONDAY_NOON + 6 * MINUTE).sent == 1
    told = desk.box.got[-1]
    assert told["Subject"] == "Taken over: Ada Fisk, Bright Data — now with Ana"
    assert "turned out to be one person" in told.get_body(("plain",)).get_content()


def test_a_lead_of_the_ledger_is_previewed_and_nothing_is_kept(desk: Desk) -> None:
    lead = desk.lead("A", band="hot")
    before = desk.world.count("mail")
    with desk.world.engine.begin() as connection:
        for kind in ("notice", "warn", "breach", "escalation", "reassigned", "queue"):
            told = preview.of_lead(connection, desk.policy, Web(), lead, kind, MONDAY_NOON)
            assert isinstance(told, Content)
            assert "Ada Fisk, Bright Data" in preview.plain(told)
    assert desk.world.count("mail") == before
