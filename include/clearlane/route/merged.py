"""People of whom several records turned out to be one: one open assignment stays, and all promises.

The owner in working contact stays, then that of the open opportunity, of the account, then the earliest; whoever
loses the lead gets the turn back. A shadow run changes nobody's leads, clocks or turns: what identity merges in one is
joined by the next live run, which looks for it (UNJOINED). What is joined is kept (`joining`), so that records that are
several persons again have their own back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.ledger.models import LAST_DECISION
from clearlane.route import joining
from clearlane.route.clocks import look_again
from clearlane.route.events import give_back
from clearlane.route.intake import owner_of

UNJOINED: Final = """
select l.survivor_id from merge m join lead l on l.lead_id = m.loser_id
where m.undone_at is null and l.survivor_id <> l.lead_id and (
    exists (select from assignment a where a.lead_id = l.lead_id and a.ended_at is null)
    or exists (select from sla_clock k where k.lead_id = l.lead_id and k.met_at is null and k.ended_at is null))
"""
"""Leads whose merged records still have an owner or a promise of their own."""
_RECORDS = "select lead_id, survivor_id from lead where survivor_id = any(cast(:leads as uuid[]))"
# What a rep declined under one record stays declined.
_BARRED = f"""
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail, handled_batch, handled_seq)
select m.survivor_id, e.kind, e.occurred_at, e.rep_id, e.because, e.detail, e.handled_batch, {LAST_DECISION}
from lead m join routing_event e on e.lead_id = m.lead_id
where m.lead_id = any(cast(:losers as uuid[])) and e.kind in ('decline', 'breach') and e.handled_seq is not null
  and not exists (
    select from routing_event x
    where x.lead_id = m.survivor_id and (x.kind, x.rep_id, x.occurred_at) = (e.kind, e.rep_id, e.occurred_at))
"""
# nth 1 stays: also when its record does not survive, then on the record that does.
_END = f"""
with open as (
    select a.assignment_id, a.lead_id, m.survivor_id,
           row_number() over (
               partition by m.survivor_id
               order by exists (
                       select from outcome h where h.lead_id = a.lead_id and h.kind in ('first_touch', 'meeting')
                         and h.occurred_at >= a.started_at and h.occurred_at < :as_of
                   ) desc, coalesce(a.rep_id = oo.rep_id, false) desc, coalesce(a.rep_id = ao.rep_id, false) desc,
                   a.started_at, a.assignment_id
           ) as nth
    from assignment a join lead m on m.lead_id = a.lead_id
    join lead i_lead on i_lead.lead_id = m.survivor_id
    left join lateral (
        select i_lead.source, attributes from lead_profile where lead_id = m.survivor_id
        order by valid_from desc, profile_id desc limit 1
    ) i on true{owner_of("oo", "opportunity")}{owner_of("ao", "account")}
    where a.lead_id = any(cast(:records as uuid[])) and a.ended_at is null
)
update assignment a set ended_at = greatest(a.started_at, cast(:as_of as timestamptz)), ended_because = 'merged',
    ended_seq = {LAST_DECISION}
from open o where o.assignment_id = a.assignment_id and (o.nth > 1 or o.lead_id <> o.survivor_id)
returning a.assignment_id, a.lead_id, o.survivor_id, o.nth, a.decision_seq
"""
_MOVE = """
insert into assignment (lead_id, rep_id, owner_external_id, team, decision_seq, by, because, started_at)
select :survivor, rep_id, owner_external_id, team, decision_seq, by, because, started_at
from assignment where assignment_id = :assignment
"""
_PLACE = """
update place p set place = 'owned', reason = 'merged', because = 'the owner of the merged lead stays',
    team = a.team, rep_id = a.rep_id, since = a.started_at, decision_seq = a.decision_seq, batch_id = :batch
from assignment a where a.lead_id = p.lead_id and a.ended_at is null and p.lead_id = :survivor
"""
# Identity closed these records, but a run that routed at the same time may have placed one since.
_CLOSED = """
update place set place = 'closed', reason = 'merged', because = 'merged into another record of this person',
    team = null, rep_id = null, decision_seq = null, since = :as_of, batch_id = :batch
where lead_id = any(cast(:losers as uuid[])) and (place, reason) <> ('closed', 'merged')
"""
# Each promise goes on as it was made, so the earliest arrival and the strictest due moment survive.
_CLOCKS = """
update sla_clock k set lead_id = m.survivor_id from lead m
where m.lead_id = k.lead_id and k.lead_id = any(cast(:losers as uuid[])) and k.met_at is null and k.ended_at is null
"""
# Who lost the lead owes it nothing any more, and nor does the queue in which the other record waited.
_NOT_OWED = """
update sla_clock k set ended_at = greatest(k.started_at, cast(:as_of as timestamptz))
where k.lead_id = any(cast(:survivors as uuid[])) and k.met_at is null and k.ended_at is null and case k.kind
    when 'assignment' then not exists (
        select from assignment a left join cover c on c.lead_id = a.lead_id and c.ended_at is null
        where a.lead_id = k.lead_id and a.ended_at is null and k.rep_id in (a.rep_id, c.cover_rep_id))
    when 'accept' then not exists (
        select from assignment a where a.lead_id = k.lead_id and a.ended_at is null and a.rep_id = k.rep_id)
    when 'queue' then k.place <> 'match_ask' and not exists (
        select from place p where p.lead_id = k.lead_id and p.place = k.place)
    else false end
