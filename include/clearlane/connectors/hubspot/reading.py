"""What HubSpot holds, as records for the inbox: one Reader an account, read page by page.

What changed is searched by its modification date and read on by record id, since a search ends at 10,000 results.
Deleted records are listed apart: no search finds them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import chain
from typing import Any, Final

from clearlane.connectors.http import Answer
from clearlane.connectors.hubspot.client import Client
from clearlane.connectors.hubspot.journal import CHANGES, DELETION, RESTORATION, TYPES, Change, moment
from clearlane.connectors.pages import Page, by_token, listed
from clearlane.connectors.protocol import Interval, SourceFailed
from clearlane.connectors.values import at
from clearlane.policy.model import ObjectMapping

Record = dict[str, Any]

PAGE: Final = 200
"""records of one search ("Search the CRM")"""
LISTED: Final = 100
"""records of one page of the deleted ones, and of the owners"""
BATCH: Final = 100
"""records of one batch, read or written"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OWNER: Final = "hubspot_owner_id"
_ID: Final = "hs_object_id"
_ENTERED: Final = "hs_v2_date_entered_"
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*|\d+-\d+")
_DELETED: Final = "deleted "
_LINKS: Final[Mapping[str, str]] = {"contact_id": "contacts", "company_id": "companies", "deal_id": "deals"}
_ACTIVITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": ("hs_call_direction",),
    "emails": ("hs_email_direction", "hs_object_source"),
    "meetings": ("hs_createdate",),
    "communications": ("hs_communication_channel_type",),
}
"""what people and prospects did together -> the properties that say what it was"""
_COMPUTED: Final = frozenset({"id", "createdAt", "updatedAt", "archived", "owner_email", "activity", *_LINKS})
_KEPT: Final = frozenset(
    {"createdate", "hs_createdate", "hs_object_id", "lastmodifieddate", "hs_lastmodifieddate"}
)
"""properties that change with others, or never"""
_OUTCOMES: Final = {"lifecycle stages": "contacts", "deal stages": "deals"}


@dataclass(frozen=True)
class _Wanted:
    """Records of one type: the columns a mapping names, and the properties to ask HubSpot for."""

    type: str
    columns: frozenset[str]
    extra: tuple[str, ...] = ()

    @cached_property
    def properties(self) -> list[str]:
        owner = {_OWNER} if "owner_email" in self.columns else set()
        told = set(_ACTIVITIES.get(self.type, ())) if "activity" in self.columns else set()
        return sorted((self.columns - _COMPUTED) | owner | told | set(self.extra))

    @property
    def links(self) -> list[str]:
        return [column for column in _LINKS if column in self.columns]


@dataclass(frozen=True)
class Told:
    """What a journal has to tell for records to be read by it: of a type (its number), which actions and properties."""

    type: str
    properties: frozenset[str]
    actions: frozenset[str]


