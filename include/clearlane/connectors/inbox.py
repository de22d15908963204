"""Pulls one source into the inbox: an interval of each object, each record once, everything counted.

Reads the source, `source_state`; writes `inbox`, `quarantine`, `delivery`, `source_state`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.connectors.mapping import Mapper, unambiguous
from clearlane.connectors.protocol import AsksAfter, Broken, Chunk, Connector, Follows, Interval, Raw
from clearlane.ledger import Batch, copy_rows, staging
from clearlane.ledger.gone import gone as is_gone
from clearlane.ledger.models import delivery, inbox
from clearlane.policy.model import ObjectMapping, Source

FILE: Final = "file"
"""the object of what stands for a whole file"""

FOUND_MISSING: Final = "found_missing"
"""the column of a payload that we wrote ourselves, of a record that its source has no longer"""
LONGEST_ID: Final = 500  # characters: longer ones do not fit into an index
DEEPEST: Final = 100  # levels of a JSON value: the ledger's own parser has an end too
_TOO_DEEP: Final = f"values nested more than {DEEPEST} deep"

_EVERYTHING: Final = Interval()
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
)
_PLAIN: Final = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True)
class Pulled:
    """Counts of one pull: `received` = `duplicate` + `new`; `unreadable` of the new are in quarantine."""

    received: int
    duplicate: int
    new: int
    unreadable: int


@dataclass(frozen=True)
class _Progress:
    """How far live runs had read each place of the source, and the places that this run reads.

    `positions`: where the source's journals of changes were then; `reached`: where they are now.
    """

    batch: Batch
    watermarks: Mapping[str, datetime]
    positions: Mapping[str, str]
    read: set[str] = field(default_factory=set)
    reached: dict[str, str] = field(default_factory=dict)

    @property
    def end(self) -> datetime:
        return self.batch.window_end or self.batch.as_of

    def interval(self, place: str, lookback: timedelta) -> Interval:
        """What this run reads of the place."""
        self.read.add(place)
        return interval_of(self.batch, self.watermarks.get(place), lookback)

    def followed(self, connector: Connector, name: str, mapping: ObjectMapping) -> Iterator[Chunk] | None:
        """What a journal says has changed since the last live run; None: the interval has to be asked for.

        An interval that live runs have passed is asked for: a journal goes forward only.
        """
        watermark = self.watermarks.get(name)
        passed = watermark is not None and self.end < watermark
        if not isinstance(connector, Follows) or not self.batch.live or passed:
            return None
        followed = connector.follow(mapping, self.positions.get(name))
        if followed is None:
            return None
        self.reached[name] = followed.position
        return followed.chunks


class Staged(NamedTuple):
    """A row on its way to the inbox; `reasons` (JSON) put it into quarantine."""

    source: str
    object: str
    record_key: str
    external_id: str | None
    source_time: datetime | None
    file: str | None
    line: int | None
    payload: str
    record: str | None
    state: str
    reasons: str | None = None


def pull_from(connector: Connector, connection: Connection, source: Source, batch: Batch) -> Pulled:
    """Append what the source holds for the batch's interval; again in the same batch: the same counts.

    A file has a watermark of its own: one that comes later than its records is read from the beginning. While
    it is broken, and not dismissed, the next runs read it again from where they were.
    """
    staging(connection, "pulled", inbox, [name for name in Staged._fields if name != "reasons"])
    connection.exec_driver_sql("alter table pulled add reasons jsonb")
    progress = _progress(connection, source.name, batch)
    for name, mapping in source.objects.items():
        copy_rows(
            connection, "pulled", Staged._fields, _rows(connector, source.name, name, mapping, progress)
        )
    if isinstance(connector, AsksAfter):
        known = connection.execute(_OPEN_LEADS, {"source": source.name}).scalars().all()
        for mapping in (one for one in source.objects.values() if one.object == "leads"):
            rows = _absent_rows(connection, connector, source.name, mapping, known, batch)
            copy_rows(connection, "pulled", Staged._fields, list(rows))
    return _delivered(connection, source, progress)


def interval_of(batch: Batch, watermark: datetime | None, lookback: timedelta) -> Interval:
    """What a run reads: live from the watermark (never later than its window) to its end, shadow its window.

    A run without dates ends at its `as_of`. Without a watermark a live run reads from the beginning.
    """
    end = batch.window_end or batch.as_of
    if not batch.live and batch.window_start:
        return Interval(batch.window_start, end)
    if watermark is None:
        return Interval(None, end)
    return Interval(min(filter(None, (watermark - lookback, batch.window_start))), end)


def canonical(payload: Any) -> str:
    """JSON with sorted names; ValueError says what in it the ledger cannot hold (NUL, lone surrogates ...)."""
    try:
        text = _CANONICAL.encode(payload)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if text.count("{") + text.count("[") > DEEPEST and _depth(payload) > DEEPEST:
        raise ValueError(_TOO_DEEP)
    if "\\u0000" in text and any("\x00" in leaf for leaf in _texts(payload)):
        raise ValueError("a NUL character")
    text.encode()
    return text


# --- records --------------------------------------------------------------------------------------


def _place(name: str, file: str) -> str:
    return f"{name}: {file}"


def _rows(
    connector: Connector, source: str, name: str, mapping: ObjectMapping, progress: _Progress
) -> Iterator[Staged]:
    mapper = Mapper(mapping, _found(connector, mapping))
    whole = progress.interval(name, mapping.reads_back)
    changed = progress.followed(connector, name, mapping)
    if changed is None:
        changed = connector.read(mapping, whole)
    else:  # a record that changed once more has a moment later than the run: a later run works on it
        whole = _EVERYTHING
    for file, chunks in _by_file(changed):
        interval = progress.interval(_place(name, file), mapping.reads_back) if file else whole
        seen: Counter[str] = Counter()
        for chunk in chunks:
            for raw in chunk.records:
                if interval.holds(mapper.cursor(raw.payload)):
                    yield _row(source, mapper, raw, file, seen)
            for broken in chunk.broken:
                yield _broken_row(source, mapping.object, broken, file, seen)


def _absent_rows(
    connection: Connection, connector: AsksAfter, source: str, mapping: ObjectMapping, known: Sequence[str],
    batch: Batch,
) -> Iterator[Staged]:  # fmt: skip
    mapper = Mapper(mapping)
    for chunk in connector.read_absent(mapping, known):
        yield from (_row(source, mapper, raw, None, Counter()) for raw in chunk.records)
        yield from _gone_rows(connection, source, chunk.gone, batch)


def _gone_rows(connection: Connection, source: str, gone: Sequence[str], batch: Batch) -> Iterator[Staged]:
    """Their last records, deleted just before the run's end: the source does not say when."""
    moment = (batch.window_end or batch.as_of) - timedelta(microseconds=1)
    for id, last in connection.execute(_LAST_RECORDS, {"source": source, "ids": list(gone)}):
        payload = canonical({"id": id, "deleted": True, FOUND_MISSING: moment.isoformat()})
        record = last | {"deleted": "true", "updated_at": moment.isoformat()}
        key = f"{id}:{_digest(payload)}"
        yield Staged(source, "leads", key, id, moment, None, None, payload, _PLAIN.encode(record), "waiting")


