"""What is owed is written once per decision, newest only, sent at least once under its key, never lost."""

from __future__ import annotations

import csv
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.push.conftest import NOON, Desk
from tests.push.crm import Crm, Time

from clearlane import connectors, push
from clearlane.connectors import SourceFailed
from clearlane.policy import Policy
from clearlane.push import claims


def no_secrets(name: str) -> str:
    raise LookupError(name)


def owe(desk: Desk, batch: Any) -> push.Owed:
    with desk.engine.begin() as connection:
        return push.owe(connection, desk.policy, batch)


def drain(desk: Desk, at: Any = NOON, **options: Any) -> dict[str, int]:
    """One drain at a moment at which time stands still, unless somebody waits; its counts but for two."""
    time = Time()
    options = {"dry_run": False, "limit": 1000, "monotonic": time.now, "wait": time.wait, **options}
    counts = push.drain(desk.engine, options.pop("policy", desk.policy), at, no_secrets, **options)
    return {name: counts[name] for name in ("sent", "retry", "dead", "left")}


def test_a_decision_owes_one_write_with_what_the_rep_needs(desk):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "ada")
    assert owe(desk, batch) == push.Owed(1, 0)
    assert owe(desk, batch) == push.Owed(0, 0)
    (row,) = desk.outbox()
    assert row["fields"] == {
        "owner": "U1", "queue": None, "place": "owned", "team": "sdr", "score": 80, "band": "hot", "grade": "A1",
        "stage": "mql", "because": "Hot: an SDR calls now", "tier": "hot", "sla_due": "2026-03-02T12:05:00Z",
        "cover": None,
    }  # fmt: skip


def test_a_rep_without_an_alias_is_named_by_mail_and_a_pool_by_its_queue(desk):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "bob")
    desk.decide(batch, "crm", "8", None, place="pool")
    desk.decide(batch, "crm", "9", None, place="nurture", team=None)
    owe(desk, batch)
    told = [(row["fields"]["owner"], row["fields"]["queue"]) for row in desk.outbox()]
    assert told == [("bob@vendor.example", None), (None, "SDR queue"), (None, "nurture")]


def test_shadow_and_sources_that_may_not_be_written_owe_nothing(desk):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "ada", mode="shadow")
    desk.decide(batch, "web", "8", "ada")
    assert owe(desk, batch) == push.Owed(0, 0)


def test_an_owner_whom_we_do_not_know_is_left_alone(desk):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", None, place="owned")
    assert owe(desk, batch) == push.Owed(0, 0)


def test_only_the_newest_write_of_a_record_is_sent(desk, tmp_path):
    for run, rep in (("one", "ada"), ("two", "bob")):
        batch = desk.batch(run)
        desk.decide(batch, "crm", "7", rep)
        owe(desk, batch)
    assert [row["state"] for row in desk.outbox()] == ["superseded", "owed"]
    assert drain(desk)["sent"] == 1
    assert [row["owner"] for row in written(tmp_path)] == ["bob@vendor.example"]


@pytest.mark.parametrize("drained_between", [False, True])
def test_a_push_that_comes_late_does_not_undo_a_newer_decision(desk, tmp_path, drained_between):
    one, two = desk.batch("one"), desk.batch("two")
    desk.decide(one, "crm", "7", "ada")
    desk.decide(two, "crm", "7", "bob")
    owe(desk, two)
    if drained_between:
        drain(desk)
    assert owe(desk, one) == push.Owed(1, 1)
    drain(desk)
    assert [row["owner"] for row in written(tmp_path)] == ["bob@vendor.example"]


def written(folder: Any) -> list[dict[str, str]]:
    files = sorted((folder / "assignments").glob("*.csv"))
    return [row for file in files for row in csv.DictReader(file.open(encoding="utf-8"))]


def test_files_are_written_once_and_a_second_drain_sends_nothing(desk, tmp_path):
    batch = desk.batch("one")
    for number in range(3):
        desk.decide(batch, "crm", str(number), "ada")
    owe(desk, batch)
    assert drain(desk) == {"sent": 3, "retry": 0, "dead": 0, "left": 0}
    assert drain(desk) == {"sent": 0, "retry": 0, "dead": 0, "left": 0}
    assert len(written(tmp_path)) == 3


def test_a_dry_run_counts_and_sends_nothing(desk, tmp_path):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "ada")
    owe(desk, batch)
    assert drain(desk, dry_run=True) == {"sent": 0, "retry": 0, "dead": 0, "left": 1}
    assert not (tmp_path / "assignments").exists()


def limited(desk: Desk, **limits: Any) -> Policy:
    """The policy with other limits for `crm`."""
    crm = desk.policy.sources.sources["crm"]
    changed = {"crm": replace(crm, limits=replace(crm.limits, **limits))}
    return replace(desk.policy, sources=replace(desk.policy.sources, sources=changed))


