"""The rows that wait in the inbox: claimed for a batch, read in chunks, and what was judged written back.

Reads inbox and batch; writes inbox, quality_note, quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.ledger import Batch, stage_rows
from clearlane.ledger.models import inbox, quality_note, quarantine
from clearlane.quality.batch_rules import Finding
from clearlane.quality.judgement import Judgement

CHUNK: Final = 10_000
STALLED_AFTER: Final = timedelta(hours=6)
"""A live run that is still open this long after its start is taken for dead, and its rows for free."""

# Whatever is later than the run's end belongs to a later run. A time that its own arrival belies is no such
# time: it is taken, and the contract judges it.
_CLAIM = sa.text("""
with stalled as (
    select b.batch_id from batch b, batch mine
    where mine.batch_id = :batch_id and b.batch_id <> mine.batch_id and b.mode = 'live'
      and (b.closed_at < mine.opened_at or b.opened_at < mine.opened_at - cast(:stalled_after as interval))
), free as (
    select seq from inbox
    where state = 'waiting' and source = any(:sources)
      and (batch_id is null or batch_id in (select batch_id from stalled))
      and (coalesce(source_time, received_at) < :end or source_time > received_at + interval '1 day')
    order by seq
    for update skip locked
)
update inbox set batch_id = :batch_id from free where inbox.seq = free.seq
""")

_OBJECTS = sa.text("select distinct object from inbox where batch_id = :batch_id and state = 'waiting'")

_TYPE = """
update inbox set record = judged.record,
    external_id = case when 'id' <> all(cast(:names as text[])) or judged.record ? 'id' then inbox.external_id end
from (
    select i.seq, jsonb_strip_nulls((i.record - cast(:names as text[])) || t.record) as record
    from quality_typed t join inbox i using (seq)
) as judged
where inbox.seq = judged.seq and inbox.record is distinct from judged.record
"""

_NOTE = """
insert into quality_note (seq, field, rule, found)
select seq, field, rule, found from quality_noted
on conflict do nothing
"""

_QUARANTINE = """
insert into quarantine (seq, reasons, since)
select seq, reasons, since from quality_quarantined
on conflict (seq) do update set
    reasons = excluded.reasons, since = excluded.since, state = 'open', by = null, because = null
"""

_SET_ASIDE = "update inbox set state = 'quarantined' from quality_quarantined q where inbox.seq = q.seq"

# Of a waiting row the quarantine knows only where a person has handed it back.
_HOLD = sa.text("""
with held as (
    insert into quarantine (seq, reasons, since)
    select i.seq, :reasons, :as_of from inbox i
    where i.batch_id = :batch_id and i.source = :source and i.object = :object and i.state = 'waiting'
      and not exists (select from quarantine q where q.seq = i.seq)
    order by i.seq
    returning seq
)
update inbox set state = 'quarantined' from held where inbox.seq = held.seq
""")

# A request for sales may lie in quarantine itself, or be about a lead that does, whichever came first.
_HAND_RAISES = sa.text("""
with asked as (
    select a.source, a.record ->> 'lead_id' as external_id
    from inbox a
    where a.batch_id = :batch_id and a.object = 'activities' and a.record ->> 'type' = any(:types)
    union
    select a.source, a.lead_external_id
    from inbox i join activity a on a.source = i.source and a.lead_external_id = i.external_id
    where i.batch_id = :batch_id and i.object = 'leads' and i.state = 'quarantined'
      and a.lead_id is null and a.type = any(:types)
), raised as (
    select i.seq from asked join inbox i using (source, external_id)
    where i.object = 'leads' and i.state = 'quarantined'
    union
    select i.seq from inbox i
    where i.batch_id = :batch_id and i.state = 'quarantined' and i.record ->> 'type' = any(:types)
)
update quarantine q set hand_raise = true from raised where q.seq = raised.seq and not q.hand_raise
""")


def claim(connection: Connection, batch: Batch) -> int:
    """Give the batch the rows that no run works on; the number taken. Only live runs that are no backfill take any."""
    if not batch.takes_inbox:
        return 0
    asked = {
        "batch_id": batch.batch_id,
        "sources": list(batch.sources),
        "end": batch.window_end or batch.as_of,
        "stalled_after": STALLED_AFTER,
    }
    return connection.execute(_CLAIM, asked).rowcount


def objects(connection: Connection, batch: Batch) -> frozenset[str]:
    """The objects of which rows of the batch wait."""
    return frozenset(connection.execute(_OBJECTS, {"batch_id": batch.batch_id}).scalars())


def chunks(connection: Connection, batch: Batch, name: str, fields: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The waiting rows of an object as text: columns seq, country and the fields; locked, at most CHUNK at a time."""
    columns = list(dict.fromkeys([*fields, "country"]))
    statement = _chunk(columns)
    asked = {"batch_id": batch.batch_id, "object": name, "after": 0}
    while rows := connection.execute(statement, asked).all():
        frame = pd.DataFrame(rows, columns=["seq", *columns], dtype=object)
        yield frame.astype({"seq": "int64"})
        asked["after"] = rows[-1][0]


