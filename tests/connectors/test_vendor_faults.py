"""What goes wrong with any CRM: every preset connector meets the same faults in the same way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from clearlane.connectors import CONNECTORS, Connector, Interval, SourceFailed, Write
from clearlane.connectors.http import Patience
from clearlane.policy.model import ObjectMapping, Source

from . import activecampaign_server, freshsales_server, insightly_server
from .conftest import Serve
from .local_server import Clock, Local, Reply


@dataclass(frozen=True)
class Vendor:
    """A connector, its fake, how its connection looks, and two lists of it."""

    name: str
    fake: Callable[[], Any]
    key: str
    list: str
    users: str
    choose: Callable[[Any, int], None]
    """a person gives a lead to user 5"""
    login: str = ":{key}"
    path: str = ""


VENDORS = [
    Vendor(
        "activecampaign",
        activecampaign_server.Account,
        activecampaign_server.KEY,
        "deals",
        "users",
        lambda fake, id: fake.deals[id - 1].update(owner="5"),
    ),
    Vendor(
        "freshsales",
        freshsales_server.Crm,
        freshsales_server.KEY,
        "contacts/4001",
        "users",
        lambda fake, id: fake.contacts[id].update(owner_id=5),
        path="/crm/sales",
    ),
    Vendor(
        "insightly",
        insightly_server.Instance,
        insightly_server.KEY,
        "leads",
        "users",
        lambda fake, id: fake.leads[id].update(RESPONSIBLE_USER_ID=5),
        login="{key}",
    ),
]
HTML = Reply(b"<html>maintenance</html>", headers={"Content-Type": "text/html"})


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return request.param


@pytest.fixture
def fake(vendor: Vendor) -> Any:
    return vendor.fake()


@pytest.fixture
def local(serve: Serve, fake: Any) -> Local:
    return serve(fake)


def connected(
    vendor: Vendor, local: Local, clock: Clock, key: str | None = None, slowest: float = 60
) -> Connector:
    login = vendor.login.format(key=key or vendor.key)
    address = local.address.replace("//", f"//{login}@") + vendor.path
    source = Source("crm", vendor.name, "connection:crm", {}, push="clearlane")
    options: dict[str, Any] = {
        "patience": Patience(read=slowest, tries=3),
        "wait": clock.wait,
        "clock": clock,
    }
    return CONNECTORS[vendor.name](source, lambda name: address, **options)


def read(connector: Connector, name: str) -> list[dict[str, Any]]:
    mapping = ObjectMapping(object="leads", read=name, fields={})
    return [raw.payload for chunk in connector.read(mapping, Interval()) for raw in chunk.records]


@pytest.mark.parametrize(
    "reply", [Reply({}, status=429, headers={"Retry-After": "30"}), Reply({}, status=503), Reply(cut=True)]
)
def test_a_read_is_tried_again(vendor: Vendor, fake: Any, local: Local, clock: Clock, reply: Reply) -> None:
    fake.failing = [reply]
    assert read(connected(vendor, local, clock), vendor.users)
    assert sum(clock.waits) >= (30 if reply.status == 429 else 0.5)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (HTML, "a web page"),
        (Reply(b'{"data": [{"email": "l1@customer.example"'), "malformed or unfinished JSON"),
        (Reply({"message": "l1@customer.example"}), "without a list"),
        (Reply({}, status=429, headers={"Retry-After": "900"}), "too many requests"),
        (Reply({}, status=401), "the credentials are not accepted"),
    ],
)
def test_a_read_that_fails_names_no_secret_and_no_person(
    vendor: Vendor,
    fake: Any,
    local: Local,
    clock: Clock,
    reply: Reply,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.failing = [reply] * 5
    with pytest.raises(SourceFailed, match=said) as caught:
        read(connected(vendor, local, clock), vendor.list)
    assert caught.value.retry_after == (900 if reply.status == 429 else None)
    for hidden in (vendor.key, "customer.example"):
        assert hidden not in caplog.text + str(caught.value)


def test_an_answer_that_never_comes_fails_in_time(vendor: Vendor, serve: Serve, clock: Clock) -> None:
    local = serve(lambda asked: local.hang())
    with pytest.raises(SourceFailed, match="did not answer in time"):
        read(connected(vendor, local, clock, slowest=0.3), vendor.list)


def test_a_key_that_is_not_accepted_is_not_shown(vendor: Vendor, local: Local, clock: Clock) -> None:
    [login] = connected(vendor, local, clock, key="wrong-k3y").check()  # type: ignore[attr-defined]
    assert (login.what, login.good, "wrong-k3y" in login.said) == ("login", False, False)


def test_who_is_throttled_for_long_leaves_all_writes_for_later(
    vendor: Vendor, fake: Any, local: Local, clock: Clock
) -> None:
    fake.add(1, **({"email": "l1@customer.example"} if vendor.name == "activecampaign" else {}))
    getattr(fake, "prepare", lambda: None)()
    connector = connected(vendor, local, clock)
    throttled = Reply({}, status=429, headers={"Retry-After": "900"})
    answered = fake.__class__.__call__
    writing = ("PUT", "POST", "PATCH")

    def answer(self: Any, asked: Any) -> Reply:
        return throttled if asked.method in writing else answered(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake.__class__, "__call__", answer)
        writes = [Write(f"k{number}", "leads", "1", {"score": number}) for number in (1, 2)]
        receipts = connector.write(writes)
    assert [(one.idempotency_key, one.result, one.retry_after) for one in receipts] == [
        ("k1", "retry", 900), ("k2", "retry", 900),
    ]  # fmt: skip


def test_an_owner_whom_a_person_chose_between_look_and_write_stands(
    vendor: Vendor, fake: Any, local: Local, clock: Clock
) -> None:
    for number in (1, 2):
        fake.add(number, **({"email": "l@customer.example"} if vendor.name == "activecampaign" else {}))
        if vendor.name == "activecampaign":
            fake.deal(f"d{number}", number, "4")
    getattr(fake, "prepare", lambda: None)()
    connector = connected(vendor, local, clock)
    fields = {"owner": "ada@vendor.example", "score": 7}
    writes = [Write(f"k{number}", "leads", str(number), fields) for number in (1, 2)]
    seen = connector.current(writes)  # type: ignore[attr-defined]
    writes = [replace(write, seen=seen[write.external_id]) for write in writes]
    vendor.choose(fake, 1)
    assert [one.result for one in connector.write(writes)] == ["changed", "sent"]
    after = connector.current(writes)  # type: ignore[attr-defined]
    assert (after["1"]["owner"], after["1"]["score"]) == ("5", None)
    assert after["2"] == fields


SPENT = {
    "freshsales": ({}, "the requests of the account's hour are spent", 900),
    "insightly": ({"X-RateLimit-Remaining": "0"}, "the requests of the plan's day are spent", 3600),
}


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.name in SPENT], ids=lambda one: one.name)
def test_a_limit_that_is_used_up_is_asked_for_once(
    vendor: Vendor, fake: Any, local: Local, clock: Clock
) -> None:
    headers, said, wait = SPENT[vendor.name]
    fake.failing = [Reply({}, 429, headers)] * 5
    with pytest.raises(SourceFailed, match=said) as caught:
        read(connected(vendor, local, clock), vendor.users)
    assert (caught.value.retry_after, len(local.asked), clock.waits) == (wait, 1, [])
