"""`policy check` finds by trying what can never happen and what happens twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane import policy

BASE = """\
attributes: {size: number, level: text, free: boolean, since: time, x: text}
lists: {bosses: [vp, ceo]}
"""


def warned(head: str, body: str) -> list[str]:
    return list(policy.check({"scoring": f"{head}{BASE}{body}\n"}).warnings)


def of_rules(head: str, *conditions: str, group: str = "fit") -> list[str]:
    rules = "".join(
        f'    - {{id: r{i}, because: b, points: {-1 if group == "negative" else 1}, when: "{condition}"}}\n'
        for i, condition in enumerate(conditions)
    )
    return warned(head, f"rules:\n  {group}:\n{rules}")


@pytest.mark.parametrize(
    "condition",
    [
        "size > 10 and size < 5",
        "size between 10 and 5",
        "level = 'vp' and level in ('ceo', 'x')",
        "in_list(level, bosses) and level = 'cto'",
        "free and not free",
        "size is null and size > 3",
        "since > '2026-01-01' and since < '2025-01-01'",
        "kind = 'sails'",
        "not (size > 5 or size <= 5 or size is null)",
        "size > 10 and (level = 'a' or free) and size < 5",
    ],
)
def test_what_no_lead_can_be(head: str, condition: str) -> None:
    (said,) = of_rules(head, condition)
    assert said == "scoring.yaml:8: r0 never fires: no lead can be all of it"


@pytest.mark.parametrize(
    "condition",
    [
        "size > 5 and size < 5.001",
        "size is null or size > 3",
        "level <> 'vp' and not in_list(level, bosses)",
        "since between '2026-01-01' and '2026-01-02'",
        "kind in ('sales', 'job')",
        "length(level) > 3 and length(level) < 2",  # never, but beyond trying
        "size / 2 > 5 and size < 5",
        "level < 'a'",
    ],
)
def test_what_some_lead_can_be_or_nobody_can_tell(head: str, condition: str) -> None:
    assert of_rules(head, condition) == []


@pytest.mark.parametrize("section", ["disqualifiers", "variants"])
def test_other_conditions_are_tried_too(head: str, section: str) -> None:
    (said,) = warned(head, f"{section}: [{{id: out, because: b, when: size > 9 and size < 3}}]")
    assert said == "scoring.yaml:6: out never fires: no lead can be all of it"
    (stage,) = warned(head, "stages: [{name: mql, because: b, when: score > 9 and score < 3}]")
    assert "mql never fires" in stage


def test_two_rules_for_one_thing_overlap(head: str) -> None:
    (said,) = of_rules(head, "size between 50 and 1000", "size between 1000 and 5000", "size > 6000")
    assert said == "scoring.yaml:9: r1 overlaps r0: both fire for size = 1000"


@pytest.mark.parametrize(
    "conditions",
    [
        ("size between 50 and 1000", "size between 1001 and 5000"),
        ("level = 'vp'", "in_list(level, bosses) and level <> 'vp'"),
        ("size > 50", "level = 'vp'"),  # two things
    ],
)
def test_what_does_not_overlap(head: str, conditions: tuple[str, str]) -> None:
    assert of_rules(head, *conditions) == []


def test_a_variants_own_rules_are_tried_where_they_stand(head: str) -> None:
    said = warned(
        head,
        "rules: {fit: [{id: a, because: b, points: 1, when: size > 3}]}\n"
        "variants:\n"
        "  - {id: v, because: b, when: free, rules: {fit: [\n"
        "      {id: n, because: b, points: 1, when: size > 3 and size < 1},\n"
        "      {id: o, because: b, points: 1, when: size > 9},\n"
        "      {id: p, because: b, points: 1, when: size > 8}]}}",
    )
    assert said == [
        "scoring.yaml:9: n never fires: no lead can be all of it",
        "scoring.yaml:11: p overlaps o: both fire for size = 10",
    ]


@settings(max_examples=examples(25, 200), deadline=None)
@given(low=st.integers(-3, 3), high=st.integers(-3, 3), closed=st.booleans())
def test_never_is_said_exactly_when_it_is_so(low: int, high: int, closed: bool) -> None:
    head = "schema: 1\nowner: revops\napprover: sales\n"
    condition = f"size >= {low} and size <= {high}" if closed else f"size > {low} and size < {high}"
    possible = low <= high if closed else low < high
    assert bool(of_rules(head, condition)) != possible
