"""What the records of each source were like, day by day: counted once a day, kept for a year, without any value.

A day is a day of the source's time (UTC). It is counted when it is over, and again when records of it come late.
Reads inbox, quality_note; writes quality_profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import OBJECTS, Policy
from clearlane.quality.days import WEEKS, Day, FieldFigures
from clearlane.quality.requirements import contracts_of
from clearlane.rules import Type

HORIZON: Final = timedelta(weeks=WEEKS + 1)
"""how far back days are counted: what comes later than that changes no day any more"""
KEPT: Final = timedelta(days=400)
SAMPLE: Final = 5_000
"""records of a day and object whose fields are looked at: as many tell a share to a point"""
_SHAPED: Final = (Type.TEXT, Type.NUMBER, Type.BOOLEAN)


def refresh(connection: Connection, policy: Policy, as_of: datetime) -> int:
    """Count the days that are over by `as_of` and are not counted yet, or of which records came since; how many.

    Whoever is not the first leaves it to the first; what another transaction has not committed comes with the next.
    """
    yesterday = as_of.astimezone(UTC).date() - timedelta(days=1)
    counted = connection.execute(_COUNTED).one()
    if counted.day is not None and counted.day >= yesterday:
        return 0
    if not connection.execute(_FIRST).scalar_one():
        return 0
    days = _days(connection, counted.day, counted.known_seq or 0, yesterday)
    asked = _asked(connection, policy, counted.known_seq or 0, yesterday)
    if not asked["sources"]:
        return 0
    for day in days:
        start, end = moments(day)
        connection.execute(_CLEAR, {"day": day})
        connection.execute(_COUNT, asked | {"day": day, "start": start, "end": end})
    connection.execute(_FORGET, {"before": yesterday - KEPT})
    return len(days)


def known(connection: Connection, since: date, until: date) -> Sequence[Day]:
    """The days of all sources and objects from `since` to `until`, both included, in order."""
    rows = map(dict, connection.execute(_KNOWN, {"since": since, "until": until}).mappings())
    grouped = groupby(rows, key=lambda row: (row["day"], row["source"], row["object"]))
    return [_day(*key, list(found)) for key, found in grouped]


def moments(day: date) -> tuple[datetime, datetime]:
    """When a day begins and ends."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


# --- counting -------------------------------------------------------------------------------------


def _days(connection: Connection, counted: date | None, known_seq: int, yesterday: date) -> list[date]:
    """The days since the last that was counted, and the earlier ones of which records came since."""
    oldest = yesterday - HORIZON
    asked = {"seq": known_seq, "since": moments(oldest)[0], "until": moments(yesterday)[1]}
    late = set(connection.execute(_LATE, asked).scalars())
    first = max(counted or min(late, default=yesterday), oldest)
    over = {first + timedelta(days=number) for number in range((yesterday - first).days + 1)}
    return sorted(late | over)


def _asked(connection: Connection, policy: Policy, known_seq: int, yesterday: date) -> dict[str, Any]:
    """What is counted: the objects of sources that are known, and the fields of each."""
    pairs = connection.execute(_PAIRS, {"seq": known_seq, "since": yesterday - HORIZON}).all()
    fields = list(_fields(policy))
    return {
        "sources": [pair.source for pair in pairs], "kinds": [pair.object for pair in pairs],
        "objects": [name for name, _, _ in fields], "names": [name for _, name, _ in fields],
        "shaped": [shaped for _, _, shaped in fields],
        "newest": connection.execute(_NEWEST).scalar_one(), "sample": SAMPLE,
    }  # fmt: skip


def _fields(policy: Policy) -> Iterator[tuple[str, str, bool]]:
    """Object, field, and whether the spread of its values tells anything: that of moments does not."""
    for name, contract in contracts_of(policy, frozenset(OBJECTS)).items():
        seen = {field.name: field.type for field in contract.fields}
        declared = policy.scoring.attributes if name == "leads" else {}
        for field, kind in {**declared, **seen}.items():
            yield name, field, kind in _SHAPED


def _day(day: date, source: str, object: str, rows: Sequence[Mapping[str, Any]]) -> Day:
    whole = next(row for row in rows if row["field"] == "")
    fields = {row["field"]: _figures(row) for row in rows if row["field"]}
    return Day(day, source, object, whole["rows"], whole["unusable"], whole["filled"], fields)


