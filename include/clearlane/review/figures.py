"""What differs between two sides of a what-if: who moves, how well each side picks, who gets the work.

Everything is counted in DuckDB from what `sides.play` left; leads are named by source and id only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import duckdb

from clearlane.policy.model import FIRST_STAGE, LATER_STAGES, Policy
from clearlane.review.history import OUTCOMES
from clearlane.review.responses import LATE
from clearlane.score.standing import DISQUALIFIED
from clearlane.score.units import quoted

SIDES: Final = ("old", "new")
NOT_ROUTED: Final = "not routed"
_NOTABLE: Final = 0.05
"""points by which a rule must differ to be named as a cause"""


@dataclass(frozen=True)
class Moves:
    """How many leads are where under both sides: `cells[i][j]` from names[i] (old) to names[j] (new)."""

    names: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]

    @property
    def moved(self) -> int:
        return sum(n for i, row in enumerate(self.cells) for j, n in enumerate(row) if i != j)


@dataclass(frozen=True)
class Picks:
    """How well one side picks: of `picked` leads `worked` had an outcome, `good` of those the wanted one.

    precision = good / worked; recall = good / all leads with that outcome; lift = precision / share of the
    wanted outcome among all leads that somebody worked. None where there is nothing to divide by.
    """

    picked: int
    worked: int
    good: int
    precision: float | None
    recall: float | None
    lift: float | None


@dataclass(frozen=True)
class Judgement:
    """Did those whom a side calls `call` (a band, or a stage) reach the outcome, within the horizon?"""

    call: str
    outcome: str
    had_it: int
    old: Picks
    new: Picks


@dataclass(frozen=True)
class Change:
    """A number under both sides."""

    name: str
    old: float | None
    new: float | None


@dataclass(frozen=True)
class Load:
    """What a team or a rep gets, whom caps passed over, and how soon it is to answer."""

    name: str
    leads: Change
    a_day: Change
    hottest: Change
    pooled: Change
    """leads that wait in its pool"""
    exceptions: Change
    """leads that nobody could take, of rules that ask this team first"""
    held: Change
    cap_hits: Change
    """how often one of its reps was passed over because of a cap"""
    by_cap: tuple[Change, ...]
    """the same by cap: hour, day, week, open"""
    hours: Change
    """median by the clock until the first touch is due"""
    business: Change
    """median of the hours at work in it"""
    prompt: Change
    """share of the promised leads whose first touch falls due within the tier's own time: somebody is at work"""
    late: Change
    """first touches expected after they are due, by how fast the team answered in history; None: too few answers"""


@dataclass(frozen=True)
class Tier:
    """A promise: how many leads get it, median hours until it is due, share due within the tier's own time."""

    name: str
    leads: Change
    hours: Change
    prompt: Change


@dataclass(frozen=True)
class Standing:
    """One lead under one side; `owner` is a rep, else the place and team where it waits."""

    score: int
    band: str
    stage: str
    owner: str


@dataclass(frozen=True)
class Mover:
    """A lead that moves, by the reference of its source, and the rules that make the difference."""

    lead: str
    old: Standing
    new: Standing
    rules: tuple[Change, ...]


@dataclass(frozen=True)
class Figures:
    """Everything that is counted."""

    leads: int
    routed: int
    unchanged: int
    """leads with the same score, band, stage and owner"""
    mean_score: Change
    scores: tuple[Change, ...]
    """leads by tens of points"""
    bands: Moves
    stages: Moves
    places: tuple[Change, ...]
    judgements: tuple[Judgement, ...]
    worked: int
    """leads with any outcome within the horizon"""
    ripe: int
    """leads whose horizon had passed by the newest run"""
    teams: tuple[Load, ...]
    reps: tuple[Load, ...]
    tiers: tuple[Tier, ...]
    movers: tuple[Mover, ...]


def prepare(
    desk: duckdb.DuckDBPyConnection, policies: Mapping[str, Sequence[Policy]], horizon_days: float
) -> None:
    """Make `compared` (a row per lead) and per side `<side>_held` (a row per routed lead)."""
    for side in SIDES:
        desk.execute(f"create table {side}_held as {_held(side, policies[side])}")
    desk.execute(f"create table compared as {_compared(horizon_days)}")


