"""HubSpot's webhooks journal: which records changed since an offset, as far as the app subscribes to them.

An entry is a file at an address that holds for a while, and is kept for three days. The journal is read with a token of
the app itself (client credentials), not of the account. Source: "Webhook journal APIs", version 2026-03
(developers.hubspot.com/docs/api-reference/latest/webhooks-journal), and HubSpot's own description of it
(github.com/HubSpot/HubSpot-public-api-spec-collection, Webhooks Journal 2026-03).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, urlsplit

from clearlane.connectors.http import Answer, Http
from clearlane.connectors.hubspot.client import asked
from clearlane.connectors.pages import listed
from clearlane.connectors.protocol import SourceFailed
from clearlane.connectors.values import at

SCOPES: Final = "developer.webhooks_journal.read developer.webhooks_journal.subscriptions.read"
TYPES: Final[Mapping[str, str]] = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "communications": "0-18",
    "meetings": "0-47",
    "calls": "0-48",
    "emails": "0-49",
    "leads": "0-136",
}
"""HubSpot's numbers of its types ("Object type IDs"); custom objects are called by theirs (`2-123`)"""
CHANGES: Final = frozenset({"CREATE", "UPDATE", "MERGE", "RESTORE"})
DELETION: Final = "DELETE"
RESTORATION: Final = "RESTORE"

_JOURNAL: Final = "webhooks-journal/journal-local/2026-03"
_SUBSCRIPTIONS: Final = "webhooks-journal/subscriptions/2026-03"


@dataclass(frozen=True)
class Change:
    """One record that was made, changed, merged, restored or deleted, and when (ISO 8601, None: not said)."""

    type: str
    id: str
    action: str
    occurred_at: str | None = None


class Journal:
    """The journal of one app for one account. `http` carries the app's token, `file` gets an address without any."""

    def __init__(self, http: Http, portal: Callable[[], int], file: Callable[[str], Answer]) -> None:
        self._http, self._portal, self._file = http, portal, file
        self._since: dict[str, tuple[str, frozenset[Change]]] = {}
        self._filtered: dict[str, bool] = {}

    def latest(self) -> str | None:
        """The offset of the newest entry; None while the journal is empty."""
        entry = self._entry("latest")
        return entry[0] if entry else None

    def since(self, offset: str) -> tuple[str, frozenset[Change]]:
        """The newest offset, and what changed after another one; asked once, also for several types of record."""
        if offset not in self._since:
            changes, last = set[Change](), offset
            for entry in self._after(offset):
                last, address = entry
                changes.update(self._changes(self._file(address)))
            self._since[offset] = last, frozenset(changes)
        return self._since[offset]

    def lacks(self, type: str, properties: Collection[str], actions: Collection[str]) -> str | None:
        """Why it does not tell all of these changes of a type, None where it does."""
        wide = [
            one
            for one in self._subscriptions
            if one.get("objectTypeId") == type
            and set(actions) <= _words(one.get("actions"))
            and set(properties) <= _words(one.get("properties"))
        ]
        if any(not self._is_narrowed(one) for one in wide):
            return None
        if wide:
            return (
                f"the app's subscription to {type} leaves records out (objectIds, actionOverrides or filters)"
            )
        named = f" and the properties {', '.join(sorted(properties))}" if properties else ""
        return f"the app needs one subscription to all {type} with {', '.join(sorted(actions))}{named}"

    @cached_property
    def _subscriptions(self) -> list[Mapping[str, Any]]:
        """Those to records of this account."""
        found = listed(asked(self._http, "GET", _SUBSCRIPTIONS), "results")
        return [
            one
            for one in found
            if isinstance(one, dict)
            and one.get("subscriptionType") == "OBJECT"
            and one.get("portalId") == self._portal()
            and not one.get("deletedAt")
        ]

    def _is_narrowed(self, subscription: Mapping[str, Any]) -> bool:
        """Whether it is not to all records: of some only, of less for some action, or of those that a filter finds."""
        if subscription.get("objectIds") or subscription.get("actionOverrides"):
            return True
        id = str(subscription.get("id"))
        if id not in self._filtered:
            found = asked(self._http, "GET", f"{_SUBSCRIPTIONS}/filters/subscription/{quote(id, safe='')}")
            self._filtered[id] = bool(listed(found, ""))
        return self._filtered[id]

    def _after(self, offset: str) -> Iterator[tuple[str, str]]:
        seen = {offset}
        while entry := self._entry(f"offset/{quote(offset, safe='')}/next"):
            offset = entry[0]
            if offset in seen:
                raise SourceFailed(f"source {self._http.source}: its journal comes back to where it was")
            seen.add(offset)
            yield entry

    def _entry(self, which: str) -> tuple[str, str] | None:
        """Offset and address of an entry; None where there is none (204)."""
        params = {"installPortalId": self._portal()}
        answer = asked(self._http, "GET", f"{_JOURNAL}/{which}", params=params)
        if answer.status == 204 or not answer.body:
            return None
        offset, address = at(answer.json(), "currentOffset"), at(answer.json(), "url")
        if not isinstance(offset, str) or not isinstance(address, str):
            raise SourceFailed(f"{answer.asked} answered {answer.status} without an offset and an address")
        return offset, address

    def _changes(self, entry: Answer) -> Iterator[Change]:
        for event in listed(entry, "journalEvents"):
            if isinstance(event, dict) and event.get("portalId") == self._portal():
                for id in sorted(_concerned(event)):
                    yield Change(str(event.get("objectTypeId")), id, str(event.get("action")), _when(event))


def filed(http: Http, client: Callable[[str], Http]) -> Callable[[str], Answer]:
    """Gets an entry's file, which lies on another host, where our credentials have no business."""

    def get(address: str) -> Answer:
        parts, ours = urlsplit(address), urlsplit(http.base)
        if parts.scheme != ours.scheme or not parts.netloc:
            raise SourceFailed(f"source {http.source}: an entry of its journal is at no address of the web")
        return client(f"{parts.scheme}://{parts.netloc}").ask("GET", address)

    return get


def _concerned(event: Mapping[str, Any]) -> set[str]:
    """The record, and of a merge also the one that it led to, where the event names it as webhooks do."""
    named = {str(event.get(name)) for name in ("objectId", "primaryObjectId", "newObjectId")}
    return {id for id in named if id.isdecimal()}


def _when(event: Mapping[str, Any]) -> str | None:
    """Its moment, which HubSpot writes as ISO 8601 or in milliseconds since 1970."""
    said = event.get("occurredAt")
    if isinstance(said, int):
        return datetime.fromtimestamp(said / 1000, UTC).isoformat()
    return said if isinstance(said, str) and moment(said) else None


def moment(text: object) -> datetime | None:
    """As HubSpot writes it: ISO 8601 with a zone; None where it is no such thing."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _words(value: Any) -> set[str]:
    return {str(one) for one in value} if isinstance(value, list) else set()
