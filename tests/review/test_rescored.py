"""A proposal written into the text of scoring.yaml: only what it names differs, and the file stays a good policy."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane import policy
from clearlane.review.cases import Change, Interval
from clearlane.review.rescored import NotARule, diff, scoring_text

TEXTS = dict(policy.texts(Path(__file__).resolve().parents[2] / "include" / "policy"))
TEXT = TEXTS["scoring"]
RULES = {rule.id: rule for rule in policy.parse(TEXTS).scoring.rules}


def change(rule: str, after: int, before: int | None = None, **more: object) -> Change:
    known = RULES.get(rule)
    start = int(known.points) if known and before is None else before or 0
    half = Interval(0.1, 0.05, 0.2)
    found = Change(
        rule,
        known.group if known else "fit",
        start,
        after,
        Interval(after, after - 2, after + 2),
        500,
        half,
        half,
        "because",
    )
    return replace(found, **more)  # type: ignore[arg-type]


def test_points_change_and_the_cap_in_the_same_ratio() -> None:
    new = scoring_text(TEXT, [change("pricing_page", 12), change("icp_size", 18)])
    lines = [line for line in difflib.ndiff(TEXT.splitlines(), new.splitlines()) if line[0] in "-+"]
    rules = {rule.id: rule for rule in policy.parse({**TEXTS, "scoring": new}).scoring.rules}
    assert (rules["pricing_page"].points, rules["pricing_page"].cap) == (12, 36)
    assert (rules["icp_size"].points, rules["icp_size"].cap) == (18, None)
    assert len(lines) == 6, "points of two, the cap of one"


def test_a_rule_without_points_goes_and_a_new_one_comes_last_in_its_group() -> None:
    added = change("finance", 6, 0, when="industry = 'finance'", reason="Wins twice as often")
    new = scoring_text(TEXT, [change("core_market", 0), added])
    rules = {rule.id: rule for rule in policy.parse({**TEXTS, "scoring": new}).scoring.rules}
    assert "core_market" not in rules
    assert rules["finance"].because == "Wins twice as often"
    assert [rule.id for rule in rules.values() if rule.group == "fit"][-1] == "finance"


def test_a_new_rule_may_count_an_activity() -> None:
    more = {"group": "engagement", "activity": "chat_started", "half_life_days": 7.0}
    new = scoring_text(TEXT, [change("chat_started", -4, 0, **more)])
    rules = {rule.id: rule for rule in policy.parse({**TEXTS, "scoring": new}).scoring.rules}
    found = rules["chat_started"]
    assert found.activity is not None
    assert (found.activity.types, found.activity.half_life_days) == (("chat_started",), 7)
    assert (found.points, found.cap) == (-4, 4)


@pytest.mark.parametrize(("cap", "becomes"), [(24, 24), (2, 6)])
def test_a_rule_that_the_file_holds_without_points_gets_them(cap: int, becomes: int) -> None:
    """The change tells no condition and no activity: it is no new rule, and its cap stays where it has room."""
    written = "points: 8\n      half_life: 7 days\n      cap: 24\n"
    assert TEXT.count(written) == 1, "of pricing_page"
    silent = TEXT.replace(written, f"points: 0\n      half_life: 7 days\n      cap: {cap}\n")
    new = scoring_text(silent, [change("pricing_page", 6, 0)])
    found = {one.id: one for one in policy.parse({**TEXTS, "scoring": new}).scoring.rules}["pricing_page"]
    assert found == replace(RULES["pricing_page"], points=6, cap=becomes)
    assert diff(silent, new).count("\n+ ") == 1 + (cap != becomes)


def test_a_half_life_changes_alone() -> None:
    new = scoring_text(TEXT, [change("webinar", 10, half_life_days=45.0)])
    assert "+      half_life: 45 days" in diff(TEXT, new)
    assert diff(TEXT, new).count("\n+ ") == 1


@pytest.mark.parametrize("wrong", [change("nobody", 3, 5), change("icp_size", 3, 0, when="employees > 1")])
def test_a_change_of_a_rule_that_is_not_there_is_refused(wrong: Change) -> None:
    with pytest.raises(NotARule, match=wrong.rule):
        scoring_text(TEXT, [wrong])


@settings(max_examples=examples(12, 150), deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(RULES)), st.integers(0, 30), max_size=8))
def test_the_new_text_holds_the_new_points_and_nothing_else_differs(points: dict[str, int]) -> None:
    signed = {rule: -n if RULES[rule].points < 0 else n for rule, n in points.items()}
    new = policy.parse(
        {**TEXTS, "scoring": scoring_text(TEXT, [change(r, n) for r, n in signed.items()])}
    ).scoring
    found = {rule.id: rule.points for rule in new.rules}
    assert found == {rule: n for rule, n in {**_points(), **signed}.items() if n}
    assert replace(new, rules=()) == replace(policy.parse(TEXTS).scoring, rules=())


def test_no_change_leaves_the_text_to_the_letter() -> None:
    assert scoring_text(TEXT, []) == TEXT
    assert diff(TEXT, TEXT) == ""


def _points() -> dict[str, float]:
    return {rule.id: rule.points for rule in RULES.values()}
