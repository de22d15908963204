"""The sweep: what fell due among the open clocks, told once each in `sla_event`, whenever and however often it runs.

A moment counts once it lies before the run's, and once all touches of before it are known (`reading`). What happened
at it, a warning or a breach, is a fact: the same whether the run came at once, late or twice, and also where the touch
came between the moment and the run. Reads `sla_clock`, `sla_owed`, `source_state`; writes `sla_event`, `sla_clock`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch, copy_rows
from clearlane.policy.model import Policy
from clearlane.route.exceptions import queue_owner, team_of_rule
from clearlane.sla import alerts, asking, escalation, follow_ups, pauses, reading, suspensions
from clearlane.sla.met import DUE, FOUND, WARN, meet, withdraw

LOCK: Final = 0x636C_6561_7277_6174
"""key of the transaction advisory lock that lets one sweep after the other speak"""


@dataclass(frozen=True)
class Swept:
    """Counts of what one run noted. `unverified`: due, and the source of their touches not read since."""

    clocks_met: int = 0
    warned: int = 0
    breached: int = 0
    timed_out: int = 0
    reassigned: int = 0
    escalated: int = 0
    suspended: int = 0
    unverified: int = 0
    withdrawn: int = 0
    exhausted: int = 0
    mails: int = 0


NOTHING: Final = Swept()


def sweep(connection: Connection, policy: Policy, batch: Batch) -> Swept:
    """Note what fell due before the batch's moment. Commit afterwards: the next sweep waits until then.

    Nothing in a backfill, in shadow, or where a later run has spoken already.
    """
    if not batch.takes_unclaimed:
        return NOTHING
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    if outrun(connection, batch):
        return NOTHING
    pauses.keep(connection, policy, batch)
    reading.note(connection, policy)
    met = meet(connection, policy, batch)
    follow_ups.keep(connection, policy, batch)
    asking.keep(connection, policy, batch)
    _name_people(connection, policy)
    _judge(connection, batch)
    bound = {
        "as_of": batch.as_of,
        "batch": batch.batch_id,
        "exceptions_owner": policy.routing.exceptions_owner,
    }
    told = {name: connection.execute(sa.text(one), bound).rowcount for name, one in _TELLING.items()}
    withdrawn = withdraw(connection, batch)
    for effect in _EFFECTS:
        connection.execute(sa.text(effect), {"as_of": batch.as_of})
    moved = escalation.act(connection, policy, batch)
    suspended = suspensions.begin(connection, policy, batch)
    exhausted = follow_ups.end(connection, policy, batch)
    return Swept(
        clocks_met=met,
        warned=told["warned"],
        breached=told["breached"],
        timed_out=told["timed_out"],
        reassigned=moved.reassigned,
        escalated=moved.escalated,
        suspended=suspended,
        unverified=told["unverified"],
        withdrawn=withdrawn,
        exhausted=exhausted,
        mails=alerts.owe(connection, policy, batch),
    )


_OUTRUN = """
select exists (
    select from batch b join batch own on own.batch_id = :batch
    where b.dag_id = own.dag_id and b.batch_id <> own.batch_id and b.as_of > own.as_of and b.mode = 'live'
      and b.run_type <> 'backfill' and b.closed_at is not null)
"""


def outrun(connection: Connection, batch: Batch) -> bool:
    """Whether a run of the same DAG that speaks for a later moment has come to its end: then this one is old."""
    return bool(connection.execute(sa.text(_OUTRUN), {"batch": batch.batch_id}).scalar())


_PEOPLE: Final = {
    "sla_team": "team text primary key, manager text, queue_owner text",
    "sla_rule": "rule text primary key, team text",
    "sla_tier": "tier text primary key, manager boolean, head boolean",
}


def _name_people(connection: Connection, policy: Policy) -> None:
    """Who is told, by team and tier, as relations of the transaction."""
    for name, columns in _PEOPLE.items():
        connection.execute(sa.text(f"drop table if exists pg_temp.{name}"))
        connection.execute(sa.text(f"create temporary table {name} ({columns}) on commit drop"))
    teams = ((one.id, one.manager, queue_owner(policy, one)) for one in policy.teams.teams.values())
    copy_rows(connection, "sla_team", ["team", "manager", "queue_owner"], teams)
    rules = ((one.id, team_of_rule(policy, one.id)) for one in policy.routing.rules)
    copy_rows(connection, "sla_rule", ["rule", "team"], rules)
    tiers = (
        (
            one.name,
            "manager" in one.escalate,
            "head_of_sales" in one.escalate and bool(policy.sla.head_of_sales),
        )
        for one in policy.sla.tiers.values()
    )
    copy_rows(connection, "sla_tier", ["tier", "manager", "head"], tiers)


# --- what fell due ----------------------------------------------------------------------------

# Found first, and counted: joined at once, all clocks and leads there ever were would be read.
_FOUND = f"create temporary table found on commit drop as {FOUND}"
_FALLEN = f"""
create temporary table fallen on commit drop as
select k.*, l.survivor_id,
       {WARN} and k.warn_at < :as_of and coalesce(k.paused_at > k.warn_at, true) as warns,
       {DUE} and k.due_at < :as_of and coalesce(k.paused_at > k.due_at, true) as due
