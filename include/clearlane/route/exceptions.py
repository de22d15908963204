"""The exceptions queue: leads that nobody could take, whose they are to place, and what would free them.

A person assigns one, or has it tried again by the next live run; whoever waits here never blocks others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Destination, Policy, Team
from clearlane.route import refusals
from clearlane.route.byhand import Choice, Made, NotPossible, floor_of, made, placed, selling
from clearlane.route.eligibility import refusal

ANY_HOUR = Destination("rep", hours="ignore")
"""people may be given leads at any hour; their caps and absences still speak"""


@dataclass(frozen=True)
class Exceptional:
    """A lead that nobody could take. `refused` says rep -> why not; `owner` is who has to place it."""

    lead_id: UUID
    lead: str
    score: int | None
    band: str | None
    team: str | None
    owner: str | None
    since: datetime
    age: timedelta
    due: datetime | None
    """of the lead's own first-touch clock"""
    reason: str
    codes: Mapping[str, int]
    """code of `refusals` -> reps whom it kept away"""
    because: str
    refused: Mapping[str, str]
    frees: str
    """what would free it, first"""
    frees_at: datetime | None


_LISTED = """
select p.lead_id, l.source || ':' || l.external_id as lead, coalesce(now.score, s.score) as score,
       coalesce(now.band, d.band) as band, coalesce(p.team, d.team) as team, p.since, p.reason, p.because, d.rule,
       coalesce(d.refused, '{}') as refused, coalesce(d.as_of, p.since) as said_at, k.due_at as due
from place p join lead l using (lead_id)
left join decision d on d.decision_seq = p.decision_seq
left join score s on s.score_id = d.score_id
left join standing now on now.lead_id = p.lead_id
left join lateral (
    select min(due_at) as due_at from sla_clock
    where lead_id = p.lead_id and kind = 'arrival' and met_at is null and ended_at is null
) k on true
where p.place = 'exceptions'
order by k.due_at nulls last, p.since, p.lead_id
"""


def listed(connection: Connection, policy: Policy, at: datetime) -> Sequence[Exceptional]:
    """All of the queue as of a moment, what is due first coming first."""
    rows = connection.execute(sa.text(_LISTED)).mappings()
    return [_exceptional(policy, row, at) for row in rows]


