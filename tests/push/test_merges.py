"""Two records that a person said are one are merged in their CRM once, where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.connectors.hubspot_server import HubSpotServer, account, connected
from tests.connectors.local_server import Local
from tests.push.test_standing import HOUR, LATER, MONDAY_NOON, Office, merged_by_keys
from tests.route.conftest import World, simple, world  # noqa: F401 (a fixture)
from tests.route.test_persons import differences, snapshot

from clearlane import connectors
from clearlane.connectors.hubspot import HubSpot
from clearlane.ledger.doctor import examine
from clearlane.push import claims, dead, merges, status

CRM: dict[str, Any] = {"connector": "hubspot", "address": "connection:crm", "push": "contacts"}
ASKED = simple(**CRM, merge="push")
REPS = ("ana", "ben", "cyd")


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    with account(*(f"{name}@clearlane.example" for name in REPS), contacts="123") as server:
        yield server


@pytest.fixture
def local(server: HubSpotServer) -> Local:
    return server.local


@pytest.fixture
def office(
    world: World,  # noqa: F811
    server: HubSpotServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office]:
    def ours(source: Any, secrets: Any) -> HubSpot:
        return connected(source, lambda name: server.login)

    monkeypatch.setattr(connectors, "CONNECTORS", {"hubspot": ours})
    office = Office(world, policy=ASKED)
    ours(ASKED.sources.sources["crm"], None).prepare()
    yield office
    with world.engine.connect() as connection:
        broken = {one.check.id for one in examine(connection) if one.count}
    assert broken.isdisjoint({"outbox_is_owed_once", "merges_are_of_one_source", "merged_is_closed"})


def two_written(office: Office) -> tuple[UUID, UUID]:
    """Two contacts, each written with an owner of its own."""
    older = office.routed("1", MONDAY_NOON - 3 * HOUR)
    newer = office.routed("2", MONDAY_NOON - 2 * HOUR)
    assert office.drain(MONDAY_NOON)["sent"] == 2
    return older, newer


def contacts(server: HubSpotServer) -> dict[str, str | None]:
    """Merged ids of each contact that is there."""
    held = server.records["contacts"]
    return {id: one["properties"].get("hs_merged_object_ids") for id, one in held.items() if id != "3"}


def asked(local: Local) -> int:
    return local.paths().count("POST /crm/v3/objects/contacts/merge")


def written(office: Office) -> list[dict[str, Any]]:
    return office.world.rows("select * from outbox where object = 'merges' order by outbox_id")


def twice(office: Office) -> list[tuple[str, str, bool]]:
    with office.world.engine.connect() as connection:
        found = merges.twice(connection, office.policy)
    return [(one.record, one.into, one.by_us) for one in found]


def test_the_later_is_merged_into_the_earlier_with_the_owner_who_stays(
    office: Office, server: HubSpotServer, local: Local
) -> None:
    older, newer = two_written(office)
    stays = server.records["contacts"]["1"]["properties"]["hubspot_owner_id"]
    assert server.records["contacts"]["2"]["properties"]["hubspot_owner_id"] != stays
    office.say("merge", older, newer)
    assert twice(office) == [("crm:2", "crm:1", True)]
    assert office.drain()["left"] == 0
    assert contacts(server) == {"4": "1;2"}
    assert server.records["contacts"]["4"]["properties"]["hubspot_owner_id"] == stays
    assert [(one["state"], one["fields"]) for one in written(office)] == [
        ("sent", {"merged_into": "1", "became": "4"})
    ]
    assert twice(office) == []
    office.say("merge", older, newer, at=LATER + HOUR)
    office.drain(LATER + HOUR)
    assert asked(local) == 1


@pytest.mark.full
def test_nothing_is_written_to_records_that_are_one_now(office: Office, server: HubSpotServer) -> None:
    older, newer = two_written(office)
    office.say("merge", older, newer)
    office.drain()
    decline = (
        "insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)"
        " select lead_id, 'decline', :at, rep_id, 'no capacity', '{}' from assignment where ended_at is null"
    )
    with office.world.engine.begin() as connection:
        connection.execute(sa.text(decline), {"at": LATER})
    office.run([older], LATER + HOUR)
    assert office.owed() == {}


def test_merged_only_where_it_is_asked_for_and_else_by_hand(office: Office, local: Local) -> None:
    office.policy = simple(**CRM)
    older, newer = two_written(office)
    office.say("merge", older, newer)
    office.drain()
    assert (asked(local), written(office)) == (0, [])
    assert twice(office) == [("crm:2", "crm:1", False)]
    gone = (
        "insert into lead_key (lead_id, kind, value, current)"
        " select lead_id, 'merged_into', survivor_id, true from lead where lead_id = :l"
    )
    with office.world.engine.begin() as connection:
        connection.execute(sa.text(gone), {"l": newer})
    assert twice(office) == []


def test_what_keys_merge_is_taken_back_by_keys_and_so_not_merged_there(office: Office, local: Local) -> None:
    older, newer = two_written(office)
    merged_by_keys(office, newer, older)
    office.run([older], LATER)
    office.drain()
    assert (asked(local), written(office)) == (0, [])
    assert twice(office) == [("crm:2", "crm:1", False)]


def test_who_are_alike_enough_for_the_policy_are_merged_there(office: Office, server: HubSpotServer) -> None:
    older, newer = two_written(office)
    alike = "insert into person_alike (lead_id, other_id, weight, evidence) values (:one, :other, 60, '[]')"
    with office.world.engine.begin() as connection:
        connection.execute(sa.text(alike), dict(zip(("one", "other"), sorted((older, newer)), strict=True)))
    merged_by_keys(office, newer, older)
    office.run([older], LATER)
    assert written(office) == [], "merge: 1 merges nobody"
    people = office.policy.sources.people
    object.__setattr__(people, "merge", 0.99)
    try:
        office.run([older], LATER + HOUR)
    finally:
        object.__setattr__(people, "merge", 1.0)
    office.drain(LATER + HOUR)
    assert contacts(server) == {"4": "1;2"}


def test_parted_before_it_was_sent_is_never_sent(office: Office, local: Local) -> None:
    older, newer = two_written(office)
    before = snapshot(office.world)
    office.say("merge", older, newer)
    office.say("unmerge", newer)
    assert differences(before, snapshot(office.world)) == {}
    office.drain(LATER + HOUR)
    assert asked(local) == 0


def test_parted_afterwards_the_merge_there_stays_and_is_told(office: Office, server: HubSpotServer) -> None:
    older, newer = two_written(office)
    office.say("merge", older, newer)
    office.drain()
    office.say("unmerge", newer, at=LATER + HOUR)
    with office.world.engine.connect() as connection:
        [stays] = merges.stays(connection, [older, newer])
    assert (stays.record, stays.into, stays.since) == ("crm:2", "crm:1", LATER)
    assert office.drain(LATER + HOUR)["dead"] == 0
    assert contacts(server) == {"4": "1;2"}


def test_a_lost_answer_a_death_and_a_claim_that_ran_out_merge_once(
    office: Office, server: HubSpotServer, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = two_written(office)
    office.say("merge", older, newer)

    def killed(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    server.unheard_merges = 1
    with monkeypatch.context() as dying:
        dying.setattr(merges, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            office.drain()
        with pytest.raises(KeyboardInterrupt):
            office.drain(LATER + claims.LEASE)
    office.drain(LATER + 2 * claims.LEASE)
    assert contacts(server) == {"4": "1;2"}
    assert [(one["state"], one["fields"].get("became")) for one in written(office)] == [("sent", "4")]
    assert asked(local) == 1


@pytest.mark.full
def test_two_drains_at_once_merge_once(office: Office, server: HubSpotServer, local: Local) -> None:
    older, newer = two_written(office)
    third = office.routed("3", MONDAY_NOON - HOUR)
    office.drain(MONDAY_NOON)
    office.say("merge", older, newer)
    office.say("merge", newer, third)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: office.drain(), range(2)))
    for minutes in (10, 20):
        office.drain(LATER + timedelta(minutes=minutes))
    assert list(server.records["contacts"]) == ["5"]
    assert server.records["contacts"]["5"]["properties"]["hs_merged_object_ids"] == "1;2;3;4"
    assert asked(local) == 2


def test_a_person_s_choice_of_owner_stands_and_the_merge_waits_for_it(
    office: Office, server: HubSpotServer, local: Local
) -> None:
    older, newer = two_written(office)
    owners = {server.records["contacts"][id]["properties"]["hubspot_owner_id"] for id in "12"}
    third = ({"71", "72", "73"} - owners).pop()
    office.say("merge", older, newer)
    server.own("2", third, 300)
    drained = office.drain()
    assert (drained["stood"], drained["retry"], asked(local)) == (1, 1, 0)
    [waiting] = written(office)
    assert waiting["error"] == "1 and 2 have different owners there, and one would be lost"
    office.run([older], LATER + HOUR)
    assert office.owners() == {older: f"{REPS[int(third) - 71]}@clearlane.example"}
    for hours in (1, 2):
        office.drain(LATER + hours * HOUR)
    assert contacts(server) == {"4": "1;2"}
    assert server.records["contacts"]["4"]["properties"]["hubspot_owner_id"] == third


@pytest.mark.full
def test_a_merge_that_was_begun_and_is_not_wanted_any_more_is_given_up(
    office: Office, server: HubSpotServer, local: Local
) -> None:
    older, newer = two_written(office)
    office.say("merge", older, newer)
    server.own("2", "", 300)
    server.own("1", "", 300)
    server.delete("contacts", "2", 301)
    assert office.drain()["dead"] >= 1
    server.restore("contacts", "2")
    with office.world.engine.begin() as connection:
        [merge] = [one for one in dead.listed(connection) if "merged_into" in one.sets]
        assert (merge.record, merge.error) == ("crm:2", "record 2 is not there")
        dead.retry(connection, [merge.number], by="ann", because="restored")
    office.policy = simple(**CRM)
    office.drain(LATER + HOUR)
    [given_up] = written(office)
    assert (given_up["state"], asked(local)) == ("superseded", 0)
    assert given_up["note"].endswith("merged by hand by now")


def test_the_status_counts_merges_apart(office: Office) -> None:
    older, newer = two_written(office)
    office.say("merge", older, newer)
    with office.world.engine.connect() as connection:
        [one] = status.statuses(connection, office.policy, LATER)
    assert (one.owed, one.merges) == (2, 1)
