"""What calls for a lead to be routed again, or says that a person did: taken once, under the routing lock.

Live runs that take what is unclaimed take the open events of before their moment. An event that calls for nothing
(a silent owner who touched the lead meanwhile, a new band of a lead in working contact) is handled too, and leaves
the lead where it is. Declines, and breaches that took the lead away, bar a rep from this lead for its cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import Policy
from clearlane.route.calendars import due, team_calendar
from clearlane.route.eligibility import BARRED
from clearlane.route.fairness import as_decimal, as_units, step

OF_THE_LEAD: Final = ("band", "stage", "match")
"""kinds after which the lead is another than it was; they take it from its owner only where the rule does"""
RELEASING: Final = ("owner", "override", "departure", "decline", "breach", "absence")
"""kinds after which the lead is its owner's no longer"""
KINDS: Final = (*RELEASING, "match", "stage", "band", "retry", "pool_age")
"""kinds that routing reads, the most pressing first"""

CALLED: Final = """event_id bigint primary key, lead_id uuid, kind text, occurred_at timestamptz, rep_id text,
    because text, detail jsonb, slow boolean, calls boolean not null default false, owner_rep text, hand boolean"""
"""the events a chunk took: `slow` came of time and policy alone, `calls` has an effect, `hand`: a person's choice"""
SLOW: Final = """(coalesce(e.detail -> 'cause', '[]') <> '[]'
    and e.detail -> 'cause' <@ '["decay", "model", "policy"]')"""

OPEN: Final = "e.handled_batch is null and e.occurred_at < :as_of and e.kind = any(:kinds)"
# An event of a record that was merged is one of the person it belongs to.
_CLAIM = f"""
with open as (
    select e.event_id, l.survivor_id from routing_event e join lead l using (lead_id)
    where l.survivor_id = any(cast(:leads as uuid[])) and {OPEN}
    for update of e skip locked
), taken as (
    update routing_event e set handled_batch = :batch, handled_seq = {LAST_DECISION}, lead_id = open.survivor_id,
        rep_id = case when e.kind in ('owner', 'override') then e.rep_id else coalesce(e.rep_id, a.rep_id) end
    from open left join assignment a on a.lead_id = open.survivor_id and a.ended_at is null
    where e.event_id = open.event_id
    returning e.*
)
insert into called (event_id, lead_id, kind, occurred_at, rep_id, because, detail, slow)
select event_id, lead_id, kind, occurred_at, rep_id, because, detail, {SLOW} from taken e
"""


def claim(connection: Connection, batch: Batch, leads: Sequence[UUID]) -> None:
    """Take the open events of these leads into `called`; of each lead it is done under the routing lock."""
    if batch.takes_unclaimed:
        bound = {"leads": list(leads), "as_of": batch.as_of, "batch": batch.batch_id, "kinds": list(KINDS)}
        connection.execute(sa.text(_CLAIM), bound)


# A person's choice of an owner who does not sell, or of nobody, leaves the lead to routing.
_WEIGH = """
update called c set calls = w.calls, owner_rep = w.named, hand = w.hand
from (
    select e.event_id, coalesce(e.rep_id, o.rep_id) as named,
           e.rep_id is not null or (e.detail ->> 'owner' is not null and o.name is null)
               or o.rep_id is not null as hand,
           case
           when i.place = 'closed' then false
           when e.kind in ('owner', 'override') then
               i.assignment_id is null or coalesce(e.rep_id, o.rep_id) is null
               or coalesce(e.rep_id, o.rep_id) is distinct from i.owner_rep
           when i.stopped is not null or (i.before_live and i.given is not true) then false
           when i.assignment_id is not null then case
               when e.kind in ('decline', 'departure') then e.rep_id is not distinct from i.owner_rep
               when i.owner_by = 'person' then false
               when e.kind in ('breach', 'absence') then
                   e.rep_id is not distinct from i.owner_rep and i.touched_at is null
               else e.kind = any(:of_the_lead) and not e.slow and i.inquiry_id is null
                   and coalesce(i.touched_at < :unprotected, true) end
           when e.kind = 'retry' then i.place = 'exceptions'
           when e.kind = 'pool_age' then i.place = 'pool'
           when i.place = 'disqualified' then e.kind = any(:of_the_lead) and i.disqualified is null
           else e.kind = any(:of_the_lead) and i.place in ('nurture', 'pool', 'held', 'exceptions') end as calls
    from called e join intake i using (lead_id)
    left join owner_name o
        on o.source = coalesce(e.detail ->> 'source', i.source) and o.name = lower(trim(e.detail ->> 'owner'))
) w where w.event_id = c.event_id
"""
_NAME = """
update intake i set event_id = e.event_id, event_kind = e.kind, hand = e.hand and e.kind in ('owner', 'override'),
    slow = all_slow and not i.listed and i.inquiry_id is null
from (
    select distinct on (lead_id) *, bool_and(slow) over (partition by lead_id) as all_slow
    from called where calls
    order by lead_id, array_position(cast(:kinds as text[]), kind), occurred_at desc, event_id desc
) e where e.lead_id = i.lead_id
"""
# It took nobody's lead away, so it says nothing against the rep.
_WITHOUT_EFFECT = """
update routing_event set handled_seq = null
where event_id in (select event_id from called where kind = 'breach' and not calls)
"""


def weigh(connection: Connection, policy: Policy, batch: Batch) -> None:
    """Write to each row of `intake` the event that calls for it, the most pressing one."""
    taken = connection.execute(sa.text("select kind from called limit 1")).first()
    if taken is None:
        return
    bound = {"unprotected": unprotected(policy, batch.as_of), "of_the_lead": list(OF_THE_LEAD)}
    connection.execute(sa.text(_WEIGH), bound)
    connection.execute(sa.text(_NAME), {"kinds": list(KINDS)})
    connection.execute(sa.text(_WITHOUT_EFFECT))
    give_back(connection, _declined(connection, policy))


