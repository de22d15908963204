"""The outbox and HubSpot: what people chose there stands, what breaks is sent again, nothing is written twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.connectors.hubspot_server import HubSpotServer, account, connected
from tests.push.conftest import NOON, TEAMS, Desk
from tests.push.crm import Time

from clearlane import connectors, policy, push

SOURCES = """
schema: 1
owner: a
approver: b
sources:
  crm: {connector: hubspot, address: "connection:crm", push: contacts, objects: {}}
"""
LEADS = [str(number) for number in range(101, 161)]


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    with account("ada@vendor.example", "bob@vendor.example", contacts=LEADS) as server:
        yield server


@pytest.fixture
def desk(ledger_engine: sa.Engine, server: HubSpotServer, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Ada got all the leads; the properties are made."""
    monkeypatch.setattr(connectors, "CONNECTORS", {"hubspot": connected})
    texts = {"teams": TEAMS.replace(", known_as: {crm: [U1]}", ""), "sources": SOURCES}
    desk = Desk(ledger_engine, policy.parse(texts))
    connected(desk.policy.sources.sources["crm"], lambda name: server.login).prepare()
    batch = desk.batch("one")
    for lead in LEADS:
        desk.decide(batch, "crm", lead, "ada")
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    return desk


def drain(desk: Desk, server: HubSpotServer) -> dict[str, int]:
    time = Time()
    return push.drain(
        desk.engine, desk.policy, NOON, lambda name: server.login,
        dry_run=False, limit=1000, monotonic=time.now, wait=time.wait,
    )  # fmt: skip


def held(server: HubSpotServer, name: str) -> list[Any]:
    return [server.records["contacts"][lead]["properties"].get(name) for lead in LEADS]


def overrides(desk: Desk) -> list[dict[str, Any]]:
    with desk.engine.connect() as connection:
        statement = sa.text(
            "select rep_id, detail from routing_event where kind = 'override' order by event_id"
        )
        return [dict(row) for row in connection.execute(statement).mappings()]


def test_what_is_owed_arrives_once(desk: Desk, server: HubSpotServer) -> None:
    assert drain(desk, server)["sent"] == len(LEADS)
    assert held(server, "hubspot_owner_id") == ["71"] * len(LEADS)
    assert held(server, "clearlane_sla_due") == ["2026-03-02T12:05:00Z"] * len(LEADS)
    asked = len(server.local.asked)
    assert drain(desk, server)["sent"] == 0
    assert len(server.local.asked) == asked


@pytest.mark.parametrize("looks", [0, 2])
def test_whom_people_chose_before_or_after_our_look_stands(
    desk: Desk, server: HubSpotServer, looks: int
) -> None:
    """The look takes two reads, for it asks for histories."""
    server.minute = 60

    def choose() -> None:
        for lead in LEADS[:50]:
            server.own(lead, "72", 30, user=902)

    def after_read(left: list[int] = [looks]) -> None:  # noqa: B006  # counts on from call to call
        left[0] -= 1
        if left[0] == 0:
            choose()

    server.after_read = after_read
    if not looks:
        choose()
    counts = drain(desk, server)
    assert (counts["stood"], counts["left"], counts["dead"]) == (50, 0, 0)
    assert held(server, "hubspot_owner_id") == ["72"] * 50 + ["71"] * 10
    assert held(server, "clearlane_score") == ["80"] * len(LEADS)
    found = overrides(desk)
    assert len(found) == 50
    assert {(event["rep_id"], event["detail"]["owner"], event["detail"]["by"]) for event in found} == {
        ("bob", "bob@vendor.example", "bob@vendor.example")
    }


def test_what_broke_off_is_sent_again_and_no_owner_is_given_twice(desk: Desk, server: HubSpotServer) -> None:
    server.broken = {LEADS[7]}
    assert drain(desk, server)["retry"] > 0
    server.broken = set()
    with desk.engine.begin() as connection:
        connection.execute(sa.text("update outbox set next_attempt_at = null"))
        connection.execute(sa.text("delete from push_state"))
    drain(desk, server)
    assert {row["state"] for row in desk.outbox()} == {"sent"}
    assert {len(record["history"]) for record in server.records["contacts"].values()} == {1}
