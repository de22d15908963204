"""Scores that moved without a decision are owed too, once, and go along with what else is owed of a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.push.conftest import NOON, Desk

from clearlane import push
from clearlane.ledger import Batch

SHOWN = ("score", "band", "grade", "stage")


def owe(desk: Desk, batch: Batch, **source: Any) -> push.Owed:
    crm = replace(desk.policy.sources.sources["crm"], **source)
    sources = {**desk.policy.sources.sources, "crm": crm}
    policy = replace(desk.policy, sources=replace(desk.policy.sources, sources=sources))
    with desk.engine.begin() as connection:
        return push.owe(connection, policy, batch)


def decided(desk: Desk, run: str, rep: str = "ada") -> Batch:
    batch = desk.batch(run)
    desk.decide(batch, "crm", "7", rep)
    owe(desk, batch)
    return batch


def scored(desk: Desk, run: str, source: dict[str, Any] | None = None, **shown: Any) -> push.Owed:
    batch = desk.batch(run)
    desk.scored(batch, "crm", "7", **shown)
    return owe(desk, batch, **(source or {}))


def sent(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        connection.execute(
            sa.text("update outbox set state = 'sent', sent_at = :at where state = 'owed'"), {"at": NOON}
        )


def waiting(desk: Desk) -> list[dict[str, Any]]:
    return [row["fields"] for row in desk.outbox() if row["state"] == "owed"]


@pytest.mark.parametrize(
    ("shown", "owed"),
    [
        ({"score": 80}, 0), ({"score": 84}, 0), ({"score": 76}, 0), ({"score": 85}, 1), ({"score": 75}, 1),
        ({"band": "warm"}, 1), ({"grade": "A2"}, 1), ({"stage": "sql"}, 1),
    ],
)  # fmt: skip
def test_a_score_is_owed_when_its_band_grade_or_stage_is_another_or_it_moved_far(desk, shown, owed):
    decided(desk, "one")
    sent(desk)
    assert scored(desk, "two", **shown) == push.Owed(owed, 0)
    assert waiting(desk) == [{"score": 80, "band": "hot", "grade": "A1", "stage": "mql"} | shown] * owed


def test_policy_says_how_far_and_whether_at_all(desk):
    decided(desk, "one")
    sent(desk)
    assert scored(desk, "two", {"score_step": None}, band="warm").owed == 0
    assert scored(desk, "three", {"score_step": 20.0}, score=61).owed == 0
    assert scored(desk, "four", {"score_step": 20.0}, score=60).owed == 1


def test_the_same_score_is_owed_once(desk):
    decided(desk, "one")
    sent(desk)
    batch = desk.batch("two")
    desk.scored(batch, "crm", "7", score=60)
    assert [owe(desk, batch).owed for _ in range(2)] == [1, 0]
    sent(desk)
    assert owe(desk, batch).owed == 0


def test_small_moves_add_up(desk):
    decided(desk, "one")
    sent(desk)
    assert [scored(desk, str(score), score=score).owed for score in (82, 84, 86)] == [0, 0, 1]


def test_a_score_goes_along_with_a_decision_that_is_still_owed(desk):
    decided(desk, "one")
    assert scored(desk, "two", score=60, band="warm") == push.Owed(1, 1)
    [fields] = waiting(desk)
    assert (fields["owner"], fields["score"], fields["band"]) == ("U1", 60, "warm")
    assert [row["decision_seq"] is None for row in desk.outbox()] == [False, False]


def test_a_decision_takes_the_owed_score_along(desk):
    decided(desk, "one")
    sent(desk)
    scored(desk, "two", score=60)
    decided(desk, "three", "bob")
    assert [row["state"] for row in desk.outbox()] == ["sent", "superseded", "owed"]
    assert waiting(desk)[0]["score"] == 80, "that of the decision, which is newer"


def test_a_decision_that_is_owed_late_says_what_the_lead_scores_by_now(desk):
    decided(desk, "one")
    scored(desk, "two", score=60)
    sent(desk)
    batch = desk.batch("late")
    desk.decide(batch, "crm", "7", "bob")
    assert scored(desk, "three", score=60).owed == 0, "the source says so already"
    owe(desk, batch)
    assert waiting(desk)[0]["score"] == 60


def test_a_decision_that_is_owed_late_does_not_bring_an_old_score_back(desk):
    batch = desk.batch("late")
    desk.decide(batch, "crm", "7", "ada")
    scored(desk, "two", score=60)
    sent(desk)
    owe(desk, batch)
    [fields] = waiting(desk)
    assert (fields["owner"], fields["score"]) == ("U1", 60)


@pytest.mark.parametrize("place", ["waiting", "held", "quarantined", "closed"])
def test_what_is_not_routed_yet_or_closed_owes_no_score(desk, place):
    assert scored(desk, "one", place=place).owed == 0


def test_records_of_before_the_source_went_live_owe_a_score_only_after_a_first_write(desk):
    later = {"live_from": NOON + timedelta(days=1)}
    assert scored(desk, "one", later).owed == 0
    assert scored(desk, "two", {"live_from": NOON}).owed == 1


def test_a_shadow_run_owes_no_score(desk):
    batch = replace(desk.batch("shadow"), mode="shadow")
    desk.scored(batch, "crm", "7", score=60)
    assert owe(desk, batch).owed == 0


def test_a_refresh_owes_what_faded(desk):
    decided(desk, "one")
    sent(desk)
    scored(desk, "two", score=80)
    with desk.engine.begin() as connection:
        connection.execute(sa.text("update standing set score = 72, as_of = as_of + interval '1 day'"))
        assert push.owe_scores(connection, desk.policy, NOON) == push.Owed(1, 0)
        assert push.owe_scores(connection, desk.policy, NOON) == push.Owed(0, 0)
    assert waiting(desk) == [{"score": 72, "band": "hot", "grade": "A1", "stage": "mql"}]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), st.sampled_from(["ada", "bob"])),
        st.tuples(st.just("score"), st.integers(0, 100)),
        st.tuples(st.just("sent"), st.none()),
    ),
    max_size=8,
)


@settings(max_examples=examples(10, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_is_sent_in_order_says_the_newest_owner_and_a_score_near_the_newest(desk, steps):
    """However decisions, scores and sending alternate, one write is owed at most, and nothing newer is lost."""
    with desk.engine.begin() as connection:
        connection.execute(sa.text("truncate outbox"))
    told: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for number, (what, value) in enumerate([*steps, ("sent", None)]):
        run = f"{number} of {steps}"
        if what == "decide":
            decided(desk, run, value)
            wanted = {"owner": {"ada": "U1", "bob": "bob@vendor.example"}[value], "score": 80}
        elif what == "score":
            scored(desk, run, score=value)
            wanted |= {"score": value}
        else:
            for fields in waiting(desk):
                told |= fields
            sent(desk)
        assert len(waiting(desk)) <= 1
    assert told.get("owner") == wanted.get("owner")
    if wanted:
        assert abs(told["score"] - wanted["score"]) < 5
