"""How soon leads are touched: speed by band, source, team and rep, and what was not kept, by cause.

Counted are the promises that fell due in a span of time, as known now of what happened before `as_of`. docs/figures.md
says each number so that another person can recompute it. Reads `sla_clock`, `sla_event`, `decision`, `lead`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import copy_rows
from clearlane.policy.model import Policy
from clearlane.route.calendars import ALWAYS, Calendar, open_spans, rep_calendar, team_calendar

PROMISED: Final = ("arrival", "assignment", "accept")
"""kinds of clocks that a touch or an accept ends"""


@dataclass(frozen=True)
class Window:
    """From a moment up to another, as of a third; UTC."""

    since: datetime
    until: datetime
    as_of: datetime


@dataclass(frozen=True)
class Speed:
    """Promises of one kind that fell due, all or of one tier, band, source, team or rep.

    `by` all: `name` is None. Times are of the kept and the late ones together; what nobody touched took for ever, so
    that a median or a ninetieth percentile may be None.
    """

    promise: str
    by: str
    name: str | None
    kept: int
    late: int
    untouched: int
    """of the late"""
    unjudged: int
    """the source of their touches was not read past the due moment"""
    called_off: int
    """ended, or stood still, before they were due: in no other number"""
    median: timedelta | None
    p90: timedelta | None
    business_median: timedelta | None
    """in the hours in which the promise was made"""
    business_p90: timedelta | None

    @property
    def share(self) -> float | None:
        """Kept, of those that can be judged."""
        judged = self.kept + self.late
        return self.kept / judged if judged else None


@dataclass(frozen=True)
class Breaches:
    """Promises of one kind that were told of as broken, by cause."""

    promise: str
    cause: str
    by: str
    name: str | None
    count: int
    withdrawn: int
    """beside the count: a touch in time became known later"""


def speed(connection: Connection, policy: Policy, window: Window) -> Sequence[Speed]:
    """How soon, by promise and each of tier, band, source, team and rep. Leaves temporary tables until the commit."""
    _gather(connection, policy, window)
    rows = connection.execute(sa.text(_SPEED)).mappings()
    return tuple(Speed(**row) for row in rows)


def breaches(connection: Connection, window: Window) -> Sequence[Breaches]:
    """What was not kept, by promise, cause and each of tier, band, source, team and rep."""
    rows = connection.execute(sa.text(_BREACHES), _bound(window)).mappings()
    return tuple(Breaches(**row) for row in rows)


@dataclass(frozen=True)
class Kept:
    """Promises of one kind that fell due in one week."""

    monday: date
    promise: str
    kept: int
    late: int


def trend(connection: Connection, window: Window) -> Sequence[Kept]:
    """Kept and late, by week and promise."""
    connection.execute(sa.text("drop table if exists pg_temp.promise"))
    connection.execute(sa.text(_PROMISES), _bound(window))
    return tuple(Kept(**row) for row in connection.execute(sa.text(_TREND)).mappings())


def _bound(window: Window) -> dict[str, datetime]:
    return {"since": window.since, "until": window.until, "as_of": window.as_of}


# --- promises that fell due -------------------------------------------------------------------------------

_PROMISES: Final = f"""
create temporary table promise on commit drop as
select k.clock_id, k.kind as promise, k.tier, d.band, l.source, d.team, k.rep_id as rep, k.started_at, k.due_at,
       t.at as touched_at,
       case when t.at <= k.due_at then 'kept'
            when k.ended_at <= k.due_at or k.paused_at <= k.due_at then 'called_off'
            when t.at > k.due_at or k.breached_at is not null then 'late'
            else 'unjudged' end as state
