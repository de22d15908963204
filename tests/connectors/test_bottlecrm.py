"""BottleCRM's connector against a fake that remembers; tests/crm holds it against the real server."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from clearlane.connectors import Interval, SourceFailed, Write, bottlecrm
from clearlane.connectors.bottlecrm import FIELDS, BottleCrm
from clearlane.connectors.http import Patience
from clearlane.policy.model import FEEDBACK, ObjectMapping, Source

from .bottlecrm_server import TOKEN, Crm, member
from .conftest import Serve
from .local_server import Clock, Local, Reply

EVER = Interval()
OWNED = {"owner": "ada@vendor.example", "score": 82, "band": "hot", "because": "Sie wünscht ein Gespräch"}


@pytest.fixture
def crm() -> Crm:
    return Crm()


@pytest.fixture
def local(serve: Serve, crm: Crm) -> Local:
    return serve(crm)


@pytest.fixture
def connector(local: Local, clock: Clock) -> BottleCrm:
    return connected(local, clock)


def connected(local: Local, clock: Clock, token: str = TOKEN) -> BottleCrm:
    source = Source("crm", "bottlecrm", "connection:crm", {}, push="clearlane")
    address = local.address.replace("//", f"//:{token}@")
    return BottleCrm(source, lambda name: address, patience=Patience(tries=3), wait=clock.wait)


def read(connector: BottleCrm, name: str, interval: Interval = EVER) -> list[dict[str, Any]]:
    mapping = ObjectMapping(object="leads", read=name, fields={})
    return [raw.payload for chunk in connector.read(mapping, interval) for raw in chunk.records]


def writes(fields: dict[str, Any], *leads: str) -> list[Write]:
    return [Write(f"k:{lead}", "leads", lead, fields) for lead in leads]


def patches(local: Local) -> list[str]:
    return [one.path.split("/")[3] for one in local.asked if one.method == "PATCH"]


# --- reading ----------------------------------------------------------------------------------------


def test_both_halves_of_the_leads_come_once_over_several_pages(
    crm: Crm, connector: BottleCrm, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bottlecrm, "PAGE", 2)
    for number in range(7):
        crm.add(f"l{number}", status="closed" if number in (1, 2, 3) else "assigned")
    assert sorted(lead["id"] for lead in read(connector, "leads")) == [f"l{number}" for number in range(7)]
    assert len(local.asked) == 2


def test_a_lead_that_moved_between_two_pages_comes_once(
    crm: Crm, connector: BottleCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bottlecrm, "PAGE", 2)
    for number in range(3):
        crm.add(f"l{number}")
    chunks = connector.read(ObjectMapping(object="leads", read="leads", fields={}), EVER)
    first = [raw.payload["id"] for raw in next(chunks).records]
    crm.leads = {"new": {**crm.leads["l0"], "id": "new"}, **crm.leads}
    rest = [raw.payload["id"] for chunk in chunks for raw in chunk.records]
    assert (first, rest) == (["l0", "l1"], ["l2"])


def test_a_lead_is_flat_and_holds_nothing_that_we_wrote_or_the_clock_changes(
    crm: Crm, connector: BottleCrm
) -> None:
    crm.add("l", custom_fields={"region": "Süd", "clearlane_score": 3})
    [lead] = read(connector, "leads")
    assert (lead["first_name"], lead["tags"], lead["cf_region"]) == ("Zoë", "a, b", "Süd")
    assert not {"is_unanswered", "cf_clearlane_score", "assigned_to"} & set(lead)


def test_of_several_who_are_assigned_the_one_we_wrote_is_the_owner_else_the_member_for_longest(
    crm: Crm, connector: BottleCrm
) -> None:
    crm.add("nobody")
    crm.add("both", "p-ada", "p-bob")
    crm.add("ours", "p-ada", "p-bob", custom_fields={"clearlane_owner": "bob@vendor.example"})
    crm.add("taken", "p-ada", custom_fields={"clearlane_owner": "bob@vendor.example"})
    owners = {lead["id"]: lead["owner"] for lead in read(connector, "leads")}
    ada, bob = "ada@vendor.example", "bob@vendor.example"
    assert owners == {"nobody": None, "both": ada, "ours": bob, "taken": ada}


def test_members_are_read_with_those_who_left(connector: BottleCrm) -> None:
    assert {one["email"]: one["active"] for one in read(connector, "users")} == {
        "ada@vendor.example": True, "bob@vendor.example": True, "old@vendor.example": False,
    }  # fmt: skip


def test_accounts_and_deals_say_when_they_were_changed_by_the_feed(crm: Crm, connector: BottleCrm) -> None:
    at = {"entity_type": "Account", "entity_id": "a1"}
    crm.changes = [at | {"timestamp": "2026-03-02T11:00:00Z"}, at | {"timestamp": "2026-03-02T10:00:00Z"}]
    crm.others["accounts"] = [{"id": "a1", "assigned_to": []}, {"id": "a2", "assigned_to": []}]
    assert {one["id"]: one.get("updated_at") for one in read(connector, "accounts")} == {
        "a1": "2026-03-02T11:00:00Z", "a2": None,
    }  # fmt: skip
    people = {"account": {"id": "a1", "name": "A"}, "contacts": [{"id": "c1"}], "assigned_to": []}
    crm.others["opportunities"] = [{"id": "d1", "stage_kind": "won", "days_in_stage": 3, **people}]
    [deal] = read(connector, "opportunities")
    assert (deal["account_id"], deal["contact_id"], deal["kind"]) == ("a1", "c1", "won")
    assert "days_in_stage" not in deal


def test_first_answers_come_from_the_list_of_leads(crm: Crm, connector: BottleCrm, local: Local) -> None:
    crm.add("l")
    crm.add("silent")
    crm.touch("l", "call", "2026-03-02T09:30:00Z")
    read(connector, "leads")
    asked = len(local.asked)
    assert read(connector, "responses") == [
        {
            "id": "l:first_response", "lead_id": "l", "kind": "first_touch", "occurred_at": "2026-03-02T09:30:00Z",
            "rep": "ada@vendor.example",
        }
    ]  # fmt: skip
    assert local.paths()[asked:] == ["GET /api/users/"]


def test_touches_are_what_went_out_to_leads_worked_on_in_the_interval(crm: Crm, connector: BottleCrm) -> None:
    crm.add("l")
    crm.add("before")
    crm.touch("before", "call", "2026-03-01T09:30:00Z")
    crm.touch("l", "call", "2026-03-02T09:30:00Z")
    crm.touch("l", "meeting", "2026-03-02T10:30:00Z", by="p-bob")
    crm.touch("l", "email", "2026-03-02T10:40:00Z", direction="inbound")
    crm.touch("l", "enquiry", "2026-03-02T10:41:00Z", direction="inbound")
    today = Interval(datetime(2026, 3, 2, tzinfo=UTC), None)
    found = read(connector, "touches", today)
    assert [(one["lead_id"], one["kind"], one["rep"]) for one in found] == [
        ("l", "first_touch", "ada@vendor.example"), ("l", "meeting", "bob@vendor.example"),
    ]  # fmt: skip
    assert "private" not in str(found)
    assert [one["type"] for one in read(connector, "interactions", today)] == [
        "outbound_call", "outbound_meeting", "inbound_email",
    ]  # fmt: skip


def test_leads_that_the_list_leaves_out_are_asked_for_one_by_one(
    crm: Crm, connector: BottleCrm, local: Local
) -> None:
    crm.add("open", "p-ada")
    crm.add("sold", "p-bob", status="converted")
    leads = ObjectMapping(object="leads", read="leads", fields={})
    assert list(connector.read_absent(leads, ["sold"])) == []  # nothing was read yet
    assert [lead["converted"] for lead in read(connector, "leads")] == [False]
    before = len(local.asked)
    chunks = list(connector.read_absent(leads, ["gone", "open", "sold"]))
    found = [raw.payload for chunk in chunks for raw in chunk.records]
    assert [id for chunk in chunks for id in chunk.gone] == ["gone"]
    assert [(lead["id"], lead["converted"], lead["owner"]) for lead in found] == [
        ("sold", True, "bob@vendor.example")
    ]
    assert local.paths()[before:] == ["GET /api/leads/gone/", "GET /api/leads/sold/"]


def test_a_source_that_knows_none_of_many_leads_is_not_believed(crm: Crm, connector: BottleCrm) -> None:
    crm.add("another organisation's", "p-ada")
    leads = ObjectMapping(object="leads", read="leads", fields={})
    read(connector, "leads")
    with pytest.raises(SourceFailed, match="none of the 11 leads that are known is there"):
        list(connector.read_absent(leads, [f"l{number}" for number in range(11)]))


def test_a_list_that_is_not_known_is_refused_with_those_that_are(connector: BottleCrm) -> None:
    with pytest.raises(SourceFailed, match="no list deals; known are leads, contacts, accounts"):
        read(connector, "deals")


@pytest.mark.parametrize(
    "reply", [Reply(b"<html>login</html>", headers={"Content-Type": "text/html"}), Reply(b'{"open_leads": ')]
)
def test_what_is_no_json_fails_by_name(serve: Serve, clock: Clock, reply: Reply) -> None:
    with pytest.raises(SourceFailed, match="source crm: GET /api/leads/ answered 200 with"):
        read(connected(serve(lambda asked: reply), clock), "leads")


# --- writing ----------------------------------------------------------------------------------------


def test_what_is_written_stands_and_is_read_back_in_the_same_words(crm: Crm, connector: BottleCrm) -> None:
    crm.add("l1", "p-bob", custom_fields={"region": "south"})
    crm.add("l2")
    assert set(connector.prepare()) == {f"clearlane_{name}" for name in FIELDS if name not in FEEDBACK}
    assert connector.prepare() == []
    known_as = OWNED | {"owner": "p-ada"}
    receipts = connector.write([*writes(OWNED, "l1"), *writes(known_as, "l2")])
    assert [receipt.result for receipt in receipts] == ["sent", "sent"]
    assert crm.leads["l1"]["custom_fields"]["region"] == "south"
    assert crm.leads["l2"]["custom_fields"]["clearlane_owner"] == "ada@vendor.example"
    now = connector.current([*writes(OWNED, "l1", "gone"), *writes(known_as, "l2")])
    assert set(now) == {"l1", "l2"}
    assert OWNED.items() <= now["l1"].items()
    assert known_as.items() <= now["l2"].items()


def test_a_lead_of_nobody_loses_its_owner(crm: Crm, connector: BottleCrm) -> None:
    crm.add("l", "p-bob")
    connector.prepare()
    connector.write(writes({"owner": None, "queue": "Partner desk"}, "l"))
    assert crm.leads["l"]["assigned_to"] == []
    [lead] = connector.current(writes({"owner": "x"}, "l")).values()
    assert (lead["owner"], lead["queue"]) == (None, "Partner desk")


def test_what_the_server_would_swallow_is_refused_and_the_rest_is_written(
    crm: Crm, connector: BottleCrm
) -> None:
    for lead in ("left", "odd", "good"):
        crm.add(lead, "p-bob")
    connector.prepare()
    sent = [
        *writes({"owner": "old@vendor.example"}, "left"), *writes({"owner": "nobody@x.example"}, "good"),
        *writes(OWNED, "gone"), *writes({"score": "high"}, "odd"), *writes({"score": 7}, "good"),
    ]  # fmt: skip
    receipts = connector.write(sent)
    assert [receipt.result for receipt in receipts] == ["refused"] * 4 + ["sent"]
    assert receipts[0].error == "the owner is no active member of this organisation"
    assert "404" in str(receipts[2].error)
    assert "(custom_fields)" in str(receipts[3].error)
    assert crm.leads["good"]["assigned_to"][0]["id"] == "p-bob"


def test_without_its_custom_fields_nothing_is_written(crm: Crm, connector: BottleCrm) -> None:
    crm.add("l", "p-bob")
    with pytest.raises(SourceFailed, match="leads have no custom field clearlane_band, clearlane_because"):
        connector.write(writes(OWNED, "l"))
    assert crm.leads["l"]["assigned_to"][0]["id"] == "p-bob"


def test_too_many_requests_are_sent_again_and_an_error_of_one_lead_costs_only_that(
    crm: Crm, connector: BottleCrm, clock: Clock
) -> None:
    for lead in ("l1", "l2", "l3"):
        crm.add(lead)
    connector.prepare()
    crm.failing = [Reply(status=429, headers={"Retry-After": "7"}), Reply(status=502), Reply(status=500)]
    receipts = connector.write(writes(OWNED, "l1", "l2", "l3"))
    assert [receipt.result for receipt in receipts] == ["retry", "retry", "sent"]
    assert clock.waits[0] == 7


def test_when_the_server_is_gone_the_rest_waits(crm: Crm, connector: BottleCrm, local: Local) -> None:
    for number in range(5):
        crm.add(f"l{number}")
    connector.prepare()
    crm.dies_after = 2
    receipts = connector.write(writes(OWNED, "l0", "l1", "l2", "l3"))
    assert [receipt.result for receipt in receipts] == ["sent", "sent", "retry", "retry"]
    assert patches(local) == ["l0", "l1", "l2"]


def test_a_write_whose_answer_was_lost_is_looked_up_and_not_sent_again(
    crm: Crm, connector: BottleCrm, local: Local
) -> None:
    for lead in ("done", "undone"):
        crm.add(lead)
    connector.prepare()
    crm.losing = 1
    assert connector.write(writes(OWNED, "done"))[0].result == "sent"
    crm.failing = [Reply(cut=True)]
    assert connector.write(writes(OWNED, "undone"))[0].result == "retry"
    assert patches(local) == ["done", "undone"]


def test_an_owner_who_was_changed_since_we_looked_stands(crm: Crm, connector: BottleCrm) -> None:
    for lead in ("moved", "same"):
        crm.add(lead, "p-bob")
    connector.prepare()
    seen = connector.current(writes(OWNED, "moved", "same"))
    crm.leads["moved"]["assigned_to"] = []
    late = [replace(write, seen=seen[write.external_id]) for write in writes(OWNED, "moved", "same")]
    assert [receipt.result for receipt in connector.write(late)] == ["changed", "sent"]
    assert crm.leads["moved"]["assigned_to"] == []
    assert crm.leads["moved"]["custom_fields"] == {}


def test_many_leads_are_looked_at_by_the_list_and_those_converted_one_by_one(
    crm: Crm, connector: BottleCrm, local: Local
) -> None:
    for number in range(30):
        crm.add(f"l{number}", "p-ada", status="converted" if number == 7 else "assigned")
    found = connector.current(writes(OWNED, *crm.leads, "gone"))
    assert {lead: one["owner"] for lead, one in found.items()} == dict.fromkeys(crm.leads, OWNED["owner"])
    details = [path for path in local.paths() if path.startswith("GET /api/leads/") and len(path) > 15]
    assert sorted(details) == ["GET /api/leads/gone/", "GET /api/leads/l7/"]


def test_the_check_says_what_is_missing_and_writes_nothing(crm: Crm, connector: BottleCrm) -> None:
    before = {one.what: (one.good, one.said) for one in connector.check()}
    assert before["login"] == (True, "accepted; the organisation has 3 members")
    assert before["limits"][0] is None
    assert before["write"][0] is True
    assert before["custom fields"][0] is False
    assert "clearlane_score" in before["custom fields"][1]
    connector.prepare()
    assert [one.good for one in connector.check()] == [True, None, True, True]


def test_the_check_of_a_token_that_is_not_accepted_says_so(local: Local, clock: Clock) -> None:
    [login] = connected(local, clock, token="bcrm_pat_other").check()
    assert (login.what, login.good, "answered 403" in login.said) == ("login", False, True)


def test_neither_the_token_nor_a_person_is_told(
    crm: Crm, local: Local, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    crm.add("l", "p-ada")
    crm.members.append(member("zed", "2026-01-01T00:00:00Z"))
    with caplog.at_level(logging.DEBUG):
        connector = connected(local, clock)
        connector.prepare()
        said = str(connector.write(writes({"owner": "ann@customer.example"}, "l")))
        read(connector, "leads")
        with pytest.raises(SourceFailed, match="answered 403") as refused:
            read(connected(local, clock, token="bcrm_pat_other"), "leads")
    told = said + str(refused.value) + repr(connector) + caplog.text
    assert not [
        word for word in (TOKEN, "bcrm_pat_other", "@customer.example", "@vendor", "Zoë") if word in told
    ]
