"""How fast teams answered: business time from a live decision to the first touch, as history has it.

What a what-if expects to be late: of a team's past answers in a tier, those that took longer than a lead's promise
allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final

import duckdb
import pyarrow as pa

from clearlane.policy.model import Policy
from clearlane.route.calendars import ALWAYS, Calendar, open_between, rep_calendar, team_calendar

CHUNK: Final = 10_000
ENOUGH: Final = 10
"""answers of a team in a tier below which nothing is expected of it"""
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ANSWERS: Final = """
select l.given_team, l.given_tier, l.given_rep, epoch_us(l.as_of), epoch_us(t.at)
from lead l left join (
  select lead_id, min(occurred_at) as at from outcome
  where kind in ('first_touch', 'meeting') and not before group by lead_id
) t using (lead_id)
where l.given_due is not null and coalesce(t.at >= l.as_of, l.given_due <= {known_until})
"""
"""Leads without a touch count once their promise has run out."""
_SCHEMA: Final = pa.schema([("team", pa.string()), ("tier", pa.string()), ("hours", pa.float64())])


def measure(desk: duckdb.DuckDBPyConnection, policy: Policy, known_until: datetime) -> None:
    """Make `response` (team, tier, hours): a row per answer, infinite for a lead that nobody touched in time."""
    moment = f"cast('{known_until.isoformat()}' as timestamptz)"
    asked = desk.cursor().execute(_ANSWERS.format(known_until=moment))
    desk.execute("create table response (team varchar, tier varchar, hours double)")
    while rows := asked.fetchmany(CHUNK):
        desk.register("answer", pa.Table.from_pylist([_answer(policy, *row) for row in rows], schema=_SCHEMA))
        desk.execute("insert into response select * from answer")


def _answer(
    policy: Policy, team: str, tier: str, rep: str, came: int, touched: int | None
) -> Mapping[str, Any]:
    hours = inf if touched is None else business_hours(policy, tier, rep, _moment(came), _moment(touched))
    return {"team": team, "tier": tier, "hours": hours}


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def business_hours(
    policy: Policy, tier: str | None, rep: str | None, start: datetime, end: datetime
) -> float:
    """Hours from one moment until another on the calendar of the tier: the rep's, the team's, or every hour."""
    return open_between(_calendar(policy, tier, rep), start, end) / _HOUR


def _calendar(policy: Policy, tier: str | None, rep: str | None) -> Calendar:
    of = policy.sla.tiers.get(tier or "")
    if of is None or of.calendar == "always":
        return ALWAYS
    known = policy.teams.reps.get(rep or "")
    return rep_calendar(known) if of.calendar == "rep" and known else team_calendar(policy.sla)


LATE: Final = f"""
with promise as (
  select team, tier, round(business, 2) as business, count(*) as leads
  from {{side}}_held where business is not null and team is not null group by all
), likely as (
  select p.team, any_value(p.leads) * avg(case when r.hours > p.business then 1.0 else 0.0 end) as late
  from promise p join response r using (team, tier) group by p.team, p.tier, p.business having count(*) >= {ENOUGH}
)
select team, sum(late) as late from likely group by team
"""
"""Leads by team of which the first touch is expected to come late; teams without enough answers are not in it."""
