"""Salesforce through simple-salesforce: any object by SOQL, changed since, with what was deleted; updates of leads.

`read` names an object (`Lead`, `CampaignMember`), an object with a condition (`Task where IsClosed = true`), or what is
made of several (`outcomes.MADE`: `Touches`, `Conversions`, `ClosedDeals`, `Statuses`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from clearlane.connectors.address import placed
from clearlane.connectors.by_hand import Kinds, steps
from clearlane.connectors.http import Patience
from clearlane.connectors.pages import chunks
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
from clearlane.connectors.salesforce.asking import Asking
from clearlane.connectors.salesforce.outcomes import MADE
from clearlane.connectors.salesforce.people import People, in_the_words_of
from clearlane.connectors.salesforce.session import wired
from clearlane.connectors.salesforce.soql import (
    QUEUE,
    Record,
    as_asked,
    asked_for,
    columns_of,
    cursor_of,
    is_id,
    select,
    short,
    within,
)
from clearlane.connectors.salesforce.writing import Row, Updates
from clearlane.policy.model import PUSHED, ObjectMapping, Source

__all__ = ["OWNER", "QUEUED", "VERSION", "Salesforce"]

VERSION: Final = "63.0"
"""of the API, where the connection's extra `version` says none"""
OWNER: Final = "OwnerId"
MODIFIED: Final = "LastModifiedDate"
"""to which Salesforce holds If-Unmodified-Since"""
QUEUED: Final = ("pool", "nurture", "held", "disqualified", "exceptions", "redirected")
"""places whose leads have no rep"""
_PATIENCE: Final = Patience()
_KINDS: Final = Kinds("Number of 3 digits", "Long Text Area", "Date/Time", "Text of 80 characters")
_WITHOUT_VALUE: Final = ("address", "location", "base64")  # compounds of other fields, and files


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
        version = place.extras.get("version", VERSION).lstrip("v")
        self._source, self._wait, self._version = source, wait, version
        self._wire = wired(source.name, place, version, patience, wait)
        self._asking = Asking(source.name, self._wire, place.base, version)
        self._people = People(self._asking)

    # --- reading ----------------------------------------------------------------------------------

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The records whose cursor's column (SystemModstamp, best) lies in the interval, deleted ones included.

        The interval's start lies before the last run's end by the mapping's `lookback`: what was committed late is
        found, and what was seen before counts as a duplicate.
        """
        if object.read.strip() in MADE:
            made, _ = MADE[object.read.strip()]
            yield from chunks(made(self._asking, object, interval))
            return
        sobject, condition = self._asked_for(object)
        changed = within(cursor_of(object), interval)
        columns = self._columns(sobject, object)
        pages = self._asking.pages(select(columns, sobject, condition, changed), deleted=True)
        yield from chunks(as_asked(columns, page) for page in pages)

    def _asked_for(self, mapping: ObjectMapping) -> tuple[str, str | None]:
        try:
            return asked_for(mapping.read)
        except SourceFailed as failed:
            raise SourceFailed(f"source {self._source.name}: {failed}, {', '.join(MADE)}") from None

    def _columns(self, sobject: str, mapping: ObjectMapping) -> list[str]:
        """Those that the mapping names; with `extras` all others that this user sees, but not what we write."""
        named = [*columns_of(mapping), "Id"]
        if len(named) > 1 and not (mapping.fields and mapping.extras):
            return named
        ours = {field for field in self._pushed.values() if field != OWNER}
        left_out = {name.lower() for name in (*mapping.drop, *(ours if sobject == self._leads else ()))}
        return named + [
            name
            for name, field in self._asking.fields(sobject).items()
            if name.lower() not in left_out and field.get("type") not in _WITHOUT_VALUE
        ]

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
        read = (mapping for mapping in self._source.objects.values() if mapping.object == ours)
        return next((self._asked_for(mapping)[0] for mapping in read), "Lead")

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """Owners 25 at once on condition, else collections of 200 records, above 2,000 a bulk job; no assignment rule.

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
        settled, unchanged = self._overtaken(sobject, writes)
        for write in writes:
            values = self._values(write)
            if isinstance(values, str):
                settled[write.idempotency_key] = Receipt(write.idempotency_key, "refused", values)
            elif not values:  # of its fields push_fields names none
                settled[write.idempotency_key] = Receipt(write.idempotency_key, "sent")
            elif write.idempotency_key not in settled:
                rows.append(Row(write, values, unchanged.get(write.idempotency_key)))
        data = f"/services/data/v{self._version}"
        return settled | Updates(self._wire, data, sobject, self._wait).done(rows)

    def _overtaken(
        self, sobject: str, writes: Sequence[Write]
    ) -> tuple[dict[str, Receipt], dict[str, datetime]]:
        """The writes of an owner whose record has another one by now than they have `seen`; and of the others when
        the record changed last: they are written only if that is still so.
        """
        field = self._pushed.get("owner")
        asked = [write for write in writes if field and write.seen is not None and "owner" in write.fields]
        now = self._records(sobject, ["Id", str(field), MODIFIED], asked)
        settled, unchanged = dict[str, Receipt](), dict[str, datetime]()
        for write in asked:
            record, key = now.get(short(write.external_id)), write.idempotency_key
            if record and self._held_owner(write, record) != (write.seen or {}).get("owner"):
                settled[key] = Receipt(key, "changed", "its owner was changed meanwhile")
            elif record and (moment := _moment(record.get(MODIFIED))):
                unchanged[key] = moment
        return settled, unchanged

    def _records(self, sobject: str, columns: Sequence[str], writes: Sequence[Write]) -> Mapping[str, Record]:
        """Short id -> the record of a write, as it is now."""
        ids = dict.fromkeys(write.external_id for write in writes if is_id(write.external_id))
        found = self._asking.by_ids(columns, sobject, "Id", ids)
        return {short(record["Id"]): record for record in found}

    def _unwritable(self, sobject: str, names: Iterable[str]) -> tuple[list[str], list[str]]:
        """Fields that are not there, or hidden by field-level security, and those that it makes read-only."""
        wanted = {self._pushed[name] for name in names if name in self._pushed}
        known = self._asking.fields(sobject)
        locked = sorted(field for field in wanted & set(known) if not known[field].get("updateable"))
        return sorted(wanted - set(known)), locked

    def _uneditable(self, sobject: str, names: Iterable[str]) -> str:
        """What this user cannot write, by its reason."""
        missing, locked = self._unwritable(sobject, names)
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
            user = self._people.user(fields["owner"])
            return (
                values | {to_user: user}
                if user
                else "the owner is no active user, or several have that e-mail"
            )
        if fields.get("queue") and to_queue == OWNER:
            queue = self._people.queue(fields["queue"])
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
        seen = set(self._asking.fields(sobject)) if writes else set()
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
            said = write.fields.get("queue")
            held["queue"] = in_the_words_of(said, record.get(QUEUE), self._people.queue(said))
        return held

    def _held_owner(self, write: Write, record: Record) -> str | None:
        """The id of the user, or the write's word for that user; None where a queue or nobody has the record."""
        said = write.fields.get("owner")
        return in_the_words_of(said, record.get(self._pushed["owner"]), self._people.user(said))

    def _owner_changes(self, sobject: str, ids: Sequence[str]) -> Mapping[str, Record]:
        """Short id -> when the owner changed last and by whom; nothing where the field has no history."""
        record = f"{sobject}Id"
        columns, owners = (record, "CreatedById", "CreatedDate"), "Field = 'Owner'"
        changes = self._asking.by_ids_where_kept(columns, f"{sobject}History", record, ids, owners)
        return {
            short(change[record]): {
                "owner_changed_at": datetime.fromisoformat(change["CreatedDate"]),
                "owner_changed_by": change["CreatedById"],
            }
            for change in sorted(changes, key=lambda change: str(change["CreatedDate"]))
        }

    # --- setting it up ----------------------------------------------------------------------------

    def instructions(self) -> Sequence[str]:
        """Fields, rights and queues that are missing. To make them is no right of an integration's user."""
        missing, locked = self._unwritable(self._leads, self._pushed)
        where = (
            f"Setup, Object Manager, {self._leads}, Fields & Relationships: make these fields, or where they are there"
            " let this user see them; and give this user's permission set edit access"
        )
        told = list(steps(where, _KINDS, self._pushed, missing))
        if locked:
            told.append(f"Setup, Permission Sets, that of this user: edit access to {', '.join(locked)}")
        queues = self._missing_queues() if self._pushed.get("queue") == OWNER else ()
        if queues:
            told.append(f"Setup, Queues: make queues for {self._leads} named {', '.join(queues)}")
        return told

    def _missing_queues(self) -> Sequence[str]:
        return [place for place in QUEUED if self._people.queue(place) is None]

    # --- trying it --------------------------------------------------------------------------------

    def check(self) -> Checks:
        """Login and limits, the objects that are read, the fields that are written, the queues there are."""
        try:
            self._asking.all("SELECT Id FROM User LIMIT 1")
        except SourceFailed as failed:
            return (Checked("login", False, str(failed)),)
        login = Checked("login", True, f"API {self._version}, assignment rules switched off")
        return (login, self._limits(), *self._rights())

    def _limits(self) -> Checked:
        """Not every user may see them."""
        try:
            told = self._asking.requests_left()
        except SourceFailed as failed:
            return Checked("limits", None, str(failed))
        if told is None:
            return Checked("limits", None, "not told")
        left, most = told
        return Checked("limits", left > 0, f"{left:,} of {most:,} API requests of 24 hours left")

    def _rights(self) -> Iterator[Checked]:
        """What this user sees of the objects that are read, and may write."""
        for sobject in dict.fromkeys(
            name for of in self._source.objects.values() for name in self._made_of(of)
        ):
            try:
                fields = self._asking.fields(sobject)
                yield Checked("scopes", True, f"{sobject}: this user sees {len(fields)} fields")
            except SourceFailed as failed:
                yield Checked("scopes", False, str(failed))
        if self._source.push:
            yield self._trial_of_writing()
        if self._source.push and self._pushed.get("queue") == OWNER:
            yield self._trial_of_queues()

    def _made_of(self, mapping: ObjectMapping) -> Sequence[str]:
        """The objects that are asked; none where `read` is no object, which reading it says."""
        if mapping.read.strip() in MADE:
            return MADE[mapping.read.strip()][1]
        with suppress(SourceFailed):
            return [asked_for(mapping.read)[0]]
        return []

    def _trial_of_writing(self) -> Checked:
        try:
            wrong = self._uneditable(self._leads, self._pushed)
        except SourceFailed as failed:
            return Checked("write", False, str(failed))
        fields = ", ".join(dict.fromkeys(self._pushed.values()))
        lacking = wrong and f"{wrong}; `connector prepare` says what an administrator does"
        return Checked("write", not wrong, lacking or f"{self._leads}: {fields}")

    def _trial_of_queues(self) -> Checked:
        """A place without a rep goes to the queue that teams.yaml names for its team, else to one of its own name."""
        try:
            missing = self._missing_queues()
        except SourceFailed as failed:
            return Checked("queues", False, str(failed))
        said = f"queues: {self._people.queues}"
        if not missing:
            return Checked("queues", True, said)
        lost = "such a lead is refused unless its team's queue is there"
        return Checked("queues", None, f"{said}, none named {', '.join(missing)}: {lost}")


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        moment = datetime.fromisoformat(str(text))
        return moment if moment.tzinfo else None
    return None


def _owned_otherwise(write: Write, held: Mapping[str, Any]) -> bool:
    return (
        bool(write.fields.get("owner")) and held.get("owner", write.fields["owner"]) != write.fields["owner"]
    )
