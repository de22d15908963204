"""Links in mails by which a rep takes a lead or declines it: signed, for one answer, for one person, for a time.

Whoever holds a link may answer with it, so it is as private as the mail. What it says can be read by its holder
(ids, no names), and changed by nobody who lacks the secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

Answer = Literal["accept", "decline"]

LASTS: Final = timedelta(days=7)
"""how long a link is good where nothing ends it earlier"""
PATH: Final = "/clearlane/answers/"
SHORTEST: Final = 32
"""characters of a secret"""
_LONGEST: Final = 1_000
_SCHEMA: Final = 1


class NotValid(ValueError):
    """A link that was never signed by us, or was changed since."""


class Expired(ValueError):
    """A link of ours whose time is over."""


@dataclass(frozen=True)
class Link:
    """Who answers what about which lead, as decided then; `expires_at` is UTC, in whole seconds."""

    lead_id: UUID
    decision_seq: int
    rep_id: str
    answer: Answer
    expires_at: datetime


def secrets_of(text: str) -> tuple[str, ...]:
    """The secrets that a setting names, separated by blanks or commas: the first signs, all are accepted.

    Raises ValueError, which shows none of them, where one is shorter than SHORTEST.
    """
    found = tuple(text.replace(",", " ").split())
    if any(len(one) < SHORTEST for one in found):
        raise ValueError(f"a secret of the links has fewer than {SHORTEST} characters: openssl rand -hex 32")
    return found


def signed(
    secrets: str | Sequence[str],
    lead_id: UUID,
    decision_seq: int,
    rep_id: str,
    answer: Answer,
    expires_at: datetime,
) -> str:
    """The token of a link; the first of several secrets signs. The same arguments make the same token."""
    said = [_SCHEMA, lead_id.hex, decision_seq, rep_id, answer, int(expires_at.timestamp())]
    return str(_serializer(secrets).dumps(said))


def url(base: str, token: str) -> str:
    """The address in a mail: `base` is where Airflow's UI is reached. Airflow's access log hides what `token` says."""
    return base.rstrip("/") + PATH + query(token)


def query(token: str) -> str:
    """The part of the address after its path."""
    return "?" + urlencode({"token": token})


def read(secrets: str | Sequence[str], token: str, at: datetime) -> Link:
    """What a token says at a moment (UTC); raises NotValid or Expired, and neither says anything about a lead."""
    if len(token) > _LONGEST or not secrets:
        raise NotValid
    try:
        link = _link(_serializer(secrets).loads(token))
    except (BadData, ValueError, TypeError):
        raise NotValid from None
    if at >= link.expires_at:
        raise Expired
    return link


def digest(token: str) -> str:
    """What the ledger keeps of a token: enough to know it again, too little to use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _serializer(secrets: str | Sequence[str]) -> URLSafeSerializer:
    """It accepts several secrets and signs with the last."""
    keys = [secrets] if isinstance(secrets, str) else [*reversed(secrets)]
    how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(keys, salt="clearlane answers", signer_kwargs=how)


def _link(said: Any) -> Link:
    schema, lead, seq, rep, answer, until = said
    if schema != _SCHEMA or answer not in ("accept", "decline"):
        raise ValueError
    return Link(UUID(lead), int(seq), str(rep), answer, datetime.fromtimestamp(until, UTC))
