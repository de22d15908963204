"""ActiveCampaign's connector against a fake that remembers, each request and reply held against its description."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from clearlane.connectors import CONNECTORS, Checkable, Interval, ReadsBack, SourceFailed, Write
from clearlane.connectors.activecampaign import ActiveCampaign
from clearlane.connectors.http import Patience
from clearlane.connectors.mapping import Mapper
from clearlane.policy.model import FEEDBACK, PUSHED, ObjectMapping, Source

from .activecampaign_server import KEY, Account
from .conftest import Serve
from .described import described
from .local_server import Clock, Local, Reply

EVER = Interval()
OWNED = {"owner": "ada@vendor.example", "score": 82.0, "band": "hot", "because": "Sie wünscht ein Gespräch"}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def local(serve: Serve, account: Account) -> Iterator[Local]:
    fake = described(account, "activecampaign/activecampaign-v3.json", "https://x.api-us1.com")
    yield serve(fake)
    assert fake.problems == []
    assert fake.checked or not fake.said


def connected(local: Local, clock: Clock, key: str = KEY, **said: Any) -> ActiveCampaign:
    source = Source("ac", "activecampaign", "connection:ac", {}, **{"push": "clearlane", **said})
    address = local.address.replace("//", f"//:{key}@")
    return ActiveCampaign(
        source, lambda name: address, patience=Patience(tries=3), wait=clock.wait, clock=clock
    )


@pytest.fixture
def connector(local: Local, clock: Clock) -> ActiveCampaign:
    return connected(local, clock)


def read(connector: ActiveCampaign, name: str, interval: Interval = EVER) -> list[dict[str, Any]]:
    mapping = ObjectMapping(object="leads", read=name, fields={})
    return [raw.payload for chunk in connector.read(mapping, interval) for raw in chunk.records]


def writes(fields: dict[str, Any], *leads: int | str) -> list[Write]:
    return [Write(f"k:{lead}", "leads", str(lead), fields) for lead in leads]


def test_it_is_registered_and_reads_back_and_can_be_tried(connector: ActiveCampaign) -> None:
    assert CONNECTORS["activecampaign"] is ActiveCampaign
    assert isinstance(connector, ReadsBack)
    assert isinstance(connector, Checkable)
    assert connector.check()[0].good


# --- reading ----------------------------------------------------------------------------------------


def test_contacts_come_by_id_over_several_pages_with_their_custom_fields(
    account: Account, connector: ActiveCampaign, local: Local
) -> None:
    for number in range(1, 231):
        account.add(number, f"l{number}@customer.example")
        account.values[number, "1"] = f"Süd {number}"
    found = read(connector, "contacts")
    assert [int(one["id"]) for one in found] == list(range(1, 231))
    assert {one["cf_region"] for one in found} == {f"Süd {number}" for number in range(1, 231)}
    assert "links" not in found[0]
    assert [asked.query.get("id_greater") for asked in local.asked[:4]] == [None, None, "100", "200"]


def test_a_contact_added_while_one_reads_moves_no_page(account: Account, connector: ActiveCampaign) -> None:
    for number in range(2, 203):
        account.add(number, f"l{number}@customer.example")
    chunks = connector.read(ObjectMapping(object="leads", read="contacts", fields={}), EVER)
    first = [raw.payload["id"] for raw in next(chunks).records]
    account.add(1, "late@customer.example")
    rest = [raw.payload["id"] for chunk in chunks for raw in chunk.records]
    assert sorted(map(int, first + rest)) == list(range(2, 203))


def test_changes_are_asked_for_from_days_before_for_its_filter_is_a_day_of_some_zone(
    connector: ActiveCampaign, local: Local
) -> None:
    read(connector, "contacts", Interval(datetime(2026, 3, 2, 10, tzinfo=UTC)))
    assert local.asked[0].query["filters[updated_after]"] == "2026-02-28"


def test_what_we_wrote_is_not_read_as_a_lead_s_own(account: Account, connector: ActiveCampaign) -> None:
    account.add(7, "l@customer.example")
    account.prepare()
    connector.write(writes(OWNED, 7))
    [contact] = read(connector, "contacts")
    assert not [name for name in contact if "clearlane" in name]


def test_deals_tasks_and_users_are_read_by_offset(account: Account, connector: ActiveCampaign) -> None:
    account.add(7, "l@customer.example")
    for number in range(120):
        account.deal(f"d{number}", 7, "3")
    account.tasks = [
        {
            "id": "1", "status": 1, "relid": "d1", "reltype": "Deal", "dealTasktype": "1", "user": "3", "note": "",
            "cdate": "2026-03-02T10:00:00-05:00", "owner": {"type": "deal", "id": "d1"},
        }
    ]  # fmt: skip
    assert len(read(connector, "deals")) == 120
    [task] = read(connector, "tasks")
    assert (task["owner_type"], task["owner_id"]) == ("deal", "d1")
    assert [one["id"] for one in read(connector, "users")] == ["3", "4"]
    mapping = ObjectMapping("activities", "tasks", {"id": "id", "occurred_at": "cdate"}, cursor="occurred_at")
    assert Mapper(mapping)(task)["occurred_at"] == "2026-03-02T15:00:00+00:00"


def test_an_unknown_list_is_named_with_the_known_ones(connector: ActiveCampaign) -> None:
    connector.check()
    with pytest.raises(SourceFailed, match="no list leads; known are contacts, accounts"):
        read(connector, "leads")


# --- writing ----------------------------------------------------------------------------------------


def test_what_is_written_stands_and_is_read_back_in_the_words_of_the_write(
    account: Account, connector: ActiveCampaign
) -> None:
    account.add(7, "l@customer.example")
    account.deal("d1", 7, "4")
    account.deal("d2", 7, "4", status="1")
    assert connector.prepare() == sorted(f"CLEARLANE_{name.upper()}" for name in PUSHED)
    assert connector.prepare() == []
    assert [receipt.result for receipt in connector.write(writes(OWNED, 7))] == ["sent"]
    assert [deal["owner"] for deal in account.deals] == ["3", "4"]
    assert connector.current(writes(OWNED, 7, 99)) == {"7": OWNED}


def test_the_same_write_again_changes_nothing(account: Account, connector: ActiveCampaign) -> None:
    account.add(7, "l@customer.example")
    account.prepare()
    connector.write(writes(OWNED, 7))
    before = account.effective
    connector.write(writes(OWNED, 7))
    assert account.effective == before == 4


def test_another_owner_of_a_deal_is_seen_before_writing(account: Account, connector: ActiveCampaign) -> None:
    account.add(7, "l@customer.example")
    account.deal("d1", 7, "4")
    account.prepare()
    assert connector.current(writes(OWNED, 7))["7"]["owner"] == "4"


def test_a_lead_without_a_deal_has_its_owner_in_the_custom_field(
    account: Account, connector: ActiveCampaign
) -> None:
    account.add(7, "l@customer.example")
    account.prepare()
    connector.write(writes(OWNED, 7))
    assert connector.current(writes(OWNED, 7))["7"]["owner"] == "ada@vendor.example"
    connector.write(writes({"owner": None, "queue": "EMEA"}, 7))
    assert connector.current(writes({"owner": None}, 7)) == {"7": {"owner": None}}


def test_each_write_has_its_own_receipt(account: Account, connector: ActiveCampaign) -> None:
    for number in (1, 2, 3):
        account.add(number, f"l{number}@customer.example")
    account.deal("d2", 2, "4")
    account.locked = {"d2"}
    account.prepare()
    wanted = [
        *writes(OWNED, 1, 2, 99, "x"),
        *writes(OWNED | {"owner": "gone@vendor.example"}, 3),
        *writes(OWNED, 3),
    ]
    receipts = connector.write(wanted)
    assert [one.result for one in receipts] == ["sent", "refused", "refused", "refused", "refused", "sent"]
    assert [one.error for one in receipts[1:5:3]] == [
        "1 of 1 open deals did not take the owner", "the owner is no active user there",
    ]  # fmt: skip
    assert "404" in str(receipts[2].error)


def test_only_named_fields_are_sent_where_fields_are_named(
    account: Account, local: Local, clock: Clock
) -> None:
    account.add(7, "l@customer.example")
    account.deal("d1", 7, "4")
    connector = connected(local, clock, push_fields={"score": "REGION"})
    assert [receipt.result for receipt in connector.write(writes(OWNED, 7))] == ["sent"]
    assert (account.values, account.deals[0]["owner"]) == ({(7, "1"): "82"}, "4")


def test_what_became_of_a_lead_stands_in_its_custom_fields(
    account: Account, local: Local, clock: Clock
) -> None:
    account.add(7, "l@customer.example")
    names = {name: f"CLEARLANE_{name.upper()}" for name in ("stage", *FEEDBACK)}
    connector = connected(local, clock, push_fields=names)
    assert set(connector.prepare()) == set(names.values())
    told = {"stage": "sql", "stage_since": "2026-03-02T12:00:00Z", "outcome": "rejected",
            "outcome_at": "2026-03-02T13:00:00Z", "decline_reason": "no budget"}  # fmt: skip
    connector.write(writes(told, 7))
    assert connector.current(writes(told, 7)) == {"7": told}
    connector.write(writes({"decline_reason": None}, 7))
    assert connector.current(writes({"decline_reason": None}, 7)) == {"7": {"decline_reason": None}}


def test_missing_custom_fields_are_named_before_anything_is_written(
    account: Account, connector: ActiveCampaign
) -> None:
    account.add(7, "l@customer.example")
    with pytest.raises(SourceFailed, match="CLEARLANE_BAND, CLEARLANE_BECAUSE"):
        connector.write(writes(OWNED, 7))
    assert connector.check()[-1].good is False


def test_five_requests_a_second_are_kept(account: Account, connector: ActiveCampaign, clock: Clock) -> None:
    for number in range(1, 11):
        account.add(number, f"l{number}@customer.example")
    account.prepare()
    begun, clock.waits = clock.now, []
    connector.write(writes({"score": 1}, *range(1, 11)))
    assert clock.now - begun >= 1


def test_contacts_in_another_order_than_asked_for_are_a_failure(
    account: Account, connector: ActiveCampaign
) -> None:
    connector.check()
    account.failing = [Reply({"contacts": [{"id": "2"}, {"id": "1"}]})]
    with pytest.raises(SourceFailed, match="not in the order of their ids"):
        read(connector, "contacts")
