"""The assignment notices of a run: one for each lead that got an owner, or whose owner is asked for again.

Owed in the run that decided, after the owner's write; whoever covers for the owner reads it instead. What a rep took
for itself, and who was owner already without a new request, needs no notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.policy.model import Policy
from clearlane.sla.mails.owing import Mail
from clearlane.sla.mails.owing import owe as owe_mails

GOOD_FOR: Final = timedelta(days=3)
"""a notice that could not be sent for so long is not sent any more: the watch's mails say what is late"""

_GIVEN: Final = """
select d.decision_seq, d.lead_id, d.tier, d.band, coalesce(c.cover_rep_id, d.rep_id) as person
from decision d
left join cover c on c.lead_id = d.lead_id and c.rep_id = d.rep_id and c.ended_at is null
where d.batch_id = :batch and d.place = 'owned' and d.rep_id is not null and case d.mode
    when 'live' then exists (select from assignment a where a.decision_seq = d.decision_seq and a.by = 'clearlane')
        or exists (select from inquiry q where q.decision_seq = d.decision_seq)
    when 'hand' then exists (
        select from routing_event e where e.lead_id = d.lead_id and e.kind = 'assign'
            and cast(e.detail ->> 'decision' as bigint) = d.decision_seq)
    else false end
order by d.decision_seq
"""


# Of two owners of one person the one who stays is told nothing new.
_MERGED: Final = """
select distinct a.assignment_id, p.lead_id, a.rep_id as person, o.rep_id as stays
from work w join lead p on p.lead_id = w.lead_id join lead m on m.survivor_id = p.survivor_id
join assignment a on a.lead_id = m.lead_id and a.ended_because = 'merged' and a.ended_at = :as_of
join assignment o on o.lead_id = p.survivor_id and o.ended_at is null
where w.batch_id = :batch and a.rep_id <> o.rep_id
order by a.assignment_id
"""


def owe(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Owe the notices of the batch's decisions, and tell who lost a lead to a merge; how many were not owed yet.

    None of a backfill or in shadow.
    """
    if not batch.takes_unclaimed:
        return 0
    bound = {"batch": batch.batch_id, "as_of": batch.as_of}
    given = connection.execute(sa.text(_GIVEN), bound).mappings().all()
    merged = connection.execute(sa.text(_MERGED), bound).mappings().all()
    mails = [*_mails(policy, batch, given), *_of_merged(batch, merged)]
    return owe_mails(connection, policy, mails, batch_id=batch.batch_id)


def _mails(policy: Policy, batch: Batch, given: Iterable[RowMapping]) -> Iterator[Mail]:
    for one in given:
        yield Mail(
            key=f"notice:{one['decision_seq']}:{one['person']}",
            kind="notice",
            person=one["person"],
            urgency="now"
            if "hot" in (one["band"], one["tier"]) or one["tier"] == policy.sla.hand_raise
            else "soon",
            send_after=batch.as_of,
            lead_id=one["lead_id"],
            decision_seq=one["decision_seq"],
            expires_at=batch.as_of + GOOD_FOR,
        )


def _of_merged(batch: Batch, merged: Iterable[RowMapping]) -> Iterator[Mail]:
    for one in merged:
        yield Mail(
            key=f"merged:{one['assignment_id']}:{one['person']}",
            kind="reassigned",
            person=one["person"],
            urgency="soon",
            send_after=batch.as_of,
            lead_id=one["lead_id"],
            facts={"from": one["person"], "to": one["stays"], "merged": True},
            expires_at=batch.as_of + GOOD_FOR,
        )
