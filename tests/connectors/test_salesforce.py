"""Salesforce's connector against a fake that remembers, held against the vendor's descriptions where they are."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from clearlane import policy
from clearlane.connectors import CONNECTORS, Checkable, Interval, ReadsBack, Receipt, SourceFailed, Write
from clearlane.connectors.http import Patience
from clearlane.connectors.inbox import pull_from
from clearlane.connectors.mapping import Mapper
from clearlane.connectors.protocol import UNREADABLE
from clearlane.connectors.salesforce import QUEUED, Salesforce, outcomes, writing
from clearlane.policy.model import Lookup, ObjectMapping, Source
from clearlane.push.owners import Owners, missing

from .conftest import Serve, batch
from .local_server import Asked, Clock, Local, Reply
from .salesforce_described import Held, descriptions
from .salesforce_server import (
    ADA,
    BOB,
    LATER,
    OLD,
    PARTNERS,
    RULE_OWNER,
    SINCE,
    Org,
    denied,
    described,
    id_of,
    lead_id,
    user,
)

EVER = Interval()
TOKEN = "00D!first"
OWNED = {"owner": "ada@vendor.example", "score": 82, "band": "hot", "because": "Sie wünscht ein Gespräch"}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "specs" / "salesforce"
LEADS = {"id": "Id", "updated_at": "SystemModstamp", "email": "Email", "owner": "OwnerId"}


@pytest.fixture(scope="session")
def said() -> list[Any]:
    """The vendor's descriptions, none where they are not at hand: the behaviour is tested all the same."""
    return descriptions(SHARED) if SHARED.is_dir() else []


@pytest.fixture
def org() -> Org:
    return Org()


@pytest.fixture
def local(serve: Serve, org: Org, said: list[Any]) -> Iterator[Local]:
    held = Held(org, said)
    yield serve(held)
    assert not held.differing


@pytest.fixture
def connector(local: Local, clock: Clock) -> Salesforce:
    return connected(local, clock)


def connected(
    local: Local, clock: Clock, login: str = f":{TOKEN}", extras: str = "", slowest: float = 60, **said: Any
) -> Salesforce:
    source = Source("crm", "salesforce", "connection:crm", **{"objects": {}, "push": "Clearlane", **said})
    address = local.address.replace("//", f"//{login}@") + extras
    patience = Patience(read=slowest, tries=3)
    return Salesforce(source, lambda name: address, patience=patience, wait=clock.wait)


def mapping(read: str = "Lead", **said: Any) -> ObjectMapping:
    given = {"object": "leads", "fields": LEADS, "cursor": "updated_at", "extras": False, **said}
    return ObjectMapping(read=read, **given)


def read(connector: Salesforce, of: ObjectMapping, interval: Interval = EVER) -> list[dict[str, Any]]:
    return [raw.payload for chunk in connector.read(of, interval) for raw in chunk.records]


def writes(fields: dict[str, Any], *numbers: int) -> list[Write]:
    return [Write(f"k:{number}", "leads", lead_id(number), fields) for number in numbers]


def results(receipts: Any) -> list[str]:
    return [receipt.result for receipt in receipts]


def test_it_is_registered_and_reads_back_and_can_be_tried(connector: Salesforce, org: Org) -> None:
    assert CONNECTORS["salesforce"] is Salesforce
    assert isinstance(connector, ReadsBack)
    assert isinstance(connector, Checkable)
    assert connector.check()[0].good


# --- reading ----------------------------------------------------------------------------------------


def test_the_descriptions_tell_when_the_fake_differs(said: list[Any], serve: Serve, clock: Clock) -> None:
    if not said:
        pytest.skip(f"no descriptions of the vendor at {SHARED}")
    held = Held(lambda asked: Reply({"totalSize": "1", "done": True, "records": [{"Id": "short"}]}), said)
    read(connected(serve(held), clock), mapping())
    assert len(held.differing) == held.held == 1


@pytest.mark.parametrize(
    ("sobject", "columns"),
    [
        ("Task", (*outcomes.TASK, "IsClosed")), ("Event", (*outcomes.EVENT, "IsChild")),
        ("Lead", (*outcomes.CONVERSION, "IsConverted")), ("Opportunity", (*outcomes.DEAL, "IsClosed", "ContactId")),
        ("LeadHistory", (*outcomes.STATUS, "Field")), ("User", ("Username", "Email", "IsActive", "UserType")),
        ("Group", ("Id", "Name", "DeveloperName", "Type")), ("CampaignMember", ("HasResponded", "SystemModstamp")),
    ],
)  # fmt: skip
def test_the_vendor_describes_the_columns_that_are_asked_for(sobject: str, columns: tuple[str, ...]) -> None:
    file = SHARED / "salesforce_rest_oas3_v59_subset.json"
    if not file.is_file():
        pytest.skip(f"no description of the vendor at {file}")
    described_there = json.loads(file.read_text(encoding="utf-8"))["components"]["schemas"][
        f"{sobject}SObject"
    ]
    assert set(columns) <= set(described_there["properties"])


def test_all_pages_come_with_what_was_deleted_and_names_of_every_script(
    org: Org, connector: Salesforce, local: Local
) -> None:
    org.page = 3
    for number in range(8):
        org.lead(number, IsDeleted=number == 5)
    found = read(connector, mapping(fields={**LEADS, "last_name": "LastName", "deleted": "IsDeleted"}))
    assert [one["Id"] for one in found] == [lead_id(number) for number in range(8)]
    assert [one["IsDeleted"] for one in found].count(True) == 1
    assert found[0]["LastName"] == "Zoë 株式会社"
    assert len(local.asked) == 3


