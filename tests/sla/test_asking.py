"""A company that may be an account: the answer is owed in time, holds nothing up, and is told to whoever answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from tests.identity.conftest import River
from tests.identity.test_run import account, lead
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch
from tests.sla.test_watch import POLICY

from clearlane.identity import matches
from clearlane.ledger import ids
from clearlane.policy.model import Matching, Span

ASKING = replace(
    POLICY,
    sources=replace(POLICY.sources, matching=Matching(ask=0.1, companies=100)),
    sla=replace(POLICY.sla, queues={"match_ask": Span(60, "minutes")}),
)
DELTA = [account("B", name="Delta Air Lines"), account("C", name="Delta Dental")]
L = ids.lead_id("crm", "L")


@pytest.fixture
def world(ledger_engine: sa.Engine) -> Watch:
    return Watch(ledger_engine)


@pytest.fixture
def river(ledger_engine: sa.Engine) -> River:
    return River(ledger_engine, ASKING)


def came(world: Watch, river: River, **score: Any) -> None:
    """A lead of a company Delta is given to a rep at noon."""
    world.lead("L", created_at=MONDAY_NOON)
    river.run(lead("L", "bob@gmail.com", company="Delta", updated_at=MONDAY_NOON.isoformat()))
    world.run(ASKING, [L], **score)


def clocks(world: Watch) -> list[tuple[datetime, datetime, datetime | None, datetime | None]]:
    rows = world.rows("select * from sla_clock where place = 'match_ask' order by clock_id")
    return [(row["started_at"], row["due_at"], row["met_at"], row["ended_at"]) for row in rows]


def say(world: Watch, name: str, verdict: matches.Verdict) -> None:
    with world.engine.begin() as connection:
        matches.say(connection, L, name, verdict, by="ann", because="I know them", at=MONDAY_NOON)


@pytest.fixture
def asked(world: Watch, river: River) -> Watch:
    """The run of five past twelve found the question."""
    came(world, river)
    river.run(*DELTA)
    world.watch(ASKING, MONDAY_NOON + 5 * MINUTE)
    return world


def test_a_question_that_comes_up_after_the_decision_is_owed_an_answer(asked: Watch) -> None:
    begun = MONDAY_NOON + 5 * MINUTE
    assert clocks(asked) == [(begun, begun + 60 * MINUTE, None, None)]
    asked.watch(ASKING, MONDAY_NOON + 10 * MINUTE)
    assert len(clocks(asked)) == 1


def test_a_question_that_was_there_before_the_decision_is_owed_an_answer(world: Watch, river: River) -> None:
    river.run(*DELTA)
    came(world, river)
    world.watch(ASKING, MONDAY_NOON + 5 * MINUTE)
    assert len(clocks(world)) == 1


def test_an_answer_keeps_the_promise(asked: Watch, river: River) -> None:
    say(asked, "crm:B", "accept")
    river.run()
    asked.watch(ASKING, MONDAY_NOON + 10 * MINUTE)
    assert [met for _, _, met, _ in clocks(asked)] == [MONDAY_NOON + 10 * MINUTE]


def test_none_of_them_is_an_answer_and_withdrawing_it_asks_anew(asked: Watch, river: River) -> None:
    for name in ("crm:B", "crm:C"):
        say(asked, name, "refuse")
    river.run()
    asked.watch(ASKING, MONDAY_NOON + 10 * MINUTE)
    say(asked, "crm:B", "withdraw")
    river.run()
    asked.watch(ASKING, MONDAY_NOON + 15 * MINUTE)
    first, second = clocks(asked)
    assert first[2:] == (MONDAY_NOON + 10 * MINUTE, None)
    assert second[0] == MONDAY_NOON + 15 * MINUTE
    assert second[2:] == (None, None)


def test_no_answer_is_told_to_who_answers_for_the_queue_and_the_lead_stays(asked: Watch) -> None:
    owner = asked.owner(L)
    asked.touched(L, MONDAY_NOON + 6 * MINUTE)
    for minutes in (66, 200):
        asked.watch(ASKING, MONDAY_NOON + minutes * MINUTE)
    told = asked.rows(
        "select kind, to_rep_id, cause from sla_event where detail ->> 'place' = 'match_ask' order by event_id"
    )
    assert [(row["kind"], row["to_rep_id"], row["cause"]) for row in told] == [
        ("warn", None, None),
        ("breach", "quin", "match_unanswered"),
    ]
    assert asked.owner(L) == owner
    assert asked.rows("select person from mail where kind = 'queue'") == [{"person": "quin"}]


def test_routing_anew_leaves_the_question_open(asked: Watch) -> None:
    asked.run(ASKING, [L], as_of=MONDAY_NOON + 10 * MINUTE)
    asked.watch(ASKING, MONDAY_NOON + 15 * MINUTE)
    assert [one[2:] for one in clocks(asked)] == [(None, None)]


def test_nothing_is_owed_of_a_lead_without_a_promise(world: Watch, river: River) -> None:
    came(world, river, band="cold")
    river.run(*DELTA)
    world.watch(ASKING, MONDAY_NOON + 5 * MINUTE)
    assert clocks(world) == []
