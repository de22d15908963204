"""A HubSpot that remembers: records of all types, owners, associations, properties, histories, one token.

Every request and every answer is held against the models of HubSpot's own client. What the fake does beside comes
from HubSpot's documentation: a search ends at 10,000 results, batches take 100 (50 with histories) and no record
twice, one bad value refuses a whole batch, and records that are not there make a 207.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import hubspot.crm.associations.v4 as associations
import hubspot.crm.contacts as contacts
import hubspot.crm.objects as objects
import hubspot.crm.owners as owners
import hubspot.crm.properties as properties

from clearlane.connectors.http import Patience
from clearlane.connectors.hubspot import HubSpot

from .hubspot_models import assert_is
from .local_server import Asked, Local, Reply, serving

TOKEN = "pat-eu1-s3cr3t"
APP = "app-t0ken"
PORTAL = 4711
OPENED = datetime(2026, 3, 2, 9, tzinfo=UTC)
NUMBERS = ("clearlane_score",)

_OBJECTS = r"/crm/v3/objects/(?P<type>[^/]+)"
_PROPERTIES = r"/crm/v3/properties/(?P<type>[^/]+)"
_ROUTES: tuple[tuple[str, Any, str | None, str], ...] = (
    (
        rf"POST {_OBJECTS}/search", objects, "PublicObjectSearchRequest",
        "CollectionResponseWithTotalSimplePublicObjectForwardPaging",
    ),
    (
        rf"POST {_OBJECTS}/batch/read", objects, "BatchReadInputSimplePublicObjectId",
        "BatchResponseSimplePublicObjectWithErrors",
    ),
    (
        rf"POST {_OBJECTS}/batch/update", objects, "BatchInputSimplePublicObjectBatchInput",
        "BatchResponseSimplePublicObjectWithErrors",
    ),
    (r"POST /crm/v3/objects/(?P<type>contacts)/merge", contacts, "PublicMergeInput", "SimplePublicObject"),
    (rf"GET {_OBJECTS}/(?P<id>[0-9]+)", objects, None, "SimplePublicObjectWithAssociations"),
    (
        rf"GET {_OBJECTS}", objects, None,
        "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging",
    ),
    (
        r"POST /crm/v4/associations/(?P<type>[^/]+)/(?P<to>[^/]+)/batch/read", associations,
        "BatchInputPublicFetchAssociationsBatchRequest", "BatchResponsePublicAssociationMultiWithLabel",
    ),
    (r"GET /crm/v3/owners/", owners, None, "CollectionResponsePublicOwnerForwardPaging"),
    (rf"GET {_PROPERTIES}", properties, None, "CollectionResponsePropertyNoPaging"),
    (rf"GET {_PROPERTIES}/groups", properties, None, "CollectionResponsePropertyGroupNoPaging"),
    (rf"POST {_PROPERTIES}/groups", properties, "PropertyGroupCreate", "PropertyGroup"),
    (rf"POST {_PROPERTIES}/batch/create", properties, "BatchInputPropertyCreate", "BatchResponseProperty"),
)  # fmt: skip


@contextmanager
def account(*owners: str, contacts: Iterable[str], **named: Any) -> Iterator[HubSpotServer]:
    """A HubSpot that runs: owners 71, 72 and so on by address, contacts with an address and what is `named`."""
    server = HubSpotServer()
    for number, address in enumerate(owners):
        server.hire(str(71 + number), address, 901 + number)
    for id in contacts:
        server.add("contacts", id, email=f"{id}@customer.example", **named)
    with serving(server) as server.local:
        yield server
    assert not server.wrong


def connected(source: Any, secrets: Callable[[str], str]) -> HubSpot:
    """A connector that waits for nothing."""
    return HubSpot(source, secrets, patience=Patience(tries=2), pace=(), wait=lambda seconds: None)


def stamp(minutes: float = 0) -> str:
    return (OPENED + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class HubSpotServer:
    """What the fake holds; tests change it as people would."""

    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    people: list[dict[str, Any]] = field(default_factory=list)
    links: dict[tuple[str, str], dict[str, list[tuple[str, str | None]]]] = field(default_factory=dict)
    defined: dict[str, set[str]] = field(default_factory=lambda: {"contacts": {"hubspot_owner_id", "email"}})
    groups: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)
    took_in: dict[str, str] = field(default_factory=dict)
    """id of a record that is merged -> that of the one it is in"""
    unheard_merges: int = 0
    """merges that are done and whose answers are lost"""
    after_read: Callable[[], None] = lambda: None
    """what people do right after records were read"""
    failing: list[Reply] = field(default_factory=list)
    """answers of the next requests, before they are done"""
    broken: set[str] = field(default_factory=set)
    """records over whose update the connection breaks"""
    token: str = TOKEN
    tokens: list[str] = field(default_factory=list)
    """what a refresh token is answered with, one after the other"""
    subscriptions: list[dict[str, Any]] | None = None
    """of the app to the journal; None: the app may not read it"""
    filters: list[dict[str, Any]] = field(default_factory=list)
    """of each subscription"""
    journal: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    """(offset, events) of each entry"""
    files: str = ""
    """the address at which entries lie: another host, which wants no credentials"""
    minute: float = 0
    deepest: int = 10_000
    wrong: list[str] = field(default_factory=list)
    """what does not fit the models: a thread of the server cannot fail the test itself"""
    local: Local = field(default_factory=lambda: Local(""))
    """the web server on which it runs"""

    @property
    def login(self) -> str:
        """Its address with the token, as a connection has it."""
        return self.local.address.replace("//", f"//:{TOKEN}@")

    # --- what people do ---------------------------------------------------------------------------

    def add(self, type: str, id: str, minutes: float = 0, **named: Any) -> dict[str, Any]:
        record = {
            "id": id, "createdAt": stamp(), "updatedAt": stamp(minutes), "archived": False,
            "properties": {"hs_object_id": id, **named}, "history": [],
        }  # fmt: skip
        self.records.setdefault(type, {})[id] = record
        return record

    def delete(self, type: str, id: str, minutes: float) -> None:
        self.records[type][id] |= {"archived": True, "archivedAt": stamp(minutes)}

    def restore(self, type: str, id: str) -> None:
        """Out of the recycling bin, as it was before."""
        self.records[type][id] = {k: v for k, v in self.records[type][id].items() if k != "archivedAt"}
        self.records[type][id]["archived"] = False

    def own(
        self, id: str, owner: str, minutes: float, source: str = "CRM_UI", user: int | None = None
    ) -> None:
        record = self.records["contacts"][id]
        record["properties"]["hubspot_owner_id"] = owner
        change = {"value": owner, "timestamp": stamp(minutes), "sourceType": source, "sourceId": "x"}
        record["history"].insert(0, change | ({"updatedByUserId": user} if user else {}))
        record["updatedAt"] = stamp(minutes)

    def link(self, type: str, id: str, to: str, *others: str, primary: str | None = None) -> None:
        for one in others:
            label = "Primary" if one == primary else None
            self.links.setdefault((type, to), {}).setdefault(id, []).append((one, label))

    def subscribe(self, type: str, *properties: str, **said: Any) -> None:
        actions = ["CREATE", "UPDATE", "MERGE", "RESTORE", "DELETE"]
        one = {
            "id": 1, "appId": 7, "subscriptionType": "OBJECT", "objectTypeId": type, "portalId": PORTAL,
            "actions": actions, "properties": list(properties), "objectIds": None, "createdAt": stamp(),
        }  # fmt: skip
        self.subscriptions = [*(self.subscriptions or []), one | said]

    def tell(
        self, *changed: tuple[str, str, str], portal: int = PORTAL, minutes: float = 0, **more: Any
    ) -> None:
        """One more entry of the journal: (type, id, action) of each event."""
        events = [
            {
                "type": "OBJECT", "portalId": portal, "occurredAt": stamp(minutes), "action": action,
                "objectTypeId": type, "objectId": int(id), "propertyChanges": {"email": "zoë@customer.example"},
                **more,
            }
            for type, id, action in changed
        ]  # fmt: skip
        self.journal.append((f"550e8400-{len(self.journal):04d}", events))

    def hire(self, id: str, email: str, user: int, archived: bool = False) -> None:
        self.people.append(
            {
                "id": id, "email": email, "type": "PERSON", "firstName": "Ådne", "lastName": id, "archived": archived,
                "createdAt": stamp(), "updatedAt": stamp(), "userIdIncludingInactive": user,
                **({} if archived else {"userId": user}),
            }
        )  # fmt: skip

    # --- answering --------------------------------------------------------------------------------

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.startswith("/journal-files/"):
            return self._file(asked)
        if asked.path == "/oauth/v1/token" and b"client_credentials" in asked.body:
            granted = self.subscriptions is not None
            return Reply({"access_token": APP, "expires_in": 1800}) if granted else refusal(403, "BANNED")
        if asked.path == "/oauth/v1/token":
            return Reply({"access_token": self.tokens.pop(0), "expires_in": 1800, "token_type": "bearer"})
        if self.failing:
            return self.failing.pop(0)
        if asked.path.startswith("/webhooks-journal/"):
            return self._journal(asked)
        if asked.path.endswith("/update") and any(one["id"] in self.broken for one in asked.json["inputs"]):
            return Reply(cut=True)
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "EXPIRED_AUTHENTICATION")
        for pattern, package, request, response in _ROUTES:
            if found := re.fullmatch(pattern, f"{asked.method} {asked.path}"):
                return self._checked(asked, found.groupdict(), package, request, response)
        return self._account(asked)

    def _checked(
        self, asked: Asked, path: Mapping[str, str], package: Any, request: str | None, response: str
    ) -> Reply:
        try:
            if request:
                assert_is(package, request, asked.json, request)
            reply = self._answer(asked, path)
            if reply.status < 300 and not reply.cut:
                kind = response.removesuffix("WithErrors") if reply.status == 200 else response
                assert_is(package, kind, reply.body, kind, nulls=True)
            return reply
        except (AssertionError, ValueError, AttributeError) as error:
            self.wrong.append(f"{asked.method} {asked.path}: {error}")
            return Reply({"message": "does not fit the models"}, status=500)

    def _answer(self, asked: Asked, path: Mapping[str, str]) -> Reply:
        type, last = path.get("type", ""), asked.path.rstrip("/").rpartition("/")[2]
        if last == "merge":
            return self._merge(asked.json["primaryObjectId"], asked.json["objectIdToMerge"])
        if "id" in path:
            return self._one(type, path["id"])
        if asked.path.startswith("/crm/v3/owners"):
            return self._owners(asked)
        if asked.path.startswith("/crm/v4"):
            return self._associations(type, path["to"], asked.json["inputs"])
        if asked.path.startswith("/crm/v3/properties"):
            return self._properties(type, last, asked)
        if last == "search":
            return self._search(type, asked.json)
        if last == "read":
            return self._read(type, asked.json, asked.query.get("archived") == "true")
        return self._update(type, asked.json["inputs"]) if last == "update" else self._page(type, asked)

    def _search(self, type: str, said: Mapping[str, Any]) -> Reply:
        assert {"after", "filterGroups", "limit", "properties", "sorts"} <= set(said)
        assert said["limit"] <= 200
        filters = [one for group in said["filterGroups"] for one in group["filters"]]
        found = [
            record
            for record in sorted(self.records.get(type, {}).values(), key=lambda one: int(one["id"]))
            if not record["archived"] and all(fits(type, record, one) for one in filters)
        ]
        start = int(said["after"])
        if start + said["limit"] > self.deepest:
            return refusal(400, "VALIDATION_ERROR")
        page = found[start : start + said["limit"]]
        more = start + len(page) < len(found)
        paging = {"paging": {"next": {"after": str(start + len(page))}}} if more else {}
        results = [_shown(record, said["properties"]) for record in page]
        return Reply({"total": len(found), "results": results, **paging})

    def _page(self, type: str, asked: Asked) -> Reply:
        gone = [one for one in self.records.get(type, {}).values() if one["archived"]]
        assert asked.query["archived"] == "true"
        return _paged(asked, [_shown(one, one["properties"]) for one in gone])

    def _read(self, type: str, said: Mapping[str, Any], archived: bool) -> Reply:
        ids, histories = [one["id"] for one in said["inputs"]], said["propertiesWithHistory"]
        if len(ids) > (50 if histories else 100):
            return refusal(400, "VALIDATION_ERROR")
        found, missing = self._found(type, ids, archived)
        results = [
            _shown(one, said["properties"])
            | {"propertiesWithHistory": dict.fromkeys(histories, one["history"])}
            for one in found
        ]
        self.after_read()
        return _multi(results, missing)

    def _update(self, type: str, inputs: list[dict[str, Any]]) -> Reply:
        ids = [one["id"] for one in inputs]
        if len(ids) > 100 or len(set(ids)) < len(ids) or not all(id.isdigit() for id in ids):
            return refusal(400, "VALIDATION_ERROR")
        for one in inputs:
            for name in NUMBERS:
                if one["properties"].get(name, "") and not re.fullmatch(r"-?[\d.]+", one["properties"][name]):
                    return refusal(400, "VALIDATION_ERROR", propertyName=[name])
        found, missing = self._found(type, ids)
        self.minute += 1
        for record, one in zip(found, (one for one in inputs if one["id"] not in missing), strict=True):
            owner = one["properties"].get("hubspot_owner_id")
            if owner is not None and owner != (record["properties"].get("hubspot_owner_id") or ""):
                change = {"value": owner, "timestamp": stamp(self.minute), "sourceType": "INTEGRATION"}
                record["history"].insert(0, change)
            record["properties"] |= {name: value or None for name, value in one["properties"].items()}
            record["updatedAt"] = stamp(self.minute)
        return _multi([_shown(one, ()) for one in found if one["id"] not in self.merged], missing)

    def _one(self, type: str, id: str) -> Reply:
        found, _ = self._found(type, [id])
        self.after_read()
        return Reply(_shown(found[0], found[0]["properties"])) if found else refusal(404, "OBJECT_NOT_FOUND")

    def _merge(self, primary: str, other: str) -> Reply:
        """As its changelog says: a new record of both, with the values of the primary before those of the other."""
        held = self.records["contacts"]
        if primary == other or not {primary, other} <= set(held):
            return refusal(400, "VALIDATION_ERROR")
        both = [held.pop(id) for id in (primary, other)]
        id = str(max(map(int, (*held, *self.took_in, primary, other))) + 1)
        values = {
            name: value
            for one in reversed(both)
            for name, value in one["properties"].items()
            if value not in (None, "")
        }
        inside = [*(one for one, into in self.took_in.items() if into in (primary, other)), primary, other]
        self.took_in |= dict.fromkeys(inside, id)
        self.minute += 1
        values |= {"hs_object_id": id, "hs_merged_object_ids": ";".join(sorted(inside, key=int))}
        made = self.add("contacts", id, self.minute, **values)
        self.unheard_merges -= 1
        return Reply(cut=True) if self.unheard_merges >= 0 else Reply(_shown(made, values))

    def _found(
        self, type: str, ids: list[str], archived: bool = False
    ) -> tuple[list[dict[str, Any]], list[str]]:
        held = {id: one for id, one in self.records.get(type, {}).items() if one["archived"] is archived}
        now = [self.took_in.get(id, id) for id in ids]
        return [held[id] for id in now if id in held], [
            id for id, own in zip(ids, now, strict=True) if own not in held
        ]

    def _associations(self, type: str, to: str, inputs: list[dict[str, Any]]) -> Reply:
        """Two at a time for each record."""
        results = []
        for one in inputs:
            linked, start = self.links.get((type, to), {}).get(one["id"], []), int(one.get("after", 0))
            if linked:
                shown = [
                    {"toObjectId": id, "associationTypes": [_kind(label)]}
                    for id, label in linked[start : start + 2]
                ]
                paging = {"paging": {"next": {"after": str(start + 2)}}} if start + 2 < len(linked) else {}
                results.append({"from": {"id": one["id"]}, "to": shown, **paging})
        return Reply({"status": "COMPLETE", "results": results, "startedAt": stamp(), "completedAt": stamp()})

    def _owners(self, asked: Asked) -> Reply:
        archived = asked.query["archived"] == "true"
        return _paged(asked, [one for one in self.people if one["archived"] is archived])

    def _properties(self, type: str, last: str, asked: Asked) -> Reply:
        defined = self.defined.setdefault(type, set())
        if last == "groups":
            if asked.method == "GET":
                return Reply({"results": [_group(name) for name in sorted(self.groups)]})
            self.groups.add(asked.json["name"])
            return Reply(_group(asked.json["name"]), status=201)
        if last == "create":
            assert {one["groupName"] for one in asked.json["inputs"]} <= self.groups
            defined |= {one["name"] for one in asked.json["inputs"]}
            made = [_property(one["name"]) for one in asked.json["inputs"]]
            return Reply(
                {"status": "COMPLETE", "results": made, "startedAt": stamp(), "completedAt": stamp()},
                status=201,
            )
        return Reply({"results": [_property(name) for name in sorted(defined)]})

    def _journal(self, asked: Asked) -> Reply:
        """As its guide says; an offset that it does not keep any more is not there."""
        if asked.headers.get("Authorization") != f"Bearer {APP}":
            return refusal(401, "INVALID_AUTHENTICATION")
        if asked.path == "/webhooks-journal/subscriptions/2026-03":
            return Reply({"results": self.subscriptions})
        if asked.path == "/webhooks-journal/subscriptions/2026-03/filters/subscription/1":
            return Reply(self.filters)
        assert asked.query == {"installPortalId": str(PORTAL)}
        known = [offset for offset, _ in self.journal]
        which = asked.path.removeprefix("/webhooks-journal/journal-local/2026-03/")
        if which == "latest":
            found = known[-1:]
        elif (offset := which.split("/")[1]) in known:
            found = known[known.index(offset) + 1 :][:1]
        else:
            return refusal(404, "OBJECT_NOT_FOUND")
        if not found:
            return Reply(status=204)
        entry = {"url": f"{self.files}/journal-files/{found[0]}?Signature=s1gned", "currentOffset": found[0]}
        return Reply(entry | {"expiresAt": stamp(30)})

    def _file(self, asked: Asked) -> Reply:
        if "Authorization" in asked.headers or asked.query != {"Signature": "s1gned"}:
            return Reply(b"<Error>AccessDenied</Error>", status=403)
        offset = asked.path.rpartition("/")[2]
        return Reply(
            {"offset": offset, "journalEvents": dict(self.journal)[offset], "publishedAt": stamp(30)}
        )

    def _account(self, asked: Asked) -> Reply:
        if asked.path == "/account-info/v3/details":
            return Reply({"portalId": PORTAL, "timeZone": "Europe/Berlin"})
        if asked.path == "/account-info/v3/api-usage/daily/private-apps":
            return Reply(
                {
                    "results": [
                        {"name": "private-apps-api-calls-daily", "currentUsage": 17, "usageLimit": 250000}
                    ]
                }
            )
        if (
            asked.path == "/oauth/v2/private-apps/get/access-token-info"
            and asked.json["tokenKey"] == self.token
        ):
            return Reply({"hubId": 4711, "scopes": ["oauth", "crm.objects.contacts.read"]})
        return refusal(404, "OBJECT_NOT_FOUND")


def refusal(
    status: int, category: str, headers: Mapping[str, str] | None = None, **context: list[str]
) -> Reply:
    """An error as HubSpot words it: it quotes what it was sent."""
    body = {
        "status": "error", "message": "Property values were not valid: zoë@customer.example", "category": category,
        "correlationId": "c033cdaa", "errors": [{"message": "zoë@customer.example is not valid", "context": context}],
    }  # fmt: skip
    return Reply(body, status=status, headers=headers or {})


def fits(type: str, record: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    """Whether a search with this filter finds the record."""
    modified = "lastmodifieddate" if type == "contacts" else "hs_lastmodifieddate"
    assert filter["propertyName"] in (modified, "hs_object_id"), filter["propertyName"]
    if filter["propertyName"] == modified:
        found = int(datetime.fromisoformat(record["updatedAt"]).timestamp() * 1000)
    else:
        found = int(record["id"])
    wanted = int(filter["value"])
    return {"GTE": found >= wanted, "GT": found > wanted, "LT": found < wanted}[filter["operator"]]


def _shown(record: Mapping[str, Any], names: Any) -> dict[str, Any]:
    """Beside what was asked for HubSpot always answers its default properties."""
    shown = {name: record["properties"].get(name) for name in names} | {
        "hs_object_id": record["id"],
        "lastmodifieddate": record["updatedAt"],
    }
    kept = ("id", "createdAt", "updatedAt", "archived", "archivedAt")
    return {name: record[name] for name in kept if name in record} | {"properties": shown}


def _kind(label: str | None) -> dict[str, Any]:
    return {"category": "HUBSPOT_DEFINED", "typeId": 5, **({"label": label} if label else {})}


def _multi(results: list[dict[str, Any]], missing: list[str]) -> Reply:
    body: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "startedAt": stamp(), "completedAt": stamp(),
    }  # fmt: skip
    if not missing:
        return Reply(body)
    error = {
        "status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing}, "errors": [], "links": {},
        "message": "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.",
    }  # fmt: skip
    return Reply(body | {"numErrors": 1, "errors": [error]}, status=207)


def _paged(asked: Asked, found: list[dict[str, Any]]) -> Reply:
    start, limit = int(asked.query.get("after", 0)), int(asked.query["limit"])
    paging = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(found) else {}
    return Reply({"results": found[start : start + limit], **paging})


def _group(name: str) -> dict[str, Any]:
    return {"name": name, "label": name, "displayOrder": -1, "archived": False}


def _property(name: str) -> dict[str, Any]:
    told = {"description": "", "groupName": "clearlane", "label": name, "type": "string", "fieldType": "text"}
    return {"name": name, "options": [], **told}
