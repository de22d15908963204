"""Whatever JSON comes in HubSpot's name: it is read, or it fails as a source does, naming no person."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.connectors import Interval, SourceFailed, Write
from clearlane.connectors.http import Answer
from clearlane.connectors.hubspot import HubSpot
from clearlane.policy.model import ObjectMapping, Source

NAMES = [
    "results", "id", "properties", "paging", "next", "after", "to", "toObjectId", "from", "associationTypes", "label",
    "errors", "context", "ids", "category", "timestamp", "hubspot_owner_id", "propertiesWithHistory", "email",
    "hs_email_direction", "hs_call_direction", "archived", "userId", "name", "hs_v2_date_entered_won",
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**6)
    | st.sampled_from(["1", "2", "zoë@customer.example", ""])
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=8) | LEAVES, max_size=3)
BODIES = ANYTHING | st.fixed_dictionaries(
    {"results": RECORDS}, optional={"errors": ANYTHING, "paging": ANYTHING}
)
READ = [
    "contacts",
    "calls",
    "emails",
    "deleted contacts",
    "owners",
    "touches",
    "lifecycle stages",
    "deal stages",
]


class Odd:
    """Answers one body after the other, then empty lists."""

    def __init__(self, bodies: list[Any]) -> None:
        self._bodies = bodies

    def __getattr__(self, name: str) -> Any:
        return lambda *sent, **said: self._answer()

    def _answer(self) -> Answer:
        body = self._bodies.pop(0) if self._bodies else {"results": []}
        return Answer(200, {}, json.dumps(body).encode(), "source crm: POST /crm/v3/objects/contacts/search")


def connector(bodies: list[Any]) -> HubSpot:
    source = Source("crm", "hubspot", "connection:crm", {}, push="contacts", push_fields={"owner": "name"})
    made = HubSpot(source, lambda name: "https://:t@api.hubapi.com", pace=())
    made._client = made._reader._client = Odd(list(bodies))  # type: ignore[assignment]
    return made


def told(attempt: Callable[[], Any]) -> str:
    """What the failure says, where it fails as a source may."""
    try:
        attempt()
    except SourceFailed as failed:
        return str(failed)
    return ""


@pytest.mark.parametrize("read", READ)
@settings(max_examples=examples(40, 400), deadline=None)
@given(bodies=st.lists(BODIES, max_size=4))
def test_reading(read: str, bodies: list[Any]) -> None:
    fields = {name: name for name in ("email", "owner_email", "activity", "contact_id", "company_id")}
    mapping = ObjectMapping("leads", read, fields, values={"kind": {"won": "won"}})
    assert "zoë" not in told(lambda: list(connector(bodies).read(mapping, Interval())))


@settings(max_examples=examples(80, 400), deadline=None)
@given(bodies=st.lists(BODIES, max_size=4))
def test_writing_and_reading_back(bodies: list[Any]) -> None:
    writes = [Write(f"k{id}", "leads", id, {"owner": None}, {"owner": "x"}) for id in ("1", "2")]
    assert "zoë" not in told(lambda: connector(bodies).current(writes))
    assert "zoë" not in told(lambda: connector([{"results": [{"name": "name"}]}, *bodies]).write(writes))
