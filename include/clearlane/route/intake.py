"""What a chunk of leads is to routing: settled before any rule, left where it is, or to be decided.

`gather` makes relations of the transaction: `owner_name` (which rep an owner in a source is), `intake` (one row
per lead, with the step it needs) and `candidate` (those to decide); `settle` places what needs no decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch, copy_rows
from clearlane.ledger.gone import deleted
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import Policy
from clearlane.route import events, overrules, retries
from clearlane.route.owners import ANY_SOURCE, User, owner_names

_TABLES = {
    "wanted": "lead_id uuid primary key",
    "owner_name": "source text, name text, rep_id text, primary key (source, name)",
    "live_source": "source text primary key, live_from timestamptz, keeps boolean",
    "called": events.CALLED,
}

DECIDING = """l.lead_id, l.source, l.created_at, l.company_key, p.account_id, p.kind, p.attributes, p.profile_id,
       s.score_id, s.score, s.fit, s.engagement, s.negative, s.band, s.grade, s.stage, s.disqualified,
       s.hand_raise, s.cycle, s.cycle_since, o.assignment_id, o.rep_id as owner_rep, o.team as owner_team,
       case when p.attributes ->> 'suppressed' = 'true' then 'suppressed'
            when p.attributes ->> 'do_not_contact' = 'true' then 'do_not_contact' end as stopped"""
"""What is decided by: of the lead l, its profile p, its score s and its open assignment o."""

_INTAKE = f"""
create temporary table intake on commit drop as
select {DECIDING}, cast(:as_of as timestamptz) as as_of, cast(null as bigint) as decision_seq,
       cast(null as bigint) as event_id, cast(null as text) as event_kind, false as hand, false as slow,
       o.by as owner_by, t.touched_at, g.given,
       exists (select from work where batch_id = :batch and lead_id = l.lead_id) as listed,
       coalesce(pl.place, 'waiting') as place, pl.team as place_team, pl.reason,
       d.decision_seq as decided_before, d.rule as rule_before,
       d.band as band_before, d.cycle as cycle_before, d.account_id as account_before,
       d.disqualified as disqualified_before, d.converted as converted_before,
       i.inquiry_id, i.arrived_at as asked_at,
       l.lead_id in (
           select lead_id from sla_clock
           where lead_id = any(cast(:leads as uuid[])) and kind = 'arrival' and met_at is null and ended_at is null
       ) as clocked,
       l.lead_id in (
           select lead_id from sla_clock
           where lead_id = any(cast(:leads as uuid[])) and kind = 'queue' and met_at is null and ended_at is null
             and place = pl.place
       ) as queued,
       s.cycle_since is not null and exists (
           select from lead m join activity y using (lead_id)
           where m.survivor_id = l.lead_id and y.occurred_at >= s.cycle_since and y.occurred_at < :as_of
       ) as active,
       nullif(trim(p.attributes ->> 'owner'), '') as source_owner,
       n.rep_id as source_owner_rep, n.name is not null as source_owner_known,
       coalesce(v.keeps, true) as keeps, coalesce(l.created_at < v.live_from, false) as before_live,
       coalesce(p.attributes ->> 'converted' = 'true', false) as converted,
       coalesce(p.attributes ->> 'converted' = 'false', false) as unconverted, {deleted("p.attributes")} as deleted,
       cast('keep' as text) as step
from wanted w
join lead l on l.lead_id = w.lead_id and l.survivor_id = l.lead_id
join lateral (
    select * from score
    where lead_id = l.lead_id and as_of <= :as_of and policy_hash = :scoring order by as_of desc, score_id desc limit 1
) s on true
join lead_profile p on p.profile_id = s.profile_id
left join place pl on pl.lead_id = l.lead_id
left join live_source v on v.source = l.source
left join owner_name n on n.name = lower(trim(p.attributes ->> 'owner'))
    and n.source = coalesce(split_part(p.provenance ->> 'owner', ':', 1), l.source)
