"""All clocks of a moment, computed anew: when each warns, falls due and takes the lead away, and what state it is in.

From what was promised (start, tier, whose hours, under which policy) and the pauses known by then, as a set: one
look-up per calendar, whatever the number of clocks. What routing and the watch stored is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.ledger import stage_rows
from clearlane.ledger.models import sla_clock
from clearlane.policy.model import Policy, Span, Tier
from clearlane.policy.sla import NONE
from clearlane.route.business_time import NEVER, Moments, Timeline, microseconds, timeline
from clearlane.route.calendars import Calendar, duties, promised_calendar, team_calendar
from clearlane.route.decisions import calling_zone

MOMENTS: Final = ("warn_at", "due_at", "reassign_at")
SPANS: Final = {"arrival": "first_touch", "assignment": "first_touch", "accept": "accept"}
"""kind -> what of its tier it promises; a queue's is under `queues`"""


def _us(column: str) -> str:
    return f"cast(extract(epoch from {column}) * 1000000 as bigint)"


_CLOCKS: Final = f"""
select k.clock_id, l.survivor_id, k.kind, k.tier, k.rep_id, k.place, {_us("k.started_at")} as started,
       {_us("coalesce(d.as_of, k.started_at)")} as decided, d.policy ->> 'sla' as sla, d.policy ->> 'teams' as teams,
       case when d.place = 'held' and k.kind = 'arrival' then {_us("d.sla_due")} end as held_due,
       case when d.mode <> 'hand' and not s.hand_raise then p.attributes ->> 'zone' end as zone,
       {_us("k.met_at")} as met, {_us("k.ended_at")} as ended,
       {", ".join(f"{_us('k.' + name)} as stored_{name}" for name in MOMENTS)}
from sla_clock k join lead l using (lead_id)
left join decision d using (decision_seq)
left join score s using (score_id)
left join lead_profile p on p.profile_id = d.profile_id
where k.started_at <= :as_of and (:everybody or l.survivor_id = any(cast(:leads as uuid[])))
order by k.clock_id
"""
_PAUSES: Final = f"""
select l.survivor_id, {_us("p.began_at")} as began, p.because,
       {_us("case when p.ended_at <= :as_of then p.ended_at else p.until end")} as until
from pause p join lead l using (lead_id)
where p.began_at <= :as_of and (:everybody or l.survivor_id = any(cast(:leads as uuid[])))
order by p.began_at, p.pause_id
"""


def recomputed(
    connection: Connection, policy: Policy, as_of: datetime, leads: Sequence[UUID] | None = None
) -> pd.DataFrame:
    """A row for each clock that had begun by `as_of`, of these leads or of all.

    Columns: clock_id, kind, warn_at, due_at, reassign_at (UTC, NaT: never), warned, breached, paused_at, paused_because
    and state: open, warned, breached, met, paused or ended. `policy` stands in for versions that are not stored.
    """
    bound = {"as_of": as_of, "everybody": leads is None, "leads": list(leads or ())}
    clocks = _frame(connection, _CLOCKS, bound)
    if clocks.empty:
        return pd.DataFrame(columns=["clock_id", "kind", *MOMENTS, "warned", "breached", "state"])
    pauses = _frame(connection, _PAUSES, bound)
    staged = _staged(connection, policy, clocks, pauses)
    return _told(staged, pauses, microseconds(as_of))


def _frame(connection: Connection, query: str, bound: Mapping[str, Any]) -> pd.DataFrame:
    rows = connection.execute(sa.text(query), bound)
    return pd.DataFrame(list(map(tuple, rows.fetchall())), columns=list(rows.keys()), dtype=object)


class _Whose(NamedTuple):
    """What clocks share that run in the same hours for the same time."""

    versions: tuple[str | None, str | None]
    kind: str
    tier: str
    rep: str | None
    place: str | None
    zone: str | None
    on_call: Any
    held: bool


def _staged(
    connection: Connection, policy: Policy, clocks: pd.DataFrame, pauses: pd.DataFrame
) -> pd.DataFrame:
    """The clocks with their three moments as microseconds; NEVER where there is none."""
    known = _Versions(connection, policy)
    found = np.full((len(clocks), 3), NEVER, dtype=np.int64)
    begun = clocks["started"].to_numpy(dtype=np.int64)
    for rows in _alike(clocks, known.on_call(clocks)):
        one = known.whose(clocks.iloc[rows[0]].to_dict())
        found[rows] = known.moments(one, begun[rows], clocks.iloc[rows], pauses)
    return clocks.assign(**{name: found[:, n] for n, name in enumerate(MOMENTS)})