@pytest.fixture
def answering(desk, monkeypatch):
    def use(*answers: str | Exception) -> Crm:
        crm = Crm(list(answers))
        monkeypatch.setattr(connectors, "CONNECTORS", {"files": lambda source, secrets: crm})
        return crm

    return use


def test_a_refused_write_is_dead_and_a_failed_one_waits_its_time(desk, answering):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "ada")
    desk.decide(batch, "crm", "8", "ada")
    owe(desk, batch)
    crm = answering("refused", "retry:300", "sent")
    assert drain(desk) == {"sent": 0, "retry": 1, "dead": 1, "left": 1}
    assert drain(desk, NOON + timedelta(seconds=299))["sent"] == 0
    assert drain(desk, NOON + timedelta(seconds=300))["sent"] == 1
    assert [write.external_id for write in crm.asked] == ["7", "8", "8"]
    assert [(row["state"], row["attempts"], row["error"]) for row in desk.outbox()] == [
        ("dead", 1, "no"),
        ("sent", 2, None),
    ]


def test_a_write_that_never_succeeds_is_dead_in_the_end(desk, answering):
    crm = answering()
    crm.poison.add("7")
    for hour in range(claims.ATTEMPTS):
        batch = desk.batch(str(hour))
        desk.decide(batch, "crm", "7" if hour == 0 else str(100 + hour), "ada")
        owe(desk, batch)
        assert desk.outbox()[0]["state"] == "owed"
        drain(desk, NOON + timedelta(hours=2 * hour))
    assert desk.outbox()[0]["state"] == "dead"
    assert {row["state"] for row in desk.outbox()[1:]} == {"sent"}


def test_a_source_that_cannot_be_opened_does_not_hold_up_the_others(desk, monkeypatch):
    sources = desk.policy.sources.sources
    shop = replace(sources["crm"], name="shop")
    both = replace(desk.policy, sources=replace(desk.policy.sources, sources={"shop": shop, **sources}))
    batch = desk.batch("one")
    for source in ("shop", "crm"):
        desk.decide(batch, source, "7", "ada")
    with desk.engine.begin() as connection:
        push.owe(connection, both, batch)
    crm = Crm(["sent"])

    def opened(source: Any, secrets: Any) -> Crm:
        if source.name == "shop":
            raise SourceFailed("shop: its address cannot be opened")
        return crm

    monkeypatch.setattr(connectors, "CONNECTORS", {"files": opened})
    with pytest.raises(SourceFailed, match="shop"):
        drain(desk, policy=both)
    assert {row["source"]: row["state"] for row in desk.outbox()} == {"shop": "owed", "crm": "sent"}


def test_a_crash_after_the_write_repeats_it_under_the_same_key(desk, answering):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "ada")
    owe(desk, batch)
    crm = answering(KeyError("the process died here"), "sent")
    with pytest.raises(KeyError):
        drain(desk)
    assert drain(desk)["sent"] == 1
    assert len({write.idempotency_key for write in crm.asked}) == 1


def test_two_drains_share_the_work(desk, monkeypatch):
    batch = desk.batch("one")
    for number in range(60):
        desk.decide(batch, "crm", str(number), "ada")
    owe(desk, batch)
    crm, both = Crm(), threading.Barrier(2)
    small = limited(desk, batch=10)
    monkeypatch.setattr(connectors, "CONNECTORS", {"files": lambda source, secrets: crm})
    counts: list[dict[str, int]] = []

    def work() -> None:
        both.wait()
        counts.append(drain(desk, policy=small))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(count["sent"] for count in counts) == 60
    assert sorted(int(write.external_id) for write in crm.asked) == list(range(60))


@given(st.text(), st.integers(1, 40), st.none() | st.floats(0, 10_000))
def test_waiting_grows_to_an_hour_and_honours_the_source(key, attempts, retry_after):
    waited, asked = claims.wait(key, attempts, retry_after), timedelta(seconds=retry_after or 0)
    assert waited == claims.wait(key, attempts, retry_after)
    assert waited >= max(claims.FIRST_WAIT / 2, asked)
    assert waited <= max(claims.LONGEST_WAIT, asked)


def test_waiting_is_spread_by_the_key():
    waits = [claims.wait(str(key), 1, None) / claims.FIRST_WAIT for key in range(1000)]
    assert 0.5 <= min(waits) < 0.51
    assert 0.99 < max(waits) <= 1


def test_the_outbox_refuses_a_second_row_of_the_same_write(desk):
    batch = desk.batch("one")
    desk.decide(batch, "crm", "7", "ada")
    owe(desk, batch)
    names = "idempotency_key, source, object, external_id, lead_id, batch_id, fields"
    again = sa.text(f"insert into outbox ({names}) select {names} from outbox")
    with desk.engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(again)
