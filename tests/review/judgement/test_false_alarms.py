"""Where nothing is wrong, the judgement says so: alarms over many quarters are as rare as their level promises."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from tests.review.funnels import SINCE, planted

from clearlane.review.judgement import judged, scored

QUARTERS = 40


def alarms(wins: float, noise: bool) -> Counter[str]:
    """How many of the quarters raise each kind of alarm. The points are the true ones, or mean nothing."""
    found: Counter[str] = Counter()
    for seed in range(QUARTERS):
        of = planted(1000 + seed, 3000, wins=wins, noise=noise)
        score = scored(of.cases.evidence, of.truth, of.scoring)
        judgement = judged(
            of.cases, {"now": score, "same": score * 2}, {}, target="won", cut=SINCE + timedelta(days=60),
            scoring=of.scoring, seed=seed,
        )  # fmt: skip
        (same,) = judgement.differences
        found["group"] += any(group.alarms for group in judgement.groups["now"])
        found["reversal"] += any(one.beyond_chance for one in judgement.calibrations[0].reversals)
        found["shift"] += any(one.verdict != "stable" for one in judgement.stability)
        found["feedback"] += bool(judgement.feedback.contradictions)
        found["better"] += same.auc is not None and (same.auc.low > 0 or same.auc.high < 0)
        found[judgement.health.verdict] += 1
    return found


@pytest.mark.full
def test_true_points_are_kept_and_raise_few_alarms():
    found = alarms(0.08, noise=False)
    assert max(found[kind] for kind in ("group", "reversal", "shift", "feedback")) <= 6
    assert found["better"] == 0
    assert found["keep"] >= 36


@pytest.mark.full
def test_points_that_mean_nothing_are_no_reason_for_other_alarms_and_never_kept():
    found = alarms(0.25, noise=True)
    assert max(found[kind] for kind in ("group", "reversal", "shift", "feedback")) <= 6
    assert found["keep"] <= 4
    assert found["rebuild"] >= 15
