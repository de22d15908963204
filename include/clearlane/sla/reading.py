"""How far each source's touches were read: a promise is judged only where all touches of before its moment are known.

A source was read up to the watermark of the mappings that bring its outcomes, less the `lag` with which it shows them.
What was read and still waits in the inbox is not known yet. A source without outcomes tells no touches: the promises
to its leads are never judged, but for waiting in a queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import copy_rows
from clearlane.ledger.held import HELD
from clearlane.policy.model import Policy, Source

_READ: Final = "source text primary key, read_to timestamptz, lag interval"
_WATERMARKS: Final = "select source, object, watermark from source_state"
_BROKEN: Final = """
select distinct i.source, i.file from quarantine q join inbox i using (seq)
where q.state = 'open' and i.object = 'file' and i.file is not null
"""
_UNKNOWN: Final = f"""
create temporary table sla_unknown on commit drop as
select distinct m.survivor_id from (
    select source, record from inbox where state = 'waiting' and object = 'outcomes'
    union all
    select i.source, i.record from quarantine q join inbox i using (seq) where {HELD} and i.object = 'outcomes'
) i
join lead m on m.source = i.source and m.external_id = btrim(i.record ->> 'lead_id')
"""

JUDGED: Final = """
select c.clock_id, count(s.source) > 0 as watched,
       coalesce(bool_and(coalesce(s.read_to > c.due_at, false)), false) as read,
       case when bool_and(s.read_to is not null) and u.survivor_id is null then min(s.read_to - s.lag) end as known_to
from {clocks} c
left join sla_unknown u on u.survivor_id = c.survivor_id
left join (lead m join sla_source s on s.source = m.source) on m.survivor_id = c.survivor_id
group by c.clock_id, c.due_at, u.survivor_id
"""
"""Of clocks with their lead's `survivor_id`: whether its sources tell touches, were read past its due moment, and up
to which moment all touches are known (null: to none)."""


def note(connection: Connection, policy: Policy) -> None:
    """Make `sla_source` and `sla_unknown`. Before `meet`, so that what is read up to here is among the touches."""
    for table in ("sla_source", "sla_unknown"):
        connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
    connection.execute(sa.text(f"create temporary table sla_source ({_READ}) on commit drop"))
    rows = list(_sources(connection, policy))
    copy_rows(connection, "sla_source", ["source", "read_to", "lag"], rows)
    connection.execute(sa.text(_UNKNOWN))
    connection.execute(sa.text("analyze sla_source, sla_unknown"))


def _sources(connection: Connection, policy: Policy) -> Iterator[tuple[str, datetime | None, timedelta]]:
    marks = {(row.source, row.object): row.watermark for row in connection.execute(sa.text(_WATERMARKS))}
    broken = [(row.source, row.file) for row in connection.execute(sa.text(_BROKEN))]
    for source in policy.sources.sources.values():
        names = touch_objects(source)
        if names:
            files = [file for name, file in broken if name == source.name]
            read = [_read_to(source, name, marks, files) for name in names]
            known = [moment for moment in read if moment is not None]
            yield source.name, min(known) if len(known) == len(names) else None, _lag(source, names)


def _read_to(
    source: Source, name: str, marks: Mapping[tuple[str, str], datetime], broken: Sequence[str]
) -> datetime | None:
    """The mark of a mapping; while a file of it is broken, that of the file."""
    pattern = PurePosixPath(source.objects[name].read).name
    held = [f"{name}: {file}" for file in broken if fnmatch(PurePosixPath(file).name, pattern)]
    found = [marks.get((source.name, one)) for one in (name, *held)]
    known = [moment for moment in found if moment is not None]
    return min(known) if len(known) == len(found) else None


def touch_objects(source: Source) -> tuple[str, ...]:
    """The mappings that bring what became of the source's leads; none: it tells no touches."""
    return tuple(name for name, one in source.objects.items() if one.object == "outcomes")


def _lag(source: Source, names: tuple[str, ...]) -> timedelta:
    return max(source.objects[name].lag for name in names)


def blind(policy: Policy) -> tuple[str, ...]:
    """Sources that bring leads and tell no touches."""
    return tuple(
        source.name
        for source in policy.sources.sources.values()
        if not touch_objects(source) and any(one.object == "leads" for one in source.objects.values())
    )