def _by_file(chunks: Iterator[Chunk]) -> Iterator[tuple[str | None, Iterator[Chunk]]]:
    return groupby(chunks, key=lambda chunk: None if chunk.file is None else _keepable(chunk.file))


def _row(source: str, mapper: Mapper, raw: Raw, file: str | None, seen: Counter[str]) -> Staged:
    try:
        payload = canonical(raw.payload)
        record = mapper(raw.payload)
        external_id = _indexable(record.get("id"))
    except ValueError as error:
        broken = Broken(_shown(raw.payload), raw.line, _unkeepable(error, mapper.mapping))
        return _broken_row(source, mapper.mapping.object, broken, file, seen)
    digest = _digest(payload)
    return Staged(
        source=source,
        object=mapper.mapping.object,
        record_key=f"{external_id}:{digest}" if external_id else _numbered(digest, seen),
        external_id=external_id,
        source_time=mapper.source_time(record),
        file=file,
        line=raw.line,
        payload=payload,
        record=_PLAIN.encode(record),
        state="waiting",
    )


def _broken_row(source: str, object: str, broken: Broken, file: str | None, seen: Counter[str]) -> Staged:
    payload = canonical({"raw": _keepable(broken.raw)})
    place = f"{file or source}" + (f" line {broken.line}" if broken.line else "")
    reason = {
        "field": FILE if broken.whole else "record",
        "rule": "readable",
        "found": _keepable(f"{place}: {broken.found}"),
        "allowed": broken.allowed,
    }
    identity = f"{file}: {broken.found}" if broken.whole else f"unreadable: {broken.raw}"
    return Staged(
        source=source,
        object=FILE if broken.whole else object,
        record_key=_numbered(_digest(_keepable(identity)), seen),
        external_id=None,
        source_time=None,
        file=file,
        line=broken.line,
        payload=payload,
        record=None,
        state="quarantined",
        reasons=json.dumps([reason]),
    )


