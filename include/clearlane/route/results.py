"""What reps made of the leads that turns gave them: measured once a day from outcomes, and kept as it was measured.

The first live or shadow run of a day (UTC) that may pick by best fit measures up to the day's start, under the
routing lock; all picks of that day read what it kept, so later outcomes and corrections change no decision made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from clearlane.ledger import models
from clearlane.policy.model import BestFit, Policy, Routing
from clearlane.route.fit import Fit, Key, Results, Row, Values, fit_of, folded_values
from clearlane.rules import Dialect, Type
from clearlane.rules.columns import read

Spec = tuple[tuple[str, ...], int]
"""attributes of the segment, and days of the window"""

_KEPT: Final = {
    "source": "l.source", "kind": "p.kind", "band": "d.band", "grade": "s.grade", "stage": "s.stage",
}  # fmt: skip

# Whose lead it was when it was told: the last who had got it by then. A breach that took nothing away says nothing.
_MEASURED = """
with given as (
    select a.decision_seq, a.rep_id, l.survivor_id, a.started_at,
           lead(a.started_at, 1, :day) over (partition by l.survivor_id order by a.started_at, a.assignment_id) as until
    from assignment a join lead l using (lead_id)
    where a.started_at >= :since and a.started_at < :day
), told as (
    select g.decision_seq, o.kind, o.reason
    from given g join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
    where o.occurred_at >= g.started_at and o.occurred_at < g.until
    union all
    select g.decision_seq, 'rejected', e.detail ->> 'reason'
    from given g join lead m using (survivor_id) join routing_event e on e.lead_id = m.lead_id and e.rep_id = g.rep_id
    where e.kind in ('decline', 'breach') and e.handled_seq is not null
      and e.occurred_at >= g.started_at and e.occurred_at < g.until
), verdict as (
    select decision_seq, bool_or(kind = 'rejected') as refused, bool_or(kind = 'won') as won,
           bool_or(kind in ('won', 'lost')) as decided,
           coalesce(bool_or(kind = 'rejected' and lower(trim(reason)) = any(:returned)), false) as no_lead
    from told where kind in ('rejected', 'accepted', 'first_touch', 'meeting', 'sql', 'opportunity', 'won', 'lost')
    group by 1
)
"""
_COUNTED = """
select {segment} as segment, d.rep_id, count(*) as offered,
       count(*) filter (where not v.refused) as accepted,
       count(*) filter (where not v.refused and v.decided) as decided,
       count(*) filter (where not v.refused and v.won) as won
from verdict v join decision d using (decision_seq) {known}
where d.mode = 'live' and d.rotation is not null and not v.no_lead
group by 1, 2
"""
_OF_DECISION = "select {segment} from decision d {known} where d.decision_seq = :seq"
_KNOWN: Final = {
    "l": "join lead l on l.lead_id = d.lead_id",
    "p": "join lead_profile p on p.profile_id = d.profile_id",
    "s": "join score s on s.score_id = d.score_id",
}


def _asking(statement: str, names: Sequence[str]) -> sa.TextClause:
    """The statement with what was known of the lead when it was decided as an array, and what that is read from."""
    columns = [_KEPT.get(name) or read(name, Type.TEXT, Dialect.POSTGRES, "p.attributes") for name in names]
    known = {_KEPT.get(name, "p.")[0] for name in names} & _KNOWN.keys()
    asked = statement.replace("{segment}", f"cast(array[{', '.join(columns)}] as text[])")
    return sa.text(asked.replace("{known}", " ".join(_KNOWN[alias] for alias in sorted(known))))


def measured(connection: Connection, fit: BestFit, routing: Routing, day: datetime) -> list[Row]:
    """What became, by `day`, of the leads that turns gave in the window before it; sorted.

    Offered: accepted or refused by then, that is declined, or taken away for silence; a decline that gives the turn
    back is no offer. Accepted: worked in any way and not refused. Decided: of these won or lost.
    """
    since = day - timedelta(days=fit.window_days)
    bound = {
        "day": day,
        "since": since,
        "returned": [reason.lower() for reason in routing.rerouting.returned],
    }
    return _folded(connection.execute(_asking(_MEASURED + _COUNTED, fit.segment), bound))


def _folded(rows: Iterable[Any]) -> list[Row]:
    """Spellings of one value together."""
    found: dict[tuple[Values, str], Results] = {}
    for segment, rep, *counts in rows:
        key = folded_values(segment), rep
        found[key] = Results(*map(sum, zip(found.get(key, Results()), counts, strict=True)))
    return [(*key, found[key]) for key in sorted(found)]


# --- kept by day ------------------------------------------------------------------------------------


def day_of(at: datetime) -> datetime:
    """The start of the UTC day that holds the moment."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def keep(connection: Connection, policy: Policy, as_of: datetime) -> None:
    """Measure what picks of this day need and no run has measured yet; under the routing lock."""
    day, asked = day_of(as_of), {_spec(fit): fit for _, fit in _asked(policy.routing)}
    kept = _kept(connection, day) if asked else {}
    for spec in sorted(asked.keys() - kept.keys()):
        rows = measured(connection, asked[spec], policy.routing, day)
        content = {"day": day.isoformat(), "segment": spec[0], "window_days": spec[1], "rows": rows}
        values = (results_id(content), day, *spec, content)
        connection.execute(insert(models.results).values(values))


