"""Signatures of HubSpot's webhooks: its own vectors, and what must not pass."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st

from clearlane.connectors.hubspot.webhooks import OLDEST, is_genuine

SECRET, AT = "cl1ent-s3cret", "1772442000000"
NOW = datetime.fromtimestamp(int(AT) / 1000, UTC)
ADDRESS = "https://clearlane.example/hooks/hubspot?tenant=a"
BODY = '[{"objectId": 1, "propertyName": "Vorname", "propertyValue": "Zoë"}]'.encode()


def signed(method: str, address: str, body: bytes) -> str:
    """By HubSpot's own client."""
    return str(Signature.get_signature(SECRET, body.decode(), "v3", address, method, AT))


def genuine(now: datetime = NOW, **said: Any) -> bool:
    sent = {"secret": SECRET, "method": "POST", "address": ADDRESS, "body": BODY, "timestamp": AT, **said}
    sent.setdefault("signature", signed("POST", ADDRESS, BODY))
    return is_genuine(
        sent["secret"], sent["method"], sent["address"], sent["body"],
        signature=sent["signature"], timestamp=sent["timestamp"], now=now,
    )  # fmt: skip


def test_hubspots_own_vector_passes(shared_data: Path) -> None:
    path = shared_data.parent / "specs" / "hubspot" / "webhook_signature_vectors.json"
    if not path.exists():
        pytest.skip("the vectors are not there")
    vectors = json.loads(path.read_text())
    [vector] = [one for one in vectors["vectors"] if one["version"] == "v3"]
    signed_at = datetime.fromtimestamp(int(vector["timestamp"]) / 1000, UTC)
    said = {"signature": vector["signature"], "timestamp": vector["timestamp"]}
    request = (vectors["client_secret"], vector["method"], vectors["url"], vectors["request_body"].encode())
    assert is_genuine(*request, **said, now=signed_at)
    assert not is_genuine(*request, **said, now=signed_at + timedelta(hours=1))


def test_what_hubspots_client_signs_passes() -> None:
    assert genuine()
    assert genuine(method="post")


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": "another"}, {"method": "PUT"}, {"address": ADDRESS + "&x=1"}, {"body": BODY + b" "},
        {"timestamp": str(int(AT) + 1)}, {"signature": ""}, {"signature": "ü"}, {"timestamp": ""},
        {"timestamp": "١٧٧٢"}, {"timestamp": "-1"}, {"timestamp": AT + ".0"},
        {"timestamp": "9" * 5000}, {"signature": "\ud800"}, {"body": b"\xff\x00"},
    ],
)  # fmt: skip
def test_what_was_changed_does_not(changed: dict[str, Any]) -> None:
    assert not genuine(**changed)


@pytest.mark.parametrize(
    ("late", "passes"), [(OLDEST, True), (-OLDEST, True), (OLDEST * 1.01, False), (-OLDEST * 1.01, False)]
)
def test_it_is_good_for_five_minutes(late: timedelta, passes: bool) -> None:
    assert genuine(now=NOW + late) is passes


def test_an_encoded_address_is_signed_as_hubspot_reads_it() -> None:
    signature = signed("POST", "https://clearlane.example/hooks?to=a@b:c,%20d", BODY)
    assert genuine(address="https://clearlane.example/hooks?to=a%40b%3ac%2C%20d", signature=signature)


@given(st.binary(), st.text(), st.text())
def test_whatever_comes_it_answers(body: bytes, signature: str, timestamp: str) -> None:
    assert not genuine(body=body, signature=signature, timestamp=timestamp)
