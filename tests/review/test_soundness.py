"""Planted leaks are found and nothing else is; too few outcomes are said; reps are told from their leads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.review.funnels import funnel

from clearlane.review.cases import Cases
from clearlane.review.soundness import TooFew, auc, rep_offset, rep_rates, suspects, target


def with_attribute(cases: Cases, name: str, values: object) -> Cases:
    return replace(cases, attributes=cases.attributes.assign(**{name: values}))


def test_a_planted_leak_is_named_and_the_rest_is_not() -> None:
    for seed in range(3):
        (found,) = suspects(funnel(seed, 3_000, leaking=True))
        assert (found.kind, found.subject) == ("leak", "contract")
        assert suspects(funnel(seed, 3_000)) == ()


def test_a_number_a_truth_and_a_date_of_the_outcome_are_leaks() -> None:
    cases = funnel(3, 3_000)
    won = cases.leads["won"]
    rng = np.random.default_rng(3)
    invoiced = pd.Series(np.where(won, rng.uniform(5, 9, len(won)), rng.uniform(0, 5, len(won))), won.index)
    assert "AUC of 0.99" in suspects(with_attribute(cases, "invoiced", invoiced))[0].because
    (found,) = suspects(with_attribute(cases, "signed", won.astype("boolean")))
    assert "where it is 'True'" in found.because
    half = won & (np.arange(len(won)) % 2 == 0)
    (found,) = suspects(with_attribute(cases, "closed_on", half.map({True: "2026-02-01", False: None})))
    assert "where it is filled at all" in found.because


def test_a_rule_and_a_kind_of_activity_may_leak_too() -> None:
    cases = funnel(4, 3_000)
    told = cases.leads["won"].astype(float)
    behaviour = cases.behaviour.assign(**{"contract_signed": told})
    assert [f.subject for f in suspects(replace(cases, behaviour=behaviour))] == ["contract_signed"]
    evidence = cases.evidence.assign(buyer=told)
    assert [f.subject for f in suspects(replace(cases, evidence=evidence))] == ["buyer"]


def test_what_wins_often_by_chance_is_no_leak() -> None:
    cases = funnel(5, 3_000, wins=0.4)
    few = np.flatnonzero(cases.leads["won"])[:6]
    rare = np.full(len(cases.leads), None, dtype=object)
    rare[few] = "yes"
    assert suspects(with_attribute(cases, "rare", rare)) == ()


def test_the_target_steps_back_until_there_is_enough_and_then_gives_up_in_words() -> None:
    assert target(funnel(6, 3_000)) == "won"
    assert target(funnel(6, 500)) == "opportunity"
    assert target(funnel(6, 3_000), fewest=400) == "opportunity"
    with pytest.raises(
        TooFew, match=r"of 50 leads decided from 2026-01-01 to 2026-04-01, within 90 days, .* won"
    ):
        target(funnel(6, 50))


@settings(max_examples=examples(50, 500), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    has_it = np.array([truth for _, truth in pairs])
    above = [(a > b) + (a == b) / 2 for a in scores[has_it] for b in scores[~has_it]]
    assert auc(scores, has_it) == pytest.approx(np.mean(above) if above else 0.5)


def test_reps_without_skill_are_shrunk_to_nothing_and_skilled_ones_told_apart() -> None:
    even = rep_rates(funnel(7, 10_000, reps=20), "won")
    assert even["log_odds"].abs().max() < 0.25
    assert even["leads"].sum() == 10_000
    skilled = rep_rates(funnel(7, 10_000, reps=20, skill=0.8), "won")
    assert skilled["log_odds"].std() > 0.4
    assert skilled["log_odds"].abs().max() <= 1


def test_who_gets_the_hot_leads_is_no_better_for_it() -> None:
    cases = funnel(8, 20_000)
    taken = np.where(cases.leads["band"].isin(["hot", "warm"]), "rep-hot", "rep-cold")
    rates = rep_rates(replace(cases, leads=cases.leads.assign(rep=taken)), "won")
    assert rates["log_odds"].abs().max() < 0.1


def test_the_offset_of_a_case_is_that_of_its_rep_and_nothing_without_one() -> None:
    cases = funnel(9, 5_000, skill=0.8)
    nobody = cases.leads["rep"].where(np.arange(5_000) > 9, None)
    cases = replace(cases, leads=cases.leads.assign(rep=nobody))
    offset = rep_offset(cases, "won")
    assert (offset[:10] == 0).all()
    rates = rep_rates(cases, "won")["log_odds"]
    assert offset[10:] == pytest.approx(cases.leads["rep"].iloc[10:].map(rates).to_numpy())
