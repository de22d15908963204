"""The scorer again, slow and obvious: one lead at a time, in exact decimal arithmetic where points are summed.

It shares no code with the SQL. Conditions come as pairs of a text and a Python function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Condition:
    text: str
    holds: Callable[[Row], bool]


@dataclass(frozen=True)
class PlainRule:
    """What a rule says, in words of its own."""

    id: str
    group: str
    points: float
    condition: Condition | None = None
    types: tuple[str, ...] = ()
    activity_condition: Condition | None = None
    half_life_days: float | None = None
    counting: str = "every"
    at_most: int | None = None
    window_days: int | None = None
    cap: float | None = None


def contribution(rule: PlainRule, lead: Row, happened: Sequence[Row], as_of: datetime) -> float:
    if rule.condition is not None and not rule.condition.holds(lead):
        return 0.0
    worth = rule.points * (count(rule, happened, as_of) if rule.types else 1)
    return worth if rule.cap is None else max(-rule.cap, min(rule.cap, worth))


def count(rule: PlainRule, happened: Sequence[Row], as_of: datetime) -> float:
    moments = sorted(a["occurred_at"] for a in happened if counts(rule, a, as_of))
    if rule.counting == "first":
        moments = moments[:1]
    elif rule.counting == "per_day":
        moments = list({moment.astimezone(UTC).date(): moment for moment in reversed(moments)}.values())
        moments.sort()
    if rule.counting != "first" and rule.at_most is not None:
        moments = limited(moments, rule.at_most, rule.window_days)
    return sum(weight(as_of - moment, rule.half_life_days) for moment in moments)


def counts(rule: PlainRule, activity: Row, as_of: datetime) -> bool:
    if activity["type"] not in rule.types or activity["occurred_at"] >= as_of:
        return False
    return rule.activity_condition is None or rule.activity_condition.holds(activity["attributes"])


def limited(moments: Sequence[datetime], at_most: int, window_days: int | None) -> list[datetime]:
    seen: dict[int, int] = {}
    kept = []
    for moment in moments:
        window = 0 if window_days is None else (moment - _EPOCH).days // window_days
        seen[window] = seen.get(window, 0) + 1
        if seen[window] <= at_most:
            kept.append(moment)
    return kept


def weight(age: timedelta, half_life_days: float | None) -> float:
    return 1.0 if half_life_days is None else 0.5 ** (age / timedelta(days=half_life_days))


def group_total(
    contributions: dict[str, float], rules: Sequence[PlainRule], group: str, bounds: tuple[float, float]
) -> Decimal:
    """The group's sum within its bounds, from contributions as shown."""
    total = sum(
        (Decimal(str(contributions.get(rule.id, 0))) for rule in rules if rule.group == group), Decimal(0)
    )
    return max(Decimal(str(bounds[0])), min(Decimal(str(bounds[1])), total))


def shown(total: Decimal, disqualified: bool) -> int:
    if disqualified:
        return 0
    return max(1, min(100, int((total + Decimal("0.5")).to_integral_value("ROUND_FLOOR"))))