def test_a_merged_lead_is_deleted_and_names_the_one_that_took_it_in(org: Org, connector: Salesforce) -> None:
    org.lead(1, IsDeleted=True, MasterRecordId=lead_id(2))
    org.lead(2)
    named = mapping(fields={**LEADS, "deleted": "IsDeleted", "merged_into": "MasterRecordId"})
    loser, winner = map(Mapper(named), read(connector, named))
    assert (loser["deleted"], loser["merged_into"]) == ("true", lead_id(2))
    assert (winner["deleted"], winner.get("merged_into")) == ("false", None)


def test_only_what_changed_since_is_asked_for(org: Org, connector: Salesforce, local: Local) -> None:
    org.lead(1)
    org.lead(2, SystemModstamp=LATER)
    half_past = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    found = read(connector, mapping(), Interval(half_past, half_past + timedelta(hours=1, microseconds=1)))
    assert [one["Id"] for one in found] == [lead_id(2)]
    until = "SystemModstamp >= 2026-03-02T09:30:00Z AND SystemModstamp < 2026-03-02T10:30:01Z"
    assert local.asked[0].query["q"].endswith(f"FROM Lead WHERE ({until})")
    assert local.asked[0].path.endswith("/queryAll/")


def test_a_queue_is_no_owner(org: Org, connector: Salesforce) -> None:
    org.lead(1, owner=PARTNERS)
    [lead] = read(connector, mapping(fields={**LEADS, "queue": "QueueId"}))
    assert (lead["OwnerId"], lead["QueueId"]) == (None, PARTNERS)


def test_with_extras_all_that_this_user_sees_comes_but_not_what_we_wrote_or_what_is_dropped(
    org: Org, connector: Salesforce
) -> None:
    org.lead(1, Clearlane_band__c="hot")
    [lead] = read(connector, mapping(extras=True, drop=("Email",), fields={"id": "Id", "owner": "OwnerId"}))
    assert set(lead) == {
        "Id", "OwnerId", "LastName", "CreatedDate", "SystemModstamp", "LastModifiedDate", "IsConverted", "IsDeleted",
        "MasterRecordId",
    }  # fmt: skip


def test_an_object_may_have_a_condition_and_fields_of_what_it_refers_to(
    org: Org, connector: Salesforce
) -> None:
    member = {"CreatedDate": SINCE, "LeadId": lead_id(1), "Campaign": {"Name": "Messe"}}
    org.put("CampaignMember", {"Id": id_of("00v1"), "HasResponded": True, **member})
    org.put("CampaignMember", {"Id": id_of("00v2"), "HasResponded": False, **member})
    fields = {"id": "Id", "lead_id": "LeadId", "campaign": "Campaign.Name", "type": "= campaign_response"}
    of = mapping("CampaignMember where HasResponded = true", fields=fields, cursor=None)
    [touch] = read(connector, of)
    assert Mapper(of)(touch) == {
        "id": id_of("00v1"), "lead_id": lead_id(1), "campaign": "Messe", "type": "campaign_response",
    }  # fmt: skip


def test_users_are_read_as_reps(connector: Salesforce) -> None:
    of = mapping("User", fields={"id": "Id", "email": "Email", "active": "IsActive"}, cursor=None)
    assert [one["active"] for one in map(Mapper(of), read(connector, of))] == ["true", "true", "false"]


def test_touches_are_calls_and_mails_that_went_out_and_meetings_when_they_were_booked(
    org: Org, connector: Salesforce
) -> None:
    task = {
        "WhoId": lead_id(1),
        "Who": {"Type": "Lead"},
        "OwnerId": ADA,
        "IsClosed": True,
        "IsDeleted": False,
    }
    task |= {"CreatedDate": SINCE, "SystemModstamp": SINCE, "CompletedDateTime": LATER, "CallType": None}
    org.put("Task", {**task, "Id": id_of("tcall"), "TaskSubtype": "Call"})
    org.put("Task", {**task, "Id": id_of("tmail"), "TaskSubtype": "Email", "CompletedDateTime": None})
    org.put("Task", {**task, "Id": id_of("tanswer"), "TaskSubtype": "Email"})
    org.put("EmailMessage", {"Id": id_of("m"), "ActivityId": id_of("tanswer"), "Incoming": True})
    org.put("Task", {**task, "Id": id_of("tcalledus"), "TaskSubtype": "Call", "CallType": "Inbound"})
    org.put("Task", {**task, "Id": id_of("tlist"), "TaskSubtype": "ListEmail"})
    org.put("Task", {**task, "Id": id_of("tplanned"), "TaskSubtype": "Call", "IsClosed": False})
    org.put("Task", {**task, "Id": id_of("tdeleted"), "TaskSubtype": "Call", "IsDeleted": True})
    org.put("Task", {**task, "Id": id_of("tcontact"), "TaskSubtype": "Call", "Who": {"Type": "Contact"}})
    booked = {"StartDateTime": "2026-03-09T09:00:00.000+0000", "IsChild": False}
    org.put("Event", {**task, **booked, "Id": id_of("e")})
    found = read(connector, mapping("Touches", object="outcomes"))
    assert [(one["Id"], one["kind"], one["occurred_at"]) for one in found] == [
        (id_of("tcall"), "first_touch", LATER), (id_of("tmail"), "first_touch", SINCE), (id_of("e"), "meeting", SINCE),
    ]  # fmt: skip
    assert {one["LeadId"] for one in found} == {lead_id(1)}


def test_without_email_messages_every_mail_is_a_touch(org: Org, connector: Salesforce) -> None:
    org.missing = ("EmailMessage",)
    task = {
        "WhoId": lead_id(1),
        "Who": {"Type": "Lead"},
        "OwnerId": ADA,
        "IsClosed": True,
        "IsDeleted": False,
    }
    at = {"CreatedDate": SINCE, "SystemModstamp": SINCE, "CompletedDateTime": LATER, "CallType": None}
    org.put("Task", {**task, **at, "Id": id_of("t"), "TaskSubtype": "Email"})
    assert [one["type"] for one in read(connector, mapping("Touches", object="outcomes"))] == ["email"]