left join assignment o on o.lead_id = l.lead_id and o.ended_at is null
left join lateral (
    select max(h.occurred_at) as touched_at from lead m join outcome h on h.lead_id = m.lead_id
    where m.survivor_id = l.lead_id and o.assignment_id is not null and h.kind in ('first_touch', 'meeting')
      and h.occurred_at >= o.started_at and h.occurred_at < :as_of
) t on true
left join lateral (
    select bool_or(a.decision_seq is not null) as given from assignment a where a.lead_id = l.lead_id
) g on true
left join lateral (
    select x.decision_seq, x.rule, x.band, y.cycle, y.disqualified, z.account_id,
           coalesce(z.attributes ->> 'converted' = 'true', false) as converted
    from decision x join score y using (score_id) join lead_profile z on z.profile_id = x.profile_id
    where x.lead_id = l.lead_id and x.mode = 'live' order by x.decision_seq desc limit 1
) d on true
left join lateral (
    select q.inquiry_id, q.arrived_at from inquiry q join lead m on m.lead_id = q.lead_id
    where m.survivor_id = l.lead_id and q.decision_seq is null and q.arrived_at < :as_of
      and (v.live_from is null or q.arrived_at >= v.live_from)
      and (pl.place is distinct from 'closed' or pl.reason = 'deleted' or q.arrived_at >= pl.since)
    order by q.arrived_at, q.inquiry_id limit 1
) i on true
where not exists (select from decision x where x.batch_id = :batch and x.lead_id = l.lead_id)
"""

_RECALLED = f"""
create temporary table intake on commit drop as
select {DECIDING}, cast(:as_of as timestamptz) as as_of, x.decision_seq, x.event_id, e.kind as event_kind,
       cast('decide' as text) as step
from decision x join lead l using (lead_id) join score s using (score_id)
join lead_profile p on p.profile_id = s.profile_id
left join routing_event e on e.event_id = x.event_id
left join lateral (
    select assignment_id, rep_id, team from assignment
    where lead_id = x.lead_id and begun_seq < x.decision_seq and (ended_at is null or ended_seq >= x.decision_seq)
    order by assignment_id desc limit 1
) o on true
where x.batch_id = :batch and x.decision_seq = any(:decisions)
"""

_OWNED_IN_SOURCE = """keeps and source_owner is not null
    and (source_owner_rep is not null or (before_live and not source_owner_known))"""

# given: null, never assigned; false, by people only; true, by a decision of ours.
_LIVE_STEP = f"""
update intake set step = case
    when deleted then case when place = 'closed' and reason = 'deleted' then 'keep' else 'delete' end
    when place = 'closed' and reason = 'deleted' then case
        when converted then 'convert'
        when stopped is null and {_OWNED_IN_SOURCE} then 'own'
        when before_live and inquiry_id is null then
            case when stopped is not null or disqualified is not null then 'disqualify' else 'hold' end
        else 'decide' end
    when place = 'closed' and reason = 'converted' and unconverted and inquiry_id is null and stopped is null then
        case when {_OWNED_IN_SOURCE} then 'own' else 'rest' end
    when place = 'closed' then
        case when reason in ('converted', 'recycled_out') and inquiry_id is not null then 'decide' else 'keep' end
    when converted and converted_before is not true then 'convert'
    when hand then 'hand'
    when cycle > cycle_before and cycle > :cycles and inquiry_id is null and stopped is null then 'recycled_out'
    when cycle > cycle_before and inquiry_id is null and stopped is null and place in ('owned', 'pool', 'exceptions')
        then 'rest'
    when cycle > cycle_before and active and place = 'nurture' then 'decide'
    when event_id is not null then 'decide'
    when assignment_id is not null then
        case when (stopped is null and inquiry_id is not null) or (stopped is not null and given) then 'decide'
        else 'keep' end
    when given is null and place in ('waiting', 'held') and {_OWNED_IN_SOURCE} then 'own'
    when before_live and inquiry_id is null and decided_before is null and given is null then
        case when stopped is not null or disqualified is not null then 'disqualify' else 'hold' end
    when place in ('waiting', 'exceptions') then 'decide'
    when place = 'held' and (reason <> 'before_live_from' or inquiry_id is not null) then 'decide'
    when place = 'disqualified' and stopped is null and disqualified is null
        and (rule_before is null or disqualified_before is not null) then 'decide'
    when place = 'pool' and lead_id in ({retries.WAITING}) then 'decide'
    when place in ('nurture', 'pool', 'redirected') and inquiry_id is not null then 'decide'
    when place = 'nurture' and account_id is not null and account_before is null then 'decide'
    when place in ('nurture', 'pool') and (stopped is not null
        or (disqualified is not null and disqualified_before is null)
        or (band = any(:urgent)
            and coalesce(array_position(:bands, band) < array_position(:bands, band_before), true))) then 'decide'
    else 'keep' end
