"""Does a day of a source look like the weeks before? Volume, gaps, unusable values, variety, distribution.

Each figure is put on a scale on which chance has variance 1 (Anscombe's roots and arcsines, Wilson and Hilferty's
cube root), compared with the median of the same weekday, by the median deviation of all days before. So many figures
are looked at in a day that each is told of only beyond what `FALSE_ALARMS` allows them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import dropwhile
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clearlane.quality.days import WEEKS, Day, FieldFigures

SAME_WEEKDAYS: Final = 4
ALL_DAYS: Final = 28
"""fewer days of the same weekday, or of any, are too few to judge by"""
FALSE_ALARMS: Final = 0.0025
"""share of steady days of a source on which anything is told of; promised is 1 %, for days are not all alike"""
FEWEST: Final = 30
"""records or values, below which a share says little"""

What = Literal["volume", "quarantined", "missing", "emptied", "variety", "spread"]
Numbers = NDArray[np.float64]

LEAST: Final[Mapping[What, float]] = {
    "volume": 1.5,  # times, or a part of it
    "quarantined": 0.02,
    "missing": 0.05,
    "emptied": 0.02,
    "variety": 0.2,  # of log(distinct) / log(values)
    "spread": 0.2,  # population stability index: from 0.2 on a shift is called significant
}
"""changes that matter: smaller ones are not told of, however sure"""
_RARE: Final = 0.01  # kinds of values with a smaller share are put together


@dataclass(frozen=True)
class Deviation:
    """One figure that is not as usual; `seen` and `usual` in the figure's own unit, `z` in deviations."""

    day: date
    source: str
    object: str
    field: str
    what: What
    seen: float
    usual: float
    z: float
    because: str


@dataclass(frozen=True)
class _Series:
    """One figure of the day (first) and of the `days` before: on the scale of chance, in its own unit, in words.

    `noise`: the standard deviation that chance alone gives each. `sides`: +1 told when more, 0 also when less.
    """

    days: Sequence[date]
    field: str
    what: What
    scaled: Numbers
    noise: Numbers
    plain: Numbers
    sides: int
    matters: bool
    words: str

    @property
    def usual(self) -> float:
        return _usual(self.plain, self.days)


def deviations(days: Sequence[Day], before: Sequence[Day]) -> list[Deviation]:
    """What is not as usual on one day of a source, the surest first; `days` and `before` hold its objects' days.

    Compared are the WEEKS before, in whatever order; an object of which too few days are known is not judged.
    """
    found = [(one, series) for one in days for series in _series(one, _objects(one, before))]
    told = [
        Deviation(one.day, one.source, one.object, series.field, series.what,
                  float(series.plain[0]), series.usual, z, series.words)
        for one, series in found
        if series.matters
        if (z := _z(series)) * (series.sides or np.sign(z)) > bound(len(found), len(series.days) - 1)
    ]  # fmt: skip
    return sorted(told, key=lambda one: -abs(one.z))


@lru_cache(maxsize=4096)
def bound(figures: int, days: int) -> float:
    """The deviations beyond which one of so many figures is told of, known from so many days."""
    free = max(3.0, _EFFICIENCY * (days - 7))
    return float(stats.t.ppf(1 - FALSE_ALARMS / 2 / max(figures, 1), free))


_EFFICIENCY: Final = 0.37  # of the median deviation, against the standard deviation


def known_enough(day: Day, before: Sequence[Day]) -> bool:
    """Whether enough days are known to say what is usual for the object on that day."""
    return _enough([day.day, *(one.day for one in _objects(day, before))])


def _objects(day: Day, before: Sequence[Day]) -> list[Day]:
    since = day.day - timedelta(weeks=WEEKS)
    same = [one for one in before if (one.source, one.object) == (day.source, day.object)]
    known = sorted((one for one in same if since <= one.day < day.day), key=lambda one: one.day)
    return list(dropwhile(lambda one: not one.rows, known))


def _weekdays(days: Sequence[date]) -> NDArray[np.int_]:
    return np.array([day.weekday() for day in days])


def _enough(days: Sequence[date]) -> bool:
    """Whether a day (the first) can be judged by the others."""
    return len(days) > ALL_DAYS and (_weekdays(days) == days[0].weekday()).sum() > SAME_WEEKDAYS


