"""A review over a real ledger: from what stands there to the files, and nothing there is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.review.conftest import SINCE, UNTIL, Company
from typer.testing import CliRunner

from clearlane import policy as policies
from clearlane.cli import app
from clearlane.policy.model import Policy, ReviewTerms
from clearlane.review import dataset, weights
from clearlane.review.cases import Cases, Change, Interval
from clearlane.review.judgement import Circumstances
from clearlane.review.report import quarter
from clearlane.review.rescored import points_of
from clearlane.review.weights import WeightReview

HORIZON = timedelta(days=30)
TERMS = ReviewTerms(least_positives=20)
SPAN = {"since": SINCE, "until": UNTIL + timedelta(minutes=1), "as_of": UNTIL + timedelta(days=60)}
SOME = Interval(5.0, 2.0, 8.0)
WON = """
    insert into outcome (outcome_id, source, lead_id, kind, occurred_at)
    select gen_random_uuid(), 'test', id, 'won', cast(:at as timestamptz)
    from unnest(cast(:leads as uuid[])) as one (id)
"""


@pytest.fixture(scope="module")
def policy(company: Company) -> Policy:
    with company.engine.connect() as connection:
        return policies.stored(connection, policies.in_force(connection, UNTIL))


@pytest.fixture(scope="module")
def cases(company: Company, policy: Policy) -> Cases:
    with company.engine.connect() as connection:
        return dataset.cases(connection, policy, **SPAN, horizon=HORIZON)


@pytest.fixture(scope="module")
def ledger(company: Company, cases: Cases) -> Iterator[sa.Connection]:
    """The company's, where most of the better half by score win, and a few of the others."""
    ranked = cases.leads.sort_values("score").index
    half = len(ranked) // 2
    winners = [*ranked[:half][::6], *ranked[half:][::2], *ranked[half + 1 :][::3]]
    with company.engine.connect() as connection:
        connection.execute(sa.text(WON), {"at": UNTIL + timedelta(days=9), "leads": sorted(set(winners))})
        yield connection


@pytest.fixture(scope="module")
def found(ledger: sa.Connection, policy: Policy) -> WeightReview:
    return weights.review(ledger, policy, **SPAN, horizon=HORIZON, terms=TERMS)


def test_a_review_learns_from_the_outcomes_of_the_ledger(found: WeightReview, policy: Policy) -> None:
    assert found.proposal.target == "won"
    assert found.leads == found.proposal.cases > 80
    assert found.scoring_hash == policy.hashes["scoring"]
    assert found.judgement is not None
    auc = found.judgement.performances[0].auc
    assert auc is not None
    assert auc.value > 0.6
    assert {one.reason for one in found.left_out} >= {"never given to sales: below the threshold"}


def test_what_the_ledger_says_around_the_leads_is_judged(found: WeightReview) -> None:
    assert found.judgement is not None
    answered = {one.name for one in found.judgement.health.reasons if one.value}
    assert answered >= {"orders", "accepted", "known", "joined", "unchanged"}
    assert found.judgement.thresholds[weights.IN_FORCE].bands
    assert found.judgement.attribution is not None
    told = quarter.page(found)
    for section in ("Keep, refine or rebuild?", "Where pipeline comes from", "What sales says of the leads"):
        assert section in told


def test_a_proposal_is_played_and_names_the_leads_that_move(
    ledger: sa.Connection, policy: Policy, found: WeightReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Change("recommender", "fit", 6, 1, SOME, 60, SOME, SOME, "because")
    monkeypatch.setattr(weights, "proposed", lambda *_, **__: replace(found.proposal, changes=(change,)))
    changed = weights.review(ledger, policy, **SPAN, horizon=HORIZON, terms=TERMS)
    assert points_of(changed.new_text or "")["recommender"] == 1
    assert changed.obstacles == ()
    assert changed.played is not None
    movers = changed.played.figures.movers
    assert 0 < len(movers) <= weights.MOVERS
    assert all(mover.rules[0].name == "recommender" for mover in movers)
    assert movers[0].lead in quarter.page(changed)
    assert set(quarter.files(changed)) == {"report.html", "metrics.json", "scoring.yaml", "scoring.diff"}


def test_what_changes_for_whom_is_what_changes_in_the_file(
    ledger: sa.Connection, policy: Policy, found: WeightReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that is new, one that goes and one that gives less: in figures, in the file and for the leads alike."""
    big = "employees > 20"
    changes = (
        Change("sizeable", "fit", 0, 5, SOME, 60, SOME, SOME, "because", when=big),
        Change("recommender", "fit", 6, 0, SOME, 60, SOME, SOME, "because"),
        Change("icp_size", "fit", 15, 12, SOME, 60, SOME, SOME, "because"),
    )
    monkeypatch.setattr(weights, "proposed", lambda *_, **__: replace(found.proposal, changes=changes))
    changed = weights.review(ledger, policy, **SPAN, horizon=HORIZON, terms=TERMS)
    wanted = {rule.id: rule.points for rule in policy.scoring.rules} | {"sizeable": 5.0, "icp_size": 12.0}
    del wanted["recommender"]
    assert points_of(changed.new_text or "") == wanted
    after = weights.as_json(changed)["points"]["after"]
    assert {rule: points for rule, points in after.items() if points} == {
        rule: points for rule, points in wanted.items() if points
    }
    assert changed.played is not None
    moved = {one.name for mover in changed.played.figures.movers for one in mover.rules}
    assert moved & {"sizeable", "recommender", "icp_size"}
    assert moved <= {"sizeable", "recommender", "icp_size"}
    told = quarter.page(changed)
    assert all(rule in told for rule in ("sizeable", "recommender"))
    assert {"+    - id: sizeable", "-    - id: recommender"} <= {
        line[:28].rstrip() for line in changed.diff.splitlines()
    }


def test_a_proposal_that_breaks_what_must_stay_true_says_so(
    cases: Cases, company: Company, policy: Policy, found: WeightReview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ideal customer who asks for a demo has to be hot."""
    change = Change("hand_raise", "engagement", 35, 2, SOME, 60, SOME, SOME, "because")
    monkeypatch.setattr(weights, "proposed", lambda *_, **__: replace(found.proposal, changes=(change,)))
    changed = weights.conclude(cases, policy, company.texts, Circumstances(), chance=False)
    assert any("expect[" in obstacle for obstacle in changed.obstacles)
    assert changed.new_text is not None


def test_the_command_says_that_there_is_too_little_to_learn_from(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The company's own ledger has no wins yet: the command says so."""
    url = company.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", url)
    done = CliRunner().invoke(app, ["review", "weights", "--out", str(tmp_path), "--horizon", "0.001"])
    assert done.exit_code == 2
    assert "too few outcomes" in done.output
    assert not list(tmp_path.iterdir())
