"""The whole judgement on generated funnels whose truth is known."""

from __future__ import annotations

from datetime import timedelta
from time import process_time

import numpy as np
import pandas as pd
import pytest
from tests.review.funnels import SINCE, UNTIL, Funnel, planted

from clearlane.review.judgement import Circumstances, Judgement, NothingToJudge, bands, judged, scored
from clearlane.review.judgement.health import Practice
from clearlane.review.judgement.thresholds import Desk, Desks
from clearlane.route.calendars import ALWAYS

CUT = SINCE + timedelta(days=60)


def judgement(of: Funnel, **options: object) -> Judgement:
    """Of the points in force, the true points and the true chance."""
    scores = {
        name: scored(of.cases.evidence, points, of.scoring)
        for name, points in (("current", of.in_force), ("proposed", of.truth))
    }
    arguments = {"target": "won", "cut": CUT, "scoring": of.scoring, "seed": 5, **options}
    return judged(of.cases, scores, {"predictive": of.chance.to_numpy()}, **arguments)  # type: ignore[arg-type]


def test_the_points_in_force_give_the_score_in_force():
    of = planted(1, 500)
    score = scored(of.cases.evidence, of.in_force, of.scoring)
    assert score == pytest.approx(of.cases.leads["score"].clip(lower=1).to_numpy())
    held = of.cases.leads["score"] >= 1
    assert (bands(score, of.scoring) == of.cases.leads["band"].to_numpy())[held].all()


def test_points_without_evidence_or_group_are_refused():
    of = planted(1, 50)
    with pytest.raises(LookupError, match="no group or no evidence of new_rule"):
        scored(of.cases.evidence, {"new_rule": 5}, of.scoring)


def test_better_points_are_judged_better_in_pairs_and_teams_are_named():
    of = planted(2, 9000, wrong={"hand_raise": -30, "pricing_page": -12, "buyer": -10})
    found = judgement(of, takes={"sdr_amer": 5, "sdr_emea": 5})
    proposed, predictive = found.differences
    assert (proposed.name, proposed.against) == ("proposed", "current")
    assert proposed.auc is not None
    assert proposed.log_loss is not None
    assert proposed.auc.low > 0
    assert proposed.log_loss.high < 0
    assert predictive.auc is not None
    assert predictive.auc.low > 0
    named = {one.name: one for one in found.performances}
    assert list(named) == ["current", "proposed", "predictive"]
    assert [one.team for one in named["current"].capacity] == ["sdr_amer", "sdr_emea"]
    assert not any("capacity" in note for note in found.notes)


def test_equal_points_differ_by_nothing():
    of = planted(3, 1500)
    (proposed, _) = judgement(of).differences
    assert proposed.auc is not None
    assert (proposed.auc.low, proposed.auc.value, proposed.auc.high) == (0, 0, 0)


def test_every_source_segment_and_region_has_its_row():
    found = judgement(planted(4, 2000))
    assert {(row.column, row.name) for row in found.groups["current"]} == {
        *(("source", name) for name in ("form", "webinar", "list")),
        *(("segment", name) for name in ("smb", "mid", "enterprise")),
        *(("region", name) for name in ("AMER", "EMEA", "APAC")),
    }
    assert sum(row.leads for row in found.groups["current"]) == 3 * found.leads
    assert "score" in {one.feature for one in found.stability}
    assert [one.name for one in found.calibrations] == ["current", "proposed", "predictive"]


def test_explored_leads_weigh_what_they_stand_for():
    """Below the threshold only a fifth is seen: by weight the order is that of all leads."""
    every = judgement(planted(5, 9000, threshold=None)).performances[0]
    seen = judgement(planted(5, 9000, threshold=30, explored=0.2)).performances[0]
    assert every.auc is not None
    assert seen.auc is not None
    assert seen.auc.low < every.auc.value < seen.auc.high


def test_few_explored_leads_that_got_there_are_warned_of():
    notes = judgement(planted(5, 4000, threshold=30)).notes
    assert any("from below the threshold got there: " in note for note in notes)


def test_one_kind_of_outcome_is_refused_in_words():
    of = planted(6, 300)
    of.cases.leads["won"] = np.zeros(len(of.cases.leads), bool)
    with pytest.raises(NothingToJudge, match="of 200 leads before 2026-03-02 0 reached won"):
        judgement(of)


def test_the_same_seed_gives_the_same_judgement():
    of = planted(7, 600, wins=0.3)
    assert judgement(of) == judgement(of)


@pytest.mark.full
def test_a_quarter_of_fifty_thousand_leads_is_judged_in_seconds():
    of = planted(8, 50_000)
    began = process_time()
    judgement(of, takes={"sdr_amer": 20})
    assert process_time() - began < 30


def test_what_is_around_the_leads_is_judged_where_it_is_known():
    of = planted(9, 3000, wins=0.15)
    leads = of.cases.leads
    won = leads.index[leads["opportunity"]]
    around = Circumstances(
        desks=Desks({"sdr_amer": Desk(1, ALWAYS.hours, "UTC", 2.0)}, 2.0),
        promises={"hot": 5.0, "warm": 240.0},
        practice=Practice(in_time=(30, 100)),
        touches=pd.DataFrame(
            {"lead_id": won, "channel": "ads", "at": leads.loc[won, "decided_at"].to_numpy()}
        ),
        opportunities=pd.DataFrame({"lead_id": won, "at": UNTIL, "amount": 10.0}),
    )
    found = judgement(of, around=around)
    assert found.performances[0].capacity[0].team == "sdr_amer"
    assert [one.band for one in found.thresholds["current"].bands] == ["hot", "warm", "cool"]
    assert found.attribution is not None
    assert found.attribution.amount == pytest.approx(10 * len(won))
    assert sum(row.amount for row in found.pipeline) == pytest.approx(10 * len(won))
    assert found.health.verdict == "refine"
    assert "promises kept (30%)" in found.health.because
    assert found.feedback.agreement is not None
    assert len(found.notes) == 1  # no lead was explored


def test_what_is_not_known_around_them_is_said():
    notes = " ".join(judgement(planted(10, 1500)).notes)
    assert "no precision at capacity" in notes
    assert "nothing is attributed" in notes
    assert "nobody knows what such leads are worth" in notes
