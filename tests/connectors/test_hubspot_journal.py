"""The webhooks journal: what it names is read by id; where it cannot be followed, what changed is searched."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane.connectors.http import Patience
from clearlane.connectors.hubspot import HubSpot
from clearlane.connectors.inbox import pull_from
from clearlane.policy.model import ObjectMapping, Source

from .conftest import Serve, batch
from .hubspot_server import APP, TOKEN, HubSpotServer, refusal, stamp
from .local_server import Asked, Clock, Local, Reply

CONTACTS, COMPANIES = "0-1", "0-2"
SECRETS = (APP, TOKEN, "s3cr3t", "r3fresh", "s1gned", "customer.example")


def reading(name: str, *columns: str) -> ObjectMapping:
    fields = {"id": "id", "updated_at": "updatedAt", **{column: column for column in columns}}
    return ObjectMapping(
        object="accounts" if name == "companies" else "leads", read=name, fields=fields, extras=False,
        cursor="updated_at", lookback=timedelta(0),
    )  # fmt: skip


OBJECTS = {
    "leads": reading("contacts", "email"),
    "gone": reading("deleted contacts"),
    "accounts": reading("companies", "name"),
}


@dataclass
class Account:
    """One account of an OAuth app, and connectors to it."""

    local: Local
    clock: Clock
    objects: dict[str, ObjectMapping]
    login: str = "client:s3cr3t@"
    extras: str = "?refresh_token=r3fresh"

    @property
    def source(self) -> Source:
        return Source("crm", "hubspot", "connection:crm", self.objects)

    def connector(self) -> HubSpot:
        address = self.local.address.replace("//", f"//{self.login}") + self.extras
        return HubSpot(
            self.source, lambda name: address, patience=Patience(tries=2), pace=(), wait=self.clock.wait
        )


@dataclass
class Runs:
    """Runs of one source on a ledger: each its own connector, as in the flow."""

    connection: sa.Connection
    account: Account

    def pull(self, run: str, start: str, end: str, mode: str = "live") -> list[str]:
        """The requests of one run that look for what changed, and for records."""
        account, day = self.account, "2026-03-02T"
        before = len(account.local.asked)
        window = batch(self.connection, run, day + start, day + end, mode)
        pull_from(account.connector(), self.connection, account.source, window)
        found = account.local.paths()[before:]
        return [one.rpartition("/crm/v3/objects/")[2] for one in found if "/crm/v3/objects/" in one]

    def held(self, object: str = "leads") -> list[Any]:
        statement = sa.text("select record from inbox where object = :object order by seq")
        return list(self.connection.execute(statement, {"object": object}).scalars())

    def claimed(self) -> list[str]:
        statement = "select external_id from inbox where batch_id is not null order by seq"
        return list(self.connection.execute(sa.text(statement)).scalars())

    def position(self, name: str = "leads") -> Any:
        statement = sa.text("select position from source_state where source = 'crm' and object = :name")
        return self.connection.execute(statement, {"name": name}).scalar()


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    server = HubSpotServer(token=TOKEN, tokens=[TOKEN] * 20)
    server.subscribe(CONTACTS, "email")
    server.tell((CONTACTS, "999", "UPDATE"))
    yield server
    assert not server.wrong


@pytest.fixture
def account(serve: Serve, server: HubSpotServer, clock: Clock) -> Account:
    local = serve(server)
    server.files = local.address.replace("127.0.0.1", "localhost")
    return Account(local, clock, {"leads": OBJECTS["leads"]})


@pytest.fixture
def runs(connection: sa.Connection, account: Account) -> Runs:
    return Runs(connection, account)


def contact(server: HubSpotServer, id: str, minutes: float, **named: Any) -> None:
    server.add("contacts", id, minutes, email=f"{id}@customer.example", **named)


# --- following ----------------------------------------------------------------------------------------


def test_the_first_run_searches_and_the_next_read_what_the_journal_names(
    runs: Runs, server: HubSpotServer
) -> None:
    contact(server, "1", 1)
    assert runs.pull("1", "09:00", "09:05") == ["contacts/search"]
    contact(server, "2", 6)
    server.tell((CONTACTS, "2", "CREATE"), (COMPANIES, "1", "UPDATE"))
    server.tell((CONTACTS, "2", "UPDATE"), (CONTACTS, "1", "UPDATE"))
    assert runs.pull("2", "09:05", "09:10") == ["contacts/batch/read"]
    assert runs.pull("3", "09:10", "09:15") == []
    assert [one["id"] for one in runs.held()] == ["1", "2"]
    assert runs.position() == server.journal[-1][0]


def test_events_again_and_out_of_order_make_no_record_twice(runs: Runs, server: HubSpotServer) -> None:
    runs.pull("1", "09:00", "09:05")
    contact(server, "2", 6)
    contact(server, "10", 6)
    server.tell((CONTACTS, "10", "UPDATE"), (CONTACTS, "2", "UPDATE"), (CONTACTS, "10", "CREATE"))
    server.tell((CONTACTS, "2", "UPDATE"), (CONTACTS, "77", "UPDATE"))
    assert runs.pull("2", "09:05", "09:10") == ["contacts/batch/read"]
    assert [one["id"] for one in runs.held()] == ["2", "10"]


def test_what_belongs_to_another_account_is_not_read(runs: Runs, server: HubSpotServer) -> None:
    runs.pull("1", "09:00", "09:05")
    server.tell((CONTACTS, "2", "UPDATE"), portal=1)
    assert runs.pull("2", "09:05", "09:10") == []


def test_a_record_later_than_the_run_waits_for_a_later_run(runs: Runs, server: HubSpotServer) -> None:
    runs.pull("1", "09:00", "09:05")
    contact(server, "2", 12)
    server.tell((CONTACTS, "2", "CREATE"))
    runs.pull("2", "09:05", "09:10")
    assert ([one["id"] for one in runs.held()], runs.claimed()) == (["2"], [])


def test_a_change_that_the_journal_tells_late_is_read_all_the_same(runs: Runs, server: HubSpotServer) -> None:
    runs.pull("1", "09:00", "09:05")
    contact(server, "2", 1)
    server.tell((CONTACTS, "2", "CREATE"))
    runs.pull("2", "09:05", "09:10")
    assert runs.claimed() == ["2"]


def test_deleted_records_are_read_from_the_bin_by_their_ids(runs: Runs, server: HubSpotServer) -> None:
    runs.account.objects = {name: OBJECTS[name] for name in ("leads", "gone")}
    for id in ("1", "2"):
        contact(server, id, 1)
    assert runs.pull("1", "09:00", "09:05") == ["contacts/search", "contacts"]
    server.delete("contacts", "2", 6)
    server.tell((CONTACTS, "2", "DELETE"))
    assert runs.pull("2", "09:05", "09:10") == ["contacts/batch/read"]
    assert runs.held()[-1] == {"id": "2", "updated_at": "2026-03-02T09:06:00+00:00"}


def test_a_restored_record_changed_when_it_was_restored(runs: Runs, server: HubSpotServer) -> None:
    runs.account.objects = {name: OBJECTS[name] for name in ("leads", "gone")}
    contact(server, "1", 1)
    runs.pull("1", "09:00", "09:05")
    server.delete("contacts", "1", 6)
    server.tell((CONTACTS, "1", "DELETE"), minutes=6)
    runs.pull("2", "09:05", "09:10")
    server.restore("contacts", "1")
    server.tell((CONTACTS, "1", "RESTORE"), minutes=12)
    server.tell((CONTACTS, "1", "RESTORE"), minutes=11)
    runs.pull("3", "09:10", "09:15")
    assert [datetime.fromisoformat(one["updated_at"]).minute for one in runs.held()] == [1, 6, 12]
    assert runs.held()[-1]["email"] == "1@customer.example"


def test_deleted_restored_and_changed_between_two_runs_is_there_as_last_changed(
    runs: Runs, server: HubSpotServer
) -> None:
    runs.account.objects = {name: OBJECTS[name] for name in ("leads", "gone")}
    contact(server, "1", 1)
    runs.pull("1", "09:00", "09:05")
    contact(server, "1", 8)
    server.tell((CONTACTS, "1", "RESTORE"), minutes=7)
    server.tell((CONTACTS, "1", "UPDATE"), (CONTACTS, "1", "DELETE"), minutes=6)
    runs.pull("2", "09:05", "09:10")
    assert [datetime.fromisoformat(one["updated_at"]).minute for one in runs.held()] == [1, 8]


def test_a_restoration_whose_moment_cannot_be_read_changes_no_date(runs: Runs, server: HubSpotServer) -> None:
    runs.pull("1", "09:00", "09:05")
    contact(server, "1", 6)
    contact(server, "2", 6)
    server.tell((CONTACTS, "1", "RESTORE"), occurredAt="yesterday")
    server.tell(
        (CONTACTS, "2", "RESTORE"), occurredAt=int(datetime.fromisoformat(stamp(7)).timestamp() * 1000)
    )
    runs.pull("2", "09:05", "09:10")
    assert [datetime.fromisoformat(one["updated_at"]).minute for one in runs.held()] == [6, 7]


@pytest.mark.parametrize("named", ["objectId", "primaryObjectId", "newObjectId"])
def test_of_a_merge_the_record_that_stays_is_read_and_says_whom_it_took_in(
    runs: Runs, server: HubSpotServer, named: str
) -> None:
    merging = reading("contacts", "email")
    merging = replace(merging, fields={**merging.fields, "merged_from": "hs_merged_object_ids"})
    runs.account.objects = {"leads": merging}
    server.subscriptions = []
    server.subscribe(CONTACTS, "email", "hs_merged_object_ids")
    runs.pull("1", "09:00", "09:05")
    contact(server, "3", 6, hs_merged_object_ids="1;2")
    server.tell((CONTACTS, "1", "MERGE"), minutes=6, **{named: 3})
    assert runs.pull("2", "09:05", "09:10") == ["contacts/batch/read"]
    assert [(one["id"], one["merged_from"]) for one in runs.held()] == [("3", "1;2")]


def test_one_reading_of_the_journal_serves_all_types(runs: Runs, server: HubSpotServer) -> None:
    runs.account.objects = {name: OBJECTS[name] for name in ("leads", "accounts")}
    server.subscribe(COMPANIES, "name", "domain")
    runs.pull("1", "09:00", "09:05")
    contact(server, "2", 6)
    server.add("companies", "3", 6, name="Acme 株式会社")
    server.tell((CONTACTS, "2", "CREATE"), (COMPANIES, "3", "CREATE"))
    assert runs.pull("2", "09:05", "09:10") == ["contacts/batch/read", "companies/batch/read"]
    assert sum(path.startswith("GET /journal-files") for path in runs.account.local.paths()) == 1
    assert runs.held("accounts")[0]["name"] == "Acme 株式会社"


# --- not following ------------------------------------------------------------------------------------


def test_intervals_of_the_past_and_shadows_are_searched_and_move_nothing(
    runs: Runs, server: HubSpotServer
) -> None:
    runs.pull("1", "09:00", "09:05")
    reached = runs.position()
    server.tell((CONTACTS, "2", "CREATE"))
    assert runs.pull("again", "08:00", "09:00") == ["contacts/search"]
    assert runs.pull("backfill", "09:05", "09:10", "shadow") == ["contacts/search"]
    assert runs.position() == reached


@pytest.mark.parametrize(
    "said",
    [
        {"actions": ["CREATE", "UPDATE"]}, {"properties": ["phone"]}, {"objectIds": [5]}, {"portalId": 1},
        {"objectTypeId": COMPANIES}, {"deletedAt": stamp()}, {"subscriptionType": "ASSOCIATION"},
        {"actionOverrides": {"UPDATE": {"properties": ["phone"]}}},
    ],
    ids=lambda said: next(iter(said)),
)  # fmt: skip
def test_a_subscription_to_less_than_all_of_it_is_none(
    account: Account, server: HubSpotServer, said: dict[str, Any]
) -> None:
    assert account.connector().follow(OBJECTS["leads"], None)
    server.subscriptions = [server.subscriptions[0] | said]  # type: ignore[index]
    assert account.connector().follow(OBJECTS["leads"], server.journal[0][0]) is None


def test_a_subscription_with_a_filter_is_not_followed(account: Account, server: HubSpotServer) -> None:
    server.filters = [{"id": 5, "createdAt": 0, "filter": {"conditions": []}}]
    assert account.connector().follow(OBJECTS["leads"], None) is None
    assert "the app's subscription to 0-1 leaves records out" in told(account)[1]


def test_what_the_journal_misses_while_nobody_subscribes_is_searched(
    runs: Runs, server: HubSpotServer
) -> None:
    runs.pull("1", "09:00", "09:05")
    subscribed, server.subscriptions = server.subscriptions, []
    runs.pull("2", "09:05", "09:10")
    contact(server, "2", 12)  # nobody tells the journal
    server.subscriptions = subscribed
    assert runs.pull("3", "09:10", "09:15") == ["contacts/search"]
    assert [one["id"] for one in runs.held()] == ["2"]


def test_an_offset_that_is_forgotten_begins_anew_with_a_search(runs: Runs, server: HubSpotServer) -> None:
    runs.pull("1", "09:00", "09:05")
    server.journal.clear()
    server.tell((CONTACTS, "3", "UPDATE"), (CONTACTS, "4", "UPDATE"))
    server.journal[0] = ("newer", server.journal[0][1])
    contact(server, "3", 6)
    assert runs.pull("2", "09:05", "09:10") == ["contacts/search"]
    assert ([one["id"] for one in runs.held()], runs.position()) == (["3"], "newer")


def test_an_empty_journal_is_begun_when_it_has_an_entry(runs: Runs, server: HubSpotServer) -> None:
    server.journal.clear()
    assert runs.pull("1", "09:00", "09:05") == ["contacts/search"]
    assert runs.position() is None


@pytest.mark.parametrize(
    "reply",
    [
        refusal(403, "MISSING_SCOPES"), Reply(b"<html>", headers={"Content-Type": "text/html"}), Reply({}),
        Reply(b'{"url": "https://f1le'), Reply({"url": "ftp://x/y", "currentOffset": "b"}), Reply(status=503),
        Reply({"url": "{files}/elsewhere?Signature=s1gned", "currentOffset": "b"}), Reply(cut=True),
    ],
)  # fmt: skip
def test_a_journal_that_fails_is_not_followed_and_says_no_secret(
    account: Account, server: HubSpotServer, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    with answering(reply):
        assert account.connector().follow(OBJECTS["leads"], server.journal[0][0]) is None
    assert "changes are searched" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]


def test_after_a_failure_what_the_journal_told_meanwhile_is_searched(
    runs: Runs, server: HubSpotServer
) -> None:
    runs.pull("1", "09:00", "09:05")
    contact(server, "2", 6)
    server.tell((CONTACTS, "2", "CREATE"))
    with answering(Reply(status=503)):
        assert runs.pull("2", "09:05", "09:10") == ["contacts/search"]
    contact(server, "3", 12)
    assert runs.pull("3", "09:10", "09:15") == ["contacts/search"]
    assert [one["id"] for one in runs.held()] == ["2", "3"]


@contextmanager
def answering(reply: Reply, path: str = "/next", times: int = 9) -> Iterator[None]:
    """HubSpot answers so, in place of a request that ends so."""
    answered, left = HubSpotServer.__call__, [reply] * times

    def answer(self: HubSpotServer, asked: Asked) -> Reply:
        return left.pop() if left and asked.path.endswith(path) else answered(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HubSpotServer, "__call__", answer)
        yield


def test_a_token_of_the_app_that_ends_is_renewed(account: Account, server: HubSpotServer) -> None:
    connector = account.connector()
    assert connector.follow(OBJECTS["leads"], None)
    with answering(refusal(401, "EXPIRED_AUTHENTICATION"), times=1):
        followed = connector.follow(OBJECTS["leads"], server.journal[0][0])
    assert followed is not None
    assert followed.position == server.journal[0][0]


# --- trying -------------------------------------------------------------------------------------------


def told(account: Account) -> tuple[bool | None, str]:
    [one] = [one for one in account.connector().check() if one.what == "changes"]
    return one.good, one.said


def test_the_trial_says_how_changes_are_found(account: Account, server: HubSpotServer) -> None:
    account.objects = dict(OBJECTS) | {"deals": reading("deals", "company_id"), "reps": reading("owners")}
    good, said = told(account)
    assert good
    assert said.startswith("by the webhooks journal: leads, gone; accounts: searched, the app needs one")
    assert "CREATE, MERGE, RESTORE, UPDATE and the properties name" in said
    assert "deals: searched, a change of company_id is no change of the record" in said
    server.journal.clear()
    assert "which is still empty: searched until it has an entry" in told(account)[1]


def test_the_trial_says_why_changes_are_searched(account: Account, server: HubSpotServer) -> None:
    server.subscriptions = None
    good, said = told(account)
    assert good is None
    assert said.startswith("searched; source crm: POST /oauth/v1/token answered 403")
    account.login, account.extras = f":{TOKEN}@", ""
    assert told(account) == (None, "searched; the webhooks journal needs the connection of an OAuth app")
