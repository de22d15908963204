"""HubSpot's connector against a fake that remembers; each request and answer fits the models of HubSpot's client."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.connectors import Interval, SourceFailed, Write, hubspot
from clearlane.connectors.http import Patience
from clearlane.connectors.hubspot import FIELDS, HubSpot, reading
from clearlane.connectors.mapping import Mapper
from clearlane.policy.model import PUSHED, Lookup, ObjectMapping, Source
from clearlane.push import owners
from clearlane.push.owners import Owners

from .conftest import Serve
from .hubspot_server import OPENED, TOKEN, HubSpotServer, fits, refusal, stamp
from .local_server import Clock, Local, Reply

EVER = Interval()
OWNED = {"owner": "ada@vendor.example", "score": 82.0, "band": "hot", "because": "Sie wünscht ein Gespräch"}


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    server = HubSpotServer()
    server.hire("71", "Ada@vendor.example", 901)
    server.hire("72", "bob@vendor.example", 902)
    server.hire("70", "old@vendor.example", 900, archived=True)
    yield server
    assert not server.wrong


@pytest.fixture
def local(serve: Serve, server: HubSpotServer) -> Local:
    return serve(server)


@pytest.fixture
def connector(local: Local, clock: Clock) -> HubSpot:
    return connected(local, clock)


def connected(
    local: Local, clock: Clock, login: str = f":{TOKEN}@", extras: str = "", slowest: float = 60, **said: Any
) -> HubSpot:
    source = Source("crm", "hubspot", "connection:crm", **{"objects": {}, "push": "contacts", **said})
    address = local.address.replace("//", f"//{login}") + extras
    patience = Patience(read=slowest, tries=3)
    return HubSpot(source, lambda name: address, patience=patience, pace=(), wait=clock.wait)


def mapping(name: str, *columns: str, **options: Any) -> ObjectMapping:
    return ObjectMapping(object="leads", read=name, fields={column: column for column in columns}, **options)


def read(connector: HubSpot, wanted: ObjectMapping, interval: Interval = EVER) -> list[dict[str, Any]]:
    return [raw.payload for chunk in connector.read(wanted, interval) for raw in chunk.records]


def ids(records: list[dict[str, Any]]) -> list[str]:
    return [record["id"] for record in records]


def writes(fields: dict[str, Any], *leads: str) -> list[Write]:
    return [Write(f"k:{lead}", "leads", lead, fields) for lead in leads]


def minutes(start: float, end: float) -> Interval:
    return Interval(OPENED + timedelta(minutes=start), OPENED + timedelta(minutes=end))


# --- reading ----------------------------------------------------------------------------------------


def test_more_than_a_search_gives_is_read_on_by_id(
    server: HubSpotServer, connector: HubSpot, local: Local
) -> None:
    server.deepest = 400
    for number in range(1, 1_002):
        server.add("contacts", str(number), email=f"{number}@customer.example")
    found = read(connector, mapping("contacts", "email"))
    assert ids(found) == [str(number) for number in range(1, 1_002)]
    assert len(local.asked) == 6
    assert all(one.json["after"] == "0" for one in local.asked)


def test_records_changed_in_the_interval_are_read_with_the_properties_that_are_named(
    server: HubSpotServer, connector: HubSpot
) -> None:
    for id, changed in (("1", -0.001), ("2", 0), ("3", 59.999), ("4", 60)):
        server.add("companies", id, changed, name="Zoë & Söhne", secret_note="private")
    found = read(connector, mapping("companies", "name"), minutes(0, 60))
    assert found == [
        {
            "name": "Zoë & Söhne", "id": id, "createdAt": stamp(), "updatedAt": stamp(changed), "archived": False,
        }
        for id, changed in (("2", 0), ("3", 59.999))
    ]  # fmt: skip


def test_a_contact_names_those_that_were_merged_into_it(server: HubSpotServer, connector: HubSpot) -> None:
    server.add("contacts", "3", hs_merged_object_ids="1;2")
    named = ObjectMapping("leads", "contacts", {"id": "id", "merged_from": "hs_merged_object_ids"})
    [record] = map(Mapper(named), read(connector, named))
    assert record["merged_from"] == "1;2"


def test_a_record_that_changes_while_we_read_comes_once_or_in_the_next_interval(
    server: HubSpotServer, connector: HubSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    for number in (9, 10, 11, 100):
        server.add("contacts", str(number), 5, email="x")
    pages = connector.read(mapping("contacts", "email"), minutes(0, 60))
    first = [raw.payload["id"] for raw in next(pages).records]
    server.records["contacts"]["9"]["updatedAt"] = stamp(50)
    server.records["contacts"]["11"]["updatedAt"] = stamp(61)
    rest = [raw.payload["id"] for chunk in pages for raw in chunk.records]
    assert (first, rest) == (["9", "10"], ["100"])
    assert ids(read(connector, mapping("contacts", "email"), minutes(60, 120))) == ["11"]


def test_results_out_of_order_are_no_end(serve: Serve, clock: Clock) -> None:
    results = [{"id": id, "properties": {}} for id in ("5", "3")]
    body = {"total": 9, "results": results, "paging": {"next": {"after": "2"}}}
    with pytest.raises(SourceFailed, match="not in the order of their ids"):
        read(connected(serve(lambda asked: Reply(body)), clock), mapping("contacts", "email"))


def test_associations_that_never_end_are_a_failure(serve: Serve, clock: Clock) -> None:
    record = {"id": "5", "properties": {}}
    endless = {"from": {"id": "5"}, "to": [], "paging": {"next": {"after": "2"}}}
    local = serve(lambda asked: Reply({"results": [endless if "associations" in asked.path else record]}))
    with pytest.raises(SourceFailed, match="a next page that was read before"):
        read(connected(local, clock), mapping("deals", "company_id"))


def test_deleted_records_are_listed_with_when_they_were_deleted(
    server: HubSpotServer, connector: HubSpot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LISTED", 2)
    for number in range(5):
        server.add("contacts", str(number), email=f"{number}@customer.example", phone="1")
        if number != 3:
            server.delete("contacts", str(number), 30 + number)
    assert ids(read(connector, mapping("contacts", "email"))) == ["3"]
    gone = read(connector, mapping("deleted contacts", "email", "phone"))
    assert ids(gone) == ["0", "1", "2", "4"]
    assert {one["updatedAt"] for one in gone} == {stamp(minute) for minute in (30, 31, 32, 34)}
    assert all(one["archived"] and one["phone"] == "1" for one in gone)


def test_owners_are_read_over_pages_with_those_who_left(
    connector: HubSpot, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LISTED", 1)
    found = read(connector, mapping("owners"))
    assert [(one["id"], one["email"], one["active"], one["user_id"]) for one in found] == [
        ("71", "ada@vendor.example", True, 901), ("72", "bob@vendor.example", True, 902),
        ("70", "old@vendor.example", False, 900),
    ]  # fmt: skip
    assert found[0]["name"] == "Ådne 71"
    assert len(local.asked) == 3


def test_an_owner_is_told_by_the_address_and_a_deal_by_its_primary_company(
    server: HubSpotServer, connector: HubSpot
) -> None:
    server.add("deals", "5", hubspot_owner_id="72", dealstage="won")
    server.add("deals", "6", hubspot_owner_id="70")
    server.add("deals", "7", hubspot_owner_id="12345")
    server.link("deals", "5", "companies", "10", "11", "3", primary="3")
    server.link("deals", "5", "contacts", "21", "20")
    found = read(connector, mapping("deals", "dealstage", "owner_email", "contact_id", "company_id"))
    told = [(one["owner_email"], one["contact_id"], one["company_id"]) for one in found]
    assert told == [
        ("bob@vendor.example", "20", "3"), ("old@vendor.example", None, None), ("12345", None, None),
    ]  # fmt: skip


def test_an_activity_comes_once_for_each_contact_and_says_what_it_was(
    server: HubSpotServer, connector: HubSpot
) -> None:
    server.add("calls", "1", hs_call_direction="INBOUND", hs_call_body="private")
    server.link("calls", "1", "contacts", "8", "9", "7")
    server.add("calls", "2", hs_call_direction="OUTBOUND")
    server.add("communications", "3", hs_communication_channel_type="WHATS_APP")
    server.link("communications", "3", "contacts", "8")
    calls = read(connector, mapping("calls", "activity", "contact_id"))
    assert [(one["id"], one["contact_id"], one["activity"]) for one in calls] == [
        (f"1:{contact}", contact, "inbound_call") for contact in ("7", "8", "9")
    ]
    assert "private" not in str(calls)
    assert read(connector, mapping("communications", "activity", "contact_id"))[0]["activity"] == "whats_app"


def test_touches_are_what_people_sent_and_the_meetings_from_when_they_were_booked(
    server: HubSpotServer, connector: HubSpot
) -> None:
    owned = {"hubspot_owner_id": "71", "hs_timestamp": stamp(3), "hs_createdate": stamp(1)}
    said: list[tuple[str, str, dict[str, Any]]] = [
        ("calls", "1", {"hs_call_direction": "OUTBOUND"}), ("calls", "2", {"hs_call_direction": "INBOUND"}),
        ("emails", "3", {"hs_email_direction": "EMAIL"}), ("emails", "4", {"hs_email_direction": "INCOMING_EMAIL"}),
        ("emails", "5", {"hs_email_direction": "EMAIL", "hs_object_source": "SEQUENCES"}), ("meetings", "6", {}),
    ]  # fmt: skip
    for type, id, properties in said:
        server.add(type, id, 5, **owned, **properties)
        server.link(type, id, "contacts", "8")
    found = read(connector, mapping("touches"), minutes(0, 60))
    rep = "ada@vendor.example"
    assert [tuple(one.values()) for one in found] == [
        ("calls:1:8", "8", "first_touch", "outbound_call", stamp(3), rep),
        ("emails:3:8", "8", "first_touch", "outbound_email", stamp(3), rep),
        ("meetings:6:8", "8", "meeting", "meeting", stamp(1), rep),
    ]
    assert read(connector, mapping("touches"), minutes(6, 60)) == []


def test_outcomes_are_the_stages_that_values_name(server: HubSpotServer, connector: HubSpot) -> None:
    entered = "hs_v2_date_entered_"
    server.add("contacts", "8", **{f"{entered}salesqualifiedlead": stamp(1), f"{entered}lead": stamp(0)})
    server.add("contacts", "9", **{f"{entered}customer": stamp(2)})
    stages = {"kind": {"salesqualifiedlead": "sql", "customer": "won"}}
    found = read(connector, mapping("lifecycle stages", values=stages))
    assert [(one["id"], one["kind"], one["occurred_at"]) for one in found] == [
        ("8:salesqualifiedlead:8", "salesqualifiedlead", stamp(1)), ("9:customer:9", "customer", stamp(2)),
    ]  # fmt: skip
    lost = {
        f"{entered}closedlost": stamp(4),
        "closed_lost_reason": "Preis",
        "amount": "900",
        "hubspot_owner_id": "72",
    }
    server.add("deals", "5", **lost)
    server.link("deals", "5", "contacts", "8", "9")
    found = read(connector, mapping("deal stages", values={"kind": {"closedlost": "lost"}}))
    assert [(one["id"], one["lead_id"], one["reason"], one["amount"], one["rep"]) for one in found] == [
        (f"5:closedlost:{contact}", contact, "Preis", "900", "bob@vendor.example") for contact in ("8", "9")
    ]
    with pytest.raises(SourceFailed, match="deal stages need `values` of kind"):
        read(connector, mapping("deal stages"))


def test_look_ups_ask_for_their_own_columns(server: HubSpotServer, connector: HubSpot) -> None:
    server.add("companies", "3", name="Acme", domain="acme.example")
    looked_up = {"company": Lookup(read="companies", match="id", by="associatedcompanyid", take="name")}
    [found] = read(connector, ObjectMapping("leads", "companies", {}, lookups=looked_up))
    assert (found["id"], found["name"]) == ("3", "Acme")
    assert "domain" not in found


def test_what_cannot_be_read_is_named_with_what_can(connector: HubSpot) -> None:
    with pytest.raises(SourceFailed, match=r"nothing to read is called all contacts; allowed: .*lifecycle"):
        read(connector, mapping("all contacts"))


@given(st.lists(st.datetimes(datetime(2026, 3, 2), datetime(2026, 3, 2, 0, 0, 1)), min_size=3, max_size=3))
def test_the_filters_hold_what_the_interval_holds(moments: list[datetime]) -> None:
    start, end, found = (moment.replace(tzinfo=UTC) for moment in moments)
    found = found.replace(microsecond=found.microsecond // 1000 * 1000)
    record = {"id": "1", "updatedAt": found.isoformat()}
    filters = reading._within("contacts", Interval(start, end))
    assert all(fits("contacts", record, one) for one in filters) == Interval(start, end).holds(found)


# --- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b"<html>maintenance</html>", headers={"Content-Type": "text/html"}), "a web page"),
        (Reply(b'{"results": [{"id": '), "malformed or unfinished JSON"),
        (Reply({"total": 3}), "without a list at results"),
    ],
)
def test_what_is_no_list_fails_by_name(
    server: HubSpotServer, connector: HubSpot, reply: Reply, said: str
) -> None:
    server.failing = [reply]
    with pytest.raises(
        SourceFailed, match=f"POST /crm/v3/objects/contacts/search answered 200 with.*{said}|{said}"
    ):
        read(connector, mapping("contacts", "email"))


def test_nobody_waits_for_an_answer_without_end(serve: Serve, clock: Clock) -> None:
    local: Local = serve(lambda asked: local.hang())
    with pytest.raises(SourceFailed, match="did not answer in time"):
        read(connected(local, clock, slowest=0.3), mapping("contacts", "email"))
    assert local.times(3) == 3


def test_too_many_requests_wait_as_long_as_is_asked(
    server: HubSpotServer, connector: HubSpot, clock: Clock
) -> None:
    server.add("contacts", "1", email="x")
    server.failing = [refusal(429, "RATE_LIMITS", {"Retry-After": "9"}), Reply(status=503)]
    assert ids(read(connector, mapping("contacts", "email"))) == ["1"]
    assert clock.waits[0] == 9


def test_when_the_day_is_spent_the_rest_is_for_later(
    server: HubSpotServer, local: Local, connector: HubSpot
) -> None:
    spent = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "DAILY", "message": "daily limit"}
    server.failing = [Reply(spent, status=429)] * 3
    with pytest.raises(SourceFailed, match="the requests of the day are spent") as failed:
        read(connector, mapping("contacts", "email"))
    assert (failed.value.retry_after, len(local.asked)) == (3600, 1)


def test_a_token_that_ends_between_two_pages_is_renewed(
    server: HubSpotServer, local: Local, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 1)
    for number in range(3):
        server.add("contacts", str(number + 1), email="x")
    server.tokens = ["first", "second"]
    server.token = "first"
    connector = connected(local, clock, "client:s3cr3t@", "?refresh_token=r3fresh")
    pages = connector.read(mapping("contacts", "email"), EVER)
    found = [raw.payload["id"] for raw in next(pages).records]
    server.token = "second"
    found += [raw.payload["id"] for chunk in pages for raw in chunk.records]
    assert found == ["1", "2", "3"]


def test_scopes_that_are_missing_are_named(server: HubSpotServer, connector: HubSpot) -> None:
    server.failing = [refusal(403, "MISSING_SCOPES", requiredGranularScopes=["crm.objects.contacts.read"])]
    with pytest.raises(SourceFailed, match=r"403.*\(MISSING_SCOPES, crm.objects.contacts.read\)"):
        read(connector, mapping("contacts", "email"))


def test_without_a_token_it_says_what_is_needed(local: Local, clock: Clock) -> None:
    with pytest.raises(SourceFailed, match="its connection has no password"):
        connected(local, clock, login="")


# --- writing ----------------------------------------------------------------------------------------


def test_what_is_written_stands_and_is_read_back(
    server: HubSpotServer, connector: HubSpot, local: Local
) -> None:
    leads = [str(number) for number in range(1, 121)]
    for lead in leads:
        server.add("contacts", lead)
    made = connector.prepare()
    assert set(made) == {FIELDS[name][0] for name in PUSHED} - {"hubspot_owner_id"}
    assert connector.prepare() == []
    before = len(local.asked)
    receipts = connector.write(writes(OWNED | {"sla_due": "2026-03-02T09:05:00Z", "cover": None}, *leads))
    assert [receipt.result for receipt in receipts] == ["sent"] * 120
    assert local.paths()[before:].count("POST /crm/v3/objects/contacts/batch/update") == 2
    now = connector.current(writes(OWNED, *leads, "999"))
    assert len(now) == 120
    assert not any(
        owners.missing(Owners({"ada@vendor.example": "ada"}), OWNED, held) for held in now.values()
    )
    assert now["7"] | {"owner_changed_at": None} == {
        **OWNED, "score": "82", "sla_due": "2026-03-02T09:05:00Z", "queue": None, "place": None, "team": None,
        "grade": None, "stage": None, "tier": None, "owner_changed_at": None, "owner_changed_by": "INTEGRATION",
    }  # fmt: skip


def test_only_what_push_fields_name_is_written(server: HubSpotServer, local: Local, clock: Clock) -> None:
    server.add("contacts", "1", hubspot_owner_id="72")
    server.defined["contacts"] |= {"lead_score"}
    connector = connected(local, clock, push_fields={"score": "lead_score"})
    assert connector.write(writes(OWNED, "1"))[0].result == "sent"
    properties = server.records["contacts"]["1"]["properties"]
    assert (properties["lead_score"], properties["hubspot_owner_id"]) == ("82", "72")
    assert connector.current(writes(OWNED, "1")) == {"1": {"score": "82"}}


def test_who_changed_the_owner_and_when_is_told(server: HubSpotServer, connector: HubSpot) -> None:
    server.add("contacts", "1")
    server.own("1", "72", 3, source="INTEGRATION")
    server.own("1", "71", 7, user=902)
    server.add("contacts", "2")
    held = connector.current(writes(OWNED, "1", "2"))
    assert held["1"]["owner"] == "ada@vendor.example"
    assert held["1"]["owner_changed_by"] == "bob@vendor.example"
    assert held["1"]["owner_changed_at"] == datetime(2026, 3, 2, 9, 7, tzinfo=UTC)
    assert held["2"]["owner"] is None
    assert "owner_changed_at" not in held["2"]


def test_a_lead_of_nobody_loses_its_owner(server: HubSpotServer, connector: HubSpot) -> None:
    server.add("contacts", "1", hubspot_owner_id="72")
    connector.prepare()
    connector.write(writes({"owner": None, "queue": "Partner desk"}, "1"))
    held = connector.current(writes(OWNED, "1"))["1"]
    assert (held["owner"], held["queue"]) == (None, "Partner desk")


def test_one_bad_value_costs_only_its_record(server: HubSpotServer, connector: HubSpot, local: Local) -> None:
    leads = [str(number) for number in range(1, 41)]
    for lead in leads:
        server.add("contacts", lead)
    server.merged = {"12"}
    del server.records["contacts"]["30"]
    connector.prepare()
    sent = [
        Write(f"k:{lead}", "leads", lead, OWNED | ({"score": "high"} if lead == "17" else {}))
        for lead in leads
    ]
    sent[4] = Write("k:5", "leads", "5", {"owner": "old@vendor.example"})
    sent += [Write("again", "leads", "1", {"score": 3}), Write("odd", "leads", "zoë", OWNED)]
    receipts = {receipt.idempotency_key: receipt for receipt in connector.write(sent)}
    assert list(receipts) == [write.idempotency_key for write in sent]
    refused = {key: str(receipt.error) for key, receipt in receipts.items() if receipt.result == "refused"}
    assert set(refused) == {"k:5", "k:12", "k:17", "k:30", "odd"}
    assert refused["k:5"] == "the owner is no active owner of this account"
    assert "merged into another" in refused["k:12"]
    assert "(VALIDATION_ERROR, clearlane_score)" in refused["k:17"]
    assert "answered 207: OBJECT_NOT_FOUND" in refused["k:30"]
    assert {receipt.result for receipt in receipts.values()} == {"sent", "refused"}
    assert server.records["contacts"]["1"]["properties"]["clearlane_score"] == "3"
    assert local.paths().count("POST /crm/v3/objects/contacts/batch/update") < 20


@given(st.lists(st.integers(1, 150)))
def test_batches_keep_the_order_and_hold_no_record_twice(numbers: list[int]) -> None:
    sent = [Write(f"k{place}", "leads", str(number), {}) for place, number in enumerate(numbers)]
    batches = list(hubspot._batches(sent))
    assert [write for batch in batches for write in batch] == sent
    assert all(0 < len(batch) == len({write.external_id for write in batch}) <= 100 for batch in batches)


def test_without_its_properties_nothing_is_written(server: HubSpotServer, connector: HubSpot) -> None:
    server.add("contacts", "1")
    with pytest.raises(SourceFailed, match="no property clearlane_band, clearlane_because, clearlane_score"):
        connector.write(writes(OWNED, "1"))
    assert server.records["contacts"]["1"]["properties"] == {"hs_object_id": "1"}


def test_after_a_failure_the_rest_waits_and_what_was_sent_stays_sent(
    server: HubSpotServer, connector: HubSpot, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubspot, "BATCH", 2)
    for number in range(6):
        server.add("contacts", str(number))
    connector.prepare()
    server.broken = {"3"}
    before = len(local.asked)
    receipts = connector.write(writes(OWNED, "0", "1", "2", "3", "4", "5"))
    assert [receipt.result for receipt in receipts] == ["sent"] * 2 + ["retry"] * 4
    asked = [path for path in local.paths()[before:] if path.endswith("update")]
    assert len(asked) == 1 + 3


def test_a_write_whose_answer_was_lost_is_the_same_again(server: HubSpotServer, connector: HubSpot) -> None:
    server.add("contacts", "1")
    connector.prepare()
    for _ in range(2):
        assert connector.write(writes(OWNED, "1"))[0].result == "sent"
    assert len(server.records["contacts"]["1"]["history"]) == 1


# --- set-up -----------------------------------------------------------------------------------------


def test_what_can_be_tried_is_said(server: HubSpotServer, local: Local, clock: Clock) -> None:
    objects = {
        "leads": mapping("contacts", "id", "email", "owner_email"), "typo": mapping("deleted contacts", "emial"),
        "reps": mapping("owners", "id"), "odd": mapping("no such list"),
        "stages": mapping("lifecycle stages", values={"kind": {"sold": "won"}}),
    }  # fmt: skip
    checks = {one.what: one for one in connected(local, clock, objects=objects).check()}
    assert {what: one.good for what, one in checks.items()} == {
        "login": True, "scopes": False, "limits": True, "changes": None, "write": False, "leads": True,
        "typo": False, "reps": True, "odd": False, "stages": False,
    }  # fmt: skip
    assert checks["login"].said == "account 4711, zone Europe/Berlin"
    assert checks["scopes"].said == "crm.objects.contacts.read, oauth; lacking crm.objects.contacts.write"
    assert checks["limits"].said == "17 of 250000 requests of the day are spent"
    assert checks["typo"].said == "contacts have no property emial"
    assert checks["stages"].said == "contacts have no property hs_v2_date_entered_sold"
    assert "clearlane_score" in checks["write"].said
    assert TOKEN not in str(checks)


def test_a_login_that_is_not_accepted_fails_all(local: Local, clock: Clock) -> None:
    checks = connected(local, clock, ":other@", objects={"leads": mapping("contacts", "email")}).check()
    assert {one.good for one in checks if one.what != "changes"} == {False}
    assert all("401" in one.said for one in checks if one.what != "changes")


def test_neither_the_token_nor_a_person_is_told(
    server: HubSpotServer, local: Local, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    server.add("contacts", "1", email="zoë@customer.example")
    with caplog.at_level(logging.DEBUG):
        connector = connected(local, clock)
        for name in ("urllib3", "hubspot", "hubspot.crm.objects"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        connector.prepare()
        said = str(
            connector.write([*writes(OWNED, "1"), Write("odd", "leads", "zoë@customer.example", OWNED)])
        )
        read(connector, mapping("contacts", "email"))
        server.failing = [refusal(400, "VALIDATION_ERROR", propertyName=["zoë@customer.example"])]
        with pytest.raises(SourceFailed) as bad:
            read(connector, mapping("contacts", "email"))
        with pytest.raises(SourceFailed) as refused:
            read(connected(local, clock, ":pat-other@"), mapping("contacts", "email"))
    causes = [
        str(error)
        for found in (bad.value, refused.value)
        for error in (found, found.__cause__, found.__context__)
    ]
    told = said + repr(connector) + caplog.text + "".join(causes)
    assert "answered 401" in told
    assert not [
        word for word in (TOKEN, "pat-other", "customer.example", "vendor.example", "zoë") if word in told
    ]
