"""What became of leads: which offers reps took up, why they declined, and how far cohorts of leads came.

As known now of what happened before `as_of`. docs/figures.md says each number so that another person can recompute
it. Reads `assignment`, `outcome`, `routing_event`, `stage_entry`, `decision`, `score`, `lead`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import FIRST_STAGE, LATER_STAGES, TIME_OUT
from clearlane.sla.speed import Window

LAGS: Final[Mapping[str, timedelta]] = {
    "accepted": timedelta(days=7),
    "sql": timedelta(days=30),
    "won": timedelta(days=90),
}
"""how long after its entry into the funnel a lead's step counts: the same for every cohort"""


@dataclass(frozen=True)
class Offers:
    """Leads that routing gave, all or of one band, source, team or rep, and what was made of them."""

    by: str
    name: str | None
    offered: int
    accepted: int
    """worked in any way and not refused"""
    declined: int
    returned: int
    """of the declined, those that were no lead for the rep: the turn came back"""
    timed_out: int
    """not accepted in time"""
    taken: int
    """taken away for silence"""
    open: int
    """nothing of these yet"""

    @property
    def share(self) -> float | None:
        """Accepted, of those with an answer."""
        answered = self.offered - self.open
        return self.accepted / answered if answered else None


@dataclass(frozen=True)
class Reason:
    """Why reps declined, all or of one team or rep."""

    by: str
    name: str | None
    reason: str
    count: int


@dataclass(frozen=True)
class Cohort:
    """Leads that became MQL or PQL in one month, all or of one source or band, and how far they came in time."""

    month: date
    by: str
    name: str | None
    leads: int
    accepted: int
    sql: int
    won: int
    amount: float
    """pipeline: what the opportunities are worth, in the currency of the source"""
    won_amount: float
    unfinished: tuple[str, ...]
    """steps that some of these leads still have time for"""


@dataclass(frozen=True)
class Intake:
    """Records of one source that came in, and those of which nothing could be used."""

    source: str
    received: int
    quarantined: int

    @property
    def usable(self) -> float | None:
        return 1 - self.quarantined / self.received if self.received else None


@dataclass(frozen=True)
class Trouble:
    """Something that was wrong with the pipeline: its key, and how long; still open where `closed_at` is None."""

    key: str
    because: str
    opened_at: datetime
    closed_at: datetime | None


def offers(connection: Connection, returned: Sequence[str], window: Window) -> Sequence[Offers]:
    """What was made of the leads given in the window. `returned`: reasons that give the turn back."""
    rows = connection.execute(sa.text(_OFFERS), _bound(returned, window)).mappings()
    return tuple(Offers(**row) for row in rows)


def reasons(connection: Connection, window: Window) -> Sequence[Reason]:
    """Why the leads given in the window were declined, the commonest first."""
    rows = connection.execute(sa.text(_REASONS), _bound((), window)).mappings()
    return tuple(Reason(**row) for row in rows)


def _bound(returned: Sequence[str], window: Window) -> dict[str, Any]:
    spans = {"since": window.since, "until": window.until, "as_of": window.as_of}
    return {**spans, "returned": [one.lower() for one in returned], "time_out": TIME_OUT}


# --- offers -----------------------------------------------------------------------------------------------

# Whose lead it was when it was told: the last who had got it by then.
_GIVEN: Final = """
with held as (
    select a.*, l.survivor_id, l.source, d.band, d.mode,
           lead(a.started_at, 1, :as_of) over (
               partition by l.survivor_id order by a.started_at, a.assignment_id) as until
    from assignment a join lead l using (lead_id) left join decision d using (decision_seq)
    where l.survivor_id in (
        select m.survivor_id from assignment g join lead m using (lead_id)
        where g.started_at >= :since and g.started_at < :until)
      and a.started_at < :as_of
), given as (
    select * from held where by = 'clearlane' and mode = 'live' and rep_id is not null
      and started_at >= :since and started_at < :until
), told as (
    select g.assignment_id, o.kind, o.reason
    from given g join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
    where o.occurred_at >= g.started_at and o.occurred_at < g.until
    union all
    select g.assignment_id, case e.kind when 'breach' then 'taken' else 'rejected' end, e.detail ->> 'reason'
    from given g join lead m using (survivor_id) join routing_event e on e.lead_id = m.lead_id and e.rep_id = g.rep_id
    where e.kind in ('decline', 'breach') and (e.handled_batch is null or e.handled_seq is not null)
      and e.occurred_at >= g.started_at and e.occurred_at < g.until
), verdict as (
    select g.assignment_id, g.band, g.source, g.team, g.rep_id as rep, t.reason,
           coalesce(t.refused, false) as refused, coalesce(t.taken, false) as taken, coalesce(t.worked, false) as worked
    from given g left join (
        select assignment_id, bool_or(kind = 'rejected') as refused, bool_or(kind = 'taken') as taken,
               bool_or(kind in ('accepted', 'first_touch', 'meeting', 'sql', 'opportunity', 'won', 'lost')) as worked,
               coalesce(min(lower(btrim(reason))) filter (where kind = 'rejected'), 'no reason') as reason
        from told group by 1
    ) t using (assignment_id)
)
"""
_OFFERS: Final = f"""{_GIVEN}
select * from (
    select case when grouping(band) = 0 then 'band' when grouping(source) = 0 then 'source'
                when grouping(team) = 0 then 'team' when grouping(rep) = 0 then 'rep' else 'all' end as by,
           coalesce(band, source, team, rep) as name, count(*) as offered,
           count(*) filter (where worked and not refused and not taken) as accepted,
           count(*) filter (where refused and reason <> :time_out) as declined,
           count(*) filter (where refused and reason = any(:returned)) as returned,
           count(*) filter (where refused and reason = :time_out) as timed_out,
           count(*) filter (where taken and not refused) as taken,
           count(*) filter (where not worked and not refused and not taken) as open
    from verdict group by grouping sets ((), (band), (source), (team), (rep))
) counted where offered > 0 order by by <> 'all', by, name
"""
_REASONS: Final = f"""{_GIVEN}
select * from (
    select case when grouping(team) = 0 then 'team' when grouping(rep) = 0 then 'rep' else 'all' end as by,
           coalesce(team, rep) as name, reason, count(*) as count
    from verdict where refused and reason <> :time_out
    group by grouping sets ((reason), (reason, team), (reason, rep))
) counted order by by <> 'all', by, name, count desc, reason
"""

