"""The leads a batch works on: survivors whose records, events, company or merges the batch touched.

A dated run that is no scheduled live one works on what its window holds, whoever brought that in. Runs that
sweep also take what an earlier run, closed or dead, left waiting.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.quality.waiting import STALLED_AFTER

_TOUCHED: Final = """
insert into work (batch_id, lead_id, reason)
select distinct on (l.survivor_id) :batch_id, l.survivor_id, t.reason
from touched t join lead l using (lead_id)
order by l.survivor_id, array_position(array['revision', 'activity', 'account', 'merge'], t.reason)
on conflict (batch_id, lead_id) do nothing
"""

_IN_WINDOW: Final = """
insert into work (batch_id, lead_id, reason)
select distinct on (l.survivor_id) :batch_id, l.survivor_id, found.reason
from (
    select lead_id, 'revision' as reason from lead_revision where valid_from >= :start and valid_from < :end
    union all
    select lead_id, 'activity' from activity where occurred_at >= :start and occurred_at < :end
) found join lead l using (lead_id)
order by l.survivor_id, found.reason desc
on conflict (batch_id, lead_id) do nothing
"""

# A closed run leaves those waiting that were not yet known at its `as_of`; a dead one all it had not placed. What
# a dead backfill left is a person's to clear: it was to be decided in shadow.
_LEFT_WAITING: Final = """
insert into work (batch_id, lead_id, reason)
select :batch_id, l.survivor_id, 'waiting'
from place p join lead l using (lead_id) join batch b on b.batch_id = p.batch_id
cross join (select opened_at from batch where batch_id = :batch_id) mine
where p.place = 'waiting' and l.survivor_id = l.lead_id and b.batch_id <> :batch_id
  and (b.closed_at < mine.opened_at
       or b.mode = 'live' and b.opened_at < mine.opened_at - cast(:stalled_after as interval))
on conflict (batch_id, lead_id) do nothing
"""

# Routing finds events by itself where the lead is scored by the policy of the run.
_CALLED_FOR: Final = """
insert into work (batch_id, lead_id, reason)
select distinct :batch_id, l.survivor_id, 'event'
from routing_event e join lead l using (lead_id) join batch b on b.batch_id = :batch_id
where e.handled_batch is null and e.occurred_at < b.as_of and not exists (
    select from score s
    where s.lead_id = l.survivor_id and s.policy_hash = b.policy ->> 'scoring' and s.as_of <= b.as_of)
on conflict (batch_id, lead_id) do nothing
"""

# Who came onto the list of suppressions since its profile was written: what was begun must stop.
_SUPPRESSED: Final = """
insert into work (batch_id, lead_id, reason)
select distinct :batch_id, l.survivor_id, 'suppressed'
from suppression s join batch b on b.batch_id = :batch_id
join lead_key k on k.current and case s.kind when 'email' then k.kind in ('email', 'role_email') and k.value = s.value
                                 else k.kind = 'domain' and k.value = s.value end
join lead l on l.lead_id = k.lead_id
cross join lateral (
    select attributes, valid_from from lead_profile
    where lead_id = l.survivor_id order by valid_from desc, profile_id desc limit 1
) p
cross join lateral (
    select keys ->> 'mail_domain' as mail_domain from lead_revision
    where lead_id = l.lead_id order by valid_from desc, content_hash desc limit 1
) r
where s.since <= b.as_of and s.since > p.valid_from and (s.kind = 'email' or r.mail_domain = s.value)
  and (s.scope = 'contact' and p.attributes ->> 'suppressed' = 'false'
       or s.scope = 'marketing' and p.attributes ->> 'opt_out' is distinct from 'true')
on conflict (batch_id, lead_id) do nothing
"""

# A provider that is paid has answered since the lead's profile was written, or is to be asked about it again.
_ASKED: Final = """
insert into work (batch_id, lead_id, reason)
select :batch_id, survivor_id, 'enrichment' from (
    select l.survivor_id, bool_or(a.answered_at is not null) as answered, min(a.due_at) as due_at
    from enrichment_ask a join lead_revision r using (revision_id) join lead l using (lead_id)
    cross join (select as_of from batch where batch_id = :batch_id) b
    where a.answered_at is not null
       or a.due_at <= b.as_of and (a.claimed_until is null or a.claimed_until <= b.as_of) and not exists (
              select from push_state s
              where s.source = 'provider:' || a.provider and greatest(s.open_until, s.paused_until) > b.as_of)
    group by l.survivor_id order by answered desc, due_at, survivor_id limit :most
) ask
on conflict (batch_id, lead_id) do nothing
"""
ASKED_AT_ONCE: Final = 500
"""leads that a run takes up for a provider alone: with the next run five minutes later, a day holds 144,000"""

# Another run may have merged a lead of this batch since the first try.
_FOLLOW: Final = """
with lost as (
    delete from work w using lead l
    where w.batch_id = :batch_id and l.lead_id = w.lead_id and l.survivor_id <> l.lead_id
    returning w.batch_id, l.survivor_id, w.reason
)
insert into work (batch_id, lead_id, reason)
select distinct on (survivor_id) batch_id, survivor_id, reason from lost order by survivor_id, reason
on conflict (batch_id, lead_id) do nothing
"""


def note(connection: Connection, batch: Batch) -> int:
    """Write `work` from `touched`, the window and what stalled runs left; the number of leads in it."""
    run = {"batch_id": batch.batch_id}
    connection.execute(sa.text(_TOUCHED), run)
    if _by_window(batch):
        window = {"start": batch.window_start, "end": batch.window_end}
        connection.execute(sa.text(_IN_WINDOW), run | window)
    if batch.takes_inbox:
        connection.execute(sa.text(_LEFT_WAITING), run | {"stalled_after": STALLED_AFTER})
        connection.execute(sa.text(_CALLED_FOR), run)
        connection.execute(sa.text(_SUPPRESSED), run)
        connection.execute(sa.text(_ASKED), run | {"most": ASKED_AT_ONCE})
    connection.execute(sa.text(_FOLLOW), run)
    return int(connection.execute(sa.text(_COUNT), run).scalar_one())


_COUNT: Final = "select count(*) from work where batch_id = :batch_id"


def _by_window(batch: Batch) -> bool:
    return batch.window_start is not None and not (batch.live and batch.run_type == "scheduled")
