"""The outbox: one row per owed write, newest only, owed in the transaction that made it known.

A live decision owes where the lead goes and what it scores; a score that moved without one owes itself alone. A
write that holds a newer decision, or all of another and a newer score, supersedes it; what is in flight is left to
its claim. `draining` sends what is owed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import Policy, Source, Teams
from clearlane.push.claims import OVERRULED, SUPERSEDE
from clearlane.route.overrules import beside


@dataclass(frozen=True)
class Owed:
    owed: int
    superseded: int


# A decision that is owed late says what the lead scores by now.
_OWE: Final = sa.text(
    """
    insert into outbox
        (idempotency_key, source, object, external_id, lead_id, decision_seq, batch_id, score_id, fields)
    select m.source || ':leads:' || m.external_id || ':' || d.decision_seq,
           m.source, 'leads', m.external_id, d.lead_id, d.decision_seq, d.batch_id,
           greatest(d.score_id, st.score_id),
           jsonb_build_object(
               'owner', o.owner, 'queue', coalesce(q.queue, case when d.rep_id is null then d.place end),
               'place', d.place, 'team', d.team, 'score', coalesce(st.score, s.score),
               'band', coalesce(st.band, s.band), 'grade', coalesce(st.grade, s.grade),
               'stage', coalesce(st.stage, s.stage), 'because', d.because, 'tier', d.tier, 'cover', co.owner,
               'sla_due', to_char(d.sla_due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from decision d
    join lead m on m.survivor_id = d.lead_id
    join score s using (score_id)
    left join jsonb_to_recordset(:owners) o(source text, rep_id text, owner text)
        on (o.source, o.rep_id) = (m.source, d.rep_id)
    left join cover c on c.lead_id = d.lead_id and c.rep_id = d.rep_id and c.ended_at is null
    left join jsonb_to_recordset(:owners) co(source text, rep_id text, owner text)
        on (co.source, co.rep_id) = (m.source, c.cover_rep_id)
    left join jsonb_to_recordset(:queues) q(team text, queue text) on q.team = d.team and d.rep_id is null
    left join standing st on st.lead_id = d.lead_id and st.score_id >= d.score_id
    where d.batch_id = :batch_id and d.mode <> 'shadow' and m.source = any(:pushable)
      and (d.place <> 'owned' or d.rep_id is not null)
    order by d.decision_seq, m.source, m.external_id
    on conflict (idempotency_key) do nothing
    returning outbox_id
    """
)
# The key names the moment: points fade without a new score. What is owed and not in flight goes along with it.
_OWE_SCORES: Final = """
    insert into outbox
        (idempotency_key, source, object, external_id, lead_id, decision_seq, batch_id, score_id, fields)
    select m.source || ':leads:' || m.external_id || ':score:' || s.score_id || ':'
               || trim_scale(extract(epoch from s.as_of)),
           m.source, 'leads', m.external_id, s.lead_id, waits.decision_seq, :batch_id, s.score_id,
           coalesce(waits.fields, '{{}}') || jsonb_build_object(
               'score', s.score, 'band', s.band, 'grade', s.grade, 'stage', s.stage)
    from {of}
    join place p on p.lead_id = s.lead_id and p.place not in ('waiting', 'quarantined', 'held', 'closed')
    join lead m on m.survivor_id = s.lead_id
    join jsonb_to_recordset(:steps) t(source text, step double precision, live_from timestamptz)
        on t.source = m.source
    left join lateral (
        select x.fields, x.score_id from outbox x
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
    where case when told.score_id is null then t.live_from is null or m.created_at >= t.live_from
          else s.score_id >= told.score_id
               and ((s.band, s.grade, s.stage) is distinct from
                        (told.fields ->> 'band', told.fields ->> 'grade', told.fields ->> 'stage')
                    or abs(s.score - cast(told.fields ->> 'score' as double precision)) >= greatest(t.step, 1)) end
    order by m.source, m.external_id
    on conflict (idempotency_key) do nothing
    returning outbox_id
"""
_OF_BATCH: Final = "work w join standing s on w.batch_id = :batch_id and s.lead_id = w.lead_id"
_OF_ALL: Final = "standing s"
_LOCK: Final = sa.text("select pg_advisory_xact_lock(hashtext('clearlane.push'))")
# By decision, not by arrival: a push task that is cleared late owes what an older decision said.
_SUPERSEDE: Final = sa.text(
    SUPERSEDE.format(
        which="(old.outbox_id = any(:ids) or newer.outbox_id = any(:ids))", flying="old.claimed_until is null"
    )
)

# What was owed before a person chose another owner would take the lead back.
_OVERRULED: Final = sa.text(OVERRULED.format(which="chosen.batch_id = :beside"))


def owe(connection: Connection, policy: Policy, batch: Batch) -> Owed:
    """Put what the batch's decisions and scores owe into the outbox, shadow ones aside; newer replace older.

    An owner whom teams.yaml does not know is the source's own affair: nothing is owed for such a decision.
    """
    pushed = _pushed(policy)
    connection.execute(_LOCK)
    owed = connection.execute(
        _OWE,
        {
            "batch_id": batch.batch_id,
            "pushable": [source.name for source in pushed],
            "owners": Jsonb(list(_owners(policy.teams, pushed))),
            "queues": Jsonb(
                [{"team": t.id, "queue": t.queue} for t in policy.teams.teams.values() if t.queue]
            ),
        },
    )
    ids = list(owed.scalars())
    overruled = connection.execute(_OVERRULED, {"beside": beside(batch)}).rowcount
    if batch.live:
        ids += _scores(connection, pushed, _OF_BATCH, batch)
    superseding = _superseding(connection, ids)
    return replace(superseding, superseded=superseding.superseded + overruled)


def owe_scores(connection: Connection, policy: Policy) -> Owed:
    """Put the scores of all leads that moved since they were last pushed into the outbox."""
    connection.execute(_LOCK)
    return _superseding(connection, _scores(connection, _pushed(policy), _OF_ALL))


def _scores(
    connection: Connection, pushed: Sequence[Source], of: str, batch: Batch | None = None
) -> list[int]:
    steps = [
        {
            "source": source.name,
            "step": source.score_step,
            "live_from": source.live_from and source.live_from.isoformat(),
        }
        for source in pushed
        if source.score_step is not None
    ]
    if not steps:
        return []
    bound: dict[str, Any] = {"batch_id": batch.batch_id if batch else None, "steps": Jsonb(steps)}
    statement = sa.text(_OWE_SCORES.format(of=of)).bindparams(sa.bindparam("batch_id", type_=sa.UUID))
    return list(connection.execute(statement, bound).scalars())


def _superseding(connection: Connection, ids: Sequence[int]) -> Owed:
    superseded = connection.execute(_SUPERSEDE, {"ids": list(ids)}).rowcount if ids else 0
    return Owed(len(ids), superseded)


def _pushed(policy: Policy) -> list[Source]:
    return [source for source in policy.sources.sources.values() if source.push]


def _owners(teams: Teams, pushed: Sequence[Source]) -> Iterator[Mapping[str, str]]:
    """How each source names each rep: its first alias there, else the e-mail address."""
    for rep in teams.reps.values():
        for source in pushed:
            name = (*rep.aliases.get(source.name, ()), rep.email)[0]
            yield {"source": source.name, "rep_id": rep.id, "owner": name}