class Reader:
    """The lists of one account."""

    def __init__(self, source: str, client: Client) -> None:
        self._source, self._client = source, client

    def pages(self, mapping: ObjectMapping, interval: Interval) -> Iterator[Page]:
        """Pages of flat records, perhaps empty ones; raises SourceFailed, also where nothing has that name."""
        name = mapping.read
        if name == "owners":
            return iter([self.owners])
        if name == "touches":
            return self._touches(interval)
        if name in _OUTCOMES:
            return self._outcomes(_OUTCOMES[name], _stages(self._source, mapping), interval)
        wanted = self._wanted(mapping)
        found = self._deleted(wanted) if name.startswith(_DELETED) else self._changed(wanted, interval)
        return self._flattened(wanted, found)

    def asked(self, mapping: ObjectMapping) -> tuple[str | None, Sequence[str]]:
        """Type (None: not one of records) and the properties that are asked for; raises as `pages`."""
        if mapping.read in ("owners", "touches"):
            return None, ()
        if mapping.read in _OUTCOMES:
            stages = _stages(self._source, mapping)
            return _OUTCOMES[mapping.read], [f"{_ENTERED}{stage}" for stage in stages]
        wanted = self._wanted(mapping)
        return wanted.type, wanted.properties

    def told(self, mapping: ObjectMapping) -> Told | str:
        """What a journal has to tell of these records, or why none can."""
        if mapping.read in ("owners", "touches") or mapping.read in _OUTCOMES:
            return "it is no record of one type"
        wanted = self._wanted(mapping)
        type = TYPES.get(wanted.type, wanted.type)
        if not type[0].isdigit():
            return "its type has no number here: name it as 2-123"
        if mapping.read.startswith(_DELETED):
            return Told(type, frozenset(), frozenset({DELETION}))
        if wanted.links:
            return f"a change of {', '.join(wanted.links)} is no change of the record"
        return Told(type, frozenset(wanted.properties) - _KEPT, CHANGES)

    def by_changes(self, mapping: ObjectMapping, changes: Sequence[Change]) -> Iterator[Page]:
        """The records that changed as they are now, those that are not there left out, as `pages` gives them.

        A restored one changed when it was restored: HubSpot keeps the date of its last change before the deletion.
        """
        wanted = self._wanted(mapping)
        ids = sorted({one.id for one in changes}, key=int)
        restored = _restored(changes)
        found = self._batches(wanted, ids, mapping.read.startswith(_DELETED))
        return self._flattened(wanted, ([_not_before(restored, one) for one in page] for page in found))

    def _batches(self, wanted: _Wanted, ids: Sequence[str], gone: bool) -> Iterator[Page]:
        for start in range(0, len(ids), BATCH):
            request = {
                "inputs": [{"id": id} for id in ids[start : start + BATCH]],
                "properties": wanted.properties,
                "propertiesWithHistory": [],
            }
            yield listed(self._client.read(wanted.type, request, archived=gone), "results")

    def _wanted(self, mapping: ObjectMapping) -> _Wanted:
        wanted = _Wanted(mapping.read.removeprefix(_DELETED), _columns(mapping))
        if _TYPE.fullmatch(wanted.type):
            return wanted
        known = "a type of record (contacts), deleted contacts, owners, touches, " + ", ".join(_OUTCOMES)
        said = f"nothing to read is called {mapping.read}; allowed: {known}"
        raise SourceFailed(f"source {self._source}: {said}")

    def _changed(self, wanted: _Wanted, interval: Interval) -> Iterator[Page]:
        """Results of searches in the order of ids, each after the last one's: no record moves between two pages."""
        last = "0"
        while True:
            later = {"propertyName": _ID, "operator": "GT", "value": last}
            answer = self._client.search(
                wanted.type,
                {
                    "after": "0",
                    "filterGroups": [{"filters": [*_within(wanted.type, interval), later]}],
                    "limit": PAGE,
                    "properties": wanted.properties,
                    "sorts": [{"propertyName": _ID, "direction": "ASCENDING"}],
                },
            )
            page = listed(answer, "results")
            yield page
            if at(answer.json(), "paging.next.after") is None:
                return
            last = _last(page, last, answer)

    def _deleted(self, wanted: _Wanted) -> Iterator[Page]:
        """All that lie in HubSpot's recycling bin: this list knows no filter."""
        properties = wanted.properties or None
        return _tokened(partial(self._client.page, wanted.type, archived=True, properties=properties))

    def _flattened(self, wanted: _Wanted, found: Iterable[Page]) -> Iterator[Page]:
        for page in found:
            records = [_flat(record, wanted) for record in objects(page)]
            if "owner_email" in wanted.columns:
                records = [one | {"owner_email": self.email(one.get(_OWNER))} for one in records]
            linked = self._linked(wanted, records)
            yield linked + [one for one in page if not isinstance(one, dict)]

    def _linked(self, wanted: _Wanted, records: list[Record]) -> list[Record]:
        """With the records they belong to. An activity comes once for each contact, anything else once."""
        for column in wanted.links:
            of = self._associated(wanted.type, _LINKS[column], records)
            if column == "contact_id" and wanted.type in _ACTIVITIES:
                records = [
                    record | {"id": f"{record['id']}:{contact}", column: contact}
                    for record in records
                    for contact in of.get(record["id"], [])
                ]
            else:
                records = [
                    record | {column: next(iter(of.get(record["id"], [])), None)} for record in records
                ]
        return records

    def _associated(self, type: str, to: str, records: Iterable[Record]) -> Mapping[str, list[str]]:
        """Record -> those of another type that it belongs to: the primary one first, then by id."""
        found: dict[str, list[Record]] = {}
        asking: list[Record] = [{"id": id} for id in dict.fromkeys(filter(None, map(_id, records)))]
        while asking:
            answer = self._client.associations(type, to, asking)
            results = [(str(at(one, "from.id")), one) for one in objects(listed(answer, "results"))]
            for id, one in results:
                found.setdefault(id, []).extend(objects(one.get("to")))
            more = [
                {"id": id, "after": after} for id, one in results if (after := at(one, "paging.next.after"))
            ]
            if more == asking:
                raise SourceFailed(f"{answer.asked} names a next page that was read before")
            asking = more
        return {id: list(filter(None, map(_linked_to, sorted(to, key=_primary)))) for id, to in found.items()}

    # --- what people did --------------------------------------------------------------------------

    def _touches(self, interval: Interval) -> Iterator[Page]:
        """Calls and mails that went out, and meetings from when they were booked; nothing of what was said."""
        for type in ("calls", "emails", "meetings"):
            columns = frozenset({"activity", "contact_id", "owner_email", "hs_timestamp"})
            wanted = _Wanted(type, columns, _ACTIVITIES[type])
            for page in self._flattened(wanted, self._changed(wanted, interval)):
                yield [
                    _touch(type, record) for record in page if isinstance(record, dict) and _is_touch(record)
                ]

    def _outcomes(self, type: str, stages: Sequence[str], interval: Interval) -> Iterator[Page]:
        """When each record changed in the interval entered each of the stages, once for each contact of a deal."""
        entered = {f"{_ENTERED}{stage}": stage for stage in stages}
        also = ("amount", "closed_lost_reason") if type == "deals" else ()
        columns = frozenset({"owner_email", *entered, *also})
        wanted = _Wanted(type, columns)
        for page in self._flattened(wanted, self._changed(wanted, interval)):
            records = objects(page)
            contacts = self._contacts(type, records)
            yield [
                _outcome(record, contact, stage, record[column])
                for record in records
                for column, stage in entered.items()
                if record[column]
                for contact in contacts(record["id"])
            ]

    def _contacts(self, type: str, records: Sequence[Record]) -> Callable[[str], Sequence[str]]:
        if type == "contacts":
            return lambda id: [id]
        of = self._associated(type, "contacts", records)
        return lambda id: of.get(id, [])

    # --- owners -----------------------------------------------------------------------------------

    @cached_property
    def owners(self) -> list[Record]:
        """All owners, those who left last; read once."""
        pages = chain.from_iterable(self._owned(archived=archived) for archived in (False, True))
        return [_rep(owner) for page in pages for owner in objects(page)]

    def _owned(self, *, archived: bool) -> Iterator[Page]:
        return _tokened(partial(self._client.owners, archived=archived))

    @cached_property
    def emails(self) -> Mapping[str, str]:
        """Id -> e-mail address of every owner, past ones too."""
        return {owner["id"]: owner["email"] or owner["id"] for owner in reversed(self.owners)}

    @cached_property
    def assignable(self) -> Mapping[str, str]:
        """Id, and e-mail address -> id, of those who can own a record."""
        active = (owner for owner in self.owners if owner["active"])
        return {key: owner["id"] for owner in active for key in (owner["id"], owner["email"]) if key}

    @cached_property
    def users(self) -> Mapping[str, str]:
        """Id of a user -> e-mail address."""
        return {str(owner["user_id"]): owner["email"] for owner in reversed(self.owners)}

    def email(self, owner: object) -> str | None:
        """Of the owner with this id; the id itself where nobody has it."""
        return self.emails.get(str(owner), str(owner)) if owner else None


