"""Reps who were silent too often take no turns for the rest of their working day; then they come back by themselves.

Silence is a breach of what the rep owed that was nobody else's doing and was not withdrawn. Written under the routing
lock, so a decision's number tells whether it knew. Who comes back enters the rotation as after any absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import Policy
from clearlane.route.byhand import NotPossible
from clearlane.route.calendars import end_of_day, rep_calendar
from clearlane.route.routing import LOCK

# Only a breach that this run noted suspends: who came back is not sent away again for the old ones.
_SILENT = """
select s.rep_id, count(*) as times, (array_agg(s.clock_id order by s.occurred_at desc, s.clock_id desc))[1] as clock_id,
       (array_agg(s.lead_id order by s.occurred_at desc, s.clock_id desc))[1] as lead_id, max(s.team) as team,
       max(s.occurred_at) as last
from sla_event s
where s.kind = 'breach' and s.cause = 'rep_silent' and s.detail ->> 'clock' = 'assignment'
  and s.occurred_at > cast(:as_of as timestamptz) - cast(:within as interval) and s.rep_id in (
      select rep_id from sla_event
      where noted_at = :as_of and batch_id = :batch and kind = 'breach' and cause = 'rep_silent')
  and not exists (select from sla_event x where x.clock_id = s.clock_id and x.kind = 'withdrawn')
  and not exists (
      select from suspension o
      where o.rep_id = s.rep_id and o.began_at <= :as_of and o.until > :as_of and o.ended_at is null)
group by 1 having count(*) >= :breaches order by 1
"""
_BEGIN = """
insert into suspension (rep_id, because, began_at, until) values (:rep_id, :because, :as_of, :until)
on conflict do nothing
"""
_TELL = """
insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at, rep_id, team, to_rep_id, detail, batch_id)
select :clock_id, :lead_id, 'suspend', :last, :as_of, :rep_id, :team, manager,
       jsonb_build_object('times', cast(:times as integer), 'until', cast(:until as timestamptz)), :batch
from (select cast(:team as text) as team) x left join sla_team using (team)
on conflict do nothing
"""


def begin(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Suspend whoever was silent once too often, as of the batch; how many reps. After the sweep. Never commits."""
    said = policy.sla.silent
    asked = {"as_of": batch.as_of, "batch": batch.batch_id, "within": said.within, "breaches": said.breaches}
    rows = connection.execute(sa.text(_SILENT), asked).mappings().all()
    if not rows:
        return 0
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    for bound in _bound(policy, batch, rows):
        connection.execute(sa.text(_BEGIN), bound)
        connection.execute(sa.text(_TELL), bound)
    return len(rows)


def _bound(policy: Policy, batch: Batch, rows: Sequence[RowMapping]) -> Iterator[dict[str, Any]]:
    for row in rows:
        rep = policy.teams.reps.get(row["rep_id"])
        if rep:
            yield {
                **row,
                "as_of": batch.as_of,
                "batch": batch.batch_id,
                "until": end_of_day(rep_calendar(rep), batch.as_of),
                "because": f"silent {row['times']} times in {policy.sla.silent.within.days} days",
            }


@dataclass(frozen=True)
class Suspended:
    """A rep who takes no turns until a moment (UTC)."""

    rep: str
    because: str
    began_at: datetime
    until: datetime


_OPEN = """
select rep_id as rep, because, began_at, until from suspension
where began_at <= :at and until > :at and ended_at is null order by until, rep_id
"""
_RESTORE: Final = f"""
update suspension set ended_at = greatest(began_at, cast(:at as timestamptz)), ended_seq = {LAST_DECISION},
    ended_because = :because
where rep_id = :rep and ended_at is null and until > :at
"""


def listed(connection: Connection, at: datetime) -> Sequence[Suspended]:
    """Who takes no turns at a moment, who comes back first being first."""
    return [Suspended(**row) for row in connection.execute(sa.text(_OPEN), {"at": at}).mappings()]


def restore(connection: Connection, rep: str, *, by: str, because: str, at: datetime) -> None:
    """Let a suspended rep take turns again from a moment on. Never commits.

    Raises NotPossible for a rep who is not suspended then, or where nobody says who and why.
    """
    if not (by.strip() and because.strip()):
        raise NotPossible("--by or --because is empty: say who does this and why")
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    bound = {"rep": rep, "at": at, "because": f"{by}: {because}"}
    if not connection.execute(sa.text(_RESTORE), bound).rowcount:
        raise NotPossible(f"{rep} is not suspended at {at:%Y-%m-%d %H:%M}Z")
