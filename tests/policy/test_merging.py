"""Who merges records in their source: people, unless sources.yaml asks us and the connector can."""

from __future__ import annotations

import inspect

import pytest

from clearlane import policy
from clearlane.connectors import CONNECTORS
from clearlane.policy.model import MERGING

HEAD = "schema: 1\nowner: data\napprover: revops\nsources:\n"
ONE = """  crm:
    connector: {connector}
    address: "connection:crm"
    {push}
    merge: {merge}
    objects: {{leads: {{read: contacts, fields: {{id: id, {told}: x}}}}}}
"""


def text(
    connector: str = "hubspot", push: str = "push: contacts", merge: str = "push", told: str = "merged_from"
) -> str:
    return HEAD + ONE.format(connector=connector, push=push, merge=merge, told=told)


def test_we_merge_only_where_it_is_asked_for() -> None:
    assert policy.parse({"sources": text()}).sources.sources["crm"].merge == "push"
    plain = text("files", merge="by hand", told="email")
    assert (
        policy.parse({"sources": plain.replace("    merge: by hand\n", "")}).sources.sources["crm"].merge
        == "by hand"
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"connector": "salesforce"},
            "found push with the connector salesforce; by hand: only hubspot can merge records",
        ),
        ({"push": "push:"}, "found push for what is not written; a `push` beside it"),
        (
            {"told": "email"},
            "found push without word of merges; `merged_from` or `merged_into` among its fields",
        ),
        ({"merge": "always"}, "sources.crm.merge"),
    ],
)
def test_what_cannot_be_merged_is_said_with_its_line(changed: dict[str, str], expected: str) -> None:
    with pytest.raises(policy.PolicyErrors) as caught:
        policy.parse({"sources": text(**changed)})
    (error,) = caught.value.errors
    assert "sources.yaml:9: sources.crm.merge" in str(error)
    assert expected in str(error)


def test_the_connectors_that_can_merge_are_those_of_the_policy() -> None:
    can = {name for name, made in CONNECTORS.items() if inspect.isclass(made) and hasattr(made, "merge")}
    assert can == set(MERGING)
