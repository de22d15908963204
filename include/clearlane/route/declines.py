"""A rep's no: for one of the reasons of routing.yaml, which say whether the turn comes back or is spent.

The next live run takes the lead to somebody else. What another system wrote with a reason that is not listed
spends the turn, and `doctor` names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.policy.problems import nearest
from clearlane.route.byhand import NotPossible, placed

DAYS: Final = 30
"""how far back `doctor` looks"""
_LONGEST: Final = 40
"""characters of a reason of another system that are shown"""

_DECLINE = """
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
select :lead, 'decline', :at, :rep, :because, :detail
where not exists (
    select from routing_event
    where lead_id = :lead and kind = 'decline' and rep_id = :rep and handled_batch is null)
"""

# Who has answered owes nothing from then on, whenever the run comes that finds somebody else.
_OWES_NO_MORE = """
update sla_clock set ended_at = greatest(started_at, cast(:at as timestamptz))
where lead_id = :lead and rep_id = :rep and kind in ('assignment', 'accept', 'follow_up') and met_at is null
  and ended_at is null
"""


def decline(
    connection: Connection, policy: Policy, lead_id: UUID, rep: str, reason: str, at: datetime
) -> None:
    """Say for the lead's owner that it is not taken, at a moment (UTC); said twice is said once. Never commits.

    Raises NotPossible for a reason that routing.yaml does not list, or a lead that the rep does not own.
    """
    said = listed(policy, reason)
    place = placed(connection, lead_id, "owned")
    if place["rep_id"] != rep:
        raise NotPossible(f"lead {lead_id} is owned by {place['rep_id'] or 'somebody else'}, not by {rep}")
    told = {"lead": lead_id, "at": at, "rep": rep, "because": f"declined: {said}"}
    connection.execute(sa.text(_DECLINE), {**told, "detail": Jsonb({"reason": said})})
    connection.execute(sa.text(_OWES_NO_MORE), told)


def listed(policy: Policy, reason: str) -> str:
    """The reason as routing.yaml writes it, whatever the case; NotPossible when it is none of the list."""
    known = {one.casefold(): one for one in policy.routing.rerouting.reasons}
    found = known.get(reason.strip().casefold())
    if found is None:
        near = nearest(reason, known.values())
        hint = f" (did you mean {near}?)" if near else ""
        raise NotPossible(
            f"{reason!r} is no reason of rerouting.declines in routing.yaml{hint}; allowed: {', '.join(known.values())}"
        )
    return found


_UNLISTED = """
select coalesce(left(detail ->> 'reason', :longest), 'no reason') as reason, count(*) as count,
       max(lead_id::text) as lead
from routing_event
where kind = 'decline' and occurred_at > :since
  and lower(trim(coalesce(detail ->> 'reason', ''))) <> all(cast(:reasons as text[]))
group by 1 order by 2 desc, 1
"""


def unlisted(connection: Connection, policy: Policy, at: datetime) -> Sequence[str]:
    """A sentence for each reason of the last DAYS days that routing.yaml does not list: their turns stay spent."""
    reasons = [one.lower() for one in policy.routing.rerouting.reasons]
    bound = {"longest": _LONGEST, "since": at - timedelta(days=DAYS), "reasons": reasons}
    return [
        f"declined for {row.reason!r}, which routing.yaml does not list: {row.count} (as lead {row.lead});"
        " the turn stays spent"
        for row in connection.execute(sa.text(_UNLISTED), bound)
    ]
