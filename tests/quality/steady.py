"""A year of a source in which nothing is wrong: weekdays, busy and quiet days, growth, and chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from clearlane.quality.days import Day, FieldFigures

FIRST = date(2025, 3, 3)
WEEKDAYS = np.array([1.2, 1.1, 1.0, 1.0, 0.9, 0.3, 0.25])
SHARES = {"company": 0.06, "phone": 0.35, "title": 0.15, "country": 0.02}
COUNTRIES = np.array([0.31, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02])


def year(seed: int, size: int, days: int = 365, unrest: float = 0.1) -> list[Day]:
    """`size` records on an ordinary day. `unrest`: by how much days differ beyond chance; volume, gaps, mix."""
    chance = np.random.default_rng(seed)
    return list(_days(chance, size, days, unrest))


def _days(chance: np.random.Generator, size: int, days: int, unrest: float) -> Iterator[Day]:
    for number in range(days):
        at = FIRST + timedelta(days=number)
        growth = 1.0 + number / 1000
        mean = size * WEEKDAYS[at.weekday()] * growth * np.exp(chance.normal(0, unrest))
        rows = int(chance.poisson(mean))
        quarantined = int(chance.binomial(rows, _drawn(chance, 0.015, unrest)))
        looked = rows - quarantined
        fields = dict(_fields(chance, looked, unrest))
        yield Day(
            at, "crm", "leads", rows, quarantined, looked, {k: v for k, v in fields.items() if v.filled}
        )


def _drawn(chance: np.random.Generator, share: float, unrest: float) -> float:
    return float(min(share * np.exp(chance.normal(0, unrest)), 0.99))


def _fields(chance: np.random.Generator, looked: int, unrest: float) -> Iterator[tuple[str, FieldFigures]]:
    yield "email", FieldFigures(looked, looked, 0, looked, _hashed(chance, looked))
    for name, share in SHARES.items():
        missing = int(chance.binomial(looked, _drawn(chance, share, unrest)))
        emptied = int(chance.binomial(looked - missing, _drawn(chance, 0.01, unrest)))
        filled = looked - missing - emptied
        kinds = _mix(chance, filled, unrest) if name == "country" else _hashed(chance, filled)
        distinct = len(kinds) if name == "country" else int(filled * 0.9)
        yield name, FieldFigures(looked, filled, emptied, distinct, kinds)
    sizes = np.exp(chance.normal(5 + chance.normal(0, unrest / 2), 1.5, looked))
    shape = Counter(f"n{round(2 * np.log2(one))}" for one in sizes)
    middle = tuple(np.quantile(sizes, [0.05, 0.25, 0.5, 0.75, 0.95])) if looked else ()
    yield "employees", FieldFigures(looked, looked, 0, len(set(np.round(sizes))), shape, middle)


def _hashed(chance: np.random.Generator, count: int) -> dict[str, int]:
    return {f"h{i}": int(n) for i, n in enumerate(chance.multinomial(count, np.full(16, 1 / 16))) if n}


def _mix(chance: np.random.Generator, count: int, unrest: float) -> dict[str, int]:
    weights = COUNTRIES * np.exp(chance.normal(0, unrest, len(COUNTRIES)))
    return {f"h{i}": int(n) for i, n in enumerate(chance.multinomial(count, weights / weights.sum())) if n}


def changed(day: Day, name: str, **figures: object) -> Day:
    """The day with other figures of one field."""
    return replace(day, fields={**day.fields, name: replace(day.fields[name], **figures)})  # type: ignore[arg-type]