def _alike(clocks: pd.DataFrame, on_call: Set[str]) -> Iterator[npt.NDArray[np.intp]]:
    """The rows of clocks that run alike; of reps on call, those promised at the same moment."""
    shared = clocks.assign(
        held=clocks["held_due"].notna(), promised=clocks["decided"].where(clocks["rep_id"].isin(on_call))
    )
    keys = ["sla", "teams", "kind", "tier", "rep_id", "place", "zone", "held", "promised"]
    numbers = shared.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    yield from map(np.asarray, pd.Series(numbers).groupby(numbers).indices.values())


class _Versions:
    """The policies under which promises were made, each read once; the given one for those that are not stored."""

    def __init__(self, connection: Connection, otherwise: Policy) -> None:
        self.connection, self.otherwise = connection, otherwise
        self.known: dict[tuple[str | None, str | None], Policy] = {}

    def policy(self, versions: tuple[str | None, str | None]) -> Policy:
        if versions not in self.known:
            self.known[versions] = self._read(versions)
        return self.known[versions]

    def _read(self, versions: tuple[str | None, str | None]) -> Policy:
        named = {name: version for name, version in zip(("sla", "teams"), versions, strict=True) if version}
        ours = {name: self.otherwise.hashes.get(name) for name in named}
        if named == ours:
            return self.otherwise
        try:
            return policies.stored(self.connection, named) if named else self.otherwise
        except LookupError:
            return self.otherwise

    def on_call(self, clocks: pd.DataFrame) -> Set[str]:
        """Reps who are on call at some time, under any policy of these clocks."""
        versions = clocks[["sla", "teams"]].drop_duplicates().itertuples(index=False, name=None)
        return {duty.rep for one in versions for duty in self.policy(one).teams.on_call}

    def whose(self, row: Mapping[Any, Any]) -> _Whose:
        versions = row["sla"], row["teams"]
        policy, rep = self.policy(versions), row["rep_id"]
        on_call = any(duty.rep == rep for duty in policy.teams.on_call)
        at = pd.Timestamp(row["decided"], unit="us", tz="UTC").to_pydatetime() if on_call else None
        zone = calling_zone(row["zone"], hand_raise=False)
        held = row["held_due"] is not None
        shifts = duties(policy, rep, at) if rep and at else ()
        return _Whose(versions, row["kind"], row["tier"], rep, row["place"], zone, shifts, held)

    def moments(self, one: _Whose, begun: Moments, clocks: pd.DataFrame, pauses: pd.DataFrame) -> Moments:
        """The moments of clocks that share everything but their start: an array of three columns."""
        policy = self.policy(one.versions)
        tier = policy.sla.tier(one.tier) or NONE
        span, calendar = _span(policy, tier, one), _calendar(policy, tier, one)
        stored = np.stack([_moments(clocks[f"stored_{name}"]) for name in MOMENTS], axis=1)
        line = timeline(calendar, np.concatenate([begun, _ends(pauses)]))
        if span is None:
            return stored
        if one.kind == "arrival":
            due = _moments(clocks["held_due"]) if one.held else line.due(begun, span)
            found = np.stack([np.full_like(begun, NEVER), due, np.full_like(begun, NEVER)], axis=1)
        else:
            found = np.stack(line.stages(begun, span, tier.warn_share, tier.reassign_factor), axis=1)
            found[:, 2] = NEVER if one.kind == "queue" else found[:, 2]
        return _later(line, begun, clocks, pauses, found)


def _span(policy: Policy, tier: Tier, one: _Whose) -> Span | None:
    """None: no promise of this policy's; it stays as it is stored."""
    if one.kind == "queue":
        return next((span for place, span in policy.sla.queues.items() if place == one.place), None)
    span: Span | None = getattr(tier, SPANS[one.kind]) if one.kind in SPANS else None
    return span


def _calendar(policy: Policy, tier: Tier, one: _Whose) -> Calendar:
    if one.kind == "queue" or one.held:
        return team_calendar(policy.sla)
    calendar = promised_calendar(policy, tier, one.rep, None, None if one.kind == "accept" else one.zone)
    if tier.calendar == "rep":
        calendar = replace(calendar, on_call=one.on_call)
    return calendar.without_time_off() if one.kind == "arrival" else calendar