def unprotected(policy: Policy, at: datetime) -> datetime:
    """Who was first touched before this moment is not protected any more, by the business days of sla.yaml."""
    calendar, span = team_calendar(policy.sla), policy.routing.rerouting.protect
    low, high = at - timedelta(days=400), at
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        until = due(middle, span, calendar)
        low, high = (middle, high) if until is not None and until <= at else (low, middle)
    return high


_LATER = """
update routing_event set handled_batch = null, handled_seq = null, put_off_until = :until
where event_id in (select event_id from called where lead_id = any(cast(:leads as uuid[])))
"""


def put_off(connection: Connection, leads: Sequence[UUID], until: datetime) -> None:
    """Leave the events of these leads to a run of that moment or later: until then others are considered."""
    if leads:
        connection.execute(sa.text(_LATER), {"leads": list(leads), "until": until})


_PROMOTED = f"""
select d.team, count(*) as count from decision d join routing_event e using (event_id)
where d.mode = 'live' and d.team is not null and e.kind in ('band', 'stage') and {SLOW}
  and d.as_of >= :since and d.as_of < :until
group by 1
"""


class Promotions:
    """What each team was given today (UTC) because the model changed or points faded: at most so many."""

    def __init__(self, connection: Connection, policy: Policy, as_of: datetime) -> None:
        self.most = policy.routing.rerouting.promotions_a_day
        since = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.until = since + timedelta(days=1)
        rows = connection.execute(sa.text(_PROMOTED), {"since": since, "until": self.until})
        self.given = Counter({row.team: row.count for row in rows})

    def admits(self, team: str | None) -> bool:
        """Whether the team may be given one more, which is counted."""
        if team is None:
            return True
        self.given[team] += 1
        return self.given[team] <= self.most


# --- turns given back -----------------------------------------------------------------------------

_DECLINED = """
select a.decision_seq from called e join assignment a on a.lead_id = e.lead_id and a.ended_at is null
where e.kind = 'decline' and e.calls and lower(trim(e.detail ->> 'reason')) = any(:returned)
  and a.decision_seq is not null
"""
_TO_RETURN = """
select t.decision_seq, t.rep_id, t.rotation, t.band, now.weight, now.credit
from turn t cross join lateral (
    select weight, credit from turn
    where (rotation, band, rep_id) = (t.rotation, t.band, t.rep_id) order by decision_seq desc limit 1
) now
where t.kind = 'turn' and t.decision_seq = any(cast(:decisions as bigint[]))
  and not exists (select from turn r where r.returned_seq = t.decision_seq)
order by t.decision_seq
"""
_RETURN = """
insert into turn (decision_seq, rep_id, rotation, band, kind, weight, credit, returned_seq)
values (nextval('decision_seq'), :rep_id, :rotation, :band, 'return', :weight, :credit, :decision_seq)
"""


def _declined(connection: Connection, policy: Policy) -> Sequence[int]:
    reasons = {"returned": [reason.lower() for reason in policy.routing.rerouting.returned]}
    return connection.execute(sa.text(_DECLINED), reasons).scalars().all()


_UNCOUNT = f"""
update assignment set returned_seq = {LAST_DECISION}
where decision_seq = any(cast(:decisions as bigint[])) and returned_seq is null
"""


def give_back(connection: Connection, decisions: Sequence[int]) -> None:
    """Give back the turns of these decisions, each once and at the rep's present weight, with numbers of their own.

    The caps of an hour, a day and a week count them no longer: they were no leads for these reps.
    """
    if not decisions:
        return
    connection.execute(sa.text(_UNCOUNT), {"decisions": list(decisions)})
    returned: dict[tuple[str, str, str], int] = {}
    for row in connection.execute(sa.text(_TO_RETURN), {"decisions": list(decisions)}).mappings().all():
        key = row["rotation"], row["band"], row["rep_id"]
        returned[key] = returned.get(key, as_units(row["credit"])) - step(row["weight"])
        connection.execute(sa.text(_RETURN), {**row, "credit": as_decimal(returned[key])})


# --- what earlier events of a lead mean to its decision -------------------------------------------

KNOWN: Final = f"""
left join lateral (
    select jsonb_object_agg(e.rep_id, '{BARRED}: ' || case when e.kind = 'decline'
               then concat_ws(', ', 'declined it', e.detail ->> 'reason') else 'was silent when it was due' end
               order by e.event_id) as barred,
           count(distinct e.event_id) filter (where e.kind = 'decline') as declines,
           count(distinct e.event_id) filter (where e.kind = 'breach') as breaches
    from routing_event e
    where e.lead_id = i.lead_id and e.kind in ('decline', 'breach') and e.rep_id is not null
      and (i.decision_seq is null or e.handled_seq < i.decision_seq) and e.handled_seq is not null
      and e.occurred_at >= coalesce(i.cycle_since, '-infinity')
) told on true
left join lateral (
    select array_agg(distinct e.detail ->> 'pool') as outgrown from routing_event e
    where e.lead_id = i.lead_id and e.kind = 'pool_age'
      and (i.decision_seq is null or e.handled_seq < i.decision_seq) and e.handled_seq is not null
      and e.occurred_at >= coalesce(i.cycle_since, '-infinity')
) aged on true"""
"""Of a row i of `intake`: who is barred and why, declines, breaches, and the pools it waited in for too long."""
