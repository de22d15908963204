"""The quarantine by reason: how many records each keeps out, what was found most often, and what mends it.

Reads `quarantine` and `inbox`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from clearlane.policy.model import ObjectMapping, Sources
from clearlane.quality.quarantine import ALL, CHOSEN, UNREADABLE, Chosen, Quarantined

DECISIVE: Final = (UNREADABLE, "required", "any_of")
"""the rules that keep a record out; the others only empty a field"""


@dataclass(frozen=True)
class Reason:
    """One reason of one object of a source. A record with several reasons counts under each of them."""

    source: str
    object: str
    field: str
    rule: str
    allowed: str | None
    records: int
    hand_raises: int
    since: datetime
    found: str | None
    """the value found most often, `times` times"""
    times: int
    fix: str = ""

    @property
    def name(self) -> str:
        """As `--reason` takes it."""
        return f"{self.field} {self.rule}"

    @property
    def decisive(self) -> bool:
        return self.rule in DECISIVE


def reasons(connection: Connection, sources: Sources, chosen: Chosen = ALL) -> Sequence[Reason]:
    """The reasons of the chosen open records: first those that keep records out, the commonest first."""
    rows = connection.execute(_REASONS, {**asdict(chosen), "decisive": list(DECISIVE)}).mappings()
    found = (Reason(**row) for row in rows)
    return [Reason(**asdict(one) | {"fix": fix(one, sources)}) for one in found]


def as_json(reason: Reason) -> dict[str, Any]:
    """The reason as JSON values; times ISO 8601 in UTC."""
    return asdict(reason) | {"since": reason.since.isoformat(), "decisive": reason.decisive}


def tables(found: Sequence[Reason], records: Sequence[Quarantined] = ()) -> Sequence[Table]:
    """The reasons, and the records where any are given, as a person reads them on a screen."""
    told = Table("reason", "of", "records", "hand-raises", "since", "mostly found", "what mends it", box=None)
    for one in found:
        often = f"{one.found} ({one.times}x)" if one.found is not None else "nothing"
        counts = (f"{one.records:,}", f"{one.hand_raises:,}", f"{one.since:%Y-%m-%d}")
        told.add_row(*map(Text, (one.name, f"{one.source} {one.object}", *counts, often, one.fix)))
    listed = Table("record", "from", "since", "why", box=None)
    for entry in records:
        cells = (str(entry.seq), entry.origin, f"{entry.since:%Y-%m-%d %H:%M}", entry.why)
        listed.add_row(*map(Text, cells))
    return (told, listed) if records else (told,)


# --- what mends it --------------------------------------------------------------------------------


def fix(reason: Reason, sources: Sources) -> str:
    """What a person can do so that a replay lets these records in."""
    if reason.rule == UNREADABLE:
        return "mend the file or the record in its source and deliver it again; a replay cannot help"
    mappings = _mappings(reason, sources)
    if not mappings:
        return f"sources.yaml maps no {reason.object} of {reason.source}: map it, publish, replay"
    if reason.rule in DECISIVE:
        return _of_missing(reason, mappings)
    return _of_value(reason)


def _mappings(reason: Reason, sources: Sources) -> Sequence[ObjectMapping]:
    source = sources.sources.get(reason.source)
    return [one for one in source.objects.values() if one.object == reason.object] if source else []


def _of_missing(reason: Reason, mappings: Sequence[ObjectMapping]) -> str:
    fields = reason.field.split(" or ")
    columns = [mapping.fields[field] for mapping in mappings for field in fields if field in mapping.fields]
    if not columns:
        return f"sources.yaml names no column for {reason.field} of {reason.source}: name it, publish, replay"
    known = " or ".join(dict.fromkeys(columns))
    return (
        f"read from {known}: where the value stands elsewhere, name that column in sources.yaml; where it is "
        f"nowhere, only {reason.source} can fill it, or contract.yaml ask less"
    )


def _of_value(reason: Reason) -> str:
    place = f"objects.{reason.object}.fields.{reason.field} of contract.yaml"
    if reason.rule == "type":
        return f"say in sources.yaml how it is written (time_formats, numbers, values), or change the type in {place}"
    if reason.rule in ("one_of", "matches", "between", "max_length"):
        return f"translate it under values in sources.yaml, or widen {reason.rule} in {place}"
    return f"only {reason.source} can mend the value; alone it empties a field and keeps no record out"


_REASONS: Final = sa.text(f"""
with told as (
    select i.source, i.object, q.seq, q.hand_raise, q.since,
           r ->> 'field' as field, r ->> 'rule' as rule, r ->> 'allowed' as allowed, r ->> 'found' as found
    from quarantine q join inbox i using (seq), jsonb_array_elements(q.reasons) r
    where q.state = 'open' and {CHOSEN}
), counted as (
    select source, object, field, rule, found, max(allowed) as allowed, count(distinct seq) as times
    from told group by 1, 2, 3, 4, 5
), commonest as (
    select distinct on (source, object, field, rule) * from counted
    order by source, object, field, rule, times desc, found
)
select t.source, t.object, t.field, t.rule, max(c.allowed) as allowed, count(distinct t.seq) as records,
       count(distinct t.seq) filter (where t.hand_raise) as hand_raises, min(t.since) as since,
       max(c.found) as found, max(c.times) as times
from told t join commonest c
  on (c.source, c.object, c.field, c.rule) = (t.source, t.object, t.field, t.rule)
group by t.source, t.object, t.field, t.rule
order by t.rule = any(:decisive) desc, records desc, 1, 2, 3, 4
""")
