"""What a rep answers by a link of a mail: taken, or declined for a reason of routing.yaml. Each is said once.

Taken is an outcome `accepted` of the source `clearlane`, and meets the accept clock; declined is a decline like any
other. A lead that has another owner since, or none, is not answered for any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import ids
from clearlane.policy.model import TIME_OUT, Policy
from clearlane.route import declines
from clearlane.route.byhand import NotPossible, placed
from clearlane.sla.links import Link, digest

SOURCE: Final = "clearlane"
"""of the outcomes that are written here"""
State = Literal["open", "accepted", "declined", "gone"]


@dataclass(frozen=True)
class About:
    """What a page says of the lead: nothing that the mail did not say, and no name of a person."""

    company: str | None
    score: int | None
    band: str | None
    because: str
    due_at: datetime | None
    """when the rep owes the first touch (UTC), else when the lead was promised one"""


@dataclass(frozen=True)
class Standing:
    """Where the question of a link stands; `about` is None once the lead is not the rep's."""

    state: State
    at: datetime | None = None
    reason: str | None = None
    about: About | None = None


def standing(connection: Connection, token: str, link: Link) -> Standing:
    """Where it stands now; reads only."""
    found = connection.execute(sa.text(_ASKED), _bound(token, link)).mappings().one()
    about = _about(found) if found["mine"] else None
    if found["declined_at"] and found["declined_because"] != TIME_OUT:
        return Standing("declined", found["declined_at"], found["declined_because"], about)
    if found["used_at"]:
        state: State = "accepted" if found["answer"] == "accept" else "declined"
        return Standing(state, found["used_at"], found["reason"], about)
    return Standing("open" if found["mine"] and not found["declined_at"] else "gone", about=about)


def answer(
    connection: Connection, policy: Policy, token: str, link: Link, reason: str, at: datetime
) -> Standing:
    """Say what the link says, at a moment (UTC), and where it stands then; said twice is said once. Never commits.

    Under the routing lock: of two answers one is first. Raises NotPossible for a decline without a listed reason.
    """
    connection.execute(sa.text(_PATIENCE))
    said = _listed(policy, reason) if link.answer == "decline" else None
    try:
        placed(connection, _survivor(connection, link), "owned")
    except NotPossible:
        return standing(connection, token, link)
    now = standing(connection, token, link)
    if now.state == "open":
        _say(connection, policy, token, link, said, at)
        now = standing(connection, token, link)
    return now


def reasons(policy: Policy) -> Sequence[str]:
    """What a person may give as the reason of a decline."""
    return [reason for reason in policy.routing.rerouting.reasons if reason != TIME_OUT]


def _listed(policy: Policy, reason: str) -> str:
    said = declines.listed(policy, reason)
    if said not in reasons(policy):
        raise NotPossible(f"{reason!r} is no reason that a person gives")
    return said


def _say(
    connection: Connection, policy: Policy, token: str, link: Link, reason: str | None, at: datetime
) -> None:
    bound = {**_bound(token, link), "lead": _survivor(connection, link), "answer": link.answer, "at": at}
    if reason is None:
        outcome = ids.named("outcome", SOURCE, str(link.lead_id), str(link.decision_seq), link.rep_id)
        connection.execute(sa.text(_ACCEPTED), {**bound, "outcome": outcome, "source": SOURCE})
        connection.execute(sa.text(_MEET), bound)
    else:
        declines.decline(connection, policy, bound["lead"], link.rep_id, reason, at)
    connection.execute(sa.text(_USED), {**bound, "reason": reason})


def _bound(token: str, link: Link) -> dict[str, Any]:
    return {"token": digest(token), "lead": link.lead_id, "seq": link.decision_seq, "rep": link.rep_id}


def _survivor(connection: Connection, link: Link) -> Any:
    return connection.execute(sa.text(_SURVIVOR), {"lead": link.lead_id}).scalar_one_or_none()


def _about(found: RowMapping) -> About:
    return About(found["company"], found["score"], found["band"], found["because"], found["due_at"])


# Routing holds its lock for seconds; a page does not wait longer than that.
_PATIENCE = "select set_config('lock_timeout', '10s', true), set_config('statement_timeout', '20s', true)"
_SURVIVOR = "select survivor_id from lead where lead_id = :lead"
# Whoever owned the lead when it was decided and owns it without a break; an owner kept by a later decision does.
_ASKED = """
with mine as (
    select a.lead_id, a.rep_id, d.because
    from lead l join assignment a on a.lead_id = l.survivor_id and a.ended_at is null
    join decision d on d.decision_seq = :seq
    where l.lead_id = :lead and coalesce(a.decision_seq, a.begun_seq) <= :seq and a.rep_id = :rep
)
select m.lead_id is not null as mine, m.because,
       coalesce(p.attributes ->> 'company', p.attributes ->> 'account_name') as company,
       coalesce(n.score, s.score) as score, coalesce(n.band, s.band) as band, k.due_at,
       u.answer, u.reason, u.used_at, e.occurred_at as declined_at, lower(e.detail ->> 'reason') as declined_because
from (select) nothing
left join mine m on true
left join link_use u on u.token_hash = :token
left join lateral (
    select occurred_at, detail from routing_event
    where lead_id = m.lead_id and kind = 'decline' and rep_id = m.rep_id and handled_batch is null
    order by event_id limit 1
) e on true
left join lateral (
    select attributes from lead_profile where lead_id = m.lead_id order by valid_from desc, profile_id desc limit 1
) p on true
left join lateral (
    select score, band from score where lead_id = m.lead_id order by as_of desc, score_id desc limit 1
) s on true
left join standing n on n.lead_id = m.lead_id
left join lateral (
    select due_at from sla_clock
    where lead_id = m.lead_id and kind in ('arrival', 'assignment') and met_at is null and ended_at is null
    order by kind desc, due_at limit 1
) k on true
"""
_ACCEPTED = """
insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, rep_id)
select :outcome, :source, external_id, lead_id, 'accepted', :at, :rep from lead where lead_id = :lead
on conflict do nothing
"""
_MEET = """
update sla_clock set met_at = greatest(started_at, cast(:at as timestamptz))
where lead_id = :lead and kind = 'accept' and met_at is null and ended_at is null
"""
_USED = """
insert into link_use (token_hash, lead_id, rep_id, answer, reason, used_at)
values (:token, :lead, :rep, :answer, :reason, :at)
"""
