"""What became of a lead goes to the systems that want to know: newest only, once a change, never to who said it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from tests.push.conftest import NOON, TEAMS, Desk

from clearlane import policy, push
from clearlane.ledger import ids
from clearlane.score import enter

SOURCES = """
schema: 1
owner: a
approver: b
masters: {owner: crm, MASTERS}
sources:
  crm: {connector: files, address: FOLDER, push: assignments, objects: {leads: {read: leads.csv, fields: {id: Id}}}}
  mail:
    connector: files
    address: FOLDER
    push: told
    push_fields: {stage: st, stage_since: ss, outcome: oc, outcome_at: oa, decline_reason: dr}
    score_step: null
    objects: {leads: {read: people.csv, fields: {id: Id}}}
"""
HOUR = timedelta(hours=1)
NEVER = {"stage": "mql", "stage_since": None, "outcome": None, "outcome_at": None, "decline_reason": None}


def with_masters(masters: str, folder: Path) -> policy.Policy:
    text = SOURCES.replace("FOLDER", json.dumps(str(folder))).replace("MASTERS", masters)
    return policy.parse({"teams": TEAMS, "sources": text})


@pytest.fixture
def desk(ledger_engine: sa.Engine, tmp_path: Path) -> Desk:
    return Desk(ledger_engine, with_masters("outcome: clearlane", tmp_path))


def run(desk: Desk, statement: str, **bound: Any) -> None:
    with desk.engine.begin() as connection:
        connection.execute(sa.text(statement), bound)


def said(desk: Desk, kind: str, hours: float, source: str = "crm", record: str = "7", **more: Any) -> None:
    """The source says what became of its record, so many hours after noon."""
    run(
        desk,
        "insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, reason)"
        " values (gen_random_uuid(), :source, :record, :lead, :kind, :at, :reason)",
        source=source, record=record, lead=ids.lead_id(source, record), kind=kind, at=NOON + hours * HOUR,
        reason=more.get("reason"),
    )  # fmt: skip


def person(desk: Desk, run_id: str = "first", **shown: Any) -> None:
    """A lead in both systems, known as 7 in each; the record of the CRM survives."""
    batch = desk.batch(run_id)
    desk.scored(batch, "mail", "7", **shown)
    desk.scored(batch, "crm", "7", **shown)
    run(desk, "delete from standing where lead_id = :lead", lead=ids.lead_id("mail", "7"))
    run(desk, "update lead set survivor_id = :lead", lead=ids.lead_id("crm", "7"))


def owed(desk: Desk, hours: float = 24) -> int:
    batch = replace(desk.batch(f"outcomes until {hours}"), as_of=NOON + hours * HOUR)
    with desk.engine.begin() as connection:
        enter(connection, desk.policy, batch, NOON - HOUR)
        return push.owe_outcomes(connection, desk.policy, batch, NOON - HOUR).owed


def told(desk: Desk, source: str = "mail") -> list[dict[str, Any]]:
    """What is sent to the source now; it is sent."""
    waiting = [row["fields"] for row in desk.outbox() if row["state"] == "owed" and row["source"] == source]
    run(desk, "update outbox set state = 'sent', sent_at = :at where state = 'owed'", at=NOON)
    return waiting


def test_stage_outcome_and_reason_go_to_the_system_that_takes_them(desk):
    person(desk)
    said(desk, "accepted", 1)
    assert owed(desk, 2) == 2, "the CRM gets the score"
    assert told(desk) == [
        NEVER | {"stage": "accepted", "stage_since": "2026-03-02T13:00:00Z", "outcome": "accepted",
                 "outcome_at": "2026-03-02T13:00:00Z"}
    ]  # fmt: skip
    said(desk, "rejected", 3, reason="no budget")
    owed(desk, 4)
    [fields] = told(desk)
    assert (fields["outcome"], fields["decline_reason"]) == ("rejected", "no budget")


def test_each_change_is_told_once_also_when_it_comes_back(desk):
    person(desk)
    said(desk, "accepted", 1)
    owed(desk)
    assert len(told(desk)) == 1
    assert owed(desk) == 0
    said(desk, "rejected", 2, reason="no answer")
    owed(desk)
    assert [fields["outcome"] for fields in told(desk)] == ["rejected"]
    run(desk, "delete from outcome where kind = 'rejected'")
    owed(desk)
    [fields] = told(desk)
    assert (fields["outcome"], fields["decline_reason"]) == ("accepted", None)


def test_only_the_newest_is_sent(desk):
    person(desk)
    for hours, kind in enumerate(("accepted", "meeting", "sql"), 1):
        said(desk, kind, hours)
        owed(desk)
    [fields] = told(desk)
    assert (fields["outcome"], fields["stage"]) == ("sql", "sql")


def test_no_system_is_told_what_it_said_itself(desk):
    person(desk)
    said(desk, "sql", 1, source="mail")
    owed(desk)
    assert told(desk) == [{"stage": "sql", "stage_since": "2026-03-02T13:00:00Z"}], (
        "where it stands all are told"
    )
    said(desk, "won", 2)
    owed(desk)
    [fields] = told(desk)
    assert (fields["outcome"], fields["stage"]) == ("won", "customer")


def test_whoever_takes_none_of_it_is_not_told(desk):
    person(desk)
    said(desk, "won", 1)
    owed(desk)
    [fields] = told(desk, "crm")
    assert fields == {"score": 80, "band": "hot", "grade": "A1", "stage": "customer"}
    said(desk, "lost", 2)
    assert owed(desk) == 1


def test_a_crm_that_takes_no_outcomes_is_told_the_stage_that_they_mean(desk):
    sources = desk.policy.sources
    desk = replace(
        desk, policy=replace(desk.policy, sources=replace(sources, sources={"crm": sources.sources["crm"]}))
    )
    person(desk)
    owed(desk)
    told(desk, "crm")
    said(desk, "accepted", 1)
    assert owed(desk) == 1
    assert told(desk, "crm") == [{"score": 80, "band": "hot", "grade": "A1", "stage": "accepted"}]
    assert owed(desk) == 0


def test_a_reps_decline_is_a_rejection_with_its_reason(desk):
    person(desk)
    run(
        desk,
        "insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)"
        " values (:lead, 'decline', :at, 'ada', 'declined', :detail)",
        lead=ids.lead_id("crm", "7"), at=NOON + HOUR, detail=Jsonb({"reason": "bad data"}),
    )  # fmt: skip
    owed(desk)
    [fields] = told(desk)
    assert (fields["outcome"], fields["decline_reason"]) == ("rejected", "bad data")


def test_the_masters_word_alone_counts(desk, tmp_path):
    other = SOURCES.replace(
        "masters: {owner: crm, MASTERS}", "masters: {outcome: crm, stage: crm, decline_reason: crm}"
    )
    other = other.replace("FOLDER", json.dumps(str(tmp_path)))
    desk = replace(desk, policy=policy.parse({"teams": TEAMS, "sources": other}))
    person(desk)
    said(desk, "accepted", 1)
    said(desk, "rejected", 2, source="phone", record="7", reason="no answer")
    run(desk, "update outcome set lead_id = :lead", lead=ids.lead_id("crm", "7"))
    owed(desk)
    [fields] = told(desk)
    assert (fields["stage"], fields["outcome"], fields["decline_reason"]) == ("accepted", "accepted", None)


def test_a_closed_lead_says_what_became_of_it_and_nothing_else(desk):
    person(desk, place="closed")
    run(desk, "update place set reason = 'converted'")
    said(desk, "won", 1)
    assert owed(desk) == 1
    [fields] = told(desk)
    assert (fields["outcome"], fields["stage"]) == ("won", "customer")


def test_a_closed_lead_that_was_never_told_of_is_not_written_to_the_system_that_closed_it(desk):
    person(desk, place="closed")
    run(desk, "update place set reason = 'converted'")
    said(desk, "sql", 1, source="mail")
    assert owed(desk) == 0


@pytest.mark.parametrize("reason", ["deleted", "erased", "merged"])
def test_of_a_lead_that_is_gone_nothing_is_said(desk, reason):
    person(desk, place="closed")
    run(desk, "update place set reason = :reason", reason=reason)
    said(desk, "won", 1)
    assert owed(desk) == 0


def test_an_outcome_of_the_future_waits(desk):
    person(desk)
    said(desk, "won", 5)
    assert owed(desk, 2) == 0
    owed(desk, 6)
    assert told(desk)[0]["outcome"] == "won"


def test_a_decision_says_it_too_so_that_nothing_told_is_lost(desk):
    person(desk)
    said(desk, "accepted", -1)
    owed(desk)
    batch = desk.batch("decided")
    desk.decide(batch, "crm", "7", "ada")
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    [fields] = told(desk)
    assert fields["outcome"] == "accepted"
    assert "owner" not in fields, "it takes none"


def test_a_new_cycle_begins_with_its_own_stage(desk):
    person(desk)
    said(desk, "sql", 1)
    said(desk, "rejected", 2, reason="no budget")
    run(desk, "update score set cycle = 2, cycle_since = :at", at=NOON + 2 * HOUR)
    run(desk, "insert into stage_entry values (:lead, 'mql', 2, :at, 'points')", lead=ids.lead_id("crm", "7"),
        at=NOON + 3 * HOUR)  # fmt: skip
    owed(desk)
    [fields] = told(desk)
    assert (fields["stage"], fields["stage_since"]) == ("mql", "2026-03-02T15:00:00Z")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_whatever_the_order_of_arrival_the_end_is_the_same(desk, order):
    outcomes = [("accepted", 1), ("rejected", 2), ("won", 2)]
    person(desk)
    for number in order:
        kind, hours = outcomes[number]
        said(desk, kind, hours, reason="no answer" if kind == "rejected" else None)
        owed(desk)
    fields = told(desk)[-1]
    assert (fields["outcome"], fields["stage"], fields["decline_reason"]) == ("won", "customer", None)


def test_shadow_runs_owe_nothing(desk):
    person(desk)
    said(desk, "won", 1)
    with desk.engine.begin() as connection:
        batch = replace(desk.batch("shadow"), mode="shadow")
        assert push.owe_outcomes(connection, desk.policy, batch, NOON) == push.Owed(0, 0)


def delete(desk: Desk, source: str) -> None:
    """The source's record of the person is deleted."""
    run(desk, "insert into inbox (source, object, record_key, payload, state)"
        " values (:source, 'leads', 'deleted', '{}', 'consumed')", source=source)  # fmt: skip
    run(
        desk,
        "insert into lead_revision (lead_id, valid_from, content_hash, attributes, seq)"
        """ values (:lead, :at, 'deleted', '{"deleted": true}', (select max(seq) from inbox))""",
        lead=ids.lead_id(source, "7"), at=NOON + HOUR,
    )  # fmt: skip


