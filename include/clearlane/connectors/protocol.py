"""What a connector is: it reads the raw records of one object and writes assignments back.

A vendor's module says what to ask and how an answer looks; mapping, record keys, counting, storage and
watermarks are shared (`mapping`, `inbox`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, runtime_checkable

from clearlane.policy.model import ObjectMapping

CHUNK: Final = 10_000
"""records that are held in memory at once"""

Secrets = Callable[[str], str]
"""connection name -> its address, credentials included; only a connector ever sees the answer"""


class SourceFailed(RuntimeError):
    """The source as a whole could not be read or written; the text holds no credentials and no personal data.

    `retry_after`: seconds for which the source asked to be left alone.
    """

    def __init__(self, said: str, retry_after: float | None = None) -> None:
        super().__init__(said)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Interval:
    """[start, end) in UTC on an object's cursor; None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime | None) -> bool:
        """Records without a moment always belong."""
        if moment is None:
            return True
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


class Raw(NamedTuple):
    """One record as received: text, or JSON values. `line` is the physical line it begins at."""

    payload: dict[str, Any]
    line: int | None = None


class Broken(NamedTuple):
    """What could not be read: one record, or with `whole` the file (from `line` on)."""

    raw: str
    line: int | None
    found: str
    allowed: str | None = None
    whole: bool = False


@dataclass(frozen=True)
class Chunk:
    """At most `CHUNK` records of one file (None: not from a file)."""

    records: Sequence[Raw]
    broken: Sequence[Broken] = ()
    file: str | None = None
    gone: Sequence[str] = ()
    """of `read_absent`: ids of records that are deleted"""


@dataclass(frozen=True)
class Write:
    """One write owed to a source: set `fields` of the record `external_id`.

    `seen`: what `current` said of the record just before. A connector that can write on condition writes only
    where that is still so, and else answers `changed`.
    """

    idempotency_key: str
    object: str
    external_id: str
    fields: Mapping[str, Any]
    seen: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Receipt:
    """What became of one write. `retry` may succeed later, `refused` never will as it is.

    `changed`: nothing was written, for the record is not any more what the write has `seen`.
    """

    idempotency_key: str
    result: Literal["sent", "retry", "refused", "changed"]
    error: str | None = None
    retry_after: float | None = None
    """seconds the source asked us to wait"""
    became: str | None = None
    """of a merge: the id that the record has now"""


class Connector(Protocol):
    """One source system. Both methods raise SourceFailed where the source as a whole fails."""

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The raw records of an object: all of the interval, perhaps more (the caller sifts)."""
        ...

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """Do the writes; one receipt each, in their order. The same write again has the same effect."""
        ...


@dataclass(frozen=True)
class Merge:
    """Two records of the source that are one person: `external_id` is to be merged into `into`, for good."""

    idempotency_key: str
    external_id: str
    into: str


@runtime_checkable
class Merges(Protocol):
    """What a connector may do beside: merge two of its records into one."""

    def merge(self, merges: Sequence[Merge]) -> Sequence[Receipt]:
        """Merge each two; one receipt each, in their order. Who are one already are `sent`, whoever merged them.

        Looks before and after. `retry` where the two have different owners there: one of them would be lost.
        """
        ...


UNREADABLE: Final = "(cannot be read back)"
"""of a field that a connector writes and cannot read: it equals no value"""


@runtime_checkable
class ReadsBack(Protocol):
    """What a connector may do beside: say what the records hold now, before they are written and afterwards."""

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """external_id -> the present values of all fields that `write` would set, in the form `write` takes them.

        The writes are of one object. A record that is not there is not in the answer; a field that is written
        and cannot be read is UNREADABLE; an owner who is nobody is None. Where the source tells, the answer also
        holds `owner_changed_at` (a datetime with zone) and `owner_changed_by`. Raises SourceFailed.
        """
        ...


@dataclass(frozen=True)
class Checked:
    """One thing that was tried on a source; `good` None: it cannot be told."""

    what: str
    """login, scopes, limits, write, or the name of an object of sources.yaml"""
    good: bool | None
    said: str
    """for people; no credentials, no personal data"""


Checks = Sequence[Checked]


@runtime_checkable
class AsksAfter(Protocol):
    """What a connector may do beside: find records that its lists leave out, such as converted leads."""

    def read_absent(self, object: ObjectMapping, known: Sequence[str]) -> Iterator[Chunk]:
        """Those of the records of these ids that the last `read` of the object did not give, as they are now.

        Ids of deleted ones are `gone`. SourceFailed where none of many is there: that is no deletion.
        """
        ...


@dataclass(frozen=True)
class Followed:
    """What a journal of changes gave: where it ends now, and the records that changed, as they are now.

    `chunks` None: it does not reach back to where it was read before, so what changed has to be asked for.
    """

    position: str
    chunks: Iterator[Chunk] | None


@runtime_checkable
class Follows(Protocol):
    """What a connector may do beside: follow the source's own journal of changes instead of asking what changed."""

    def follow(self, object: ObjectMapping, position: str | None) -> Followed | None:
        """What changed after `position`, which an earlier answer gave; None the first time, or after a gap.

        Answers None where the source keeps no journal that tells every change of the object. May give what is later
        than the run: later runs work on it.
        """
        ...


@runtime_checkable
class Preparable(Protocol):
    """What a connector may do beside: make the fields in the system to which it writes."""

    def prepare(self) -> Sequence[str]:
        """Make what is missing, and name it; nothing where all is there. Raises SourceFailed."""
        ...


@runtime_checkable
class Instructs(Protocol):
    """What a connector does beside where the system's interface makes no fields: say what is made by hand."""

    def instructions(self) -> Sequence[str]:
        """What an administrator has to do, step by step; nothing where all is there. Raises SourceFailed."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """What a connector may do beside: try its login, rights and limits, and write nothing."""

    def check(self) -> Checks:
        """What was tried, in order; never raises SourceFailed: what fails is said."""
        ...
