"""Reviews on the command line: listed, shown, as a diff, and taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from tests.review.test_answers import LESS
from typer.testing import CliRunner

from clearlane import policy
from clearlane.cli import app
from clearlane.review import answers, register
from clearlane.review.register import Draft
from clearlane.review.rescored import scoring_text

NOW = datetime.now(UTC).replace(microsecond=0)
IDS = [UUID(int=number << 96) for number in (0x1111_1111, 0x2222_2222)]


@pytest.fixture
def clearlane(ledger_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_engine.url.render_as_string(hide_password=False))
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def approved(ledger_engine: Engine, default_texts: Mapping[str, str]) -> Engine:
    """A ledger with two reviews, the newer one approved and in force from the next midnight."""
    text = default_texts["scoring"]
    with ledger_engine.begin() as connection:
        hashes = policy.publish(connection, {"scoring": text}, by="setup", because="first")
        for number, review_id in enumerate(IDS):
            as_of = NOW - timedelta(days=90 * (1 - number), hours=1)
            draft = Draft(
                review_id=review_id, mode="live", since=as_of - timedelta(days=365), until=as_of, as_of=as_of,
                horizon_days=90, current_hash=hashes["scoring"],
                proposed_text=scoring_text(text, [LESS]) if number else None,
                report="<!doctype html><title>A page</title>", changes=[asdict(LESS)] if number else (),
                bounds={"icp_size": (10, 20)}, reasons=("One rule is worth less.",),
            )  # fmt: skip
            register.store(connection, draft)
        answers.decide(connection, str(IDS[1]), answers.Answer(answers.APPROVE, NOW, "olga"))
    return ledger_engine


def test_a_ledger_without_reviews_says_what_makes_one(clearlane: Callable[..., Any]) -> None:
    assert clearlane("review", "list").exit_code == 0
    for command in ("show", "diff"):
        told = clearlane("review", command)
        assert (told.exit_code, "run the DAG weight_review" in told.output) == (1, True)


def test_reviews_are_listed_and_shown(
    approved: Engine, clearlane: Callable[..., Any], tmp_path: Path
) -> None:
    listed = [line.split() for line in clearlane("review", "list").output.splitlines()[1:]]
    assert [(line[0], line[5]) for line in listed] == [("22222222", "approved"), ("11111111", "nothing")]
    shown = clearlane("review", "show", "--page", str(tmp_path / "page.html")).output
    assert "icp_size: 15 → 12: It wins | less often" in shown
    assert "Decided by olga" in shown
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert "'1111' is no review" in clearlane("review", "show", "1111").output
    assert json.loads(clearlane("review", "show", "11111111", "--json").output)["status"] == "nothing"


def test_the_diff_of_a_review_is_small_and_applies(
    approved: Engine, clearlane: Callable[..., Any], default_texts: Mapping[str, str]
) -> None:
    told = clearlane("review", "diff").output
    changed = [line for line in told.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["-      points: 15", "+      points: 12"]
    assert told.startswith("--- a/scoring.yaml\n+++ b/scoring.yaml\n")
    nothing = clearlane("review", "diff", "11111111")
    assert (nothing.exit_code, "changes nothing" in nothing.output) == (1, True)


def test_what_was_approved_is_taken_back(approved: Engine, clearlane: Callable[..., Any]) -> None:
    """It was to be in force from midnight on: it never is."""
    who = ("--by", "pat", "--because", "too many calls")
    told = clearlane("policy", "rollback", *who)
    assert told.exit_code == 0, told.output
    assert "in force again from" in told.output
    assert "rolled back" in clearlane("review", "list").output
    with approved.connect() as connection:
        first = policy.in_force(connection, None)
        assert policy.in_force(connection, NOW + timedelta(days=2)) == first
    again = clearlane("policy", "rollback", *who)
    assert (again.exit_code, "there is none before it" in again.output) == (1, True)