from sla_clock k join lead l using (lead_id) left join decision d using (decision_seq)
left join lateral (
    select min(at) as at from (
        select k.met_at as at
        union all
        select cast(e.detail ->> 'met_at' as timestamptz) from sla_event e
        where e.clock_id = k.clock_id and e.kind = 'withdrawn') touch
    where at < :as_of
) t on true
where k.kind in {PROMISED} and k.due_at >= :since and k.due_at < least(:until, cast(:as_of as timestamptz))
"""
_OWING: Final = """
select distinct promise, tier, rep from promise
"""
_BEGUN: Final = "select min(started_at) from promise"
_WHOSE: Final = "promise text, tier text, rep text, calendar integer"
_OPENING: Final = "calendar integer, opens timestamptz, closes timestamptz, before interval"


def _gather(connection: Connection, policy: Policy, window: Window) -> None:
    """Make `promise`, and the openings of every calendar that a promise runs in: `whose` and `opening`."""
    for table in ("promise", "whose", "opening"):
        connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
    connection.execute(sa.text(_PROMISES), _bound(window))
    for table, columns in {"whose": _WHOSE, "opening": _OPENING}.items():
        connection.execute(sa.text(f"create temporary table {table} ({columns}) on commit drop"))
    owing = [(row.promise, row.tier, row.rep) for row in connection.execute(sa.text(_OWING))]
    numbers: dict[Calendar, int] = {}
    rows = [(*one, numbers.setdefault(_calendar(policy, *one), len(numbers))) for one in owing]
    copy_rows(connection, "whose", ["promise", "tier", "rep", "calendar"], rows)
    begun = connection.execute(sa.text(_BEGUN)).scalar() or window.since
    spans = (row for one, number in numbers.items() for row in _openings(one, number, begun, window.as_of))
    copy_rows(connection, "opening", ["calendar", "opens", "closes", "before"], spans)
    connection.execute(sa.text("create unique index on opening (calendar, opens)"))
    connection.execute(sa.text("analyze promise, whose, opening"))


def _calendar(policy: Policy, promise: str, tier: str, rep: str | None) -> Calendar:
    """Whose hours a promise runs in; time off does not stop what a lead arrived with."""
    named, known = policy.sla.tiers.get(tier), policy.teams.reps.get(rep or "")
    if named is None or named.calendar == "always":
        return ALWAYS
    if named.calendar == "team" or known is None:
        return team_calendar(policy.sla)
    own = rep_calendar(known)
    return own.without_time_off() if promise == "arrival" else own


def _openings(
    calendar: Calendar, number: int, since: datetime, until: datetime
) -> Iterator[tuple[int, datetime, datetime, timedelta]]:
    """Open spans, each with the open time before it."""
    before = timedelta()
    first, last = (calendar.local(at).date() for at in (since, until))
    for opens, closes in open_spans(calendar, first - timedelta(days=1), last):
        yield number, opens, closes, before
        before += closes - opens


def _worked(moment: str) -> str:
    """How long it was open before a moment."""
    return f"""coalesce((
        select o.before + least({moment}, o.closes) - o.opens from opening o
        where o.calendar = w.calendar and o.opens <= {moment} order by o.opens desc limit 1), interval '0')"""


_BY: Final = ("tier", "band", "source", "team", "rep")
_SETS: Final = ", ".join(f"(promise, {one})" for one in _BY)
_NAMED: Final = (
    "case " + " ".join(f"when grouping({one}) = 0 then '{one}'" for one in _BY) + " else 'all' end as by,"
    f" coalesce({', '.join(_BY)}) as name"
)


def _percentile(share: float, column: str) -> str:
    """The smallest value that at least this share does not exceed; none where nobody touched that many."""
    found = (
        f"percentile_disc({share}) within group (order by {column}) filter (where state in ('kept', 'late'))"
    )
    return f"nullif({found}, 'infinity') * interval '1 second'"


_SPEED: Final = f"""
with timed as (
    select p.*, coalesce(extract(epoch from p.touched_at - p.started_at)::float8, 'infinity') as elapsed,
           case when p.touched_at is null then 'infinity'
                else extract(epoch from {_worked("p.touched_at")} - {_worked("p.started_at")})::float8 end as worked
    from promise p join whose w on (w.promise, w.tier) = (p.promise, p.tier) and w.rep is not distinct from p.rep
)
select * from (select promise, {_NAMED},
       count(*) filter (where state = 'kept') as kept,
       count(*) filter (where state = 'late') as late,
       count(*) filter (where state = 'late' and touched_at is null) as untouched,
       count(*) filter (where state = 'unjudged') as unjudged,
       count(*) filter (where state = 'called_off') as called_off,
       {_percentile(0.5, "elapsed")} as median, {_percentile(0.9, "elapsed")} as p90,
       {_percentile(0.5, "worked")} as business_median, {_percentile(0.9, "worked")} as business_p90
from timed
group by grouping sets ((promise), {_SETS})
having promise <> 'arrival' or grouping(rep) = 1) counted
order by array_position(array['arrival', 'assignment', 'accept'], promise), by <> 'all', by, name
"""

_TREND: Final = """
select date_trunc('week', due_at at time zone 'UTC')::date as monday, promise,
       count(*) filter (where state = 'kept') as kept, count(*) filter (where state = 'late') as late
from promise group by 1, 2 order by 1, 2
"""

# --- what was not kept --------------------------------------------------------------------------------------

_BREACHES: Final = f"""
with broken as (
    select k.kind as promise, coalesce(e.cause, 'unknown') as cause, k.tier, d.band, l.source, e.team, e.rep_id as rep,
           exists (select from sla_event w where w.clock_id = e.clock_id and w.kind = 'withdrawn') as withdrawn
    from sla_event e join sla_clock k using (clock_id) join lead l on l.lead_id = e.lead_id
    left join decision d on d.decision_seq = k.decision_seq
    where e.kind in ('breach', 'time_out')
      and e.occurred_at >= :since and e.occurred_at < least(:until, cast(:as_of as timestamptz))
)
select * from (select promise, cause, {_NAMED},
       count(*) filter (where not withdrawn) as count, count(*) filter (where withdrawn) as withdrawn
from broken
group by grouping sets ((promise, cause), {_SETS.replace("promise,", "promise, cause,")})) counted
order by promise, by <> 'all', by, name, count desc, cause
"""
