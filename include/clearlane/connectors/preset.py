"""What the CRMs share whose lists `rest` can read, and whose writes need more than a template.

A vendor's module describes its lists, says how one record is flattened and how one write is done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from clearlane.connectors import pages
from clearlane.connectors.by_hand import Kinds, steps
from clearlane.connectors.http import Answer, Failed, Pace, Spent
from clearlane.connectors.protocol import (
    Checked,
    Checks,
    Chunk,
    Interval,
    Raw,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.rest import Rest, concerns_all, paces, receipt
from clearlane.connectors.values import at
from clearlane.policy.model import PUSHED, ObjectMapping, Source
from clearlane.policy.model import Rest as Description

Record = dict[str, Any]


class Unwritable(Exception):
    """A write that will never be done as it is; the text names no person."""


@dataclass(frozen=True)
class People:
    """The list of those who may own records."""

    read: str
    id: str
    email: str
    active: str | None = None
    """of a user, true where it may own; None: the list holds no others"""


class Preset(Rest):
    """A CRM of a known make. `push` is the prefix of our custom fields, `push_fields` names others."""

    described: ClassVar[Description]
    people: ClassVar[People]
    record: ClassVar[str] = "contact"
    """what a lead is there"""
    paces: ClassVar[Sequence[Pace]] = ()
    words: ClassVar[Mapping[str, Collection[str]]] = {}
    """list -> its columns of free text, which are personal and stay where they are"""

    def __init__(self, source: Source, secrets: Secrets, **client: Any) -> None:
        """`client` goes to Http. The vendor's own pace holds where sources.yaml names no rate."""
        pace = {} if source.limits.rate else {"pace": self.paces}
        super().__init__(source, secrets, self.described, **{"spent": self._spent, **pace, **client})

    def _spent(self, answer: Answer) -> Spent | None:
        """Whether a limit is used up that asking again does not bring back."""
        return None

    # --- reading ----------------------------------------------------------------------------------

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The records of a list, flattened: all of the interval, and perhaps more."""
        with self._as_described():
            for chunk in self._chunks(object, interval):
                flat = [Raw(self._seen(object.read, raw.payload), raw.line) for raw in chunk.records]
                yield replace(chunk, records=flat)

    @contextmanager
    def _as_described(self) -> Iterator[None]:
        """What is well-formed and not what the API describes fails as a source does: the error itself quotes it."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            said = f"it answers in another form than its API describes ({type(error).__name__})"
            raise SourceFailed(f"source {self._source.name}: {said}") from None

    def _seen(self, read: str, record: Record) -> Record:
        """A record without what people wrote in it, which no rule reads."""
        flat, words = self._flat(read, record), self.words.get(read, ())
        return {name: value for name, value in flat.items() if name not in words}

    def _chunks(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The records of a list as they are; SourceFailed where there is no such list."""
        if object.read not in self.described.reads:
            known = ", ".join(self.described.reads)
            raise SourceFailed(f"source {self._source.name}: no list {object.read}; known are {known}")
        yield from super().read(object, interval)

    def _flat(self, read: str, record: Record) -> Record:
        """A record as the mapping sees it, without what we wrote ourselves."""
        return record

    @cached_property
    def _users(self) -> Mapping[str, str]:
        """Id, and e-mail address in lower case -> id, of those who may own records."""
        who = self.people
        listed = pages.chunks(self._pages(self.described.reads[who.read], {}))
        users = [raw.payload for chunk in listed for raw in chunk.records]
        active = [user for user in users if who.active is None or at(user, who.active)]
        emails = {str(at(user, who.email)).strip().lower(): str(at(user, who.id)) for user in active}
        return emails | {str(at(user, who.id)): str(at(user, who.id)) for user in active}

    def _user(self, owner: Any) -> str:
        """The id of an owner named by id or e-mail address; Unwritable where nobody is."""
        found = self._users.get(str(owner).strip().lower())
        if found is None:
            raise Unwritable("the owner is no active user there")
        return found

    def _named(self, wanted: Any, found: Any) -> Any:
        """The owner that was found, in the words of the write where it means the same user; None is nobody."""
        if found in (None, "", 0):
            return None
        same = self._users.get(str(wanted).strip().lower()) == str(found)
        return wanted if wanted and same else str(found)

    # --- writing ----------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """One record after the other; after a failure that concerns all, the rest waits.

        What has another owner by now than the write has `seen` is left as it is. SourceFailed where a custom field
        is missing.
        """
        self._check_fields(writes)
        receipts: list[Receipt] = []
        stopped: Failed | None = None
        for write in writes:
            told, failed = (receipt(write, stopped), stopped) if stopped else self._tried(write)
            receipts.append(told)
            stopped = failed if failed and concerns_all(failed) else None
        return receipts

    def _tried(self, write: Write) -> tuple[Receipt, Failed | None]:
        try:
            with self._as_described():
                if self._has_moved(write):
                    return Receipt(write.idempotency_key, "changed", "its owner was changed meanwhile"), None
                self._write(write)
        except Unwritable as unwritable:
            return Receipt(write.idempotency_key, "refused", str(unwritable)), None
        except SourceFailed as said:
            failed = said if isinstance(said, Failed) else Failed(str(said), retry_after=said.retry_after)
            return receipt(write, failed), failed
        return receipt(write, None), None

    def _has_moved(self, write: Write) -> bool:
        """Whether the record has another owner by now than the write has `seen`: none of these knows a condition,
        so this is the last look, one request before the write."""
        if write.seen is None or "owner" not in write.seen or "owner" not in self._fields(write):
            return False
        held = self._present(write)
        return held is not None and held["owner"] != write.seen["owner"]

    def _write(self, write: Write) -> None:
        """Do one write; the same write again has the same effect. Raises Unwritable or Failed."""
        raise NotImplementedError

    def _fields(self, write: Write) -> dict[str, Any]:
        """Our name -> value, of what is sent."""
        named = self._source.push_fields
        return {name: value for name, value in write.fields.items() if not named or name in named}

    def _theirs(self, name: str) -> str:
        """What the CRM calls a field of ours."""
        return self._source.push_fields.get(name) or self._called(
            f"{self._source.push or 'clearlane'}_{name}"
        )

    def _called(self, name: str) -> str:
        """The name of a custom field, as the CRM writes such names."""
        return name

    # --- trying -----------------------------------------------------------------------------------

    def _limits(self, answer: Answer) -> str:
        """Beside what the system tells, what each process keeps to."""
        asked = paces(self._source) or self.paces
        kept = " and ".join(f"{pace.requests:,} in {pace.seconds:,.0f} s" for pace in asked)
        return f"{super()._limits(answer)}; at most {kept} are asked"

    def _check_write(self) -> Checks:
        """Whether the fields that are written are there; nothing is written."""
        if self._source.push is None:
            return ()
        try:
            with self._as_described():
                missing = self._missing()
        except SourceFailed as failed:
            return (Checked("write", False, str(failed)),)
        if missing:
            said = f"there is no custom field {', '.join(missing)}: `connector prepare` helps"
            return (Checked("write", False, said),)
        said = f"all fields are there; one request a {self.record} and more for its owner; not tried"
        return (Checked("write", None, said),)

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """external_id -> what its record holds now of the fields that are sent; records that are gone are left out."""
        found = {write.external_id: self._now(write) for write in writes}
        return {id: held for id, held in found.items() if held is not None}

    def _now(self, write: Write) -> Record | None:
        try:
            with self._as_described():
                return self._present(write)
        except Unwritable:
            return None

    def _present(self, write: Write) -> Record | None:
        """What the record of a write holds now of the fields that are sent; None where it is gone."""
        raise NotImplementedError

    def _check_fields(self, writes: Sequence[Write]) -> None:
        """SourceFailed, before anything is written, where a custom field is missing: some CRMs drop it silently."""
        needed = {self._theirs(name) for write in writes for name in self._fields(write)}
        with self._as_described():
            missing = sorted(needed & set(self._missing()))
        if missing:
            where = f"{self.record}s have no custom field {', '.join(missing)}"
            raise SourceFailed(f"source {self._source.name}: {where}; prepare it")

    def _by_hand(self, where: str, kinds: Kinds) -> Sequence[str]:
        """What an administrator has to make where no request can."""
        with self._as_described():
            missing = self._missing()
        called = {name: self._theirs(name) for name in self._source.push_fields or PUSHED}
        return list(steps(where, kinds, called, missing))

    def _missing(self) -> Sequence[str]:
        """Fields that would be written and are not there."""
        return ()


def text(value: Any) -> str:
    """A value as a text field keeps it; nothing is empty."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def as_written(wanted: Any, found: Any) -> Any:
    """What was found, in the form of the write where it is the same."""
    return wanted if text(wanted) == text(found) else found or None


def number(write: Write) -> int:
    """The id of a record, where ids are numbers; what is none is never sent."""
    if not write.external_id.isdigit():
        raise Unwritable("its id is no number, as ids are there")
    return int(write.external_id)
