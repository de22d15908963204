"""The floor as the ledger knows it: loads, rotations, and who works which company.

Live runs read what live decisions left; a shadow run adds its own earlier decisions, which leave no other trace.
With `Known` it is the floor as it was before a decision: rows are only added, and name the numbers of their time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.policy.model import Policy, Rep
from clearlane.route import results
from clearlane.route.eligibility import Load, of_lead
from clearlane.route.fairness import Rotation, Standing, as_units, turns
from clearlane.route.floor import CompanyKey, Floor, open_floor

_LOADS = """
select w.rep_id, x.hour, x.day, x.week, y.open
from unnest(cast(:reps as text[]), cast(:hours as timestamptz[]), cast(:hour_ends as timestamptz[]),
            cast(:days as timestamptz[]), cast(:day_ends as timestamptz[]),
            cast(:weeks as timestamptz[]), cast(:week_ends as timestamptz[]))
     as w(rep_id, hour, hour_end, day, day_end, week, week_end)
cross join lateral (
    select count(distinct a.decision_seq) filter (where a.started_at >= w.hour and a.started_at < w.hour_end) as hour,
           count(distinct a.decision_seq) filter (where a.started_at >= w.day and a.started_at < w.day_end) as day,
           count(distinct a.decision_seq) as week
    from assignment a
    where a.rep_id = w.rep_id and a.decision_seq < :before and (a.returned_seq is null or a.returned_seq >= :before)
      and a.started_at >= w.week and a.started_at < w.week_end
) x
cross join lateral (
    select count(distinct a.decision_seq) as open from assignment a
    where a.rep_id = w.rep_id and a.decision_seq < :before and {open}
) y
"""

_STANDINGS = """
select k.rotation, k.band, k.rep_id, t.credit, t.weight, u.decision_seq as last_turn
from unnest(cast(:rotations as text[]), cast(:bands as text[]), cast(:reps as text[])) as k(rotation, band, rep_id)
cross join lateral (
    select credit, weight from turn
    where (rotation, band, rep_id) = (k.rotation, k.band, k.rep_id) and decision_seq < :before
    order by decision_seq desc limit 1
) t
left join lateral (
    select decision_seq from turn
    where (rotation, band, rep_id) = (k.rotation, k.band, k.rep_id) and kind = 'turn' and decision_seq < :before
    order by decision_seq desc limit 1
) u on true
"""

_LAST_PICKS = """
select k.rotation, k.band, d.rep_id, d.eligible, d.refused
from unnest(cast(:rotations as text[]), cast(:bands as text[])) as k(rotation, band)
cross join lateral (
    select rep_id, eligible, refused from decision
    where rotation = k.rotation and band = k.band and mode = 'live' and decision_seq < :before
    order by decision_seq desc limit 1
) d
"""

_COLLEAGUES = """
select l.lead_id from (select distinct company_key from candidate) w join lead l using (company_key)
union
select l.lead_id from (select distinct account_id from candidate) w join lead l using (account_id)
"""

# What the same chunk of leads gave came after all that was there, and is written after its last number.
_HELD = """
select p.kind, l.company_key, cast(l.account_id as text) as account_id, a.rep_id
from assignment a join lead l using (lead_id)
left join lateral (
    select kind from lead_profile where lead_id = l.lead_id and begun_seq < :before
    order by valid_from desc, profile_id desc limit 1
) p on true
where a.lead_id = any(cast(:colleagues as uuid[])) and {open} and a.rep_id is not null
  and a.started_at < :until and coalesce(a.decision_seq, 0) < :before
  and (a.begun_seq < :before or exists (
      select from decision d where d.decision_seq = a.decision_seq and d.lead_id = a.lead_id))
order by a.begun_seq >= :before, a.started_at, a.assignment_id
"""

_SHADOWED = """
select p.kind, l.company_key, cast(l.account_id as text) as account_id, d.rep_id
from decision d join lead l using (lead_id) join lead_profile p using (profile_id)
where d.batch_id = :batch and d.lead_id = any(cast(:colleagues as uuid[])) and cardinality(d.eligible) > 0
  and d.rep_id is not null and d.decision_seq < :before
order by d.decision_seq
"""

_SHADOWS = """
select decision_seq, rotation, band, rep_id, eligible, refused from decision
where batch_id = :batch and mode = 'shadow' and rep_id is not null and cardinality(eligible) > 0
  and decision_seq < :before
order by decision_seq
"""


LATEST: Final = 2**63 - 1


@dataclass(frozen=True)
class Known:
    """Up to where the ledger is read: what decisions before this number left, and what was known then."""

    before: int = LATEST

    @property
    def open(self) -> str:
        """Condition on an assignment `a`: nobody had ended it."""
        now = self.before == LATEST
        return "a.ended_at is null" if now else "(a.ended_at is null or a.ended_seq >= :before)"


ALL: Final = Known()


def load_floor(
    connection: Connection, policy: Policy, batch: Batch, bands: Iterable[str], known: Known = ALL
) -> Floor:
    """The floor at the batch's moment, with what leads of these bands and of `candidate` may need."""
    out = suspensions(connection, batch.as_of, known)
    floor = open_floor(policy, batch.as_of, out)
    floor.loads.update(loads(connection, policy.teams.reps.values(), batch.as_of, known))
    floor.rotations.update(_rotations(connection, policy, sorted(set(bands)), known))
    floor.companies.update(_companies(connection, batch, known))
    floor.fits.update(results.fits(connection, policy, batch.as_of))
    if not batch.live:
        _add_shadows(connection, floor, batch, known)
    return floor


