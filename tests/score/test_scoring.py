"""Scores in the ledger: as known at the batch's moment, remembered, and the same when run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.score import ledger_rows as rows
from tests.score.models import NOW, acted, activity_when, ago, fit, model

from clearlane import policy
from clearlane.policy.model import Policy, Scoring
from clearlane.score import Counts, run, scoring

MODEL = model(
    fit("size", "employees >= 50", 30),
    fit("german", "country = 'DE' and employees > 10", 5),
    acted("visit", "visit", 10, half_life_days=7, when=activity_when("minutes >= 1")),
    acted("demo", "demo_request", 40, half_life_days=14),
)


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def policy_of(scoring: Scoring, version: str = "v1") -> Policy:
    empty = policy.parse({})
    return replace(empty, scoring=scoring, hashes={"scoring": version})


POLICY = policy_of(MODEL)


def scored_at(ledger: Connection, moment: datetime, *leads: Any, version: Policy = POLICY) -> Counts:
    batch = rows.batch(ledger, moment, run=f"run of {moment}")
    if not ledger.execute(sa.text("select 1 from work where batch_id = :id"), {"id": batch.batch_id}).first():
        rows.work(ledger, batch, *leads)
    return run(ledger, version, batch)


def table(ledger: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in ledger.execute(sa.text(query))]


def test_a_batch_is_scored_as_known_at_its_moment(ledger: Connection) -> None:
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    rows.profile(ledger, ada, {"employees": 10})
    rows.profile(ledger, ada, {"employees": 100}, ago(days=2))
    rows.profile(ledger, ada, {"employees": 5}, NOW + timedelta(days=1))
    rows.profile(ledger, bo, {"employees": 100}, NOW + timedelta(days=1))
    rows.activity(ledger, ada, "visit", ago(days=7), minutes=3)
    rows.activity(ledger, ada, "visit", NOW, minutes=3)
    assert scored_at(ledger, NOW, ada, bo) == Counts(scored=1, written=1, unknown=1, stages_entered=1)
    assert table(
        ledger, "select lead_id, score, fit, engagement, contributions, policy_hash, model from score"
    ) == [(ada, 35, 30, 5, {"size": 30, "visit": 5}, "v1", "default")]


def test_the_newest_profile_of_a_moment_counts(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 10})
    rows.profile(ledger, ada, {"employees": 100})
    scored_at(ledger, NOW, ada)
    assert table(ledger, "select score, p.attributes from score join lead_profile p using (profile_id)") == [
        (30, {"employees": 100})
    ]


def test_what_every_member_of_a_person_did_counts(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    twin = rows.lead(ledger, "ada twin", survivor="ada")
    rows.profile(ledger, ada, {})
    rows.activity(ledger, ada, "visit", ago(days=7), minutes=1)
    rows.activity(ledger, twin, "visit", ago(days=14), minutes=1)
    scored_at(ledger, NOW, ada)
    assert table(ledger, "select contributions from score") == [({"visit": 7.5},)]


def test_a_batch_run_again_changes_nothing(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    rows.activity(ledger, ada, "demo_request", ago(days=1))
    first, after_first = scored_at(ledger, NOW, ada), everything(ledger)
    again = scored_at(ledger, NOW)
    assert (first.written, first.stages_entered) == (1, 2)
    assert (again.scored, again.written, again.stages_entered) == (1, 0, 0)
    assert everything(ledger) == after_first


def everything(ledger: Connection) -> list[tuple[Any, ...]]:
    return table(ledger, "select score.*, ctid::text from score order by 1") + table(
        ledger, "select * from stage_entry order by 1, 2"
    )


def test_a_late_activity_corrects_the_score_of_its_moment(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    scored_at(ledger, NOW, ada)
    rows.activity(ledger, ada, "visit", ago(days=7), minutes=1)
    assert scored_at(ledger, NOW).written == 1
    assert table(ledger, "select score from score order by score_id") == [(1,), (5,)]


def test_each_policy_has_its_own_score_of_a_moment(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    scored_at(ledger, NOW, ada)
    scored_at(ledger, NOW, version=policy_of(model(fit("size", "employees > 0", 12)), "v2"))
    assert table(ledger, "select policy_hash, score from score order by 1") == [("v1", 30), ("v2", 12)]


def test_a_band_lasts_for_its_dwell_from_its_first_score(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100, "country": "DE"})
    rows.activity(ledger, ada, "demo_request", ago(days=3))
    rows.profile(ledger, ada, {"employees": 1}, ago(days=1))
    assert [band_after_a_run(ledger, ago(hours=hours), ada) for hours in (60, 47, 36, 25, 23, 11)] == [
        "warm", "warm", "warm", "warm", "cool", "cool"
    ]  # fmt: skip
    rows.activity(ledger, ada, "visit", ago(hours=10), minutes=1)
    rows.activity(ledger, ada, "visit", ago(hours=9), minutes=1)
    without_visits = policy_of(model(acted("demo", "demo_request", 40, half_life_days=14)), "v2")
    assert band_after_a_run(ledger, ago(hours=8), ada) == "warm"
    assert [band_after_a_run(ledger, ago(hours=hours), ada, version=without_visits) for hours in (1, -15.9, -16)] == [
        "warm", "warm", "cool"
    ]  # fmt: skip


def band_after_a_run(ledger: Connection, moment: datetime, lead: Any, version: Policy = POLICY) -> str:
    scored_at(ledger, moment, lead, version=version)
    [(band,)] = table(ledger, "select band from standing")
    return str(band)


def test_stages_keep_the_moment_at_which_they_were_entered(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    rows.activity(ledger, ada, "demo_request", ago(days=3))
    scored_at(ledger, ago(days=4), ada)
    scored_at(ledger, ago(days=2), ada)
    scored_at(ledger, ago(days=-60), ada)
    assert table(ledger, "select stage, entered_at, because from stage_entry order by entered_at") == [
        ("inquiry", rows.BORN, "Came in"),
        ("mql", ago(days=3), "50 points, or a hand-raise"),
    ]
    assert [row[0] for row in table(ledger, "select stage from score order by as_of")] == [
        "inquiry",
        "mql",
        "mql",
    ]


def test_a_stage_that_an_outcome_set_is_kept(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    rows.activity(ledger, ada, "demo_request", ago(days=3))
    entry = "insert into stage_entry (lead_id, stage, entered_at, because) values (:id, 'sql', :at, 'a rep')"
    ledger.execute(sa.text(entry), {"id": ada, "at": ago(days=1)})
    scored_at(ledger, NOW, ada)
    assert table(ledger, "select stage from score") == [("sql",)]
    assert {row[0] for row in table(ledger, "select stage from stage_entry")} == {"inquiry", "sql"}


def test_a_disqualified_lead_is_no_mql(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100, "domain": "rival.example"})
    rows.activity(ledger, ada, "demo_request", ago(days=1))
    scored_at(ledger, NOW, ada)
    assert table(ledger, "select score, stage, disqualified, hand_raise from score") == [
        (0, "disqualified", "competitor", True)
    ]
    assert ("disqualified", "A competitor") in table(ledger, "select stage, because from stage_entry")


def test_chunks_cover_the_work_once(ledger: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "CHUNK", 3)
    leads = [rows.lead(ledger, f"lead {i}") for i in range(10)]
    for i, lead_id in enumerate(leads):
        rows.profile(ledger, lead_id, {"employees": i * 10})
    counts = scored_at(ledger, NOW, *leads)
    assert counts == Counts(scored=10, written=10, unknown=0, stages_entered=10)
    assert scored_at(ledger, NOW) == Counts(scored=10, written=0, unknown=0, stages_entered=0)


def test_an_empty_batch_is_no_work(ledger: Connection) -> None:
    assert scored_at(ledger, NOW) == Counts(0, 0, 0, 0)
