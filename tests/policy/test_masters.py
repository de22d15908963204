"""One system is the master of a field: who it may be, what is read of others, and what is written to whom."""

from __future__ import annotations

import pytest

from clearlane import policy
from clearlane.policy.model import Sources

HEAD = "schema: 1\nowner: data\napprover: revops\n"
TWO = """sources:
  crm:
    connector: files
    address: a
    push: x
    objects: {leads: {read: a.csv, fields: {id: Id, owner: OwnerId, company: Company}}}
  marketing:
    connector: files
    address: b
    push: x
    push_fields: {owner: o, stage: s, outcome: r}
    objects: {leads: {read: b.csv, fields: {id: Id, owner: OwnerId, company: Company}}}
"""


def parsed(masters: str, text: str = TWO) -> Sources:
    return policy.parse({"sources": f"{HEAD}masters: {masters}\n{text}"}).sources


def said(masters: str, text: str = TWO) -> str:
    with pytest.raises(policy.PolicyErrors) as caught:
        parsed(masters, text)
    (error,) = caught.value.errors
    return str(error)


def test_only_the_master_of_owners_is_asked_for_them() -> None:
    found = parsed("{owner: crm, company: crm}").sources
    assert found["crm"].objects["leads"].fields["owner"] == "OwnerId"
    leads = found["marketing"].objects["leads"]
    assert "owner" not in leads.fields
    assert leads.drop == ("OwnerId",), "nor does it come as an extra"
    assert leads.fields["company"] == "Company", "others fill what the master leaves open"


def test_without_a_master_everybody_is_asked() -> None:
    found = parsed("{stage: clearlane}")
    assert [source.objects["leads"].fields["owner"] for source in found.sources.values()] == ["OwnerId"] * 2
    assert found.tells("marketing", "owner")
    assert found.tells("crm", "stage")


def test_a_field_is_written_to_those_who_take_it_and_are_not_its_master() -> None:
    found = parsed("{owner: crm, stage: crm, outcome: clearlane}")
    assert found.written(found.sources["marketing"]) == ("owner", "stage", "outcome")
    crm = found.written(found.sources["crm"])
    assert "stage" not in crm
    assert {"owner", "queue", "score", "cover"} <= set(crm), "routing proposes owners to their master"
    assert "outcome" not in crm, "what became of a lead is written where it is named"


def test_writing_to_the_master_is_refused_with_the_reason() -> None:
    error = said("{stage: marketing}")
    assert error.startswith(
        "sources.yaml:15: sources.marketing.push_fields.stage: found stage, whose master is"
    )
    assert "what it says itself is not written over" in error
    parsed("{owner: marketing}")


@pytest.mark.parametrize(
    ("masters", "expected"),
    [
        ("{ownr: crm}", "masters.ownr: found ownr; what is written to sources, or a field of the leads of one; "
         "did you mean owner?"),
        ("{owner: crmm}", "found crmm; clearlane or a source of this file: crm, marketing; did you mean crm?"),
        ("{company: clearlane}", "found clearlane; a source: Clearlane itself knows only what it writes"),
    ],
)  # fmt: skip
def test_a_slip_is_named_with_its_line(masters: str, expected: str) -> None:
    assert said(masters).startswith("sources.yaml:4: ")
    assert expected in said(masters)


def test_versions_from_before_masters_mean_the_same() -> None:
    old = TWO.replace("address: a", "address: a\n    master_of: [owner, stage]")
    assert parsed("{}", old).masters == {"owner": "crm", "stage": "crm"}
    assert "owner, whose master is marketing" in said("{owner: marketing}", old)
