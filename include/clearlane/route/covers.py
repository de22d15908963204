"""Covers: who is told about the leads in working contact of a rep who is away. The owner stays the owner.

Per absence one person: whom teams.yaml names (`cover`), else the colleague with the fewest open leads who is there,
else whoever answers for the team's exceptions. Kept up by each live run before it routes, under the routing lock;
it ends by itself when the owner is back, and passes on when the cover goes away too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import copy_rows
from clearlane.ledger.doctor import Check, Finding
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import Policy, within
from clearlane.route import owed
from clearlane.route.byhand import floor_of
from clearlane.route.calendars import absence, rep_calendar
from clearlane.route.eligibility import not_in_team
from clearlane.route.exceptions import queue_owner
from clearlane.route.floor import Floor

PROMISE: Final = "nobody who is away covers for somebody else"

_ABSENCES = "rep_id text primary key, cover_rep_id text, because text, until timestamptz"
_END = f"""
update cover c set ended_at = greatest(c.began_at, cast(:at as timestamptz)), ended_seq = {LAST_DECISION},
    ended_because = case when a.lead_id is null then 'the lead is no longer theirs'
        when v.rep_id is null then 'they are back' else 'somebody else covers' end
from cover o
left join assignment a on a.lead_id = o.lead_id and a.rep_id = o.rep_id and a.ended_at is null
left join away v on v.rep_id = o.rep_id
where o.cover_id = c.cover_id and o.ended_at is null
  and (a.lead_id is null or v.cover_rep_id is distinct from o.cover_rep_id)
returning c.lead_id
"""
_PROLONG = """
update cover c set until = v.until from away v
where v.rep_id = c.rep_id and c.ended_at is null and c.until <> v.until
"""
# Whom the owner has touched, and whoever asks for sales now. Those that an absence takes away need no cover.
_BEGIN = """
insert into cover (lead_id, rep_id, cover_rep_id, because, began_at, until)
select a.lead_id, v.rep_id, v.cover_rep_id, v.because, :at, v.until
from away v join assignment a on a.rep_id = v.rep_id and a.ended_at is null
where v.cover_rep_id is not null
  and not exists (select from cover c where c.lead_id = a.lead_id and c.ended_at is null)
  and not exists (
      select from routing_event e
      where e.lead_id = a.lead_id and e.kind = 'absence' and e.rep_id = a.rep_id and e.handled_batch is null)
  and (exists (
      select from lead m join outcome h on h.lead_id = m.lead_id
      where m.survivor_id = a.lead_id and h.kind in ('first_touch', 'meeting')
        and h.occurred_at >= a.started_at and h.occurred_at < :at)
    or exists (
      select from lead m join inquiry q on q.lead_id = m.lead_id
      where m.survivor_id = a.lead_id and q.decision_seq is null
        and q.arrived_at >= a.started_at and q.arrived_at < :at))