def test_converted_leads_are_outcomes_never_before_they_were_created(org: Org, connector: Salesforce) -> None:
    org.fields["Lead"] |= described("ConvertedDate", "ConvertedOpportunityId", "ConvertedContactId")
    org.fields["Lead"] |= described("ConvertedAccountId")
    org.lead(1)
    org.lead(2, IsConverted=True, ConvertedDate="2026-03-02", ConvertedOpportunityId=None)
    org.lead(3, IsConverted=True, ConvertedDate="2026-03-04", ConvertedOpportunityId="006")
    found = read(connector, mapping("Conversions", object="outcomes"))
    assert [(one["LeadId"], one["kind"], one["occurred_at"]) for one in found] == [
        (lead_id(2), "sql", SINCE), (lead_id(3), "opportunity", "2026-03-04T00:00:00.000+0000"),
    ]  # fmt: skip


def closed(name: str, won: bool, day: str, **said: Any) -> dict[str, Any]:
    deal = {
        "Id": id_of(name),
        "OwnerId": ADA,
        "IsClosed": True,
        "IsWon": won,
        "CloseDate": day,
        "Amount": 900.5,
    }
    dated = {"CreatedDate": SINCE, "SystemModstamp": SINCE, "IsDeleted": False, "StageName": "Closed"}
    return deal | dated | said


def test_closed_deals_are_outcomes_of_the_leads_they_were_made_from(org: Org, connector: Salesforce) -> None:
    org.fields["Lead"] |= described("ConvertedOpportunityId")
    for number, name in enumerate(("won", "lost", "open", "gone")):
        org.lead(number, IsConverted=True, ConvertedOpportunityId=id_of(name))
    org.put("Opportunity", closed("won", True, "2026-03-20"))
    org.put("Opportunity", closed("lost", False, "2026-03-01"))
    org.put("Opportunity", closed("open", False, "2026-03-20", IsClosed=False))
    org.put("Opportunity", closed("gone", True, "2026-03-20", IsDeleted=True))
    org.put("Opportunity", closed("ofnolead", True, "2026-03-20"))
    found = read(connector, mapping("ClosedDeals", object="outcomes"))
    assert [(one["LeadId"], one["kind"], one["occurred_at"], one["Amount"]) for one in found] == [
        (lead_id(0), "won", "2026-03-20T00:00:00.000+0000", 900.5), (lead_id(1), "lost", SINCE, 900.5),
    ]  # fmt: skip


def test_a_change_of_status_is_an_outcome_where_the_mapping_says_what_it_means(
    org: Org, connector: Salesforce
) -> None:
    change = {"LeadId": lead_id(0), "Field": "Status", "CreatedById": ADA, "CreatedDate": LATER}
    for name, value in (("a", "Working"), ("b", "Unqualified"), ("c", "Nurturing")):
        org.put("LeadHistory", {"Id": id_of(name), "NewValue": value, **change})
    org.put("LeadHistory", {"Id": id_of("d"), **change, "Field": "Owner", "NewValue": "Working"})
    fields = {
        "id": "Id",
        "lead_id": "LeadId",
        "kind": "kind",
        "occurred_at": "occurred_at",
        "rep": "CreatedById",
    }
    means = {"kind": {"Working": "accepted", "Unqualified": "rejected"}}
    of = mapping("Statuses", object="outcomes", fields=fields, values=means)
    found = [Mapper(of)(one) for one in read(connector, of)]
    assert [(one["kind"], one["occurred_at"]) for one in found] == [
        ("accepted", "2026-03-02T10:00:00+00:00"), ("rejected", "2026-03-02T10:00:00+00:00"),
    ]  # fmt: skip


def test_a_deal_finds_its_lead_by_a_look_up_of_two_columns(
    org: Org, connector: Salesforce, local: Local, connection: sa.Connection
) -> None:
    org.fields["Lead"] |= described("ConvertedOpportunityId")
    org.lead(7, IsConverted=True, ConvertedOpportunityId=id_of("deal"))
    org.put("Opportunity", closed("deal", True, "2026-03-20"))
    looked_up = Lookup("Lead where IsConverted = true", "ConvertedOpportunityId", "Id", "Id")
    fields = {"id": "Id", "stage": "StageName"}
    of = mapping(
        "Opportunity", object="opportunities", fields=fields, cursor=None, lookups={"lead_id": looked_up}
    )
    source = Source("crm", "salesforce", "connection:crm", {"opportunities": of})
    pull_from(connector, connection, source, batch(connection, "r", "2026-03-02T00:00", "2026-04-02T00:00"))
    [record] = connection.execute(sa.text("select record from inbox")).scalars()
    assert record["lead_id"] == lead_id(7)
    asked = "SELECT ConvertedOpportunityId, Id FROM Lead WHERE (IsConverted = true)"
    assert asked in [one.query.get("q") for one in local.asked]


def test_a_query_too_long_for_its_address_says_what_to_do(serve: Serve, org: Org, clock: Clock) -> None:
    org.failing = [Reply(b"", status=414)]
    with pytest.raises(SourceFailed, match=r"414.*read fewer columns \(`extras: false`\)"):
        read(connected(serve(org), clock), mapping())


def test_a_session_that_ends_between_two_pages_is_renewed(org: Org, local: Local, clock: Clock) -> None:
    org.page = 2
    for number in range(4):
        org.lead(number)
    app = "?consumer_key=key&consumer_secret=s3cr3t"
    pages = connected(local, clock, "", app).read(mapping(), EVER)
    first = next(pages)
    org.expire()
    assert len(first.records) + sum(len(page.records) for page in pages) == 4
    assert org.logins == ["client_credentials"] * 2


