"""New points by a person's yes, then the old ones again: each lead is told of by the version it met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from tests.companies import WINDOWS
from tests.e2e.rivers import River
from tests.review.test_answers import LESS

from clearlane import explain, policy, replay
from clearlane.ledger import ids
from clearlane.review import answers, register
from clearlane.review.register import Draft
from clearlane.review.rescored import scoring_text

SIDES = [end for _, end in WINDOWS]
"""moments of the runs: before the new points, under them, and after they were taken back"""


def decide(connection: sa.Connection, at: datetime) -> register.Review:
    """A review that proposes fewer points, and somebody's yes to it."""
    versions = policy.in_force(connection, at)
    text = policy.contents(connection, {"scoring": versions["scoring"]})["scoring"]
    draft = Draft(
        review_id=ids.batch_id("weight_review", "quarter"), mode="live", since=WINDOWS[0][0], until=at, as_of=at,
        horizon_days=90, current_hash=versions["scoring"], proposed_text=scoring_text(text, [LESS]),
        report="<!doctype html>", changes=[asdict(LESS)], bounds={"icp_size": (10, 20)}, reasons=("One rule changes.",),
    )  # fmt: skip
    stored = register.store(connection, draft)
    said = answers.Answer(answers.APPROVE, at, "olga", in_force_from=WINDOWS[1][1].isoformat())
    return answers.decide(connection, str(stored.review_id), said)


def decisions(connection: sa.Connection, at: datetime) -> list[sa.Row[Any]]:
    query = """
        select d.decision_seq, d.lead_id, d.policy ->> 'scoring' as scoring, s.contributions ? 'icp_size' as fired
        from decision d join score s using (score_id) where d.as_of = :at and d.mode = 'live' order by 1
    """
    return list(connection.execute(sa.text(query), {"at": at}).all())


def test_each_lead_is_told_of_by_the_points_it_met(first_day: str, new_river: Callable[..., River]) -> None:
    river = new_river("points", first_day)
    with river.engine.begin() as connection:
        new = decide(connection, SIDES[0])
    river.run(WINDOWS[1])
    with river.engine.begin() as connection:
        said = {"by": "pat", "because": "too many calls", "in_force_from": SIDES[2], "at": SIDES[1]}
        register.take_back(connection, **said)
    river.run(WINDOWS[2])
    expected = [new.current_hash, new.published_hash, new.current_hash]
    with river.engine.connect() as connection:
        for at, version in zip(SIDES, expected, strict=True):
            made = decisions(connection, at)
            assert {one.scoring for one in made} == {version}
            again = replay.replays(connection, [one.decision_seq for one in made])
            assert [one.differences for one in again if not one.identical] == []
            one = next(one for one in made if one.fired)
            assert replay.replay(connection, one.decision_seq).scoring == version
            told = explain.story(connection, str(one.lead_id))
            routed = next(section for section in told.sections if section.title == "Routed")
            assert any(f"scoring.yaml {version[:12]}" in line.text for line in routed.lines)
