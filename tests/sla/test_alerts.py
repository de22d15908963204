"""Who is told: the rep, then the manager too, the queue's owner, the head of sales; each once, and covers instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch
from tests.sla.test_watch import DUE, POLICY, TAKEN, WARN, given

from clearlane import ledger


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


@pytest.fixture
def lead(world: Watch) -> UUID:
    return given(world, "L")


def mails(world: Watch, *kinds: str) -> list[tuple[str, str]]:
    rows = world.rows(
        "select kind, person from mail where kind = any(:kinds) order by mail_id", kinds=list(kinds)
    )
    return [(row["kind"], row["person"]) for row in rows]


WATCHED = ("warn", "breach", "reassigned", "time_out", "escalation", "queue", "suspended", "quarantine")


def test_the_rep_is_warned_then_the_manager_is_told_too(world: Watch, lead: UUID) -> None:
    rep = world.owner(lead) or ""
    world.watch(POLICY, WARN + MINUTE)
    assert mails(world, *WATCHED) == [("warn", rep)]
    world.watch(POLICY, DUE + MINUTE)
    assert mails(world, *WATCHED)[1:] == [("breach", rep), ("breach", "mia")]
    world.watch(POLICY, TAKEN + MINUTE)
    assert mails(world, *WATCHED)[3:] == [("reassigned", rep), ("reassigned", "mia")]


def test_nobody_is_warned_of_what_was_touched_or_is_past_due(world: Watch, lead: UUID) -> None:
    world.touched(lead, WARN + MINUTE)
    world.watch(POLICY, WARN + 5 * MINUTE)
    assert mails(world, *WATCHED) == []


def test_who_covers_is_told_instead(world: Watch, lead: UUID) -> None:
    rep = world.owner(lead)
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into cover (lead_id, rep_id, cover_rep_id, because, began_at, until)"
            " values (%s, %s, 'dee', 'away', %s, %s)",
            (lead, rep, MONDAY_NOON, MONDAY_NOON + timedelta(days=3)),
        )
    world.watch(POLICY, DUE + MINUTE)
    assert mails(world, "breach") == [("breach", "dee"), ("breach", "mia")]


def test_what_fell_due_long_ago_is_in_the_log_only(world: Watch, lead: UUID) -> None:
    assert world.watch(POLICY, DUE + timedelta(days=2, minutes=1)).breached
    assert mails(world, "warn", "breach") == []


def keep_a_hand_raise(world: Watch, field: str) -> None:
    """A request for sales goes to quarantine, for that field."""
    with world.engine.begin() as connection:
        connection.exec_driver_sql(
            "with kept as (insert into inbox (source, object, record_key, payload, state)"
            " values ('crm', 'leads', 'k', '{\"email\": \"a@b\"}', 'quarantined') returning seq)"
            " insert into quarantine (seq, reasons, hand_raise, since)"
            " select seq, jsonb_build_array(jsonb_build_object('field', %s::text, 'found', 'a@b')), true, %s from kept",
            (field, MONDAY_NOON),
        )


def test_hand_raises_that_are_held_with_their_delivery_are_not_told_of_one_by_one(world: Watch) -> None:
    keep_a_hand_raise(world, "delivery")
    world.watch(POLICY, MONDAY_NOON + 5 * MINUTE)
    assert mails(world, "quarantine") == []


def test_a_hand_raise_in_quarantine_is_told_of_once_and_says_nothing_of_the_person(world: Watch) -> None:
    keep_a_hand_raise(world, "email")
    of = replace(POLICY, routing=replace(POLICY.routing, exceptions_owner="quin"))
    for minutes in (5, 10):
        world.watch(of, MONDAY_NOON + minutes * MINUTE)
    assert mails(world, "quarantine") == [("quarantine", "quin")]
    assert "a@b" not in str(world.rows("select facts from mail"))
