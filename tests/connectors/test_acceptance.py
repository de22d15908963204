"""What every CRM that is asked has to stand: the same table of troubles for each, on a socket, against its fake.

What a vendor alone can do stands in its own file; docs/connectors.md says which row does not apply to whom, and why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane.connectors import CONNECTORS, Interval, Preparable, SourceFailed, Write, bottlecrm
from clearlane.connectors.http import Patience
from clearlane.connectors.hubspot import reading
from clearlane.connectors.inbox import pull_from
from clearlane.policy.model import ObjectMapping, Source

from . import (
    activecampaign_server,
    bottlecrm_server,
    freshsales_server,
    hubspot_server,
    insightly_server,
    salesforce_server,
)
from .conftest import Serve, batch, moment
from .local_server import Asked, Clock, Local, Reply

NOON = datetime(2026, 3, 2, 12)
PERSON, SECRET = "customer.example", "s3cr3t"
WORDS = "Sie wünscht ein Gespräch 李 🚀 <b>&"
HTML = Reply(b"<html>down for maintenance</html>", headers={"Content-Type": "text/html"})


@dataclass(frozen=True)
class Vendor:
    """One system: its fake, its connection, its list of leads and how people change them.

    `put` makes or changes a lead, `later` so many minutes after noon; `expire` ends what the requests are made with.
    """

    name: str
    fake: Callable[[], Any]
    login: str
    leads: str
    columns: tuple[str, str, str, str]
    """id, e-mail address, name, when it was changed"""
    put: Callable[[Any, int, int], Any]
    delete: Callable[[Any, int], Any]
    many: int
    """leads on more than two pages"""
    extras: str = ""
    id: Callable[[int], str] = str
    expire: Callable[[Any], Any] | None = None
    """None: nothing renews it, so the source refuses from then on"""
    tells_deleted: bool = False

    def mapping(self) -> ObjectMapping:
        fields = dict(zip(("id", "email", "last_name", "updated_at"), self.columns, strict=True))
        return ObjectMapping(
            object="leads", read=self.leads, fields=fields, cursor="updated_at", extras=False,
            lookback=timedelta(days=3),
        )  # fmt: skip


def later(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def hubspot() -> Any:
    server = hubspot_server.HubSpotServer(tokens=["second"] * 9, token="second")
    server.hire("71", "ada@vendor.example", 901)
    return server


def hubspot_expired(server: Any) -> None:
    server.token, server.tokens = "third", ["third"] * 9


VENDORS = [
    Vendor(
        "hubspot", hubspot, f"client:{SECRET}@", "contacts", ("id", "email", "lastname", "updatedAt"),
        put=lambda fake, n, at: fake.add("contacts", str(n), 180 + at, email=f"l{n}@{PERSON}", lastname="Zoë 李"),
        delete=lambda fake, n: fake.delete("contacts", str(n), 200),
        many=5, extras=f"?refresh_token={SECRET}", expire=hubspot_expired,
    ),
    Vendor(
        "salesforce", salesforce_server.Org, "", "Lead", ("Id", "Email", "LastName", "SystemModstamp"),
        put=lambda fake, n, at: fake.lead(
            n, Email=f"l{n}@{PERSON}", SystemModstamp=f"{later(at).isoformat()}.000+0000"
        ),
        delete=lambda fake, n: fake.tables["Lead"][salesforce_server.lead_id(n)].update(IsDeleted=True),
        many=5, extras=f"?consumer_key=key&consumer_secret={SECRET}", id=salesforce_server.lead_id,
        expire=lambda fake: fake.expire(), tells_deleted=True,
    ),
    Vendor(
        "activecampaign", activecampaign_server.Account, f":{activecampaign_server.KEY}@", "contacts",
        ("id", "email", "lastName", "udate"),
        put=lambda fake, n, at: fake.add(n, f"l{n}@{PERSON}", f"{later(at).isoformat()}-00:00"),
        delete=lambda fake, n: fake.contacts.pop(n), many=201,
    ),
    Vendor(
        "freshsales", freshsales_server.Crm, f":{freshsales_server.KEY}@", "contacts",
        ("id", "email", "last_name", "updated_at"),
        put=lambda fake, n, at: fake.add(n, later(at)),
        delete=lambda fake, n: fake.contacts.pop(n), many=201,
    ),
    Vendor(
        "insightly", insightly_server.Instance, f"{insightly_server.KEY}@", "leads",
        ("LEAD_ID", "EMAIL", "LAST_NAME", "DATE_UPDATED_UTC"),
        put=lambda fake, n, at: fake.add(n, str(later(at))),
        delete=lambda fake, n: fake.leads.pop(n), many=1001,
    ),
    Vendor(
        "bottlecrm", bottlecrm_server.Crm, f":{bottlecrm_server.TOKEN}@", "leads",
        ("id", "email", "last_name", "updated_at"),
        put=lambda fake, n, at: fake.add(f"l{n}", last_name="Zoë 李", updated_at=f"{later(at).isoformat()}Z"),
        delete=lambda fake, n: fake.leads.pop(f"l{n}"), many=5, id=lambda n: f"l{n}",
    ),
]  # fmt: skip


@dataclass
class Troubled:
    """The fake behind what may happen on the way: `answers` come first, and after `works` requests always `then`."""

    fake: Any
    answers: list[Reply] = field(default_factory=list)
    works: int | None = None
    then: Callable[[], Reply] = lambda: HTML

    def __call__(self, asked: Asked) -> Reply:
        if self.answers:
            return self.answers.pop(0)
        if self.works is not None:
            if self.works <= 0:
                return self.then()
            self.works -= 1
        return self.fake(asked)


@dataclass
class Case:
    """One vendor under test."""

    vendor: Vendor
    local: Local
    clock: Clock
    troubled: Troubled
    patience: Patience = field(default_factory=lambda: Patience(tries=3))

    @property
    def fake(self) -> Any:
        return self.troubled.fake

    def connector(self) -> Any:
        path = "/crm/sales" if self.vendor.name == "freshsales" else ""
        address = self.local.address.replace("//", f"//{self.vendor.login}") + path + self.vendor.extras
        made: Any = CONNECTORS[self.vendor.name]
        return made(self.source(), lambda name: address, patience=self.patience, wait=self.clock.wait)

    def source(self) -> Source:
        push = {"hubspot": "contacts", "salesforce": "Clearlane"}.get(self.vendor.name, "clearlane")
        fields = {"hubspot": {"score": "clearlane_score", "because": "clearlane_because"}}
        return Source(
            "crm", self.vendor.name, "connection:crm", {"leads": self.vendor.mapping()}, push=push,
            push_fields=fields.get(self.vendor.name, {}),
        )  # fmt: skip

    def hang(self) -> None:
        """Answer nothing from now on, which nobody waits for long."""
        self.troubled.works, self.troubled.then = 0, self.local.hang
        object.__setattr__(self.patience, "read", 0.3)

    def answer(self) -> None:
        """Answer all again."""
        self.troubled.works = None
        object.__setattr__(self.patience, "read", Patience().read)

    def put(self, *numbers: int, at: int = 0) -> None:
        for number in numbers:
            self.vendor.put(self.fake, number, at)

    def pages(self, connector: Any) -> Iterator[list[str]]:
        id = self.vendor.columns[0]
        for chunk in connector.read(self.vendor.mapping(), Interval()):
            yield [str(raw.payload[id]) for raw in chunk.records]

    def read(self, connector: Any = None) -> list[str]:
        return [id for page in self.pages(connector or self.connector()) for id in page]

    def ids(self, *numbers: int) -> list[str]:
        return [self.vendor.id(number) for number in numbers]

    def writable(self) -> Any:
        """A connector to whose fields one can write."""
        getattr(self.fake, "prepare", lambda: None)()
        connector = self.connector()
        if isinstance(connector, Preparable):
            connector.prepare()
        return connector

    def writes(self, *numbers: int) -> list[Write]:
        return [
            Write(f"k{number}", "leads", self.vendor.id(number), {"score": 82, "because": WORDS})
            for number in numbers
        ]


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
def case(
    request: pytest.FixtureRequest, serve: Serve, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    vendor: Vendor = request.param
    monkeypatch.setattr(reading, "PAGE", 2)
    monkeypatch.setattr(bottlecrm, "PAGE", 2)
    troubled = Troubled(vendor.fake())
    if vendor.name == "salesforce":
        troubled.fake.page = 2
    yield Case(vendor, serve(troubled), clock, troubled)
    assert not getattr(troubled.fake, "wrong", ())


# --- reading ------------------------------------------------------------------------------------------


def test_several_pages_give_each_lead_once(case: Case) -> None:
    wanted = range(1, case.vendor.many + 1)
    case.put(*wanted)
    pages = list(case.pages(case.connector()))
    assert sorted(id for page in pages for id in page) == sorted(case.ids(*wanted))
    assert len([page for page in pages if page]) >= 3


def test_what_the_requests_are_made_with_ends_between_two_pages(case: Case) -> None:
    wanted = range(1, case.vendor.many + 1)
    case.put(*wanted)
    pages = case.pages(case.connector())
    found = next(page for page in pages if page)
    if case.vendor.expire:
        case.vendor.expire(case.fake)
        assert sorted(found + [id for page in pages for id in page]) == sorted(case.ids(*wanted))
        return
    case.troubled.works, case.troubled.then = 0, lambda: Reply({"message": f"l1@{PERSON}"}, 401)
    with pytest.raises(SourceFailed, match="answered 401: the credentials are not accepted"):
        list(pages)  # the end is no end: nothing of a reading that fails is kept


def test_throttling_is_waited_out_as_asked_and_left_alone_when_it_lasts(case: Case) -> None:
    case.put(1)
    connector = case.connector()
    case.troubled.answers = [Reply({}, 429, {"Retry-After": "7"})]
    assert case.read(connector) == case.ids(1)
    assert 7 in case.clock.waits
    case.troubled.answers = [Reply({}, 429, {"Retry-After": "900"})]
    with pytest.raises(SourceFailed) as caught:
        case.read(connector)
    assert caught.value.retry_after == 900


@pytest.mark.parametrize(
    "reply",
    [HTML, Reply(b'{"data": [{"email": "l1@customer.example"'), Reply({"message": f"l1@{PERSON}"})],
    ids=["html", "malformed", "another form"],
)
def test_what_is_no_answer_fails_by_name_and_names_nobody(
    case: Case, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    case.put(1)
    connector = case.connector()
    assert case.read(connector) == case.ids(1)
    case.troubled.works, case.troubled.then = 0, lambda: reply
    with pytest.raises(SourceFailed) as caught:
        case.read(connector)
    assert not [word for word in (PERSON, SECRET) if word in str(caught.value) + caplog.text]


def test_an_answer_that_never_comes_ends_in_time(case: Case) -> None:
    case.put(1)
    connector = case.connector()
    case.read(connector)
    case.hang()
    with pytest.raises(SourceFailed, match="did not answer in time"):
        case.read(connector)


# --- reading again ------------------------------------------------------------------------------------


def held(connection: sa.Connection) -> list[tuple[str, str]]:
    statement = sa.text("select external_id, record->>'updated_at' from inbox order by 1, 2")
    return [tuple(row) for row in connection.execute(statement)]


def test_changes_again_and_out_of_order_are_each_kept_once(case: Case, connection: sa.Connection) -> None:
    runs = iter(range(9))

    def pulled(end: str) -> tuple[int, int]:
        window = batch(connection, str(next(runs)), "2026-03-02T00:00", end)
        counts = pull_from(case.connector(), connection, case.source(), window)
        return counts.new, counts.duplicate

    case.put(1, 2)
    assert pulled("2026-03-02T12:30") == (2, 0)
    assert pulled("2026-03-02T12:30") == (0, 2)
    case.put(3, at=40)  # the newer one is told before the older one
    case.put(1, at=35)
    assert pulled("2026-03-02T13:00") == (2, 1)
    assert pulled("2026-03-02T13:00") == (0, 3)
    moments = [(case.vendor.id(n), later(at)) for n, at in ((1, 0), (1, 35), (2, 0), (3, 40))]
    assert held(connection) == sorted((id, moment(str(at)).isoformat()) for id, at in moments)


def test_a_lead_that_is_deleted_is_read_no_more_or_as_deleted_and_not_written(case: Case) -> None:
    case.put(1, 2)
    connector = case.writable()
    case.vendor.delete(case.fake, 2)
    assert case.read(connector) == (case.ids(1, 2) if case.vendor.tells_deleted else case.ids(1))
    assert [one.result for one in connector.write(case.writes(1, 2))] == ["sent", "refused"]
    assert set(connector.current(case.writes(1, 2))) == set(case.ids(1))


# --- writing ------------------------------------------------------------------------------------------


def test_one_lead_that_cannot_be_written_costs_no_other_and_words_of_every_script_stand(case: Case) -> None:
    case.put(1, 3)
    connector = case.writable()
    receipts = connector.write(case.writes(1, 2, 3))
    assert [one.result for one in receipts] == ["sent", "refused", "sent"]
    now = connector.current(case.writes(1, 2, 3))
    assert {id: held["because"] for id, held in now.items()} == dict.fromkeys(case.ids(1, 3), WORDS)


TROUBLES = {
    "html": HTML,
    "malformed": Reply(b'{"contact": {"email": "l1@customer.example"'),
    "throttled": Reply({}, 429, {"Retry-After": "900"}),
    "refused": Reply({"message": f"l1@{PERSON}"}, 401),
    "unreachable": Reply(cut=True),
}


@pytest.mark.parametrize("trouble", ["hang", *TROUBLES])
def test_what_goes_wrong_while_writing_leaves_the_rest_for_later_and_names_nobody(
    case: Case, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    caplog.set_level(logging.DEBUG)
    case.put(1, 2)
    connector = case.writable()
    assert [one.result for one in connector.write(case.writes(1))] == ["sent"]
    if trouble == "hang":
        case.hang()
    else:
        case.troubled.works, case.troubled.then = 0, lambda: TROUBLES[trouble]
    try:
        receipts = connector.write(case.writes(1, 2))
    except SourceFailed as failed:
        receipts, said = [], str(failed)
    else:
        said = str(receipts)
        assert {one.result for one in receipts} <= {"retry"}
    assert not [word for word in (PERSON, SECRET) if word in said + caplog.text]
    case.answer()
    if case.vendor.expire:
        case.vendor.expire(case.fake)
    assert [one.result for one in connector.write(case.writes(1, 2))] == ["sent", "sent"]
