"""A probability per lead: exact, calibrated, better than the score where the score misses something, else refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from tests.review.funnels import SINCE, Funnel, planted
from threadpoolctl import threadpool_info, threadpool_limits

from clearlane.review.judgement.performance import Outcomes
from clearlane.review.learning import predictive as learning
from clearlane.review.learning.predictive import NothingToLearn, Predictive, predictive
from clearlane.score.additive import Numbers, added, probabilities
from clearlane.score.additive_file import loaded, problems, saved

CUT = SINCE + timedelta(days=60)


def learnt(of: Funnel) -> Predictive:
    return predictive(of.cases, of.scoring, target="won", cut=CUT, seed=1)


@pytest.fixture(scope="module")
def blind() -> tuple[Funnel, Predictive]:
    """Leads of which an attribute that no rule scores says much."""
    of = planted(3, 6000, hidden={"secret": 45}, wins=0.15)
    return of, learnt(of)


def test_what_the_score_does_not_see_makes_it_better_beyond_chance(blind):
    _, found = blind
    assert found.refusals == ()
    assert found.against_score.log_loss.high < 0
    assert found.against_score.auc.low > 0
    assert "secret" in {part.name for part in found.model.parts}
    slope = found.performance.slope
    assert slope.low < 1.1
    assert slope.high > 0.9


def test_it_comes_close_to_the_truth(blind):
    of, found = blind
    newest = (of.cases.leads["decided_at"] >= CUT).to_numpy()
    assert np.abs(found.told - of.chance.to_numpy())[newest].mean() < 0.04
    assert np.corrcoef(found.told[newest], of.chance[newest])[0, 1] > 0.9


def test_it_is_stored_and_read_back_for_the_same_policy(blind):
    of, found = blind
    again = loaded(saved(found.model))
    assert list(problems(again, of.scoring)) == []
    cases = of.cases
    assert probabilities(again, cases.evidence, cases.attributes) == pytest.approx(
        probabilities(found.model, cases.evidence, cases.attributes)
    )
    assert again.learnt["leads"] == 6000


def test_its_explanation_is_of_an_average_lead(blind):
    """Parts are told against the mean of the leads learnt from: they add up to about nothing over all of them."""
    of, found = blind
    assert added(found.model, of.cases.evidence, of.cases.attributes).mean(axis=0) == pytest.approx(
        0, abs=1e-4
    )


@pytest.mark.parametrize("way", [learning.WAYS[2], learning.WAYS[-1]], ids=lambda way: way.kind)
def test_what_the_spans_add_is_all_that_was_learnt(way):
    """Boosting: against the trees themselves."""
    rng = np.random.default_rng(1)
    codes = np.column_stack([rng.integers(0, size, 2000) for size in (2, 4, 7)])
    outcomes = Outcomes(rng.random(2000) < 0.1 + 0.05 * codes[:, 1], rng.choice([1.0, 5.0], 2000))
    base, worth = way.fit(codes, (2, 4, 7), outcomes, seed=3)
    odds = learning._odds(base, worth, codes)
    if way.kind == "boosting":
        model = learning.HistGradientBoostingClassifier(
            learning_rate=0.1, max_iter=int(way.strength), max_leaf_nodes=6, min_samples_leaf=30,
            l2_regularization=5.0, interaction_cst="no_interactions", early_stopping=False, random_state=3,
        ).fit(codes, outcomes.target, sample_weight=outcomes.weight)  # fmt: skip
        assert odds == pytest.approx(model.decision_function(codes))
    told = 1 / (1 + np.exp(-odds))
    assert np.average(told, weights=outcomes.weight) == pytest.approx(
        np.average(outcomes.target, weights=outcomes.weight), abs=0.01
    )


@pytest.mark.parametrize("seed", range(2))
def test_noise_is_refused(seed: int):
    found = learnt(planted(seed, 2500, noise=True, wins=0.2))
    assert any("does not surely tell more than the score" in reason for reason in found.refusals)


def test_too_few_wins_and_too_little_known_are_refused_in_words():
    of = planted(4, 1200)
    emptied = of.cases.attributes.astype(object).where(
        pd.Series(np.arange(1200) % 3 == 0, of.cases.leads.index)
    )
    found = learnt(replace(of, cases=replace(of.cases, attributes=emptied)))
    said = " ".join(found.refusals)
    assert "1200 leads of which" in said
    assert "33% of what attributes could say is known" in said


def test_nothing_to_learn_from_is_an_error():
    of = planted(5, 300)
    of.cases.leads["won"] = np.arange(300) < 3
    with pytest.raises(NothingToLearn, match="of 100 leads 0 reached won"):
        learnt(of)


def test_protected_columns_and_moments_are_never_looked_at():
    of = planted(6, 2000)
    told = of.cases.leads["won"].astype(float)
    attributes = of.cases.attributes.assign(age=told, seen=told, undeclared=told)
    scoring = replace(
        of.scoring,
        attributes={**of.scoring.attributes, "age": learning.Type.NUMBER, "seen": learning.Type.TIME},
        protected=frozenset({"age"}),
    )
    found = predictive(replace(of.cases, attributes=attributes), scoring, target="won", cut=CUT, seed=1)
    assert not {"age", "seen", "undeclared"} & {part.name for part in found.model.parts}
    assert found.performance.auc.value < 0.85


def test_a_column_that_leaks_the_outcome_is_left_out():
    found = learnt(planted(8, 2000, leaking=True))
    assert "contract" not in {part.name for part in found.model.parts}
    assert found.performance.auc.value < 0.85


def test_the_order_of_columns_does_not_matter_and_the_seed_decides():
    of = planted(7, 1200, wins=0.2)
    mixed = replace(of.cases, attributes=of.cases.attributes[of.cases.attributes.columns[::-1]])
    again = learnt(replace(of, cases=mixed))
    assert learnt(of).told == pytest.approx(again.told, abs=1e-3)


def test_a_number_keeps_a_span_for_its_most_frequent_value_and_spans_hold_enough():
    rng = np.random.default_rng(2)
    values = np.where(rng.random(5000) < 0.7, 0.0, rng.lognormal(0, 1, 5000))
    edges = learning._edges(values, 5000)
    assert 0 < edges[0] < 0.5
    counts = np.bincount(np.searchsorted(edges, values, side="right"))
    assert counts.min() >= 50
    assert len(edges) >= 8
    assert learning._edges(np.array([]), 10) == ()
    assert isinstance(
        learning._Column("rule", "x", pd.Series([1.0, 1.0])).part(np.ones(2, bool)).table, Numbers
    )


def test_it_learns_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(*_: object) -> set[int]:
        return {int(pool["num_threads"]) for pool in threadpool_info()}

    monkeypatch.setattr(learning, "_predictive", threads)
    with threadpool_limits(limits=2):
        assert 2 in threads()
        assert learnt(planted(1, 50)) == {1}
