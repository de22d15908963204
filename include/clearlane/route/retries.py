"""Who waits in exceptions, in a pool or held because nobody was free is routed again by itself.

When the first refusal ends, when a rep who held too many open leads has room again, and once for each policy that
is published. What a manager is to decide, and what a rule sent to a pool without asking anybody, is left there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from itertools import starmap
from typing import Any, Final

from clearlane.ledger import Batch
from clearlane.policy.model import Policy
from clearlane.route.refusals import lapses

_REFUSED = """(w.place in ('exceptions', 'pool') or w.place = 'held' and w.until is not null)
    and w.reason <> 'manager_decides'"""
_FULL = r"r.value like 'open cap of %'"
_CAP = r"cast(substring(r.value from '\d+') as integer)"
WAITING: Final = f"""
select w.lead_id from place w where w.place in ('held', 'exceptions', 'pool') and w.until <= :as_of
union
select w.lead_id from place w join decision d using (decision_seq)
where {_REFUSED} and (w.place = 'exceptions' or d.refused <> '{{}}') and d.as_of <= :as_of
  and (d.policy ->> 'routing', d.policy ->> 'teams') is distinct from (:routing, :teams)
union
select lead_id from (
    select f.lead_id, sum(o.room) over (partition by f.lead_id) as room,
           row_number() over (partition by f.rep_id order by f.score desc, f.lead_id) as nth
    from (
        select w.lead_id, r.key as rep_id, {_CAP} as cap, s.score
        from place w join decision d using (decision_seq) join score s using (score_id)
        cross join jsonb_each_text(d.refused) r
        where {_REFUSED} and {_FULL} and d.as_of <= :as_of
    ) f
    left join (
        select rep_id, count(distinct decision_seq) as open from assignment where ended_at is null group by 1
    ) h using (rep_id)
    cross join lateral (select f.cap - coalesce(h.open, 0) as room) o
    where o.room > 0
) ranked where nth <= room
"""
"""Leads that are to be routed again as of a moment, of those that wait: as many for a rep as there is room for."""


def bound(batch: Batch) -> Mapping[str, Any]:
    """The parameters of WAITING."""
    return {"as_of": batch.as_of, "routing": batch.policy["routing"], "teams": batch.policy["teams"]}


def first_end(policy: Policy, at: datetime) -> Callable[[Mapping[str, str]], datetime | None]:
    """From refusals that were said at a moment: when the first of them ends; None where none ends by itself."""

    @cache
    def end(name: str, why: str) -> datetime | None:
        rep = policy.teams.reps.get(name)
        moment = lapses(rep, why, at) if rep else None
        return moment if moment and moment > at else None

    return lambda refused: min(filter(None, starmap(end, refused.items())), default=None)
