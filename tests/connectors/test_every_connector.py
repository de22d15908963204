"""What holds for every connector that speaks HTTP, whatever its vendor: it fails clearly, and names no secret."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

import pytest

from clearlane.connectors import CONNECTORS, Checkable, Connector, SourceFailed, Write, connected
from clearlane.connectors.trial import tried
from clearlane.policy.model import Rest, RestAuth, RestPages, RestRead, RestWrite, Source

from .conftest import Serve, mapping, moment
from .local_server import Local, Reply

SECRET, PERSON = "s3cret-0f-all", "ann@x.example"
SPEAKS_HTTP = sorted(set(CONNECTORS) - {"files", "sql"})
DESCRIBED = Rest(
    auth=RestAuth("bearer"),
    check="/me",
    reads={"leads": RestRead("/leads", "data", pages=RestPages("token", "after", at="next"))},
    writes={"leads": RestWrite("/leads/{external_id}", read_back="/leads/{external_id}")},
)
SAID = f"{SECRET} may not see {PERSON}"
REPLIES = {
    "refused": Reply({"message": SAID, "errors": [{"message": SAID}]}, status=401),
    "forbidden": Reply({"message": SAID}, status=403),
    "a web page": Reply(f"<html>{SAID}".encode(), headers={"Content-Type": "text/html"}),
    "cut off": Reply(json.dumps({"data": [SAID]}).encode()[:-2]),
    "another answer": Reply({"error": SAID}),
    "moved": Reply(None, 302, {"Location": f"https://{SECRET}.example"}),
}


def connector(name: str, local: Local) -> tuple[Source, Connector]:
    extra = {"refresh_token": SECRET, "client_id": "us", "client_secret": SECRET}
    uri = (
        local.address.replace("http://", f"x://us:{SECRET}@")
        + "/?"
        + "&".join(f"{k}={v}" for k, v in extra.items())
    )
    objects = {"leads": mapping("leads", fields={"id": "id"})}
    source = Source(
        name, name, "connection:crm", objects, push="leads", rest=DESCRIBED if name == "rest" else None
    )
    return source, connected(source, {"crm": uri}.__getitem__)


def is_discreet(told: str) -> None:
    assert SECRET not in told
    assert PERSON not in told


@pytest.mark.parametrize("name", SPEAKS_HTTP)
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_source_that_fails_is_tried_to_the_end(
    serve: Serve, caplog: pytest.LogCaptureFixture, name: str, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    local = serve(lambda asked: reply)
    try:
        source, made = connector(name, local)
        assert isinstance(made, Checkable)
        told = list(tried(made, source, moment("2026-02-01")))
    except SourceFailed as failed:  # some log in when they are made
        is_discreet("".join(traceback.format_exception(failed)) + caplog.text)
        return
    assert any(one.good is not True for one in told)
    is_discreet(str(told) + repr(made) + caplog.text)


@pytest.mark.parametrize("name", SPEAKS_HTTP)
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_every_write_has_its_receipt_or_the_source_failed(
    serve: Serve, caplog: pytest.LogCaptureFixture, name: str, reply: Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    local = serve(lambda asked: reply)
    fields: dict[str, Any] = {"owner": "17", "score": 80, "band": "hot"}
    writes = [Write(f"key {number}", "leads", str(number), fields) for number in range(3)]
    try:
        _, made = connector(name, local)
        receipts = made.write(writes)
    except SourceFailed as failed:
        is_discreet("".join(traceback.format_exception(failed)) + caplog.text)
        return
    assert [receipt.idempotency_key for receipt in receipts] == [write.idempotency_key for write in writes]
    if name != "rest" or reply not in (
        REPLIES["cut off"],
        REPLIES["another answer"],
    ):  # what it reads is described
        assert "sent" not in {receipt.result for receipt in receipts}
    is_discreet(str(receipts) + caplog.text)
