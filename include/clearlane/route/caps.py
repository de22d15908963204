"""Caps held against what reps were given: each lead counted again by the roster that its decision names.

Hour, day and week by the clock of the rep's zone, open leads as they were before the decision's number. What
people assign counts, and only they may exceed a cap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger.doctor import Check, Finding
from clearlane.policy.model import Caps, Rep
from clearlane.route.eligibility import ramp_share, ramped

DAYS: Final = 30
"""how far back from the newest decision `doctor` looks"""
SPANS: Final = {"hour": "in an hour", "day": "on a day", "week": "in a week", "open": "open"}
PROMISE: Final = "nobody was given a lead over a cap in force, by hour, day, week or open leads"

# A lead whose record was merged has its assignment moved: the same number, open until the last of them ended. All
# windows count what had a smaller number, and so was there: decisions of one run are made one after the other.
# What was returned after a number counts no more in the windows of later ones.
_COUNTED = f"""
with given as (
    select a.decision_seq, a.rep_id, min(a.started_at) as started_at,
           case when bool_or(a.ended_at is null) then null else max(a.ended_seq) end as ended_seq,
           max(a.returned_seq) as returned_seq
    from assignment a where a.decision_seq is not null and a.rep_id is not null group by 1, 2
), placed as (
    select g.*, d.roster_id, d.mode, d.as_of, d.rep_id = g.rep_id as own,
           g.started_at at time zone (r.content #>> array['reps', g.rep_id, 'zone']) as local
    from given g join decision d using (decision_seq) join roster r using (roster_id)
), held as (
    select rep_id, seq, sum(step) over (partition by rep_id order by seq range unbounded preceding)
                        - sum(step) over (partition by rep_id, seq) as open
    from (
        select rep_id, decision_seq as seq, 1 as step from given
        union all select rep_id, ended_seq, -1 from given where ended_seq is not null
    ) moved
), counted as (
    select *, decision_seq as seq, 1 as step from placed where local is not null
    union all select *, returned_seq + 0.5, -1 from placed where local is not null and returned_seq is not null
), numbered as (
    select p.*,
           sum(p.step) over (partition by p.rep_id, date_trunc('hour', p.local) order by p.seq) as hour,
           sum(p.step) over (partition by p.rep_id, date_trunc('day', p.local) order by p.seq) as day,
           sum(p.step) over (partition by p.rep_id, date_trunc('week', p.local) order by p.seq) as week,
           coalesce(h.open, 0) + 1 as open
    from counted p join (select distinct rep_id, seq, open from held) h
      on h.rep_id = p.rep_id and h.seq = p.decision_seq
)
select n.roster_id, n.rep_id, n.local::date as today, r.content -> 'reps' -> n.rep_id as rep,
       max(n.hour) as hour, max(n.day) as day, max(n.week) as week, max(n.open) as open,
       (array_agg(n.decision_seq order by n.hour desc))[1] as hour_seq,
       (array_agg(n.decision_seq order by n.day desc))[1] as day_seq,
       (array_agg(n.decision_seq order by n.week desc))[1] as week_seq,
       (array_agg(n.decision_seq order by n.open desc))[1] as open_seq
from numbered n join roster r using (roster_id)
where n.step = 1 and n.own and (n.mode = 'live' or {{claimed}})
  and n.as_of > (select max(as_of) from decision) - interval '{DAYS} days'
group by 1, 2, 3, 4
order by 2, 3
"""
_CLAIMED = """exists (
    select from decision d join routing_event e on e.handled_batch = d.batch_id
    where d.decision_seq = n.decision_seq and e.kind = 'claim')"""


def finding(connection: Connection, limit: int = 20) -> Finding:
    """What `doctor` says of the last DAYS days."""
    rows = connection.execute(sa.text(_COUNTED.format(claimed=_CLAIMED))).mappings()
    over = [told for row in rows for told in _over(row)]
    return Finding(Check("caps_are_kept", PROMISE, ""), tuple(over[:limit]), len(over))


def _over(row: RowMapping) -> Iterator[str]:
    caps = _caps(row["rep"], row["today"])
    for span, when in SPANS.items():
        cap, count = getattr(caps, span), row[span]
        if cap is not None and count > cap:
            named = f"{row['rep_id']} on {row['today']}: {count} {when}, cap {cap}"
            yield f"{named}, decision {row[f'{span}_seq']}"


def _caps(rep: Mapping[str, Any], today: date) -> Caps:
    """The caps in force of a rep of a stored roster, with the ramp of that day."""
    begun = rep.get("active_from")
    ramp = Rep(
        id="", name="", email="", role="", zone=rep["zone"], hours={}, ramp=tuple(rep["ramp"]),
        active_from=date.fromisoformat(begun) if begun else None,
    )  # fmt: skip
    return ramped(Caps(**rep["caps"]), ramp_share(ramp, today))
