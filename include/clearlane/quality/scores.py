"""How good is what each source sends: a score of 0 to 100 over some days, and what costs it points, in words.

Lost are up to 40 points for records in quarantine, 20 for values that were emptied, 20 for what rules of fit would
like to know and is missing, and 20 for what is not as in the weeks before. Reads quality_profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.quality import deviations, profiles
from clearlane.quality.days import WEEKS, Day
from clearlane.quality.deviations import Deviation

QUARANTINED: Final = (40.0, 4.0)
EMPTIED: Final = (20.0, 4.0)
MISSING: Final = (20.0, 0.2)
UNUSUAL: Final = (20.0, 5.0)
"""the most points that it costs, and the points for each percent (of the last: for each figure)"""


@dataclass(frozen=True)
class Cost:
    points: float
    because: str


@dataclass(frozen=True)
class Score:
    """Of one source from `since` to `until`, both included. Points: 100 less all costs, and never less than 0."""

    source: str
    since: date
    until: date
    records: int
    points: int
    costs: tuple[Cost, ...]
    deviations: tuple[Deviation, ...]
    judged: bool
    """whether enough days are known to say what is usual"""

    @property
    def reasons(self) -> Sequence[str]:
        """What costs at least a point, most first: `6 for 1.5% of its records in quarantine`."""
        return [f"{one.points:.0f} for {one.because}" for one in self.costs if round(one.points)]

    @property
    def why(self) -> str:
        return "; ".join(self.reasons)


def scores(connection: Connection, policy: Policy, since: date, until: date) -> Sequence[Score]:
    """The score of each source that days are known of; the sources by name."""
    days = profiles.known(connection, since - timedelta(weeks=WEEKS), until)
    sources = sorted({day.source for day in days if day.day >= since})
    return [
        score([day for day in days if day.source == source], wanted(policy), since, until)
        for source in sources
    ]


def score(days: Sequence[Day], asked: frozenset[str], since: date, until: date) -> Score:
    """The score of one source by its days from `since` to `until` and those before; `asked`: fields that rules read."""
    told = [day for day in days if since <= day.day <= until]
    unusual = [one for each in _by_day(told) for one in deviations.deviations(each, days)]
    costs = sorted(_costs(told, asked, unusual), key=lambda one: -one.points)
    points = round(max(0.0, 100 - sum(one.points for one in costs)))
    judged = bool(told) and any(deviations.known_enough(day, days) for day in told)
    return Score(
        told[0].source if told else "",
        since,
        until,
        sum(day.rows for day in told),
        points,
        tuple(costs),
        tuple(unusual),
        judged,
    )


def wanted(policy: Policy) -> frozenset[str]:
    """The fields of leads that rules of fit read and that a source may fill."""
    named = {field.name for field in policy.contract.objects["leads"].fields} if _has_leads(policy) else set()
    conditions = [rule.when for rule in policy.scoring.rules if rule.group == "fit" and rule.when]
    return frozenset(name for one in conditions for name in one.columns if name in named)


def _has_leads(policy: Policy) -> bool:
    return "leads" in policy.contract.objects


def _by_day(days: Sequence[Day]) -> Iterator[Sequence[Day]]:
    for at in sorted({day.day for day in days}):
        yield [day for day in days if day.day == at]


# --- what costs points ----------------------------------------------------------------------------


def _costs(days: Sequence[Day], asked: frozenset[str], unusual: Sequence[Deviation]) -> Iterator[Cost]:
    rows, bad = sum(day.rows for day in days), sum(day.quarantined for day in days)
    if bad:
        yield _cost(QUARANTINED, 100 * bad / rows, f"{_percent(bad / rows)} of its records in quarantine")
    fields = [one for day in days for one in day.fields.values()]
    emptied, filled = sum(one.emptied for one in fields), sum(one.filled for one in fields)
    if emptied:
        share = emptied / (emptied + filled)
        yield _cost(EMPTIED, 100 * share, f"{_percent(share)} of its values emptied as unusable")
    yield from _missing(days, asked)
    figures = dict.fromkeys((one.object, one.field, one.what) for one in unusual)
    if figures:
        names = ", ".join(dict.fromkeys(_named(one) for one in unusual))
        yield _cost(UNUSUAL, len(figures), f"what is not as usual: {names}")


def _missing(days: Sequence[Day], asked: frozenset[str]) -> Iterator[Cost]:
    leads = [day for day in days if day.object == "leads" and day.looked]
    looked = sum(day.looked for day in leads)
    shares = {
        name: 1 - sum(day.fields[name].filled for day in leads if name in day.fields) / looked
        for name in sorted(asked)
        if looked
    }
    gaps = sorted((name for name, share in shares.items() if share > 0), key=lambda name: -shares[name])
    if gaps:
        most = ", ".join(f"{name} {_percent(shares[name])}" for name in gaps[:3])
        mean = sum(shares.values()) / len(shares)
        yield _cost(MISSING, 100 * mean, f"what rules of fit would like to know, missing most: {most}")


def _cost(rate: tuple[float, float], amount: float, because: str) -> Cost:
    most, each = rate
    return Cost(min(most, each * amount), because)


def _named(one: Deviation) -> str:
    return " ".join(filter(None, (one.object, one.field, one.what)))


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


# --- as a person reads it ---------------------------------------------------------------------------


def sentence(one: Deviation) -> str:
    """`2026-03-02 leads company: missing in 34% of the records, usually in 6%`."""
    return f"{one.day} {' '.join(filter(None, (one.object, one.field)))}: {one.because}"


def tables(found: Sequence[Score], days: Sequence[Day]) -> Sequence[Table]:
    """A table of all sources, then one for each source: its objects, and what is not as usual."""
    whole = _table("Quality by source", ("source", "records", "score", "points lost"))
    for one in found:
        whole.add_row(*map(Text, (one.source, f"{one.records:,}", str(one.points), one.why)))
    return [whole, *(table for one in found for table in _of_source(one, days))]


def _of_source(one: Score, days: Sequence[Day]) -> Iterator[Table]:
    fields = _table(one.source, ("object", "field", "records", "missing", "unusable", "different"))
    for name in sorted({day.object for day in days if day.source == one.source}):
        told = [day for day in days if (day.source, day.object) == (one.source, name)]
        for cells in _rows(told, one.since):
            fields.add_row(*map(Text, (name, *cells)))
    yield fields
    unusual = _table(f"{one.source}: not as usual", ("what",))
    for deviation in one.deviations:
        unusual.add_row(Text(sentence(deviation)))
    if not one.judged:
        unusual.add_row(
            Text(f"not judged yet: {deviations.ALL_DAYS} days before are needed to know what is usual")
        )
    if unusual.row_count:
        yield unusual


def _rows(days: Sequence[Day], since: date) -> Iterator[tuple[str, ...]]:
    told = [day for day in days if day.day >= since]
    rows, bad = sum(day.rows for day in told), sum(day.quarantined for day in told)
    if rows:
        yield "", f"{rows:,}", "", f"{_percent(bad / rows)} in quarantine", ""
    for name in sorted({name for day in told for name in day.fields}):
        figures = [day.fields[name] for day in told if name in day.fields]
        looked = sum(day.looked for day in told)
        filled, emptied = sum(one.filled for one in figures), sum(one.emptied for one in figures)
        missing = _percent((looked - filled - emptied) / looked)
        yield (
            name,
            f"{looked:,}",
            missing,
            _percent(emptied / looked),
            f"{max(one.distinct for one in figures):,} a day",
        )


def _table(title: str, heads: Sequence[str]) -> Table:
    return Table(*heads, title=title, title_justify="left", box=None)


def as_json(one: Score) -> dict[str, Any]:
    """The score as JSON values; days ISO 8601."""
    return {
        "source": one.source, "since": one.since.isoformat(), "until": one.until.isoformat(),
        "records": one.records, "score": one.points, "judged": one.judged,
        "costs": [vars(cost) for cost in one.costs],
        "deviations": [deviations.as_json(deviation) for deviation in one.deviations],
    }  # fmt: skip