def _figures(row: Mapping[str, Any]) -> FieldFigures:
    quantiles = tuple(row["quantiles"] or ())
    return FieldFigures(row["rows"], row["filled"], row["unusable"], row["variety"], row["shape"], quantiles)


_FIRST: Final = sa.text("select pg_try_advisory_xact_lock(hashtext('clearlane.quality_profile'))")
_COUNTED: Final = sa.text("select max(day) as day, max(known_seq) as known_seq from quality_profile")
_NEWEST: Final = sa.text("select coalesce(max(seq), 0) from inbox")
_FORGET: Final = sa.text("delete from quality_profile where day < :before")
_PAIRS: Final = sa.text("""
select distinct source, object from inbox where seq > :seq and object <> 'file'
union
select distinct source, object from quality_profile where day >= :since
""")
_CLEAR: Final = sa.text("delete from quality_profile where day = :day")
_LATE: Final = sa.text("""
select distinct cast(source_time at time zone 'UTC' as date) from inbox
where seq > :seq and object <> 'file' and source_time >= :since and source_time < :until
""")

# Objects of which nothing came are counted, too: nothing is what is to be noticed. A number's kind is its size in
# half octaves, a text's one of sixteen hashes: neither says what the value was.
_COUNT: Final = sa.text("""
with pairs as (
    select * from unnest(cast(:sources as text[]), cast(:kinds as text[])) as pairs(source, object)
), numbered as (
    select i.seq, i.source, i.object, i.record, i.state,
           row_number() over (partition by i.source, i.object, i.state <> 'quarantined' and i.record is not null
                              order by hashint8(i.seq), i.seq) as place
    from pairs p join inbox i using (source, object)
    where i.source_time >= :start and i.source_time < :end and i.state <> 'erased'
), looked as (
    select seq, source, object, record from numbered
    where state <> 'quarantined' and record is not null and place <= :sample
), totals as (
    select source, object, count(*) as rows, count(*) filter (where state = 'quarantined') as quarantined
    from numbered group by 1, 2
), sizes as (
    select source, object, count(*) as rows from looked group by 1, 2
), asked as (
    select * from unnest(cast(:objects as text[]), cast(:names as text[]), cast(:shaped as bool[]))
        as asked(object, field, shaped)
), told as (
    select l.source, l.object, a.field, a.shaped, v.value #>> '{}' as text,
           case when jsonb_typeof(v.value) = 'number' then cast(v.value as double precision) end as number,
           jsonb_typeof(v.value) = 'boolean' as truth
    from looked l cross join lateral jsonb_each(l.record) v join asked a on a.object = l.object and a.field = v.key
    where jsonb_typeof(v.value) in ('string', 'number', 'boolean')
), kinds as (
    select source, object, field, text, number, case
        when not shaped then null when truth then text
        when number = 0 then 'n0'
        when number is not null then 'n' || case when number < 0 then '-' else '' end
            || round(cast(2 * ln(abs(number)) / ln(2.0) as numeric))
        else 'h' || (hashtext(lower(text)) & 15) end as kind
    from told
), shapes as (
    select source, object, field, jsonb_object_agg(kind, count) as shape
    from (select source, object, field, kind, count(*) as count from kinds where kind is not null
          group by 1, 2, 3, 4) counted
    group by 1, 2, 3
), figures as (
    select source, object, field, count(*) as filled, count(distinct text) as variety,
           percentile_disc(array[0.05, 0.25, 0.5, 0.75, 0.95]) within group (order by number) as quantiles
    from kinds group by 1, 2, 3
), emptied as (
    select l.source, l.object, n.field, count(distinct n.seq) as unusable
    from looked l join quality_note n using (seq) group by 1, 2, 3
)
insert into quality_profile (day, source, object, field, rows, filled, unusable, variety, shape, quantiles, known_seq)
select :day, p.source, p.object, '', coalesce(t.rows, 0), coalesce(s.rows, 0), coalesce(t.quarantined, 0), 0,
       '{}', null, :newest
from pairs p left join totals t using (source, object) left join sizes s using (source, object)
union all
select :day, source, object, field, s.rows, coalesce(v.filled, 0), coalesce(e.unusable, 0), coalesce(v.variety, 0),
       coalesce(h.shape, '{}'), v.quantiles, :newest
from sizes s join (figures v full join emptied e using (source, object, field)) using (source, object)
left join shapes h using (source, object, field)
""")

_KNOWN: Final = sa.text("""
select day, source, object, field, rows, filled, unusable, variety, shape, quantiles
from quality_profile where day between :since and :until order by day, source, object, field
""")
