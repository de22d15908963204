"""The outbox: one row per owed write, newest only, owed in the transaction that made it known.

A live decision owes where the lead goes and what it scores; a score that moved without one, and what became of the
lead, owe themselves alone. Each source is owed what it takes and is not the master of. A write that holds a newer
decision, or all of another and a newer score, supersedes it; what is in flight is left to its claim. `draining` sends
what is owed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.ledger.gone import gone
from clearlane.policy.model import FEEDBACK, Policy, Source, Teams
from clearlane.push import feedback, merges, standing
from clearlane.push.claims import OVERRULED, SUPERSEDE
from clearlane.push.owners import owners_of
from clearlane.route.overrules import beside


@dataclass(frozen=True)
class Owed:
    owed: int
    superseded: int


_TAKERS: Final = (
    "jsonb_to_recordset(:takers) t(source text, taken jsonb, step double precision, live_from timestamptz,"
    " hears boolean)"
)


def _taken(fields: str) -> str:
    """Of these fields those that the source t takes."""
    return f"""(select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each({fields}) where t.taken ? key)"""


_DECIDED: Final = """jsonb_build_object(
               'owner', o.owner, 'queue', coalesce(q.queue, case when d.rep_id is null then d.place end),
               'place', d.place, 'team', d.team, 'score', coalesce(st.score, made.score),
               'band', coalesce(st.band, made.band), 'grade', coalesce(st.grade, made.grade),
               'stage', coalesce(st.stage, made.stage), 'because', d.because, 'tier', d.tier, 'cover', co.owner,
               'sla_due', to_char(d.sla_due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
           || coalesce(fed.fields, '{}')"""
# A decision that is owed late says what the lead scores by now.
_OWE: Final = sa.text(
    f"""
    insert into outbox
        (idempotency_key, source, object, external_id, lead_id, decision_seq, batch_id, score_id, fields)
    select m.source || ':leads:' || m.external_id || ':' || d.decision_seq,
           m.source, 'leads', m.external_id, d.lead_id, d.decision_seq, d.batch_id, s.score_id,
           {_taken(_DECIDED)}
    from decision d
    join lead m on m.survivor_id = d.lead_id and not {gone("m")}
    join {_TAKERS} on t.source = m.source
    join score made using (score_id)
    left join jsonb_to_recordset(:owners) o(source text, rep_id text, owner text)
        on (o.source, o.rep_id) = (m.source, d.rep_id)
    left join cover c on c.lead_id = d.lead_id and c.rep_id = d.rep_id and c.ended_at is null
    left join jsonb_to_recordset(:owners) co(source text, rep_id text, owner text)
        on (co.source, co.rep_id) = (m.source, c.cover_rep_id)
    left join jsonb_to_recordset(:queues) q(team text, queue text) on q.team = d.team and d.rep_id is null
    left join standing st on st.lead_id = d.lead_id and st.score_id >= d.score_id
    cross join lateral (
        select greatest(d.score_id, st.score_id) as score_id, coalesce(st.stage, made.stage) as stage) s
    {feedback.OF_LEAD}
    where d.batch_id = :batch_id and d.mode <> 'shadow' and (d.place <> 'owned' or d.rep_id is not null)
    order by d.decision_seq, m.source, m.external_id
    on conflict (idempotency_key) do nothing
    returning outbox_id
    """
)
_SHOWN: Final = """
        case when p.place = 'closed' then '{}' else jsonb_build_object(
            'score', s.score, 'band', s.band, 'grade', s.grade, 'stage', s.stage) end
        || coalesce(fed.fields, '{}')"""


# The key names what was told before: back and forth is told each time, and twice is once. What is owed and not in
# flight goes along with it. Of closed leads only what became of them is told, not to who alone knows of it.
def _owe_news(of: str) -> str:
    return f"""
    insert into outbox
        (idempotency_key, source, object, external_id, lead_id, decision_seq, batch_id, score_id, fields)
    select m.source || ':leads:' || m.external_id || ':after:' || coalesce(told.outbox_id, 0) || ':'
               || md5(cast(now.fields as text)),
           m.source, 'leads', m.external_id, s.lead_id, waits.decision_seq, :batch_id, s.score_id,
           coalesce(waits.fields, '{{}}') || now.fields
    from {of}
    join place p on p.lead_id = s.lead_id and p.place not in ('waiting', 'quarantined', 'held')
        and (p.place <> 'closed' or p.reason not in ('merged', 'deleted', 'erased'))
    join lead m on m.survivor_id = s.lead_id and not {gone("m")}
    join {_TAKERS} on t.source = m.source and (t.hears or t.step is not null and p.place <> 'closed')
    left join lateral (
        select x.outbox_id, x.fields, x.score_id from outbox x
        where (x.source, x.object, x.external_id) = (m.source, 'leads', m.external_id)
          and x.state in ('owed', 'sent') and x.score_id is not null
        order by x.outbox_id desc limit 1
    ) told on true
    left join lateral (
        select x.fields, x.decision_seq from outbox x
        where (x.source, x.object, x.external_id) = (m.source, 'leads', m.external_id)
          and x.state = 'owed' and x.claimed_until is null and x.decision_seq is not null
        order by x.decision_seq desc, x.outbox_id desc limit 1
    ) waits on true
    {feedback.OF_LEAD}
    cross join lateral (select {_taken(_SHOWN)} as fields) now
    where case when told.score_id is null then t.live_from is null or m.created_at >= t.live_from
               else s.score_id >= told.score_id end
      and (p.place <> 'closed' or told.score_id is not null or fed.fields ->> 'outcome' is not null)
      and exists (
          select from jsonb_each_text(now.fields) f where case
              when f.key = any(:feedback) or f.key = 'stage' and t.hears then
                  f.value is distinct from told.fields ->> f.key
              when t.step is null then false
              when f.key = 'score' and told.fields ? 'score' then
                  abs(s.score - cast(told.fields ->> 'score' as double precision)) >= greatest(t.step, 1)
              else f.value is distinct from told.fields ->> f.key end)
    order by m.source, m.external_id
    on conflict (idempotency_key) do nothing
    returning outbox_id
"""


_OF_BATCH: Final = f"""standing s join (
        select lead_id from work where batch_id = :batch_id union {feedback.LATELY}) lately using (lead_id)"""
_OF_LATELY: Final = (
    f"standing s join (select survivor_id as lead_id from ({feedback.LATELY}) l group by 1) l using (lead_id)"
)
_OF_ALL: Final = "standing s"
_STANDING: Final = standing.compared(_TAKERS, _taken)
_LOCK: Final = sa.text("select pg_advisory_xact_lock(hashtext('clearlane.push'))")
# By decision, not by arrival: a push task that is cleared late owes what an older decision said.
_SUPERSEDE: Final = sa.text(
    SUPERSEDE.format(
        which="(old.outbox_id = any(:ids) or newer.outbox_id = any(:ids))", flying="old.claimed_until is null"
    )
)

# What was owed before a person chose another owner would take the lead back.
_OVERRULED: Final = sa.text(OVERRULED.format(which="chosen.batch_id = :beside"))
# Nothing is written to a record that is deleted or merged into another.
_GONE: Final = sa.text(
    f"""
    update outbox o set state = 'dropped', note = concat_ws('; ', o.note, 'the record is gone from the source')
    from work w join lead m on m.survivor_id = w.lead_id
    where w.batch_id = :batch_id and (o.source, o.object, o.external_id) = (m.source, 'leads', m.external_id)
      and o.state = 'owed' and o.claimed_until is null and {gone("m")}
    """
)


def owe(connection: Connection, policy: Policy, batch: Batch) -> Owed:
    """Put what the batch's decisions and scores owe into the outbox, shadow ones aside; newer replace older.

    An owner whom teams.yaml does not know is the source's own affair: nothing is owed for such a decision.
    """
    connection.execute(_LOCK)
    told = {**_told(policy, batch.as_of), **_named(policy)}
    ids = list(connection.execute(_OWE, {**told, "batch_id": batch.batch_id}).scalars())
    overruled = connection.execute(_OVERRULED, {"beside": beside(batch)}).rowcount
    if batch.live:
        ids += owe_standing(connection, policy, batch)
        merges.owe(connection, policy, batch)
        connection.execute(_GONE, {"batch_id": batch.batch_id})
        ids += _news(connection, policy, _OF_BATCH, batch.as_of, batch_id=batch.batch_id, since=batch.as_of)
    superseding = _superseding(connection, ids)
    return replace(superseding, superseded=superseding.superseded + overruled)


def owe_standing(
    connection: Connection, policy: Policy, batch: Batch, leads: Sequence[UUID] = (), *, by_hand: bool = False
) -> list[int]:
    """Owe the owner that a lead has to its other records, where the batch or a person merged, parted or changed it.

    `by_hand`: a person said so of these leads; then also records from before `live_from` are told.
    """
    connection.execute(_LOCK)
    bound = {**_told(policy, batch.as_of), **_named(policy), "leads": list(leads), "by_hand": by_hand}
    bound |= {"batch_id": batch.batch_id, "beside": beside(batch)}
    rows = connection.execute(_STANDING, bound).mappings().all()
    known = {
        name: owners_of(connection, policy, policy.sources.sources[name], batch.as_of)
        for name in {row["source"] for row in rows}
    }
    return standing.owed(connection, standing.untold(known, rows), batch.batch_id)


def owe_outcomes(connection: Connection, policy: Policy, batch: Batch, since: datetime) -> Owed:
    """Put what became of leads since a moment (UTC), or came with the batch, into the outbox. Nothing in shadow."""
    if not batch.live or not _is_told_stages(policy):
        return Owed(0, 0)
    connection.execute(_LOCK)
    ids = _news(connection, policy, _OF_LATELY, batch.as_of, batch_id=batch.batch_id, since=since)
    return _superseding(connection, ids)


def owe_scores(connection: Connection, policy: Policy, as_of: datetime) -> Owed:
    """Put the scores of all leads that moved since they were last pushed, and what became of them, into the outbox."""
    connection.execute(_LOCK)
    return _superseding(connection, _news(connection, policy, _OF_ALL, as_of, batch_id=None, since=as_of))


def _news(
    connection: Connection,
    policy: Policy,
    of: str,
    as_of: datetime,
    *,
    batch_id: UUID | None,
    since: datetime,
) -> list[int]:
    pushed = _pushed(policy)
    if not any(source.score_step is not None or feedback.hears(source) for source in pushed):
        return []
    lately = {"hear": _is_told_stages(policy), "since": since} if ":since" in of else {}
    bound = {**_told(policy, as_of), "feedback": list(FEEDBACK), "batch_id": batch_id, **lately}
    statement = sa.text(_owe_news(of)).bindparams(sa.bindparam("batch_id", type_=sa.UUID))
    return list(connection.execute(statement, bound).scalars())


def _named(policy: Policy) -> Mapping[str, Any]:
    """How the sources name reps and queues."""
    queues = [{"team": team.id, "queue": team.queue} for team in policy.teams.teams.values() if team.queue]
    return {"owners": Jsonb(list(_owners(policy.teams, _pushed(policy)))), "queues": Jsonb(queues)}


def _told(policy: Policy, as_of: datetime) -> Mapping[str, Any]:
    """What the sources take, and whose word on it counts."""
    takers = [
        {
            "source": source.name,
            "taken": policy.sources.written(source),
            "step": source.score_step,
            "live_from": source.live_from and source.live_from.isoformat(),
            "hears": feedback.hears(source),
        }
        for source in _pushed(policy)
    ]
    return {"takers": Jsonb(takers), "as_of": as_of, **feedback.masters(policy.sources)}


def _superseding(connection: Connection, ids: Sequence[int]) -> Owed:
    superseded = connection.execute(_SUPERSEDE, {"ids": list(ids)}).rowcount if ids else 0
    return Owed(len(ids), superseded)


def _pushed(policy: Policy) -> list[Source]:
    return [source for source in policy.sources.sources.values() if source.push]


def _is_told_stages(policy: Policy) -> bool:
    """Whether some source is told of outcomes, or of a new stage without a decision."""
    return any(
        feedback.hears(source)
        or (source.score_step is not None and "stage" in policy.sources.written(source))
        for source in _pushed(policy)
    )


def _owners(teams: Teams, pushed: Sequence[Source]) -> Iterator[Mapping[str, str]]:
    """How each source names each rep: its first alias there, else the e-mail address."""
    for rep in teams.reps.values():
        for source in pushed:
            name = (*rep.aliases.get(source.name, ()), rep.email)[0]
            yield {"source": source.name, "rep_id": rep.id, "owner": name}
