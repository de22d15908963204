"""Values of a policy file changed in its text: what is not named stays as it was, to the letter."""

from __future__ import annotations

import difflib

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from clearlane.policy.document import read
from clearlane.policy.editing import Edits, NotThere, edited

TEXT = """# our points
rules:
  fit:   # who they are
    - id: size   # the best one
      because: "Größe: 50 to 1,000 – ours"
      points: 15   # since March
    # leaders
    - id: buyer
      points: 12
      when: >
        seniority = 'vp'

    - {id: near, points: 7}   # near it

  # what they do
  engagement:
    - id: price
      points: 8
      half_life: 7 days
  negative: []
flow: [{id: a}, {id: b}, {id: c}]
"""


def test_a_value_changes_and_its_comment_stays() -> None:
    new = edited(TEXT, Edits({("rules", "fit", 0, "points"): 18, ("rules", "fit", 2, "points"): 5.5}))
    assert _changed(new) == [
        "-      points: 15   # since March",
        "+      points: 18   # since March",
        "-    - {id: near, points: 7}   # near it",
        "+    - {id: near, points: 5.5}   # near it",
    ]


def test_a_missing_value_is_added_to_its_mapping() -> None:
    new = edited(TEXT, Edits({("rules", "engagement", 0, "cap"): 24, ("rules", "fit", 2, "cap"): 9}))
    assert _changed(new) == [
        "-    - {id: near, points: 7}   # near it",
        "+    - {id: near, points: 7, cap: 9}   # near it",
        "+      cap: 24",
    ]


def test_an_entry_goes_with_its_lines_and_the_comments_between_stay() -> None:
    new = edited(TEXT, Edits(removed=frozenset({("rules", "fit", 0), ("rules", "fit", 1)})))
    assert _data(new)["rules"]["fit"] == [{"id": "near", "points": 7}]
    assert "# leaders" in new
    assert "Größe" not in new


def test_a_list_that_loses_all_its_entries_is_written_as_empty() -> None:
    new = edited(TEXT, Edits(removed=frozenset({("rules", "engagement", 0)})))
    assert _data(new)["rules"]["engagement"] == []
    assert "+  engagement: []" in _changed(new)


@pytest.mark.parametrize("gone", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}])
def test_entries_of_a_list_on_one_line_go(gone: set[int]) -> None:
    new = edited(TEXT, Edits(removed=frozenset(("flow", index) for index in gone)))
    assert [one["id"] for one in _data(new)["flow"]] == [n for i, n in enumerate("abc") if i not in gone]


@pytest.mark.parametrize(
    "path", [("rules", "fit"), ("rules", "engagement"), ("rules", "negative"), ("rules", "new"), ("flow",)]
)
def test_entries_are_added_to_the_end_of_a_list(path: tuple[str, ...]) -> None:
    entry = {"id": "new", "because": 'a "b": #c', "points": -3, "activity": ["x", "y z"]}
    new = edited(TEXT, Edits(added={path: [entry]}))
    found: object = _data(new)
    for part in path:
        found = found[part]  # type: ignore[index]
    assert found[-1] == entry  # type: ignore[index]
    assert not [line for line in _changed(new) if line.startswith("-")] or path in {
        ("flow",),
        ("rules", "negative"),
    }


def test_an_entry_may_take_the_place_of_all_that_go() -> None:
    edits = Edits(
        removed=frozenset({("rules", "engagement", 0)}), added={("rules", "engagement"): [{"id": "x"}]}
    )
    assert _data(edited(TEXT, edits))["rules"]["engagement"] == [{"id": "x"}]


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(NotThere, match=r"rules\.fit\[7\] is not in the file"):
        edited(TEXT, Edits({("rules", "fit", 7, "points"): 1}))


@given(st.text(st.characters(codec="utf-8"), max_size=30))
@example("0E0")
@example("\x00\x1f\x7f\x80 \x85 \x9f \u2028 \u2029 \ufeff\ufffe\uffff😀")
def test_any_text_is_read_back_as_it_was_written(written: str) -> None:
    new = edited(TEXT, Edits({("rules", "fit", 0, "because"): written}))
    assert _data(new)["rules"]["fit"][0]["because"] == written


def test_the_default_scoring_file_keeps_all_other_lines(texts: dict[str, str]) -> None:
    text = texts["scoring"]
    data = read("scoring", text).data
    points = {
        ("rules", group, i, "points"): rule["points"] + 1
        for group, rules in data["rules"].items()  # type: ignore[index, call-overload]
        for i, rule in enumerate(rules)
    }
    new = edited(text, Edits(points))
    changed = [line for line in difflib.ndiff(text.splitlines(), new.splitlines()) if line[0] in "-+"]
    assert len(changed) == 2 * len(points)
    assert all("points:" in line for line in changed)


def _data(text: str) -> dict:  # type: ignore[type-arg]
    document = read("scoring", text)
    assert document.problems == []
    assert isinstance(document.data, dict)
    return document.data


def _changed(new: str) -> list[str]:
    lines = difflib.unified_diff(TEXT.splitlines(), new.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:1] in "-+" and line[:3] not in ("---", "+++")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: text\n", {"type": "text", "checks": [{"max_length": 5}]}),
        ("a: {type: text}  # why\n", {"type": "text", "checks": [{"max_length": 5}]}),
        ("a: {type: text, checks: []}\n", {"type": "text", "checks": [{"max_length": 5}]}),
        ("a: {type: text, checks: [email]}\n", {"type": "text", "checks": ["email", {"max_length": 5}]}),
        ("a:\n  type: text\n  checks: [email]\n", {"type": "text", "checks": ["email", {"max_length": 5}]}),
    ],
)
def test_checks_are_added_to_a_field_however_it_is_written(before: str, after: dict[str, object]) -> None:
    entry = {"max_length": 5}
    if before == "a: text\n":
        edits = Edits(values={("a",): {"type": "text", "checks": [entry]}})
    else:
        edits = Edits(added={("a", "checks"): [entry]})
    written = edited(before, edits)
    assert yaml.safe_load(written) == {"a": after}
    assert ("# why" in written) == ("# why" in before)


@pytest.mark.parametrize("value", [True, False, 5_000_000, 12_345_678, 0, -7, 2.5])
def test_numbers_and_truths_are_read_back_as_they_were(value: float) -> None:
    assert yaml.safe_load(edited("a: 1\n", Edits(values={("a",): value}))) == {"a": value}
