"""What the ledger says of teams' work: leads that each was asked to take, day by day, and how fast they are closed.

Live decisions that gave a lead to a rep, a pool or the exceptions; a lead counts once a day for a team. Where its
rule's first team passed it on for being at a cap or away, the lead counts with that first team: it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.review.ladders import ladder_teams

_ASKED: Final = """
with first as (
    select * from unnest(cast(:rules as text[]), cast(:firsts as text[])) as f(rule, team)
), member as (
    select * from unnest(cast(:member_teams as text[]), cast(:members as text[])) as m(team, rep_id)
), zone as (
    select * from unnest(cast(:teams as text[]), cast(:zones as text[])) as z(team, zone)
), given as (
    select d.lead_id, d.band, d.as_of, d.team, f.team as first, exists (
        select from member m where m.team = f.team
          and (d.refused ->> m.rep_id like '% cap of %' or d.refused ->> m.rep_id like 'off until %')) as passed_on
    from decision d left join first f using (rule)
    where d.mode = 'live' and d.as_of > :since and d.as_of <= :until
      and (d.place in ('pool', 'exceptions') or d.place = 'owned' and cardinality(d.eligible) > 0)
      and not exists (
          select from routing_event e where e.event_id = d.event_id and e.kind in ('retry', 'pool_age'))
), asked as (
    select lead_id, band, as_of, case when passed_on or team is null then first else team end as team from given
)
select a.team, a.band, cast(a.as_of at time zone z.zone as date) as day, count(distinct a.lead_id) as leads
from asked a join zone z using (team) group by 1, 2, 3 order by 3, 1, 2
"""
_BEGAN: Final = "select min(as_of) from decision where mode = 'live' and as_of <= :until"
_OPEN: Final = """
select rep_id, count(distinct decision_seq) filter (where ended_at is null or ended_at > :until) as open,
       count(distinct decision_seq) filter (where ended_at > :since and ended_at <= :until) as ended,
       cast(sum(extract(
           epoch from least(coalesce(ended_at, :until), :until) - greatest(started_at, :since))) as double precision)
           / 86400 as days
from assignment
where rep_id is not null and decision_seq is not null and started_at <= :until
  and (ended_at is null or ended_at > :since)
group by 1
"""


@dataclass(frozen=True)
class Asked:
    """Leads that a team was asked to take on a day of its own zone."""

    team: str
    band: str
    day: date
    leads: int


@dataclass(frozen=True)
class Held:
    """A rep's open leads: how many now, how many ended in the span, and for how many lead-days they were open in it."""

    open: int = 0
    ended: int = 0
    days: float = 0.0


def asked(connection: Connection, policy: Policy, since: datetime, until: datetime) -> Sequence[Asked]:
    """By team, band and day, of decisions after `since` and by `until`; teams of this policy only."""
    firsts = {rule: teams[0] for rule, teams in ladder_teams(policy).items() if teams}
    teams = policy.teams.teams.values()
    members = [(team.id, rep) for team in teams for rep, _ in team.members]
    bound: dict[str, Any] = {
        "rules": list(firsts), "firsts": list(firsts.values()), "since": since, "until": until,
        "member_teams": [team for team, _ in members], "members": [rep for _, rep in members],
        "teams": [team.id for team in teams], "zones": [home_zone(policy, team.id) for team in teams],
    }  # fmt: skip
    return [Asked(*row) for row in connection.execute(sa.text(_ASKED), bound)]


def began(connection: Connection, until: datetime) -> datetime | None:
    """The moment of the first live decision."""
    first: datetime | None = connection.execute(sa.text(_BEGAN), {"until": until}).scalar()
    return first


def held(connection: Connection, since: datetime, until: datetime) -> dict[str, Held]:
    """Open leads by rep, as caps count them."""
    rows = connection.execute(sa.text(_OPEN), {"since": since, "until": until})
    return {row.rep_id: Held(row.open, row.ended, row.days) for row in rows}


def home_zone(policy: Policy, team: str) -> str:
    """The zone of most members, the first named among equals; without members that of the promises."""
    zones = [policy.teams.reps[rep].zone for rep, _ in policy.teams.teams[team].members]
    return max(zones, key=zones.count, default=policy.sla.team_zone)
