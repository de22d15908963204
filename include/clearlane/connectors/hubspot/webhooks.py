"""Whether a request comes from HubSpot: version 3 of its signature ("Validating requests", HubSpot's documentation)."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

OLDEST: Final = timedelta(minutes=5)
"""after which a request is refused, as HubSpot asks: whoever overheard it cannot repeat it later"""
_MILLISECONDS: Final = re.compile("[0-9]{1,15}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DECODED: Final = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""the characters that HubSpot signs decoded; the others it signs as they stand in the address"""


def is_genuine(
    secret: str, method: str, address: str, body: bytes, *, signature: str, timestamp: str, now: datetime
) -> bool:
    """Whether HubSpot signed this request, at most five minutes ago (or ahead: clocks differ).

    `secret` is the app's client secret, `address` the whole address that HubSpot called, `signature` and `timestamp`
    (milliseconds) are the headers X-HubSpot-Signature-v3 and X-HubSpot-Request-Timestamp. `now` has a zone.
    """
    if not _MILLISECONDS.fullmatch(timestamp) or not _is_fresh(int(timestamp), now):
        return False
    plain = _DECODED.sub(lambda found: unquote(found[0]), address)
    signed = f"{method.upper()}{plain}".encode() + body + timestamp.encode()
    expected = b64encode(hmac.digest(secret.encode(), signed, "sha256"))
    return hmac.compare_digest(expected, signature.encode(errors="replace"))


def _is_fresh(milliseconds: int, now: datetime) -> bool:
    return abs((now - _EPOCH) // timedelta(milliseconds=1) - milliseconds) <= OLDEST // timedelta(
        milliseconds=1
    )
