"""Records kept whole because they could not be used: list, show, replay after a repair, dismiss.

Replay is for what a new mapping, contract or value repairs; a line that could not be read at all comes again
with its file. Reads and writes `quarantine` and `inbox`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatch
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.connectors.inbox import FOUND_MISSING
from clearlane.connectors.mapping import Mapper
from clearlane.policy.model import ObjectMapping, Sources

State = Literal["open", "replayed", "dismissed"]

UNREADABLE: Final = "readable"
"""the rule that pull's own reasons name"""


class NotPossible(ValueError):
    """Some of the records cannot be replayed or dismissed; the text names each with its reason."""


@dataclass(frozen=True)
class Quarantined:
    """One record with its reasons ({field, rule, found, allowed}), as received and as last mapped."""

    seq: int
    source: str
    object: str
    external_id: str | None
    file: str | None
    line: int | None
    since: datetime
    hand_raise: bool
    state: State
    by: str | None
    because: str | None
    reasons: Sequence[Mapping[str, Any]]
    payload: Mapping[str, Any]
    record: Mapping[str, Any] | None

    @property
    def origin(self) -> str:
        """Where it came from: `crm leads 4563, leads.csv line 12`."""
        place = self.file and (f"{self.file} line {self.line}" if self.line else self.file)
        named = " ".join(filter(None, (self.source, self.object, self.external_id)))
        return ", ".join(filter(None, (named, place)))

    @property
    def readable(self) -> bool:
        """Whether its columns were kept: what pull could not read comes again with its file only."""
        return not any(reason["rule"] == UNREADABLE for reason in self.reasons)

    @property
    def why(self) -> str:
        """Every reason in one line."""
        return "; ".join(map(_sentence, self.reasons))


@dataclass(frozen=True)
class Mapped:
    """A record under our names, with what tells it from others and when its source says it changed."""

    seq: int
    record: Mapping[str, Any]
    external_id: str | None
    source_time: datetime | None


@dataclass(frozen=True)
class Chosen:
    """Which records: all, or those of a source, of an object, with a reason, there since a moment, or of a run.

    A reason is named as the list shows it (`email or phone any_of`), as the report does (`leads: email email`), or by
    its field or rule alone.
    """

    reason: str | None = None
    source: str | None = None
    object: str | None = None
    since: datetime | None = None
    batch_id: UUID | None = None


ALL: Final = Chosen()


def listed(
    connection: Connection, chosen: Chosen = ALL, *, state: State = "open", limit: int = 1000
) -> Sequence[Quarantined]:
    """The chosen records in that state, hand-raises first, then the oldest first."""
    asked = {**asdict(chosen), "state": state, "limit": limit}
    return [Quarantined(**row) for row in connection.execute(_LISTED, asked).mappings()]


def shown(connection: Connection, seq: int) -> Quarantined:
    """One record, in whatever state; LookupError where the quarantine never held it."""
    row = connection.execute(_SHOWN, {"seqs": [seq]}).mappings().first()
    if row is None:
        raise LookupError(f"the quarantine holds no record {seq}")
    return Quarantined(**row)


def as_json(record: Quarantined) -> dict[str, Any]:
    """The record as JSON values; times ISO 8601 in UTC."""
    return asdict(record) | {"since": record.since.isoformat()}


def replay(connection: Connection, seqs: Sequence[int], *, by: str, because: str, sources: Sources) -> int:
    """Map the records again by the present `sources` and hand them to the next run; how many.

    All of them or none: raises NotPossible for what is not open, was never readable, or has no mapping now.
    """
    records = _locked(connection, seqs)
    _refuse(
        _not_open(records, seqs) + [reason for record in records if (reason := _no_replay(record, sources))]
    )
    hand_over(connection, mapped(records, sources))
    return closed(connection, seqs, "replayed", by, because)


def dismiss(connection: Connection, seqs: Sequence[int], *, by: str, because: str) -> int:
    """Nobody will use these records: they leave the list and stay in the ledger; how many.

    All of them or none: raises NotPossible for what is not open.
    """
    _refuse(_not_open(_locked(connection, seqs), seqs))
    return closed(connection, seqs, "dismissed", by, because)


# --- what is possible -----------------------------------------------------------------------------


def _not_open(records: Sequence[Quarantined], seqs: Sequence[int]) -> list[str]:
    known = {record.seq for record in records}
    missing = [f"{seq} is not in the quarantine" for seq in seqs if seq not in known]
    return missing + [
        f"{record.seq} is {record.state} already" for record in records if record.state != "open"
    ]


def _no_replay(record: Quarantined, sources: Sources) -> str | None:
    if not record.readable:
        return f"{record.seq} could never be read: deliver it again, repaired"
    if mapping_of(record, sources) is None:
        return f"{record.seq}: sources.yaml maps no {record.object} of {record.source}"
    return None


def _refuse(reasons: Sequence[str]) -> None:
    if reasons:
        raise NotPossible("; ".join(reasons))


# --- mapping again --------------------------------------------------------------------------------


def mapping_of(record: Quarantined, sources: Sources) -> ObjectMapping | None:
    """The object's mapping; of several the one that reads the record's file and knows most of its columns."""
    source = sources.sources.get(record.source)
    candidates = [m for m in source.objects.values() if m.object == record.object] if source else []
    return max(candidates, key=lambda mapping: _likeness(mapping, record), default=None)