def test_a_column_that_is_hidden_is_named(org: Org, connector: Salesforce) -> None:
    with pytest.raises(
        SourceFailed, match=r"400: INVALID_FIELD \(Grade__c\): not there, or hidden"
    ) as failed:
        read(connector, mapping(fields={"id": "Id", "grade": "Grade__c"}))
    assert "Email" not in str(failed.value)


def test_too_many_long_requests_at_once_are_not_the_end_of_the_day(
    serve: Serve, org: Org, clock: Clock
) -> None:
    said = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    org.failing = [denied(403, "REQUEST_LIMIT_EXCEEDED", said)]
    with pytest.raises(SourceFailed, match="too many long requests at once") as failed:
        read(connected(serve(org), clock), mapping())
    assert failed.value.retry_after == 60


def test_columns_have_the_case_they_are_asked_for_in(org: Org, connector: Salesforce) -> None:
    org.lead(1)
    fields = {"id": "id", "email": "EMAIL", "updated_at": "systemmodstamp"}
    for extras in (False, True):
        of = mapping(fields=fields, extras=extras)
        [lead] = [Mapper(of)(one) for one in read(connector, of)]
        assert (lead["id"], lead["email"]) == (lead_id(1), "l1@customer.example")
        assert ("LastName" in lead) == extras


def test_what_is_no_object_is_refused_with_what_is_allowed(connector: Salesforce) -> None:
    with pytest.raises(SourceFailed, match="allowed: OBJECT, OBJECT where CONDITION, Touches, Conversions"):
        read(connector, mapping("select Id from Lead"))


def test_without_requests_left_the_source_is_left_alone(
    org: Org, local: Local, connector: Salesforce
) -> None:
    org.left = 0
    with pytest.raises(
        SourceFailed, match="REQUEST_LIMIT_EXCEEDED: the organisation's API requests"
    ) as failed:
        read(connector, mapping())
    assert (failed.value.retry_after, len(local.asked)) == (900, 1)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b"<html>maintenance</html>", headers={"Content-Type": "text/html"}), "a web page"),
        (Reply(b'{"records": [{"Id'), "malformed or unfinished JSON"),
        (Reply({"totalSize": 1}), "without `records`"),
        (Reply({"done": False, "records": []}), "no end and no next page"),
        (Reply(b"<html>down</html>", status=500), "it failed"),
    ],
)
def test_what_is_no_answer_fails_by_name(
    serve: Serve, org: Org, clock: Clock, reply: Reply, said: str
) -> None:
    org.failing = [reply]
    with pytest.raises(SourceFailed, match=said):
        read(connected(serve(org), clock), mapping())


def test_throttling_is_waited_out_and_a_hang_is_not(serve: Serve, org: Org, clock: Clock) -> None:
    org.lead(1)
    org.failing = [Reply(status=429, headers={"Retry-After": "7"}), Reply(status=503)]
    assert len(read(connected(serve(org), clock), mapping())) == 1
    assert clock.waits[0] == 7
    hanging = serve(lambda asked: hanging.hang())
    with pytest.raises(SourceFailed, match="did not answer in time"):
        read(connected(hanging, clock, slowest=0.3), mapping())


def test_what_was_seen_before_is_a_duplicate_and_what_was_committed_late_is_found(
    org: Org, connector: Salesforce, connection: sa.Connection
) -> None:
    source = Source("crm", "salesforce", "connection:crm", {"leads": mapping()})
    days = ("2026-03-02T00:00", "2026-03-02T10:00"), ("2026-03-02T10:00", "2026-03-02T11:00")
    org.lead(2, SystemModstamp="2026-03-02T09:40:00.000+0000")
    org.lead(1, SystemModstamp="2026-03-02T09:50:00.000+0000")
    first = pull_from(connector, connection, source, batch(connection, "r1", *days[0]))
    org.lead(3, SystemModstamp="2026-03-02T09:45:00.000+0000")
    org.lead(1, SystemModstamp="2026-03-02T10:05:00.000+0000", Email="new@customer.example")
    second = pull_from(connector, connection, source, batch(connection, "r2", *days[1]))
    assert (first.received, first.new) == (2, 2)
    assert (second.received, second.duplicate, second.new) == (3, 1, 2)


def test_the_example_of_the_docs_is_good_policy_and_all_of_it_can_be_read(
    org: Org, local: Local, clock: Clock
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "connectors.md").read_text(encoding="utf-8")
    example = page.partition("## `salesforce`")[2].partition("```yaml\n")[2].partition("```")[0]
    text = f"schema: 1\nowner: data\napprover: revops\n{example}"
    source = policy.parse({"sources": text}).sources.sources["crm"]
    columns = (column for of in source.objects.values() for column in of.fields.values())
    org.fields["Lead"] |= described(*columns, *source.push_fields.values(), "QueueId", *outcomes.CONVERSION)
    connector = connected(local, clock, objects=source.objects, push_fields=source.push_fields)
    found = {name: read(connector, of) for name, of in source.objects.items()}
    assert [name for name, records in found.items() if records] == ["reps"]
    assert connector.check()[-2].good


# --- writing ----------------------------------------------------------------------------------------


