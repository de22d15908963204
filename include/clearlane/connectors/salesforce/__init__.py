"""Salesforce through simple-salesforce: any object by SOQL, changed since, with what was deleted; updates of leads.

`read` names an object (`Lead`, `CampaignMember`), an object with a condition (`Task where IsClosed = true`), or what is
made of several: `Touches` (answers by sales to leads) and `Conversions` (leads that became contacts).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from clearlane.connectors.address import placed
from clearlane.connectors.http import Patience
from clearlane.connectors.pages import Page, chunks
from clearlane.connectors.protocol import (
    UNREADABLE,
    Checked,
    Checks,
    Chunk,
    Interval,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.salesforce.session import HELD_BACK, Denied, wired
from clearlane.connectors.salesforce.soql import (
    QUEUE,
    Record,
    asked_for,
    columns_of,
    cursor_of,
    flat,
    is_id,
    select,
    short,
    within,
)
from clearlane.connectors.salesforce.writing import Row, Updates
from clearlane.policy.model import PUSHED, ObjectMapping, Source

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce as Api

VERSION: Final = "63.0"
"""of the API, where the connection's extra `version` says none"""
OWNER: Final = "OwnerId"
IN_A_QUERY: Final = 200
"""ids of one condition: the address of a query may have 16,384 bytes"""
_HIDDEN: Final = ("INVALID_TYPE", "INVALID_FIELD", "INSUFFICIENT_ACCESS")
_PATIENCE: Final = Patience()
_WITHOUT_VALUE: Final = ("address", "location", "base64")  # compounds of other fields, and files

TASKS: Final = (
    "Id", "WhoId", "OwnerId", "TaskSubtype", "CallType", "CompletedDateTime", "CreatedDate", "SystemModstamp",
    "IsDeleted",
)  # fmt: skip
ANSWERS: Final = "Who.Type = 'Lead' AND IsClosed = true AND TaskSubtype IN ('Call', 'Email')"
"""tasks that may be touches: mails to lists and cadences are of subtypes of their own"""
EVENTS: Final = (
    "Id", "WhoId", "OwnerId", "StartDateTime", "CreatedDate", "SystemModstamp", "IsDeleted",
)  # fmt: skip
MEETINGS: Final = "Who.Type = 'Lead' AND IsChild = false"
CONVERTED: Final = (
    "Id", "OwnerId", "ConvertedDate", "ConvertedOpportunityId", "ConvertedContactId", "ConvertedAccountId",
    "CreatedDate", "SystemModstamp", "IsDeleted",
)  # fmt: skip