# --- cohorts ----------------------------------------------------------------------------------------------


def cohorts(
    connection: Connection, since: datetime, as_of: datetime, lags: Mapping[str, timedelta] = LAGS
) -> Sequence[Cohort]:
    """By month (UTC) of entry since a moment: MQL → accepted → SQL → won, and what their opportunities are worth."""
    bound = {"since": since, "as_of": as_of, "before": [FIRST_STAGE], "after": list(LATER_STAGES), **lags}
    rows = connection.execute(sa.text(_COHORTS), bound).mappings()
    return tuple(Cohort(unfinished=_unfinished(row["month"], as_of, lags), **row) for row in rows)


def _unfinished(month: date, as_of: datetime, lags: Mapping[str, timedelta]) -> tuple[str, ...]:
    end = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=as_of.tzinfo)
    return tuple(step for step, lag in lags.items() if end + lag > as_of)


_COHORTS: Final = """
with entered as (
    select l.survivor_id, e.cycle, min(e.entered_at) as at
    from stage_entry e join lead l using (lead_id)
    where e.stage <> all(:before) and e.stage <> all(:after) and e.entered_at < :as_of
    group by 1, 2
), entry as (
    select e.*, lead(at, 1, 'infinity') over (partition by survivor_id order by at, cycle) as until from entered e
), known as (
    select e.survivor_id, e.cycle, date_trunc('month', e.at at time zone 'UTC')::date as month, l.source, s.band,
           a.accepted, a.sql, a.won, a.amount, a.won_amount
    from entry e join lead l on l.lead_id = e.survivor_id
    left join lateral (
        select band from score where lead_id = e.survivor_id and as_of < :as_of
        order by as_of < e.at, case when as_of < e.at then e.at - as_of else as_of - e.at end, score_id limit 1
    ) s on true
    cross join lateral (
        select coalesce(bool_or(kind in ('accepted', 'sql', 'opportunity', 'won')
                                and occurred_at < e.at + cast(:accepted as interval)), false) as accepted,
               coalesce(bool_or(kind in ('sql', 'opportunity', 'won')
                                and occurred_at < e.at + cast(:sql as interval)), false) as sql,
               coalesce(bool_or(kind = 'won' and occurred_at < e.at + cast(:won as interval)), false) as won,
               (array_agg(amount order by occurred_at desc, outcome_id)
                   filter (where kind in ('opportunity', 'won') and amount is not null))[1] as amount,
               (array_agg(amount order by occurred_at desc, outcome_id)
                   filter (where kind = 'won' and amount is not null
                                and occurred_at < e.at + cast(:won as interval)))[1] as won_amount
        from lead m join outcome o on o.lead_id = m.lead_id
        where m.survivor_id = e.survivor_id and o.occurred_at >= e.at and o.occurred_at < e.until
          and o.occurred_at < :as_of and o.occurred_at < e.at + cast(:won as interval)
    ) a
    where e.at >= date_trunc('month', cast(:since as timestamptz) at time zone 'UTC') at time zone 'UTC'
)
select * from (
    select month, case when grouping(source) = 0 then 'source' when grouping(band) = 0 then 'band' else 'all' end as by,
           coalesce(source, band) as name, count(*) as leads,
           count(*) filter (where accepted) as accepted, count(*) filter (where sql) as sql,
           count(*) filter (where won) as won,
           coalesce(sum(amount), 0) as amount, coalesce(sum(won_amount), 0) as won_amount
    from known group by grouping sets ((month), (month, source), (month, band))
) counted order by month, by <> 'all', by, name
"""

# --- the pipeline -------------------------------------------------------------------------------------------


def intake(connection: Connection, window: Window) -> Sequence[Intake]:
    """Lead records that runs of the window brought, by source, and how many of them went to quarantine."""
    rows = connection.execute(sa.text(_INTAKE), _bound((), window)).mappings()
    return tuple(Intake(**row) for row in rows)


def troubles(connection: Connection, window: Window) -> Sequence[Trouble]:
    """Incidents that were open in the window, the oldest first."""
    rows = connection.execute(sa.text(_TROUBLES), _bound((), window)).mappings()
    return tuple(Trouble(**row) for row in rows)


_INTAKE: Final = """
select i.source, count(*) as received, count(q.seq) as quarantined
from inbox i join batch b on b.batch_id = i.first_batch left join quarantine q on q.seq = i.seq
where i.object = 'leads' and b.as_of > :since and b.as_of <= least(:until, cast(:as_of as timestamptz))
group by 1 order by 1
"""
_TROUBLES: Final = """
select key, because, opened_at, case when closed_at < :as_of then closed_at end as closed_at from incident
where opened_at < least(:until, cast(:as_of as timestamptz)) and (closed_at is null or closed_at >= :since)
order by opened_at, incident_id
"""
