"""Any JSON interface as a provider, as sources.yaml describes it: one request about one lead or company.

A value of another type than described counts as unknown; an answer of another form is a failure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from clearlane.connectors.address import placed
from clearlane.connectors.http import Http, Patience
from clearlane.connectors.protocol import Secrets, SourceFailed
from clearlane.connectors.rest import auth_of, filled
from clearlane.connectors.values import at
from clearlane.enrich.provider import Found
from clearlane.policy.enrichment import placeholders
from clearlane.policy.model import JsonAsk, JsonValue, PaidProvider, Source
from clearlane.policy.rest import texts

KEY: Final = "idempotency_key"
LARGEST: Final = 1024 * 1024  # bytes of one answer


class JsonApi:
    """Asks as `described` says, or as the settings do."""

    def __init__(
        self, settings: PaidProvider, secrets: Secrets, described: JsonAsk | None = None, **client: Any
    ) -> None:
        """`client` goes to Http. SourceFailed where credentials are missing."""
        found = described or settings.json
        if found is None:
            raise SourceFailed(f"provider {settings.name}: sources.yaml has no `json` section")
        self._described, self._name = found, settings.name
        self.needs: Sequence[str] = tuple(dict.fromkeys(name for name in placeholders(found) if name != KEY))
        source = Source(settings.name, settings.kind, settings.address, {})
        place = placed(source, secrets)
        auth = auth_of(source, place, found.auth)
        self._http = Http(
            settings.name, place.base, auth, **{"patience": patience(settings), "largest": LARGEST, **client}
        )

    def ask(self, known: Mapping[str, str], key: str) -> Found:
        """What the answer holds of the described attributes. Raises SourceFailed; no text names who was asked about."""
        described, values = self._described, {**known, KEY: key}
        path = str(filled(described.path, {name: quote(value, safe="") for name, value in values.items()}))
        carries_key = any(f"{{{KEY}}}" in text for text in texts([described.headers, described.body]))
        try:
            answer = self._http.ask(
                described.method, path, params=filled(described.params, values) or {},
                headers=filled(described.headers, values) or {}, json=filled(described.body, values),
                idempotent=carries_key, accept=described.unknown,
            )  # fmt: skip
            return Found() if answer.status in described.unknown else self._read(answer.json())
        except SourceFailed as failed:
            failed.args = (str(failed).replace(path, described.path),)
            raise

    def _read(self, body: Any) -> Found:
        record = at(body, self._described.record)
        if not record:
            return Found()
        if not isinstance(record, Mapping):
            said = f"provider {self._name} answered with a {type(record).__name__}, expected an object"
            raise SourceFailed(said)
        read = {name: value_of(value, record) for name, value in self._described.attributes.items()}
        return Found({name: value for name, value in read.items() if value is not None}, self._sure(record))

    def _sure(self, record: Mapping[str, Any]) -> float:
        said = self._described.confidence
        if isinstance(said, int | float):
            return float(said)
        found = _number(at(record, said))
        return min(max(found, 0.0), 1.0) if found is not None else 0.0


def patience(settings: PaidProvider) -> Patience:
    """Of one request: the settings' time-out. Trying again is left to who counts requests."""
    seconds = settings.timeout / timedelta(seconds=1)
    return Patience(connect=seconds, read=seconds, whole=seconds, tries=1)


def value_of(value: JsonValue, record: Any) -> str | float | bool | None:
    """The value of one attribute; None where it is missing, empty or of another type."""
    found = at(record, value.at)
    if value.type == "boolean":
        return found if isinstance(found, bool) else None
    if value.type == "number":
        return _number(found)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    text = str(found).strip()
    return value.values.get(text, text) or None


def _number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