def _held(side: str, policies: Sequence[Policy]) -> str:
    spans = {name: _own_time(tier.first_touch) for p in policies for name, tier in p.sla.tiers.items()}
    cases = " ".join(f"when {quoted(name)} then {seconds}" for name, seconds in spans.items() if seconds)
    own_time = f"case d.tier {cases} end" if cases else "null"
    return f"""
select d.*, s.band, (epoch_us(d.due) - epoch_us(l.as_of)) / 3.6e9 as hours,
       (epoch_us(d.due) - epoch_us(l.as_of)) / 1e6 <= {own_time} as prompt
from {side}_decided d join lead l using (lead_id) join {side}_scored s using (lead_id)"""


def _own_time(span: Any) -> float | None:
    """A tier's time as if it ran without a break, in seconds."""
    return timedelta(**{span.unit: span.amount}).total_seconds() if span else None


def _compared(horizon_days: float) -> str:
    sides = ", ".join(
        f"{s}.score as {s}_score, {s}.total as {s}_total, {s}.band as {s}_band, {s}.stage as {s}_stage,"
        f" {s}.contributions as {s}_points, {_owner(s)} as {s}_owner,"
        f" coalesce({s}_at.place, '{NOT_ROUTED}') as {s}_place"
        for s in SIDES
    )
    joins = " ".join(
        f"join {s}_scored {s} using (lead_id) left join {s}_decided {s}_at using (lead_id)" for s in SIDES
    )
    rank = " ".join(f"when {quoted(kind)} then {i}" for i, kind in enumerate(OUTCOMES, 1))
    return f"""
select lead_id, l.reference, l.as_of, {sides}, became.lead_id is not null as worked, coalesce(became.rank, 0) as reached
from lead l {joins}
left join (
  select lead_id, max(case kind {rank} else 0 end) as rank from outcome join lead using (lead_id)
  where not before and occurred_at <= as_of + to_seconds({horizon_days * 86_400}) group by lead_id
) became using (lead_id)"""


def _owner(side: str) -> str:
    at = f"{side}_at"
    return f"coalesce({at}.rep, {at}.place || coalesce(' ' || {at}.team, ''), '{NOT_ROUTED}')"


def counted(
    desk: duckdb.DuckDBPyConnection,
    policies: Mapping[str, Sequence[Policy]],
    *,
    days: float,
    ripe_until: str,
    top: int,
) -> Figures:
    """All figures; `days` is the length of the span, `ripe_until` SQL of the last moment with a whole horizon."""
    newest = [*policies["new"], *reversed(policies["old"])]
    bands = _in_order(name for policy in newest for name in (band.name for band in policy.scoring.bands))
    stages = _in_order(name for policy in newest for name in _stages(policy))
    whole = desk.execute(_WHOLE.format(ripe_until=ripe_until)).fetchone()
    assert whole is not None
    return Figures(
        leads=whole[0],
        routed=whole[1],
        unchanged=whole[2],
        mean_score=Change("mean score", whole[3], whole[4]),
        scores=_scores(desk),
        bands=_moves(desk, "band", bands),
        stages=_moves(desk, "stage", stages),
        places=_changes(desk, "select {side}_place, count(*) from compared group by 1"),
        judgements=tuple(_judgements(desk, bands[:1], _qualified(newest))),
        worked=whole[5],
        ripe=whole[6],
        teams=_loads(desk, "team", bands[0], days),
        reps=_loads(desk, "rep", bands[0], days),
        tiers=_tiers(desk),
        movers=tuple(_movers(desk, top)),
    )


_WHOLE: Final = """
select count(*), count(*) filter (old_place <> 'not routed'),
       count(*) filter (
         old_score = new_score and old_band = new_band and old_stage = new_stage and old_owner = new_owner
       ),
       avg(old_score), avg(new_score), count(*) filter (worked), count(*) filter (as_of <= {ripe_until})
from compared
"""


