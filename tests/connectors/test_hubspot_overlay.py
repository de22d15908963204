"""A whole account of HubSpot through the overlay that maps it, into the inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane import policy
from clearlane.connectors import Pulled, pull_from
from clearlane.connectors.hubspot import HubSpot
from clearlane.policy.model import Policy

from .conftest import Serve, batch
from .hubspot_server import TOKEN, HubSpotServer, stamp
from .local_server import Clock

POLICIES = Path(__file__).parents[2] / "include" / "policy"
ENTERED = "hs_v2_date_entered_"


@pytest.fixture(scope="module")
def overlaid() -> Policy:
    return policy.load(POLICIES / "overlays" / "hubspot")


@pytest.fixture
def server() -> HubSpotServer:
    """Two leads, one of them worked on and won; what people did to them, and who they are."""
    server = HubSpotServer()
    server.hire("71", "ada@vendor.example", 901)
    server.hire("70", "old@vendor.example", 900, archived=True)
    won = {f"{ENTERED}salesqualifiedlead": stamp(5), f"{ENTERED}opportunity": stamp(6)}
    lead = {
        "email": "zoë@acme.example",
        "firstname": "Zoë",
        "hubspot_owner_id": "71",
        "lifecyclestage": "lead",
    }
    server.add("contacts", "101", 1, **lead, **won)
    server.add("contacts", "102", 2, email="max@acme.example", hs_email_optout="true")
    server.add("companies", "201", 3, name="Acme", domain="acme.example", lifecyclestage="customer")
    server.add(
        "deals",
        "301",
        4,
        dealname="Acme",
        dealstage="closedwon",
        amount="900",
        **{f"{ENTERED}closedwon": stamp(9)},
    )
    server.link("deals", "301", "contacts", "101")
    server.link("deals", "301", "companies", "201", primary="201")
    said = {"hs_timestamp": stamp(7), "hs_createdate": stamp(6), "hubspot_owner_id": "71"}
    for type, id, properties in (
        ("calls", "401", {"hs_call_direction": "OUTBOUND"}),
        ("emails", "402", {"hs_email_direction": "INCOMING_EMAIL"}),
        ("meetings", "403", {}),
    ):
        server.add(type, id, 8, **said, **properties)
        server.link(type, id, "contacts", "101")
    return server


class Account:
    """The account and a ledger: what a run pulls, and what the inbox then holds."""

    def __init__(self, connection: sa.Connection, policy: Policy, address: str, clock: Clock) -> None:
        self._connection, self._source = connection, policy.sources.sources["hubspot"]
        self._connector = lambda: HubSpot(self._source, lambda name: address, pace=(), wait=clock.wait)

    def pull(self, run: str, start: str, end: str) -> Pulled:
        return pull_from(
            self._connector(), self._connection, self._source, batch(self._connection, run, start, end)
        )

    def records(self, object: str) -> list[dict[str, Any]]:
        statement = sa.text("select record from inbox where object = :object order by seq")
        return list(self._connection.execute(statement, {"object": object}).scalars())


@pytest.fixture
def account(
    connection: sa.Connection, overlaid: Policy, server: HubSpotServer, serve: Serve, clock: Clock
) -> Account:
    return Account(connection, overlaid, serve(server).address.replace("//", f"//:{TOKEN}@"), clock)


def test_everything_lands_in_our_words(account: Account, server: HubSpotServer, overlaid: Policy) -> None:
    counts = account.pull("1", "2026-03-01", "2026-03-03")
    assert (counts.received, counts.duplicate, counts.unreadable) == (14, 0, 0)
    zoe, maximilian = account.records("leads")
    assert not {"archived", "hubspot_owner_id"} & set(zoe)
    assert (zoe["first_name"], zoe["owner"], zoe["lifecycle"]) == ("Zoë", "ada@vendor.example", "lead")
    assert (maximilian["opt_out"], "owner" in maximilian) == ("true", False)
    [acme] = account.records("accounts")
    assert (acme["domain"], acme["type"]) == ("acme.example", "customer")
    [deal] = account.records("opportunities")
    assert (deal["lead_id"], deal["account_id"], deal["stage"], deal["amount"]) == (
        "101",
        "201",
        "won",
        "900",
    )
    assert {one["type"] for one in account.records("activities")} == {
        "outbound_call",
        "inbound_email",
        "meeting",
    }
    assert [(one["email"], one["active"]) for one in account.records("reps")] == [
        ("ada@vendor.example", "true"), ("old@vendor.example", "false"),
    ]  # fmt: skip
    assert [(one["kind"], one["lead_id"]) for one in account.records("outcomes")] == [
        (kind, "101") for kind in ("first_touch", "meeting", "sql", "opportunity", "won")
    ]
    assert not server.wrong


def test_nothing_comes_twice_and_what_people_change_comes_once(
    account: Account, server: HubSpotServer
) -> None:
    account.pull("1", "2026-03-01", "2026-03-02T09:30")
    again = account.pull("2", "2026-03-02T09:30", "2026-03-04")
    assert (again.new, again.duplicate) == (0, 14)
    server.own("102", "71", 60 * 24 * 2)
    server.delete("contacts", "101", 60 * 24 * 2 + 1)
    later = account.pull("3", "2026-03-04", "2026-03-05")
    assert (later.new, later.unreadable) == (2, 0)
    owned, gone = account.records("leads")[2:]
    assert (owned["id"], owned["owner"]) == ("102", "ada@vendor.example")
    assert (gone["id"], gone["deleted"]) == ("101", "true")
    assert "first_name" not in gone