_SUSPENDED = """
select rep_id, max(until) as until from suspension
where began_at <= :at and until > :at and begun_seq < :before and {ended}
group by 1
"""


def suspensions(connection: Connection, at: datetime, known: Known = ALL) -> dict[str, datetime]:
    """Reps who take no turns at a moment for having been silent too often, and until when (UTC)."""
    now = known.before == LATEST
    ended = "ended_at is null" if now else "(ended_at is null or ended_seq >= :before)"
    rows = connection.execute(sa.text(_SUSPENDED.format(ended=ended)), {"at": at, "before": known.before})
    return {row.rep_id: row.until for row in rows}


def loads(connection: Connection, reps: Iterable[Rep], at: datetime, known: Known) -> dict[str, Load]:
    """What these reps hold at a moment, by rep."""
    spans = {rep.id: (*hour_of(rep, at), *day_and_week(rep, at)) for rep in reps}
    names = ("hours", "hour_ends", "days", "day_ends", "weeks", "week_ends")
    columns = [list(column) for column in zip(*spans.values(), strict=True)] or [[] for _ in names]
    bound = {"reps": list(spans), "before": known.before, **dict(zip(names, columns, strict=True))}
    rows = connection.execute(sa.text(_LOADS.format(open=known.open)), bound)
    return {row.rep_id: Load(row.day, row.week, row.open, row.hour) for row in rows}


def hour_of(rep: Rep, at: datetime) -> tuple[datetime, datetime]:
    """Start and end, as UTC, of the hour by the rep's clock that holds `at`."""
    local = at.astimezone(ZoneInfo(rep.zone))
    begun = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start = at.astimezone(UTC) - begun
    return start, start + timedelta(hours=1)


def day_and_week(rep: Rep, at: datetime) -> tuple[datetime, datetime, datetime, datetime]:
    """Start and end of the rep's local day and of the week from Monday that hold `at`, as UTC."""
    zone = ZoneInfo(rep.zone)
    today = at.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    days = (today, today + timedelta(days=1), monday, monday + timedelta(days=7))
    first, second, third, fourth = (datetime.combine(day, clock(0), zone).astimezone(UTC) for day in days)
    return first, second, third, fourth


def _rotations(
    connection: Connection, policy: Policy, bands: Sequence[str], known: Known
) -> dict[tuple[str, str], Rotation]:
    keys = [
        (team.id, band, rep)
        for team in policy.teams.teams.values()
        for band in bands
        for rep, _ in team.members
    ]
    standings: dict[tuple[str, str], dict[str, Standing]] = {}
    before = {"before": known.before}
    bound = before | dict(zip(("rotations", "bands", "reps"), _columns(keys, 3), strict=True))
    for row in connection.execute(sa.text(_STANDINGS), bound).mappings():
        own = standings.setdefault((row["rotation"], row["band"]), {})
        own[row["rep_id"]] = _standing(row)
    bound = before | dict(zip(("rotations", "bands"), _columns(list(standings), 2), strict=True))
    picks = connection.execute(sa.text(_LAST_PICKS), bound).mappings()
    last = {(row["rotation"], row["band"]): row for row in picks}
    return {key: Rotation(own, present_at(last[key]), last[key]["rep_id"]) for key, own in standings.items()}


def _columns(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    return [[row[index] for row in rows] for index in range(width)]


def _standing(row: RowMapping) -> Standing:
    last = row["last_turn"]
    return Standing(as_units(row["credit"]), row["weight"], -1 if last is None else last)


def present_at(row: RowMapping) -> frozenset[str]:
    """Who was there at a stored pick: those who were free, also those who only did not suit the lead."""
    lacking = (rep for rep, why in row["refused"].items() if of_lead(why))
    return frozenset(row["eligible"]) | frozenset(lacking)


def _companies(connection: Connection, batch: Batch, known: Known) -> dict[CompanyKey, list[str]]:
    """Who owns open leads of the candidates' companies; a shadow run sees what was given before its moment."""
    colleagues = connection.execute(sa.text(_COLLEAGUES)).scalars().all()
    until = datetime.max.replace(tzinfo=UTC) if batch.live else batch.as_of
    bound: dict[str, Any] = {"colleagues": colleagues, "before": known.before}
    held = sa.text(_HELD.format(open=known.open))
    rows = [*connection.execute(held, {**bound, "until": until}).mappings()]
    if not batch.live:
        bound["batch"] = batch.batch_id
        rows += connection.execute(sa.text(_SHADOWED), bound).mappings()
    found: dict[CompanyKey, dict[str, None]] = {}
    for row in rows:
        for key in _keys(row):
            found.setdefault(key, {})[row["rep_id"]] = None
    return {key: list(reps) for key, reps in found.items()}


def _keys(row: RowMapping) -> Iterator[CompanyKey]:
    if row["company_key"]:
        yield row["kind"], f"company:{row['company_key']}"
    if row["account_id"]:
        yield row["kind"], f"account:{row['account_id']}"


def _add_shadows(connection: Connection, floor: Floor, batch: Batch, known: Known) -> None:
    """Book what this run decided before, in order, as `Floor.take` did."""
    bound = {"batch": batch.batch_id, "before": known.before}
    for row in connection.execute(sa.text(_SHADOWS), bound).mappings():
        floor.loads[row["rep_id"]] = floor.load(row["rep_id"]).plus_one()
        if row["rotation"]:
            rotation = floor.rotation(row["rotation"], row["band"])
            weights, kinds = floor.weights(row["rotation"], present_at(row)), floor.kinds(row["rotation"])
            taken = turns(rotation, row["rep_id"], weights, kinds, row["decision_seq"])
            rotation.take(row["rep_id"], taken, weights)