"""

_SHADOW_STEP = f"""
update intake set step = 'decide'
where not converted and not deleted and given is distinct from false and not (before_live and inquiry_id is null)
  and not (given is null and {_OWNED_IN_SOURCE})
"""


def owner_of(alias: str, noun: str) -> str:
    """Join the rep whom the source of the account, opportunity or contact names, or whom every source means."""
    source = f"coalesce(i.attributes ->> '{noun}_source', i.attributes ->> 'account_source', i.source)"
    return f"""
left join lateral ({_meant(f"i.attributes ->> '{noun}_owner'", source)}) {alias} on true"""


def _meant(name: str, source: str) -> str:
    return f"""
    select rep_id from owner_name
    where name = lower(trim({name})) and source in ({source}, '{ANY_SOURCE}')
    order by source = '{ANY_SOURCE}' limit 1
"""


# The nearest of the accounts above whose owner sells; the profile has all their owners, a record may name one.
_OWNER_ABOVE = f"""
left join lateral (
    select known.rep_id
    from jsonb_array_elements_text(case
        when jsonb_typeof(i.attributes -> 'parent_account_owners') = 'array'
            then i.attributes -> 'parent_account_owners'
        when i.attributes ? 'parent_account_owner' then jsonb_build_array(i.attributes -> 'parent_account_owner')
        end) with ordinality said (name, distance)
    cross join lateral ({_meant("said.name", "coalesce(i.attributes ->> 'account_source', i.source)")}) known
    where known.rep_id is not null order by said.distance limit 1
) above on true"""

_OF_THE_LEAD = ", ".join(f"'{kind}'" for kind in events.OF_THE_LEAD)
_CANDIDATE = f"""
create temporary table candidate on commit drop as
select i.*, i.account_id is not null as has_account, a.rep_id as account_owner, o.rep_id as opportunity_owner,
       c.rep_id as contact_owner, above.rep_id as parent_account_owner, a.rep_id is not null as account_owner_sells,
       o.rep_id is not null as opportunity_owner_sells, c.rep_id is not null as contact_owner_sells,
       above.rep_id is not null as parent_account_owner_sells,
       coalesce(told.barred, '{{}}') as barred, coalesce(told.declines, 0) as declines,
       coalesce(told.breaches, 0) as breaches, coalesce(aged.outgrown, '{{}}') as outgrown, cv.cover_rep_id as cover,
       array(select jsonb_array_elements_text(ev.detail -> 'covers')) as heirs,
       coalesce(i.event_kind in ({_OF_THE_LEAD}), false) and exists (
           select from assignment a join lead m using (lead_id)
           where a.rep_id = i.owner_rep and m.lead_id <> i.lead_id
             and (m.company_key = i.company_key or m.account_id = i.account_id)
             and (i.decision_seq is null and a.ended_at is null or a.begun_seq < i.decision_seq
                  and (a.ended_at is null or a.ended_seq >= i.decision_seq))
       ) as owns_company,
       not exists (
           select from decision x
           where x.lead_id = i.lead_id and x.mode <> 'shadow'
             and (i.decision_seq is null or x.decision_seq < i.decision_seq)
       ) as undecided
