"""Paid providers: asked once, within budget and deadline, and never in the way of a lead."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.connectors.local_server import Reply
from tests.enrich.conftest import River
from tests.enrich.paid import AT, KEY, Office, lead, office
from tests.profiles import examples
from tests.waiting import LONG

from clearlane import enrich, identity
from clearlane import policy as policies
from clearlane.connectors import gate
from clearlane.enrich import Abort, Found, Skip

DAY = timedelta(days=1)
FIRM = {"revenue": 5, "sector": "software", "listed": True}


@pytest.fixture
def desk(river: River) -> Iterator[Office]:
    with office(river) as made:
        yield made


def asks(desk: Office) -> list[tuple[Any, ...]]:
    return desk.river.all(
        "select because, tries, answered_at is not null from enrichment_ask order by revision_id"
    )


def test_an_answer_is_in_the_profile_of_the_same_run(desk: Office) -> None:
    _, counts = desk.run(lead("1", "ann@acme.com"))
    assert (counts.asked, counts.answered, counts.left_open) == (1, 1, 0)
    assert desk.said("1") == FIRM
    [asked] = desk.register.asked
    assert (asked.path, asked.query) == ("/firms/acme.com", {"mail": "ann@acme.com"})
    assert desk.river.all("select confidence, observed_at from enrichment where provider = 'firms'") == [
        (0.9, AT)
    ]
    assert (desk.day(), asks(desk)) == ((1, 1, 0, 0), [])


def test_one_request_serves_a_company_and_all_who_come_later(desk: Office) -> None:
    desk.run(lead("1", "ann@acme.com"), lead("2", "bob@acme.com"), lead("3", "zoe@gmail.com"))
    desk.run(
        lead("4", "kim@acme.com"), lead("1", "ann@acme.com", title="CEO", updated_at="2026-02-01T00:00:00Z")
    )
    assert desk.register.domains == ["acme.com"]
    assert [desk.said(number) for number in "1234"] == [FIRM, FIRM, {}, FIRM]


def test_it_is_asked_again_when_the_answer_is_old_and_the_new_one_counts_from_then_on(desk: Office) -> None:
    desk.set("age: 90 days")
    desk.run(lead("1", "ann@acme.com"))
    desk.register.revenue = 7
    desk.run(lead("1", "ann@acme.com", title="CEO", updated_at="2026-03-02T00:00:00Z"), at=AT + 60 * DAY)
    assert len(desk.register.asked) == 1
    later = AT + 91 * DAY
    desk.run(lead("1", "ann@acme.com", title="CFO", updated_at="2026-05-30T00:00:00Z"), at=later)
    assert len(desk.register.asked) == 2
    assert [desk.said("1", at)["revenue"] for at in (AT, later - DAY, later)] == [5, 5, 7]
    first, second = (one.headers["Idempotency-Key"] for one in desk.register.asked)
    assert first != second


def test_an_attribute_may_have_a_shorter_age(desk: Office) -> None:
    desk.set("ages: {sector: 7 days}")
    desk.run(lead("1", "ann@acme.com"))
    batch = desk.run(lead("1", "ann@acme.com", title="x", updated_at="2026-03-02T00:00:00Z"), at=AT + 8 * DAY)
    assert (len(desk.register.asked), batch[1].answered) == (2, 1)


def test_nothing_known_is_known_for_a_while_too(desk: Office) -> None:
    desk.register.failing["/firms/acme.com"] = Reply({"error": "no such firm"}, status=404)
    desk.set("unknown_age: 10 days")
    assert desk.run(lead("1", "ann@acme.com"))[1].answered == 1
    desk.run(lead("2", "bob@acme.com"), at=AT + 9 * DAY)
    assert (len(desk.register.asked), desk.day()) == (1, (1, 0, 1, 0))
    desk.register.failing.clear()
    desk.run(lead("3", "kim@acme.com"), at=AT + 11 * DAY)
    assert desk.said("3", AT + 11 * DAY) == FIRM


def test_values_of_another_type_count_as_unknown(desk: Office) -> None:
    body = {"firm": {"money": {"revenue": "about 5"}, "sector": ["S"], "listed": "yes", "sure": 1}}
    desk.register.failing["*"] = Reply(body)
    assert desk.run(lead("1", "ann@acme.com"))[1].answered == 1
    assert desk.said("1") == {}


def test_an_answer_that_is_too_unsure_does_not_count(desk: Office) -> None:
    desk.set("least: 0.5")
    desk.register.failing["*"] = desk.register.known(sure=0.4)
    desk.run(lead("1", "ann@acme.com"))
    assert (desk.said("1"), desk.day()) == ({}, (1, 0, 1, 0))


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"do_not_contact": True}, ""),
        ({"deleted": True}, ""),
        ({"revenue": 9}, "missing: [revenue]"),
        ({"created_at": "2025-01-01T00:00:00Z"}, ""),
    ],
)
def test_who_is_not_to_be_asked_about(desk: Office, fields: dict[str, Any], more: str) -> None:
    desk.set(more or "budget: 100")
    sources = desk.river.policy.sources
    crm = policy_source(desk)
    desk.river.policy = replace(desk.river.policy, sources=replace(sources, sources={"crm": crm}))
    desk.run(lead("1", "ann@acme.com", **fields))
    assert (desk.register.asked, asks(desk)) == ([], [])


def policy_source(desk: Office) -> Any:
    from clearlane.policy.model import Source

    return Source("crm", "files", "", {}, live_from=AT - 365 * DAY / 2)


def test_who_may_not_be_contacted_is_told_to_nobody(desk: Office) -> None:
    desk.river.change(
        "insert into suppression (kind, value, scope, since, because)"
        " values ('email', 'ann@acme.com', 'contact', '2026-01-01', 'asked')"
    )
    desk.run(lead("1", "ann@acme.com"))
    assert desk.register.asked == []


def test_a_backfill_pays_for_nothing(desk: Office) -> None:
    batch, counts = desk.run(lead("1", "ann@acme.com"), run_type="backfill", mode="live")
    assert (counts.asked, desk.register.asked, asks(desk)) == (0, [], [])
    assert not batch.takes_unclaimed


# --- failures -------------------------------------------------------------------------------------

FAULTS = {
    "down": Reply({}, status=503),
    "a web page": Reply(b"<html>ann@acme.com", headers={"Content-Type": "text/html"}),
    "broken JSON": Reply(b'{"firm": {"mail": "ann@acme.com"'),
    "a list": Reply({"firm": ["ann@acme.com"]}),
    "a number": Reply(b"17"),
    "cut": Reply(cut=True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_leaves_the_ask_open_and_names_nobody(
    desk: Office, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.register.failing["*"] = FAULTS[fault]
    _, counts = desk.run(lead("1", "ann@acme.com"))
    if fault == "a number":  # an answer without a record: nothing is known
        assert counts.answered == 1
        return
    assert (counts.answered, counts.left_open, desk.said("1")) == (0, 1, {})
    [(because, _, answered)] = asks(desk)
    assert because
    assert not answered
    for hidden in (KEY, "ann", "acme.com"):
        assert hidden not in because
    ours = " ".join(r.getMessage() for r in caplog.records if r.name.startswith("clearlane"))
    assert KEY not in caplog.text
    assert "ann@" not in caplog.text
    assert "acme.com" not in ours


def test_a_request_that_may_be_repeated_is_tried_twice_in_a_run_under_one_key(desk: Office) -> None:
    desk.register.failing["*"] = Reply(cut=True)
    desk.run(lead("1", "ann@acme.com"))
    keys = {one.headers["Idempotency-Key"] for one in desk.register.asked}
    assert (len(desk.register.asked), len(keys), desk.day()) == (2, 1, (2, 0, 0, 2))


def test_a_later_run_asks_again_by_itself(desk: Office) -> None:
    desk.register.failing["*"] = Reply({}, status=500)
    desk.run(lead("1", "ann@acme.com"))
    desk.register.failing.clear()
    asked = len(desk.register.asked)
    desk.run(at=AT + timedelta(minutes=1))
    assert len(desk.register.asked) == asked  # not before its pause is over
    desk.run(at=AT + timedelta(hours=1))
    assert (desk.said("1"), asks(desk), len(desk.register.asked)) == (FIRM, [], asked + 1)


def test_a_provider_that_asks_for_a_pause_gets_it(desk: Office) -> None:
    desk.register.failing["*"] = Reply({}, status=429, headers={"Retry-After": "900"})
    desk.set("concurrent: 1")
    desk.run(lead("1", "ann@acme.com"), lead("2", "bob@beta.com"))
    assert len(desk.register.asked) == 1
    desk.register.failing.clear()
    desk.run(at=AT + timedelta(minutes=14))
    assert len(desk.register.asked) == 1
    desk.run(at=AT + timedelta(minutes=16))
    assert [desk.said("1"), desk.said("2")] == [FIRM, FIRM]


def test_the_breaker_opens_and_one_ask_tries_whether_it_is_back(desk: Office) -> None:
    desk.set("failures: 3\nrest: 10 minutes\nconcurrent: 1")
    desk.register.failing["*"] = Reply({}, status=500)
    desk.run(*(lead(str(n), f"ann@firm{n}.com") for n in range(8)))
    assert len(desk.register.asked) == 3
    assert desk.run(lead("9", "bob@firm9.com"), at=AT + timedelta(minutes=5))[1].asked == 0
    desk.run(at=AT + timedelta(minutes=11))
    assert len(desk.register.asked) == 4  # one ask, which fails: it rests for longer
    desk.register.failing.clear()
    desk.run(at=AT + timedelta(minutes=25))
    assert len(desk.register.asked) == 4
    desk.run(at=AT + timedelta(hours=5))
    assert len(desk.register.asked) == 13
    assert asks(desk) == []


@pytest.mark.parametrize("status", [401, 402, 403])
def test_without_key_credits_or_rights_it_is_left_alone_and_the_run_goes_on(
    desk: Office, status: int
) -> None:
    desk.register.failing["*"] = Reply({}, status=status)
    desk.set("concurrent: 1")
    desk.run(lead("1", "ann@acme.com"), lead("2", "bob@beta.com"))
    assert (len(desk.register.asked), desk.said("1")) == (1, {})
    assert desk.river.profile("1")
    [(error, until)] = desk.river.all(
        "select error, open_until from push_state where source = 'provider:firms'"
    )
    assert f"answered {status}" in error
    assert until > AT + timedelta(minutes=50)


def test_a_provider_that_is_required_stops_the_run(desk: Office) -> None:
    desk.set("required: true")
    with pytest.raises(Abort, match="credentials are not accepted"):
        desk.run(lead("1", "ann@acme.com"), key="wrong")


def test_a_connection_that_is_missing_opens_the_breaker(desk: Office) -> None:
    batch = desk.river.batch()

    def nothing(name: str) -> str:
        raise LookupError(f"{name} {KEY}")

    assert enrich.ask(desk.river.engine, desk.river.policy, batch, AT, nothing).asked == 0
    [(error,)] = desk.river.all("select error from push_state")
    assert error == "provider firms: its connection cannot be read (LookupError)"


class Later:
    """A client that has to wait for one, and knows all others."""

    needs = ()

    def ask(self, known: Any, key: str) -> Found:
        if known["domain"] == "acme.com":
            raise Skip("its queue is full")
        return Found({"revenue": 3})


def test_what_is_skipped_waits_and_is_no_failure(desk: Office) -> None:
    batch, _ = desk.run(lead("1", "ann@acme.com"), lead("2", "bob@beta.com"), run_type="backfill")
    batch = desk.river.batch()
    desk.river.change("insert into work select batch_id, lead_id, 'revision' from batch, lead "
                      f"where batch_id = '{batch.batch_id}'")  # fmt: skip
    engine, policy = desk.river.engine, desk.river.policy
    counts = enrich.ask(engine, policy, batch, AT, str, make=lambda settings, secrets: Later())
    assert (counts.asked, counts.answered, counts.failed, counts.left_open) == (2, 1, 0, 1)
    assert ("its queue is full", 1, False) in asks(desk)
    assert desk.river.all("select failures from push_state") == [(0,)]


def test_what_a_dead_run_had_claimed_is_asked_by_a_later_one(desk: Office) -> None:
    desk.set("budget: 0")
    desk.run(lead("1", "ann@acme.com"))
    desk.set("budget: 1")
    claimed = AT + timedelta(minutes=3)
    desk.river.change(f"update enrichment_ask set due_at = '{AT}', claimed_until = '{claimed}'")
    desk.run(at=AT + timedelta(minutes=1))
    assert desk.register.asked == []
    desk.run(at=AT + timedelta(minutes=5))
    assert (desk.said("1"), desk.day()) == (FIRM, (1, 1, 0, 0))


def test_a_provider_that_policy_names_no_more_leaves_no_asks(desk: Office) -> None:
    desk.set("budget: 0")
    desk.run(lead("1", "ann@acme.com"))
    assert len(asks(desk)) == 1
    desk.river.policy = policies.parse({})
    desk.run(at=AT + DAY)
    assert (asks(desk), desk.register.asked) == ([], [])


# --- time -----------------------------------------------------------------------------------------


def test_a_provider_that_never_answers_holds_nobody_longer_than_the_deadline(desk: Office) -> None:
    desk.set(deadline="1 second", timeout="0.6 seconds")
    desk.register.slow = 600
    begun = time.monotonic()
    _batch, counts = desk.run(*(lead(str(n), f"ann@firm{n}.com") for n in range(12)))
    assert time.monotonic() - begun < 120  # a busy machine; the provider takes 600
    assert counts.left_open == 12
    assert desk.river.profile("3")


class Slow:
    """A client that answers when it is let, whatever the deadline."""

    needs = ()

    def __init__(self) -> None:
        self.let = threading.Event()

    def ask(self, known: Any, key: str) -> Found:
        assert self.let.wait(LONG)
        return Found(FIRM)


def test_what_is_answered_after_the_deadline_is_kept_for_the_next_run(desk: Office) -> None:
    desk.set(deadline="1.5 seconds", timeout="0.1 seconds")
    slow, batch = Slow(), desk.river.batch()
    desk.river.deliver(batch, [lead("1", "ann@acme.com")])
    engine, policy = desk.river.engine, desk.river.policy
    with engine.begin() as connection:
        identity.run(connection, policy, batch)
    counts = enrich.ask(engine, policy, batch, AT, str, make=lambda settings, secrets: slow)
    desk.river.enrich(batch)
    assert (counts.asked, counts.answered, counts.left_open, desk.said("1")) == (1, 0, 1, {})
    slow.let.set()
    desk.until("select bool_and(answered_at is not null) from enrichment_ask")
    desk.run(at=AT + timedelta(minutes=5))
    assert (desk.said("1"), asks(desk), desk.register.asked) == (FIRM, [], [])


def test_a_run_that_is_cleared_and_run_again_asks_nobody_again_and_changes_nothing(desk: Office) -> None:
    batch, _ = desk.run(lead("1", "ann@acme.com"), lead("2", "bob@beta.com"))
    written = "select (select count(*) from lead_profile), (select count(*) from enrichment)"
    before = desk.river.all(written)
    assert desk.work(batch).asked == 0
    assert (desk.river.all(written), len(desk.register.asked)) == (before, 2)


def test_the_hand_raisers_are_asked_about_first(desk: Office) -> None:
    desk.set("budget: 1")
    scoring = replace(desk.river.policy.scoring, hand_raise_types=("demo",))
    desk.river.policy = replace(desk.river.policy, scoring=scoring)
    raised = {"lead_id": "3", "type": "demo", "occurred_at": (AT - timedelta(minutes=5)).isoformat()}
    desk.run(*(lead(str(n), f"ann@firm{n}.com") for n in range(6)), ("activities", "crm", raised))
    assert desk.register.domains == ["firm3.com"]


def test_the_last_of_a_budget_goes_to_the_first_whichever_thread_is_quick(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.set("budget: 1\nconcurrent: 4")
    reached, read, slow = desk.register.reached, gate.held_state, iter([True])

    def read_late(*of: Any) -> Any:
        if next(slow, False):
            reached.wait(0.3)
        return read(*of)

    monkeypatch.setattr(gate, "held_state", read_late)
    created = [f"2026-02-0{n}T00:00:00Z" for n in (1, 2, 5, 3, 4)]
    desk.run(*(lead(str(n), f"ann@firm{n}.com", created_at=at) for n, at in enumerate(created)))
    assert desk.register.domains == ["firm2.com"]


def test_never_more_at_once_than_the_provider_takes_whoever_asks(desk: Office) -> None:
    desk.set("concurrent: 2")
    desk.register.slow, desk.register.company = 0.05, 2
    batches = []
    for half in (range(6), range(6, 12)):
        batch = desk.river.batch()
        desk.river.deliver(batch, [lead(str(n), f"ann@firm{n}.com") for n in half])
        batches.append(batch)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(desk.work, batches))
    assert (desk.register.most_at_once, len(desk.register.asked)) == (2, 12)


def test_two_runs_at_once_pay_once_for_one_company(desk: Office) -> None:
    desk.register.slow = 0.3
    batches = []
    for number in range(2):
        batch = desk.river.batch()
        desk.river.deliver(batch, [lead(str(number), f"p{number}@acme.com")])
        batches.append(batch)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(desk.work, batches))
    assert desk.register.domains == ["acme.com"]
    desk.run(at=AT + timedelta(minutes=5))
    assert (desk.said("0"), desk.said("1"), asks(desk)) == (FIRM, FIRM, [])


def test_the_rate_is_kept_by_all(desk: Office) -> None:
    desk.set("rate: 5 per second")
    begun = time.monotonic()
    desk.run(*(lead(str(n), f"ann@firm{n}.com") for n in range(6)))
    assert len(desk.register.asked) == 6
    assert time.monotonic() - begun > 0.95


# --- budget ---------------------------------------------------------------------------------------


def test_what_the_budget_left_is_asked_the_next_day(desk: Office) -> None:
    desk.set("budget: 2")
    desk.run(*(lead(str(n), f"ann@firm{n}.com") for n in range(3)))
    desk.run(at=AT + timedelta(hours=3))
    assert len(desk.register.asked) == 2
    [(because, tries, _)] = asks(desk)
    assert (because, tries) == ("the day's budget is spent", 0)
    desk.run(at=AT + DAY)
    assert (len(desk.register.asked), asks(desk)) == (3, [])


@settings(max_examples=examples(4, 25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    budget=st.integers(0, 6), runs=st.lists(st.integers(1, 5), min_size=2, max_size=3),
    faults=st.lists(st.sampled_from(["down", "cut", "broken JSON"]), max_size=2), data=st.data(),
)  # fmt: skip
def test_runs_at_once_never_ask_for_more_than_the_budget(
    desk: Office, budget: int, runs: list[int], faults: list[str], data: st.DataObject
) -> None:
    desk.set(f"budget: {budget}\nfailures: 50")
    desk.register.failing = {f"/firms/firm{n}.com": FAULTS[one] for n, one in enumerate(faults)}
    desk.river.change("truncate enrichment_ask, enrichment, provider_day, push_state")
    before, batches = len(desk.register.asked), []
    for size in runs:
        batch = desk.river.batch()
        firms = data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
        desk.river.deliver(
            batch, [lead(f"{batch.batch_id} {n}", f"ann@firm{firm}.com") for n, firm in enumerate(firms)]
        )
        batches.append(batch)
    with ThreadPoolExecutor(len(batches)) as pool:
        list(pool.map(desk.work, batches))
    sent = len(desk.register.asked) - before
    assert sent <= budget
    assert desk.river.all("select coalesce(sum(asked), 0) from provider_day") == [(sent,)]
