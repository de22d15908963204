"""BottleCRM (the package django-crm) by its REST API: leads, contacts, accounts, deals, members, interactions.

The lists know no changed-since filter, so each read walks them whole and the caller sifts. What the API answers
with success and does not do (an unknown owner, an unknown custom field) is looked up before it is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from clearlane.connectors.address import placed
from clearlane.connectors.credentials import Bearer
from clearlane.connectors.http import Answer, Failed, Http, Patience, Refused, Unanswered
from clearlane.connectors.pages import Page, at, chunks, listed
from clearlane.connectors.protocol import (
    Checked,
    Checks,
    Chunk,
    Interval,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.policy.model import FEEDBACK, ObjectMapping, Source

Record = dict[str, Any]

PAGE: Final = 200
"""records asked for at once: the server sets no upper bound (`LimitOffsetPagination` without `max_limit`)"""
FIELDS: Final[Mapping[str, str]] = {
    "owner": "text", "queue": "text", "place": "text", "team": "text", "score": "number", "band": "text",
    "grade": "text", "stage": "text", "because": "textarea", "tier": "text", "cover": "text", "sla_due": "text",
    "stage_since": "text", "outcome": "text", "outcome_at": "text", "decline_reason": "text",
}  # fmt: skip
"""what is written -> the type of its custom field; a custom field of type date would lose the time of `sla_due`"""
_FEW: Final = 10
_LISTED_FOR_ONE: Final = 10
"""leads of a list that come in the time of one lead by itself (measured: 20 ms to 300 ms)"""
_GATEWAY: Final = (502, 503, 504)
"""after which nobody knows whether it was done"""
_NOBODY: Final = "00000000-0000-4000-8000-000000000000"
_PATIENCE: Final = Patience()


@dataclass(frozen=True)
class _List:
    """A list of the API: its path, where its parts stand and their sizes, and how one record is flattened."""

    path: str
    parts: tuple[tuple[str, str], ...]
    flat: Callable[[Record], Record]
    entity: str | None = None
    """its name in the feed of changes, where the records have no change date of their own"""


class BottleCrm:
    """One organisation, which the personal access token of the connection's password names."""

    def __init__(
        self,
        source: Source,
        secrets: Secrets,
        *,
        patience: Patience = _PATIENCE,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        place = placed(source, secrets)
        if not place.password:
            raise SourceFailed(f"source {source.name}: its connection has no password (an access token)")
        self._source, self._prefix = source, source.push or "clearlane"
        self._http = Http(
            source.name, f"{place.base}/api", Bearer(place.password), patience=patience, wait=wait
        )
        self._answered: dict[str, Record] | None = None
        self._seen: set[str] | None = None

    # --- reading ----------------------------------------------------------------------------------

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """All records of a list; of interactions and touches those of leads worked on since the interval's start.

        `responses` are first answers, from the list of leads; `touches` all of them, one request a lead.
        """
        readers: Mapping[str, Callable[[], Iterable[Page]]] = {
            "responses": self._responses,
            "interactions": lambda: self._interactions(interval, outbound=False),
            "touches": lambda: self._interactions(interval, outbound=True),
        }
        if object.read in _LISTS:
            yield from chunks(self._listed(object.read))
        elif object.read in readers:
            yield from chunks(readers[object.read]())
        else:
            known = ", ".join((*_LISTS, *readers))
            raise SourceFailed(f"source {self._source.name}: no list {object.read}; known are {known}")

    def _listed(self, name: str) -> Iterator[Page]:
        """The pages of a list, flattened."""
        of = _LISTS[name]
        answered: dict[str, Record] = {}
        changed = self._changed(of.entity) if of.entity else {}
        seen = set[str]()
        for fresh in self._raw(name):
            seen |= {record["id"] for record in fresh}
            if name == "leads":
                answered |= {record["id"]: _dates(record) for record in fresh if record["last_outbound_at"]}
            yield [
                self._plain(of.flat(record)) | self._owner(record) | changed.get(record["id"], {})
                for record in fresh
            ]
        if name == "leads":
            self._answered, self._seen = answered, seen

    def read_absent(self, object: ObjectMapping, known: Sequence[str]) -> Iterator[Chunk]:
        """The converted ones of these leads, one request each: no list has them. Those deleted answer 404."""
        if object.read != "leads" or self._seen is None:
            return
        found = {id: self._lead(id) for id in known if id not in self._seen}
        if len(known) > _FEW and len(found) == len(known) and not any(found.values()):
            said = f"none of the {len(known)} leads that are known is there: is the token another organisation's?"
            raise SourceFailed(f"source {self._source.name}: {said}")
        yield from chunks([self._plain(_lead(lead)) | self._owner(lead)] for lead in found.values() if lead)
        yield Chunk([], gone=[id for id, lead in found.items() if lead is None])

    def _raw(self, name: str) -> Iterator[Page]:
        """The pages of a list as they are; a record that moved between two pages comes once."""
        of = _LISTS[name]
        offset, size, seen = 0, 1, set[str]()
        while offset < size:
            answer = self._http.ask("GET", of.path, params={"limit": PAGE, "offset": offset})
            page = [record for records, _ in of.parts for record in listed(answer, records)]
            fresh = [record for record in page if isinstance(record, dict) and record.get("id") not in seen]
            seen |= {record["id"] for record in fresh}
            yield fresh
            offset, size = offset + PAGE, max(_number(answer, count) for _, count in of.parts)

    def _changed(self, entity: str) -> Mapping[str, Record]:
        """Record -> when it was changed last, of the 50 last changes: these records themselves do not say it."""
        answer = self._http.ask("GET", "activities/", params={"entity_type": entity, "limit": 50})
        newest_last = reversed(listed(answer, "activities"))
        return {one["entity_id"]: {"updated_at": one["timestamp"]} for one in newest_last}

    def _plain(self, record: Record) -> Record:
        """Without what we wrote ourselves."""
        ours = f"cf_{self._prefix}_"
        return {name: value for name, value in record.items() if not name.startswith(ours)}

    def _owner(self, record: Record) -> Record:
        """The owner: whom we wrote, where still assigned, else the member for longest; nobody where none is."""
        if "assigned_to" not in record:
            return {}
        emails = _assigned(record)
        written = _custom(record).get(self._field("owner"))
        return {"owner": written if written in emails else next(iter(emails), None)}

    def _leads_answered(self) -> Mapping[str, Record]:
        """Leads that somebody wrote to or called -> when, and by whom first."""
        if self._answered is None:
            for _ in self._listed("leads"):
                pass
        return self._answered or {}

    def _responses(self) -> Iterator[Page]:
        yield [
            {
                "id": f"{lead}:first_response", "lead_id": lead, "kind": "first_touch",
                "occurred_at": said["first_response_at"], "rep": self._members.get(said["first_response_by"]),
            }
            for lead, said in self._leads_answered().items()
            if said["first_response_at"]
        ]  # fmt: skip

    def _interactions(self, interval: Interval, *, outbound: bool) -> Iterator[Page]:
        since = interval.start or datetime.min.replace(tzinfo=UTC)
        for lead, said in self._leads_answered().items():
            if datetime.fromisoformat(said["last_outbound_at"]) >= since:
                for page in self._of_lead(lead):
                    wanted = (one for one in page if not outbound or one["direction"] == "outbound")
                    yield [self._interaction(one) for one in wanted if one["kind"] != "enquiry"]

    def _of_lead(self, lead: str) -> Iterator[Page]:
        offset, size = 0, 1
        while offset < size:
            sent = {"lead": lead, "limit": PAGE, "offset": offset}
            answer = self._http.ask("GET", "interactions/", params=sent)
            yield listed(answer, "interactions")
            offset, size = offset + PAGE, _number(answer, "count")

    def _interaction(self, record: Record) -> Record:
        """Without subject, text and participants: they are personal, and no rule reads them."""
        kept = ("id", "direction", "occurred_at", "created_at", "outcome", "origin", "duration_seconds")
        return {name: record.get(name) for name in kept} | {
            "lead_id": record["lead"],
            "type": f"{record['direction']}_{record['kind']}",
            "kind": "meeting" if record["kind"] == "meeting" else "first_touch",
            "rep": self._members.get(record["logged_by"]),
        }

    @cached_property
    def _people(self) -> Sequence[Record]:
        return [member for page in self._listed("users") for member in page]

    @cached_property
    def _members(self) -> Mapping[str, str]:
        """Profile id -> e-mail address in lower case, of every member."""
        return {member["id"]: member["email"] for member in self._people}

    @cached_property
    def _assignable(self) -> Mapping[str, str]:
        """Profile id, and e-mail address in lower case -> profile id, of members who may be assigned."""
        active = (member for member in self._people if member["active"])
        return {key: member["id"] for member in active for key in (member["id"], member["email"])}

    # --- writing ----------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """One PATCH a lead: `assigned_to`, and a custom field for each of the rest. It has no batches.

        What has another owner by now than the write has `seen` is left as it is: the API knows no condition, so the
        lead is read right before it is written. An error of the server over one lead (500) costs only that one;
        after any other failure the rest waits.
        """
        missing = sorted({name for write in writes for name in write.fields} - self._defined)
        if missing:
            fields = ", ".join(self._field(name) for name in missing)
            raise SourceFailed(f"source {self._source.name}: leads have no custom field {fields}; prepare it")
        receipts: list[Receipt] = []
        failure: Failed | None = None
        for write in writes:
            try:
                receipt = self._waiting(write, failure) if failure else self._written(write)
            except Failed as failed:
                receipt = self._waiting(write, failed)
                if not (isinstance(failed, Refused) and failed.status == 500):
                    failure = failed
            receipts.append(receipt)
        return receipts

    @staticmethod
    def _waiting(write: Write, failed: Failed) -> Receipt:
        return Receipt(write.idempotency_key, "retry", str(failed), failed.retry_after)

    def _written(self, write: Write) -> Receipt:
        if self._has_moved(write):
            return Receipt(write.idempotency_key, "changed", "its owner was changed meanwhile")
        body = self._body(write)
        if isinstance(body, str):
            return Receipt(write.idempotency_key, "refused", body)
        try:
            self._http.ask("PATCH", f"leads/{write.external_id}/", json=body)
        except Refused as refused:
            if refused.status in (400, 404):
                return Receipt(write.idempotency_key, "refused", _refusal(refused))
            if refused.status not in _GATEWAY:
                raise
            return self._looked_up(write, refused)
        except Unanswered as unanswered:
            return self._looked_up(write, unanswered)
        return Receipt(write.idempotency_key, "sent")

    def _looked_up(self, write: Write, failed: Failed) -> Receipt:
        """What became of a write without an answer. It is not sent again: a person may have changed it since."""
        lead = self._lead(write.external_id)
        held = self._held(write, lead) if lead else {}
        there = lead is not None and all(
            (held[name] or None) == (write.fields[name] or None) for name in write.fields
        )
        return Receipt(write.idempotency_key, "sent") if there else self._waiting(write, failed)

    def _has_moved(self, write: Write) -> bool:
        if "owner" not in write.fields or write.seen is None:
            return False
        lead = self._lead(write.external_id)
        return lead is not None and self._held(write, lead)["owner"] != write.seen.get("owner")

    def _body(self, write: Write) -> Record | str:
        """What is sent, or why it would not be done: the API empties the owner where it does not know the id."""
        custom = {self._field(name): value for name, value in write.fields.items()}
        body: Record = {"custom_fields": custom}
        if "owner" in write.fields:
            owner = write.fields["owner"]
            profile = self._assignable.get(str(owner).strip().lower()) if owner else None
            if owner and profile is None:
                return "the owner is no active member of this organisation"
            body["assigned_to"] = [profile] if profile else []
            custom[self._field("owner")] = self._members.get(profile or "")
        return body

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """external_id -> what the lead holds now of the fields that `write` sets; leads that are gone are left out."""
        listed = self._many({write.external_id for write in writes})
        found = ((write, listed.get(write.external_id) or self._lead(write.external_id)) for write in writes)
        return {write.external_id: self._held(write, lead) for write, lead in found if lead}

    def _many(self, wanted: Set[str]) -> Mapping[str, Record]:
        """Of these leads those that the list has, where walking it costs less than asking for one by one."""
        if len(wanted) < _FEW or self._count() > _LISTED_FOR_ONE * len(wanted):
            return {}
        return {lead["id"]: lead for page in self._raw("leads") for lead in page if lead["id"] in wanted}

    def _count(self) -> int:
        answer = self._http.ask("GET", "leads/", params={"limit": 1})
        return sum(_number(answer, count) for _, count in _LISTS["leads"].parts)

    def _lead(self, external_id: str) -> Record | None:
        answer = self._http.ask("GET", f"leads/{external_id}/", accept={404})
        return None if answer.status == 404 else at(answer.json(), "lead_obj")

    def _held(self, write: Write, lead: Record) -> Record:
        custom = _custom(lead)
        held = {name: custom.get(self._field(name)) for name in self._written_fields}
        return held | {"owner": self._named(write.fields.get("owner"), self._owner(lead)["owner"])}

    def _named(self, wanted: Any, found: str | None) -> Any:
        """The owner found, in the words of the write where it means the same member."""
        same = (
            wanted
            and found
            and self._assignable.get(str(wanted).strip().lower()) == self._assignable.get(found)
        )
        return wanted if same else found

    # --- set-up -----------------------------------------------------------------------------------

    def _field(self, name: str) -> str:
        return f"{self._prefix}_{name}"

    @property
    def _defined(self) -> set[str]:
        """Ours that have a custom field; looked up each time, for an administrator may change them."""
        sent = {"target_model": "Lead", "active_only": "true", "include_counts": "false"}
        answer = self._http.ask("GET", "custom-fields/", params=sent)
        keys = {one["key"] for one in listed(answer, "definitions")}
        return {name for name in FIELDS if self._field(name) in keys}

    @property
    def _written_fields(self) -> Sequence[str]:
        """Those that sources.yaml names; without, all but what only goes where it is named."""
        named = self._source.push_fields
        return [name for name in FIELDS if (name in named if named else name not in FEEDBACK)]

    def prepare(self) -> Sequence[str]:
        """Make the custom fields that are missing, and name them; the token's owner must be an administrator."""
        defined = self._defined
        missing = [name for name in self._written_fields if name not in defined]
        for name in missing:
            label = f"{self._prefix} {name.replace('_', ' ')}".capitalize()
            described = {"key": self._field(name), "label": label, "field_type": FIELDS[name]}
            self._http.ask("POST", "custom-fields/", json={"target_model": "Lead", **described})
        return [self._field(name) for name in missing]

    def check(self) -> Checks:
        """Whether the token is accepted, may write, and finds the custom fields; limits are not told by the API."""
        try:
            members = len(self._people)
        except SourceFailed as failed:
            return (Checked("login", False, str(failed)),)
        login = Checked("login", True, f"accepted; the organisation has {members} members")
        limits = Checked(
            "limits", None, "BottleCRM has none for who is signed in, unless a proxy before it has"
        )
        return (login, limits, *(self._check_write() if self._source.push else ()))

    def _check_write(self) -> Checks:
        try:
            self._http.ask("PATCH", f"leads/{_NOBODY}/", json={}, idempotent=True, accept={404})
            defined = self._defined
            missing = [self._field(name) for name in self._written_fields if name not in defined]
        except SourceFailed as failed:
            return (Checked("write", False, str(failed)),)
        allowed = Checked("write", True, "the token may write leads (tried on an id that nobody has)")
        there = (
            f"missing: {', '.join(missing)}; `connector prepare` makes them" if missing else "all are there"
        )
        return (allowed, Checked("custom fields", not missing, there))


# --- records ----------------------------------------------------------------------------------------


_PASSING: Final = frozenset({"created_on_arrow", "days_in_stage", "aging_status", "is_unanswered"})
"""what the clock changes, and nobody did"""


def _flat(record: Record) -> Record:
    """Plain values as they are, custom fields as `cf_<key>`, tags and teams by name, in order of the alphabet."""
    plain = {
        name: value
        for name, value in record.items()
        if not isinstance(value, dict | list) and name not in _PASSING
    }
    named = {
        name: ", ".join(sorted(one["name"] for one in record[name] if isinstance(one, dict)))
        for name in ("tags", "teams")
        if record.get(name)
    }
    return plain | named | {f"cf_{key}": value for key, value in sorted(_custom(record).items())}


def _lead(record: Record) -> Record:
    return _flat(record) | {"converted": record.get("status") == "converted"}


def _contact(record: Record) -> Record:
    linked = sorted(one["id"] for one in record.get("linked_accounts") or [])
    return _flat(record) | {"account_id": record.get("account") or next(iter(linked), None)}


def _deal(record: Record) -> Record:
    people = record.get("contacts") or [{}]
    return _flat(record) | {
        "account_id": (record.get("account") or {}).get("id"),
        "contact_id": people[0].get("id"),
        "kind": record.get("stage_kind"),
    }


def _member(record: Record) -> Record:
    user = record["user_details"]
    return {
        "id": record["id"],
        "email": user["email"].lower(),
        "name": user["name"],
        "role": record["role"],
        "active": bool(record["is_active"] and user["is_active"]),
    }


_LISTS: Final[Mapping[str, _List]] = {
    "leads": _List(
        "leads/",
        (("open_leads.open_leads", "open_leads.leads_count"), ("close_leads.close_leads", "close_leads.leads_count")),
        _lead,
    ),
    "contacts": _List("contacts/", (("results", "count"),), _contact),
    "accounts": _List(
        "accounts/",
        (
            ("active_accounts.open_accounts", "active_accounts.open_accounts_count"),
            ("closed_accounts.close_accounts", "closed_accounts.close_accounts_count"),
        ),
        _flat,
        "Account",
    ),
    "opportunities": _List("opportunities/", (("opportunities", "opportunities_count"),), _deal, "Opportunity"),
    "users": _List(
        "users/",
        (
            ("active_users.active_users", "active_users.active_users_count"),
            ("inactive_users.inactive_users", "inactive_users.inactive_users_count"),
        ),
        _member,
    ),
}  # fmt: skip


def _custom(record: Record) -> Mapping[str, Any]:
    return record.get("custom_fields") or {}


def _dates(lead: Record) -> Record:
    return {name: lead[name] for name in ("first_response_at", "first_response_by", "last_outbound_at")}


def _assigned(record: Record) -> list[str]:
    """E-mail addresses of the members assigned, in lower case: who has been a member for longest first."""
    members = sorted(record["assigned_to"], key=lambda member: (member["created_at"], member["id"]))
    return [member["user_details"]["email"].lower() for member in members]


def _number(answer: Answer, path: str) -> int:
    found = at(answer.json(), path)
    if not isinstance(found, int):
        raise SourceFailed(f"{answer.asked} answered {answer.status} without a number at {path}")
    return found


def _refusal(refused: Refused) -> str:
    """Status and the names of the fields that are not accepted; their values may be personal."""
    try:
        said = refused.answer.json()
    except SourceFailed:
        return str(refused)
    errors = said.get("errors") if isinstance(said, dict) else None
    return f"{refused} ({', '.join(sorted(errors))})" if isinstance(errors, dict) else str(refused)