def test_nothing_is_written_to_a_record_that_is_deleted(desk):
    person(desk)
    said(desk, "accepted", 1, record="7")
    delete(desk, "mail")
    assert owed(desk) == 1
    assert told(desk) == []


def test_what_is_owed_to_a_deleted_record_is_dropped(desk):
    person(desk)
    owed(desk)
    batch = desk.batch("decided")
    desk.decide(batch, "crm", "7", "ada")
    run(desk, "insert into work values (:batch, :lead, 'revision')", batch=batch.batch_id,
        lead=ids.lead_id("crm", "7"))  # fmt: skip
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    delete(desk, "crm")
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    states = {(row["source"], row["state"]) for row in desk.outbox()}
    assert states == {("crm", "dropped"), ("mail", "owed")}
    notes = {row["note"] for row in desk.outbox() if row["state"] == "dropped"}
    assert notes == {"the record is gone from the source"}


@pytest.mark.parametrize("late", [True, False])
def test_an_old_outcome_is_told_by_the_run_that_brings_it(desk, late):
    person(desk)
    owed(desk)
    told(desk)
    said(desk, "won", -100)
    batch = desk.batch("brings")
    run(
        desk,
        "with i as (insert into inbox (source, object, record_key, payload, state, batch_id)"
        " values ('crm', 'outcomes', 'old', '{}', 'consumed', :batch) returning seq)"
        " update outcome set seq = i.seq from i",
        batch=batch.batch_id if late else None,
    )
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    assert [fields["outcome"] for fields in told(desk)] == ["won"] * late