"""
# What is not sent yet of a record whose owner or queue is another's now would be wrong by the time it arrives.
_UNSENT = """
update outbox set state = 'superseded', note = concat_ws('; ', note, 'merged into another record')
where lead_id = any(cast(:others as uuid[])) and state = 'owed' and claimed_until is null
  and (decision_seq is not null or knew_seq is not null)
"""
# What was answered about one record was answered about the person.
_ANSWERED = """
update link_use u set lead_id = m.survivor_id from lead m
where m.lead_id = u.lead_id and u.lead_id = any(cast(:losers as uuid[]))
"""
_WRITTEN = ("sla_event", "mail")
"""what is told of a clock, and goes with it"""
# A record that is one of its own again has the promises back that were made to it.
_PARTED = """
update sla_clock k set lead_id = d.lead_id
from decision d join lead m on m.lead_id = d.lead_id
where d.decision_seq = k.decision_seq and k.lead_id <> d.lead_id and m.survivor_id = m.lead_id
  and k.kind = 'arrival' and k.met_at is null and k.ended_at is null and d.lead_id = any(cast(:leads as uuid[]))
"""


def join_merged(connection: Connection, batch: Batch, leads: Sequence[UUID]) -> None:
    """Bring open assignments and clocks of merged records to the record that survives; after `intake.begin`.

    Records that are several persons again have theirs back first. Nothing in shadow.
    """
    if not batch.live:
        return
    apart = joining.take_back(connection, leads, batch.as_of)
    bound = {"leads": sorted({*leads, *apart})}
    parted = connection.execute(sa.text(_PARTED), bound).rowcount
    records = connection.execute(sa.text(_RECORDS), bound).all()
    persons = {survivor for record, survivor in records if record != survivor}
    joined = [record for record, survivor in records if survivor in persons]
    if joined:
        joining.watch(connection, joined)
        _join(connection, batch, joined, sorted(persons))
    if joined or parted or apart:
        everyone = sorted({*apart, *(record for record, _ in records)})
        look_again(connection, everyone)
        _take_along(connection, everyone)
        _end_unowed(connection, batch, sorted(apart - set(joined)))
    if joined:
        joining.keep(connection, joined, batch.as_of)


def _join(connection: Connection, batch: Batch, records: Sequence[UUID], survivors: Sequence[UUID]) -> None:
    losers = sorted({*records} - {*survivors})
    stay = _join_assignments(connection, batch, records)
    others = {*records} - {stay.get(survivor, survivor) for survivor in survivors}
    connection.execute(sa.text(_CLOCKS), {"losers": losers})
    _end_unowed(connection, batch, survivors)
    bound = {"losers": losers, "as_of": batch.as_of, "batch": batch.batch_id}
    connection.execute(sa.text(_CLOSED), bound)
    connection.execute(sa.text(_UNSENT), {"others": sorted(others)})
    for effect in (_BARRED, _ANSWERED):
        connection.execute(sa.text(effect), {"losers": losers})


def _end_unowed(connection: Connection, batch: Batch, survivors: Sequence[UUID]) -> None:
    connection.execute(sa.text(_NOT_OWED), {"survivors": list(survivors), "as_of": batch.as_of})


def _take_along(connection: Connection, records: Sequence[UUID]) -> None:
    """What was told of a clock is of the record that the clock is of."""
    for table in _WRITTEN:
        moved = f"""
        update {table} t set lead_id = k.lead_id from sla_clock k
        where k.clock_id = t.clock_id and t.lead_id <> k.lead_id and k.lead_id = any(cast(:records as uuid[]))
        """
        connection.execute(sa.text(moved), {"records": list(records)})


def _join_assignments(connection: Connection, batch: Batch, records: Sequence[UUID]) -> dict[UUID, UUID]:
    """Of each survivor the record whose owner it has now."""
    ended = connection.execute(sa.text(_END), {"records": list(records), "as_of": batch.as_of}).all()
    stay = [row for row in ended if row.nth == 1]
    for row in stay:
        connection.execute(sa.text(_MOVE), {"survivor": row.survivor_id, "assignment": row.assignment_id})
        connection.execute(sa.text(_PLACE), {"survivor": row.survivor_id, "batch": batch.batch_id})
    give_back(connection, [row.decision_seq for row in ended if row.nth > 1 and row.decision_seq])
    return {row.survivor_id: row.lead_id for row in stay}
