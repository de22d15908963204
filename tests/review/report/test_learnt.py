"""The page about points learnt from a file: every rule with its figures, and how it does on the rows set apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlane.review.cases import Finding, Interval
from clearlane.review.report.learnt import Learnt, LearntRule, page


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    rng = np.random.default_rng(3)
    score = np.round(rng.normal(30, 12, 800))
    chance = 1 / (1 + np.exp(3 - 0.06 * score))
    some = Interval(0.2, 0.15, 0.25)
    return Learnt(
        "leads & co.csv", "won", "the newest 30 % by created",
        (LearntRule("big", "50 employees <or> more", "employees >= 50", 12, 900, some, Interval(0.1, 0.08, 0.12)),
         LearntRule("free", "Writes from a free mail address", "free_mail", -7, 300, some, some)),
        1867, 200, rng.random(800) < chance, score, chance,
        (Finding("leak", "contract", "filled only for the won"),), {"auc": 0.71, "n_rules": 2, "brier": None},
    )  # fmt: skip


def test_the_page_shows_each_rule_and_what_was_not_used(learnt: Learnt) -> None:
    told = page(learnt)
    assert "2 rules tell “won”" in told
    assert "50 employees &lt;or&gt; more" in told
    assert "employees &gt;= 50" in told
    assert told.index("+12") < told.index("−7")
    assert "filled only for the won" in told
    assert "leads &amp; co.csv" in told
    assert told.count("<figcaption>Told and happened") == 1


def test_the_figures_of_the_page_are_those_of_the_rows_set_apart(learnt: Learnt) -> None:
    auc = learnt.performance.auc
    assert auc is not None
    hits, misses = learnt.score[learnt.hit], learnt.score[~learnt.hit]
    pairs = (hits[:, None] > misses).mean() + (hits[:, None] == misses).mean() / 2
    assert auc.value == pytest.approx(pairs)
    assert f"{pairs:.3f} <small>" in page(learnt)


def test_a_file_that_tells_nothing_says_so(learnt: Learnt) -> None:
    nothing = replace(learnt, rules=(), score=np.zeros(800), findings=(), metrics=None)
    told = page(nothing)
    assert "Nothing in the file tells “won”" in told
    assert "What was not used" not in told


def test_the_same_file_makes_the_same_page(learnt: Learnt) -> None:
    assert page(learnt) == page(replace(learnt))