def test_what_is_written_stands_in_collections_of_200_and_no_assignment_rule_runs(
    org: Org, connector: Salesforce, local: Local
) -> None:
    for number in range(450):
        org.lead(number, owner=BOB)
    receipts = connector.write(writes(OWNED, *range(450)))
    assert results(receipts) == ["sent"] * 450
    assert {one["OwnerId"] for one in org.tables["Lead"].values()} == {ADA}
    assert RULE_OWNER not in str(org.tables["Lead"])
    sent = [asked for asked in local.asked if asked.method == "PATCH"]
    assert [len(asked.json["records"]) for asked in sent] == [200, 200, 50]
    assert {asked.json["allOrNone"] for asked in sent} == {False}
    now = connector.current(writes(OWNED, 1, 2, 999))
    assert set(now) == {lead_id(1), lead_id(2)}
    assert OWNED.items() <= now[lead_id(1)].items()


def test_an_owner_may_be_an_id_a_user_name_or_an_address_and_must_be_one_active_user(
    org: Org, connector: Salesforce
) -> None:
    org.put("User", user("005000000000TWOAAA", "two", email="Bob@Vendor.example"))
    named = [ADA, ADA[:15], "ADA@vendor.crm", "ada@vendor.example", "bob@vendor.example", OLD, "x@y.example"]
    for number in range(len(named)):
        org.lead(number, owner=BOB)
    receipts = connector.write([w for n, name in enumerate(named) for w in writes({"owner": name}, n)])
    assert results(receipts) == ["sent"] * 4 + ["refused"] * 3
    assert "no active user, or several" in str(receipts[4].error)


def test_without_an_owner_a_lead_goes_to_the_queue(org: Org, connector: Salesforce) -> None:
    for number in range(3):
        org.lead(number)
    sent = [
        *writes({"owner": None, "queue": "Partner Desk"}, 0),
        *writes({"owner": None, "queue": "nurture"}, 1), *writes({"owner": None, "queue": None}, 2),
    ]  # fmt: skip
    receipts = connector.write(sent)
    assert [(one.result, one.error) for one in receipts] == [
        ("sent", None), ("refused", "no queue nurture"),
        ("refused", "a record cannot be without an owner; push_fields may say `queue: OwnerId`"),
    ]  # fmt: skip
    held = connector.current(sent[:1])[lead_id(0)]
    assert (held["owner"], held["queue"]) == (None, "Partner Desk")


def test_each_record_fails_by_itself_and_the_reason_names_the_field_and_no_value(
    org: Org, connector: Salesforce
) -> None:
    org.lead(0)
    org.lead(1, IsConverted=True)
    org.lead(2, IsDeleted=True)
    org.lead(3)
    sent = [*writes(OWNED, 0, 1, 2), *writes({"because": "x" * 300}, 3), Write("odd", "leads", "nix", OWNED)]
    receipts = connector.write(sent)
    assert [(one.result, one.error) for one in receipts] == [
        ("sent", None),
        ("refused", "CANNOT_UPDATE_CONVERTED_LEAD: the lead was converted"),
        ("refused", "ENTITY_IS_DELETED: the record was deleted"),
        ("refused", "STRING_TOO_LONG (Clearlane_because__c): longer than the field"),
        ("refused", "not an id of Salesforce"),
    ]


def test_fields_that_this_user_may_not_edit_are_named_before_anything_is_written(
    org: Org, connector: Salesforce, local: Local
) -> None:
    org.lead(0)
    org.fields["Lead"]["Clearlane_score__c"]["updateable"] = False
    del org.fields["Lead"]["Clearlane_band__c"]
    said = "Lead: no field Clearlane_band__c, or hidden from this user; read-only for this user: Clearlane_score__c"
    with pytest.raises(SourceFailed, match=said):
        connector.write(writes(OWNED, 0))
    assert not [asked for asked in local.asked if asked.method == "PATCH"]
    assert connector.current(writes(OWNED, 0))[lead_id(0)]["band"] == UNREADABLE


def test_a_field_that_is_locked_afterwards_is_named(org: Org, connector: Salesforce) -> None:
    org.lead(0)
    connector.write(writes(OWNED, 0))
    org.fields["Lead"]["Clearlane_score__c"] = {
        "name": "Clearlane_score__c",
        "type": "double",
        "updateable": False,
    }
    [receipt] = connector.write(writes({"score": 3}, 0))
    assert receipt == Receipt(
        "k:0", "refused",
        "INVALID_FIELD_FOR_INSERT_UPDATE (Clearlane_score__c): this user may not edit the field (field-level security)",
    )  # fmt: skip


def test_a_locked_record_is_tried_again_and_then_waits(org: Org, connector: Salesforce, clock: Clock) -> None:
    for number in range(3):
        org.lead(number)
    org.locks = type(org.locks)({lead_id(1): 1, lead_id(2): 9})
    receipts = connector.write(writes(OWNED, 0, 1, 2))
    assert results(receipts) == ["sent", "sent", "retry"]
    assert receipts[2].error == "UNABLE_TO_LOCK_ROW: another process holds the record"
    assert clock.waits == list(writing.LOCK_WAITS)


def test_a_write_whose_answer_was_lost_is_the_same_again(org: Org, serve: Serve, clock: Clock) -> None:
    org.lead(0, owner=BOB)
    lost = [Reply(cut=True)]

    def answer(asked: Asked) -> Reply:
        reply = org(asked)
        return lost.pop() if asked.method == "PATCH" and lost else reply

    assert results(connected(serve(answer), clock).write(writes(OWNED, 0))) == ["sent"]
    assert not lost
    assert org.tables["Lead"][lead_id(0)]["OwnerId"] == ADA


def test_of_two_writes_of_one_record_the_later_stands(org: Org, connector: Salesforce) -> None:
    org.lead(0)
    earlier, later = writes({"band": "hot"}, 0)[0], Write("later", "leads", lead_id(0), {"band": "cold"})
    assert results(connector.write([earlier, later])) == ["sent", "sent"]
    assert org.tables["Lead"][lead_id(0)]["Clearlane_band__c"] == "cold"


