"""The last proposal's promise: kept, not kept, or too early to tell, by the leads since it came into force."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.review.funnels import SINCE, UNTIL, Funnel, planted
from tests.review.report.reviewed import scoring_yaml

from clearlane.review.promises import Kept, kept
from clearlane.review.register import Review

PROMISED = {"auc": [0.02, 0.01, 0.03], "lift_top_decile": [0.3, 0.1, 0.5]}


@pytest.fixture(scope="module")
def funnel() -> Funnel:
    """The points in force are the truth; those before gave far too much for a free mail address."""
    return planted(12, 6000, wins=0.15)


def published(funnel: Funnel, before: dict[str, int], **more: object) -> Review:
    found = Review(
        review_id=UUID(int=7), mode="live", since=SINCE, until=UNTIL, as_of=SINCE,
        horizon_days=90, current_hash="x", proposed_text="", report="",
        figures={"target": "won", "points": {"before": {**funnel.in_force, **before}}, "promise": PROMISED},
        status="approved", in_force_from=SINCE, final_text=scoring_yaml(funnel), decided_by="Ana",
    )  # fmt: skip
    return replace(found, **more)  # type: ignore[arg-type]


def told(funnel: Funnel, review: Review | None) -> Kept:
    found = kept(review, funnel.cases, funnel.scoring, 3)
    assert found is not None
    return found


def test_points_that_got_better_kept_their_promise(funnel: Funnel) -> None:
    found = told(funnel, published(funnel, {"free_mail": 30, "icp_size": 0}))
    assert found.verdict == "kept"
    assert found.happened["auc"].low > 0
    assert found.decided_by == "Ana"


def test_points_that_got_no_better_did_not_keep_it(funnel: Funnel) -> None:
    found = told(funnel, published(funnel, {}))
    assert found.happened["auc"].value == 0
    assert found.verdict == "not kept"


def test_what_a_person_chose_is_held_to_account_not_what_was_proposed(funnel: Funnel) -> None:
    before = {"free_mail": 30, "icp_size": 0}
    unchanged = scoring_yaml(funnel)
    chosen = unchanged.replace("points: -10", "points: 30")
    found = told(funnel, published(funnel, before, final_text=chosen))
    assert found.happened["auc"].value < told(funnel, published(funnel, before)).happened["auc"].value


def test_a_few_leads_tell_nothing_yet(funnel: Funnel) -> None:
    found = told(funnel, published(funnel, {"icp_size": 0}, in_force_from=UNTIL - timedelta(hours=12)))
    assert (found.happened, found.verdict) == ({}, "too early to tell")


def test_without_a_published_review_there_was_no_promise(funnel: Funnel) -> None:
    assert kept(None, funnel.cases, funnel.scoring, 3) is None
    assert kept(published(funnel, {}, in_force_from=None), funnel.cases, funnel.scoring, 3) is None
