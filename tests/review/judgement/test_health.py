"""What sales says against the score, and keep, refine or rebuild: planted, found; not planted, not found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.review.funnels import planted

from clearlane.review.cases import Interval
from clearlane.review.judgement.feedback import feedback
from clearlane.review.judgement.health import Practice, health
from clearlane.review.judgement.resampling import resamples

BANDS = ("hot", "warm", "cool", "cold")
GOOD = Interval(0.75, 0.72, 0.78)
SOUND = Practice((800, 1000), (9000, 10_000), (700, 1000), (900, 1000), (980, 1000))


def said(leads: pd.DataFrame):
    return feedback(leads, BANDS, resamples(len(leads), 1, 200))


def test_what_sales_accepts_follows_the_score_where_it_does():
    found = said(planted(1, 4000).cases.leads)
    assert found.agreement is not None
    assert found.agreement.low > 0.5
    assert found.contradictions == ()
    assert {reason.name for reason in found.reasons} == {
        "not interested",
        "no budget",
        "bad fit",
        "no answer",
    }
    assert found.accepted["hot"].value > found.accepted["cold"].value


def test_a_reason_said_of_hot_leads_is_named_unless_it_is_about_the_reps_day():
    leads = planted(2, 4000).cases.leads.copy()
    hot = (leads["band"] == "hot").to_numpy()
    half = np.arange(len(leads)) % 2 == 0
    leads.loc[hot & half, ["accepted", "reason"]] = [False, "bad fit"]
    leads.loc[hot & ~half, ["accepted", "reason"]] = [False, "no capacity"]
    found = said(leads)
    assert any("bad fit" in one and "hot" in one for one in found.contradictions)
    assert not any("no capacity" in one for one in found.contradictions)
    assert {r.name for r in found.reasons if r.against_the_score} == {"bad fit"}


def test_without_an_answer_from_sales_nothing_is_said():
    leads = planted(3, 100).cases.leads.assign(accepted=False, reason=None)
    found = said(leads)
    assert (found.agreement, found.reasons) == (None, ())


def test_a_sound_practice_is_kept():
    found = health(SOUND, GOOD, better=False, reversed_bands=())
    assert found.verdict == "keep"
    assert {one.state for one in found.reasons} == {"sound"}


@pytest.mark.parametrize(
    ("practice", "auc", "better", "bands", "verdict", "why"),
    [
        (SOUND, GOOD, True, (), "refine", "Other points are better"),
        (SOUND, GOOD, False, ("warm wins more than hot",), "refine", "Warm wins more"),
        (Practice((400, 1000)), GOOD, False, (), "refine", "leads accepted (40%)"),
        (Practice((400, 1000), (300, 1000)), GOOD, False, (), "rebuild", "values known (30%)"),
        (SOUND, Interval(0.5, 0.46, 0.54), True, (), "rebuild", "hardly orders"),
        (Practice(), None, False, (), "keep", "nothing it stands on is surely weak"),
        (Practice(in_time=(50, 100), unchanged=(50, 100)), GOOD, False, (), "refine", "promises kept (50%)"),
    ],
)
def test_the_verdict_and_why(practice: Practice, auc, better: bool, bands, verdict: str, why: str):
    found = health(practice, auc, better, bands)
    assert found.verdict == verdict
    assert why in found.because


def test_few_leads_break_nothing():
    found = health(Practice((5, 10), (6, 10), (2, 8)), GOOD, better=False, reversed_bands=())
    assert found.verdict == "keep"
    assert {one.state for one in found.reasons[1:4]} == {"unsure"}


def test_each_reason_says_its_number_and_its_bound():
    (_, accepted, *_, unchanged) = health(
        Practice((400, 1000)), GOOD, better=False, reversed_bands=()
    ).reasons
    assert "40% (37% to 43%): broken; sound from 75%, broken below 50%" in accepted.says
    assert unchanged.says.endswith("Not known.")