# --- what is asked ------------------------------------------------------------------------------------


def _tokened(ask: Callable[..., Answer]) -> Iterator[Page]:
    return by_token(
        lambda sent: ask(**sent), "results", token="paging.next.after", name="after", limit=("limit", LISTED)
    )


def _columns(mapping: ObjectMapping) -> frozenset[str]:
    """The columns that are read: those of the mapping, and those that look-ups need here. Literals are none."""
    columns = {column for column in mapping.fields.values() if not column.startswith("=")}
    by = {lookup.by for lookup in mapping.lookups.values() if mapping.fields}
    there = [lookup for lookup in mapping.lookups.values() if lookup.read == mapping.read]
    return frozenset(columns | by | {name for lookup in there for name in (lookup.match, lookup.take)})


def _stages(source: str, mapping: ObjectMapping) -> Sequence[str]:
    stages = list(mapping.values.get("kind", {}))
    if not stages:
        needed = "`values` of kind: HubSpot's name of each stage -> the outcome"
        raise SourceFailed(f"source {source}: {mapping.read} need {needed}")
    return stages


def _within(type: str, interval: Interval) -> list[Record]:
    """Filters of the modification date, which HubSpot keeps in milliseconds."""
    modified = "lastmodifieddate" if type in ("contacts", "0-1") else "hs_lastmodifieddate"
    bounds = (("GTE", interval.start), ("LT", interval.end))
    return [
        {"propertyName": modified, "operator": operator, "value": str(_milliseconds(moment))}
        for operator, moment in bounds
        if moment
    ]


