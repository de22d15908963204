"""Reviews in the ledger: made again until decided, decided once, published by a person's yes alone, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.review.conftest import edited

from clearlane import policy
from clearlane.review import register
from clearlane.review.register import Decision, Draft, NotPossible

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)
TOMORROW = NOW + DAY
ICP = 'when: "employees between 50 and 1000"\n      points: 15'
ID = UUID(int=7 << 96)


@pytest.fixture
def better(default_texts: Mapping[str, str]) -> str:
    return edited(default_texts, "scoring", ICP, ICP[:-2] + "12")["scoring"]


@pytest.fixture
def draft(default_texts: Mapping[str, str], better: str) -> Draft:
    return Draft(
        review_id=ID, mode="live", since=NOW - 365 * DAY, until=NOW, as_of=NOW, horizon_days=90,
        current_hash=policy.hashes(default_texts)["scoring"], proposed_text=better, report="<!doctype html>",
        changes=({"rule": "icp_size", "before": 15, "after": 12},), bounds={"icp_size": (10, 20)},
        figures={"promise": {"won": {"value": 0.1, "low": 0.05, "high": 0.15}}}, reasons=("One rule is worth less.",),
    )  # fmt: skip


def approval(text: str, **more: object) -> Decision:
    said = {"status": "approved", "at": NOW + timedelta(hours=2), "because": "convincing", "by": "olga"}
    return Decision(**{**said, "text": text, "in_force_from": TOMORROW, **more})  # type: ignore[arg-type]


def scoring_at(connection: Connection, at: datetime) -> str:
    return policy.in_force(connection, at)["scoring"]


def owed(connection: Connection) -> int:
    return int(connection.execute(sa.text("select count(*) from mail where kind = 'publish'")).scalar_one())


def test_a_review_comes_back_as_it_was_stored(undecided: Connection, draft: Draft) -> None:
    stored = register.store(undecided, draft)
    assert stored.status == "proposed"
    assert stored.bounds == {"icp_size": [10, 20]}
    kept = {name: getattr(stored, name) for name in Draft.__dataclass_fields__}
    assert Draft(**{**kept, "bounds": draft.bounds}) == draft
    assert register.review_of(undecided, str(ID)[:8]) == stored


def test_a_review_without_a_proposal_proposes_nothing(undecided: Connection, draft: Draft) -> None:
    stored = register.store(undecided, replace(draft, proposed_text=None, changes=()))
    assert stored.status == "nothing"
    with pytest.raises(NotPossible, match="proposes nothing: run it anew"):
        register.decide(undecided, ID, approval("schema: 1\n"))


def test_storing_alone_publishes_nothing(undecided: Connection, draft: Draft) -> None:
    register.store(undecided, draft)
    assert scoring_at(undecided, NOW + 365 * DAY) == draft.current_hash
    assert owed(undecided) == 0


def test_a_run_that_is_made_again_replaces_what_it_found(undecided: Connection, draft: Draft) -> None:
    register.store(undecided, draft)
    register.refused(undecided, ID, "no such rule")
    again = register.store(undecided, replace(draft, proposed_text=None))
    assert (again.status, again.refusal) == ("nothing", None)
    assert register.listed(undecided) == [again]


def test_a_yes_is_in_force_from_its_moment_and_owes_the_mails(
    undecided: Connection, draft: Draft, better: str
) -> None:
    register.store(undecided, draft)
    done = register.decide(undecided, ID, approval(better))
    assert (done.status, done.decided_by, done.because) == ("approved", "olga", "convincing")
    assert done.published_hash == policy.hashes({"scoring": better})["scoring"]
    assert scoring_at(undecided, TOMORROW - timedelta(seconds=1)) == draft.current_hash
    assert scoring_at(undecided, TOMORROW) == done.published_hash
    said = "select by, because from policy_in_force where hash = :hash"
    assert undecided.execute(sa.text(said), {"hash": done.published_hash}).all() == [("olga", "convincing")]
    assert owed(undecided) >= 1


def test_the_same_yes_twice_is_one_and_another_is_refused(
    undecided: Connection, draft: Draft, better: str
) -> None:
    register.store(undecided, draft)
    done = register.decide(undecided, ID, approval(better))
    mails = owed(undecided)
    assert register.decide(undecided, ID, approval(better)) == done
    assert owed(undecided) == mails
    with pytest.raises(NotPossible, match="was approved by olga on 2026-10-01"):
        register.decide(undecided, ID, Decision("rejected", NOW + DAY, "second thoughts", "pat"))
    assert register.store(undecided, replace(draft, proposed_text=None)) == done


@pytest.mark.parametrize(("status", "by"), [("rejected", "olga"), ("timed_out", None)])
def test_a_no_and_no_answer_change_nothing(
    undecided: Connection, draft: Draft, status: str, by: str | None
) -> None:
    register.store(undecided, draft)
    done = register.decide(undecided, ID, Decision(status, NOW, "not now", by))  # type: ignore[arg-type]
    assert (done.status, done.decided_by, done.published_hash) == (status, by, None)
    assert scoring_at(undecided, NOW + 365 * DAY) == draft.current_hash
    assert owed(undecided) == 0


def test_who_was_too_late_may_still_say_yes(undecided: Connection, draft: Draft, better: str) -> None:
    register.store(undecided, draft)
    register.decide(undecided, ID, Decision("timed_out", NOW, "nobody answered"))
    assert register.decide(undecided, ID, approval(better)).status == "approved"


def test_a_shadow_is_never_decided(undecided: Connection, draft: Draft, better: str) -> None:
    register.store(undecided, replace(draft, mode="shadow"))
    with pytest.raises(NotPossible, match="a report"):
        register.decide(undecided, ID, approval(better))


@pytest.mark.parametrize("from_day", [0, 30])
def test_what_was_published_meanwhile_is_not_overwritten(
    undecided: Connection, draft: Draft, default_texts: Mapping[str, str], better: str, from_day: int
) -> None:
    register.store(undecided, draft)
    other = {"scoring": edited(default_texts, "scoring", ICP, ICP[:-2] + "14")["scoring"]}
    policy.publish(undecided, other, by="pat", because="own idea", in_force_from=NOW + from_day * DAY)
    with pytest.raises(NotPossible, match="not the one that was judged"):
        register.decide(undecided, ID, approval(better))
    assert register.review_of(undecided, ID).status == "proposed"


def test_a_text_that_is_no_policy_is_refused(undecided: Connection, draft: Draft) -> None:
    register.store(undecided, draft)
    with pytest.raises(policy.PolicyErrors):
        register.decide(undecided, ID, approval("schema: 1\nrules: {}\n"))


def test_points_as_they_are_are_no_yes(
    undecided: Connection, draft: Draft, default_texts: Mapping[str, str]
) -> None:
    register.store(undecided, draft)
    with pytest.raises(NotPossible, match="those in force"):
        register.decide(undecided, ID, approval(default_texts["scoring"]))


def test_what_was_published_is_taken_back_and_the_review_says_so(
    undecided: Connection, draft: Draft, better: str
) -> None:
    register.store(undecided, draft)
    approved = register.decide(undecided, ID, approval(better))
    mails = owed(undecided)
    back = {"by": "pat", "because": "too many calls", "in_force_from": NOW + 3 * DAY, "at": NOW + 3 * DAY}
    undone, told = register.take_back(undecided, **back)  # type: ignore[arg-type]
    assert undone.versions == (approved.published_hash,)
    assert scoring_at(undecided, NOW + 2 * DAY) == approved.published_hash
    assert scoring_at(undecided, NOW + 3 * DAY) == draft.current_hash
    assert register.review_of(undecided, ID).status == "rolled_back"
    assert told == owed(undecided) - mails >= 1
    with pytest.raises(LookupError, match="first version"):
        register.take_back(undecided, **back)  # type: ignore[arg-type]


def test_the_promise_of_the_last_proposal_in_force_is_found(
    undecided: Connection, draft: Draft, better: str
) -> None:
    earlier = replace(draft, review_id=UUID(int=6 << 96), as_of=NOW - 90 * DAY)
    register.store(undecided, earlier)
    register.store(undecided, draft)
    register.store(undecided, replace(draft, review_id=UUID(int=5 << 96), mode="shadow", as_of=NOW + DAY))
    register.decide(undecided, earlier.review_id, approval(better))
    later = NOW + 90 * DAY
    latest, kept = register.latest(undecided, later), register.latest(undecided, later, published=True)
    assert latest is not None
    assert kept is not None
    assert (latest.review_id, kept.review_id) == (ID, earlier.review_id)
    assert kept.figures == draft.figures
    assert register.latest(undecided, earlier.as_of) is None


@pytest.mark.parametrize("named", ["0000", "ffffffff", "%", ""])
def test_what_names_no_review_is_named(undecided: Connection, draft: Draft, named: str) -> None:
    register.store(undecided, draft)
    with pytest.raises(NotPossible, match="no review"):
        register.review_of(undecided, named)
