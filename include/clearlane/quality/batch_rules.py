"""Does the delivery as a whole look like the ones before? Volume, freshness, schema drift, share of bad rows.

What came before is read by source time, so a window is judged alike whenever it runs. Reads inbox, delivery,
quarantine; writes quality_result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import median
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from clearlane.ledger import Batch
from clearlane.ledger.held import DELIVERY, HELD
from clearlane.ledger.models import quality_result
from clearlane.policy.model import BatchRule

Verdict = Literal["pass", "warn", "stop"]

FEWEST_WINDOWS: Final = 4
"""With fewer earlier windows than this nothing is held back."""

_SHORTEST_PERIOD: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_SAMPLE: Final = 1_000  # rows on each side that schema drift compares
_SIGMA: Final = 3.0  # a count within so many deviations of the usual is chance
_Z: Final = 1.96  # a share is taken at the lower end of its 95 % interval: one bad row of one is no half


@dataclass(frozen=True)
class Trail:
    """One object of one source up to the run's end, by source time.

    `counts`: rows of the period that ends there, then of the same period in each of the weeks before, back
    to the first that lies wholly after the object's first row.
    """

    source: str
    object: str
    counts: tuple[int, ...]
    newest: datetime | None

    @property
    def earlier(self) -> tuple[int, ...]:
        return self.counts[1:]


@dataclass(frozen=True)
class Finding:
    """The verdict of one rule on one object of one source; `seen` is in the rule's unit."""

    source: str
    object: str
    rule: str
    verdict: Verdict
    seen: float | None
    allowed: str
    because: str

    @property
    def reason(self) -> dict[str, str]:
        """As the quarantine names it."""
        return {"field": DELIVERY, "rule": self.rule, "found": self.because, "allowed": self.allowed}


def before_reading(connection: Connection, rules: Sequence[BatchRule], batch: Batch) -> list[Finding]:
    """What volume, freshness and schema say of the batch, before a row of it is touched."""
    trails = _trails(connection, batch, max((rule.trailing_windows for rule in rules), default=0))
    return [
        finding
        for trail in trails
        for rule in rules
        if trail.object in rule.objects
        for finding in _before_reading(connection, rule, trail, batch)
    ]


def after_judging(connection: Connection, rules: Sequence[BatchRule], batch: Batch) -> list[Finding]:
    """What the share of rows that went to quarantine says of the batch."""
    asked = [rule for rule in rules if rule.rule == "bad_share"]
    if not asked:
        return []
    trails = _trails(connection, batch, max(rule.trailing_windows for rule in asked))
    shares = {
        (row.source, row.object): row for row in connection.execute(_SHARES, {"batch_id": batch.batch_id})
    }
    return [
        bad_share(rule, trail, batch, shares[key].bad, shares[key].rows)
        for trail in trails
        for rule in asked
        if (key := (trail.source, trail.object)) in shares and trail.object in rule.objects
    ]


def save(connection: Connection, batch: Batch, findings: Sequence[Finding]) -> None:
    """Keep the findings, in place of those that an earlier try of the run kept."""
    rows = [{"batch_id": batch.batch_id, **asdict(finding)} for finding in findings]
    if not rows:
        return
    statement = insert(quality_result)
    kept = {name: statement.excluded[name] for name in ("verdict", "seen", "allowed", "because")}
    key = ["batch_id", "source", "object", "rule"]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=kept), rows)


def kept(connection: Connection, batch_id: UUID) -> list[Finding]:
    """The findings that were saved of a batch, those that stop first."""
    return [Finding(*row) for row in connection.execute(_KEPT, {"batch_id": batch_id})]


_KEPT = sa.text("""
select source, object, rule, verdict, seen, allowed, because from quality_result
where batch_id = :batch_id
order by array_position(array['stop', 'warn', 'pass'], verdict), source, object, rule
""")


# --- the rules ------------------------------------------------------------------------------------


def volume(rule: BatchRule, trail: Trail, batch: Batch) -> Finding:
    """Rows of the last period against the median of the weeks before: a threshold of 4 is four times or a quarter."""
    earlier = trail.earlier[: rule.trailing_windows]
    usual = median(earlier) if earlier else 0
    count = trail.counts[0] if trail.counts else 0
    if not usual:
        return _finding(rule, trail, batch, None, 0.0, "nothing to compare with: no rows in the weeks before")
    ratio = count / usual
    excess = max(ratio, 1 / ratio) if ratio else float("inf")
    chance = abs(count - usual) <= _SIGMA * sqrt(usual)
    because = f"{count} rows, usually {usual:g}"
    return _finding(rule, trail, batch, ratio, 0.0 if chance else excess, because)


def freshness(rule: BatchRule, trail: Trail, batch: Batch) -> Finding:
    """Hours from the newest row to the end of the run."""
    if trail.newest is None:
        return _finding(rule, trail, batch, None, 0.0, "no row has a time")
    hours = (_end(batch) - trail.newest) / timedelta(hours=1)
    return _finding(
        rule, trail, batch, hours, hours, f"the newest row is of {trail.newest:%Y-%m-%d %H:%M} UTC"
    )


def schema(rule: BatchRule, trail: Trail, batch: Batch, gone: Sequence[str], new: Sequence[str]) -> Finding:
    """The number of columns that every earlier row had and no row has now, and of those never seen before."""
    parts = [f"{word}: {', '.join(names)}" for word, names in (("gone", gone), ("new", new)) if names]
    drift = float(len(gone) + len(new))
    return _finding(rule, trail, batch, drift, drift, "; ".join(parts) or "the columns are those of before")


