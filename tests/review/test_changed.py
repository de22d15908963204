"""What the leads would have scored: the points in force again, new rules, other half-lives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.review.funnels import Funnel, planted

from clearlane.review.cases import Change, Interval
from clearlane.review.changed import evidence, holds, rescored
from clearlane.rules import Type, parse

HALF = Interval(0.5, 0.4, 0.6)


@pytest.fixture(scope="module")
def funnel() -> Funnel:
    return planted(11, 600)


def change(rule: str, before: int, after: int, **more: object) -> Change:
    return Change(rule, "fit", before, after, HALF, 100, HALF, HALF, "because", **more)  # type: ignore[arg-type]


def test_without_a_change_the_leads_score_what_they_scored(funnel: Funnel) -> None:
    assert np.array_equal(
        rescored(funnel.cases, funnel.scoring, ()), np.maximum(funnel.cases.leads["score"], 1)
    )


def test_other_points_count_wherever_the_rule_held(funnel: Funnel) -> None:
    old = rescored(funnel.cases, funnel.scoring, ())
    new = rescored(funnel.cases, funnel.scoring, [change("icp_size", 15, 25)])
    held = funnel.cases.evidence["icp_size"].to_numpy() > 0
    sure = old > 1
    assert np.array_equal((new - old)[held & sure], np.full((held & sure).sum(), 10))
    assert np.array_equal(new[~held], old[~held])


def test_a_new_rule_gives_its_points_where_its_condition_holds(funnel: Funnel) -> None:
    red = funnel.cases.attributes["colour_0"] == "red"
    told = evidence(funnel.cases, funnel.scoring, [change("red", 0, 6, when="colour_0 = 'red'")])
    assert np.array_equal(told["red"] > 0, red)


def test_a_new_rule_of_an_activity_fades_from_the_last_one(funnel: Funnel) -> None:
    told = evidence(
        funnel.cases, funnel.scoring, [change("more", 0, 6, activity="webinar", half_life_days=7.0)]
    )["more"]
    days = funnel.cases.behaviour["webinar:days"]
    assert (told[days.isna()] == 0).all()
    assert np.allclose(told[days.notna()], 0.5 ** (days[days.notna()] / 7))


def test_another_half_life_takes_the_nearest_that_was_measured(funnel: Funnel) -> None:
    told = evidence(funnel.cases, funnel.scoring, [change("pricing_page", 8, 8, half_life_days=13.0)])
    assert np.array_equal(told["pricing_page"], funnel.cases.refaded["pricing_page@14"])


def test_a_condition_on_what_is_not_known_never_holds() -> None:
    rows = pd.DataFrame({"size": [5.0, None, 80.0]}, index=["a", "b", "c"])
    types = {"size": Type.NUMBER, "land": Type.TEXT}
    assert holds(parse("size >= 10 or land = 'NO'", types), rows).to_dict() == {
        "a": False,
        "b": False,
        "c": True,
    }
    assert holds(parse("size is null", types), rows).to_dict() == {"a": False, "b": True, "c": False}