def _z(series: _Series) -> float:
    """How far the day lies from its weekday's median, by the spread of all days around theirs."""
    past, weekdays = series.scaled[1:], _weekdays(series.days)
    medians = {day: np.median(past[weekdays[1:] == day]) for day in set(weekdays[1:])}
    around = past - np.array([medians[day] for day in weekdays[1:]])
    # The median of so few weeks is itself not sure: pi / 2 of the variance of a mean.
    unsure = np.sqrt(1 + np.pi / 2 / (weekdays[1:] == weekdays[0]).sum())
    return float((series.scaled[0] - medians[weekdays[0]]) / (_noise(series.noise, around) * unsure))


def _noise(noise: Numbers, around: Numbers) -> float:
    """By how much days differ: by a multiple of chance or by an amount beyond it, whichever is more."""
    times = max(1.0, _spread(around / noise[1:])) * noise[0]
    more = max(0.0, _spread(around) ** 2 - float(np.median(noise[1:] ** 2)))
    return float(max(times, np.sqrt(noise[0] ** 2 + more)))


def _spread(residuals: Numbers) -> float:
    """1.4826 times the median deviation; each weekday's own median has taken its part of the freedom."""
    used = np.sqrt(len(residuals) / max(len(residuals) - 7, 1))
    return float(1.4826 * np.median(np.abs(residuals)) * used)


# --- the figures ----------------------------------------------------------------------------------


def _series(day: Day, known: Sequence[Day]) -> Iterator[_Series]:
    days = [day, *known]
    if not _enough([one.day for one in days]):
        return
    yield _volume(days)
    yield from _share("", "quarantined", days, [one.quarantined for one in days], [one.rows for one in days])
    for name in sorted({name for one in days for name in one.fields}):
        # A field that a mapping has only just been given has no past.
        since = [day, *dropwhile(lambda one: name not in one.fields, known)]  # noqa: B023  # used up at once
        yield from _of_field(
            name, since, [one.fields.get(name) or FieldFigures(one.looked, 0) for one in since]
        )


def _of_field(name: str, days: Sequence[Day], fields: Sequence[FieldFigures]) -> Iterator[_Series]:
    looked = [one.looked for one in fields]
    yield from _share(name, "missing", days, [one.missing for one in fields], looked)
    yield from _share(name, "emptied", days, [one.emptied for one in fields], looked)
    told = _with_enough(days, [one.filled for one in fields])
    if told:
        yield _variety(name, [days[i].day for i in told], [fields[i] for i in told])
        yield from _values(name, [days[i].day for i in told], [fields[i] for i in told])


def _with_enough(days: Sequence[Day], counts: Sequence[int]) -> list[int]:
    """The days that have enough to tell a share by; none where the day itself or its past has not."""
    enough = [i for i, count in enumerate(counts) if count >= FEWEST]
    return enough if enough[:1] == [0] and _enough([days[i].day for i in enough]) else []


def _volume(days: Sequence[Day]) -> _Series:
    rows = np.array([one.rows for one in days], float)
    usual = _usual(rows, [one.day for one in days])
    ratio = (rows[0] + 1) / (usual + 1)
    words = f"{rows[0]:,.0f} records, usually about {usual:,.0f} on a {days[0].day:%A}"
    matters = bool(max(ratio, 1 / ratio) >= LEAST["volume"])
    return _Series(
        [one.day for one in days],
        "",
        "volume",
        2 * np.sqrt(rows + 3 / 8),
        np.ones(len(rows)),
        rows,
        0,
        matters,
        words,
    )


_SHARES: Final[Mapping[What, str]] = {
    "quarantined": "{seen} of the records went to quarantine, usually {usual}",
    "missing": "missing in {seen} of the records, usually in {usual}",
    "emptied": "unusable and emptied in {seen} of the records, usually in {usual}",
}