def bad_share(rule: BatchRule, trail: Trail, batch: Batch, bad: int, rows: int) -> Finding:
    """The share of the batch's rows that are in quarantine, taken at the lower end of its interval."""
    because = f"{bad} of {rows} rows are in quarantine"
    return _finding(rule, trail, batch, bad / rows, _at_least(bad, rows), because)


def _before_reading(connection: Connection, rule: BatchRule, trail: Trail, batch: Batch) -> Iterator[Finding]:
    match rule.rule:
        case "volume":
            yield volume(rule, trail, batch)
        case "freshness":
            yield freshness(rule, trail, batch)
        case "schema":
            present = _columns(connection, _PRESENT, trail, batch)
            known = _columns(connection, _KNOWN, trail, batch)
            if present and known:
                gone = sorted(name for name, always in known.items() if always and name not in present)
                yield schema(rule, trail, batch, gone, sorted(present.keys() - known.keys()))


def _finding(
    rule: BatchRule, trail: Trail, batch: Batch, seen: float | None, excess: float, because: str
) -> Finding:
    verdict = _verdict(rule, excess, may_stop=batch.live and len(trail.earlier) >= FEWEST_WINDOWS)
    return Finding(trail.source, trail.object, rule.rule, verdict, seen, _allowed(rule), because)


def _verdict(rule: BatchRule, excess: float, *, may_stop: bool) -> Verdict:
    stop, warn = (threshold is not None and excess >= threshold for threshold in (rule.stop, rule.warn))
    if stop and may_stop:
        return "stop"
    return "warn" if stop or warn else "pass"


def _allowed(rule: BatchRule) -> str:
    limits = [("warn", rule.warn), ("stop", rule.stop)]
    return ", ".join(f"{verdict} at {limit:g}" for verdict, limit in limits if limit is not None)


def _at_least(bad: int, rows: int) -> float:
    """The lower end of the share's 95 % interval (Wilson's)."""
    share = bad / rows
    spread = _Z * sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return (share + _Z**2 / (2 * rows) - spread) / (1 + _Z**2 / rows)


# --- what the ledger knows ------------------------------------------------------------------------

_PAIRS: Final = """
    select source, object from delivery where batch_id = :batch_id and object <> 'file'
    union
    select distinct source, object from inbox where batch_id = :batch_id and object <> 'file'
"""

_TRAILS = sa.text(f"""
with pairs as ({_PAIRS}), known as (
    select p.source, p.object,
           (select min(source_time) from inbox i
            where i.source = p.source and i.object = p.object) as first,
           (select max(source_time) from inbox i
            where i.source = p.source and i.object = p.object and i.source_time < :end) as newest
    from pairs p
)
select k.source, k.object, k.newest, w.number,
       (select count(*) from inbox i
        where i.source = k.source and i.object = k.object
          and i.source_time >= w.start and i.source_time < w.start + cast(:period as interval)) as rows
from known k,
     lateral (select number, :end - cast(:period as interval) - number * cast(:step as interval) as start
              from generate_series(0, :windows) as number) as w
where w.number = 0 or w.start >= k.first
order by k.source, k.object, w.number
""")

_SHARES = sa.text(f"""
select i.source, i.object, count(*) as rows, count(*) filter (where q.state = 'open' and not ({HELD})) as bad
from inbox i left join quarantine q using (seq)
where i.batch_id = :batch_id
group by i.source, i.object
""")

_PRESENT = sa.text(f"""
select key, true as always
from (select payload from inbox
      where batch_id = :batch_id and source = :source and object = :object and record is not null
      limit {_SAMPLE}) as rows, jsonb_object_keys(payload) as key
group by key
""")

_KNOWN = sa.text(f"""
with rows as (
    select payload from inbox
    where source = :source and object = :object and source_time < :start and record is not null
      and batch_id is distinct from :batch_id
    order by source_time desc
    limit {_SAMPLE}
)
select key, count(*) = (select count(*) from rows) as always
from rows, jsonb_object_keys(payload) as key
group by key
""")


def _end(batch: Batch) -> datetime:
    return batch.window_end or batch.as_of


def _trails(connection: Connection, batch: Batch, windows: int) -> list[Trail]:
    window = _end(batch) - (batch.window_start or _end(batch))
    period = max(window, _SHORTEST_PERIOD)
    asked = {
        "batch_id": batch.batch_id,
        "end": _end(batch),
        "period": period,
        "step": max(period, _WEEK),
        "windows": windows,
    }
    return _grouped(connection.execute(_TRAILS, asked).all())


def _grouped(rows: Sequence[Any]) -> list[Trail]:
    counts: dict[tuple[str, str, datetime | None], list[int]] = {}
    for row in rows:
        counts.setdefault((row.source, row.object, row.newest), []).append(row.rows)
    return [Trail(source, object, tuple(found), newest) for (source, object, newest), found in counts.items()]


def _columns(connection: Connection, statement: sa.TextClause, trail: Trail, batch: Batch) -> dict[str, bool]:
    start = batch.window_start or batch.as_of
    asked = {"batch_id": batch.batch_id, "source": trail.source, "object": trail.object, "start": start}
    parameters = {name: asked[name] for name in statement.compile().params}
    return {row.key: row.always for row in connection.execute(statement, parameters)}
