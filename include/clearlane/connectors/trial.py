"""The first look at a source: login, limits, one page of each object, and what the mapping makes of it.

Nothing is written to the source or the ledger, and no value of a record is shown: only names, counts and shapes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from clearlane.connectors.mapping import MOMENTS, Mapper, Record, found, moment_reader
from clearlane.connectors.protocol import Checkable, Checked, Chunk, Connector, Interval, SourceFailed
from clearlane.policy.model import ObjectMapping, Source, Teams

RECENT: Final = timedelta(days=30)
_NAMED: Final = 12  # names in one sentence


def tried(
    connector: Connector, source: Source, as_of: datetime, teams: Teams | None = None
) -> Iterator[Checked]:
    """What was tried, one after the other: what the connector checks itself, then every object.

    Of each object one page is read: of the last 30 days, so that the filter for changes is tried too, else of all.
    The reps of `teams` are looked for among all of the source's: whom it does not know, it cannot give a lead to.
    """
    if isinstance(connector, Checkable):
        yield from connector.check()
    for name, mapping in source.objects.items():
        try:
            page, asked = _page(connector, mapping, as_of)
        except SourceFailed as failed:
            yield Checked(name, False, str(failed))
        else:
            yield from _said(name, mapping, page, asked)
            if mapping.object == "reps" and teams and teams.reps:
                yield _reps(name, connector, source, mapping, teams)


def _reps(name: str, connector: Connector, source: Source, mapping: ObjectMapping, teams: Teams) -> Checked:
    mapper, known = Mapper(mapping), set[str]()
    try:
        for chunk in connector.read(mapping, Interval()):
            records = map(mapper, (raw.payload for raw in chunk.records))
            known |= {record[key].lower() for record in records for key in ("id", "email") if key in record}
    except SourceFailed as failed:
        return Checked(name, False, str(failed))
    pushed = {
        rep.id: (*rep.aliases.get(source.name, ()), rep.email)[0].lower() for rep in teams.reps.values()
    }
    strangers = sorted(rep for rep, theirs in pushed.items() if theirs not in known)
    if not strangers:
        return Checked(name, True, f"all {len(pushed)} reps of teams.yaml are known here")
    told = f"{len(strangers)} of {len(pushed)} reps of teams.yaml are nobody here: {_listed(strangers)}"
    return Checked(name, False if source.push else None, f"{told}; `known_as` says what they are called")


def _page(connector: Connector, mapping: ObjectMapping, as_of: datetime) -> tuple[Chunk, Interval]:
    for asked in (Interval(as_of - RECENT, as_of), Interval(None, as_of)):
        for chunk in connector.read(mapping, asked):
            if chunk.records or chunk.broken:
                return chunk, asked
    return Chunk(()), asked


def _said(name: str, mapping: ObjectMapping, page: Chunk, asked: Interval) -> Iterator[Checked]:
    payloads = [raw.payload for raw in page.records]
    if page.broken:
        first = page.broken[0]
        yield Checked(name, False, f"cannot be read: {_counted(page.broken)}, the first: {first.found}")
    if not payloads:
        yield Checked(name, None, "no record")
        return
    mapper = Mapper(mapping)
    records = [mapper(payload) for payload in payloads]
    yield Checked(
        name,
        True,
        f"{_counted(payloads)}{_since(mapping, asked)} on the first page; filled: {_filled(mapping, records)}",
    )
    outside = sum(not asked.holds(mapper.cursor(payload)) for payload in payloads)
    if outside:
        said = f"not of the days asked for: {outside} of them; each run reads such records and leaves them"
        yield Checked(name, None, said)
    yield from _identity(name, mapping, records)
    yield from _columns(name, mapping, payloads)
    yield from _moments(name, mapping, records)


def _counted(records: Sequence[Any]) -> str:
    return "1 record" if len(records) == 1 else f"{len(records)} records"


def _since(mapping: ObjectMapping, asked: Interval) -> str:
    """What was asked for; a list without a `cursor` is always asked for whole."""
    if mapping.cursor is None:
        return ""
    return f" of the last {RECENT.days} days" if asked.start else " of all times"


def _filled(mapping: ObjectMapping, records: Sequence[Record]) -> str:
    """Each of our fields with the number of records that have it."""
    filled = Counter(field for record in records for field in record)
    return ", ".join(f"{field} {filled[field]}" for field in mapping.fields)


def _identity(name: str, mapping: ObjectMapping, records: Sequence[Record]) -> Iterator[Checked]:
    if mapping.object == "activities":  # those without an id have one by their content
        return
    missing = sum("id" not in record for record in records)
    if missing:
        said = f"{missing} of {len(records)} records have no id: `fields: id` names its column"
        yield Checked(name, False, said)


def _columns(name: str, mapping: ObjectMapping, payloads: Sequence[Mapping[str, Any]]) -> Iterator[Checked]:
    mapped = {theirs for theirs in mapping.fields.values() if not theirs.startswith("=")}
    silent = sorted(theirs for theirs in mapped if all(found(one, theirs) is None for one in payloads))
    if silent:
        yield Checked(name, None, f"in no record of the page: {_listed(silent)}")
    known = {*mapped, *mapping.fields, *mapping.drop, *(theirs.split(".")[0] for theirs in mapped)}
    others = sorted({column for one in payloads for column in one} - known)
    if others:
        becomes = "become attributes" if mapping.extras else "are left out (`extras: false`)"
        yield Checked(name, None, f"not mapped, {becomes}: {_listed(others)}")


def _moments(name: str, mapping: ObjectMapping, records: Sequence[Record]) -> Iterator[Checked]:
    """Moments that cannot be read, by their shape; and records without the moment that says what is new."""
    read = moment_reader(mapping)
    for field in sorted({field for field in (*mapping.fields, *MOMENTS) if field.endswith("_at")}):
        odd = [record[field] for record in records if field in record and read(record[field]) is None]
        if odd:
            said = (
                f"{len(odd)} of {len(records)} values of {field} are no moment, written as {_shape(odd[0])}"
            )
            yield Checked(name, False, f"{said}: `time_formats` says how to read them")
    if mapping.cursor is None:
        if mapping.object != "reps":  # a short list, wanted whole
            yield Checked(name, None, "without a `cursor` all is read each time")
    else:
        late = sum(mapping.cursor not in record for record in records)
        if late:
            yield Checked(
                name,
                None,
                f"{late} of {len(records)} records have no {mapping.cursor}: they always count as new",
            )


def _shape(text: str) -> str:
    """`3. Mai 2026` as `9. Aaa 9999`: how it is written, not what it says."""
    return re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", text))[:40]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