from found join sla_clock k using (clock_id) join lead l using (lead_id)
"""
_JUDGED = f"""
create temporary table judged on commit drop as
select f.*, r.watched, r.read,
       (r.known_to > f.warn_at) is true or (f.kind = 'queue' and not r.watched) as known_at_warning,
       (r.known_to > f.due_at) is true or (f.kind = 'queue' and not r.watched) as known,
       d.as_of as decided_at, coalesce(d.team, u.team) as decided_team
from fallen f join ({reading.JUDGED.format(clocks="fallen")}) r using (clock_id)
left join decision d on d.decision_seq = f.decision_seq
left join sla_rule u on u.rule = d.rule
"""


def _judge(connection: Connection, batch: Batch) -> None:
    for name, statement in {"found": _FOUND, "fallen": _FALLEN, "judged": _JUDGED}.items():
        connection.execute(sa.text(f"drop table if exists pg_temp.{name}"))
        connection.execute(sa.text(statement), {"as_of": batch.as_of})
        connection.execute(sa.text(f"analyze {name}"))


# --- told -------------------------------------------------------------------------------------


def _owed(moment: str) -> str:
    """Who owed it at a moment: of the log of owners the last before, else the first after, else the clock's own."""
    return f"""
left join lateral (
    select w.rep_id, w.team, w.place from sla_owed w where w.clock_id = j.clock_id
    order by w.since > {moment}, case when w.since > {moment} then w.since - {moment} else {moment} - w.since end
    limit 1
) w on true
cross join lateral (
    select case when w.place is null then j.rep_id else w.rep_id end as rep_id,
           coalesce(w.team, j.decided_team) as team, w.place
) o
left join sla_team t on t.team = o.team
left join sla_tier y on y.tier = j.tier"""


_INSERT: Final = """
insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at, rep_id, team, to_rep_id, cause, detail, batch_id)
"""
_CAUSE: Final = """case when j.unverified_since is not null then 'crm_late'
    when o.place = 'waiting' or j.kind = 'arrival' and j.decided_at >= j.due_at then 'pipeline_late'
    when j.place = 'match_ask' then 'match_unanswered'
    when j.kind = 'queue' or o.rep_id is null then 'no_one_eligible'
    else 'rep_silent' end"""
_MET: Final = """jsonb_strip_nulls(jsonb_build_object('clock', j.kind, 'tier', j.tier, 'place', j.place,
    'met_at', case when j.met_at < :as_of then j.met_at end))"""

_UNVERIFIED = f"""{_INSERT}
select j.clock_id, j.lead_id, 'unverified', j.due_at, :as_of, o.rep_id, o.team, null, 'crm_late', {_MET}, :batch
from judged j{_owed("j.due_at")}
where j.due and j.watched and not j.read and j.unverified_since is null
on conflict do nothing
"""
_VERIFIED = f"""{_INSERT}
select j.clock_id, j.lead_id, 'verified', j.due_at, :as_of, o.rep_id, o.team, null, null, {_MET}, :batch
from judged j{_owed("j.due_at")}
where j.unverified_since is not null and j.known
on conflict do nothing
"""
_WARNED = f"""{_INSERT}
select j.clock_id, j.lead_id, 'warn', j.warn_at, :as_of, o.rep_id, o.team, null, null, {_MET}, :batch
from judged j{_owed("j.warn_at")}
where j.warns and j.known_at_warning
on conflict do nothing
"""
_BREACHED = f"""{_INSERT}
select j.clock_id, j.lead_id, 'breach', j.due_at, :as_of, o.rep_id, o.team,
       case when j.kind = 'queue' then coalesce(t.queue_owner, :exceptions_owner)
            when y.manager is not false then t.manager end,
       {_CAUSE}, {_MET}, :batch
from judged j{_owed("j.due_at")}
where j.due and j.known and j.kind <> 'accept'
on conflict do nothing
"""
_TIMED_OUT = f"""{_INSERT}
select j.clock_id, j.lead_id, 'time_out', j.due_at, :as_of, o.rep_id, o.team, null, {_CAUSE}, {_MET}, :batch
from judged j{_owed("j.due_at")}
where j.due and j.known and j.kind = 'accept'
on conflict do nothing
"""
_TELLING: Final = {
    "unverified": _UNVERIFIED,
    "verified": _VERIFIED,
    "warned": _WARNED,
    "breached": _BREACHED,
    "timed_out": _TIMED_OUT,
}
_EFFECTS: Final = (
    """
    update sla_clock k set warned_at = case when j.warns and j.known_at_warning then :as_of else k.warned_at end,
        breached_at = case when j.due and j.known then :as_of else k.breached_at end
    from judged j
    where j.clock_id = k.clock_id and (j.warns and j.known_at_warning or j.due and j.known)
    """,
    """
    update sla_clock k set unverified_since = case when not j.known then coalesce(k.unverified_since, j.due_at) end
    from judged j
    where j.clock_id = k.clock_id
      and (k.unverified_since is not null and j.known or j.due and j.watched and not j.read)
    """,
)
