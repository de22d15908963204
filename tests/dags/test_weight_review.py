"""`weight_review` on a real PostgreSQL: nothing is in force without a person's yes, and never otherwise than said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from tests.companies import policy_for
from tests.dags.hitl import Person
from tests.dags.test_lead_flow import ask, count, states
from tests.review.test_answers import LESS, NEW

from clearlane import policy, steps
from clearlane.ledger import ids

RUN = {"dry_run": True, "mode": "auto"}
FORM = {"points": {"icp_size": 12, "reseller": -4}, "in_force_from": None, "because": None, "chance": False}
AT = datetime(2026, 10, 1, 6, tzinfo=UTC)
CHANCE = '{"schema": 1, "target": "won", "kind": "logistic", "learnt": {}, "base": -2, "meanings": {}, "parts": []}'


@pytest.fixture
def proposing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a review learns is tested elsewhere: here it proposes two changes."""
    from dataclasses import asdict

    from clearlane.review import answers, quarterly
    from clearlane.review.register import Draft
    from clearlane.review.rescored import scoring_text

    def drafted(connection: Any, pinned: Any, batch: Any, asked: quarterly.Asked) -> Draft:
        text = policy.contents(connection, {"scoring": batch.policy["scoring"]})["scoring"]
        return Draft(
            review_id=batch.batch_id, batch_id=batch.batch_id, mode=batch.mode, until=batch.as_of, as_of=batch.as_of,
            since=batch.as_of - timedelta(days=asked.history_days), horizon_days=asked.horizon_days,
            current_hash=batch.policy["scoring"], proposed_text=scoring_text(text, [LESS, NEW]),
            report="<!doctype html><title>The review</title>", changes=[asdict(LESS), asdict(NEW)],
            bounds=answers.bounds(pinned.scoring, [LESS, NEW]), reasons=("Two rules change.",), predictive=CHANCE,
        )  # fmt: skip

    monkeypatch.setattr(quarterly, "drafted", drafted)


