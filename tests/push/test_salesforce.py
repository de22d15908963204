"""The outbox and Salesforce: whom people choose in the very moment of the write stands, and routing is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.connectors.local_server import Local, serving
from tests.connectors.salesforce_server import ADA, BOB, LATER, Org, lead_id
from tests.push.conftest import NOON, TEAMS, Desk
from tests.push.crm import Time

from clearlane import connectors, policy, push
from clearlane.connectors.salesforce import Salesforce

SOURCES = """
schema: 1
owner: a
approver: b
sources:
  crm:
    connector: salesforce
    address: "connection:crm"
    push: Clearlane
    push_fields: {owner: OwnerId, band: Clearlane_band__c}
    objects: {}
"""
LEADS = range(1, 41)
CHOSEN = range(1, 31)


@pytest.fixture
def org() -> Org:
    org = Org()
    for number in LEADS:
        org.lead(number, owner="00G000000000PARAAA")
    return org


@pytest.fixture
def local(org: Org) -> Iterator[Local]:
    with serving(org) as local:
        yield local


@pytest.fixture
def desk(ledger_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Ada got all the leads, which a queue had."""

    def connected(source: Any, secrets: Any) -> Salesforce:
        return Salesforce(source, secrets, wait=lambda seconds: None)

    monkeypatch.setattr(connectors, "CONNECTORS", {"salesforce": connected})
    texts = {"teams": TEAMS.replace(", known_as: {crm: [U1]}", ""), "sources": SOURCES}
    desk = Desk(ledger_engine, policy.parse(texts))
    batch = desk.batch("one")
    for number in LEADS:
        desk.decide(batch, "crm", lead_id(number), "ada")
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)
    return desk


def drain(desk: Desk, local: Local) -> dict[str, int]:
    time = Time()
    address = local.address.replace("//", "//:00D!first@")
    return push.drain(
        desk.engine, desk.policy, NOON, lambda name: address,
        dry_run=False, limit=1000, monotonic=time.now, wait=time.wait,
    )  # fmt: skip


def overrides(desk: Desk) -> int:
    with desk.engine.connect() as connection:
        return int(
            connection.execute(
                sa.text("select count(*) from routing_event where kind = 'override'")
            ).scalar_one()
        )


def test_whom_people_choose_in_the_very_moment_of_the_write_stands(
    desk: Desk, org: Org, local: Local
) -> None:
    def choose() -> None:
        for number in CHOSEN:
            if org.tables["Lead"][lead_id(number)]["OwnerId"] != BOB:
                org.tables["Lead"][lead_id(number)] |= {"OwnerId": BOB, "LastModifiedDate": LATER}

    org.before_write = choose
    counts = drain(desk, local)
    assert (counts["stood"], counts["left"], counts["dead"]) == (len(CHOSEN), 0, 0)
    owners = [org.tables["Lead"][lead_id(number)]["OwnerId"] for number in LEADS]
    assert owners == [BOB] * len(CHOSEN) + [ADA] * (len(LEADS) - len(CHOSEN))
    assert overrides(desk) == len(CHOSEN)
    asked = len(local.asked)
    assert drain(desk, local)["sent"] == 0
    assert len(local.asked) == asked