class Salesforce:
    """One organisation, at the host of the connection (its My Domain)."""

    def __init__(
        self,
        source: Source,
        secrets: Secrets,
        *,
        patience: Patience = _PATIENCE,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        place = placed(source, secrets)
        self._source, self._wait, self._base = source, wait, place.base
        self._version = place.extras.get("version", VERSION).lstrip("v")
        self._wire = wired(source.name, place, self._version, patience, wait)
        self._fields: dict[str, Mapping[str, Record]] = {}

    @cached_property
    def _api(self) -> Api:
        from simple_salesforce.api import Salesforce as Api

        return Api(session_id=HELD_BACK, instance_url=self._base, session=self._wire, version=self._version)

    # --- reading ----------------------------------------------------------------------------------

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The records whose cursor's column (SystemModstamp, best) lies in the interval, deleted ones included.

        The interval's start lies before the last run's end by the mapping's `lookback`: what was committed late is
        found, and what was seen before counts as a duplicate.
        """
        made: Mapping[str, Callable[[Interval], Iterator[Page]]] = {
            "Touches": self._touches,
            "Conversions": self._conversions,
        }
        if object.read.strip() in made:
            yield from chunks(made[object.read.strip()](interval))
            return
        try:
            sobject, condition = asked_for(object.read)
        except ValueError as error:
            raise SourceFailed(f"source {self._source.name}: {error}, {', '.join(made)}") from None
        wanted = select(
            self._columns(sobject, object), sobject, condition, within(cursor_of(object), interval)
        )
        yield from chunks(self._queried(wanted, deleted=True))

    def _columns(self, sobject: str, mapping: ObjectMapping) -> list[str]:
        """Those that the mapping names; with `extras` all others that this user sees, but not what we write."""
        named = ["Id", *columns_of(mapping)]
        if mapping.fields and not mapping.extras:
            return named
        ours = (
            {field for field in self._pushed.values() if field != OWNER} if sobject == self._leads else set()
        )
        left_out = {name.lower() for name in (*mapping.drop, *ours)}
        return named + [
            name
            for name, field in self._described(sobject).items()
            if name.lower() not in left_out and field.get("type") not in _WITHOUT_VALUE
        ]

    def _queried(self, soql: str, *, deleted: bool = False) -> Iterator[Page]:
        """The pages of a query (2,000 records at most), flat."""
        said = self._api.query(soql, include_deleted=deleted)
        seen: set[str] = set()
        while True:
            records = said.get("records") if isinstance(said, dict) else None
            if not isinstance(records, list):
                raise SourceFailed(f"source {self._source.name}: a query was answered without `records`")
            yield [flat(record) if isinstance(record, dict) else record for record in records]
            if said.get("done") is True:
                return
            following = str(said.get("nextRecordsUrl") or "")
            if not following or following in seen:
                raise SourceFailed(f"source {self._source.name}: a query has no end and no next page")
            seen.add(following)
            said = self._api.query_more(following, identifier_is_url=True)

    def _described(self, sobject: str) -> Mapping[str, Record]:
        """The object's fields that this user sees, by name; field-level security hides the others."""
        if sobject not in self._fields:
            said = self._api.restful(f"sobjects/{sobject}/describe")
            fields = said.get("fields") if isinstance(said, dict) else None
            if not isinstance(fields, list):
                raise SourceFailed(f"source {self._source.name}: {sobject} is described without `fields`")
            self._fields[sobject] = {field["name"]: field for field in fields}
        return self._fields[sobject]

    # --- made of several --------------------------------------------------------------------------

    def _touches(self, interval: Interval) -> Iterator[Page]:
        """Calls and mails to leads that are done, at their end, and meetings with them, when they were booked.

        What came in is none: calls by their type, mails by their EmailMessage.
        """
        changed = within("SystemModstamp", interval)
        for page in self._queried(select(TASKS, "Task", ANSWERS, changed), deleted=True):
            incoming = self._incoming([task["Id"] for task in page if task["TaskSubtype"] == "Email"])
            yield [_touch(task) for task in page if _went_out(task) and task["Id"] not in incoming]
        for page in self._queried(select(EVENTS, "Event", MEETINGS, changed), deleted=True):
            yield [_meeting(event) for event in page if not event["IsDeleted"]]

    def _incoming(self, tasks: Sequence[str]) -> set[str]:
        """Those of the tasks that stand for mails received; none where mails are not kept as EmailMessage."""
        try:
            return {
                mail["ActivityId"]
                for mail in self._by_ids("ActivityId", "EmailMessage", "ActivityId", tasks, "Incoming = true")
            }
        except Denied as denied:
            if set(denied.codes) & set(_HIDDEN):
                return set()
            raise

    def _conversions(self, interval: Interval) -> Iterator[Page]:
        changed = within("SystemModstamp", interval)
        for page in self._queried(select(CONVERTED, "Lead", "IsConverted = true", changed), deleted=True):
            yield [_conversion(lead) for lead in page if not lead["IsDeleted"]]

    def _by_ids(
        self, columns: str, sobject: str, column: str, ids: Iterable[str], *conditions: str
    ) -> Iterator[Record]:
        from simple_salesforce.format import format_soql

        rest = iter(ids)
        while some := list(islice(rest, IN_A_QUERY)):
            of_these = f"{column} IN {format_soql('{}', some)}"
            for page in self._queried(select([columns], sobject, of_these, *conditions)):
                yield from page

    # --- people and queues ------------------------------------------------------------------------

    @cached_property
    def _users(self) -> Mapping[str, str | None]:
        """Id, user name and e-mail address in lower case -> id of the active user; None where several have it."""
        people = [
            user
            for page in self._queried(select(("Id", "Username", "Email"), "User", "IsActive = true"))
            for user in page
        ]
        found: dict[str, str | None] = {}
        for name in ("Email", "Username"):
            for user in people:
                key = str(user[name] or "").lower()
                found[key] = None if name == "Email" and key in found else user["Id"]
        return found | {id: user["Id"] for user in people for id in (user["Id"], short(user["Id"]))}

    @cached_property
    def _queues(self) -> Mapping[str, str]:
        """Id, and name and developer name in lower case -> id of the queue."""
        columns = ("Id", "Name", "DeveloperName")
        found = [
            queue for page in self._queried(select(columns, "Group", "Type = 'Queue'")) for queue in page
        ]
        named = {
            str(queue[name]).lower(): queue["Id"] for name in ("Name", "DeveloperName") for queue in found
        }
        return named | {id: queue["Id"] for queue in found for id in (queue["Id"], short(queue["Id"]))}

    def _user(self, named: Any) -> str | None:
        return _looked_up(self._users, named)

    def _queue(self, named: Any) -> str | None:
        return _looked_up(self._queues, named)

    # --- writing ----------------------------------------------------------------------------------

    @cached_property
    def _pushed(self) -> Mapping[str, str]:
        """What we write -> its field: as sources.yaml says, else custom fields of the prefix that `push` is."""
        if self._source.push_fields:
            return self._source.push_fields
        prefix = self._source.push or "Clearlane"
        return {name: OWNER if name in ("owner", "queue") else f"{prefix}_{name}__c" for name in PUSHED}

    @cached_property
    def _leads(self) -> str:
        return self._object("leads")

    def _object(self, ours: str) -> str:
        """The object of Salesforce that is written: that of the first mapping of ours which reads one."""
        read = (mapping.read for mapping in self._source.objects.values() if mapping.object == ours)
        return next((asked_for(name)[0] for name in read), "Lead")

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """Collections of 200 records, above 2,000 a bulk job; assignment rules do not run.

        An owner is a user's id, user name or e-mail address; without one the lead goes to the queue of that name.
        """
        receipts: dict[str, Receipt] = {}
        for ours in dict.fromkeys(write.object for write in writes):
            receipts |= self._written(ours, [write for write in writes if write.object == ours])
        return [receipts[write.idempotency_key] for write in writes]

    def _written(self, ours: str, writes: Sequence[Write]) -> dict[str, Receipt]:
        sobject = self._object(ours)
        wrong = self._uneditable(sobject, {name for write in writes for name in write.fields})
        if wrong:
            raise SourceFailed(f"source {self._source.name}: {sobject}: {wrong}")
        rows: list[Row] = []
        settled = self._changed(sobject, writes)
        for write in writes:
            values = self._values(write)
            if isinstance(values, str):
                settled[write.idempotency_key] = Receipt(write.idempotency_key, "refused", values)
            elif write.idempotency_key not in settled:
                rows.append(Row(write, values))
        data = f"/services/data/v{self._version}"
        return settled | Updates(self._wire, data, sobject, self._wait).done(rows)

    def _changed(self, sobject: str, writes: Sequence[Write]) -> dict[str, Receipt]:
        """The writes of an owner whose record has another one by now than they have `seen`.

        Collections know no condition, so this is looked up just before: what a person changes in the same moment
        is still lost.
        """
        field = self._pushed.get("owner")
        asked = [write for write in writes if field and write.seen is not None and "owner" in write.fields]
        now = self._records(sobject, ["Id", str(field)], asked)
        return {
            write.idempotency_key: Receipt(
                write.idempotency_key, "changed", "its owner was changed meanwhile"
            )
            for write in asked
            if (record := now.get(short(write.external_id)))
            and self._held_owner(write, record) != (write.seen or {}).get("owner")
        }

    def _records(self, sobject: str, columns: Sequence[str], writes: Sequence[Write]) -> Mapping[str, Record]:
        """Short id -> the record of a write, as it is now."""
        ids = dict.fromkeys(write.external_id for write in writes if is_id(write.external_id))
        found = self._by_ids(", ".join(dict.fromkeys(columns)), sobject, "Id", ids)
        return {short(record["Id"]): record for record in found}

    def _uneditable(self, sobject: str, names: Iterable[str]) -> str:
        """What this user cannot write, by its reason; field-level security hides fields or makes them read-only."""
        wanted = {self._pushed[name] for name in names if name in self._pushed}
        known = self._described(sobject)
        missing = sorted(wanted - set(known))
        locked = sorted(field for field in wanted & set(known) if not known[field].get("updateable"))
        said = (
            f"no field {', '.join(missing)}, or hidden from this user" if missing else "",
            f"read-only for this user: {', '.join(locked)}" if locked else "",
        )
        return "; ".join(filter(None, said))

    def _values(self, write: Write) -> Record | str:
        """Field -> value, or why the write cannot be done."""
        if not is_id(write.external_id):
            return "not an id of Salesforce"
        values = {
            self._pushed[name]: value
            for name, value in write.fields.items()
            if name in self._pushed and name not in ("owner", "queue")
        }
        owner = self._owner(write.fields)
        return owner if isinstance(owner, str) else values | owner

    def _owner(self, fields: Mapping[str, Any]) -> Record | str:
        """Owner and queue as fields; one OwnerId holds either, and cannot be empty."""
        to_user, to_queue = self._pushed.get("owner"), self._pushed.get("queue")
        values: Record = {}
        if "queue" in fields and to_queue and to_queue != OWNER:
            values[to_queue] = fields["queue"]
        if fields.get("owner") and to_user:
            user = self._user(fields["owner"])
            return (
                values | {to_user: user}
                if user
                else "the owner is no active user, or several have that e-mail"
            )
        if fields.get("queue") and to_queue == OWNER:
            queue = self._queue(fields["queue"])
            return values | {OWNER: queue} if queue else f"no queue {fields['queue']}"
        if "owner" in fields and to_user == OWNER:
            return "a record cannot be without an owner; push_fields may say `queue: OwnerId`"
        return values | ({to_user: None} if "owner" in fields and to_user else {})

    # --- reading back -----------------------------------------------------------------------------

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """What the records hold now, an owner or queue in the words of the write where it means the same.

        Deleted records are left out. Who changed an owner that is not the wanted one, and when, is in the object's
        field history where that is kept.
        """
        sobject = self._object(writes[0].object) if writes else self._leads
        wanted = {
            name: field
            for name, field in self._pushed.items()
            if any(name in write.fields for write in writes)
        }
        seen = set(self._described(sobject)) if writes else set()
        found = self._records(sobject, ["Id", *(field for field in wanted.values() if field in seen)], writes)
        held = {
            write.external_id: self._held(write, found[short(write.external_id)], wanted, seen)
            for write in writes
            if short(write.external_id) in found
        }
        others = [write for write in writes if _owned_otherwise(write, held.get(write.external_id, {}))]
        changes = self._owner_changes(sobject, [write.external_id for write in others])
        return {id: record | changes.get(short(id), {}) for id, record in held.items()}

    def _held(self, write: Write, record: Record, wanted: Mapping[str, str], seen: set[str]) -> Record:
        held = {name: record.get(field) if field in seen else UNREADABLE for name, field in wanted.items()}
        if "owner" in held:
            held["owner"] = self._held_owner(write, record)
        if wanted.get("queue") == OWNER:
            held["queue"] = _in_its_words(self._queue, write.fields.get("queue"), record.get(QUEUE))
        return held

    def _held_owner(self, write: Write, record: Record) -> str | None:
        """The id of the user, or the write's word for that user; None where a queue or nobody has the record."""
        return _in_its_words(self._user, write.fields.get("owner"), record.get(self._pushed["owner"]))

    def _owner_changes(self, sobject: str, ids: Sequence[str]) -> Mapping[str, Record]:
        """Short id -> when the owner changed last and by whom; nothing where the field has no history."""
        columns = f"{sobject}Id, CreatedById, CreatedDate"
        try:
            changes = list(self._by_ids(columns, f"{sobject}History", f"{sobject}Id", ids, "Field = 'Owner'"))
        except Denied as denied:
            if set(denied.codes) & set(_HIDDEN):
                return {}
            raise
        changes.sort(key=lambda change: str(change["CreatedDate"]))
        return {
            short(change[f"{sobject}Id"]): {
                "owner_changed_at": datetime.fromisoformat(change["CreatedDate"]),
                "owner_changed_by": change["CreatedById"],
            }
            for change in changes
        }

    # --- trying it --------------------------------------------------------------------------------

    def check(self) -> Checks:
        """Login and limits, the objects that are read, the fields that are written, the queues there are."""
        try:
            self._api.query("SELECT Id FROM User LIMIT 1")
        except SourceFailed as failed:
            return (Checked("login", False, str(failed)),)
        login = Checked("login", True, f"API {self._version}, assignment rules switched off")
        return (login, self._limits(), *self._rights())

    def _limits(self) -> Checked:
        """The organisation's API requests; not every user may see them."""
        try:
            said = self._api.limits()
        except SourceFailed as failed:
            return Checked("limits", None, str(failed))
        left = said.get("DailyApiRequests") if isinstance(said, dict) else None
        if not isinstance(left, dict):
            return Checked("limits", None, "not told")
        return Checked(
            "limits",
            left["Remaining"] > 0,
            f"{left['Remaining']:,} of {left['Max']:,} API requests of 24 hours left",
        )

    def _rights(self) -> Iterator[Checked]:
        for sobject in dict.fromkeys(self._sobjects()):
            try:
                fields = self._described(sobject)
                yield Checked("scopes", True, f"{sobject}: this user sees {len(fields)} fields")
            except SourceFailed as failed:
                yield Checked("scopes", False, str(failed))
        if self._source.push:
            yield self._trial_of_writing()

    def _sobjects(self) -> Iterator[str]:
        for mapping in self._source.objects.values():
            if mapping.read.strip() == "Touches":
                yield from ("Task", "Event")
            elif mapping.read.strip() == "Conversions":
                yield "Lead"
            else:
                yield asked_for(mapping.read)[0]

    def _trial_of_writing(self) -> Checked:
        try:
            wrong = self._uneditable(self._leads, self._pushed)
            queues = len(set(self._queues.values()))
        except SourceFailed as failed:
            return Checked("write", False, str(failed))
        fields = ", ".join(dict.fromkeys(self._pushed.values()))
        return Checked("write", not wrong, wrong or f"{self._leads}: {fields}; {queues} queues")


def _looked_up(known: Mapping[str, Any], named: Any) -> str | None:
    """By id as it is written, by a name whatever its case."""
    name = str(named or "").strip()
    return known.get(name) or known.get(name.lower())


def _in_its_words(find: Callable[[Any], str | None], said: Any, id: str | None) -> str | None:
    return said if id and said and find(said) == id else id


def _owned_otherwise(write: Write, held: Mapping[str, Any]) -> bool:
    return (
        bool(write.fields.get("owner")) and held.get("owner", write.fields["owner"]) != write.fields["owner"]
    )


def _went_out(task: Record) -> bool:
    return task["CallType"] != "Inbound" and not task["IsDeleted"]


def _touch(task: Record) -> Record:
    done = task["CompletedDateTime"] or task["CreatedDate"]
    return _outcome(task, "first_touch", done) | {"type": str(task["TaskSubtype"]).lower()}


def _meeting(event: Record) -> Record:
    """A meeting counts from when it was booked; one that is logged afterwards from its start."""
    booked = event["CreatedDate"]
    return _outcome(event, "meeting", min(booked, event["StartDateTime"] or booked)) | {"type": "meeting"}


def _outcome(record: Record, kind: str, at: str) -> Record:
    kept = {name: record[name] for name in ("Id", "OwnerId", "CreatedDate", "SystemModstamp")}
    return kept | {"LeadId": record["WhoId"], "kind": kind, "occurred_at": at}


def _conversion(lead: Record) -> Record:
    """Salesforce keeps the day of a conversion: the outcome is at its start, and never before the lead."""
    kind = "opportunity" if lead["ConvertedOpportunityId"] else "sql"
    at = max(lead["CreatedDate"], f"{lead['ConvertedDate']}T00:00:00.000+0000")
    return {**lead, "Id": f"{lead['Id']}:{kind}", "LeadId": lead["Id"], "kind": kind, "occurred_at": at}