returning lead_id
"""
_NOW = "select distinct rep_id, cover_rep_id from cover where ended_at is null order by 1, 2"


def keep(connection: Connection, policy: Policy, at: datetime, away: Mapping[str, datetime]) -> int:
    """Begin, pass on and end covers as of a moment; `away` says rep -> when it is back. How many began.

    Under the routing lock, which the caller holds. Never commits.
    """
    covering = dict(_covering(connection))
    connection.execute(sa.text("drop table if exists pg_temp.away"))
    connection.execute(sa.text(f"create temporary table away ({_ABSENCES}) on commit drop"))
    if away:
        floor = floor_of(connection, policy, at)
        named = ((rep, *cover_of(floor, rep, covering.get(rep)), until) for rep, until in away.items())
        copy_rows(connection, "away", ["rep_id", "cover_rep_id", "because", "until"], named)
    ended = connection.execute(sa.text(_END), {"at": at}).scalars().all()
    connection.execute(sa.text(_PROLONG))
    begun = connection.execute(sa.text(_BEGIN), {"at": at}).scalars().all()
    owed.note(connection, [*ended, *begun], at)
    return len(begun)


def _covering(connection: Connection) -> Iterator[tuple[str, str]]:
    return ((row.rep_id, row.cover_rep_id) for row in connection.execute(sa.text(_NOW)))


def cover_of(floor: Floor, rep: str, now: str | None = None) -> tuple[str | None, str]:
    """Who covers for an absent rep, and why that one; `now` covers already. None where nobody answers."""
    found = next(_candidates(floor, rep, now), None)
    return found or (None, "nobody answers for the team")


def _candidates(floor: Floor, rep: str, now: str | None) -> Iterator[tuple[str, str]]:
    team = floor.policy.teams.teams.get(floor.team_of(rep) or "")
    for name in floor.policy.teams.reps[rep].cover:
        if is_there(floor.policy, name, floor.as_of):
            yield name, "named in teams.yaml"
    colleagues = _colleagues(floor, rep)
    for name in sorted(colleagues, key=lambda one: (one != now, floor.load(one).open, colleagues.index(one))):
        yield name, f"of {team.id if team else 'no team'}, with the fewest open leads"
    answering = queue_owner(floor.policy, team)
    if answering and answering != rep:
        yield answering, "answers for the exceptions: nobody of the team is there"


def _colleagues(floor: Floor, rep: str) -> list[str]:
    """The members of the rep's team who sell and are there, in the order of the file."""
    team = floor.policy.teams.teams.get(floor.team_of(rep) or "")
    return [
        name for name, _ in (team.members if team else ()) if name != rep and _sells_in(floor, team, name)
    ]


def _sells_in(floor: Floor, team: Any, name: str) -> bool:
    there = floor.present[name]
    return there.absent is None and not_in_team(team, name, floor.as_of, there.today) is None


def is_there(policy: Policy, name: str, at: datetime) -> bool:
    """Whether somebody of teams.yaml, who need not sell, works for us and has no time off on that local day."""
    rep = policy.teams.reps.get(name)
    if rep is None:
        return False
    calendar = rep_calendar(rep)
    today = calendar.local(at).date()
    return within(today, rep.active_from, rep.active_until) and absence(calendar, at) is None


# --- asked ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Covered:
    """The leads of one absent rep that one person covers."""

    rep: str
    cover: str
    leads: int
    since: datetime
    until: datetime
    because: str


_LISTED = """
select rep_id as rep, cover_rep_id as cover, count(*) as leads, min(began_at) as since, max(until) as until,
       min(because) as because
from cover where ended_at is null group by 1, 2 order by 1, 2
"""


def listed(connection: Connection) -> Sequence[Covered]:
    """Who covers for whom now."""
    return [Covered(**row) for row in connection.execute(sa.text(_LISTED)).mappings()]


_LAST_RUN = """
select max(as_of) from batch
where mode = 'live' and run_type <> 'backfill' and dag_id <> 'by_hand' and closed_at is not null
"""
_OPEN = "select lead_id, rep_id, cover_rep_id from cover where ended_at is null order by cover_id"


def finding(connection: Connection, policy: Policy, limit: int = 20) -> Finding:
    """What `doctor` says of covers, as of the newest run that came to its end."""
    at = connection.execute(sa.text(_LAST_RUN)).scalar()
    rows = connection.execute(sa.text(_OPEN)).all() if at else []
    gone = {row.cover_rep_id for row in rows if at and not is_there(policy, row.cover_rep_id, at)}
    wrong = [
        f"lead {row.lead_id} of {row.rep_id}: {row.cover_rep_id} is away too"
        for row in rows
        if row.cover_rep_id in gone
    ]
    return Finding(Check("covers_are_there", PROMISE, ""), tuple(wrong[:limit]), len(wrong))


def of_lead(connection: Connection, lead_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The covers of a person, of all its records, the earliest first."""
    query = """
     select c.* from cover c join lead l using (lead_id) where l.survivor_id = :lead order by c.cover_id
    """
    return [dict(row) for row in connection.execute(sa.text(query), {"lead": lead_id}).mappings()]
