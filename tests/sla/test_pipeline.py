"""What the ledger says of the pipeline at a moment: what is late, stopped, unread or owed, and what explains it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.route.conftest import PINNED, World, simple
from tests.route.firms import MONDAY_NOON as NOW

from clearlane import ledger
from clearlane.policy.model import Pipeline, Policy
from clearlane.sla import pipeline
from clearlane.sla.pipeline import Finding

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DAGS = ("lead_flow", "sla_watch", "outcome_sync")


class Ledger(World):
    """Runs that came and went, and what they left."""

    def ran(
        self, dag: str, at: datetime, *, ended: bool = True, dry: bool = False, run_type: str = "scheduled"
    ) -> UUID:
        with self.engine.begin() as connection:
            batch = ledger.open_batch(
                connection, dag_id=dag, run_id=f"{run_type}__{next(self.numbers)}", run_type=run_type, mode="live",
                dry_run=dry, window=None, as_of=at, sources=("crm",), policy=PINNED, code_version="0.1.0",
            )  # fmt: skip
            if ended:
                ledger.close_batch(connection, batch.batch_id)
        return batch.batch_id

    def do(self, statement: str, **bound: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), bound)

    def read(self, place: str, at: datetime) -> None:
        self.do(
            "insert into source_state values ('crm', :place, :at)"
            " on conflict (source, object) do update set watermark = excluded.watermark",
            place=place, at=at,
        )  # fmt: skip

    def owes(
        self, record: str, *, at: datetime, state: str = "owed", next_at: datetime | None = None
    ) -> None:
        self.do(
            "insert into outbox (idempotency_key, source, object, external_id, lead_id, fields, state, owed_at,"
            " next_attempt_at) values (:key, 'crm', 'leads', :record, :lead, '{}', :state, :at, :next_at)",
            key=str(next(self.numbers)), record=record, lead=self.anybody, state=state, at=at, next_at=next_at,
        )  # fmt: skip

    def quarantined(self, number: int, at: datetime, reasons: str = "[]") -> None:
        self.do(
            "with seqs as (insert into inbox (source, object, record_key, payload, state)"
            " select 'crm', 'leads', 'q' || :at || n, '{}', 'quarantined' from generate_series(1, :number) n"
            " returning seq) insert into quarantine (seq, reasons, since)"
            " select seq, cast(:reasons as jsonb), :since from seqs",
            at=at.isoformat(), since=at, number=number, reasons=reasons,
        )  # fmt: skip

    @property
    def anybody(self) -> UUID:
        found = self.rows("select lead_id from lead limit 1")
        return found[0]["lead_id"] if found else self.lead("anybody")

    def findings(self, at: datetime = NOW, of: Policy | None = None, **options: Any) -> dict[str, Finding]:
        with self.engine.connect() as connection:
            found = pipeline.findings(connection, of or simple(push="rest"), at, **options)
        keys = [one.key for one in found]
        assert len(keys) == len(set(keys))
        return {one.key: one for one in found}


@pytest.fixture
def empty(ledger_url: str) -> Iterator[Ledger]:
    engine = ledger.connect(ledger_url)
    yield Ledger(engine)
    engine.dispose()


@pytest.fixture
def well(empty: Ledger) -> Ledger:
    """A ledger of which every promise is kept at NOW, after a month of runs."""
    empty.ran("lead_flow", NOW - 29 * DAY)
    for dag in DAGS:
        empty.ran(dag, NOW - 5 * MINUTE)
    empty.read("leads", NOW - 5 * MINUTE)
    return empty


def test_where_all_is_well_nothing_is_found(well: Ledger) -> None:
    assert well.findings() == {}


def test_a_ledger_in_which_nothing_ever_ran_says_so(empty: Ledger) -> None:
    assert empty.findings() == {"scheduler": Finding("scheduler", "no DAG has ever run")}


# -- runs ------------------------------------------------------------------------------------------


def test_a_dead_scheduler_is_one_finding_that_explains_the_rest(well: Ledger) -> None:
    well.owes("L1", at=NOW)
    found = well.findings(NOW + 3 * HOUR)
    assert found["scheduler"].because == "no DAG has run since 2026-03-02 11:55Z"
    assert found["scheduler"].since == NOW - 5 * MINUTE
    assert next(iter(found)) == "scheduler"
    assert {key: one.explained_by for key, one in found.items() if key != "scheduler"} == {
        "run.lead_flow": "scheduler", "run.sla_watch": "scheduler", "run.outcome_sync": "scheduler",
        "source.crm": "scheduler", "outbox.crm": "scheduler",
    }  # fmt: skip


@pytest.mark.parametrize("silent", DAGS)
def test_one_dag_that_does_not_run_is_named(well: Ledger, silent: str) -> None:
    later = NOW + 6 * HOUR
    for dag in {*DAGS} - {silent}:
        well.ran(dag, later - MINUTE)
    well.read("leads", later)
    assert well.findings(later) == {
        f"run.{silent}": Finding(f"run.{silent}", "no run since 2026-03-02 11:55Z", NOW - 5 * MINUTE)
    }


def test_a_dag_may_be_silent_for_twice_its_schedule(well: Ledger) -> None:
    well.ran("sla_watch", NOW + 5 * MINUTE)
    assert "run.lead_flow" not in well.findings(NOW + 5 * MINUTE)
    assert "run.lead_flow" in well.findings(NOW + 5 * MINUTE + timedelta(seconds=1))
    assert "run.lead_flow" not in well.findings(NOW + 10 * MINUTE, allowed=Pipeline().within(15 * MINUTE))
    assert "run.lead_flow" in well.findings(NOW + 11 * MINUTE, allowed=Pipeline().within(15 * MINUTE))


def test_an_hourly_dag_is_not_held_to_a_quarter_of_an_hour(well: Ledger) -> None:
    for dag in ("lead_flow", "sla_watch"):
        well.ran(dag, NOW + HOUR)
    well.read("leads", NOW + HOUR)
    assert well.findings(NOW + HOUR, allowed=Pipeline().within(15 * MINUTE)) == {}


def test_runs_that_begin_and_never_end_fail(well: Ledger) -> None:
    for minutes in (0, 5, 10):
        well.ran("lead_flow", NOW + minutes * MINUTE, ended=False)
        well.ran("sla_watch", NOW + minutes * MINUTE)
    found = well.findings(NOW + 10 * MINUTE)
    assert found["run.lead_flow"].because == "3 runs began, none ended since 2026-03-02 11:55Z"
    assert {*found} == {"run.lead_flow"}


def test_a_run_that_stays_open_is_found_while_nobody_took_it_over(well: Ledger) -> None:
    well.ran("lead_flow", NOW - 2 * HOUR, ended=False)
    assert well.findings()["run.lead_flow"].because == "the run of 2026-03-02 10:00Z has not come to its end"
    well.do("update batch set as_of = as_of - interval '5 hours' where closed_at is null")
    assert well.findings() == {}


def test_a_backfill_is_no_run_of_now(well: Ledger) -> None:
    well.ran("lead_flow", NOW - 2 * HOUR, ended=False, run_type="backfill")
    well.ran("lead_flow", NOW + HOUR, run_type="backfill")
    assert well.findings() == {}
    assert "run.lead_flow" in well.findings(NOW + HOUR)


def test_a_stop_names_the_rule_until_a_delivery_is_as_usual_and_nothing_is_held(well: Ledger) -> None:
    judge = "insert into quality_result values (:batch, 'crm', 'leads', 'volume', :verdict, 1, '', :because)"
    for minutes in (0, 5, 10):
        run = well.ran("lead_flow", NOW + minutes * MINUTE)
        well.do(judge, batch=run, verdict="stop", because="3 rows, usually 400")
    well.ran("sla_watch", NOW + 10 * MINUTE)
    stopped = "volume of leads: 3 rows, usually 400"
    assert well.findings(NOW + 10 * MINUTE) == {"quality.crm": Finding("quality.crm", stopped, NOW)}
    well.quarantined(2, NOW - MINUTE, '[{"field": "delivery", "rule": "volume"}]')
    held = "2 records are held in quarantine by volume, 0 of them requests for sales"
    found = well.findings(NOW + 10 * MINUTE)
    assert found["quality.crm"] == Finding("quality.crm", f"{stopped}; {held}", NOW - MINUTE)
    run = well.ran("lead_flow", NOW + 15 * MINUTE)
    well.do(judge, batch=run, verdict="pass", because="390 rows, usually 400")
    assert well.findings(NOW + 15 * MINUTE)["quality.crm"].because == held
    well.do("update quarantine set state = 'replayed'")
    assert well.findings(NOW + 15 * MINUTE) == {}


# -- what comes in ---------------------------------------------------------------------------------


def test_a_source_that_is_not_read_is_named_with_its_objects(well: Ledger) -> None:
    well.read("leads", NOW - HOUR)
    assert well.findings() == {}
    well.read("leads", NOW - HOUR - MINUTE)
    assert well.findings() == {
        "source.crm": Finding("source.crm", "not read since 2026-03-02 10:59Z (leads)", NOW - HOUR - MINUTE)
    }


def test_of_files_the_newest_counts(well: Ledger) -> None:
    well.do("delete from source_state")
    well.read("leads: old.csv", NOW - DAY)
    assert "source.crm" in well.findings()
    well.read("leads: new.csv", NOW)
    well.read("leads2", NOW - DAY)
    assert well.findings() == {}


def test_a_source_that_was_never_read_is_late_from_the_first_run_on(well: Ledger) -> None:
    well.do("delete from source_state")
    assert well.findings()["source.crm"].since == NOW - 29 * DAY


def test_quarantine_grows_where_a_day_is_far_above_the_usual_one(well: Ledger) -> None:
    for days in range(2, 28):
        well.quarantined(10, NOW - days * DAY)
    well.quarantined(27, NOW - HOUR)
    assert well.findings() == {}
    well.quarantined(1, NOW - MINUTE)
    found = well.findings()["quarantine.crm"]
    assert (found.because, found.since) == ("28 records in a day, usually 9", NOW - HOUR)


def test_a_few_records_are_no_growth_and_a_young_ledger_has_no_usual_day(well: Ledger) -> None:
    well.quarantined(19, NOW - HOUR)
    assert well.findings() == {}
    well.quarantined(100, NOW - MINUTE)
    assert "quarantine.crm" in well.findings()
    well.do("update batch set as_of = :at where as_of < :at", at=NOW - 6 * DAY)
    assert well.findings() == {}


def test_exceptions_that_nobody_answers_for_are_found(well: Ledger) -> None:
    policy = simple()
    well.lead("L1", created_at=NOW)
    well.do("update place set place = 'exceptions', team = 'sales', since = :at", at=NOW)
    assert well.findings(of=policy)["exceptions.sales"].because == "1 leads wait: nobody is named"
    named = replace(policy, routing=replace(policy.routing, exceptions_owner="ana"))
    assert well.findings(of=named) == {}
    reps = {**policy.teams.reps, "ana": replace(policy.teams.reps["ana"], active_until=NOW.date() - DAY)}
    left = replace(named, teams=replace(policy.teams, reps=reps))
    assert well.findings(of=left)["exceptions.sales"].because == "1 leads wait: ana left on 2026-03-01"


# -- what goes out ---------------------------------------------------------------------------------


def test_writes_that_could_be_sent_and_wait_are_found(well: Ledger) -> None:
    well.owes("L1", at=NOW - 31 * MINUTE)
    well.owes("L2", at=NOW - 29 * MINUTE)
    said = "1 writes could be sent and wait, the first since 2026-03-02 11:29Z"
    assert well.findings() == {"outbox.crm": Finding("outbox.crm", said, NOW - 31 * MINUTE)}
    held = "insert into push_state (source, failures, open_until) values ('crm', 5, :until)"
    well.do(held, until=NOW + HOUR)
    assert well.findings()["outbox.crm"].because == f"{said}; nothing is sent to it until 2026-03-02 13:00Z"


def test_a_write_that_is_tried_again_later_waits_for_nobody(well: Ledger) -> None:
    well.owes("L1", at=NOW - DAY, next_at=NOW + MINUTE)
    well.owes("L1", at=NOW - HOUR)  # goes after the one before it
    assert well.findings() == {}


@pytest.mark.parametrize("state", ["sent", "superseded", "dropped"])
def test_what_is_done_is_not_owed(well: Ledger, state: str) -> None:
    sent = NOW if state == "sent" else None
    well.owes("L1", at=NOW - DAY)
    well.do("update outbox set state = :state, sent_at = :sent", state=state, sent=sent)
    assert well.findings() == {}


def test_in_a_dry_run_nothing_is_late_that_was_not_to_be_sent(well: Ledger) -> None:
    well.owes("L1", at=NOW - DAY)
    well.ran("lead_flow", NOW - MINUTE, dry=True)
    assert well.findings() == {}


def test_a_source_that_is_not_written_to_owes_nothing(well: Ledger) -> None:
    well.owes("L1", at=NOW - DAY)
    assert well.findings(of=simple()) == {}


def test_dead_writes_wait_for_a_person(well: Ledger) -> None:
    well.owes("L1", at=NOW - DAY, state="dead")
    assert well.findings() == {"dead.crm": Finding("dead.crm", "1 writes wait for a person", NOW - DAY)}


def mail(well: Ledger, *, after: datetime, state: str = "owed", urgency: str = "now", **more: Any) -> None:
    well.do(
        "insert into mail (key, kind, person, address, urgency, facts, send_after, state, expires_at)"
        " values (:key, 'warn', 'ana', 'ana@clearlane.example', :urgency, '{}', :after, :state, :expires_at)",
        key=str(next(well.numbers)), urgency=urgency, after=after, state=state,
        expires_at=more.get("expires_at"),
    )  # fmt: skip


def test_mails_that_wait_are_found_and_those_that_may_are_not(well: Ledger) -> None:
    mail(well, after=NOW - 16 * MINUTE, urgency="soon")
    mail(well, after=NOW - DAY, expires_at=NOW)
    mail(well, after=NOW - DAY, state="sent")
    assert well.findings() == {}
    mail(well, after=NOW - 16 * MINUTE)
    found = well.findings()["mail"]
    assert (found.because, found.since) == ("1 wait, the first since 2026-03-02 11:44Z", NOW - 16 * MINUTE)


@pytest.mark.parametrize("state", ["refused", "dead"])
def test_mails_that_did_not_arrive_are_told_for_a_day(well: Ledger, state: str) -> None:
    mail(well, after=NOW - HOUR, state=state)
    assert well.findings() == {"refused": Finding("refused", "1 in the last day", NOW - HOUR)}
    well.do("update mail set send_after = send_after - interval '1 day'")
    assert well.findings() == {}


def test_a_finding_is_said_in_one_line() -> None:
    said = Finding("run.lead_flow", "no run since noon", NOW, "scheduler")
    assert pipeline.told(said) == "run lead_flow: no run since noon (follows from scheduler)"
    assert pipeline.told(Finding("mail", "3 wait")) == "mail: 3 wait"
