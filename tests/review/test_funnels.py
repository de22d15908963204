"""The generated funnels hold what they promise: a test that leans on them leans on these."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests.review.funnels import COMPANY, funnel, planted

from clearlane.review.cases import Cases


def test_the_same_seed_gives_the_same_funnel_and_another_another() -> None:
    pd.testing.assert_frame_equal(funnel(1, 500).leads, funnel(1, 500).leads)
    assert not funnel(1, 500).leads["won"].equals(funnel(2, 500).leads["won"])


def test_all_frames_stand_on_one_index_and_the_stages_are_nested() -> None:
    cases = funnel(3, 2_000, threshold=20, unworked=0.1)
    for frame in (cases.evidence, cases.attributes, cases.behaviour, cases.refaded):
        assert frame.index.equals(cases.leads.index)
    won, opportunity, sql, accepted = (cases.leads[s] for s in ("won", "opportunity", "sql", "accepted"))
    assert (won <= opportunity).all()
    assert (opportunity <= sql).all()
    assert (sql <= accepted).all()
    assert (cases.leads["amount"] > 0).equals(won)
    assert cases.leads["reason"].isna().equals(accepted)


def test_a_large_sample_gives_back_the_planted_points() -> None:
    made = planted(4, 50_000, wins=0.1)
    model = LogisticRegression(C=1e6, max_iter=200).fit(made.cases.evidence, made.cases.leads["won"])
    found = pd.Series(model.coef_[0] / made.scale, made.cases.evidence.columns)
    assert (found - pd.Series(made.truth)).abs().max() < 7
    assert made.cases.leads["won"].mean() == pytest.approx(0.1, abs=0.006)


def test_the_score_is_the_evidence_times_the_points_in_force_wrong_ones_included() -> None:
    made = planted(5, 3_000, wrong={"buyer": 10, "webinar": -4})
    points = {rule.id: rule.points for rule in made.scoring.rules}
    assert points == dict(made.in_force)
    assert points["buyer"] == COMPANY["buyer"].points + 10
    total = made.cases.evidence @ pd.Series(points)
    assert np.allclose(np.floor(total + 0.5), made.cases.leads["score"])


def test_noise_leaves_no_rule_a_lift_and_hot_wins_as_often_as_cold() -> None:
    quiet = funnel(6, 20_000, noise=True).leads
    bands = quiet.groupby("band")["won"].agg(["mean", "size"]).query("size > 1000")
    assert bands["mean"].max() - bands["mean"].min() < 0.03
    loud = funnel(6, 20_000).leads.groupby("band")["won"].mean()
    assert 4 < loud["hot"] / loud["cold"] < 25


def test_the_leak_is_near_perfect_and_drift_turns_in_the_middle() -> None:
    leaking = funnel(7, 5_000, leaking=True)
    assert ((leaking.attributes["contract"] == "signed") == leaking.leads["won"]).mean() > 0.99
    drifting = funnel(7, 30_000, drift={"buyer": -30})
    half = np.arange(30_000) < 15_000
    lift = [_lift(drifting, "buyer", part) for part in (half, ~half)]
    assert lift[0] > 1.3
    assert lift[1] < 0.8


def _lift(cases: Cases, rule: str, part: np.ndarray) -> float:
    won, holds = cases.leads["won"][part], cases.evidence[rule][part] > 0
    return float(won[holds].mean() / won[~holds].mean())


def test_a_false_half_life_is_better_explained_by_the_true_one() -> None:
    cases = funnel(8, 50_000, half_life={"webinar": 7.5})
    seen = cases.leads["won"].astype(float)
    assert cases.refaded["webinar@30"].equals(cases.evidence["webinar"].rename("webinar@30"))
    assert seen.corr(cases.refaded["webinar@7.5"]) > seen.corr(cases.refaded["webinar@120"])


def test_the_weights_of_the_explored_share_bring_back_all_leads() -> None:
    cases = funnel(9, 30_000, threshold=25, explored=0.1)
    assert set(cases.leads.loc[cases.leads["explored"], "weight"]) == {10.0}
    assert (cases.leads.loc[~cases.leads["explored"], "score"] >= 25).all()
    assert cases.leads["weight"].sum() == pytest.approx(30_000, rel=0.05)
    won = (cases.leads["won"] * cases.leads["weight"]).sum() / cases.leads["weight"].sum()
    assert won == pytest.approx(0.08, abs=0.012)
    assert {out.reason for out in cases.left_out} == {"never given to sales"}


def test_unworked_leads_are_left_out_and_counted_and_skill_shows() -> None:
    cases = funnel(10, 20_000, unworked=0.2, skill=0.8)
    (out,) = cases.left_out
    assert out.leads + len(cases.leads) == 20_000
    rate = cases.leads.groupby("rep")["won"].mean()
    assert rate.max() / rate.min() > 2