def mapped(records: Iterable[Quarantined], sources: Sources) -> list[Mapped]:
    """The records as the present mappings read them; each must have one (`mapping_of`)."""
    mappers: dict[int, Mapper] = {}
    found = []
    for record in records:
        mapping = mapping_of(record, sources)
        assert mapping is not None
        found.append(_mapped(record, mappers.setdefault(id(mapping), Mapper(mapping))))
    return found


def _likeness(mapping: ObjectMapping, record: Quarantined) -> tuple[bool, int]:
    known = sum(column in record.payload for column in mapping.fields.values())
    return fnmatch(record.file or "", mapping.read), known


def _mapped(record: Quarantined, mapper: Mapper) -> Mapped:
    # What look-ups found when the record was pulled stays: the other file is not at hand.
    lookups = mapper.mapping.lookups
    kept = dict(record.record or {})
    found = {field: value for field, value in kept.items() if field in lookups}
    ours = kept if FOUND_MISSING in record.payload else mapper(record.payload) | found
    return Mapped(record.seq, ours, ours.get("id"), mapper.source_time(ours))


def _sentence(reason: Mapping[str, Any]) -> str:
    allowed = f" (allowed: {reason['allowed']})" if reason.get("allowed") is not None else ""
    found = "nothing" if reason["found"] is None else reason["found"]
    return f"{reason['field']} {reason['rule']}: {found}{allowed}"


# --- the ledger -----------------------------------------------------------------------------------

_SELECT: Final = """
    select q.seq, i.source, i.object, i.external_id, i.file, i.line, q.since, q.hand_raise, q.state, q.by,
           q.because, q.reasons, i.payload, i.record
    from quarantine q join inbox i using (seq)
"""
CHOSEN: Final = """
    i.source = coalesce(:source, i.source) and i.object = coalesce(:object, i.object)
    and q.since >= coalesce(:since, q.since) and (cast(:batch_id as uuid) is null or i.batch_id = :batch_id)
    and (cast(:reason as text) is null or exists (
        select from jsonb_array_elements(q.reasons) named
        where :reason in (named ->> 'field', named ->> 'rule', concat_ws(' ', named ->> 'field', named ->> 'rule'),
                          i.object || ': ' || (named ->> 'field') || ' ' || (named ->> 'rule'))))
"""
"""whether a record (`q`, of the inbox `i`) is one of the chosen"""
_LISTED: Final = sa.text(
    f"{_SELECT} where q.state = :state and {CHOSEN} order by q.hand_raise desc, q.since, q.seq limit :limit"
)
_NEXT: Final = sa.text(f"""{_SELECT}
    where q.state = 'open' and i.state = 'quarantined' and q.seq > :after and {CHOSEN}
    order by q.seq limit :limit for update of q, i skip locked
""")
_SHOWN: Final = sa.text(_SELECT + "where q.seq = any(:seqs)")
_LOCKED: Final = sa.text(_SELECT + "where q.seq = any(:seqs) order by q.seq for update")
_MAPPED_AGAIN: Final = """
    update inbox set record = mapped.record, external_id = mapped.external_id, source_time = mapped.source_time{more}
    from jsonb_to_recordset(:records)
        as mapped(seq bigint, record jsonb, external_id text, source_time timestamptz)
    where inbox.seq = mapped.seq
"""
_KEPT: Final = sa.text(_MAPPED_AGAIN.format(more=""))
_WAITING: Final = sa.text(_MAPPED_AGAIN.format(more=", state = 'waiting', batch_id = null"))
_CLOSED: Final = sa.text(
    "update quarantine set state = :state, by = :by, because = :because where seq = any(:seqs)"
)


def locked_next(connection: Connection, chosen: Chosen, after: int, limit: int) -> list[Quarantined]:
    """The next open records behind a number, locked; those that somebody else works on are passed over."""
    asked = {**asdict(chosen), "after": after, "limit": limit}
    return [Quarantined(**row) for row in connection.execute(_NEXT, asked).mappings()]


def hand_over(connection: Connection, records: Sequence[Mapped]) -> None:
    """The records wait for the next run, as they are mapped now."""
    connection.execute(_WAITING, {"records": Jsonb([_as_row(one) for one in records])})


def keep(connection: Connection, records: Sequence[Mapped]) -> None:
    """The records stay where they are, as they are mapped now."""
    connection.execute(_KEPT, {"records": Jsonb([_as_row(one) for one in records])})


def _as_row(one: Mapped) -> dict[str, Any]:
    return asdict(one) | {"source_time": one.source_time.isoformat() if one.source_time else None}


def _locked(connection: Connection, seqs: Sequence[int]) -> list[Quarantined]:
    return [Quarantined(**row) for row in connection.execute(_LOCKED, {"seqs": list(seqs)}).mappings()]


def closed(connection: Connection, seqs: Sequence[int], state: State, by: str, because: str) -> int:
    """Say of open records what became of them, who did it and why; how many."""
    asked = {"seqs": list(seqs), "state": state, "by": by, "because": because}
    return connection.execute(_CLOSED, asked).rowcount
