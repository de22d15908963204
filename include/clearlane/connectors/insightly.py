"""Insightly by its API v3.1: leads, contacts, organisations, opportunities, users, tasks, events.

Moments have no zone and mean UTC. Owner and score go to the lead: `RESPONSIBLE_USER_ID` and custom fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final

from clearlane.connectors.by_hand import Kinds
from clearlane.connectors.http import Answer, Pace, Spent
from clearlane.connectors.pages import listed
from clearlane.connectors.preset import People, Preset, Record, as_written, number
from clearlane.connectors.protocol import Chunk, Interval, Write
from clearlane.policy.model import FEEDBACK, PUSHED, ObjectMapping, RestAuth, RestPages, RestRead
from clearlane.policy.model import Rest as Description

_API: Final = "/v3.1"
_PAGES: Final = RestPages(by="offset", name="skip", limit=500, limit_name="top")
_SINCE: Final = "updated_after_utc"
_SECOND: Final = timedelta(seconds=1)
_DAY_IS_SPENT: Final = 3600.0
"""seconds to leave the instance alone then; no answer says when its day ends"""
_KINDS: Final = Kinds("Number", "Multi-Line Text", "Text: a moment with its zone", "Text")
_OWNER: Final = "RESPONSIBLE_USER_ID"


def _list(path: str) -> RestRead:
    return RestRead(f"{_API}/{path}", pages=_PAGES)


def _changing(path: str) -> RestRead:
    """A list whose `/Search` finds what was changed after a moment."""
    return replace(_list(path), params={_SINCE: "{start}"}, moments="%Y-%m-%dT%H:%M:%SZ")


class Insightly(Preset):
    """One instance; the connection's host is its pod's (`https://api.na1.insightly.com`), its login an API key."""

    record: ClassVar[str] = "lead"
    paces: ClassVar[Sequence[Pace]] = (Pace(5, 1),)
    """half of the 10 a second that the vendor states: 429 was seen well before those"""
    people: ClassVar[People] = People("users", "USER_ID", "EMAIL_ADDRESS", "ACTIVE")
    words: ClassVar[Mapping[str, Collection[str]]] = {
        "tasks": ("TITLE", "DETAILS"),
        "events": ("TITLE", "DETAILS", "LOCATION"),
    }
    described: ClassVar[Description] = Description(
        auth=RestAuth("basic"),
        check=f"{_API}/Users/Me",
        reads={
            "leads": _changing("Leads"),
            "contacts": _changing("Contacts"),
            "organisations": _changing("Organisations"),
            "opportunities": _changing("Opportunities"),
            "tasks": _changing("Tasks"),
            "events": _changing("Events"),
            "users": _list("Users"),
            "lead_statuses": _list("LeadStatuses"),
            "lead_sources": _list("LeadSources"),
        },
    )

    def _spent(self, answer: Answer) -> Spent | None:
        """The daily number of the plan, which the headers count down; any other 429 passes in a moment."""
        if answer.status == 429 and answer.headers.get("X-RateLimit-Remaining") == "0":
            return Spent("the requests of the plan's day are spent", _DAY_IS_SPENT)
        return None

    # --- reading ----------------------------------------------------------------------------------

    def _chunks(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """What changed after a moment leaves out what changed at it."""
        earlier = interval.start - _SECOND if interval.start else None
        return super()._chunks(object, replace(interval, start=earlier))

    def _asked(self, read: RestRead, moments: Mapping[str, Any], sent: Mapping[str, Any]) -> Answer:
        """One page, of the search where there is a moment to search from: without one it is refused."""
        searches = _SINCE in read.params and "start" in moments
        return super()._asked(replace(read, path=f"{read.path}/Search") if searches else read, moments, sent)

    def _flat(self, read: str, record: Record) -> Record:
        """Plain values, custom fields by their names, tags as one text, links as `LINK_LEAD` and the like."""
        plain = {name: value for name, value in record.items() if not isinstance(value, dict | list)}
        tags = sorted(str(tag["TAG_NAME"]) for tag in record.get("TAGS") or ())
        links = {
            f"LINK_{str(link['LINK_OBJECT_NAME']).upper()}": link["LINK_OBJECT_ID"]
            for link in record.get("LINKS") or ()
        }
        ours = {self._theirs(name) for name in (*PUSHED, *FEEDBACK) if name != "owner"}
        custom = {name: value for name, value in sorted(_custom(record).items()) if name not in ours}
        return plain | custom | links | ({"TAGS": ", ".join(tags)} if tags else {})

    # --- writing ----------------------------------------------------------------------------------

    def _theirs(self, name: str) -> str:
        """The owner is no custom field: `RESPONSIBLE_USER_ID`, or `OWNER_USER_ID` where `push_fields` says so."""
        default = {"owner": _OWNER}.get(name)
        return self._source.push_fields.get(name) or default or super()._theirs(name)

    def _called(self, name: str) -> str:
        return f"{name}__c"

    def _write(self, write: Write) -> None:
        fields = self._fields(write)
        custom = [
            {"FIELD_NAME": self._theirs(name), "FIELD_VALUE": value}
            for name, value in fields.items()
            if name != "owner"
        ]
        body: Record = {"LEAD_ID": number(write), "CUSTOMFIELDS": custom}
        if "owner" in fields:
            body[self._theirs("owner")] = int(self._user(fields["owner"])) if fields["owner"] else None
        self._http.ask("PUT", f"{_API}/Leads", json=body, idempotent=True)

    def _present(self, write: Write) -> Record | None:
        """Custom fields and owner as they are; one request a lead."""
        answer = self._http.ask("GET", f"{_API}/Leads/{number(write)}", accept=(404,))
        if answer.status == 404:
            return None
        lead, fields = answer.json(), self._fields(write)
        custom = _custom(lead)
        held = {name: as_written(value, custom.get(self._theirs(name))) for name, value in fields.items()}
        owner = (
            {"owner": self._named(fields["owner"], lead.get(self._theirs("owner")))}
            if "owner" in fields
            else {}
        )
        return held | owner

    # --- trying -----------------------------------------------------------------------------------

    def instructions(self) -> Sequence[str]:
        """The custom fields of leads that are missing: no request makes them."""
        return self._by_hand(
            "System Settings, custom fields of Lead: add fields with these field names", _KINDS
        )

    def _missing(self) -> Sequence[str]:
        there = {
            field["FIELD_NAME"] for field in listed(self._http.ask("GET", f"{_API}/CustomFields/Leads"), "")
        }
        pushed = (name for name in self._source.push_fields or PUSHED if name != "owner")
        return sorted({self._theirs(name) for name in pushed} - there)


def _custom(record: Record) -> Record:
    return {one["FIELD_NAME"]: one.get("FIELD_VALUE") for one in record.get("CUSTOMFIELDS") or ()}