def test_the_rest_waits_when_requests_run_out(org: Org, connector: Salesforce) -> None:
    for number in range(401):
        org.lead(number)
    connector.write(writes(OWNED, 0))
    org.left = 1
    receipts = connector.write(writes(OWNED, *range(401)))
    assert results(receipts) == ["sent"] * 200 + ["retry"] * 201
    assert receipts[400].retry_after == 900


def test_a_session_without_a_login_that_ends_mid_run_makes_the_rest_wait(
    org: Org, connector: Salesforce
) -> None:
    org.lead(0)
    connector.write(writes(OWNED, 0))
    org.expire()
    [receipt] = connector.write(writes(OWNED, 0))
    assert receipt.result == "retry"
    assert "INVALID_SESSION_ID: the session has ended" in str(receipt.error)


def test_what_was_written_is_known_again_however_salesforce_writes_it(
    org: Org, connector: Salesforce
) -> None:
    org.fields["Lead"] |= described(Clearlane_sla_due__c="datetime", Clearlane_tier__c="string")
    org.lead(0, owner=BOB)
    said = OWNED | {"queue": None, "sla_due": "2026-03-02T11:00:00Z", "because": " two words ", "tier": None}
    assert results(connector.write(writes(said, 0))) == ["sent"]
    held = connector.current(writes(said, 0))[lead_id(0)]
    assert held["sla_due"] == "2026-03-02T11:00:00.000+0000"
    assert missing(Owners({}), said, held) == []
    assert missing(Owners({}), said | {"score": 83, "owner": "bob@vendor.example"}, held) == [
        "owner",
        "score",
    ]


def test_push_fields_say_what_is_written_and_where(org: Org, local: Local, clock: Clock) -> None:
    org.fields["Lead"] |= described("Rating", "Sdr__c")
    org.lead(0, owner=BOB)
    connector = connected(local, clock, push_fields={"owner": "Sdr__c", "band": "Rating"})
    assert results(connector.write(writes(OWNED | {"queue": None}, 0))) == ["sent"]
    lead = org.tables["Lead"][lead_id(0)]
    assert (lead["Sdr__c"], lead["Rating"], lead["OwnerId"]) == (ADA, "hot", BOB)
    assert connector.current(writes(OWNED, 0)) == {lead_id(0): {"owner": OWNED["owner"], "band": "hot"}}
    asked = len(local.asked)
    assert results(connector.write(writes({"score": 3}, 0))) == ["sent"]
    assert len(local.asked) == asked


def test_who_chose_another_owner_is_told_from_the_history(org: Org, connector: Salesforce) -> None:
    org.lead(0, owner=BOB)
    for at, by in ((LATER, BOB), (SINCE, ADA)):
        changed = {"LeadId": lead_id(0), "Field": "Owner", "CreatedById": by, "CreatedDate": at}
        org.put("LeadHistory", {"Id": id_of(f"017{by[-6:]}"), **changed})
    held = connector.current(writes(OWNED, 0))[lead_id(0)]
    assert (held["owner"], held["owner_changed_by"]) == (BOB, BOB)
    assert held["owner_changed_at"] == datetime(2026, 3, 2, 10, tzinfo=UTC)
    org.missing = ("LeadHistory",)
    assert "owner_changed_at" not in connector.current(writes(OWNED, 0))[lead_id(0)]


def test_an_owner_who_changed_since_it_was_looked_at_is_left_alone(org: Org, connector: Salesforce) -> None:
    for number, owner in ((0, BOB), (1, BOB), (2, PARTNERS)):
        org.lead(number, owner=owner)
    sent = looked_at(connector, writes(OWNED, 0, 1, 2))
    org.tables["Lead"][lead_id(1)]["OwnerId"] = "005000000000ZEDAAA"
    assert results(connector.write(sent)) == ["sent", "changed", "sent"]
    assert "Clearlane_score__c" not in org.tables["Lead"][lead_id(1)]


def looked_at(connector: Salesforce, sent: list[Write]) -> list[Write]:
    held = connector.current(sent)
    return [replace(write, seen=held.get(write.external_id)) for write in sent]


def test_whom_a_person_chooses_in_the_very_moment_of_the_write_stands(
    org: Org, connector: Salesforce, local: Local
) -> None:
    for number in range(30):
        org.lead(number, owner=BOB)
    org.lead(1, owner=BOB, LastModifiedDate="2026-03-02T09:00:00.500+0000")
    sent = looked_at(connector, writes(OWNED, *range(30)))

    def choose() -> None:
        for number in (0, 29):
            org.tables["Lead"][lead_id(number)] |= {"OwnerId": OLD, "LastModifiedDate": LATER}

    org.before_write = choose
    assert results(connector.write(sent)) == ["changed", *["sent"] * 28, "changed"]
    owners = [org.tables["Lead"][lead_id(number)]["OwnerId"] for number in range(30)]
    assert owners == [OLD, *[ADA] * 28, OLD]  # and no assignment rule ran
    posts = [asked.json["compositeRequest"] for asked in local.asked if asked.method == "POST"]
    assert [len(parts) for parts in posts] == [25, 5]
    said = {part["httpHeaders"]["If-Unmodified-Since"] for parts in posts for part in parts}
    assert said == {"Mon, 02 Mar 2026 09:00:00 GMT", "Mon, 02 Mar 2026 09:00:01 GMT"}


def test_on_condition_each_record_fails_by_itself_and_a_locked_one_is_tried_again(
    org: Org, connector: Salesforce, local: Local, clock: Clock
) -> None:
    for number in range(4):
        org.lead(number, owner=BOB)
    sent = looked_at(connector, writes(OWNED, 0, 1, 2, 3)) + writes({"score": 5}, 9)
    org.lead(1, owner=BOB, IsConverted=True)
    org.locks[lead_id(2)] = 1
    org.lead(9)
    receipts = connector.write(sent)
    assert results(receipts) == ["sent", "refused", "sent", "sent", "sent"]
    assert receipts[1].error == "CANNOT_UPDATE_CONVERTED_LEAD: the lead was converted"
    assert clock.waits == [1]


