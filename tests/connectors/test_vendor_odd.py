"""Whatever JSON comes in a preset's name: it is read, or it fails as a source does, naming no person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.connectors import CONNECTORS, Interval, SourceFailed, Write
from clearlane.connectors.http import Answer, Http
from clearlane.policy.model import ObjectMapping, Source

LISTS = {
    "activecampaign": ("contacts", "deals", "tasks", "users"),
    "freshsales": ("contacts", "contacts/4001", "tasks", "users"),
    "insightly": ("leads", "tasks", "users"),
}
NAMES = [
    "contacts", "deals", "fields", "fieldValues", "users", "filters", "tasks", "dealTasks", "contact", "meta", "total",
    "total_pages", "id", "name", "email", "owner", "owner_id", "status", "perstag", "field", "value", "custom_field",
    "updated_at", "tags", "failed", "CUSTOMFIELDS", "FIELD_NAME", "FIELD_VALUE", "TAGS", "LINKS", "USER_ID", "LEAD_ID",
    "RESPONSIBLE_USER_ID", "is_active", "ACTIVE", "EMAIL_ADDRESS",
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 99)
    | st.sampled_from(["1", "zoë@customer.example", "All Contacts"])
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=15,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=8) | LEAVES, max_size=3)
BODIES = st.lists(
    ANYTHING | RECORDS | st.dictionaries(st.sampled_from(NAMES), RECORDS, max_size=5), max_size=5
)
FIELDS = {"owner": "3", "score": 7}


@pytest.mark.parametrize("name", LISTS)
@settings(
    max_examples=examples(60, 400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_it_is_read_or_it_fails_as_a_source_does(
    name: str, data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = data.draw(BODIES)

    def ask(self: Http, method: str, path: str, **said: Any) -> Answer:
        body = bodies.pop(0) if bodies else []
        return Answer(200, {}, json.dumps(body).encode(), f"source crm: {method} /x")

    monkeypatch.setattr(Http, "ask", ask)
    source = Source("crm", name, "connection:crm", {}, push="clearlane")
    connector: Any = CONNECTORS[name](source, lambda _: "x://login:key@vendor.example")
    read = ObjectMapping(object="leads", read=data.draw(st.sampled_from(LISTS[name])), fields={})
    writes = [Write(f"k{number}", "leads", str(number), FIELDS, {"owner": None}) for number in (1, 2)]
    act = data.draw(st.sampled_from(["read", "write", "current", "check"]))
    try:
        said = {
            "read": lambda: list(connector.read(read, Interval())),
            "write": lambda: connector.write(writes),
            "current": lambda: connector.current(writes),
            "check": connector.check,
        }[act]()
    except SourceFailed as failed:
        said = str(failed)
    if act == "write" and not isinstance(said, str):
        assert [one.idempotency_key for one in said] == ["k1", "k2"]
    if act in ("write", "check") or isinstance(said, str):
        assert "customer.example" not in str(said)