def _share(
    name: str, what: What, days: Sequence[Day], counts: Sequence[int], of: Sequence[int]
) -> Iterator[_Series]:
    """A share, where the day and half of those of its weekday have records enough."""
    kept = _with_enough(days, of)
    if not kept:
        return
    dates, count, total = [days[i].day for i in kept], _numbers(counts, kept), _numbers(of, kept)
    share = count / total
    usual = _usual(share, dates)
    words = _SHARES[what].format(seen=f"{share[0]:.0%}", usual=f"{usual:.0%}")
    scaled = np.arcsin(np.sqrt((count + 3 / 8) / (total + 3 / 4)))
    sides = 0 if what == "missing" else 1
    matters = bool(abs(share[0] - usual) >= LEAST[what])
    yield _Series(dates, name, what, scaled, 1 / np.sqrt(4 * total + 2), share, sides, matters, words)


def _numbers(counts: Sequence[int], kept: Sequence[int]) -> Numbers:
    return np.array([counts[i] for i in kept], float)


def _variety(name: str, days: Sequence[date], fields: Sequence[FieldFigures]) -> _Series:
    """How many different values so many values have, on a scale from all the same (0) to all different (1)."""
    filled = np.array([one.filled for one in fields], float)
    distinct = np.maximum(np.array([one.distinct for one in fields], float), 1)
    scaled = np.log(distinct) / np.log(filled)
    usual = _usual(scaled, days)
    words = (
        f"{distinct[0]:,.0f} different values in {filled[0]:,.0f}, usually about {filled[0] ** usual:,.0f}"
    )
    noise = 1 / (np.maximum(_usual(distinct, days), 1) * np.log(filled))  # one kind more or less
    matters = bool(abs(scaled[0] - usual) >= LEAST["variety"])
    return _Series(days, name, "variety", scaled, noise, distinct, 0, matters, words)


def _values(name: str, days: Sequence[date], fields: Sequence[FieldFigures]) -> Iterator[_Series]:
    """The population stability index against the usual shares, less what chance gives so few values."""
    kinds = sorted({kind for one in fields for kind in one.shape})
    counts = np.array([[one.shape.get(kind, 0) for kind in kinds] for one in fields], float)
    if len(kinds) < 2 or not counts.sum(axis=1).all():
        return
    counts = _common(counts)
    free = counts.shape[1] - 1
    if free < 1:
        return
    index, each = _stability(counts), 1 / counts.sum(axis=1) + 1 / counts[1:].sum()
    scaled = _normal(index / (free * each), free)
    words = (
        f"its values are spread otherwise: stability index {index[0]:.2f}, usually {_usual(index, days):.2f}"
    )
    matters = bool(index[0] - free * each[0] >= LEAST["spread"])
    yield _Series(
        days, name, "spread", scaled, np.ones(len(days)), index, 1, matters, words + _middle(days, fields)
    )


def _common(counts: Numbers) -> Numbers:
    """The counts of kinds that are common on the day or before, and of all the others together."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    rare = np.maximum(np.median(shares[1:], axis=0), shares[0]) < _RARE
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)]) if rare.any() else counts


def _stability(counts: Numbers) -> Numbers:
    """Of each day against the median shares of the days before."""
    shares = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    usual = np.median(shares[1:], axis=0)
    usual = usual / usual.sum()
    return np.asarray(((shares - usual) * np.log(shares / usual)).sum(axis=1))


def _normal(ratio: Numbers, free: int) -> Numbers:
    """Chi-squared over its degrees of freedom as about normal: Wilson and Hilferty's cube root."""
    each = 2 / (9 * free)
    return np.asarray((np.cbrt(ratio) - (1 - each)) / np.sqrt(each))


def _middle(days: Sequence[date], fields: Sequence[FieldFigures]) -> str:
    if not all(one.quantiles for one in fields):
        return ""
    medians = np.array([one.quantiles[len(one.quantiles) // 2] for one in fields])
    return f"; half are below {medians[0]:,.6g}, usually {_usual(medians, days):,.6g}"


def _usual(figure: Numbers, days: Sequence[date]) -> float:
    """The median of the same weekday in the weeks before."""
    return float(np.median(figure[1:][_weekdays(days)[1:] == days[0].weekday()]))


def as_json(one: Deviation) -> dict[str, Any]:
    """The deviation as JSON values."""
    return {**vars(one), "day": one.day.isoformat()}