def _in_order(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _stages(policy: Policy) -> tuple[str, ...]:
    """From the last to the first, as bands are."""
    return (
        *reversed(LATER_STAGES),
        *(rule.name for rule in policy.scoring.stages),
        FIRST_STAGE,
        DISQUALIFIED,
    )


def _qualified(policies: Sequence[Policy]) -> tuple[str, ...]:
    return _in_order(rule.name for policy in policies for rule in policy.scoring.stages)


def _scores(desk: duckdb.DuckDBPyConnection) -> tuple[Change, ...]:
    select = (
        "select cast(floor(least({side}_score, 99) / 10) * 10 as integer), count(*) from compared group by 1"
    )
    counts = [dict(desk.execute(select.format(side=side)).fetchall()) for side in SIDES]
    starts = sorted({start for count in counts for start in count})
    return tuple(
        Change(f"{start}–{start + 9 + (start == 90)}", *(float(count.get(start, 0)) for count in counts))
        for start in starts
    )


def _moves(desk: duckdb.DuckDBPyConnection, what: str, names: Sequence[str]) -> Moves:
    rows = desk.execute(f"select old_{what}, new_{what}, count(*) from compared group by all").fetchall()
    cells = {(old, new): count for old, new, count in rows}
    seen = [name for name in names if any(name in pair for pair in cells)]
    return Moves(tuple(seen), tuple(tuple(cells.get((old, new), 0) for new in seen) for old in seen))


def _changes(desk: duckdb.DuckDBPyConnection, select: str) -> tuple[Change, ...]:
    """Name -> number under both sides, the largest first."""
    old, new = (dict(desk.execute(select.format(side=side)).fetchall()) for side in SIDES)
    names = sorted(old.keys() | new.keys(), key=lambda name: (-max(old.get(name, 0), new.get(name, 0)), name))
    return tuple(Change(name, old.get(name, 0), new.get(name, 0)) for name in names)


# --- against outcomes ---------------------------------------------------------------------------


def _judgements(
    desk: duckdb.DuckDBPyConnection, hottest: Sequence[str], qualified: Sequence[str]
) -> list[Judgement]:
    calls = {name: f"{{side}}_band = {quoted(name)}" for name in hottest}
    if qualified:
        named = ", ".join(quoted(name) for name in (*qualified, *LATER_STAGES))
        calls[" or ".join(name.upper() for name in qualified)] = f"{{side}}_stage in ({named})"
    return [
        _judgement(desk, call, condition, outcome, rank)
        for call, condition in calls.items()
        for rank, outcome in enumerate(OUTCOMES, 1)
    ]


def _judgement(
    desk: duckdb.DuckDBPyConnection, call: str, condition: str, outcome: str, rank: int
) -> Judgement:
    found = desk.execute(
        f"select count(*) filter (worked), count(*) filter (reached >= {rank}) from compared"
    ).fetchone()
    worked, had_it = found or (0, 0)
    picks = (_picks(desk, condition.format(side=side), rank, worked, had_it) for side in SIDES)
    return Judgement(call, outcome, had_it, *picks)


def _picks(desk: duckdb.DuckDBPyConnection, condition: str, rank: int, worked: int, had_it: int) -> Picks:
    row = desk.execute(
        f"select count(*), count(*) filter (worked), count(*) filter (reached >= {rank}) from compared"
        f" where {condition}"
    ).fetchone()
    picked, tried, good = row or (0, 0, 0)
    precision = _ratio(good, tried)
    base = _ratio(had_it, worked)
    lift = precision / base if precision is not None and base else None
    return Picks(picked, tried, good, precision, _ratio(good, had_it), lift)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


# --- who gets the work --------------------------------------------------------------------------

CAPS: Final = ("hour", "day", "week", "open")
_GIVEN: Final = """
select {by} as name, count(*) as leads, count(*) filter (band = {hot}) as hottest,
       count(*) filter (place = 'pool') as pooled, count(*) filter (place = 'held') as held,
       median(hours) as hours, median(business) as business,
       avg(case when prompt then 1.0 else 0.0 end) filter (prompt is not null) as prompt
from {side}_held where {by} is not null group by 1
"""
_EXCEPTIONS: Final = """
select asked as name, count(*) as exceptions from {side}_held
where place = 'exceptions' and asked is not null group by 1
"""
_HITS: Final = """
select {whose} as name, count(*) as hits, {caps}
from (select unnest(capped) as rep, unnest(capped_in) as team, unnest(caps) as cap from {side}_held)
where {whose} is not null group by 1
"""


def _loads(desk: duckdb.DuckDBPyConnection, by: str, hot: str, days: float) -> tuple[Load, ...]:
    """By `team` or `rep`; exceptions and late touches are a team's only."""
    old, new = (_side(desk, side, by, hot) for side in SIDES)
    loads = (_load(name, old.get(name, {}), new.get(name, {}), days) for name in {**old, **new})
    return tuple(sorted(loads, key=lambda load: (-max(load.leads.old or 0, load.leads.new or 0), load.name)))


def _side(desk: duckdb.DuckDBPyConnection, side: str, by: str, hot: str) -> dict[str, dict[str, Any]]:
    """Name -> what one side gives it."""
    caps = ", ".join(f"count(*) filter (cap = '{cap}') as cap_{cap}" for cap in CAPS)
    selects = [_GIVEN.format(side=side, by=by, hot=quoted(hot)), _HITS.format(side=side, whose=by, caps=caps)]
    if by == "team":
        selects += [_EXCEPTIONS.format(side=side), LATE.format(side=side)]
    found: dict[str, dict[str, Any]] = {}
    for select in selects:
        asked = desk.execute(select)
        columns = [column[0] for column in asked.description or ()]
        for row in asked.fetchall():
            found.setdefault(row[0], {}).update(zip(columns[1:], row[1:], strict=True))
    return found


def _load(name: str, old: Mapping[str, Any], new: Mapping[str, Any], days: float) -> Load:
    def both(what: str, nothing: float | None = 0) -> Change:
        return Change(what, old.get(what, nothing), new.get(what, nothing))

    leads = both("leads")
    return Load(
        name=name,
        leads=leads,
        a_day=Change("a day", (leads.old or 0) / days, (leads.new or 0) / days),
        hottest=both("hottest"),
        pooled=both("pooled"),
        exceptions=both("exceptions"),
        held=both("held"),
        cap_hits=both("hits"),
        by_cap=tuple(Change(cap, *_pair(old, new, f"cap_{cap}")) for cap in CAPS),
        hours=both("hours", None),
        business=both("business", None),
        prompt=both("prompt", None),
        late=both("late", None),
    )


def _pair(old: Mapping[str, Any], new: Mapping[str, Any], what: str) -> tuple[int, int]:
    return old.get(what, 0), new.get(what, 0)


def _tiers(desk: duckdb.DuckDBPyConnection) -> tuple[Tier, ...]:
    select = (
        "select tier, count(*), median(hours), avg(case when prompt then 1.0 else 0.0 end)"
        " from {side}_held where due is not null group by 1"
    )
    found = [{row[0]: row[1:] for row in desk.execute(select.format(side=side)).fetchall()} for side in SIDES]
    names = sorted({name for side in found for name in side})
    pairs = {name: [side.get(name, (0, None, None)) for side in found] for name in names}
    tiers = (
        Tier(name, *(Change(what, old[i], new[i]) for i, what in enumerate(("leads", "hours", "prompt"))))
        for name, (old, new) in pairs.items()
    )
    return tuple(sorted(tiers, key=lambda tier: (tier.hours.old or tier.hours.new or 0, tier.name)))


# --- the leads that move most -------------------------------------------------------------------

_MOVERS: Final = """
select reference, old_score, old_band, old_stage, old_owner, new_score, new_band, new_stage, new_owner,
       old_points, new_points
from compared
where old_score <> new_score or old_band <> new_band or old_stage <> new_stage or old_owner <> new_owner
order by abs(new_score - old_score) desc, abs(new_total - old_total) desc, old_band <> new_band desc, reference
limit ?
"""


def _movers(desk: duckdb.DuckDBPyConnection, top: int) -> list[Mover]:
    return [
        Mover(row[0], Standing(*row[1:5]), Standing(*row[5:9]), _by_rule(row[9], row[10]))
        for row in desk.execute(_MOVERS, [top]).fetchall()
    ]


def _by_rule(old: str, new: str) -> tuple[Change, ...]:
    """The rules that give other points, the largest difference first."""
    before, after = json.loads(old or "{}"), json.loads(new or "{}")
    changes = [Change(rule, before.get(rule, 0), after.get(rule, 0)) for rule in before.keys() | after.keys()]
    notable = [change for change in changes if abs(_delta(change)) >= _NOTABLE]
    return tuple(sorted(notable, key=lambda change: (-abs(_delta(change)), change.name)))


def _delta(change: Change) -> float:
    return (change.new or 0) - (change.old or 0)