def fits(connection: Connection, policy: Policy, as_of: datetime) -> dict[Key, Fit]:
    """What the teams that are picked from by best fit are known for on that day; nothing where none was measured."""
    asked = _asked(policy.routing)
    kept = _kept(connection, day_of(as_of)) if asked else {}
    return {
        (team, fit): _fit(connection, policy, team, kept[_spec(fit)])
        for team, fit in asked
        if _spec(fit) in kept
    }


def results_id(content: Mapping[str, Any]) -> str:
    """sha256 of the content, keys sorted."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _asked(routing: Routing) -> frozenset[Key]:
    return frozenset((rung.name, rung.fit) for rung in routing.rungs if rung.fit and rung.name)


def _spec(fit: BestFit) -> Spec:
    return fit.segment, fit.window_days


def _kept(connection: Connection, day: datetime) -> dict[Spec, str]:
    """What is kept of the day: the id by what was measured."""
    kept = models.results.c
    rows = connection.execute(
        sa.select(kept.segment, kept.window_days, kept.results_id).where(kept.day == day)
    )
    return {(tuple(segment), window): id_ for segment, window, id_ in rows}


_OF_REPS = """
select r.value -> 0 as segment, r.value ->> 1 as rep_id, r.value -> 2 as counts
from results cross join lateral jsonb_array_elements(content -> 'rows') r
where results_id = :id and r.value ->> 1 = any(:reps)
"""


def _fit(connection: Connection, policy: Policy, team: str, id_: str) -> Fit:
    reps = [rep for rep, _ in policy.teams.teams[team].members]
    rows = connection.execute(sa.text(_OF_REPS), {"id": id_, "reps": reps})
    return fit_of(id_, reps, ((tuple(values), rep, Results(*counts)) for values, rep, counts in rows))


# --- as told ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """What a pick by best fit compared: the team's fit on that day, and the lead's values by attribute."""

    fit: Fit
    day: datetime
    segment: Mapping[str, str]

    @property
    def values(self) -> Values:
        return tuple(self.segment.values())

    @property
    def worth(self) -> Mapping[str, float]:
        """Of each rep of the team, for such a lead."""
        return self.fit.of(self.values)


def compared(connection: Connection, policy: Policy, decision: Mapping[str, Any]) -> Compared | None:
    """What the pick of this row of `decision` compared; None for a pick by turn."""
    stored = models.results
    asked = sa.select(stored.c.results_id, stored.c.day, stored.c.segment)
    row = connection.execute(asked.where(stored.c.results_id == decision["results_id"])).first()
    if row is None:
        return None
    bound = {"seq": decision["decision_seq"]}
    values = connection.execute(_asking(_OF_DECISION, row.segment), bound).scalar_one()
    segment = dict(zip(row.segment, folded_values(values), strict=True))
    fit = _fit(connection, policy, decision["rotation"], row.results_id)
    return Compared(fit, row.day, segment)


def told(of: Compared, rep: str, others: Iterable[str], second: str | None) -> Iterator[str]:
    """What was known of the chosen and the second, and which of the others would have been better but for turns."""
    alike = ", ".join(f"{name} {value or 'unknown'}" for name, value in of.segment.items())
    known = "; ".join(_known(of, one) for one in (rep, second) if one and one in of.worth)
    yield f"results{f' with {alike}' if alike else ''} until {of.day:%Y-%m-%d}: {known}"
    better = [one for one in others if of.worth.get(one, 0) > of.worth.get(rep, 0)]
    if better:
        yield f"{', '.join(sorted(better))} would fit better, too many turns ahead of the others"


def _known(of: Compared, rep: str) -> str:
    counts = of.fit.told(of.values, rep)
    worked = f"{counts.accepted} of {counts.offered} accepted, {counts.won} of {counts.decided} decided won"
    return f"{rep} {worked if counts.offered else 'had none'}, so {of.worth[rep]:.1%} of them come to be won"
