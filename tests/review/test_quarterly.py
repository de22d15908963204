"""What a run keeps and tells of its review: what is proposed, that too little is known, or that nothing changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from tests.review.funnels import UNTIL, planted
from tests.review.report.reviewed import reviewed

from clearlane import ledger, policy
from clearlane.policy.model import Section
from clearlane.review import quarterly, recorded, register, weights
from clearlane.review.quarterly import Asked
from clearlane.review.weights import WeightReview

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)
LINKS = {"page": "https://airflow.example/page", "question": "https://airflow.example/question"}


@pytest.fixture(scope="module")
def found() -> WeightReview:
    """A review of a funnel in which one rule is ten points wrong."""
    return reviewed(planted(6, 3_000, wins=0.12, wrong={"icp_size": 10}))


@pytest.fixture
def connection(ledger_engine: Engine, found: WeightReview) -> Iterator[Connection]:
    with ledger_engine.connect() as connection:
        policy.publish(connection, {"scoring": found.old_text}, by="setup", because="first")
        yield connection


def run(connection: Connection, **more: Any) -> ledger.Batch:
    versions = policy.in_force(connection, NOW)
    kept: dict[str, Any] = {"dag_id": "weight_review", "run_id": "r", "run_type": "scheduled", "mode": "auto"}
    kept |= {"dry_run": True, "window": None, "as_of": NOW, "sources": (), "code_version": "1"}
    return ledger.open_batch(connection, policy=versions, **kept, **more)


def pinned(connection: Connection) -> policy.Policy:
    return policy.stored(connection, policy.in_force(connection, NOW))


def test_a_review_is_kept_with_what_it_proposes(
    connection: Connection, found: WeightReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(weights, "review", lambda *_, **options: asked.update(options) or found)
    batch = run(connection)
    made = quarterly.made(connection, pinned(connection), batch, Asked(history_days=100, most_change=3))
    assert (asked["terms"].most_change, asked["terms"].changes) == (3, 6)
    assert (asked["until"] - asked["since"]).days == 100
    assert (made.review_id, made.batch_id, made.status) == (batch.batch_id, batch.batch_id, "proposed")
    assert {change["rule"] for change in made.changes} >= {"icp_size"}
    assert made.report.startswith("<!doctype html>")
    assert made.figures["target"] == "won"
    assert made.reasons
    assert "points" in recorded.diff(connection, made)
    json.dumps(recorded.as_json(made))
    for change in made.changes:
        low, high = made.bounds[change["rule"]]
        assert low <= change["after"] <= high


def test_a_ledger_with_too_few_leads_is_told_so(connection: Connection) -> None:
    made = quarterly.made(connection, pinned(connection), run(connection), Asked())
    assert (made.status, made.proposed_text, made.changes) == ("nothing", None, ())
    assert "leads" in made.reasons[0]
    assert "Nothing can be learnt yet" in made.report


# --- who is told --------------------------------------------------------------------------------


def readers(texts: Mapping[str, str], **section: str) -> Mapping[str, str | None]:
    named = Section(**{"owner": "revenue-operations", "approver": "head-of-marketing", **section})
    return quarterly.readers(replace(policy.parse(texts), sections={"scoring": named}))


def test_owner_and_approver_are_told_as_persons_addresses_or_offices(
    default_texts: Mapping[str, str],
) -> None:
    offices = {"revops": "revops@clearlane.example", "marketing": "marketing@clearlane.example"}
    assert readers(default_texts) == offices
    assert readers(default_texts, approver="irene_clay") == {"revops": offices["revops"], "irene_clay": None}
    assert readers(default_texts, owner="o@x.example")["revops"] == "o@x.example"


def test_a_live_review_is_mailed_once_and_a_shadow_never(
    undecided: Connection, found: WeightReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "review", lambda *_, **__: found)
    batch = run(undecided)
    made = quarterly.made(undecided, pinned(undecided), batch, Asked())
    in_force = pinned(undecided)
    assert quarterly.owe(undecided, in_force, made, batch, LINKS) == 2
    assert quarterly.owe(undecided, in_force, made, batch, LINKS) == 0
    shadow = replace(batch, mode="shadow")
    assert quarterly.owe(undecided, in_force, replace(made, review_id=made.review_id), shadow, LINKS) == 0


def test_a_mail_says_what_changes_and_where_to_answer(found: WeightReview) -> None:
    draft = register.Draft(
        review_id=ledger.ids.batch_id("d", "r"), mode="live", since=UNTIL, until=NOW, as_of=NOW, horizon_days=90,
        current_hash="x", proposed_text=None, report="", reasons=("All is well.",),
    )  # fmt: skip
    nothing = register.Review(**vars(draft))
    told = quarterly.facts(nothing, {})
    assert told["subject"] == "Review of the points, 1 October 2026: nothing to change"
    assert (told["because"], told["paragraphs"], told["link"]) == ("All is well.", [], None)
    changes = [{"rule": f"r{n}", "before": n and 5, "after": 7} for n in range(10)]
    told = quarterly.facts(replace(nothing, proposed_text="x", changes=changes), LINKS)
    assert told["rows"][0] == ["r0", "new, 7 points"]
    assert told["rows"][1] == ["r1", "5 → 7 points"]
    assert told["rows"][-1] == ["and more", "2 rules"]
    assert "https://airflow.example/question" in told["paragraphs"][0]
    assert told["link"] == {"label": "The report", "url": "https://airflow.example/page"}