from intake i{events.KNOWN}
{owner_of("a", "account")} {owner_of("o", "opportunity")} {owner_of("c", "contact")}{_OWNER_ABOVE}
left join routing_event ev on ev.event_id = i.event_id
left join lateral (
    select cover_rep_id from cover
    where lead_id = i.lead_id and rep_id = i.owner_rep
      and (i.decision_seq is null and ended_at is null or begun_seq < i.decision_seq
           and (ended_at is null or ended_seq >= i.decision_seq))
    order by cover_id desc limit 1
) cv on true
where i.step = 'decide'
"""

URGENT = 2
"""a lead in nurture or a pool comes back when it rises into one of the hottest bands, this many"""


def begin(connection: Connection, policy: Policy, batch: Batch) -> None:
    """Clear what an earlier chunk left, and name the owners whom sources name."""
    _clear(connection)
    _name_owners(connection, policy, batch)


def gather(connection: Connection, policy: Policy, batch: Batch, leads: Sequence[UUID]) -> None:
    """Make `intake` for those of the leads that the batch has not decided yet, each with its event and step.

    After `begin`.
    """
    events.claim(connection, batch, leads)
    copy_rows(connection, "wanted", ["lead_id"], ((lead,) for lead in leads))
    connection.execute(sa.text("analyze wanted"))
    arguments = {"as_of": batch.as_of, "scoring": batch.policy["scoring"], "batch": batch.batch_id}
    arguments["leads"] = list(leads)
    connection.execute(sa.text(_INTAKE), arguments)
    connection.execute(sa.text("analyze intake"))
    events.weigh(connection, policy, batch)
    if not batch.live:
        connection.execute(sa.text(_SHADOW_STEP))
        return
    bands = [band.name for band in policy.scoring.bands]
    bound = {"bands": bands, "urgent": bands[:URGENT], "cycles": policy.scoring.recycling.cycles}
    connection.execute(sa.text(_LIVE_STEP), {**bound, **retries.bound(batch)})


def recall(connection: Connection, policy: Policy, batch: Batch, decisions: Sequence[int]) -> None:
    """Make `intake` for decisions of the batch: what they were made of, and who owned the lead then.

    Reads the ledger as it was before each number, whatever came later; has decision_seq as well.
    """
    begin(connection, policy, batch)
    bound = {"batch": batch.batch_id, "as_of": batch.as_of, "decisions": list(decisions)}
    connection.execute(sa.text(_RECALLED), bound)


def _clear(connection: Connection) -> None:
    for name in (*_TABLES, "intake", "candidate"):
        connection.execute(sa.text(f"drop table if exists pg_temp.{name}"))
    for name, columns in _TABLES.items():
        connection.execute(sa.text(f"create temporary table {name} ({columns}) on commit drop"))


def _name_owners(connection: Connection, policy: Policy, batch: Batch) -> None:
    sources = policy.sources.sources
    names = owner_names(policy.teams, _users(connection), sources, batch.as_of)
    copy_rows(
        connection, "owner_name", ["source", "name", "rep_id"], ((*key, rep) for key, rep in names.items())
    )
    rows = ((source.name, source.live_from, source.existing_owner == "keep") for source in sources.values())
    copy_rows(connection, "live_source", ["source", "live_from", "keeps"], rows)


def _users(connection: Connection) -> list[User]:
    rows = connection.execute(
        sa.text("select source, external_id, name, email, active from owner order by 1, 2")
    )
    return [User(*row) for row in rows]


def candidates(connection: Connection) -> None:
    """Make `candidate`: the leads to decide, with the reps who own what belongs to each."""
    connection.execute(sa.text(_CANDIDATE))
    connection.execute(sa.text("analyze candidate"))


# --- places that need no decision ---------------------------------------------------------------

_OWN = """
with taken as (
    insert into assignment (lead_id, rep_id, owner_external_id, by, because, started_at)
    select lead_id, source_owner_rep, source_owner, 'person', 'owned in source', as_of
    from intake where step = 'own'
    returning lead_id, assignment_id, rep_id
)
update intake set assignment_id = taken.assignment_id, owner_rep = taken.rep_id
from taken where taken.lead_id = intake.lead_id
"""
_ASKED_MEANWHILE = """
update intake set step = 'decide', event_id = null, event_kind = null
where step in ('own', 'hand') and inquiry_id is not null and stopped is null
"""
_END_OWNERSHIP = f"""
update assignment set ended_at = greatest(started_at, cast(:as_of as timestamptz)), ended_because = :because,
    ended_seq = {LAST_DECISION}
