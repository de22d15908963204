"""A company that may be an account: somebody owes the answer, within the time that sla.yaml gives to `match_ask`.

The clock begins at the run that finds a question about a lead to which something is promised, is met once nothing is
asked any more (`clearlane matches`), and ends where nothing is promised any more. It holds up nothing else. Looks at
the leads of the run's `due` only: identity lists whom a name, an account or a verdict concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.identity import matches
from clearlane.ledger import Batch, copy_rows
from clearlane.policy.model import Policy
from clearlane.route import owed
from clearlane.route.clocks import waiting
from clearlane.route.decide import PROMISED

PLACE: Final = "match_ask"
_DUE: Final = """
select l.survivor_id as lead_id, p.place = any(:promised) as promised, d.tier, k.clock_id
from (select distinct m.survivor_id from due join lead m using (lead_id)) l
join place p on p.lead_id = l.survivor_id
left join decision d on d.decision_seq = p.decision_seq
left join sla_clock k on k.lead_id = l.survivor_id and k.kind = 'queue' and k.place = :place
    and k.met_at is null and k.ended_at is null
order by l.survivor_id, k.clock_id
"""
_CLOCK: Final = ("lead_id", "kind", "tier", "place", "started_at", "warn_at", "due_at")
_CLOSE: Final = """
update sla_clock set met_at = case when lead_id <> all(cast(:asked as uuid[])) then cast(:as_of as timestamptz) end,
    ended_at = case when lead_id = any(cast(:asked as uuid[])) then cast(:as_of as timestamptz) end
where clock_id = any(:clocks)
"""


def keep(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Begin, meet and end the clocks of questions about companies; how many began. After `meet`; never commits."""
    bound = {"place": PLACE, "promised": sorted(PROMISED)}
    rows = connection.execute(sa.text(_DUE), bound).mappings().all()
    asked = matches.open_for(connection, policy.sources.matching, [row["lead_id"] for row in rows])
    owing = [row for row in rows if row["promised"] and row["lead_id"] in asked]
    runs_on = {row["clock_id"] for row in owing}
    done = [row["clock_id"] for row in rows if row["clock_id"] and row["clock_id"] not in runs_on]
    if done:
        connection.execute(sa.text(_CLOSE), {"asked": list(asked), "as_of": batch.as_of, "clocks": done})
    begun = list(_begun(policy, batch, (row for row in owing if row["clock_id"] is None)))
    copy_rows(connection, "sla_clock", _CLOCK, begun)
    owed.note(connection, [row[0] for row in begun], batch.as_of)
    return len(begun)


def _begun(policy: Policy, batch: Batch, rows: Iterable[RowMapping]) -> Iterator[tuple[Any, ...]]:
    """The values of _CLOCK; nothing is owed of leads without a promise."""
    for row in rows:
        tier = policy.sla.tier(row["tier"])
        promised = tier and tier.first_touch and waiting(policy.sla, PLACE, batch.as_of, tier)
        if tier and promised:
            yield row["lead_id"], "queue", tier.name, PLACE, batch.as_of, promised.warn, promised.due
