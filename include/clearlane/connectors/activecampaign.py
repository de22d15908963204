"""ActiveCampaign by its API v3: contacts with their custom fields, accounts, deals, users, deal tasks and activities.

Its own scores cannot be written, and a contact has no owner: what we know stands in custom fields of the contact, and
its owner is moreover given the contact's open deals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final

from clearlane.connectors.http import Answer, Pace
from clearlane.connectors.pages import chunks, listed
from clearlane.connectors.preset import People, Preset, Record, Unwritable, as_written, number, text
from clearlane.connectors.protocol import Chunk, Interval, SourceFailed, Write
from clearlane.connectors.values import at
from clearlane.policy.model import FEEDBACK, PUSHED, ObjectMapping, RestAuth, RestPages, RestRead
from clearlane.policy.model import Rest as Description

_API: Final = "/api/3"
_OFFSET: Final = RestPages(by="offset", name="offset", limit=100, at="meta.total")
"""at most 100 a page (developers.activecampaign.com/reference/pagination)"""
_SINCE: Final = {"filters[updated_after]": "{start}"}
_DAY: Final = "%Y-%m-%d"
_EARLIER: Final = timedelta(days=2)
"""`updated_after` is a day, in a zone that the account chose and in words that leave open whether it counts itself"""
_OPEN: Final = "0"
"""status of a deal that is neither won nor lost"""


def _list(path: str, **options: Any) -> RestRead:
    return RestRead(f"{_API}/{path}", **{"records": path, "pages": _OFFSET, **options})


class ActiveCampaign(Preset):
    """One account; the connection's password is an API key, with the rights of its user."""

    paces: ClassVar[Sequence[Pace]] = (Pace(5, 1),)
    people: ClassVar[People] = People("users", "id", "email")
    words: ClassVar[Mapping[str, Collection[str]]] = {
        "tasks": ("title", "note"),
        "deals": ("description",),
        "email_activities": ("subject", "message", "fromAddress", "toAddress", "fromName"),
    }
    described: ClassVar[Description] = Description(
        auth=RestAuth("header", "Api-Token"),
        check=f"{_API}/users/me",
        reads={
            "contacts": _list(
                "contacts", moments=_DAY,
                params={"orders[id]": "asc", "include": "fieldValues", "status": "-1", **_SINCE},
                pages=RestPages(by="last", name="id_greater", key="id", limit=100),
            ),
            "accounts": _list("accounts"),
            "account_contacts": _list("accountContacts"),
            "deals": _list("deals", moments=_DAY, params={"orders[cdate]": "asc", **_SINCE}),
            "deal_stages": _list("dealStages"),
            "tasks": _list("dealTasks"),
            "deal_activities": _list("dealActivities", params={"exclude": "email"}),
            "email_activities": _list("emailActivities"),
            "users": _list("users"),
            "fields": _list("fields"),
        },
    )  # fmt: skip

    def __init__(self, *options: Any, **client: Any) -> None:
        super().__init__(*options, **client)
        self._beside: dict[str, Record] = {}
        self._known: Mapping[str, str] | None = None

    # --- reading ----------------------------------------------------------------------------------

    def _chunks(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        earlier = interval.start - _EARLIER if interval.start else None
        return super()._chunks(object, replace(interval, start=earlier))

    def _asked(self, read: RestRead, moments: Mapping[str, Any], sent: Mapping[str, Any]) -> Answer:
        """One page; the custom fields of its contacts stand beside them."""
        answer = super()._asked(read, moments, sent)
        if read.records == "contacts":
            self._check_order(answer)
            self._beside = self._held(at(answer.json(), "fieldValues") or ())
        return answer

    def _check_order(self, answer: Answer) -> None:
        """The next page starts after the last id: in another order contacts would be lost without a word."""
        ids = [int(one["id"]) for one in listed(answer, "contacts")]
        if ids != sorted(ids):
            raise SourceFailed(
                f"{answer.asked} answered with contacts that are not in the order of their ids"
            )

    def _held(self, values: Sequence[Record]) -> dict[str, Record]:
        """Contact -> {tag of a custom field in lower case: its value}."""
        named = {id: tag for tag, id in self._tags().items()}
        held: dict[str, Record] = {}
        for one in values:
            tag = named.get(str(one["field"]))
            if tag:
                held.setdefault(str(one["contact"]), {})[tag.lower()] = one["value"]
        return held

    def _flat(self, read: str, record: Record) -> Record:
        plain = {name: value for name, value in record.items() if not isinstance(value, dict | list)}
        owner = at(record, "owner.id")
        if owner is not None:
            plain |= {"owner_id": owner, "owner_type": at(record, "owner.type")}
        ours = {self._theirs(name).lower() for name in (*PUSHED, *FEEDBACK)}
        custom = self._beside.get(str(record.get("id")), {}) if read == "contacts" else {}
        return plain | {f"cf_{tag}": value for tag, value in sorted(custom.items()) if tag not in ours}

    def _tags(self) -> Mapping[str, str]:
        """Tag of a custom field of contacts -> its id."""
        if self._known is None:
            found = chunks(self._pages(self.described.reads["fields"], {}))
            fields = [raw.payload for chunk in found for raw in chunk.records]
            self._known = {str(one["perstag"]).upper(): str(one["id"]) for one in fields}
        return self._known

    def _called(self, name: str) -> str:
        return name.upper()

    # --- writing ----------------------------------------------------------------------------------

    def _write(self, write: Write) -> None:
        fields = self._fields(write)
        owner = self._user(fields["owner"]) if fields.get("owner") else None
        values = [
            {"field": self._tags()[self._theirs(name)], "value": text(value)}
            for name, value in fields.items()
        ]
        path = f"{_API}/contacts/{number(write)}"
        self._http.ask("PUT", path, json={"contact": {"fieldValues": values}}, idempotent=True)
        if owner:
            self._give(write, owner)

    def _give(self, write: Write, owner: str) -> None:
        """The contact's open deals to their owner, in one request."""
        deals = [deal["id"] for deal in self._open_deals(write) if str(deal["owner"]) != owner]
        if not deals:
            return
        body = {"deals": [{"id": deal, "ownerId": owner} for deal in deals]}
        answer = self._http.ask("PATCH", f"{_API}/deals/bulkUpdate", json=body, idempotent=True)
        failed = listed(answer, "failed")
        if failed:
            raise Unwritable(f"{len(failed)} of {len(deals)} open deals did not take the owner")

    def _open_deals(self, write: Write) -> list[Record]:
        answer = self._http.ask("GET", f"{_API}/contacts/{number(write)}/deals")
        return [deal for deal in listed(answer, "deals") if str(deal.get("status")) == _OPEN]

    def _present(self, write: Write) -> Record | None:
        """The custom fields as they are; the owner is that of all open deals, where there are any."""
        path = f"{_API}/contacts/{number(write)}/fieldValues"
        answer = self._http.ask("GET", path, accept=(404,))
        if answer.status == 404:
            return None
        values = {str(one["field"]): one["value"] for one in listed(answer, "fieldValues")}
        fields = self._fields(write)
        held = {
            name: as_written(value, values.get(self._tags().get(self._theirs(name), "")))
            for name, value in fields.items()
        }
        return held | ({"owner": self._owner(write, held["owner"])} if "owner" in fields else {})

    def _owner(self, write: Write, noted: Any) -> Any:
        """Whom the open deals belong to, in the words of the write where it means the same user."""
        owners = {str(deal["owner"]) for deal in self._open_deals(write)}
        if not owners:
            return noted
        wanted = self._users.get(str(write.fields["owner"]).strip().lower())
        others = sorted(owners - {wanted})
        return others[0] if others else write.fields["owner"]

    # --- set-up -----------------------------------------------------------------------------------

    def _missing(self) -> Sequence[str]:
        self._known = None
        pushed = self._source.push_fields or PUSHED
        return sorted({self._theirs(name) for name in pushed} - set(self._tags()))

    def prepare(self) -> Sequence[str]:
        """Make the custom fields that are missing, for all lists, and name them."""
        with self._as_described():
            missing = self._missing()
            for tag in missing:
                self._http.ask("POST", f"{_API}/fields", json={"field": _field(tag)})
            self._known = None
            for tag in missing:
                related = {"field": int(self._tags()[tag]), "relid": 0}
                self._http.ask("POST", f"{_API}/fieldRels", json={"fieldRel": related})
        return missing


def _field(tag: str) -> Record:
    return {"title": tag.replace("_", " ").capitalize(), "type": "text", "perstag": tag, "visible": True}
