"""The quarantine by reason: how many records each keeps out, what was found most often, and what mends it.

Reads `quarantine` and `inbox`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from clearlane.connectors import written
from clearlane.ledger.held import DELIVERY
from clearlane.policy.model import ObjectMapping, Sources
from clearlane.quality.quarantine import ALL, CHOSEN, UNREADABLE, Chosen, Quarantined

_DECIMAL_COMMA: Final = re.compile(r"[^\d]*\d{1,3}([.\s]\d{3})*,\d+[^\d]*|\d{1,3}([.\s]\d{3})+")
_SAMPLE: Final = 200  # records whose columns are looked at

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
        return self.rule in DECISIVE or self.held

    @property
    def held(self) -> bool:
        """Whether nothing is said of the records, but of the delivery that they came with."""
        return self.field == DELIVERY

    @property
    def wrong(self) -> str:
        """What is wrong, in words."""
        if self.held:
            return "held back, whatever they are, with all that came with them"
        match self.rule:
            case "readable":
                return "cannot be read"
            case "any_of":
                return "none of them is usable"
            case "required":
                return "is missing" if self.found is None else "is there and not usable"
        return f"ought to be {self.allowed}" if self.allowed else "is not as it ought to be"


def reasons(connection: Connection, sources: Sources, chosen: Chosen = ALL) -> Sequence[Reason]:
    """The reasons of the chosen open records: first those that keep records out, the commonest first."""
    rows = connection.execute(
        _REASONS, {**asdict(chosen), "decisive": list(DECISIVE), "delivery": DELIVERY}
    ).mappings()
    found = [Reason(**row) for row in rows]
    columns = _columns(connection, {(one.source, one.object) for one in found if one.decisive})
    return [replace(one, fix=fix(one, sources, columns.get((one.source, one.object), ()))) for one in found]


def _columns(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """The columns of the newest open records of each source and object."""
    return {
        (source, object): list(
            connection.execute(_COLUMNS, {"source": source, "object": object, "sample": _SAMPLE}).scalars()
        )
        for source, object in wanted
    }


def as_json(reason: Reason) -> dict[str, Any]:
    """The reason as JSON values; times ISO 8601 in UTC."""
    return asdict(reason) | {"since": reason.since.isoformat(), "decisive": reason.decisive}


def tables(found: Sequence[Reason], records: Sequence[Quarantined] = ()) -> Sequence[Table]:
    """The reasons, and the records where any are given, as a person reads them on a screen."""
    told = Table("records", "reason", "what mends it", box=None, padding=(0, 2, 1, 0))
    for one in found:
        told.add_row(*map(Text, (f"{one.records:,}", _told(one), one.fix)))
    listed = Table("record", "from", "since", "why", box=None)
    for entry in records:
        cells = (str(entry.seq), entry.origin, f"{entry.since:%Y-%m-%d %H:%M}", entry.why)
        listed.add_row(*map(Text, cells))
    return (told, listed) if records else (told,)


def _told(one: Reason) -> str:
    asked = f", {one.hand_raises:,} of them requests for sales" if one.hand_raises else ""
    shared = f", {one.times:,} times" if one.times > 1 and not one.held else ""
    often = f"\nfound: {one.found}{shared}" if one.found is not None else ""
    return f"{one.name}: {one.wrong}\n{one.source} {one.object}, since {one.since:%Y-%m-%d}{asked}{often}"


# --- what mends it --------------------------------------------------------------------------------


def fix(reason: Reason, sources: Sources, columns: Collection[str] = ()) -> str:
    """What a person can do so that a replay lets these records in; `columns`: those that the records have."""
    if reason.rule == UNREADABLE:
        return _of_unreadable(reason)
    if reason.held:
        return (
            f"look at some; where they are right, replay them, and publish another `stop` of {reason.rule} in "
            "contract.yaml, or more of the kind is held as well; else dismiss them and have the source send again"
        )
    mappings = _mappings(reason, sources)
    if not mappings:
        return f"sources.yaml maps no {reason.object} of {reason.source}: map it, publish, replay"
    if reason.rule == "required" and reason.found is not None:
        return _of_unusable(reason)
    if reason.rule in DECISIVE:
        return _of_missing(reason, mappings, columns)
    return _of_value(reason)


def _mappings(reason: Reason, sources: Sources) -> Sequence[ObjectMapping]:
    source = sources.sources.get(reason.source)
    return [one for one in source.objects.values() if one.object == reason.object] if source else []


def _of_unreadable(reason: Reason) -> str:
    if "bytes that are not" in (reason.found or ""):
        return (
            "say how it is written, as in `encoding: cp1252` (Excel on Windows), in sources.yaml, publish, deliver the "
            "file again; then dismiss these, a replay cannot help"
        )
    return "mend the file or the record in its source and deliver it again; then dismiss this, a replay cannot help"


def _of_unusable(reason: Reason) -> str:
    advice = written.advice(reason.found or "")
    if advice:
        return f"{advice} in sources.yaml reads it: publish, replay"
    return f"what keeps it out stands at the other reasons of {reason.field}, with what mends it"


def _of_missing(reason: Reason, mappings: Sequence[ObjectMapping], columns: Collection[str]) -> str:
    fields = reason.field.split(" or ")
    named = [mapping.fields[field] for mapping in mappings for field in fields if field in mapping.fields]
    if not named:
        return f"sources.yaml names no column for {reason.field} of {reason.source}: name it, publish, replay"
    known = " or ".join(dict.fromkeys(named))
    gone = [one for one in dict.fromkeys(named) if not {one, one.split(".")[0]}.intersection(columns)]
    others = sorted(set(columns).difference(*((*one.fields.values(), *one.drop) for one in mappings)))
    if gone and others:
        return (
            f"these records have no {' nor '.join(gone)}; not mapped are {', '.join(others)}: where one of these holds "
            f"it, name that column in sources.yaml, publish, replay; else only {reason.source} can fill it"
        )
    return (
        f"read from {known}: where the value stands elsewhere, name that column in sources.yaml; where it is "
        f"nowhere, only {reason.source} can fill it, or contract.yaml ask less"
    )


def _of_value(reason: Reason) -> str:
    place = f"objects.{reason.object}.fields.{reason.field} of contract.yaml"
    match reason.rule:
        case "not_rounded":
            return "its digits are lost: export again with ids as text, deliver; then dismiss these"
        case "type" | "whole":
            return _of_type(reason, place)
        case "one_of" | "matches" | "between" | "max_length":
            return f"translate it under values in sources.yaml, or widen {reason.rule} in {place}"
    return f"only {reason.source} can mend the value; alone it empties a field and keeps no record out"


def _of_type(reason: Reason, place: str) -> str:
    found = reason.found or ""
    if _DECIMAL_COMMA.fullmatch(found):
        return f'decimal: "," and numbers: [{reason.field}] in sources.yaml read it: publish, replay'
    advice = written.advice(found) if reason.allowed == "an ISO 8601 time" else None
    if advice:
        return f"{advice} in sources.yaml reads it: publish, replay"
    return f"say in sources.yaml how it is written (time_formats, numbers, values), or change the type in {place}"


_COLUMNS: Final = sa.text("""
select distinct key from (
    select i.payload from quarantine q join inbox i using (seq)
    where q.state = 'open' and i.source = :source and i.object = :object and i.record is not null
      and jsonb_typeof(i.payload) = 'object'
    order by seq desc limit :sample
) newest, jsonb_object_keys(payload) as key order by key
""")
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
order by t.rule = any(:decisive) or t.field = :delivery desc, records desc, 1, 2, 3, 4
""")
