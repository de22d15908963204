"""Freshsales' connector against a fake that remembers, each request and reply held against its description."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clearlane.connectors import CONNECTORS, Checkable, Interval, ReadsBack, SourceFailed, Write
from clearlane.connectors.freshsales import Freshsales
from clearlane.connectors.http import Patience
from clearlane.policy.model import ObjectMapping, Source

from .conftest import Serve
from .described import described
from .freshsales_server import BEYOND, KEY, NOON, Crm
from .local_server import Clock, Local

EVER = Interval()
OWNED = {"owner": "ada@vendor.example", "score": 82.0, "band": "hot", "because": "Sie wünscht ein Gespräch"}


@pytest.fixture
def crm() -> Crm:
    return Crm()


@pytest.fixture
def local(serve: Serve, crm: Crm) -> Iterator[Local]:
    host = "https://example.myfreshworks.com"
    fake = described(crm, "freshsales/freshsales-original.yml", host, BEYOND)
    yield serve(fake)
    assert fake.problems == []


def connected(local: Local, clock: Clock, **said: Any) -> Freshsales:
    source = Source("fs", "freshsales", "connection:fs", {}, **{"push": "clearlane", **said})
    address = local.address.replace("//", f"//:{KEY}@") + "/crm/sales"
    return Freshsales(source, lambda name: address, patience=Patience(tries=3), wait=clock.wait, clock=clock)


@pytest.fixture
def connector(local: Local, clock: Clock) -> Freshsales:
    return connected(local, clock)


def read(connector: Freshsales, name: str, interval: Interval = EVER) -> list[dict[str, Any]]:
    mapping = ObjectMapping(object="leads", read=name, fields={})
    return [raw.payload for chunk in connector.read(mapping, interval) for raw in chunk.records]


def writes(fields: dict[str, Any], *leads: int | str) -> list[Write]:
    return [Write(f"k:{lead}", "leads", str(lead), fields) for lead in leads]


def test_it_is_registered_and_reads_back_and_can_be_tried(connector: Freshsales) -> None:
    assert CONNECTORS["freshsales"] is Freshsales
    assert isinstance(connector, ReadsBack)
    assert isinstance(connector, Checkable)
    assert [one.good for one in connector.check()] == [True, None, None]


# --- reading ----------------------------------------------------------------------------------------


def test_all_contacts_are_those_of_its_view_over_several_pages(crm: Crm, connector: Freshsales) -> None:
    crm.fill(230)
    found = read(connector, "contacts")
    assert sorted(one["id"] for one in found) == list(range(1, 231))
    assert (found[0]["cf_region"], found[0]["tags"]) == ("Süd", "a, b")
    assert not {"links", "custom_field", "emails"} & found[0].keys()


def test_changes_are_read_newest_first_until_what_is_older(
    crm: Crm, connector: Freshsales, local: Local
) -> None:
    crm.fill(500)
    since = NOON - timedelta(minutes=150)
    found = read(connector, "contacts/4001", Interval(since))
    assert {one["id"] for one in found} >= set(range(350, 501))
    assert len(local.asked) == 2


def test_what_changes_while_one_reads_is_not_lost(crm: Crm, connector: Freshsales) -> None:
    crm.fill(230)
    chunks = connector.read(ObjectMapping(object="leads", read="contacts", fields={}), EVER)
    first = [raw.payload["id"] for raw in next(chunks).records]
    crm.add(7, NOON + timedelta(minutes=1))
    crm.add(231, NOON + timedelta(minutes=2))
    rest = [raw.payload["id"] for chunk in chunks for raw in chunk.records]
    # 7 was changed after the run's read began: the next run finds it among the newest
    assert set(first + rest) >= set(range(1, 231)) - {7}
    assert 7 in {one["id"] for one in read(connector, "contacts", Interval(NOON))}


def test_a_view_in_another_order_is_a_failure_and_no_end(crm: Crm, connector: Freshsales) -> None:
    crm.fill(3)
    crm.sorts = False
    with pytest.raises(SourceFailed, match="do not come newest first"):
        read(connector, "contacts")


def test_users_and_tasks(crm: Crm, connector: Freshsales) -> None:
    crm.tasks = [
        {"id": 5, "targetable_id": 7, "targetable_type": "Contact", "updated_at": "2026-03-02T13:02:14Z"}
    ]
    assert [one["is_active"] for one in read(connector, "users")] == [True, True, False]
    assert [one["targetable_id"] for one in read(connector, "tasks")] == [7]


@pytest.mark.parametrize("name", ["leads", "contact/1"])
def test_an_unknown_list_is_named_with_the_known_ones(connector: Freshsales, name: str) -> None:
    with pytest.raises(SourceFailed, match=f"no list {name}; known are contacts, accounts, deals, users"):
        read(connector, name)


# --- writing ----------------------------------------------------------------------------------------


def test_what_is_written_stands_and_is_read_back_in_the_words_of_the_write(
    crm: Crm, connector: Freshsales
) -> None:
    crm.add(7)
    crm.add(8, is_deleted=True)
    assert [receipt.result for receipt in connector.write(writes(OWNED, 7))] == ["sent"]
    assert (crm.contacts[7]["owner_id"], crm.contacts[7]["custom_field"]["cf_region"]) == (3, "Süd")
    assert connector.current(writes(OWNED, 7, 8, 99, "x")) == {"7": OWNED}
    [lead] = read(connector, "contacts/4001")[:1]
    assert not [name for name in lead if "clearlane" in name]


def test_the_same_write_again_changes_nothing(crm: Crm, connector: Freshsales) -> None:
    crm.add(7)
    connector.write([*writes(OWNED, 7), *writes(OWNED, 7)])
    assert crm.effective == 1


def test_an_owner_whom_a_person_chose_is_seen(crm: Crm, connector: Freshsales) -> None:
    crm.add(7, owner_id=4)
    crm.add(8)
    assert connector.current(writes({"owner": "3"}, 7, 8)) == {"7": {"owner": "4"}, "8": {"owner": None}}


def test_a_lead_of_nobody_loses_its_owner(crm: Crm, connector: Freshsales) -> None:
    crm.add(7, owner_id=4)
    connector.write(writes({"owner": None, "queue": "EMEA"}, 7))
    assert crm.contacts[7]["owner_id"] is None


def test_each_write_has_its_own_receipt(crm: Crm, connector: Freshsales) -> None:
    crm.add(1)
    left = writes(OWNED | {"owner": "old@vendor.example"}, 1)
    receipts = connector.write([*left, *writes(OWNED, 99, "x", 1)])
    assert [one.result for one in receipts] == ["refused", "refused", "refused", "sent"]
    assert receipts[0].error == "the owner is no active user there"


def test_missing_custom_fields_are_named_before_anything_is_written(crm: Crm, connector: Freshsales) -> None:
    crm.add(7)
    crm.fields -= {"cf_clearlane_score"}
    with pytest.raises(SourceFailed, match="contacts have no custom field cf_clearlane_score"):
        connector.write(writes(OWNED, 7))
    assert (crm.effective, connector.check()[-1].good) == (0, False)


def test_its_thousand_requests_an_hour_are_kept_in_reading(
    crm: Crm, local: Local, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    [hourly] = Freshsales.paces
    assert (hourly.requests, hourly.seconds) == (1000, 3600)
    monkeypatch.setattr(Freshsales, "paces", (replace(hourly, requests=3),))
    crm.fill(350)
    read(connected(local, clock), "contacts")
    assert clock.waits == [pytest.approx(3600)]
