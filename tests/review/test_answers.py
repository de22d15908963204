"""What is asked about a review, and which answers are taken: within bounds, from a moment to come, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.profiles import examples

from clearlane import policy
from clearlane.policy.model import ReviewTerms, Scoring
from clearlane.review import answers, recorded, register
from clearlane.review.answers import APPROVE, EDIT, REJECT, Answer, NotAllowed
from clearlane.review.cases import Change, Interval
from clearlane.review.register import Draft, NotPossible, Review
from clearlane.review.rescored import scoring_text
from clearlane.score import chances
from clearlane.score.additive import Additive
from clearlane.score.additive_file import loaded, saved

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)
AT = NOW + timedelta(hours=3)
ID = str(UUID(int=9 << 96))
RATE = Interval(0.1, 0.05, 0.15)
LESS = Change("icp_size", "fit", 15, 12, Interval(11.8, 10.1, 13.2), 900, RATE, RATE, "It wins | less often")
NEW = Change(
    "reseller", "negative", 0, -4, RATE, 90, RATE, RATE, "Resellers rarely buy", when="title ilike '%resell%'"
)


@pytest.fixture(scope="module")
def scoring(default_texts: Mapping[str, str]) -> Scoring:
    return policy.parse({"scoring": default_texts["scoring"]}).scoring


@pytest.fixture
def review(undecided: Connection, default_texts: Mapping[str, str], scoring: Scoring) -> Review:
    changes = (LESS, NEW)
    draft = Draft(
        review_id=UUID(ID), mode="live", since=NOW - timedelta(days=365), until=NOW, as_of=NOW, horizon_days=90,
        current_hash=policy.hashes(default_texts)["scoring"],
        proposed_text=scoring_text(default_texts["scoring"], changes), report="<!doctype html>",
        changes=[asdict(one) for one in changes], bounds=answers.bounds(scoring, changes),
        reasons=("Two rules change.",),
    )  # fmt: skip
    return register.store(undecided, draft)


def answer(option: str, **more: Any) -> Answer:
    return Answer(option, AT, "olga", **more)


def points(text: str | None) -> dict[str, float]:
    assert text is not None
    return {rule.id: rule.points for rule in policy.parse({"scoring": text}).scoring.rules}


# --- yes, yes but, no ---------------------------------------------------------------------------


def test_a_plain_yes_is_the_proposal_from_the_next_midnight(undecided: Connection, review: Review) -> None:
    done = answers.decide(undecided, ID, answer(APPROVE))
    assert (done.status, done.final_text) == ("approved", review.proposed_text)
    assert done.in_force_from == datetime(2026, 10, 2, tzinfo=UTC)
    assert done.because == "the weight review of 2026-10-01"


def test_the_form_as_it_came_is_a_plain_yes_too(undecided: Connection, review: Review) -> None:
    unchanged = answer(
        APPROVE, points=answers.proposed_points(review), in_force_from="2026-10-05T06:00:00+02:00"
    )
    done = answers.decision(undecided, review, unchanged)
    assert done.in_force_from == datetime(2026, 10, 5, 4, tzinfo=UTC)


def test_a_person_s_points_are_all_that_changes(undecided: Connection, review: Review) -> None:
    before = points(policy.contents(undecided, {"scoring": review.current_hash})["scoring"])
    done = answers.decide(undecided, ID, answer(EDIT, points={"icp_size": 13, "icp_industry": 9}))
    assert done.status == "edited"
    assert points(done.final_text) == {**before, "icp_size": 13, "icp_industry": 9}


def test_a_new_rule_may_be_taken_with_other_points(undecided: Connection, review: Review) -> None:
    done = answers.decision(undecided, review, answer(EDIT, points={"reseller": -6}))
    assert points(done.text)["reseller"] == -6
    assert points(done.text)["icp_size"] == 15


def test_a_no_has_a_reason(undecided: Connection, review: Review) -> None:
    with pytest.raises(NotAllowed, match="needs its reason"):
        answers.decide(undecided, ID, answer(REJECT, because="  "))
    done = answers.decide(undecided, ID, answer(REJECT, because="the fair is next week"))
    assert (done.status, done.because, done.final_text) == ("rejected", "the fair is next week", None)


def test_no_answer_is_no_change_whatever_the_default_option(undecided: Connection, review: Review) -> None:
    done = answers.decide(undecided, ID, Answer(APPROVE, AT, None))
    assert (done.status, done.decided_by, done.published_hash) == ("timed_out", None, None)


# --- a chance of conversion with the points -----------------------------------------------------

MODEL = saved(Additive("won", "logistic", {"horizon_days": 90.0}, -2.0, (), {}))


@pytest.fixture
def telling(undecided: Connection, review: Review) -> Review:
    """The review, with a chance of conversion that may be switched on."""
    draft = {name: getattr(review, name) for name in Draft.__dataclass_fields__}
    return register.store(undecided, Draft(**{**draft, "predictive": MODEL}))


def test_a_chance_is_switched_on_by_a_tick_alone(undecided: Connection, telling: Review) -> None:
    plain = answers.decision(undecided, telling, answer(APPROVE))
    assert plain.text == telling.proposed_text
    done = answers.decide(undecided, ID, answer(APPROVE, chance=True))
    assert done.tells_chances
    scoring = policy.stored(undecided, {"scoring": str(done.published_hash)}).scoring
    assert scoring.predictive == telling.chance_file
    assert chances.in_force(undecided, scoring) == loaded(MODEL)
    assert "A chance of conversion is told" in "\n".join(recorded.lines(done))
    assert f"--- /dev/null\n+++ b/{telling.chance_file}\n" in recorded.diff(undecided, done)


def test_a_chance_goes_with_a_person_s_points_or_alone(undecided: Connection, telling: Review) -> None:
    done = answers.decision(undecided, telling, answer(EDIT, points={}, chance=True))
    assert points(done.text)["icp_size"] == 15
    assert f'predictive: "{telling.chance_file}"' in str(done.text)


def test_a_chance_that_must_stay_off_is_not_taken(undecided: Connection, review: Review) -> None:
    assert "*chance*" not in answers.body(review, "page", "answered")
    refused = replace(review, figures={"chance": {"because": ["90 leads of which 3 got there"]}})
    with pytest.raises(NotAllowed, match="the chance of conversion cannot be switched on: 90 leads"):
        answers.decision(undecided, refused, answer(APPROVE, chance=True))


def test_the_question_offers_a_chance_that_may_be_switched_on(telling: Review) -> None:
    assert "tick *chance*" in answers.body(telling, "page", "answered")


# --- answers that cannot be taken ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        (EDIT, {"points": {"icp_sise": 12}}, "icp_sise: no rule .* did you mean icp_size?"),
        (EDIT, {"points": {"icp_size": 12.5}}, "icp_size: found 12.5, allowed are whole points"),
        (EDIT, {"points": {"icp_size": True}}, "icp_size: found true, allowed are whole points"),
        (EDIT, {"points": {"icp_size": "12"}}, 'icp_size: found "12", allowed are whole points'),
        (
            EDIT,
            {"points": {"icp_size": 99, "nope": 1}},
            "icp_size: found 99, allowed are 10 to 20 .*; nope: no rule",
        ),
        (EDIT, {"points": {"icp_size": 15}}, "with these points nothing changes"),
        (EDIT, {"points": {}}, "with these points nothing changes"),
        (APPROVE, {"points": {"icp_size": 13}}, "points were changed, but 'Approve' was chosen"),
        (APPROVE, {"in_force_from": "tomorrow"}, "'tomorrow' is no ISO 8601 moment"),
        (APPROVE, {"in_force_from": "2026-09-30T00:00:00"}, "in the past stays as it was"),
        (APPROVE, {"in_force_from": "2036-09-30T00:00:00Z"}, "and 92 days later"),
    ],
)
def test_what_cannot_be_taken_says_why_and_changes_nothing(
    undecided: Connection, review: Review, option: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotAllowed, match=said):
        answers.decide(undecided, ID, answer(option, **given))
    assert register.review_of(undecided, ID) == review


def test_points_that_break_an_expectation_of_the_file_are_not_taken(
    undecided: Connection, review: Review, scoring: Scoring
) -> None:
    lowest = {rule: low for rule, (low, _) in review.bounds.items() if rule != "reseller"}
    with pytest.raises(NotAllowed, match=r"scoring.yaml:\d+: expect"):
        answers.decide(undecided, ID, answer(EDIT, points=lowest))


def test_checking_an_answer_changes_nothing(undecided: Connection, review: Review) -> None:
    answers.check(undecided, ID, answer(APPROVE))
    assert register.review_of(undecided, ID) == review
    assert policy.newest(undecided, "scoring") == review.current_hash
    with pytest.raises(NotAllowed):
        answers.check(undecided, ID, answer(EDIT))


def test_a_review_that_proposes_nothing_cannot_be_approved(undecided: Connection, review: Review) -> None:
    with pytest.raises(NotPossible, match="there is nothing to approve"):
        answers.decision(undecided, replace(review, proposed_text=None, changes=()), answer(APPROVE))


# --- the question -------------------------------------------------------------------------------


def test_the_question_says_what_changes_within_which_bounds_and_why(review: Review) -> None:
    assert answers.subject(review) == "New points for 2 rules? Review of 1 October 2026"
    asked = answers.body(review, "/page", "/why")
    assert "Two rules change." in asked
    assert "[The report](/page)" in asked
    assert "| icp_size | 15 | 12 | 10 to 20 | It wins \\| less often |" in asked
    assert "| reseller | 0 | -4 | -9 to 0 | Resellers rarely buy |" in asked
    assert "the answer could not be taken: [why](/why)" in asked


def test_what_became_of_an_answer_is_a_page(undecided: Connection, review: Review) -> None:
    assert "Nobody has answered yet" in recorded.page(review)
    refused = recorded.page(register.refused(undecided, review.review_id, "icp_size: found 99 <b>"))
    assert "The last answer could not be taken" in refused
    assert "icp_size: found 99 &lt;b&gt;" in refused
    done = recorded.page(answers.decide(undecided, ID, answer(APPROVE, because="convincing")))
    assert "Decided by olga on 2026-10-01 09:00Z: convincing" in done
    assert "could not be taken" not in done


# --- bounds -------------------------------------------------------------------------------------


def test_bounds_are_what_the_policy_allows(scoring: Scoring) -> None:
    free, penalty = "icp_size", next(rule.id for rule in scoring.rules if rule.points < -5)
    today = {rule.id: rule.points for rule in scoring.rules}
    terms = ReviewTerms(most_change=20, locked=frozenset({"icp_industry"}), keep=frozenset({free}))
    found = answers.bounds(replace(scoring, review=terms), [])
    assert found[free] == (1, 35)
    assert found["icp_industry"] == (today["icp_industry"],) * 2
    assert found[penalty] == (today[penalty] - 20, min(today[penalty] + 20, 0))
    either = replace(terms, signs={free: "either"}, bounds={penalty: (-60, -3)})
    found = answers.bounds(replace(scoring, review=either), [])
    assert found[free] == (-5, 35)
    assert found[penalty][1] == min(-3, today[penalty] + 20)


@settings(max_examples=examples(30, 300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    most=st.integers(1, 40), after=st.integers(-60, 60), low=st.integers(-60, 15), high=st.integers(15, 60)
)
def test_today_s_and_the_proposed_points_are_always_within_bounds(
    scoring: Scoring, most: int, after: int, low: int, high: int
) -> None:
    terms = ReviewTerms(most_change=most, bounds={"icp_size": (low, high)})
    found = answers.bounds(replace(scoring, review=terms), [replace(LESS, after=after), NEW])
    for rule in scoring.rules:
        assert found[rule.id][0] <= rule.points <= found[rule.id][1]
    assert found["icp_size"][0] <= after <= found["icp_size"][1]
    assert found["reseller"] == (-4 - most, 0)
