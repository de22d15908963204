"""The `enrichment` section of sources.yaml."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from clearlane import policy
from clearlane.policy import documentation
from clearlane.policy.model import Enrichment, PaidProvider

PAGE = Path(__file__).resolve().parents[2] / "docs" / "enrichment.md"
HEAD = "schema: 1\nowner: o\napprover: a\n"
FIRMS = """
enrichment:
  providers:
    firms: {kind: json, budget: 5, json: {path: "/f/{domain}", attributes: {size: size}}}
"""


def parsed(text: str) -> Enrichment:
    return policy.parse({"sources": HEAD + text}).sources.enrichment


def test_the_example_of_the_page_holds_and_numbers_are_as_it_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found
    enrichment = parsed(found[1])
    assert list(enrichment.providers) == ["apollo", "firms"]
    firms = enrichment.providers["firms"]
    assert (firms.by, firms.budget, firms.ages) == (("domain",), 2000, {"employees": timedelta(days=30)})
    plain = PaidProvider("x", "json", "", ())
    for said in (f"| {plain.budget} |", f"| {plain.age.days} days |", f"| {plain.unknown_age.days} days |"):
        assert said in page


def test_what_a_path_holds_is_what_it_is_asked_by() -> None:
    assert parsed(FIRMS).providers["firms"].by == ("domain",)
    assert parsed("").providers == {}


def test_the_page_of_the_policy_names_paid_providers() -> None:
    pages = documentation.pages(policy.parse({"sources": HEAD + FIRMS}))
    assert "| `firms` | json | domain | 5 requests | 90 days |" in pages["sources"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/f/{domain}", "/f/{last_name}", "found {last_name}; in a path {email} or {domain}"),
        ("/f/{domain}", "/f", "providers.firms.by: found nothing"),
        ("firms:", "zone:", "found zone; a name in small letters that no source or other layer has"),
        (
            "budget: 5",
            "timeout: 20 seconds",
            "timeout: found 20 seconds; less than the deadline of 20 seconds",
        ),
        ("budget: 5", "timeout: 2 days", "a short time such as '5 seconds'"),
        ("budget: 5", "budget: -1", "greater than or equal to 0"),
        ("kind: json", "kind: apollo_person", "kind: json and a `json` section, both or none"),
        ("size: size", "Size: size", "found Size"),
        ("kind: json", "kind: josn", "josn"),
        ("attributes:", "auth: {by: header}, attributes:", "name is required by header"),
    ],
)
def test_what_cannot_be_is_named_with_its_place(old: str, new: str, said: str) -> None:
    with pytest.raises(policy.PolicyErrors) as caught:
        parsed(FIRMS.replace(old, new))
    assert said in str(caught.value)
    assert "sources.yaml:" in str(caught.value)


def test_sixsense_needs_mail_and_country() -> None:
    with pytest.raises(policy.PolicyErrors, match="sixsense needs country too"):
        parsed("enrichment: {providers: {sixsense: {kind: sixsense, by: [email]}}}")