def _shown(payload: Any) -> str:
    try:
        return json.dumps(payload)
    except RecursionError:
        return ""


def _numbered(digest: str, seen: Counter[str]) -> str:
    """Equal records of one file are told apart by their number among equals."""
    ordinal = seen[digest]
    seen[digest] += 1
    return f"{digest}:{ordinal}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _indexable(external_id: str | None) -> str | None:
    if external_id and len(external_id) > LONGEST_ID:
        raise ValueError(f"an id of more than {LONGEST_ID} characters")
    return external_id


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in _inner(value):
        yield from _texts(inner)
    if isinstance(value, dict):
        yield from value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level := [inner for value in level for inner in _inner(value)]:
        depth += 1
    return depth


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _keepable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _unkeepable(error: ValueError, mapping: ObjectMapping) -> str:
    return f"bytes that are not {mapping.encoding}" if isinstance(error, UnicodeError) else str(error)


def _found(connector: Connector, mapping: ObjectMapping) -> dict[str, dict[str, str]]:
    return {
        field: _all_keepable(
            unambiguous(lookup, _payloads(connector, replace(mapping, read=lookup.read, fields={})))
        )
        for field, lookup in mapping.lookups.items()
    }


def _all_keepable(found: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in found.items() if value == _keepable(value)}


def _payloads(connector: Connector, mapping: ObjectMapping) -> Iterator[dict[str, Any]]:
    for chunk in connector.read(mapping, _EVERYTHING):
        yield from (raw.payload for raw in chunk.records)


# --- into the ledger ------------------------------------------------------------------------------

# Kept by the name of the mapping, and of each file: what is added later is read from the beginning.
_OPEN_LEADS = sa.text(f"""
select l.external_id from lead l join lead s on s.lead_id = l.survivor_id
left join place p on p.lead_id = s.lead_id
where l.source = :source and p.place is distinct from 'closed' and not {is_gone("l")} order by 1
""")
_LAST_RECORDS = sa.text("""
select distinct on (external_id) external_id, record from inbox
where source = :source and object = 'leads' and external_id = any(:ids) and record is not null
order by external_id, source_time desc nulls last, seq desc
""")
_STATE = sa.text("select object, watermark, position from source_state where source = :source")

# The lock makes two pulls of one source append one after the other: no deadlock over equal keys.
_LOCK = sa.text("select pg_advisory_xact_lock(hashtextextended('clearlane.pull:' || :source, 0))")

_APPEND = sa.text("""
with appended as (
    insert into inbox (source, object, record_key, external_id, source_time, first_batch, batch_id,
                       file, line, payload, record, state)
    select source, object, record_key, external_id, source_time, :batch_id, :batch_id,
           file, line, payload, record, state
    from pulled
    on conflict (source, object, record_key) do nothing
    returning object
)
select object, count(*) from appended group by object
""")

# What is later than the run is left to a later one, as quality claims it: a time its arrival belies is no such time.
_LEAVE = sa.text("""
update inbox set batch_id = null
where batch_id = :batch_id and source = :source and state = 'waiting'
  and source_time >= :end and source_time <= received_at + interval '1 day'
""")

