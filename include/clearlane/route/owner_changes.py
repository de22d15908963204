"""Owners whom people changed in a source: told to routing as events, each once, and never taken back by us.

What a record says is a person's change where it is newer than our decision, is not whom the lead has now, and is
neither what we wrote last nor what stood there when we decided. A record that is gone from its source says nothing.
Where
one source is the master of owners, only it is heard.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.ledger.gone import gone
from clearlane.policy.model import Policy, Source
from clearlane.route import intake
from clearlane.route.routing import LOCK

SKEW: Final = timedelta(minutes=10)
"""how far the clock of a source may be from ours: a write of ours within it explains what the record says"""

_NOTE: Final = f"""
with concerned as (
    select m.lead_id as record, m.survivor_id, m.source, m.external_id
    from lead m where m.survivor_id in (select lead_id from work where batch_id = :batch)
    union
    select m.lead_id, m.survivor_id, m.source, m.external_id
    from lead_revision r join lead m using (lead_id) where r.valid_from >= :since and r.valid_from < :as_of
), said as (
    select distinct on (c.record) c.*, r.valid_from, nullif(btrim(r.attributes ->> 'owner'), '') as owner
    from concerned c join lead_revision r on r.lead_id = c.record
    where r.valid_from < :as_of
    order by c.record, r.valid_from desc, r.content_hash desc
), decided as (
    select s.*, a.rep_id as rep_now, a.owner_external_id as owner_now, coalesce(a.started_at, p.since) as since,
           coalesce(a.by = 'person', false) as by_person
    from said s join lead kept on kept.lead_id = s.record and not {gone("kept")}
    join place p on p.lead_id = s.survivor_id and s.source <> all(cast(:others as text[]))
    left join assignment a on a.lead_id = s.survivor_id and a.ended_at is null
    where p.place not in ('waiting', 'held', 'closed') and s.valid_from >= coalesce(a.started_at, p.since)
), compared as (
    select d.*, case when written.found then written.owner else before.owner end as known
    from decided d
    left join lateral (
        select true as found, o.fields ->> 'owner' as owner from outbox o
        where (o.source, o.object, o.external_id) = (d.source, 'leads', d.external_id)
          and o.state = 'sent' and o.fields ? 'owner' and o.sent_at <= d.valid_from + :skew
        order by o.sent_at desc, o.outbox_id desc limit 1
    ) written on true
    left join lateral (
        select nullif(btrim(r.attributes ->> 'owner'), '') as owner from lead_revision r
        where r.lead_id = d.record and (r.valid_from < d.since or d.by_person and r.valid_from = d.since)
        order by r.valid_from desc, r.content_hash desc limit 1
    ) before on true
)
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
select c.survivor_id, 'owner', c.valid_from, n.rep_id, 'owner changed in ' || c.source,
       jsonb_build_object('owner', c.owner, 'source', c.source, 'record', c.external_id)
from compared c
left join owner_name n on (n.source, n.name) = (c.source, lower(c.owner))
left join owner_name k on (k.source, k.name) = (c.source, lower(c.known))
where lower(c.owner) is distinct from lower(c.known) and coalesce(n.rep_id <> k.rep_id, true)
  and coalesce(n.rep_id <> c.rep_now, true) and coalesce(lower(c.owner) <> lower(c.owner_now), true)
  and not exists (
      select from routing_event e
      where e.lead_id = c.survivor_id and e.kind in ('owner', 'override') and e.occurred_at >= c.since
        and lower(e.detail ->> 'owner') is not distinct from lower(c.owner))
"""


def _tells(policy: Policy, source: Source) -> bool:
    """Whether its records tell owners (else each would seem to have lost its own), and its word on them counts."""
    leads = (mapping for mapping in source.objects.values() if mapping.object == "leads")
    said = any(one.extras or "owner" in {*one.fields, *one.lookups} for one in leads)
    return said and policy.sources.tells(source.name, "owner")


def note_owner_changes(
    connection: Connection, policy: Policy, batch: Batch, *, since: datetime | None = None
) -> int:
    """Write an event for each change that the batch's leads, and revisions of `since` (UTC) or later, tell; how many.

    Commit afterwards: the routing lock is held until then. Shadow runs tell nothing.
    """
    if not batch.live:
        return 0
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    intake.begin(connection, policy, batch)
    others = [source.name for source in policy.sources.sources.values() if not _tells(policy, source)]
    bound = {"batch": batch.batch_id, "as_of": batch.as_of, "since": since or batch.as_of, "skew": SKEW}
    return connection.execute(sa.text(_NOTE), {**bound, "others": others}).rowcount
