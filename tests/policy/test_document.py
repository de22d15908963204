"""YAML that remembers its lines and reads words as their author meant them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.policy.document import read


def test_words_are_texts_unless_they_are_true_false_or_numbers() -> None:
    document = read("scoring", "a: [NO, off, 09:30, 1_000, 2026-01-31, 0x1f, 1, 1.5, true, null, '1', =]")
    assert document.data == {
        "a": ["NO", "off", "09:30", "1_000", "2026-01-31", "0x1f", 1, 1.5, True, None, "1", "="]
    }


def test_every_path_knows_its_line() -> None:
    document = read("teams", "a:\n  - x: 1\n    y:\n      z: 2\nb: 3\n")
    assert document.lines[("a", 0, "x")] == 2
    assert document.lines[("a", 0, "y", "z")] == 4
    assert document.line(("a", 0, "y", "missing", 7)) == 3
    assert document.line(("b",)) == 5


def test_a_repeated_key_is_reported_where_it_is_repeated() -> None:
    document = read("sla", "a: 1\nb: 2\na: 3\n")
    assert [(problem.line, problem.path) for problem in document.problems] == [(3, "a")]
    assert document.data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1, 2\nb: 3\n", 2, "one readable YAML document"),
        ("a: 1\n---\nb: 2\n", 2, "one readable YAML document"),
        ("a: &x [1]\nb: *x\n", 2, "aliases are not read"),
        ("a:\n\t- 1\n", 2, "one readable YAML document"),
        ("a: \x00\n", 1, "one readable YAML document"),
    ],
)
def test_what_cannot_be_read_is_one_problem_with_its_line(text: str, line: int, said: str) -> None:
    document = read("scoring", text)
    assert document.data is None
    assert [problem.line for problem in document.problems] == [line]
    assert said in str(document.problems[0])


def test_aliases_cannot_unfold_without_bound() -> None:
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert len(read("scoring", laughs).problems) == 1


def test_deep_nesting_is_refused_not_followed() -> None:
    document = read("scoring", "[" * 20_000 + "]" * 20_000)
    assert "at most 32 levels" in str(document.problems[0])


@given(st.text(max_size=200))
def test_any_text_is_read_or_reported(text: str) -> None:
    document = read("scoring", text)
    assert document.data is None or not [p for p in document.problems if "readable" in p.allowed]


def test_what_one_reader_reports_no_other_reader_sees():
    first = read("scoring", "a: 1\na: 2\n")
    first.report(("a",), "one", "another")
    again = read("scoring", "a: 1\na: 2\n")
    assert (len(first.problems), len(again.problems)) == (2, 1)
    assert again.lines == first.lines