def save(connection: Connection, batch: Batch, judgement: Judgement) -> None:
    """Write the judgement: typed records, notes on emptied fields, quarantined records kept as they came."""
    out = judgement.quarantined["seq"].unique()
    good = judgement.typed[~judgement.typed["seq"].isin(out)]
    names = [name for name in good.columns if name != "seq"]
    records = zip(good["seq"].tolist(), good[names].to_dict("records"), strict=True)
    stage_rows(connection, "quality_typed", inbox, ["seq", "record"], records)
    connection.execute(sa.text(_TYPE), {"names": names})
    notes = judgement.emptied[["seq", "field", "rule", "found"]].itertuples(index=False, name=None)
    stage_rows(connection, "quality_noted", quality_note, ["seq", "field", "rule", "found"], notes)
    connection.execute(sa.text(_NOTE))
    rows = ((seq, reasons, batch.as_of) for seq, reasons in reasons_by_record(judgement.quarantined))
    stage_rows(connection, "quality_quarantined", quarantine, ["seq", "reasons", "since"], rows)
    connection.execute(sa.text(_QUARANTINE))
    connection.execute(sa.text(_SET_ASIDE))


def hold(connection: Connection, batch: Batch, findings: Iterable[Finding]) -> int:
    """Put into quarantine what rules said stop to, of each source and object the batch's waiting rows; how many."""
    stops = sorted((one for one in findings if one.verdict == "stop"), key=_origin)
    return sum(
        _held(connection, batch, *origin, [one.reason for one in of_one])
        for origin, of_one in groupby(stops, key=_origin)
    )


_origin = attrgetter("source", "object")


def _held(
    connection: Connection, batch: Batch, source: str, name: str, reasons: Sequence[Mapping[str, str]]
) -> int:
    asked = {"batch_id": batch.batch_id, "as_of": batch.as_of, "source": source, "object": name}
    return connection.execute(_HOLD, {**asked, "reasons": Jsonb(reasons)}).rowcount


def mark_hand_raises(connection: Connection, batch: Batch, types: Sequence[str]) -> int:
    """Mark the quarantined records that are, or concern, a request for sales; the number newly marked."""
    return connection.execute(_HAND_RAISES, {"batch_id": batch.batch_id, "types": list(types)}).rowcount


def _chunk(names: Sequence[str]) -> sa.Select[Any]:
    columns = [inbox.c.record[name].astext.label(name) for name in names]
    return (
        sa.select(inbox.c.seq, *columns)
        .where(
            inbox.c.batch_id == sa.bindparam("batch_id"),
            inbox.c.object == sa.bindparam("object"),
            inbox.c.state == "waiting",
            inbox.c.seq > sa.bindparam("after"),
        )
        .order_by(inbox.c.seq)
        .limit(CHUNK)
        .with_for_update()
    )


def reasons_by_record(quarantined: pd.DataFrame) -> Iterator[tuple[int, list[dict[Any, Any]]]]:
    """Of each record that was judged unusable its number and its reasons, as quarantine keeps them; in their order."""
    names = ("field", "rule", "found", "allowed")
    rows = zip(quarantined["seq"].tolist(), *(quarantined[name].tolist() for name in names), strict=True)
    for seq, found in groupby(rows, key=itemgetter(0)):
        yield seq, [dict(zip(names, told, strict=True)) for _, *told in found]
