"""The page of a review: the verdict first, every figure with its interval, nothing of it a guess."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from tests.review.funnels import Funnel, planted
from tests.review.report.reviewed import played, reviewed
from tests.review.report.test_layout import Tags

from clearlane.review import backtest, weights
from clearlane.review.cases import Change, Interval
from clearlane.review.promises import Kept
from clearlane.review.report.quarter import files, page, title, verdict
from clearlane.review.rescored import points_of, scoring_text
from clearlane.review.weights import WeightReview


@pytest.fixture(scope="module")
def wrong() -> tuple[Funnel, WeightReview]:
    """One rule gives 12 points too many, one that leads do not deserve."""
    funnel = planted(5, 6000, wins=0.15, wrong={"icp_size": 12}, threshold=20, explored=0.1)
    return funnel, replace(reviewed(funnel), played=played())


@pytest.fixture(scope="module")
def right() -> WeightReview:
    return reviewed(planted(6, 3000, wins=0.12))


def test_the_wrong_rule_is_named_and_moves_towards_the_truth(wrong: tuple[Funnel, WeightReview]) -> None:
    funnel, found = wrong
    change = next(one for one in found.changes if one.rule == "icp_size")
    assert funnel.truth["icp_size"] <= change.after < change.before == 27
    assert found.new_text is not None
    assert points_of(found.new_text)["icp_size"] == change.after
    assert f"-      points: 27\n+      points: {change.after}" in found.diff


def test_the_page_says_what_changes_what_it_brings_for_whom_and_what_to_decide(
    wrong: tuple[Funnel, WeightReview],
) -> None:
    _, found = wrong
    told = Tags(page(found))
    assert title(found).startswith("Change ")
    assert title(found) in told.words
    for section in (
        "What would change",
        "What it brings",
        "What changes for whom",
        "What to decide",
        "The change of the file",
    ):
        assert section in told.words
    assert "form:00Q00009" in told.words
    assert told.open == []
    assert "script" not in told.seen


def test_every_link_of_the_page_leads_somewhere(wrong: tuple[Funnel, WeightReview]) -> None:
    _, found = wrong
    told = Tags(page(replace(found, links={"form": "https://crm.example/lead/{external_id}"})))
    inside = {link for link in told.links if link.startswith("#")}
    assert inside == {f"#{key}" for key in told.keys}
    assert set(told.links) - inside == {f"https://crm.example/lead/00Q{i:05}" for i in range(10)}


def test_a_link_that_is_no_address_is_not_made(wrong: tuple[Funnel, WeightReview]) -> None:
    _, found = wrong
    told = Tags(page(replace(found, links={"form": "javascript:alert({external_id})"})))
    assert not [link for link in told.links if not link.startswith("#")]


def test_where_nothing_is_wrong_the_points_stay(right: WeightReview) -> None:
    assert (right.changes, right.new_text, right.diff, right.obstacles) == ((), None, "", ())
    assert title(right) == "Keep the points as they are"
    assert "nothing beats the points in force beyond chance" in verdict(right)[0]
    told = page(right)
    assert "The change of the file" not in told
    assert "Nothing: the points stay as they are." in told


@pytest.mark.parametrize(
    ("scale", "says"),
    [(-0.04, "do not lead the right way: of 1,500 leads"), (0.001, "hardly more often: it may be chance")],
    ids=["backwards", "chance"],
)
def test_points_that_do_not_order_leads_are_not_said_to_be_unbeaten(scale: float, says: str) -> None:
    found = reviewed(planted(8, 1500, wins=0.15, scale=scale))
    assert found.changes == ()
    assert title(found) == "The score does not tell which leads were won"
    assert says in verdict(found)[0]
    assert verdict(found)[1].startswith("Nothing is proposed, for such a score is no unit")
    assert "nothing beats" not in page(found)


def test_what_chance_does_not_explain_is_said_where_nothing_may_move(right: WeightReview) -> None:
    found = replace(right, proposal=replace(right.proposal, p_value=0.002))
    assert "chance does not explain all that the points in force miss (p = 0.002)" in verdict(found)[0]
    assert "nothing beats" not in " ".join(verdict(found))


def test_what_stands_against_the_new_file_stands_on_the_page(wrong: tuple[Funnel, WeightReview]) -> None:
    _, found = wrong
    told = page(replace(found, obstacles=("scoring.yaml:12: expect[0]: found 40 <for> the better lead",)))
    assert "found 40 &lt;for&gt; the better lead" in told
    assert "it can only be approved with edits" in told
    assert "<b>Approve</b>" not in told
    assert "<b>Reject</b>" in told


def test_the_last_promise_is_held_against_what_came(right: WeightReview) -> None:
    gain = {"auc": Interval(0.02, 0.01, 0.03)}
    kept = Kept(
        "1",
        "won",
        "Ana <b>",
        datetime(2026, 1, 1, tzinfo=UTC),
        900,
        80,
        gain,
        {"auc": Interval(-0.01, -0.02, 0.0)},
    )
    told = page(replace(right, kept=kept))
    assert "by Ana &lt;b&gt;: not kept" in told
    assert "+0.020 <small>(+0.010 to +0.030)</small>" in told


def test_a_page_is_of_a_quarter_or_of_a_day(right: WeightReview) -> None:
    assert "Weight review · Q1 2026" in page(right)
    longer = replace(right, since=datetime(2025, 7, 1, tzinfo=UTC), as_of=datetime(2026, 7, 1, tzinfo=UTC))
    assert "Weight review · 1 July 2026" in page(longer)


def test_the_same_cases_make_the_same_page() -> None:
    assert page(reviewed(planted(7, 800, wins=0.2))) == page(reviewed(planted(7, 800, wins=0.2)))


# --- the figures --------------------------------------------------------------------------------------------


def test_what_is_kept_of_a_review_is_plain_and_names_no_lead(wrong: tuple[Funnel, WeightReview]) -> None:
    funnel, found = wrong
    told = json.loads(json.dumps(weights.as_json(found), allow_nan=False))
    assert told["points"]["before"]["icp_size"] == 27
    assert told["points"]["after"]["icp_size"] == points_of(found.new_text or "")["icp_size"]
    assert len(told["promise"]["auc"]) == 3
    assert not [lead for lead in funnel.cases.leads.index if lead in json.dumps(told)]


def test_no_newer_lead_has_a_part_in_what_is_judged(wrong: tuple[Funnel, WeightReview]) -> None:
    """The outcomes of the newest leads turned round: what was learnt from the older ones is the same."""
    funnel, found = wrong
    assert found.judgement is not None
    late = funnel.cases.leads["decided_at"] >= found.judgement.cut
    leads = funnel.cases.leads.copy()
    leads.loc[late, ["accepted", "sql", "opportunity", "won"]] ^= True
    turned = reviewed(replace(funnel, cases=replace(funnel.cases, leads=leads)))
    assert found.backtest.proposal is not None
    assert found.backtest.proposal.changes
    assert turned.backtest.proposal == found.backtest.proposal
    assert turned.judgement is not None
    assert turned.judgement.performances[0].auc != found.judgement.performances[0].auc


def test_the_newest_leads_are_those_that_judge(wrong: tuple[Funnel, WeightReview]) -> None:
    funnel, found = wrong
    assert found.judgement is not None
    assert found.judgement.leads == pytest.approx(backtest.HOLDOUT * len(funnel.cases.leads), abs=2)
    older = backtest.before(funnel.cases, found.judgement.cut)
    assert (older.leads["decided_at"] < pd.Timestamp(found.judgement.cut)).all()
    assert len(older.evidence) == len(older.leads) == len(funnel.cases.leads) - found.judgement.leads


def test_where_older_leads_lead_to_no_change_nothing_is_promised(
    wrong: tuple[Funnel, WeightReview], monkeypatch: pytest.MonkeyPatch
) -> None:
    funnel, found = wrong
    nothing = replace(found.proposal, changes=())
    monkeypatch.setattr(backtest, "proposed", lambda *_, **__: nothing)
    blind = reviewed(funnel)
    assert blind.changes
    assert blind.gain is None
    flattered = blind.backtest.flattered
    assert flattered is not None
    assert flattered.low <= flattered.value <= flattered.high
    assert "cannot be promised" in verdict(blind)[1]
    assert "which flatters it" in verdict(blind)[1]
    assert found.backtest.flattered is None


def test_a_chance_beside_the_score_is_judged_with_the_points() -> None:
    found = reviewed(planted(9, 600, wins=0.2), chance=True)
    assert found.judgement is not None
    assert backtest.CHANCE in {one.name for one in found.judgement.performances}
    assert any("at least 1500 leads" in because for because in found.backtest.refusals)
    assert "It should not be switched on:" in page(found)
    assert found.chance is None
    assert not any(name.startswith("predictive") for name in files(found))


def test_a_chance_does_not_look_at_rules_that_would_go_or_fade_otherwise(right: WeightReview) -> None:
    funnel = planted(9, 60, wins=0.2)
    nothing = Interval(0.0, 0.0, 0.0)
    gone, faded = (str(name) for name in funnel.cases.evidence.columns[:2])
    changes = tuple(
        Change(rule, "fit", 5, after, nothing, 0, nothing, nothing, "tests", half_life_days=days)
        for rule, after, days in ((gone, 0, None), (faded, 5, 3.0))
    )
    left = backtest._lasting(funnel.cases, replace(right.proposal, changes=changes)).evidence
    assert set(funnel.cases.evidence.columns) - set(left.columns) == {gone, faded}


def test_a_review_that_cannot_be_judged_says_why() -> None:
    funnel = planted(8, 1500, wins=0.12)
    leads = funnel.cases.leads.copy()
    late = np.arange(len(leads)) >= len(leads) * 0.65
    leads.loc[late, ["accepted", "sql", "opportunity", "won"]] = False
    found = reviewed(replace(funnel, cases=replace(funnel.cases, leads=leads)))
    assert found.judgement is None
    assert found.backtest.unjudged
    assert "both kinds are needed" in found.backtest.unjudged
    assert found.backtest.unjudged in page(found)


def test_the_proposal_in_the_file_is_the_one_on_the_page(wrong: tuple[Funnel, WeightReview]) -> None:
    _, found = wrong
    assert found.new_text == scoring_text(found.old_text, found.changes)
