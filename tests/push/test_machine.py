"""Any course of decisions, scores, people and faults ends with what the ledger says, but where a person chose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.profiles import examples
from tests.push.conftest import NOON, Desk
from tests.push.crm import ReadableCrm, Time

from clearlane import connectors, push
from clearlane.connectors import SourceFailed
from clearlane.ledger import Batch
from clearlane.push import claims, draining

RECORDS = ("7", "8", "9")
OWNERS = {"ada": "U1", "bob": "bob@vendor.example"}
ANSWERS = ("sent", "retry", "lost", "down", "changed")
EMPTY = (
    "truncate outbox, push_state, routing_event, work, place, standing, decision, score, lead_profile, lead_revision,"
    " inbox, lead, batch cascade"
)


class Killed(BaseException):
    """The process ends here: nothing is noted, nothing given back."""


@dataclass
class Wanted:
    """What the ledger says of a record, and whom a person chose that no decision knows of."""

    owner: str | None = None
    score: int | None = None
    chosen: str | None = None
    decided: bool = field(default=False)


class Course(RuleBasedStateMachine):
    """One source that reads back; `desk` and `monkeypatch` are set by the test."""

    desk: Desk
    monkeypatch: pytest.MonkeyPatch

    def __init__(self) -> None:
        super().__init__()
        self.crm, self.now, self.numbers = ReadableCrm(), NOON, count()
        self.wanted = {record: Wanted() for record in RECORDS}
        self.late: list[Batch] = []
        self.puts = 0
        crm = self.desk.policy.sources.sources["crm"]
        limits = replace(crm.limits, batch=2, failures=3, rest=timedelta(minutes=2))
        sources = {"crm": replace(crm, limits=limits)}
        self.policy = replace(self.desk.policy, sources=replace(self.desk.policy.sources, sources=sources))
        self.monkeypatch.setattr(connectors, "CONNECTORS", {"files": lambda source, secrets: self.crm})

    @initialize()
    def begin(self) -> None:
        self.run(EMPTY)

    def run(self, statement: str, **bound: Any) -> None:
        with self.desk.engine.begin() as connection:
            connection.execute(sa.text(statement), bound)

    # --- the ledger -----------------------------------------------------------------------------------

    @rule(record=st.sampled_from(RECORDS), rep=st.sampled_from([*OWNERS, None]), late=st.booleans())
    def decide(self, record: str, rep: str | None, late: bool) -> None:
        batch = self.desk.batch(str(next(self.numbers)))
        self.desk.decide(batch, "crm", record, rep, place="owned" if rep else "pool")
        self.wanted[record].owner = OWNERS[rep] if rep else None
        self.wanted[record].score, self.wanted[record].decided = 80, True
        if late:
            self.late.append(batch)
        else:
            self.owe(batch)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def owe_late(self, data: st.DataObject) -> None:
        self.owe(self.late.pop(data.draw(st.integers(0, len(self.late) - 1))))

    def owe(self, batch: Batch) -> None:
        with self.desk.engine.begin() as connection:
            push.owe(connection, self.policy, batch)

    @rule(record=st.sampled_from(RECORDS), score=st.integers(0, 10))
    def rescore(self, record: str, score: int) -> None:
        batch = self.desk.batch(str(next(self.numbers)))
        self.desk.scored(batch, "crm", record, score=10 * score)
        self.owe(batch)
        self.wanted[record].score = 10 * score

    @rule()
    def take_up_what_people_chose(self) -> None:
        """Routing reads the overrides: a decision by hand each, for which nothing is owed."""
        with self.desk.engine.begin() as connection:
            told = connection.execute(
                sa.text("select event_id, detail ->> 'owner' as owner, detail ->> 'external_id' as record"
                        " from routing_event where handled_batch is null order by event_id")
            ).all()  # fmt: skip
        for event, owner, record in told:
            batch = self.desk.batch(str(next(self.numbers)))
            self.run(
                "update routing_event set handled_batch = :batch, handled_seq ="
                " (select max(decision_seq) from decision) where event_id = :event", batch=batch.batch_id, event=event,
            )  # fmt: skip
            self.desk.decide(batch, "crm", record, None, mode="hand")
            self.run(
                "update decision set event_id = :event where batch_id = :batch",
                event=event,
                batch=batch.batch_id,
            )
            self.wanted[record].owner = owner
            if self.wanted[record].chosen == owner:
                self.wanted[record].chosen = None

    # --- the source -----------------------------------------------------------------------------------

    @rule(record=st.sampled_from(RECORDS))
    def choose(self, record: str) -> None:
        """A person gives the record to a colleague, each time another one."""
        if record in self.crm.records:
            self.wanted[record].chosen = f"person {next(self.numbers)}"
            self.crm.records[record]["owner"] = self.wanted[record].chosen

    # --- sending --------------------------------------------------------------------------------------

    @rule(answers=st.lists(st.sampled_from(ANSWERS), max_size=4))
    def drain(self, answers: list[str]) -> None:
        self.crm.answers = [SourceFailed("crm: 503") if answer == "down" else answer for answer in answers]
        self.send()
        self.crm.answers = []

    @rule()
    def drain_and_die_before_anything_is_noted(self) -> None:
        with self.monkeypatch.context() as patched:
            patched.setattr(claims, "note", _dies)
            patched.setattr(claims, "release", lambda connection, claim: None)
            with suppress(Killed):
                self.send()

    @rule(record=st.sampled_from(RECORDS))
    def choose_between_our_look_and_our_write(self, record: str) -> None:
        """The source compares before it writes, so nothing is lost."""
        plain = self.crm._receipt

        def compared(write: Any) -> Any:
            owner = self.crm.records.get(write.external_id, {}).get("owner")
            if write.seen is not None and write.seen["owner"] != owner:
                self.crm.answers.insert(0, "changed")
            return plain(write)

        def chosen() -> None:
            self.crm.before_write = None
            self.choose(record)

        self.crm._receipt, self.crm.before_write = compared, chosen  # type: ignore[method-assign]
        self.send()
        del self.crm._receipt
        self.crm.before_write = None

    @rule()
    def stall_beyond_the_claim(self) -> None:
        """Another process sends what is newer, then the first one writes after all."""

        def others() -> None:
            self.crm.before_write = None
            self.now += claims.LEASE
            self.send()

        self.crm.before_write = others
        self.send()
        self.crm.before_write = None

    @rule(minutes=st.sampled_from([1, 5, 30]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def send(self) -> None:
        time = Time()
        push.drain(
            self.desk.engine, self.policy, self.now, _no_secrets,
            dry_run=False, limit=100, monotonic=time.now, wait=time.wait,
        )  # fmt: skip

    # --- the end --------------------------------------------------------------------------------------

    def teardown(self) -> None:
        while self.late:
            self.owe(self.late.pop())
        for _ in range(60):
            self.now += timedelta(minutes=61)
            self.send()
        rows = self.desk.outbox()
        assert {row["state"] for row in rows} <= {"sent", "superseded", "dead"}
        for record, wanted in self.wanted.items():
            self.ends_as_wanted(record, wanted, [row for row in rows if row["external_id"] == record])

    def ends_as_wanted(self, record: str, wanted: Wanted, rows: list[Any]) -> None:
        held = self.crm.records.get(record, {})
        if wanted.chosen is not None:
            assert held["owner"] == wanted.chosen, "a person's choice stands"
        elif wanted.decided:
            assert held["owner"] == wanted.owner
        if rows:
            assert held["score"] == wanted.score
        late = sum("came late" in (row["note"] or "") for row in rows)
        effective = sum(of == record for of, _ in self.crm.log)
        assert effective <= len(rows) + 2 * late, "each owed write takes effect once"


def _dies(*_: Any, **__: Any) -> None:
    raise Killed


def _no_secrets(name: str) -> str:
    raise LookupError(name)


def test_any_course_of_things(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(draining, "PATIENCE", timedelta(minutes=4))
    course: Callable[[], Course] = type("course", (Course,), {"desk": desk, "monkeypatch": monkeypatch})
    run_state_machine_as_test(
        course,
        settings=settings(
            max_examples=examples(8, 60), stateful_step_count=20, deadline=None, phases=[Phase.generate]
        ),
    )
