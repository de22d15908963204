"""Two contacts are made one: once, whoever did it, and never where an owner would be lost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest
from tests.connectors.hubspot_server import HubSpotServer, account, connected, refusal
from tests.connectors.local_server import Local, Reply

from clearlane.connectors import Merge, Merges
from clearlane.connectors.hubspot import HubSpot
from clearlane.policy.model import Source


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    with account("ada@vendor.example", contacts="123", hubspot_owner_id="71") as server:
        yield server


@pytest.fixture
def local(server: HubSpotServer) -> Local:
    return server.local


@pytest.fixture
def connector(server: HubSpotServer) -> HubSpot:
    return at(server)


def at(server: HubSpotServer, push: str = "contacts") -> HubSpot:
    return connected(Source("crm", "hubspot", "connection:crm", {}, push=push), lambda name: server.login)


def two(other: str = "2", into: str = "1") -> Merge:
    return Merge(f"crm:merges:{other}:{into}", other, into)


def merges(local: Local) -> int:
    return local.paths().count("POST /crm/v3/objects/contacts/merge")


def test_the_primary_s_values_come_before_those_of_the_other(
    server: HubSpotServer, connector: HubSpot
) -> None:
    server.records["contacts"]["2"]["properties"]["phone"] = "+1"
    assert isinstance(connector, Merges)
    (receipt,) = connector.merge([two()])
    assert (receipt.result, receipt.became) == ("sent", "4")
    made = server.records["contacts"]["4"]["properties"]
    assert (made["email"], made["phone"], made["hs_merged_object_ids"]) == ("1@customer.example", "+1", "1;2")


@pytest.mark.parametrize("lost", [0, 1])
def test_merged_again_is_merged_once(
    server: HubSpotServer, connector: HubSpot, local: Local, lost: int
) -> None:
    """Also where the answer got lost: whoever merged them, they are one."""
    server.unheard_merges = lost
    for _ in range(2):
        (receipt,) = connector.merge([two()])
        assert (receipt.result, receipt.became) == ("sent", "4")
    assert merges(local) == 1


@pytest.mark.parametrize("order", list(permutations([two("2", "1"), two("3", "2"), two("3", "1")]))[::3])
def test_three_are_one_in_any_order(
    server: HubSpotServer, connector: HubSpot, local: Local, order: list[Merge]
) -> None:
    assert {receipt.result for receipt in connector.merge(order)} == {"sent"}
    assert list(server.records["contacts"]) == ["5"]
    assert server.records["contacts"]["5"]["properties"]["hs_merged_object_ids"] == "1;2;3;4"
    assert merges(local) == 2


def test_whoever_merges_between_look_and_merge_has_done_it(server: HubSpotServer, connector: HubSpot) -> None:
    looks = iter([lambda: None, lambda: server._merge("2", "1")])
    server.after_read = lambda: next(looks, lambda: None)()
    (receipt,) = connector.merge([two()])
    assert (receipt.result, receipt.became) == ("sent", "4")


def test_two_owners_are_left_to_people(server: HubSpotServer, connector: HubSpot, local: Local) -> None:
    server.own("2", "72", 5)
    (receipt,) = connector.merge([two()])
    assert receipt.result == "retry"
    assert receipt.error == "1 and 2 have different owners there, and one would be lost"
    server.own("2", "", 6)
    assert connector.merge([two()])[0].result == "sent"
    assert merges(local) == 1


def test_what_cannot_be_merged_is_refused(server: HubSpotServer, connector: HubSpot, local: Local) -> None:
    assert connector.merge([two("9")])[0].error == "record 9 is not there"
    leads = at(server, "leads").merge([two()])
    assert [(one.result, one.error) for one in leads] == [("refused", "leads cannot be merged")]
    server.failing = [
        *(Reply(server._one("contacts", id).body) for id in "12"),
        refusal(400, "VALIDATION_ERROR"),
    ]
    (receipt,) = connector.merge([two()])
    assert receipt.result == "refused"
    assert (
        "/crm/v3/objects/contacts/merge answered 400: the request is not understood (VALIDATION_ERROR)"
        in str(receipt.error)
    )
    assert "customer.example" not in str(receipt.error)


def test_after_a_failure_the_rest_waits(server: HubSpotServer, connector: HubSpot, local: Local) -> None:
    server.failing = [Reply(status=503), Reply(status=503)]
    assert [one.result for one in connector.merge([two(), two("3")])] == ["retry", "retry"]
    assert merges(local) == 0