_QUARANTINE = sa.text("""
insert into quarantine (seq, reasons, since)
select distinct on (inbox.seq) inbox.seq, pulled.reasons, :since
from pulled join inbox using (source, object, record_key)
where pulled.reasons is not null and inbox.state = 'quarantined'
on conflict (seq) do nothing
""")

_COUNT = sa.text("""
select pulled.object, sum(pulled.copies) - count(*) filter (where inbox.first_batch = :batch_id)
from (select source, object, record_key, count(*) as copies from pulled group by 1, 2, 3) as pulled
join inbox using (source, object, record_key)
group by pulled.object
""")

_DELIVERY = sa.text("""
insert into delivery (batch_id, source, object, received, duplicate)
values (:batch_id, :source, :object, :duplicate + :new, :duplicate)
on conflict (batch_id, source, object) do update set
    received = excluded.received + delivery.received - delivery.duplicate,
    duplicate = excluded.duplicate,
    delivered_at = clock_timestamp()
""")

# The rest of a file that broke is older than the run by the time the file is whole again.
_BROKEN_FILES = sa.text("""
select distinct pulled.file
from pulled join inbox using (source, object, record_key) join quarantine using (seq)
where pulled.object = 'file' and quarantine.state = 'open'
""")

# A run that asked for what changed leaves no position: the journal may have missed something in between.
_ADVANCE = sa.text("""
insert into source_state (source, object, watermark, position) values (:source, :name, :watermark, :position)
on conflict (source, object) do update set
    watermark = greatest(source_state.watermark, excluded.watermark),
    position = case when source_state.watermark > excluded.watermark then source_state.position
                    else excluded.position end
""")


def _progress(connection: Connection, source: str, batch: Batch) -> _Progress:
    state = connection.execute(_STATE, {"source": source}).all()
    positions = {row.object: row.position for row in state if row.position is not None}
    return _Progress(batch, {row.object: row.watermark for row in state}, positions)


def _delivered(connection: Connection, source: Source, progress: _Progress) -> Pulled:
    batch = progress.batch
    connection.exec_driver_sql("analyze pulled")
    connection.execute(_LOCK, {"source": source.name})
    new = _counts(connection, _APPEND, batch)
    connection.execute(_LEAVE, {"batch_id": batch.batch_id, "source": source.name, "end": progress.end})
    unreadable = connection.execute(_QUARANTINE, {"since": batch.as_of}).rowcount
    duplicate = _counts(connection, _COUNT, batch)
    objects = sorted({*new, *duplicate, *(mapping.object for mapping in source.objects.values())})
    for object in objects:
        counted = {"duplicate": duplicate.get(object, 0), "new": new.get(object, 0)}
        key = {"batch_id": batch.batch_id, "source": source.name, "object": object}
        connection.execute(_DELIVERY, key | counted)
    if batch.live:
        _advance(connection, source, progress)
    return _pulled(connection, source.name, batch, unreadable)


def _advance(connection: Connection, source: Source, progress: _Progress) -> None:
    broken = connection.execute(_BROKEN_FILES).scalars().all()
    held = {_place(name, file) for name in source.objects for file in broken}
    rows = [
        {
            "source": source.name, "name": name, "watermark": progress.end, "position": progress.reached.get(name),
        }
        for name in sorted(progress.read - held)
    ]  # fmt: skip
    if rows:
        connection.execute(_ADVANCE, rows)


def _counts(connection: Connection, statement: sa.TextClause, batch: Batch) -> dict[str, int]:
    counted = connection.execute(statement, {"batch_id": batch.batch_id})
    return {object: int(count) for object, count in counted}


def _pulled(connection: Connection, source: str, batch: Batch, unreadable: int) -> Pulled:
    of_batch = sa.and_(delivery.c.batch_id == batch.batch_id, delivery.c.source == source)
    sums = sa.select(sa.func.sum(delivery.c.received), sa.func.sum(delivery.c.duplicate)).where(of_batch)
    received, duplicate = (int(count or 0) for count in connection.execute(sums).one())
    return Pulled(received, duplicate, received - duplicate, unreadable)
