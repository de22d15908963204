"""Pools: shared queues from which the reps of a team pull leads; one winner a claim, and no turn for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Destination, Policy
from clearlane.route.byhand import Choice, Made, NotPossible, floor_of, made, placed, selling
from clearlane.route.eligibility import refusal

AT_WORK = Destination("pool", hours="ignore")
"""whoever claims is at work, whatever the calendar says"""


@dataclass(frozen=True)
class Pooled:
    """A lead that waits to be claimed. `due` is the lead's own clock, `until` when it leaves the pool."""

    lead_id: UUID
    lead: str
    team: str | None
    score: int | None
    band: str | None
    since: datetime
    age: timedelta
    due: datetime | None
    until: datetime | None
    because: str


_LISTED = """
select p.lead_id, l.source || ':' || l.external_id as lead, p.team, coalesce(now.score, s.score) as score,
       coalesce(now.band, s.band) as band, p.since, p.because, k.due_at as due
from place p join lead l using (lead_id)
left join decision d on d.decision_seq = p.decision_seq
left join score s on s.score_id = d.score_id
left join standing now on now.lead_id = p.lead_id
left join lateral (
    select min(due_at) as due_at from sla_clock
    where lead_id = p.lead_id and kind = 'arrival' and met_at is null and ended_at is null
) k on true
where p.place = 'pool' and coalesce(p.team = cast(:team as text), cast(:team as text) is null)
order by p.team, coalesce(now.score, s.score) desc nulls last, k.due_at nulls last, p.since, p.lead_id
"""


def listed(connection: Connection, policy: Policy, at: datetime, team: str | None = None) -> Sequence[Pooled]:
    """The leads of one pool or of all as of a moment, hottest first; NotPossible for a team nobody knows."""
    if team is not None and team not in policy.teams.teams:
        raise NotPossible(f"no team {team!r} in teams.yaml")
    longest = policy.routing.pool_max_age
    rows = connection.execute(sa.text(_LISTED), {"team": team}).mappings()
    return [
        Pooled(**row, age=at - row["since"], until=row["since"] + longest if longest else None)
        for row in rows
    ]


def as_json(one: Pooled) -> dict[str, Any]:
    """As JSON values: moments ISO 8601 in UTC, ages in seconds."""
    moments = {name: _iso(getattr(one, name)) for name in ("since", "due", "until")}
    return {
        **asdict(one),
        **moments,
        "lead_id": str(one.lead_id),
        "age": round(one.age.total_seconds()),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def claim(connection: Connection, policy: Policy, lead_id: UUID, rep: str, at: datetime) -> Made:
    """Give a lead of a pool to a member of its team who asks for it.

    Raises NotPossible when the lead is in no pool (any more), or the rep is none of the team, away or at a cap.
    Never commits; until then nobody else can have it.
    """
    selling(policy, rep, at)
    place = placed(connection, lead_id, "pool")
    floor = floor_of(connection, policy, at)
    team = place["team"]
    if team not in policy.teams.teams or not floor.weights(team, frozenset({rep})):
        raise NotPossible(f"{rep} is no member of {team}: only its members claim from its pool")
    against = refusal(floor.present[rep], floor.load(rep), AT_WORK)
    if against:
        raise NotPossible(f"{rep} cannot claim: {against}")
    detail = {"pool": team, "since": place["since"].isoformat()}
    text = f"claimed by {rep} from the pool {team}"
    return made(connection, floor, Choice("claim", lead_id, rep, "owned", team, text, rep, detail))


_CLAIMED = """
select e.detail from assignment a join decision d using (decision_seq, lead_id)
join routing_event e on e.handled_batch = d.batch_id and e.lead_id = a.lead_id and e.kind = 'claim'
where a.lead_id = :lead and a.rep_id = :rep and a.ended_at is null and d.mode = 'hand'
"""


def release(
    connection: Connection, policy: Policy, lead_id: UUID, rep: str, *, because: str, at: datetime
) -> Made:
    """Give a claimed lead back to its pool, where its age counts from when it first came there.

    Raises NotPossible for a lead that the rep does not own, or did not claim. Never commits.
    """
    if not because.strip():
        raise NotPossible("--because is empty: say why it goes back")
    place = placed(connection, lead_id, "owned")
    if place["rep_id"] != rep:
        raise NotPossible(f"lead {lead_id} is owned by {place['rep_id'] or 'somebody else'}, not by {rep}")
    claimed = connection.execute(sa.text(_CLAIMED), {"lead": lead_id, "rep": rep}).mappings().first()
    if claimed is None:
        raise NotPossible(f"{rep} did not claim lead {lead_id} from a pool: routing or a person gave it")
    choice = _given_back(claimed, lead_id, rep, because)
    return made(connection, floor_of(connection, policy, at), choice)


def _given_back(claimed: RowMapping, lead_id: UUID, rep: str, because: str) -> Choice:
    pool, since = claimed["detail"]["pool"], datetime.fromisoformat(claimed["detail"]["since"])
    text = f"given back to the pool {pool} by {rep}: {because}"
    return Choice("release", lead_id, rep, "pool", pool, text, rep, {"pool": pool}, since=since)


_AGED = """
insert into routing_event (lead_id, kind, occurred_at, because, detail)
select p.lead_id, 'pool_age', p.since + cast(:longest as interval), 'nobody claimed it in time',
       jsonb_build_object('pool', p.team)
from place p
where p.place = 'pool' and p.since + cast(:longest as interval) < :at and not exists (
    select from routing_event e where e.lead_id = p.lead_id and e.kind = 'pool_age' and e.handled_batch is null)
"""


def note_aged(connection: Connection, policy: Policy, at: datetime) -> int:
    """An event of kind `pool_age` for each lead that waited longer than policy allows; how many. Never commits."""
    longest = policy.routing.pool_max_age
    if longest is None:
        return 0
    return connection.execute(sa.text(_AGED), {"longest": longest, "at": at}).rowcount
