"""An incident is told once when it opens and once when it is over, whoever notes it and however often."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from tests.profiles import examples
from tests.route.conftest import simple
from tests.route.firms import MONDAY_NOON as NOW

from clearlane import ledger
from clearlane.sla import incidents
from clearlane.sla.incidents import Noted
from clearlane.sla.pipeline import KINDS, Finding

MINUTE = timedelta(minutes=1)
LATE = Finding("run.lead_flow", "no run since noon", NOW)
UNREAD = Finding("source.crm", "not read since noon", NOW)
POLICY = replace(simple(), sla=replace(simple().sla, revops="revops@clearlane.example"))


@pytest.fixture
def engine(ledger_url: str) -> Iterator[Engine]:
    engine = ledger.connect(ledger_url)
    yield engine
    engine.dispose()


def note(engine: Engine, minutes: float, *found: Finding) -> Noted:
    with engine.begin() as connection:
        return incidents.note(connection, POLICY, found, NOW + minutes * MINUTE)


def tell(engine: Engine, minutes: float, finding: Finding) -> bool:
    with engine.begin() as connection:
        return incidents.tell(connection, POLICY, finding, NOW + minutes * MINUTE)


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)))


def told(engine: Engine) -> list[tuple[str, list[str]]]:
    """What each mail says: its state and the keys."""
    mails = rows(engine, "select facts from mail where kind = 'incident' order by mail_id")
    return [(row.facts["state"], [one["key"] for one in row.facts["incidents"]]) for row in mails]


def test_an_incident_is_told_once_while_it_is_open(engine: Engine) -> None:
    assert note(engine, 0, LATE) == Noted(opened=1, closed=0, open=1)
    assert note(engine, 5, replace(LATE, because="3 runs began")) == Noted(opened=0, closed=0, open=1)
    assert told(engine) == [("open", ["run.lead_flow"])]
    row = rows(engine, "select because, opened_at, seen_at from incident")[0]
    assert tuple(row) == ("3 runs began", NOW, NOW + 5 * MINUTE)


def test_what_opens_together_is_one_mail_and_so_is_what_is_over(engine: Engine) -> None:
    note(engine, 0, LATE, UNREAD)
    assert note(engine, 30) == Noted(opened=0, closed=2, open=0)
    both = ["run.lead_flow", "source.crm"]
    assert told(engine) == [("open", both), ("over", both)]


def test_what_comes_and_goes_is_one_incident(engine: Engine) -> None:
    for minutes in range(0, 120, 10):
        note(engine, minutes, LATE)
        note(engine, minutes + 5)
    assert told(engine) == [("open", ["run.lead_flow"])]
    note(engine, 141)
    assert note(engine, 200, LATE).opened == 1
    assert [state for state, _ in told(engine)] == ["open", "over", "open"]


def test_what_follows_from_something_else_is_not_told_and_stays_open_where_it_is(engine: Engine) -> None:
    follows = replace(UNREAD, explained_by=LATE.key)
    assert note(engine, 0, LATE, follows).opened == 1
    assert told(engine) == [("open", ["run.lead_flow"])]
    note(engine, 5, UNREAD)
    note(engine, 60, LATE, follows)
    assert {row.key for row in rows(engine, "select key from incident where closed_at is null")} == {
        LATE.key,
        UNREAD.key,
    }


def test_what_stays_open_is_told_once_a_day(engine: Engine) -> None:
    for minutes in range(0, 3 * 24 * 60, 20):
        note(engine, minutes, LATE)
    assert [state for state, _ in told(engine)] == ["open", "still", "still", "still"]


def test_a_mail_goes_to_revops_with_what_to_say_and_grave_ones_at_any_hour(engine: Engine) -> None:
    note(engine, 0, Finding("dead.crm", "1 writes wait for a person"))
    note(engine, 5, LATE)
    found = rows(engine, "select key, person, address, urgency, facts from mail order by mail_id")
    assert [(row.person, row.address, row.urgency) for row in found] == [
        ("revops", "revops@clearlane.example", "soon"),
        ("revops", "revops@clearlane.example", "now"),
    ]
    told = found[1].facts["incidents"][0]
    assert (told["what"], told["triage"]) == (KINDS["run"].says, KINDS["run"].do)
    assert told["because"] == "no run since noon"
    assert datetime.fromisoformat(told["opened_at"]) == NOW + 5 * MINUTE


def test_several_who_note_at_once_tell_it_once(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = [noted.opened for noted in pool.map(lambda n: note(engine, n / 10, LATE), range(8))]
    assert sum(opened) == 1
    assert told(engine) == [("open", ["run.lead_flow"])]


def test_what_somebody_saw_is_the_same_incident(engine: Engine) -> None:
    failed = Finding("run.lead_flow", "the task pull failed: ReadTimeout", NOW)
    assert tell(engine, 0, failed)
    assert not tell(engine, 5, failed)
    assert note(engine, 10, LATE).opened == 0
    assert note(engine, 20).open == 1
    assert note(engine, 40).closed == 1
    assert [state for state, _ in told(engine)] == ["open", "over"]


def test_a_failed_night_is_over_when_the_next_one_had_its_time(engine: Engine) -> None:
    tell(engine, 0, Finding("run.score_refresh", "the task score_refresh failed"))
    assert note(engine, 24 * 60).closed == 0
    assert note(engine, 26 * 60).closed == 1


def test_an_hourly_dag_is_over_after_two_hours(engine: Engine) -> None:
    tell(engine, 0, Finding("run.outcome_sync", "the task pull failed"))
    assert note(engine, 119).closed == 0
    assert note(engine, 120).closed == 1


SEEN = st.lists(st.sets(st.sampled_from([LATE, UNREAD]), max_size=2), min_size=1, max_size=25)


@given(SEEN)
@settings(max_examples=examples(15, 120))
def test_mails_are_bounded_and_alternate(
    ledger_server: Any, ledger_template: str, seen: list[set[Finding]]
) -> None:
    """Whatever comes and goes: each incident is told open once, over once, in this order; none is open unseen."""
    ledger_server.create("incidents", ledger_template)
    engine = ledger.connect(ledger_server.url("incidents"))
    try:
        for number, found in enumerate(seen):
            note(engine, 10 * number, *found)
        for one in (LATE, UNREAD):
            states = [state for state, keys in told(engine) if one.key in keys]
            assert states == ["open", "over"] * (len(states) // 2) + ["open"] * (len(states) % 2)
            recent = any(one in found for found in seen[-3:])
            assert (len(states) % 2 == 1) == recent
    finally:
        engine.dispose()
        ledger_server.drop("incidents")
