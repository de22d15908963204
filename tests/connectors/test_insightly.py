"""Insightly's connector against a fake that remembers, held against its description as far as that goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from clearlane.connectors import CONNECTORS, Checkable, Interval, ReadsBack, SourceFailed, Write
from clearlane.connectors.http import Patience
from clearlane.connectors.insightly import Insightly
from clearlane.connectors.mapping import Mapper
from clearlane.policy.model import ObjectMapping, Source

from .conftest import Serve
from .described import described
from .insightly_server import BEYOND, KEY, Instance
from .local_server import Clock, Local

EVER = Interval()
OWNED = {"owner": "ada@vendor.example", "score": 82, "band": "hot", "because": "Sie wünscht ein Gespräch"}


@pytest.fixture
def instance() -> Instance:
    return Instance()


@pytest.fixture
def local(serve: Serve, instance: Instance) -> Iterator[Local]:
    fake = described(instance, "insightly/insightly-original.yml", "https://api.na1.insightly.com", BEYOND)
    yield serve(fake)
    assert fake.problems == []


def connected(local: Local, clock: Clock, **said: Any) -> Insightly:
    source = Source("in", "insightly", "connection:in", {}, **{"push": "clearlane", **said})
    address = local.address.replace("//", f"//{KEY}@")
    return Insightly(source, lambda name: address, patience=Patience(tries=3), wait=clock.wait, clock=clock)


@pytest.fixture
def connector(local: Local, clock: Clock) -> Insightly:
    return connected(local, clock)


def read(connector: Insightly, name: str, interval: Interval = EVER) -> list[dict[str, Any]]:
    mapping = ObjectMapping(object="leads", read=name, fields={})
    return [raw.payload for chunk in connector.read(mapping, interval) for raw in chunk.records]


def writes(fields: dict[str, Any], *leads: int | str) -> list[Write]:
    return [Write(f"k:{lead}", "leads", str(lead), fields) for lead in leads]


def test_it_is_registered_and_reads_back_and_can_be_tried(connector: Insightly) -> None:
    assert CONNECTORS["insightly"] is Insightly
    assert isinstance(connector, ReadsBack)
    assert isinstance(connector, Checkable)
    login, limits, write = connector.check()
    assert (login.good, write.good) == (True, None)
    assert limits.said == "X-RateLimit-Limit 40000, X-RateLimit-Remaining 39999; at most 5 in 1 s are asked"


# --- reading ----------------------------------------------------------------------------------------


def test_leads_come_five_hundred_a_page(instance: Instance, connector: Insightly, local: Local) -> None:
    for number in range(1, 1202):
        instance.add(number)
    found = read(connector, "leads")
    assert [one["LEAD_ID"] for one in found] == list(range(1, 1202))
    assert (found[0]["Region__c"], found[0]["TAGS"]) == ("Süd", "a, b")
    assert [asked.query["skip"] for asked in local.asked] == ["0", "500", "1000", "1201"]


def test_changes_are_searched_for_and_what_changed_at_the_very_second_is_among_them(
    instance: Instance, connector: Insightly, local: Local
) -> None:
    instance.add(1, "2026-03-02 11:59:59")
    instance.add(2, "2026-03-02 12:00:00")
    instance.add(3, "2026-03-02 12:00:01")
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert [one["LEAD_ID"] for one in read(connector, "leads", Interval(noon))] == [2, 3]
    assert local.asked[0].path == "/v3.1/Leads/Search"


def test_moments_without_a_zone_are_utc(instance: Instance, connector: Insightly) -> None:
    instance.add(1)
    mapping = ObjectMapping(
        "leads", "leads", {"id": "LEAD_ID", "updated_at": "DATE_UPDATED_UTC"}, cursor="updated_at"
    )
    [chunk] = connector.read(mapping, EVER)
    assert Mapper(mapping)(chunk.records[0].payload)["updated_at"] == "2026-03-02T12:00:00+00:00"


def test_contacts_are_read_as_described(instance: Instance, connector: Insightly) -> None:
    instance.contacts = [
        {"CONTACT_ID": 1, "FIRST_NAME": "Ann", "EMAIL_ADDRESS": "ann@customer.example", "LINKS": None, "TAGS": None,
         "DATE_UPDATED_UTC": "2026-03-02T12:00:00Z"}
    ]  # fmt: skip
    assert [one["CONTACT_ID"] for one in read(connector, "contacts")] == [1]
    early = datetime(2026, 3, 1, tzinfo=UTC)
    assert [one["CONTACT_ID"] for one in read(connector, "contacts", Interval(early))] == [1]


def test_a_task_names_its_lead_and_keeps_its_words(instance: Instance, connector: Insightly) -> None:
    instance.tasks = [
        {"TASK_ID": 5, "TITLE": "private", "DETAILS": "private", "COMPLETED": True,
         "DATE_UPDATED_UTC": "2026-03-02 12:00:00", "LINKS": [{"LINK_OBJECT_NAME": "Lead", "LINK_OBJECT_ID": 7}]}
    ]  # fmt: skip
    [task] = read(connector, "tasks")
    assert task["LINK_LEAD"] == 7
    assert "private" not in str(task)


# --- writing ----------------------------------------------------------------------------------------


def test_what_is_written_stands_and_is_read_back_in_the_words_of_the_write(
    instance: Instance, connector: Insightly
) -> None:
    instance.add(7)
    assert [receipt.result for receipt in connector.write(writes(OWNED, 7))] == ["sent"]
    lead = instance.leads[7]
    assert (lead["RESPONSIBLE_USER_ID"], lead["OWNER_USER_ID"]) == (3, 9)
    assert {"FIELD_NAME": "Region__c", "FIELD_VALUE": "Süd"} in lead["CUSTOMFIELDS"]
    assert connector.current(writes(OWNED, 7, 99, "x")) == {"7": OWNED}
    assert not [name for name in read(connector, "leads")[0] if "clearlane" in name]


def test_the_same_write_again_changes_nothing(instance: Instance, connector: Insightly) -> None:
    instance.add(7)
    connector.write([*writes(OWNED, 7), *writes(OWNED, 7)])
    assert instance.effective == 1


def test_the_owner_of_the_record_is_another_field_by_policy(
    instance: Instance, local: Local, clock: Clock
) -> None:
    instance.add(7)
    connector = connected(local, clock, push_fields={"owner": "OWNER_USER_ID", "score": "clearlane_score__c"})
    connector.write(writes(OWNED, 7))
    assert (instance.leads[7]["OWNER_USER_ID"], instance.leads[7]["RESPONSIBLE_USER_ID"]) == (3, None)
    assert connector.current(writes(OWNED, 7)) == {"7": {"owner": "ada@vendor.example", "score": 82}}


def test_an_owner_whom_a_person_chose_is_seen(instance: Instance, connector: Insightly) -> None:
    instance.add(7, RESPONSIBLE_USER_ID=4)
    instance.add(8)
    assert connector.current(writes({"owner": "3"}, 7, 8)) == {"7": {"owner": "4"}, "8": {"owner": None}}


def test_each_write_has_its_own_receipt(instance: Instance, connector: Insightly) -> None:
    instance.add(1)
    left = writes(OWNED | {"owner": "old@vendor.example"}, 1)
    receipts = connector.write([*left, *writes(OWNED, 99, "x", 1)])
    assert [one.result for one in receipts] == ["refused", "refused", "refused", "sent"]


def test_missing_custom_fields_are_named_before_anything_is_written(
    instance: Instance, connector: Insightly
) -> None:
    instance.add(7)
    instance.fields -= {"clearlane_score__c"}
    with pytest.raises(SourceFailed, match="leads have no custom field clearlane_score__c"):
        connector.write(writes(OWNED, 7))
    assert (instance.effective, connector.check()[-1].good) == (0, False)
