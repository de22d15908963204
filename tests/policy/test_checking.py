"""`policy check` runs the expectations through the model."""

from __future__ import annotations

import pytest

from clearlane import policy

NOW, EARLIER = "[{type: visit, days_ago: 1}]", "[{type: visit, days_ago: 9}]"
TWICE = "[{type: visit, days_ago: 1, times: 2}]"
MODEL = """\
attributes: {size: number}
hand_raises: {activities: [demo]}
rules:
  fit: [{id: big, because: Big, points: 20, when: size > 10}]
  engagement: [{id: visit, because: Came, points: 10, activity: visit, half_life: 7 days}]
bands: [{name: hot, enter: 20}, {name: cold, enter: 0}]
stages: [{name: mql, because: Hot, when: band = 'hot'}]
expect:
"""


def broken(head: str, expectation: str) -> list[str]:
    report = policy.check({"scoring": f"{head}{MODEL}  - {expectation}\n"})
    return [str(error) for error in report.errors]


@pytest.mark.parametrize(
    "kept",
    [
        "{because: b, better: {lead: {size: 20}}, worse: {lead: {size: 5}}}",
        f"{{because: b, better: {{activities: {NOW}}}, worse: {{activities: {EARLIER}}}}}",
        f"{{because: b, better: {{activities: {TWICE}}}, worse: {{activities: {NOW}}}}}",
        "{because: b, better: {lead: {size: 5}}, never: [mql]}",
    ],
)  # fmt: skip
def test_an_expectation_that_is_kept(head: str, kept: str) -> None:
    assert broken(head, kept) == []


def test_an_expectation_that_is_not_kept_says_what_was_found(head: str) -> None:
    (said,) = broken(head, "{because: Small is good, better: {lead: {size: 5}}, worse: {lead: {size: 20}}}")
    assert said.startswith("scoring.yaml:12: expect[0]: found 1 for the better lead, 20 for the worse")
    assert said.endswith("Small is good")


def test_equal_is_not_better(head: str) -> None:
    assert broken(head, "{because: b, better: {lead: {size: 20}}, worse: {lead: {size: 30}}}")


def test_a_stage_that_must_never_be(head: str) -> None:
    (said,) = broken(head, "{because: b, better: {lead: {size: 20}}, never: [mql]}")
    assert "found the stage mql; never mql" in said


def test_errors_of_the_author_are_reported_not_raised(head: str) -> None:
    report = policy.check({"scoring": head + "rulez: {}\n"})
    assert len(report.errors) == 1
    assert report.warnings == ()