def as_json(one: Exceptional) -> dict[str, Any]:
    """As JSON values: moments ISO 8601 in UTC, ages in seconds."""
    return {name: _plain(value) for name, value in asdict(one).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    return str(value) if isinstance(value, UUID) else value


def _exceptional(policy: Policy, row: RowMapping, at: datetime) -> Exceptional:
    team = policy.teams.teams.get(row["team"] or team_of_rule(policy, row["rule"]) or "")
    refused = dict(row["refused"])
    codes = [refusals.code(why) for why in refused.values()]
    frees, frees_at = _frees(policy, row, at)
    return Exceptional(
        lead_id=row["lead_id"],
        lead=row["lead"],
        score=row["score"],
        band=row["band"],
        team=team.id if team else None,
        owner=queue_owner(policy, team),
        since=row["since"],
        age=at - row["since"],
        due=row["due"],
        reason=row["reason"],
        codes={code: codes.count(code) for code in sorted(set(codes))},
        because=row["because"],
        refused=refused,
        frees=frees,
        frees_at=frees_at,
    )


def queue_owner(policy: Policy, team: Team | None) -> str | None:
    """Who answers for a team's exceptions: its queue's owner, its manager, or the one whom routing.yaml names."""
    named = (team.queue_owner or team.manager) if team else None
    return named or policy.routing.exceptions_owner


_BY_TEAM = """
select coalesce(p.team, d.team) as team, d.rule, count(*) as number, min(p.since) as since
from place p left join decision d on d.decision_seq = p.decision_seq
where p.place = 'exceptions' and p.since <= :at group by 1, 2 order by 1, 2
"""


@dataclass(frozen=True)
class Unanswered:
    """Leads of a team (None: of none) for which nobody answers, and why."""

    team: str | None
    number: int
    since: datetime
    because: str


def unanswered(connection: Connection, policy: Policy, at: datetime) -> Sequence[Unanswered]:
    """The leads in exceptions whose queue has no owner at a moment, by team."""
    found: dict[str | None, Unanswered] = {}
    for row in connection.execute(sa.text(_BY_TEAM), {"at": at}):
        team = policy.teams.teams.get(row.team or team_of_rule(policy, row.rule) or "")
        if because := _no_owner(policy, team, at):
            name = team.id if team else None
            known = found.get(name, Unanswered(name, 0, row.since, because))
            found[name] = Unanswered(name, known.number + row.number, min(known.since, row.since), because)
    return tuple(found.values())


def _no_owner(policy: Policy, team: Team | None, at: datetime) -> str | None:
    """Why nobody answers for a team's exceptions; None where somebody does."""
    owner = queue_owner(policy, team)
    if owner is None:
        return "nobody is named"
    rep = policy.teams.reps.get(owner)
    if rep is None:
        return f"{owner} is not in teams.yaml"
    return (
        f"{owner} left on {rep.active_until}" if rep.active_until and rep.active_until < at.date() else None
    )


def team_of_rule(policy: Policy, name: str | None) -> str | None:
    """The first team that the rule would have sent the lead to."""
    rungs = (rung for rule in policy.routing.rules if rule.id == name for rung in rule.ladder)
    return next((rung.name for rung in rungs if rung.target in ("team", "pool", "hold")), None)


def _frees(policy: Policy, row: RowMapping, at: datetime) -> tuple[str, datetime | None]:
    """The first refusal that ends, as a sentence with its moment (UTC)."""
    if not row["refused"]:
        return "a rule or a destination that takes it: nobody was asked", None
    ending = sorted(_ending(policy, row))
    if not ending:
        return _only_people(row["refused"]), None
    moment, rep, why = ending[0]
    if moment <= at:
        return f"{rep} may be free since {moment:%Y-%m-%d %H:%M}Z ({why}): retry", moment
    return f"{rep} may be free on {moment:%Y-%m-%d %H:%M}Z ({why})", moment


def _ending(policy: Policy, row: RowMapping) -> Iterator[tuple[datetime, str, str]]:
    for name, why in row["refused"].items():
        rep = policy.teams.reps.get(name)
        moment = refusals.ends(rep, why, row["said_at"]) if rep else None
        if moment:
            yield moment, name, why


def _only_people(refused: Mapping[str, str]) -> str:
    full = sorted(rep for rep, why in refused.items() if refusals.code(why) == "cap")
    if full:
        return f"{full[0]} closing one of the open leads ({refused[full[0]]})"
    return "nobody by waiting: assign it, or change teams.yaml or the rule"


# --- what people do ---------------------------------------------------------------------------


def assign(
    connection: Connection, policy: Policy, lead_id: UUID, rep: str, *, by: str, because: str, at: datetime
) -> tuple[Made, str | None]:
    """Give a lead of the queue to a rep; with what spoke against it, which the person may overrule.

    Raises NotPossible for a lead that is not in exceptions, or a rep who does not sell. Never commits.
    """
    _check_said(by, because)
    selling(policy, rep, at)
    place = placed(connection, lead_id, "exceptions")
    floor = floor_of(connection, policy, at)
    against = refusal(floor.present[rep], floor.load(rep), ANY_HOUR)
    text = f"assigned to {rep} by {by}: {because}" + (f"; although: {against}" if against else "")
    choice = Choice(
        "assign", lead_id, rep, "owned", floor.team_of(rep), text, by,
        detail={"from": place["reason"]}, refused={rep: against} if against else {},
    )  # fmt: skip
    return made(connection, floor, choice), against


def retry(connection: Connection, leads: Sequence[UUID], *, by: str, at: datetime) -> int:
    """Have the next live run route these leads anew, or all of the queue when none is named; how many.

    Raises NotPossible, and does nothing, when one of them is not in exceptions. Never commits.
    """
    _check_said(by, "retry")
    waiting = connection.execute(sa.text(_WAITING), {"leads": list(leads), "all": not leads}).scalars().all()
    missing = sorted(map(str, set(leads) - set(waiting)))
    if missing:
        raise NotPossible(f"not in exceptions: {', '.join(missing)}")
    told = {"leads": list(waiting), "at": at, "by": by, "detail": Jsonb({"by": by})}
    connection.execute(sa.text(_RETRY), told)
    return len(waiting)


_WAITING = """
select lead_id from place
where place = 'exceptions' and (:all or lead_id = any(cast(:leads as uuid[]))) for update
"""
_RETRY = """
insert into routing_event (lead_id, kind, occurred_at, because, detail)
select lead_id, 'retry', :at, 'tried again by ' || :by, :detail
from unnest(cast(:leads as uuid[])) as wanted (lead_id)
where not exists (
    select from routing_event e
    where e.lead_id = wanted.lead_id and e.kind = 'retry' and e.handled_batch is null)
"""


def _check_said(by: str, because: str) -> None:
    for name, text in {"--by": by, "--because": because}.items():
        if not text.strip():
            raise NotPossible(f"{name} is empty: say who does this and why")