@pytest.mark.parametrize(
    "reply",
    [Reply({"compositeResponse": []}), Reply([]), Reply(b"<html>"), Reply({}, status=503), Reply(cut=True)],
)
def test_on_condition_what_is_no_answer_leaves_all_for_later(
    serve: Serve, org: Org, clock: Clock, reply: Reply
) -> None:
    local = serve(org)
    connector = connected(local, clock)
    org.lead(0, owner=BOB)
    sent = looked_at(connector, writes(OWNED, 0))

    def answer(asked: Asked) -> Reply:
        return reply if asked.path.endswith("/composite") else org(asked)

    failing = connected(serve(answer), clock)
    assert results(failing.write(sent)) == ["retry"]
    assert org.tables["Lead"][lead_id(0)]["OwnerId"] == BOB


# --- many at once -----------------------------------------------------------------------------------


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> int:
    """A bound of the bulk interface that a test reaches sooner."""
    monkeypatch.setattr(writing, "BULK_ABOVE", 4)
    return 5


def test_above_2000_a_bulk_job_writes_and_each_record_has_its_own_result(
    org: Org, connector: Salesforce, local: Local, clock: Clock
) -> None:
    for number in range(2001):
        org.lead(number, owner=BOB, IsConverted=number == 7)
    org.locks = type(org.locks)({lead_id(8): 1})
    receipts = connector.write(writes(OWNED, *range(2001)))
    assert results(receipts).count("sent") == 2000
    assert receipts[7].error == "CANNOT_UPDATE_CONVERTED_LEAD: the lead was converted"
    assert org.tables["Lead"][lead_id(2000)]["Clearlane_because__c"] == OWNED["because"]
    assert [asked.path for asked in local.asked].count("/services/data/v63.0/composite/sobjects") == 1
    assert "assignmentRuleId" not in next(iter(org.jobs.values()))


def test_a_job_empties_what_is_none_and_leaves_alone_what_is_not_said(
    org: Org, connector: Salesforce, many: int
) -> None:
    for number in range(many):
        org.lead(number, Clearlane_band__c="cool")
    sent = [*writes({"band": None}, 0), *writes({"score": 3}, *range(1, many))]
    assert results(connector.write(sent)) == ["sent"] * many
    bands = [one["Clearlane_band__c"] for one in org.tables["Lead"].values()]
    assert bands == [None] + ["cool"] * (many - 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "STRING_TOO_LONG:too large: Ann -- Zoë:Band__c --",
            "STRING_TOO_LONG (Band__c): longer than the field",
        ),
        (
            "FIELD_CUSTOM_VALIDATION_EXCEPTION:Ann:Ann --",
            "FIELD_CUSTOM_VALIDATION_EXCEPTION: a validation rule refuses it",
        ),
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:trigger: UNABLE_TO_LOCK_ROW, wait:--",
            "UNABLE_TO_LOCK_ROW: another",
        ),
        ("no words of Salesforce about Ann", "UNKNOWN_EXCEPTION"),
    ],
)
def test_a_line_of_a_job_names_code_and_field_and_nobody(
    org: Org, serve: Serve, clock: Clock, many: int, line: str, said: str
) -> None:
    for number in range(many):
        org.lead(number)
    org.fields["Lead"] |= described("Band__c")
    org.locks[lead_id(0)] = 9
    table = f'"sf__Id","sf__Error",Id\n,"{line}",{lead_id(0)}\n'.encode()
    failing = Reply(table, headers={"Content-Type": "text/csv"})
    local = serve(lambda asked: failing if asked.path.endswith("failedResults") else org(asked))
    receipts = connected(local, clock, push_fields={"band": "Band__c"}).write(writes(OWNED, *range(many)))
    assert receipts[0].result != "sent"
    assert str(receipts[0].error).startswith(said)
    assert "Ann" not in str(receipts)


def test_a_job_that_does_not_end_is_aborted_and_all_wait(
    org: Org, connector: Salesforce, clock: Clock, many: int
) -> None:
    for number in range(many):
        org.lead(number)
    org.polls = 10**6
    receipts = connector.write(writes(OWNED, *range(many)))
    assert results(receipts) == ["retry"] * many
    assert [job["state"] for job in org.jobs.values()] == ["Aborted"]
    assert writing.PATIENCE <= sum(clock.waits) < writing.PATIENCE + 60


def test_a_job_whose_upload_fails_is_aborted(serve: Serve, org: Org, clock: Clock, many: int) -> None:
    for number in range(many):
        org.lead(number)
    local = serve(lambda asked: Reply(status=500) if asked.method == "PUT" else org(asked))
    assert results(connected(local, clock).write(writes(OWNED, *range(many)))) == ["retry"] * many
    assert [job["state"] for job in org.jobs.values()] == ["Aborted"]


ROWS = st.lists(st.tuples(st.integers(0, 5), st.text(alphabet="abc", max_size=2)), max_size=30)


@given(ROWS)
def test_no_round_names_a_record_twice_and_the_writes_of_one_stay_in_order(
    said: list[tuple[int, str]],
) -> None:
    rows = [
        writing.Row(Write(f"k{position}", "leads", lead_id(number), {}), {"Band__c": band})
        for position, (number, band) in enumerate(said)
    ]
    rounds = list(writing.rounds(rows))
    assert [row for once in rounds for row in once] == rows
    for once in rounds:
        assert len({row.write.external_id for row in once}) == len(once)


