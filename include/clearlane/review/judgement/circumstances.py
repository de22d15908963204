"""What the ledger says around the leads that are judged: touches, opportunities, promises, overrides, and desks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy import columns
from clearlane.policy.model import Policy
from clearlane.review.cases import Cases
from clearlane.review.judgement.health import Counted, Practice
from clearlane.review.judgement.thresholds import Desks, desks, promises
from clearlane.sla.speed import Window, trend

TOUCHED_WITHIN: Final = timedelta(days=365)
"""before an opportunity, for a touch to have a part in it"""
SCORED: Final = (columns.STAGE.keys() - columns.SCORING.keys()) | {"grade", "stage"}
"""columns by which a routing rule asks for the score"""

_OPPORTUNITIES: Final = """
select a.lead_id, min(o.occurred_at) as at,
       (array_agg(o.amount order by o.occurred_at desc) filter (where o.amount is not null))[1] as amount
from unnest(cast(:leads as uuid[]), cast(:decided as timestamptz[])) as a(lead_id, decided_at)
join lead l using (lead_id) join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
where o.kind in ('opportunity', 'won') and o.occurred_at <= a.decided_at + :horizon and o.occurred_at < :as_of
  and o.occurred_at >= l.created_at
group by 1
"""
_TOUCHES: Final = """
with asked as (
    select lead_id, survivor_id, source, created_at, :since as since from lead
    where lead_id = any(cast(:leads as uuid[]))
)
select lead_id, source as channel, created_at as at from asked
union all
select a.lead_id, coalesce(nullif(btrim(v.attributes ->> 'campaign'), ''), v.type), v.occurred_at
from asked a join lead m using (survivor_id) join activity v on v.lead_id = m.lead_id
where v.occurred_at >= a.since and v.occurred_at < :as_of
"""
_DECIDED: Final = """
select coalesce(rule, '') as rule, count(*) as decisions, count(*) filter (where place = 'owned') as owned
from decision where mode = 'live' and as_of >= :since and as_of < :until group by 1
"""
_OVERRIDDEN: Final = """
select count(distinct lead_id) from routing_event e
where kind = 'override' and occurred_at >= :since and occurred_at < :until
  and exists (select from decision d where d.lead_id = e.lead_id and d.mode = 'live' and d.as_of <= e.occurred_at)
"""


@dataclass(frozen=True)
class Circumstances:
    """What `judged` takes beside the cases; what is empty is not judged.

    touches: lead_id, channel, at (UTC); a lead's creation is a touch of its source, each activity one of its campaign,
    else of its type. opportunities: lead_id, at, amount: the first within the horizon and the newest amount known.
    """

    desks: Desks = field(default_factory=Desks)
    promises: Mapping[str, float | None] = field(default_factory=dict)
    practice: Practice = field(default_factory=Practice)
    touches: pd.DataFrame = field(default_factory=lambda: _frame([], "channel"))
    opportunities: pd.DataFrame = field(default_factory=lambda: _frame([], "amount"))


def circumstances(connection: Connection, policy: Policy, cases: Cases) -> Circumstances:
    """What is known of the cases' span as of their moment. Leaves temporary tables until the commit."""
    opportunities = _opportunities(connection, cases)
    return Circumstances(
        desks=desks(policy, cases.as_of.date(), _weekly(cases)),
        promises=promises(policy),
        practice=_practice(connection, policy, cases),
        touches=_touches(connection, cases, opportunities["lead_id"].tolist()),
        opportunities=opportunities,
    )


def _weekly(cases: Cases) -> Mapping[str, float]:
    """Team -> leads a week, in the span of the cases."""
    weeks = max((cases.until - cases.since) / timedelta(weeks=1), 1.0)
    counts = cases.leads["team"].dropna().value_counts() / weeks
    return {str(team): float(leads) for team, leads in counts.items()}


def _frame(rows: list[Any], value: str) -> pd.DataFrame:
    """lead_id as text, at in UTC, and one column more."""
    names = ["lead_id", "channel", "at"] if value == "channel" else ["lead_id", "at", "amount"]
    made = pd.DataFrame(rows, columns=names)
    return made.assign(at=pd.to_datetime(made["at"], utc=True), lead_id=made["lead_id"].astype(str))


def _opportunities(connection: Connection, cases: Cases) -> pd.DataFrame:
    bound = {
        "leads": cases.leads.index.tolist(),
        "decided": cases.leads["decided_at"].dt.to_pydatetime().tolist(),
        "horizon": cases.horizon, "as_of": cases.as_of,
    }  # fmt: skip
    return _frame([tuple(row) for row in connection.execute(sa.text(_OPPORTUNITIES), bound)], "amount")


def _touches(connection: Connection, cases: Cases, leads: list[str]) -> pd.DataFrame:
    bound = {"leads": leads, "since": cases.since - TOUCHED_WITHIN, "as_of": cases.as_of}
    return _frame([tuple(row) for row in connection.execute(sa.text(_TOUCHES), bound)], "channel")


def _practice(connection: Connection, policy: Policy, cases: Cases) -> Practice:
    """But for what the cases say themselves."""
    span = {"since": cases.since, "until": cases.until}
    made = [tuple(row) for row in connection.execute(sa.text(_DECIDED), span)]
    owned = sum(row[2] for row in made)
    overridden = connection.execute(sa.text(_OVERRIDDEN), span).scalar_one()
    kept = trend(connection, Window(cases.since, cases.until, cases.as_of))
    return Practice(
        joined=_joined(policy, {rule: count for rule, count, _ in made}),
        in_time=(sum(one.kept for one in kept), sum(one.kept + one.late for one in kept)),
        unchanged=(max(owned - overridden, 0), owned),
    )


def _joined(policy: Policy, decisions: Mapping[str, int]) -> Counted:
    asking = {rule.id for rule in policy.routing.rules if rule.when.columns & SCORED}
    return sum(count for rule, count in decisions.items() if rule in asking), sum(decisions.values())
