"""VanillaSoft's connector: XML posts to a fake that keeps contacts by their key, and files of what it posted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.connectors import CONNECTORS, Checkable, Interval, ReadsBack, SourceFailed, Write
from clearlane.connectors.http import Patience
from clearlane.connectors.protocol import Broken, Raw
from clearlane.connectors.vanillasoft import VanillaSoft, contact, lead, returned
from clearlane.policy.model import ObjectMapping, Source

from .conftest import Serve
from .local_server import Asked, Clock, Local, Reply

KEY = "k3ys3cr3t123"
XML = {"Content-Type": "text/xml"}
OWNED = {"owner": "ada@vendor.example", "score": 82, "because": "Sie wünscht <ein> Gespräch & mehr"}


class Profile:
    """A web lead profile that updates existing contacts by `external_id`."""

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, str]] = {}
        self.failing: list[Reply] = []

    def __call__(self, asked: Asked) -> Reply:
        if self.failing:
            return self.failing.pop(0)
        if (asked.query.get("id"), asked.query.get("key")) != ("4711", KEY):
            return self._failure("unknown web lead")
        sent = {one.tag: one.text or "" for one in ElementTree.fromstring(asked.body)}
        if "@" not in sent.get("owner", "@"):
            return self._failure("no user ann@customer.example")
        self.contacts.setdefault(sent["external_id"], {}).update(sent)
        return Reply(b"<ReturnValue>Success</ReturnValue>", headers=XML)

    def _failure(self, reason: str) -> Reply:
        said = f"<ReturnValue>FAILURE</ReturnValue><ReturnReason>{reason}</ReturnReason>"
        return Reply(said.encode(), headers=XML)


@pytest.fixture
def profile() -> Profile:
    return Profile()


@pytest.fixture
def local(serve: Serve, profile: Profile) -> Local:
    return serve(profile)


def connected(
    local: Local, clock: Clock, extras: str = f"id=4711&key={KEY}", slowest: float = 60, **said: Any
) -> VanillaSoft:
    source = Source("vs", "vanillasoft", "connection:vs", {}, **{"push": "web lead", **said})
    patience = Patience(read=slowest, tries=2)
    address = f"{local.address}/?{extras}"
    return VanillaSoft(source, lambda name: address, patience=patience, wait=clock.wait, clock=clock)


def writes(fields: dict[str, Any], *leads: str) -> list[Write]:
    return [Write(f"k:{number}", "leads", id, fields) for number, id in enumerate(leads)]


def test_it_is_registered_and_cannot_read_back(local: Local, clock: Clock) -> None:
    assert CONNECTORS["vanillasoft"] is VanillaSoft
    connector = connected(local, clock)
    assert isinstance(connector, Checkable)
    assert not isinstance(connector, ReadsBack)
    assert [one.good for one in connector.check()] == [None, None, None]
    assert local.asked == []


# --- writing ----------------------------------------------------------------------------------------


def test_the_same_post_again_leaves_one_contact(profile: Profile, local: Local, clock: Clock) -> None:
    connector = connected(local, clock)
    receipts = connector.write(writes(OWNED, "李-1", "李-1", "2"))
    assert [one.result for one in receipts] == ["sent"] * 3
    assert profile.contacts["李-1"] == {
        "external_id": "李-1",
        **{name: str(one) for name, one in OWNED.items()},
    }
    assert len(profile.contacts) == 2
    assert local.asked[0].query["typ"] == "XML"


def test_names_are_those_of_the_profile(profile: Profile, local: Local, clock: Clock) -> None:
    connected(local, clock, push_fields={"score": "LeadScore"}).write(writes(OWNED, "1"))
    assert profile.contacts["1"] == {"external_id": "1", "LeadScore": "82"}
    with pytest.raises(SourceFailed, match="Lead Score cannot be the name of an XML element"):
        connected(local, clock, push_fields={"score": "Lead Score"}).write(writes(OWNED, "1"))


def test_one_receipt_for_each_write_and_no_reason_that_names_people(
    local: Local, clock: Clock, profile: Profile
) -> None:
    wanted = [*writes(OWNED, "1"), *writes(OWNED | {"owner": "nobody"}, "2"), *writes(OWNED, "3")]
    receipts = connected(local, clock).write(wanted)
    assert [one.result for one in receipts] == ["sent", "refused", "sent"]
    assert "customer.example" not in str(receipts)


@pytest.mark.parametrize(
    ("reply", "results"),
    [
        (Reply(b"<html>busy</html>", headers={"Content-Type": "text/html"}), ["retry", "sent"]),
        (Reply(b"<ReturnValue>Succ", headers=XML), ["retry", "sent"]),
        (Reply(b"", status=500), ["retry", "sent"]),
        (Reply(cut=True), ["retry", "retry"]),
        (Reply(b"", status=429, headers={"Retry-After": "900"}), ["retry", "retry"]),
    ],
)
def test_what_goes_wrong_is_tried_later_and_no_lost_answer_is_sent_twice_at_once(
    profile: Profile, local: Local, clock: Clock, reply: Reply, results: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    profile.failing = [reply]
    receipts = connected(local, clock).write(writes(OWNED, "1", "2"))
    assert [one.result for one in receipts] == results
    for hidden in (KEY, "ada@vendor.example"):
        assert hidden not in caplog.text + str(receipts)


def test_an_answer_that_never_comes_leaves_the_rest_for_later(serve: Serve, clock: Clock) -> None:
    local = serve(lambda asked: local.hang())
    receipts = connected(local, clock, slowest=0.3).write(writes(OWNED, "1", "2"))
    assert [one.result for one in receipts] == ["retry", "retry"]
    assert local.times(1) == 1


def test_a_connection_without_the_profile_s_id(local: Local, clock: Clock) -> None:
    with pytest.raises(SourceFailed, match="no extra `id`"):
        connected(local, clock, extras="key=x")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<ReturnValue> SUCCESS </ReturnValue>", "success"),
        (b"<?xml version='1.0'?><ReturnValue>failure</ReturnValue>", "failure"),
        (b"success", None),
    ],
)
def test_what_was_returned(body: bytes, said: str | None) -> None:
    assert returned(body) == said


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text(max_size=20)))
def test_every_text_survives_as_far_as_xml_can_hold_it(fields: dict[str, str]) -> None:
    read = contact(lead(fields))
    assert isinstance(read, Raw)
    assert read.payload.keys() == fields.keys()
    for name, value in fields.items():
        printable = "".join(one if one.isprintable() or one in "\t\n" else " " for one in value)
        if printable == value:
            assert read.payload[name] == value.strip()


# --- reading ----------------------------------------------------------------------------------------


def test_what_was_posted_is_read_from_its_folder(local: Local, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "results-1.xml").write_text(
        "<Contact><ContactID>7</ContactID><Result>Zoë said yes</Result></Contact>"
    )
    (tmp_path / "results-2.xml").write_text("<Contact><ContactID>8</Conta")
    (tmp_path / "other.xml").write_text("<Contact/>")
    connector = connected(local, clock, extras=f"id=4711&key={KEY}&received={quote(str(tmp_path), safe='')}")
    mapping = ObjectMapping(object="outcomes", read="results-*.xml", fields={})
    chunks = list(connector.read(mapping, Interval()))
    assert [raw.payload for chunk in chunks for raw in chunk.records] == [
        {"ContactID": "7", "Result": "Zoë said yes"}
    ]
    [broken] = [one for chunk in chunks for one in chunk.broken]
    assert (broken.found, broken.line) == ("no well-formed XML", 1)
    assert {chunk.file for chunk in chunks} == {"results-1.xml", "results-2.xml"}
    connector.write(writes(OWNED, "1"))
    assert "received" not in local.asked[0].query


def test_without_a_folder_nothing_can_be_read(local: Local, clock: Clock) -> None:
    with pytest.raises(SourceFailed, match="no extra `received`"):
        list(connected(local, clock).read(ObjectMapping(object="leads", read="*.xml", fields={}), Interval()))


@pytest.mark.parametrize(
    "content",
    [b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Contact><a>&a;</a></Contact>', b"<Contact>" + b" " * 1_000_001],
)
def test_markup_that_swells_is_refused_unread(content: bytes) -> None:
    read = contact(content)
    assert isinstance(read, Broken)
    assert "too large or defines markup" in read.found