@pytest.fixture
def review(
    dagbag: Any, published: Any, proposing: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Runs the DAG while a person gives answers, one after the other."""
    dag = dagbag.dags["weight_review"]
    monkeypatch.setattr(dag.get_task("decision"), "retry_delay", timedelta(0))
    monkeypatch.setattr(dag.get_task("apply"), "retries", 0)

    def run(*answers: dict[str, Any], **conf: Any) -> tuple[Any, Person]:
        with Person("decision", answers).waiting() as person:
            return dag.test(logical_date=AT, run_conf={**RUN, **conf}), person

    return run


def decided(ledger: Any) -> Any:
    return ask(
        ledger, "select status, decided_by, because, in_force_from, published_hash from weight_review"
    )[0]


def in_force(ledger: Any, at: datetime) -> str:
    with ledger.connect() as connection:
        return policy.in_force(connection, at)["scoring"]


def scoring(ledger: Any, version: str) -> Any:
    with ledger.connect() as connection:
        return policy.stored(connection, {"scoring": version}).scoring


def test_a_yes_is_in_force_from_the_next_midnight_in_the_name_of_who_gave_it(review, published, airflow_home):
    run, person = review({"option": "Approve", **FORM})
    assert run.state == "success"
    assert states(run)["apply"] == {"success"}
    status, by, because, since, version = decided(published)
    assert (status, by, because) == ("approved", "olga", f"the weight review of {AT:%Y-%m-%d}")
    assert since.astimezone(UTC).hour == since.astimezone(UTC).minute == 0
    assert in_force(published, since) == version != in_force(published, since - timedelta(seconds=1))
    assert scoring(published, version).predictive is None
    assert ask(published, f"select by from policy_in_force where hash = '{version}'") == [("olga",)]
    subject, body = person.asked[0]
    assert subject.startswith("New points for 2 rules?")
    assert (
        f"[The report](http://localhost:8080/clearlane/data-docs/weight_review/{quote(run.run_id)})" in body
    )
    folder = airflow_home / "data_docs" / str(ids.batch_id("weight_review", run.run_id))
    assert (folder / "index.html").read_text().startswith("<!doctype html>")
    assert "+      points: 12" in (folder / "scoring.diff").read_text()
    owed = ask(published, "select person, state from mail where kind = 'review' order by 1")
    assert owed == [("marketing", "owed"), ("revops", "owed")]


def test_what_cannot_be_taken_is_asked_again_with_the_reason(review, published, airflow_home, monkeypatch):
    refusals = []
    shown = steps.refuse

    def refuse(engine, review_id, because, out):
        shown(engine, review_id, because, out)
        refusals.append({"because": because, "page": (out / "decision.html").read_text()})

    monkeypatch.setattr(steps, "refuse", refuse)
    wrong = {**FORM, "option": "Approve with my points", "points": {"icp_size": 99}}
    worse = {**FORM, "option": "Approve with my points", "points": [1]}
    right = {
        **FORM,
        "option": "Approve with my points",
        "points": {"icp_size": 14},
        "because": "step by step",
        "chance": True,
    }
    run, person = review(wrong, worse, right)
    assert run.state == "success"
    folder = airflow_home / "data_docs" / str(ids.batch_id("weight_review", run.run_id))
    assert all(f"pages/{folder.name}/decision.html" in body for _, body in person.asked)
    why = [one["because"] for one in refusals]
    assert why[0] == "icp_size: found 99, allowed are 10 to 20 in one review"
    assert why[1].startswith("Invalid input for param points")
    assert all("The last answer could not be taken" in one["page"] for one in refusals)
    assert "Decided by olga" in (folder / "decision.html").read_text()
    assert decided(published)[:3] == ("edited", "olga", "step by step")
    text = ask(published, "select final_text from weight_review")[0][0]
    points = {rule.id: rule.points for rule in policy.parse({"scoring": text}).scoring.rules}
    assert points["icp_size"] == 14
    named = scoring(published, decided(published)[-1]).predictive
    assert ask(published, f"select content from policy_file where name = '{named}'") == [(CHANCE,)]
    assert (folder / str(named)).read_text() == CHANCE
    assert f"+++ b/{named}" in (folder / "scoring.diff").read_text()
    assert "reseller" not in points


@pytest.mark.parametrize(
    ("said", "status", "by"),
    [
        ({**FORM, "option": "Reject", "because": "not before the fair"}, "rejected", "olga"),
        ({"option": "Reject", "by": None}, "timed_out", None),
    ],
    ids=["a no", "no answer"],
)
def test_a_no_and_no_answer_in_time_change_nothing(review, published, said, status, by):
    before = count(published, "policy_in_force")
    run, _ = review(said)
    assert run.state == "success"
    assert decided(published)[:2] == (status, by)
    assert decided(published)[4] is None
    assert count(published, "policy_in_force") == before


def test_a_shadow_reports_and_asks_nobody(review, published, airflow_home):
    run, _ = review(mode="shadow")
    assert run.state == "success"
    assert states(run)["decision"] == states(run)["apply"] == {"skipped"}
    assert decided(published)[0] == "proposed"
    assert count(published, "mail where kind = 'review'") == 0
    folder = airflow_home / "data_docs" / str(ids.batch_id("weight_review", run.run_id))
    assert (folder / "index.html").exists()


def test_what_was_published_meanwhile_is_never_overwritten(review, published, company, monkeypatch):
    from clearlane_airflow.decision import PointsDecision

    texts = policy_for(company)
    icp = 'when: "employees between 50 and 1000"\n      points: 1'
    other = texts["scoring"].replace(f"{icp}5", f"{icp}4")

    def meanwhile(*_: Any) -> None:
        with published.begin() as connection:
            policy.publish(connection, {"scoring": other}, by="pat", because="own idea", in_force_from=AT)

    monkeypatch.setattr(PointsDecision, "_check", meanwhile)
    run, _ = review({"option": "Approve", **FORM})
    assert run.state == "failed"
    assert states(run)["apply"] == {"failed"}
    assert decided(published)[0] == "proposed"
    assert in_force(published, AT + timedelta(days=400)) == policy.hashes({"scoring": other})["scoring"]


def test_the_answers_offered_are_those_that_are_understood(dagbag):
    from clearlane.review import answers

    decision = dagbag.dags["weight_review"].get_task("decision")
    assert tuple(decision.options) == answers.OPTIONS
    assert decision.defaults == [answers.NO_ANSWER]


def test_a_quarter_ends_on_the_first_at_six(dagbag):
    from airflow.serialization.serialized_objects import DagSerialization

    stored = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags["weight_review"]))
    start, end = datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2027, 1, 1, 6, tzinfo=UTC)
    ends = [run.data_interval.end for run in stored.iter_dagrun_infos_between(start, end)]
    assert [(one.month, one.day, one.hour) for one in ends[:4]] == [
        (4, 1, 6),
        (7, 1, 6),
        (10, 1, 6),
        (1, 1, 6),
    ]
