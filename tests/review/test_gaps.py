"""What a review cannot know is said, and only where it is so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.review.funnels import Funnel, planted

from clearlane.policy.model import Variant
from clearlane.review.cases import Interval, Proposal, Scorecard, Worth
from clearlane.review.gaps import gaps
from clearlane.rules import parse

HALF = Interval(0.5, 0.4, 0.6)
CARD = Scorecard({}, 0.0, 0.04, 0.3)


@pytest.fixture(scope="module")
def funnel() -> Funnel:
    return planted(13, 2000, threshold=20, explored=0.2)


def proposal(target: str = "won", *worths: Worth) -> Proposal:
    return Proposal(target, 2000, 100, (), (), CARD, CARD, 0.5, worths=worths)


def told(funnel: Funnel, found: Proposal) -> str:
    return " ".join(gaps(funnel.cases, found, funnel.scoring))


def test_enough_of_everything_leaves_only_what_no_review_can_know(funnel: Funnel) -> None:
    assert len(gaps(funnel.cases, proposal(), funnel.scoring)) == 1


def test_thresholds_cannot_be_judged_without_explored_leads(funnel: Funnel) -> None:
    alone = replace(funnel.cases, leads=funnel.cases.leads[~funnel.cases.leads["explored"]])
    leads = funnel.cases.leads
    few = replace(funnel.cases, leads=leads.assign(explored=[i < 5 for i in range(len(leads))]))
    assert "whether 50 points is the right threshold cannot be judged" in told(
        replace(funnel, cases=alone), proposal()
    )
    assert "Only 5 leads below the threshold" in told(replace(funnel, cases=few), proposal())


def test_an_earlier_stage_in_place_of_won_is_said(funnel: Funnel) -> None:
    assert "this review learns from SQLs" in told(funnel, proposal("sql"))


def test_a_source_whose_outcomes_never_come_is_named(funnel: Funnel) -> None:
    leads = funnel.cases.leads.copy()
    leads.loc[leads["source"] == "list", ["accepted", "sql", "opportunity", "won"]] = False
    found = told(replace(funnel, cases=replace(funnel.cases, leads=leads)), proposal())
    assert f"Not one of {(leads['source'] == 'list').sum():,} leads of list" in found


def test_rules_that_nobody_can_judge_are_named(funnel: Funnel) -> None:
    rare = Worth("tiny_company", -10, 4, 0, None, HALF, None, None)
    known = Worth("buyer", 12, 400, 50, HALF, HALF, HALF, 3.0)
    found = told(funnel, proposal("won", rare, known))
    assert "Too rare to judge: tiny_company." in found
    assert "buyer" not in found


def test_variants_of_the_model_are_named(funnel: Funnel) -> None:
    variant = Variant(
        "partner_leads", "because", parse("is_buyer", funnel.scoring.attributes), funnel.scoring
    )
    found = replace(funnel, scoring=replace(funnel.scoring, variants=(variant,)))
    assert "partner_leads" in told(found, proposal())