VALUES = st.dictionaries(
    st.sampled_from(["A__c", "B__c", "C__c"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
    | st.just('"a",\n b')
    | st.integers(),
)


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_the_lines_of_a_job_hold_every_value_and_only_those(said: list[dict[str, Any]]) -> None:
    rows = [writing.Row(Write("k", "leads", lead_id(n), {}), values) for n, values in enumerate(said)]
    lines = list(csv.DictReader(io.StringIO(writing.as_csv(rows).decode(), newline="")))
    assert [line.pop("Id") for line in lines] == [row.write.external_id for row in rows]
    kept = [{name: cell for name, cell in line.items() if cell} for line in lines]
    assert kept == [{name: str(value) for name, value in row.values.items()} for row in rows]


# --- logging in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "extras", "kind"),
    [
        ("ann%40vendor.example:pass", "?security_token=tok", "soap"),
        ("ann%40vendor.example:pass", "", "soap"),
        ("ann%40vendor.example:pass", "?consumer_key=key&consumer_secret=s", "password"),
        ("ann%40vendor.example:pass", "?consumer_key=key&consumer_secret=s&security_token=tok", "password"),
        ("", "?consumer_key=key&consumer_secret=s", "client_credentials"),
        ("ann%40vendor.example:", "?consumer_key=key&consumer_secret=s", "client_credentials"),
    ],
)
def test_it_logs_in_as_the_connection_says(
    org: Org, local: Local, clock: Clock, login: str, extras: str, kind: str
) -> None:
    org.lead(0)
    assert len(read(connected(local, clock, login, extras), mapping())) == 1
    assert org.logins == [kind]


def test_it_signs_a_token_request_with_the_key_of_an_app(org: Org, local: Local, clock: Clock) -> None:
    from urllib.parse import quote

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    extras = f"?consumer_key=key&private_key={quote(pem.decode())}"
    read(connected(local, clock, "ann%40vendor.example:pass", extras), mapping())
    assert org.logins == ["urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"]
    with pytest.raises(SourceFailed, match=r"the login to Salesforce failed \(\w+\)$"):
        read(connected(local, clock, "ann%40vendor.example:", "?consumer_key=key&private_key=no"), mapping())


@pytest.mark.parametrize(
    ("login", "extras", "said"),
    [
        ("ann%40vendor.example:wrong", "", "INVALID_LOGIN: user, password or security token is wrong"),
        ("ann%40vendor.example:wrong", "?consumer_key=k&consumer_secret=s", "400: invalid_grant: user, key"),
    ],
)
def test_a_login_that_is_refused_is_told_by_its_code(
    org: Org, local: Local, clock: Clock, login: str, extras: str, said: str
) -> None:
    connector = connected(local, clock, login, extras)
    with pytest.raises(SourceFailed, match=said):
        read(connector, mapping())
    assert len(org.logins) == 1  # tried again it might lock the user out
    assert connector.check()[0].good is False


def test_the_page_to_log_in_at_is_no_organisation(clock: Clock) -> None:
    source = Source("crm", "salesforce", "connection:crm", {})
    with pytest.raises(SourceFailed, match="holds no records; allowed: its My Domain"):
        Salesforce(source, lambda name: "salesforce://ann:pass@login.salesforce.com", wait=clock.wait)


def test_without_anything_to_log_in_with_it_says_what_is_allowed(local: Local, clock: Clock) -> None:
    with pytest.raises(SourceFailed, match="nothing to log in with; allowed: user and password"):
        connected(local, clock, "ann:")


# --- trying it --------------------------------------------------------------------------------------


def test_a_trial_says_login_limits_rights_and_fields(org: Org, local: Local, clock: Clock) -> None:
    touches, odd = mapping("Touches", object="outcomes"), mapping("select Id from Lead", object="contacts")
    objects = {"leads": mapping(), "touches": touches, "again": mapping("Lead"), "odd": odd}
    pushed = {"owner": "OwnerId", "queue": "OwnerId", "score": "Clearlane_score__c"}
    found = connected(local, clock, objects=objects, push_fields=pushed).check()
    assert [(one.what, one.good) for one in found] == [
        ("login", True), ("limits", True), ("scopes", True), ("scopes", False), ("scopes", False),
        ("write", True), ("queues", None),
    ]  # fmt: skip
    assert found[1].said == "14,998 of 15,000 API requests of 24 hours left"
    assert found[-2].said == "Lead: OwnerId, Clearlane_score__c"
    assert found[-1].said.startswith("queues: 1, none named pool, nurture, held,")
    assert connected(local, clock).check()[-2].good is False
    for place in QUEUED:
        queue = {"Id": id_of(f"00G{place}"), "Name": place.title(), "DeveloperName": place, "Type": "Queue"}
        org.put("Group", queue)
    assert connected(local, clock).check()[-1].good


def test_neither_a_secret_nor_a_person_is_told(
    org: Org, local: Local, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    org.lead(0)
    org.lead(1, IsConverted=True)
    org.lead(2)
    with caplog.at_level(logging.DEBUG):
        connector = connected(local, clock, "ann%40customer.example:pa55word", "?security_token=t0ken5")
        told = str(connector.write([*writes(OWNED, 0, 1), *writes({"because": "Zoë " * 99}, 2)]))
        read(connector, mapping())
        told += str(connector.check()) + repr(connector) + repr(vars(connector)["_wire"])
        org.failing = [denied(500, "UNKNOWN_EXCEPTION", "ann@customer.example")]
        with pytest.raises(SourceFailed) as failed:
            read(connector, mapping())
        told += repr(failed.value) + caplog.text
    secret = ("pa55word", "t0ken5", "00D!n", "customer.example", "Zoë", "ada@", "Gespräch")
    assert not [word for word in secret if word in told]
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