def _moments(column: pd.Series[Any]) -> Moments:
    given = column.notna().to_numpy()
    found = np.full(len(column), NEVER, dtype=np.int64)
    found[given] = column[given].to_numpy(dtype=np.int64)
    return found


def _ends(pauses: pd.DataFrame) -> Moments:
    return np.array([] if pauses.empty else pauses["until"], dtype=np.int64)


def _later(
    line: Timeline, begun: Moments, clocks: pd.DataFrame, pauses: pd.DataFrame, found: Moments
) -> Moments:
    """What had not come when a pause began comes later by the business time of it; one pause after the other."""
    if pauses.empty:
        return found
    of_lead = pauses.groupby("survivor_id", sort=False).cumcount()
    for nth in range(int(of_lead.max()) + 1):
        these = pauses[of_lead == nth].set_index("survivor_id")
        given = clocks["survivor_id"].isin(these.index).to_numpy()
        if not given.any():
            continue
        mine = these.loc[clocks["survivor_id"][given]]
        began = np.maximum(mine["began"].to_numpy(dtype=np.int64), begun[given])
        until = np.maximum(mine["until"].to_numpy(dtype=np.int64), began)
        stood = line.worked(until) - line.worked(began)
        for n in range(found.shape[1]):
            moments = found[given, n]
            runs = (moments != NEVER) & (moments > began)
            later = line.after(np.where(runs, moments, began), stood)
            found[given, n] = np.where(
                runs, np.where(later == NEVER, np.maximum(until, moments), later), moments
            )
    return found


def _told(clocks: pd.DataFrame, pauses: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """The frame of `recomputed`."""
    warn, due, _ = (clocks[name].to_numpy(dtype=np.int64) for name in MOMENTS)
    met, ended = (_moments(clocks[name]) for name in ("met", "ended"))
    warned = (warn < as_of) & (met > warn) & (ended > warn)
    breached = (due < as_of) & (met > due) & (ended > due)
    now = pauses[pauses["until"] > as_of] if not pauses.empty else pauses
    first = now.drop_duplicates("survivor_id").set_index("survivor_id") if not now.empty else None
    since = clocks["survivor_id"].map(first["began"]) if first is not None else pd.Series(None, clocks.index)
    why = clocks["survivor_id"].map(first["because"]) if first is not None else pd.Series(None, clocks.index)
    states = np.select(
        [ended <= as_of, met < as_of, since.notna().to_numpy(), breached, warned],
        ["ended", "met", "paused", "breached", "warned"],
        "open",
    )
    runs = (ended > as_of) & (met >= as_of) & since.notna().to_numpy()
    return pd.DataFrame(
        {
            "clock_id": clocks["clock_id"].astype("int64"), "kind": clocks["kind"],
            **{name: _times(clocks[name]) for name in MOMENTS}, "warned": warned, "breached": breached,
            "paused_at": _times(since.where(runs)), "paused_because": why.where(runs, None), "state": states,
        }
    )  # fmt: skip


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    moments = _moments(column)
    days = pd.Series(
        pd.DatetimeIndex(np.where(moments == NEVER, 0, moments).astype("datetime64[us]"), tz="UTC")
    )
    times = days.where(pd.Series(moments != NEVER))
    times.index = column.index
    return times


# --- stored ---------------------------------------------------------------------------------------

_RESTAGE: Final = """
update sla_clock k set warn_at = r.warn_at, due_at = coalesce(r.due_at, k.due_at), reassign_at = r.reassign_at,
    paused_at = r.paused_at, paused_because = r.paused_because
from restaged r
where r.clock_id = k.clock_id and k.met_at is null and k.ended_at is null
  and (k.warn_at, k.due_at, k.reassign_at, k.paused_at, k.paused_because)
      is distinct from (r.warn_at, coalesce(r.due_at, k.due_at), r.reassign_at, r.paused_at, r.paused_because)
"""
_STORED: Final = ("clock_id", *MOMENTS, "paused_at", "paused_because")


def restage(connection: Connection, policy: Policy, leads: Sequence[UUID], as_of: datetime) -> int:
    """Store the moments of the open clocks of these leads as they are computed now; how many changed. Never commits."""
    frame = recomputed(connection, policy, as_of, leads)
    if frame.empty:
        return 0
    rows = frame[list(_STORED)].astype(object)
    given = rows.where(rows.notna(), None).itertuples(index=False, name=None)
    stage_rows(connection, "restaged", sla_clock, _STORED, given)
    return connection.execute(sa.text(_RESTAGE)).rowcount