where lead_id = any(cast(:leads as uuid[])) and ended_at is null
"""
_END_CLOCKS = """
update sla_clock set ended_at = greatest(started_at, cast(:as_of as timestamptz))
where lead_id = any(cast(:leads as uuid[])) and met_at is null and ended_at is null
"""
_ENDING = {
    "delete": "deleted in the source",
    "convert": "converted",
    "rest": "recycled",
    "recycled_out": "recycled out",
}
"""steps that end whatever was promised, with how an assignment says so"""
_SETTLED = {
    "own": "'owned', 'owned_in_source', 'owned in source', owner_rep",
    "delete": "'closed', 'deleted', 'deleted in the source', null",
    "convert": "'closed', 'converted', 'converted in the source', null",
    "rest": "'nurture', 'recycled', 'recycled: rests until there is new activity', null",
    "recycled_out": "'closed', 'recycled_out', 'recycled out: came back as often as policy allows', null",
    "disqualify": (
        "'disqualified', coalesce(stopped, disqualified),"
        " 'created before the source went live, and disqualified by ' || coalesce(stopped, disqualified), null"
    ),
    "hold": "'held', 'before_live_from', 'created before the source went live: scored, not routed', null",
}
# What a live run brought in waits for that run, or for the one that sweeps up after it.
_HELD = """
update place set place = 'held', reason = 'backfill', since = :as_of, batch_id = :batch,
    because = 'known from a backfill only; a live run releases it'
where lead_id in (select lead_id from intake) and place = 'waiting'
  and not exists (select from batch b where b.batch_id = place.batch_id and b.mode = 'live')
"""


def settle(connection: Connection, policy: Policy, batch: Batch) -> Mapping[str, int]:
    """Place what needs no decision; the numbers of leads by what was done. Shadow runs only hold what waits."""
    bound = {"batch": batch.batch_id, "as_of": batch.as_of}
    if not batch.live:
        return {"held_for_backfill": connection.execute(sa.text(_HELD), bound).rowcount}
    connection.execute(sa.text(_OWN))
    by_hand = overrules.record(connection, policy, batch)
    for step, because in _ENDING.items():
        _end(connection, batch, step, because)
    counts = {step: connection.execute(sa.text(_settled(step)), bound).rowcount for step in _SETTLED}
    connection.execute(sa.text(_ASKED_MEANWHILE))
    return {**counts, "hand": by_hand}


def _end(connection: Connection, batch: Batch, step: str, because: str) -> None:
    ended = sa.text("select lead_id from intake where step = :step")
    leads = connection.execute(ended, {"step": step}).scalars().all()
    if leads:
        bound = {"leads": leads, "as_of": batch.as_of}
        connection.execute(sa.text(_END_OWNERSHIP), {**bound, "because": because})
        connection.execute(sa.text(_END_CLOCKS), bound)


def _settled(step: str) -> str:
    return f"""
insert into place as p (lead_id, place, reason, because, rep_id, since, batch_id)
select lead_id, {_SETTLED[step]}, cast(:as_of as timestamptz), :batch from intake where step = '{step}'
on conflict (lead_id) do update set place = excluded.place, reason = excluded.reason, because = excluded.because,
    team = null, rep_id = excluded.rep_id, since = excluded.since, decision_seq = null, until = null,
    batch_id = excluded.batch_id
where (p.place, p.reason, p.rep_id) is distinct from (excluded.place, excluded.reason, excluded.rep_id)
"""
