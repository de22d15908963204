"""Freshsales (Freshworks CRM): contacts, accounts and deals of a view, users, tasks, appointments, sales activities.

There is no filter for changes: a view is read by its last changes, newest first, until what is older than asked for.
Its own lead score cannot be written; ours stands in custom fields beside the owner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Final

from clearlane.connectors import pages
from clearlane.connectors.by_hand import Kinds
from clearlane.connectors.http import Answer, Pace, Spent
from clearlane.connectors.pages import Page, listed
from clearlane.connectors.preset import People, Preset, Record, as_written, number
from clearlane.connectors.protocol import Chunk, Interval, SourceFailed, Write
from clearlane.connectors.values import at
from clearlane.policy.model import FEEDBACK, PUSHED, ObjectMapping, RestAuth, RestPages, RestRead
from clearlane.policy.model import Rest as Description

_VIEWS: Final = {
    "contacts": ("contacts", "All Contacts"),
    "accounts": ("sales_accounts", "All Accounts"),
    "deals": ("deals", "All Deals"),
}
"""list -> its path, and the view that holds all of it"""
_PAGE: Final = 100
_HOUR_IS_SPENT: Final = 900.0
"""seconds to leave the account alone then, where the answer says nothing: a quarter of the hour that limits it"""
_NUMBERED: Final = RestPages(by="number", name="page", limit=_PAGE, limit_name="per_page")
_KINDS: Final = Kinds("number", "text area", "text field: a moment with its zone", "text field")
_SENT: Final = {"sort": "updated_at", "sort_type": "desc", "include": "owner"}


class Freshsales(Preset):
    """One account; the connection's host ends in `/crm/sales`, its password is an API key."""

    paces: ClassVar[Sequence[Pace]] = (Pace(1000, 3600),)
    people: ClassVar[People] = People("users", "id", "email", "is_active")
    words: ClassVar[Mapping[str, Collection[str]]] = {
        "tasks": ("title", "description"),
        "appointments": ("title", "description", "location"),
        "sales_activities": ("title", "notes"),
    }
    described: ClassVar[Description] = Description(
        auth=RestAuth("header", "Authorization", prefix="Token token="),
        check="/api/contacts/filters",
        reads={
            "users": RestRead("/api/selector/owners", "users"),
            "deal_stages": RestRead("/api/selector/deal_stages", "deal_stages"),
            "contact_statuses": RestRead("/api/selector/contact_statuses", "contact_statuses"),
            "tasks": RestRead(
                "/api/tasks", "tasks", params={"filter": "completed", "include": "targetable"}, pages=_NUMBERED
            ),
            "appointments": RestRead(
                "/api/appointments", "appointments", params={"filter": "past", "include": "targetable"},
                pages=_NUMBERED,
            ),
            "sales_activities": RestRead("/api/sales_activities", "sales_activities", pages=_NUMBERED),
        },
    )  # fmt: skip

    def _spent(self, answer: Answer) -> Spent | None:
        """429 is the account's hour, not a moment's crowd; with Retry-After it is told when it ends."""
        if answer.status == 429 and "Retry-After" not in answer.headers:
            return Spent("the requests of the account's hour are spent", _HOUR_IS_SPENT)
        return None

    # --- reading ----------------------------------------------------------------------------------

    def _chunks(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """`contacts`: those of the view All Contacts; `contacts/4000123`: those of another view."""
        name, _, view = object.read.partition("/")
        if name in _VIEWS:
            return pages.chunks(self._viewed(name, view or self._view(name), interval.start))
        if name in self.described.reads:
            return super()._chunks(object, interval)
        known = ", ".join((*_VIEWS, *self.described.reads))
        raise SourceFailed(f"source {self._source.name}: no list {object.read}; known are {known}")

    def _view(self, name: str) -> str:
        path, called = _VIEWS[name]
        views = listed(self._http.ask("GET", f"/api/{path}/filters"), "filters")
        found = next((str(view["id"]) for view in views if view.get("name") == called), None)
        if found is None:
            raise SourceFailed(f"source {self._source.name}: no view {called}; name one by its id: {name}/ID")
        return found

    def _viewed(self, name: str, view: str, since: datetime | None) -> Iterator[Page]:
        """Pages of a view, newest changes first, until one ends before `since`; what moves meanwhile comes twice."""
        path, _ = _VIEWS[name]
        before: datetime | None = None
        for page in pages.by_number(
            lambda sent: self._http.ask("GET", f"/api/{path}/view/{view}", params={**_SENT, **sent}),
            path, limit=_PAGE, names=("page", "per_page"), pages="meta.total_pages",
        ):  # fmt: skip
            yield page
            before = self._oldest(name, page, before)
            if since and before and before < since:
                return

    def _oldest(self, name: str, page: Page, before: datetime | None) -> datetime | None:
        """When the last record of a page was changed; a page in another order would end the reading too early."""
        changed = [datetime.fromisoformat(record["updated_at"]) for record in page]
        if any(later < earlier for earlier, later in zip(changed[1:], changed, strict=False)):
            raise SourceFailed(
                f"source {self._source.name}: {name} do not come newest first, as they were asked for"
            )
        return changed[-1] if changed else before

    def _flat(self, read: str, record: Record) -> Record:
        """Plain values, custom fields under their own names (`cf_…`), tags as one text."""
        plain = {name: value for name, value in record.items() if not isinstance(value, dict | list)}
        tags = record.get("tags")
        plain |= {"tags": ", ".join(sorted(map(str, tags)))} if tags else {}
        ours = {self._theirs(name) for name in (*PUSHED, *FEEDBACK)}
        custom = record.get("custom_field") or {}
        return plain | {name: value for name, value in sorted(custom.items()) if name not in ours}

    # --- writing ----------------------------------------------------------------------------------

    def _called(self, name: str) -> str:
        return f"cf_{name}"

    def _write(self, write: Write) -> None:
        fields = self._fields(write)
        body: Record = {"custom_field": {self._theirs(name): value for name, value in fields.items()}}
        if "owner" in fields:
            body["owner_id"] = int(self._user(fields["owner"])) if fields["owner"] else None
        self._http.ask("PUT", f"/api/contacts/{number(write)}", json={"contact": body}, idempotent=True)

    def _contact(self, write: Write) -> Record | None:
        path = f"/api/contacts/{number(write)}"
        answer = self._http.ask("GET", path, params={"include": "owner"}, accept=(404,))
        contact = None if answer.status == 404 else at(answer.json(), "contact")
        return contact if contact and not contact.get("is_deleted") else None

    def _present(self, write: Write) -> Record | None:
        """Custom fields and owner as they are; one request a contact."""
        contact, fields = self._contact(write), self._fields(write)
        if contact is None:
            return None
        custom = contact.get("custom_field") or {}
        held = {name: as_written(value, custom.get(self._theirs(name))) for name, value in fields.items()}
        owner = {"owner": self._named(fields["owner"], contact.get("owner_id"))} if "owner" in fields else {}
        return held | owner

    # --- trying -----------------------------------------------------------------------------------

    def instructions(self) -> Sequence[str]:
        """The fields of contacts that are missing: no request makes them."""
        where = (
            "Admin Settings, Contacts, Fields: add fields with these internal names (`cf_` comes by itself)"
        )
        return self._by_hand(where, _KINDS)

    def _missing(self) -> Sequence[str]:
        answer = self._http.ask("GET", "/api/settings/contacts/fields")
        there = {field["name"] for field in listed(answer, "fields")}
        return sorted({self._theirs(name) for name in self._source.push_fields or PUSHED} - there)
