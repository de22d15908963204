"""Two contacts of one person in HubSpot: merged by a person here, merged there by us, and read again as one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import policy_for
from tests.connectors.hubspot_server import HubSpotServer, account, connected
from tests.e2e.rivers import River

from clearlane import connectors, explain, policy, steps
from clearlane.ledger.doctor import examine
from clearlane.push import merges, persons
from clearlane.push.persons import Word

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOURCES = """
schema: 1
owner: o
approver: a
masters: {owner: crm}
sources:
  crm:
    connector: hubspot
    address: "connection:crm"
    live_from: "2026-01-01T00:00:00Z"
    push: contacts
    merge: push
    objects:
      leads:
        read: contacts
        extras: false
        cursor: updated_at
        fields: {id: id, created_at: createdAt, updated_at: updatedAt, email: email, first_name: firstname,
                 company: company, title: jobtitle, owner: owner_email, merged_from: hs_merged_object_ids}
"""
ADA = {"firstname": "Ada", "company": "Forge Ltd", "jobtitle": "VP Sales"}


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    with account(contacts=()) as server:
        server.add("contacts", "1", email="ada@forge.example", **ADA)
        server.add("contacts", "2", 1, email="countess@anvil.example", **ADA)
        yield server


@pytest.fixture
def river(
    ledger_engine: sa.Engine, server: HubSpotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> River:
    texts = {**policy_for(tmp_path), "sources": SOURCES}
    reps = [rep for rep in policy.parse(texts).teams.reps.values() if rep.role == "sdr"]
    for number, rep in enumerate(reps, 1):
        server.hire(rep.aliases["crm"][0].lower(), rep.email, 900 + number)
    for record, rep in zip("12", reps, strict=False):
        server.own(record, rep.aliases["crm"][0].lower(), 1)
    monkeypatch.setattr(connectors, "CONNECTORS", {"hubspot": connected})
    made = River(ledger_engine, lambda name: server.login)
    made.publish(texts)
    connected(policy.parse(texts).sources.sources["crm"], made.secrets).prepare()
    return made


def said(river: River, act: str, at: datetime, *records: str) -> None:
    with river.engine.begin() as connection:
        inforce = policy.stored(connection, policy.in_force(connection, at))
        leads = [explain.record(connection, f"crm:{record}") for record in records]
        persons.say(connection, inforce, act, Word("ann", "I know her", at), *leads)


def rows(river: River, query: str) -> list[Any]:
    with river.engine.connect() as connection:
        return list(connection.execute(sa.text(query)))


PERSONS = """
select string_agg(m.external_id, ' ' order by m.external_id) from lead m group by m.survivor_id order by 1
"""
OWED = "select source, external_id, state, fields from outbox where state in ('owed', 'dead')"


def test_merged_here_merged_there_and_read_again_as_one(river: River, server: HubSpotServer) -> None:
    river.run((NINE - HOUR, NINE + HOUR), dry_run=False)
    held = server.records["contacts"]
    stays, lost = (held[id]["properties"]["hubspot_owner_id"] for id in "12")
    assert stays != lost
    assert rows(river, PERSONS) == [("1",), ("2",)]

    said(river, "merge", NINE + HOUR, "1", "2")
    steps.drain(river.engine, NINE + HOUR, river.secrets, dry_run=False)
    assert [(id, one["properties"]["hs_merged_object_ids"]) for id, one in held.items()] == [("3", "1;2")]

    river.run((NINE + HOUR, NINE + 2 * HOUR), dry_run=False)
    assert rows(river, PERSONS) == [("1 2 3",)]
    assert held["3"]["properties"]["hubspot_owner_id"] == stays
    assert rows(river, OWED) == []
    with river.engine.connect() as connection:
        inforce = policy.stored(connection, policy.in_force(connection, NINE))
        assert merges.twice(connection, inforce) == []
        story = explain.story(connection, "crm:1")
        assert [one.check.id for one in examine(connection) if one.count] == []
    assert any("to be merged into 1" in line.text for part in story.sections for line in part.lines)

    said(river, "unmerge", NINE + 2 * HOUR, "2")
    river.run((NINE + 2 * HOUR, NINE + 3 * HOUR), dry_run=False)
    assert rows(river, PERSONS) == [("1 3",), ("2",)], "a person's word comes before the source's"
    assert rows(river, OWED) == []
    assert list(held) == ["3"]