def _milliseconds(moment: datetime) -> int:
    """Since 1970, rounded up: what is before the moment is before that, too."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def _last(page: Page, before: str, answer: Answer) -> str:
    ids = [int(id) for id in map(_id, objects(page)) if id and id.isdecimal()]
    if not ids or ids != sorted(ids) or ids[0] <= int(before):
        raise SourceFailed(f"{answer.asked}: the results are not in the order of their ids")
    return str(ids[-1])


# --- records ------------------------------------------------------------------------------------------


def objects(page: Any) -> list[Record]:
    """What of a list is a record."""
    return [one for one in page if isinstance(one, dict)] if isinstance(page, list) else []


def identified(answer: Answer) -> Mapping[str, Record]:
    """The results by id."""
    found = ((_id(record), record) for record in objects(listed(answer, "results")))
    return {id: record for id, record in found if id}


def properties_of(record: Record) -> Record:
    found = record.get("properties")
    return found if isinstance(found, dict) else {}


def _id(record: Record) -> str | None:
    return str(record["id"]) if isinstance(record.get("id"), str | int) else None


def _restored(changes: Iterable[Change]) -> Mapping[str, datetime]:
    """Record -> when it was last taken out of the recycling bin."""
    said = [(moment(one.occurred_at), one.id) for one in changes if one.action == RESTORATION]
    return {id: back for back, id in sorted((back, id) for back, id in said if back)}


def _not_before(restored: Mapping[str, datetime], record: Any) -> Any:
    """Its change, where it was restored, no earlier than that."""
    back, changed = restored.get(str(at(record, "id"))), moment(at(record, "updatedAt"))
    if back is None or changed is None or changed >= back or at(record, "archived"):
        return record
    return record | {"updatedAt": back.isoformat()}


def _flat(record: Record, wanted: _Wanted) -> Record:
    """Its properties, those asked for only, beside id and dates; a deleted one changed when it was deleted."""
    properties = properties_of(record)
    names = wanted.properties or properties
    gone = bool(record.get("archived"))
    told = {"activity": _activity(wanted.type, properties)} if wanted.type in _ACTIVITIES else {}
    return {name: properties.get(name) for name in names} | told | {
        "id": _id(record),
        "createdAt": record.get("createdAt"),
        "updatedAt": (record.get("archivedAt") if gone else None) or record.get("updatedAt"),
        "archived": gone,
    }  # fmt: skip


def _primary(link: Record) -> tuple[bool, int]:
    labels = [kind.get("label") for kind in objects(link.get("associationTypes"))]
    return "Primary" not in labels, int(_linked_to(link) or 0)


def _linked_to(link: Record) -> str | None:
    to = str(link.get("toObjectId"))
    return to if to.isdecimal() else None


_DIRECTIONS: Final[Mapping[str, str]] = {
    "OUTBOUND": "outbound",
    "INBOUND": "inbound",
    "EMAIL": "outbound",
    "INCOMING_EMAIL": "inbound",
    "FORWARDED_EMAIL": "forwarded",
}


def _activity(type: str, properties: Mapping[str, Any]) -> str:
    """`outbound_call`, `inbound_email`, `meeting`, `sms`: what our `type` may be."""
    if type == "communications":
        return re.sub(r"[^a-z]+", "_", str(properties.get("hs_communication_channel_type") or type).lower())
    word = type.removesuffix("s")
    said = properties.get("hs_call_direction") or properties.get("hs_email_direction") or ""
    direction = _DIRECTIONS.get(str(said))
    return f"{direction}_{word}" if direction else word


def _is_touch(record: Record) -> bool:
    """By a person, outward: not what a sequence or workflow sent, nor what came in."""
    machine = re.search("SEQUENCE|WORKFLOW|AUTOMATION", str(record.get("hs_object_source") or ""))
    return record["activity"] in ("outbound_call", "outbound_email", "meeting") and not machine


def _touch(type: str, record: Record) -> Record:
    meeting = type == "meetings"
    return {
        "id": f"{type}:{record['id']}",
        "lead_id": record["contact_id"],
        "kind": "meeting" if meeting else "first_touch",
        "type": record["activity"],
        "occurred_at": record["hs_createdate" if meeting else "hs_timestamp"],
        "rep": record["owner_email"],
    }


def _outcome(record: Record, contact: str, stage: str, entered: str) -> Record:
    return {
        "id": f"{record['id']}:{stage}:{contact}",
        "lead_id": contact,
        "kind": stage,
        "occurred_at": entered,
        "rep": record["owner_email"],
        "amount": record.get("amount"),
        "reason": record.get("closed_lost_reason"),
    }


def _rep(owner: Record) -> Record:
    names = (owner.get("firstName"), owner.get("lastName"))
    return {
        "id": _id(owner) or "",
        "email": str(owner.get("email") or "").lower(),
        "name": " ".join(str(name) for name in names if name),
        "active": not owner.get("archived"),
        "user_id": owner.get("userId") or owner.get("userIdIncludingInactive"),
    }
