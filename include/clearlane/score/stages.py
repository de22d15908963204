"""The stages that outcomes mean: accepted and SQL by a rep, opportunity and customer by the CRM.

Their entries follow from the outcomes alone, in event time: of each cycle the first outcome that means the stage. They
are the same in whatever order and however often outcomes come, and move only with an outcome that is earlier or that
its source corrects: no score, no backfill moves them. Where `masters` names a source for `stage`, only what it says
counts. A standing shows the furthest stage of the present cycle at once, without a new score.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import CLEARLANE, FIRST_STAGE, LATER_STAGES, Policy, Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score import persons, signals, standing

MEANT: Final = dict(zip(("accepted", "sql", "opportunity", "won"), LATER_STAGES, strict=True))
"""outcome -> the stage that it means"""

_LATER: Final = ", ".join(f"'{stage}'" for stage in LATER_STAGES)
_CONCERNED: Final = """
 insert into pg_temp.concerned
 select lead_id from work where batch_id = :batch_id
 union
 select r.survivor_id from inbox i join outcome o using (seq) join lead r using (lead_id)
 where i.batch_id = :batch_id and i.object = 'outcomes'
 union
 select r.survivor_id from outcome o join lead r using (lead_id)
 where o.occurred_at >= :since and o.occurred_at < :as_of
"""
# Strictly before: an outcome of the moment at which a cycle ends belongs to that cycle.
_MEANT: Final = """
 select distinct on (lead_id, stage, cycle) lead_id, stage, cycle, occurred_at as entered_at,
   source || ' says ' || kind as because
 from (
   select c.lead_id, o.kind, o.source, o.occurred_at, o.outcome_id,
     1 + count(*) filter (where {recycles}) over (
       partition by c.lead_id order by o.occurred_at range between unbounded preceding and current row exclude group
     ) as cycle
   from pg_temp.concerned c join lead r on r.survivor_id = c.lead_id join outcome o on o.lead_id = r.lead_id
 ) said join (values {means}) meant (kind, stage) using (kind)
 where source = coalesce(cast(:master as text), source)
 order by lead_id, stage, cycle, occurred_at, source, outcome_id
"""
_ENTER: Final = f"""
 with meant as materialized ({{meant}}), gone as (
   delete from stage_entry e using pg_temp.concerned c join lead r on r.survivor_id = c.lead_id
   where e.lead_id = r.lead_id and e.stage in ({_LATER}) and not exists (
     select from meant m where (m.lead_id, m.stage, m.cycle) = (e.lead_id, e.stage, e.cycle))
 )
 insert into stage_entry (lead_id, stage, cycle, entered_at, because)
 select lead_id, stage, cycle, entered_at, because from meant
 on conflict (lead_id, stage, cycle) do update set (entered_at, because) = (excluded.entered_at, excluded.because)
 where (stage_entry.entered_at, stage_entry.because) is distinct from (excluded.entered_at, excluded.because)
"""
# A cycle that no score knows of yet shows what outcomes made of it, if anything.
_SHOW: Final = f"""
 update standing s set stage = now.stage
 from pg_temp.concerned c join standing stood using (lead_id) join score made using (score_id)
 cross join lateral (
   select coalesce((
     select e.stage from stage_entry e
     where e.lead_id = c.lead_id and e.stage <> '{standing.DISQUALIFIED}'
       and e.entered_at < greatest(cast(:as_of as timestamptz), stood.as_of)
       and (e.cycle = made.cycle or e.cycle > made.cycle and e.stage in ({_LATER}))
     order by e.cycle desc, {{rung}} desc, e.entered_at limit 1
   ), '{FIRST_STAGE}') as stage
 ) now
 where s.lead_id = c.lead_id and s.stage <> '{standing.DISQUALIFIED}' and s.stage <> now.stage
   and (s.stage in ({_LATER}) or now.stage in ({_LATER}))
"""


def enter(connection: Connection, policy: Policy, batch: Batch, since: datetime) -> int:
    """Note which stages outcomes mean for whom the batch concerns, or who had one since a moment; entries new or moved.

    `since`: UTC. The standings follow. Never commits.
    """
    connection.execute(sa.text(signals.LOCK))
    signals.temporary(connection, "concerned", "lead_id uuid")
    bound = {"batch_id": batch.batch_id, "since": since, "as_of": batch.as_of}
    connection.execute(sa.text(_CONCERNED), bound)
    connection.execute(sa.text("analyze pg_temp.concerned"))
    master = policy.sources.masters.get("stage", CLEARLANE)
    said = {"master": None if master == CLEARLANE else master}
    entered = connection.execute(sa.text(_ENTER.format(meant=_meant(policy.scoring))), said).rowcount
    connection.execute(
        sa.text(_SHOW.format(rung=standing.rung(policy.scoring, _text, "e.stage"))), {"as_of": batch.as_of}
    )
    return entered


def _meant(scoring: Scoring) -> str:
    means = ", ".join(f"('{kind}', '{stage}')" for kind, stage in MEANT.items())
    return _MEANT.format(recycles=persons.recycles(scoring.recycling, "o"), means=means)


def _text(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)
