"""What scoring.yaml may say beside plain rules: bounds, measures, roll-ups, recycling, variants, and warnings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clearlane import policy
from clearlane.policy.model import Measure, Recycling, ReviewTerms, Rollup, Scoring

BASE = """\
attributes: {size: number, phone: text}
protected: [age]
activity_attributes: {minutes: number}
measures:
  lately: {because: Came lately, activity: visit, count: days, within: 2 weeks}
rules:
  fit: [{id: big, because: Big, points: 20, when: size > 10}]
  engagement: [{id: came, because: Came, points: 5, activity: visit}]
bands: [{name: hot, enter: 20}, {name: cold, enter: 0}]
stages: [{name: mql, because: Hot, when: band = 'hot'}]
"""


def loaded(head: str, body: str = "") -> Scoring:
    return policy.parse({"scoring": f"{head}{BASE}{body}\n"}).scoring


def said(head: str, body: str, base: str = BASE) -> str:
    with pytest.raises(policy.PolicyErrors) as caught:
        policy.parse({"scoring": f"{head}{base}{body}\n"})
    return "\n".join(map(str, caught.value.errors))


def warned(head: str, body: str) -> str:
    return "\n".join(policy.parse({"scoring": f"{head}{body}\n"}).warnings)


# --- bounds, measures, roll-ups, recycling ------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "cap", "bounds", "limits"),
    [
        ("24", 24, None, (-24, 24)),
        ("[-5, 24]", None, (-5, 24), (-5, 24)),
        ("[-6, 6]", 6, None, (-6, 6)),
        ("[0, 12.5]", None, (0, 12.5), (0, 12.5)),
    ],
)  # fmt: skip
def test_a_cap_is_one_number_or_two(
    head: str, written: str, cap: float, bounds: object, limits: object
) -> None:
    text = f"{head}rules: {{fit: [{{id: a, because: b, points: 1, when: 'true', cap: {written}}}]}}\n"
    (rule,) = policy.parse({"scoring": text}).scoring.rules
    assert (rule.cap, rule.bounds, rule.limits) == (cap, bounds, limits)


@pytest.mark.parametrize("written", ["[5, 24]", "[24, -5]", "[1]", "[a, b]", "-1", "true", "{low: 1}"])
def test_a_cap_that_makes_no_sense(head: str, written: str) -> None:
    body = f"rules: {{fit: [{{id: a, because: b, points: 1, when: 'true', cap: {written}}}]}}"
    assert "scoring.yaml:4: rules.fit[0].cap" in said(head, body, "")
    assert "[-5, 24] with 0 between them" in said(head, body, "")


def test_measures_are_numbers_of_conditions(head: str) -> None:
    scoring = loaded(head)
    (measure,) = scoring.measures
    assert measure == Measure("lately", "Came lately", ("visit",), None, "days", 14)
    asks = "disqualifiers: [{id: d, because: b, when: lately > 9}]"
    assert loaded(head, asks).disqualifiers[0].when.columns == {"lately"}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("measures: {size: {because: b, activity: x}}", "measures.size: found the measure size; another name"),
        ("measures: {score: {because: b, activity: x}}", "the measure score; another name: this column is built in"),
        ("measures: {account_sum: {because: b, activity: x}}", "the measure account_sum; another name"),
        ("measures: {m: {because: b, activity: []}}", "measures.m.activity: found []; one type of activity or more"),
        ("measures: {m: {because: b, activity: x, within: 36 hours}}", "whole days such as '7 days'"),
        ("measures: {m: {because: b, activity: x, count: day}}", "did you mean days?"),
        ("measures: {m: {because: b, activity: x, activity_when: minute > 1}}", "measures.m.activity_when"),
        ("measures: {m: {because: b, activity: x, activity_when: age = 'x'}}", "the protected column age"),
        ("measures: {m: {becuase: b, activity: x}}", "did you mean because?"),
    ],
)  # fmt: skip
def test_measures_that_make_no_sense(head: str, body: str, wrong: str) -> None:
    base = "attributes: {size: number}\nprotected: [age]\nactivity_attributes: {minutes: number}\n"
    assert wrong in said(head, body, base)
    assert "scoring.yaml:7" in said(head, body, base)


def test_kinds_are_decided_before_anything_is_measured(head: str) -> None:
    assert "kinds[0].when" in said(head, "kinds: [{id: k, kind: job, because: b, when: lately > 3}]")


@pytest.mark.parametrize("name", ["account_best", "own", "band_before", "lead_id"])
def test_names_that_the_score_itself_uses(head: str, name: str) -> None:
    assert f"the attribute {name}; another name" in said(head, f"attributes: {{{name}: number}}", "")


def test_what_people_can_change_are_attributes(head: str) -> None:
    assert loaded(head, "changeable: [phone, size]").changeable == {"phone", "size"}
    assert (
        "changeable[1]: found the attribute sise; a name declared under attributes; did you mean size?"
        in said(head, "changeable: [phone, sise]")
    )


def test_people_of_an_account(head: str) -> None:
    assert loaded(head).rollup == Rollup(10, 30)
    scoring = loaded(head, "rollup: {engaged_at: 5, half_life: 2 weeks}")
    assert scoring.rollup == Rollup(5, 14)
    asks = "disqualifiers: [{id: d, because: b, when: account_engaged > 9 and account_sum < 1}]"
    assert loaded(head, asks).disqualifiers
    assert "routing.yaml:4" in str(_routing_error(head, "account_best > 3"))


def _routing_error(head: str, when: str) -> policy.PolicyErrors:
    with pytest.raises(policy.PolicyErrors) as caught:
        policy.parse({"routing": f"{head}rules: [{{id: r, because: b, when: {when}, send_to: [hold]}}]\n"})
    return caught.value


def test_recycling_is_read_whole(head: str) -> None:
    body = "recycling: {outcomes: [rejected, lost], cooldown: {no answer: 30 days, '*': 12 hours}, engagement: 0.5}"
    assert loaded(head, body).recycling == Recycling(
        ("rejected", "lost"), {"no answer": timedelta(days=30), "*": timedelta(hours=12)}, 0.5, 3
    )


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("{outcomes: [rejected]}", "recycling.cooldown: found no `cooldown`"),
        ("{cooldown: {no answer: 30 days}}", "recycling.outcomes: found no `outcomes`"),
        ("{outcomes: [rejectd], cooldown: {'*': 1 day}}", "did you mean rejected?"),
        ("{outcomes: [lost], cooldown: {'*': soon}}", "a length of time such as"),
        ("{outcomes: [lost], cooldown: {'*': 1 day}, engagement: 1.5}", "recycling.engagement: found 1.5"),
        ("{outcomes: [lost], cooldown: {'*': 1 day}, cycles: 0}", "recycling.cycles: found 0"),
    ],
)
def test_recycling_that_makes_no_sense(head: str, body: str, wrong: str) -> None:
    assert wrong in said(head, f"recycling: {body}")


def test_what_the_review_may_propose_is_read_whole(head: str) -> None:
    assert loaded(head).review == ReviewTerms()
    body = (
        "review: {most_change: 3, changes: 2, budget: 5, new_rules: 0, level: 0.02, least_positives: 100, "
        "locked: [big], keep: [came], signs: {came: either}, bounds: {big: [10, 30]}}"
    )
    names = (frozenset({"big"}), frozenset({"came"}))
    terms = ReviewTerms(3, 2, 5, 0, 0.02, 100, *names, {"came": "either"}, {"big": (10, 30)})
    scoring = loaded(head, f"{body}\nvariants: [{{id: own, because: Own, when: size > 99}}]")
    assert [model.review for model in scoring.models] == [terms, terms]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("{locked: [bigg]}", "review.locked[0]: found the rule bigg; a rule of this file; did you mean big?"),
        ("{keep: [nobody]}", "review.keep[0]: found the rule nobody"),
        ("{signs: {big: minus}}", "review.signs.big: found minus, where the rule has 20 points"),
        ("{signs: {big: upward}}", "review.signs.big"),
        ("{bounds: {big: [30, 10]}}", "the least and the most points"),
        ("{bounds: {big: [30]}}", "the least and the most points"),
        ("{bounds: {big: [0, 10]}}", "bounds that hold today's points, 20"),
        ("{most_change: 0}", "review.most_change: found 0"),
        ("{level: 0.5}", "review.level: found 0.5"),
    ],
)
def test_limits_of_the_review_that_make_no_sense(head: str, body: str, wrong: str) -> None:
    assert wrong in said(head, f"review: {body}")


# --- variants -------------------------------------------------------------------------------------


def test_a_variant_says_what_differs(head: str) -> None:
    scoring = loaded(
        head,
        "variants:\n"
        "  - {id: large, because: Big deals, when: size > 1000, range: [0, 200], groups: {fit: [0, 90]},\n"
        "     rules: {fit: [{id: huge, because: Huge, points: 60, when: size > 5000}]}}\n"
        "  - {id: plain, because: No, when: size < 3, rules: {engagement: []}, stages: [],\n"
        "     bands: [{name: hot, enter: 90}, {name: cold, enter: 0}], grades: {fit: [9, 6, 3]}}",
    )
    large, plain = (variant.scoring for variant in scoring.variants)
    assert [variant.id for variant in scoring.variants] == ["large", "plain"]
    assert [rule.id for rule in large.rules] == ["huge", "came"]
    assert (large.range, large.group_bounds["fit"], large.group_bounds["engagement"]) == (
        (0, 200),
        (0, 90),
        (0, 50),
    )
    assert (large.bands, large.stages, large.grades) == (scoring.bands, scoring.stages, scoring.grades)
    assert [rule.id for rule in plain.rules] == ["big"]
    assert (plain.bands[0].entry, plain.stages, plain.grades.fit) == (90, (), (9, 6, 3))
    assert plain.grades.engagement == scoring.grades.engagement
    assert scoring.models == (scoring, large, plain)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("bands: [{name: hott, enter: 9}, {name: cold, enter: 0}]", "bands[0].name: found hott; a band of the default"),
        ("bands: [{name: hot, enter: 9}]", "variants[0].bands[0].enter: found 9.0; the last band enters at 0"),
        ("range: [-10, 50]", "variants[0].range: found [-10, 50]; `bands` of its own"),
        ("range: [50, 50]", "variants[0].range: found [50, 50]; the lower end first"),
        ("groups: {fit: [9, 0]}", "variants[0].groups.fit: found [9.0, 0.0]; the lower bound first"),
        ("grades: {fit: [1, 2, 3]}", "variants[0].grades.fit"),
        ("rules: {fit: [{id: came, because: b, points: 1, when: 'true'}]}",
         "variants[0].rules.fit[0].id: found came a second time"),
        ("rules: {fit: [{id: x, because: b, points: 1, when: sise > 1}]}", "variants[0].rules.fit[0].when"),
        ("stages: [{name: sql, because: b, when: 'true'}]", "variants[0].stages[0].name"),
        ("rulez: {}", "did you mean rules?"),
    ],
)  # fmt: skip
def test_variants_that_make_no_sense(head: str, body: str, wrong: str) -> None:
    assert wrong in said(head, f"variants: [{{id: v, because: b, when: size > 1, {body}}}]")


def test_variants_have_names_and_conditions_of_their_own(head: str) -> None:
    twice = "variants: [{id: v, because: b, when: size > 1}, {id: v, because: b, when: size > 2}]"
    assert "variants[1].id: found v a second time" in said(head, twice)
    assert "the default model has this name" in said(
        head, "variants: [{id: default, because: b, when: size > 1}]"
    )
    assert "variants[0].when" in said(head, "variants: [{id: v, because: b, when: lately > 1}]")


# --- expectations ---------------------------------------------------------------------------------


def broken(head: str, expectation: str) -> str:
    report = policy.check({"scoring": f"{head}{BASE}expect:\n  - {expectation}\n"})
    return "\n".join(map(str, report.errors))


@pytest.mark.parametrize(
    ("expectation", "wrong"),
    [
        ("{because: b, better: {lead: {size: 20}}, stage: mql, band: hot}", ""),
        ("{because: Small is cold, better: {lead: {size: 20}}, band: cold}",
         "found the band hot with 20 points; the band cold: Small is cold"),
        ("{because: b, better: {lead: {size: 2}}, stage: mql}", "found the stage inquiry with 1 points; the stage mql"),
        ("{because: b, better: {lead: {size: 2}}, band: hott}", "did you mean hot?"),
        ("{because: b, better: {lead: {size: 2}}, stage: mqll}", "did you mean mql?"),
    ],
)  # fmt: skip
def test_an_example_may_have_a_stage_and_a_band(head: str, expectation: str, wrong: str) -> None:
    found = broken(head, expectation)
    assert wrong in found
    assert bool(found) == bool(wrong)


# --- warnings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("variants: [{id: v, because: b, when: 'true'}, {id: w, because: b, when: source = 'x'}]",
         "scoring.yaml:4: w is never reached: v takes its leads"),
        ("variants: [{id: v, because: b, when: 'false'}]", "v never fires"),
        ("variants: [{id: v, because: b, when: source = 'x',\n"
         " rules: {fit: [{id: odd, because: b, points: -1, when: source = 'x', cap: [0, 9]}]}}]",
         "scoring.yaml:5: odd never adds anything"),
        ("rules: {fit: [{id: a, because: b, points: 5, when: 'true', cap: [-9, 0]}]}", "a never adds anything"),
        ("disqualifiers: [{id: d, because: b, when: 'false'}]", "d never fires"),
        ("stages: [{name: mql, because: b, when: 'true'}, {name: pql, because: b, when: score > 3}]",
         "pql is never reached: mql takes its leads"),
        ("kinds: [{id: j, kind: job, because: b, when: source = 'x'},"
         " {id: k, kind: spam, because: b, when: SOURCE = 'x'}]", "k is never reached: j takes its leads"),
    ],
)  # fmt: skip
def test_what_is_only_odd_is_warned_of(head: str, body: str, wrong: str) -> None:
    assert wrong in warned(head, body)


def test_a_variants_own_rules_are_warned_of_once(head: str) -> None:
    body = (
        "rules: {fit: [{id: zero, because: b, points: 0, when: source = 'x'}]}\n"
        "variants: [{id: v, because: b, when: source = 'y', range: [0, 9]}]"
    )
    assert warned(head, body).count("zero never adds anything") == 1


# --- the page -------------------------------------------------------------------------------------


def test_the_page_tells_it_all(head: str) -> None:
    body = (
        "recycling: {outcomes: [rejected], cooldown: {no answer: 30 days}}\n"
        "rollup: {engaged_at: 12, half_life: 20 days}\n"
        "changeable: [phone]\n"
        "variants: [{id: large, because: Big deals, when: size > 1000, range: [0, 200],\n"
        " rules: {fit: [{id: huge, because: Huge, points: 60, when: size > 5000, cap: [-1, 40]}]}}]"
    )
    page = policy.pages(policy.parse({"scoring": f"{head}{BASE}{body}\n"}))["scoring"]
    for line in (
        "| lately | Came lately | each day with `visit`, in 14 days, today included |",
        "| no answer | 30 days |",
        "have 12 points of engagement",
        "half after 20 days without activity",
        "| phone | text | changeable |",
        "### large",
        "Big deals: `size > 1000`.",
        "Within 0 and 200.",
        "| huge | +60, within -1 and 40 | Huge | `size > 5000` |",
    ):
        assert line in page
    assert page.count("| came |") == 1
