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
    bounds: tuple[float, float] | None = None


def contribution(rule: PlainRule, lead: Row, happened: Sequence[Row], as_of: datetime) -> float:
    if rule.condition is not None and not rule.condition.holds(lead):
        return 0.0
    return bounded(rule, rule.points * (count(rule, happened, as_of) if rule.types else 1))


def bounded(rule: PlainRule, worth: float) -> float:
    cap = 1e9 if rule.cap is None else rule.cap
    low, high = rule.bounds or (-cap, cap)
    return max(low, min(high, worth))


def count(rule: PlainRule, happened: Sequence[Row], as_of: datetime) -> float:
    return sum(
        weight(as_of - moment, rule.half_life_days) for moment in counted_moments(rule, happened, as_of)
    )


def counted_moments(rule: PlainRule, happened: Sequence[Row], as_of: datetime) -> list[datetime]:
    moments = sorted(a["occurred_at"] for a in happened if counts(rule, a, as_of))
    if rule.counting == "first":
        return moments[:1]
    if rule.counting == "per_day":
        moments = list({moment.astimezone(UTC).date(): moment for moment in reversed(moments)}.values())
        moments.sort()
    return moments if rule.at_most is None else limited(moments, rule.at_most, rule.window_days)


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


# --- the whole model ------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlainMeasure:
    name: str
    types: tuple[str, ...]
    condition: Condition | None = None
    count: str = "events"
    within_days: int | None = None


@dataclass(frozen=True)
class PlainModel:
    """A model and what it shares with its variants, in words of its own."""

    name: str
    rules: tuple[PlainRule, ...]
    group_bounds: dict[str, tuple[float, float]]
    range: tuple[int, int]
    bands: tuple[tuple[str, float, float, timedelta], ...]
    """(name, entry, exit, dwell), hottest first"""
    stages: tuple[tuple[str, Condition], ...] = ()
    disqualifiers: tuple[tuple[str, Condition], ...] = ()
    measures: tuple[PlainMeasure, ...] = ()
    hand_raise_types: tuple[str, ...] = ()
    hand_raise_days: float = 30.0
    recycled_share: float | None = None
    """share of earlier engagement that counts in a new cycle; None: there are no cycles"""
    engaged_at: float = 10.0
    rollup_half_life_days: float = 30.0
    variants: tuple[tuple[Condition, PlainModel], ...] = ()


@dataclass(frozen=True)
class Person:
    """One lead of a batch: what is given of it, what it did before as_of, and the model in force for it."""

    given: Row
    facts: Row
    happened: tuple[Row, ...]
    model: PlainModel


def scored(model: PlainModel, leads: Sequence[Row], activities: Sequence[Row]) -> dict[str, Row]:
    """Lead id -> what it scores, of those that are no mere colleagues."""
    if model.recycled_share is None:  # then nobody ever began a new cycle
        leads = [{**lead, "cycle_since": None} for lead in leads]
    people = [person(model, lead, activities) for lead in leads]
    return {
        each.given["lead_id"]: judged(model, each, account(model, each, people))
        for each in people
        if each.given["own"]
    }


def person(model: PlainModel, lead: Row, activities: Sequence[Row]) -> Person:
    as_of, since = lead["as_of"], lead["cycle_since"]
    happened = tuple(a for a in activities if a["lead_id"] == lead["lead_id"] and a["occurred_at"] < as_of)
    facts = {**lead["attributes"], **{name: lead[name] for name in ("as_of", "kind", "source")}}
    in_force = next((variant for when, variant in model.variants if when.holds(facts)), model)
    present = [a for a in happened if since is None or a["occurred_at"] >= since]
    facts |= {m.name: measured(m, present, as_of) for m in model.measures}
    return Person(lead, facts, happened, in_force)


def measured(measure: PlainMeasure, happened: Sequence[Row], as_of: datetime) -> float | None:
    last_day = (as_of - timedelta(microseconds=1)).date()
    moments = [
        a["occurred_at"]
        for a in happened
        if a["type"] in measure.types
        and (measure.condition is None or measure.condition.holds(a["attributes"]))
    ]
    if measure.within_days is not None:
        moments = [m for m in moments if (last_day - m.astimezone(UTC).date()).days < measure.within_days]
    if measure.count == "days_since":
        return (as_of - max(moments)) / timedelta(days=1) if moments else None
    return float(len({m.astimezone(UTC).date() for m in moments} if measure.count == "days" else moments))


def asks_account(rule: PlainRule) -> bool:
    return rule.condition is not None and "account_" in rule.condition.text


def groups(
    model: PlainModel, each: Person, facts: Row, *, without_account: bool = False
) -> tuple[dict[str, float], dict[str, float]]:
    """Contributions by rule, and the groups within their bounds."""
    rules = [r for r in each.model.rules if not (without_account and asks_account(r))]
    points = {rule.id: recycled_contribution(model, rule, each, facts) for rule in rules}
    sums = {
        group: max(low, min(high, sum(points[r.id] for r in rules if r.group == group)))
        for group, (low, high) in each.model.group_bounds.items()
    }
    return points, sums


def recycled_contribution(model: PlainModel, rule: PlainRule, each: Person, facts: Row) -> float:
    """A contribution in which engagement from before the cycle counts its share."""
    as_of, since = each.given["as_of"], each.given["cycle_since"]
    share = model.recycled_share
    if since is None or share in (None, 1) or rule.group != "engagement" or not rule.types:
        return contribution(rule, facts, each.happened, as_of)
    if share == 0:
        return contribution(rule, facts, [a for a in each.happened if a["occurred_at"] >= since], as_of)
    if rule.condition is not None and not rule.condition.holds(facts):
        return 0.0
    kept = counted_moments(rule, each.happened, as_of)
    weights = (weight(as_of - m, rule.half_life_days) * (1 if m >= since else share) for m in kept)
    return bounded(rule, rule.points * sum(weights))


def account(model: PlainModel, each: Person, people: Sequence[Person]) -> Row:
    """What the other people of the account come to."""
    others = [
        other for other in people
        if other is not each and each.given["account_id"] and other.given["account_id"] == each.given["account_id"]
    ]  # fmt: skip
    worth, left, engaged = [], [], 0
    for other in others:
        if any(when.holds(other.facts) for _, when in model.disqualifiers if "account_" not in when.text):
            worth.append(0.0)
            continue
        _, sums = groups(model, other, other.facts, without_account=True)
        low, high = other.model.range
        worth.append(max(low, min(high, sum(sums.values()))))
        engaged += sums["engagement"] >= model.engaged_at
        moments = [a["occurred_at"] for a in other.happened if counted_times(model, a)]
        if moments:
            left.append(worth[-1] * weight(other.given["as_of"] - max(moments), model.rollup_half_life_days))
    return {
        "account_best": max(worth, default=0.0), "account_sum": sum(worth), "account_decayed": sum(left),
        "account_engaged": float(engaged),
    }  # fmt: skip


def judged(model: PlainModel, each: Person, of_account: Row) -> Row:
    facts = {**each.facts, **of_account}
    points, sums = groups(model, each, facts)
    disqualified = next((id for id, when in model.disqualifiers if when.holds(facts)), None)
    raised_at = raised(model, each)
    shown_score = score_shown(each, sum(sums.values()), disqualified)
    standing = {
        **sums, "total": sum(sums.values()), "score": shown_score,
        "band": band(each, shown_score, disqualified), "hand_raise": raised_at is not None,
    }  # fmt: skip
    reached = stage_reached(model, each, {**facts, **standing}, disqualified)
    return {
        **standing, "contributions": points, "disqualified": disqualified, "reached": reached, "account": of_account,
        "model": each.model.name, "counted": sum(counted_times(model, a) for a in each.happened),
    }  # fmt: skip


def counted_times(model: PlainModel, activity: Row) -> int:
    """How many ways of counting an activity meets: equal ones are one, unless a cycle ends one of them."""
    ways = {
        (r.types, r.activity_condition, r.half_life_days, r.counting, r.at_most, r.window_days,
         model.recycled_share is None or r.group != "engagement")
        for each in (model, *(variant for _, variant in model.variants))
        for r in each.rules
        if r.types
    }  # fmt: skip
    asked = [way[:2] for way in ways] + [(m.types, m.condition) for m in model.measures]
    asked += [(model.hand_raise_types, None)]
    return sum(
        activity["type"] in types and (when is None or when.holds(activity["attributes"]))
        for types, when in asked
    )


def raised(model: PlainModel, each: Person) -> datetime | None:
    as_of, since = each.given["as_of"], each.given["cycle_since"]
    oldest = as_of - timedelta(days=model.hand_raise_days)
    moments = [
        a["occurred_at"] for a in each.happened
        if a["type"] in model.hand_raise_types and a["occurred_at"] >= max(oldest, since or oldest)
    ]  # fmt: skip
    return min(moments, default=None)


def score_shown(each: Person, total: float, disqualified: str | None) -> int:
    low, high = each.model.range
    if disqualified:
        return low
    said = each.given["override_score"]
    exact = Decimal(repr(round(total, 6))) + Decimal("0.5") if said is None else Decimal(said)
    return max(min(max(low, 1), high), min(high, int(exact.to_integral_value("ROUND_FLOOR"))))


def band(each: Person, score: int, disqualified: str | None) -> str:
    bands, known = each.model.bands, each.given
    names = [name for name, *_ in bands]
    if disqualified:
        return names[-1]
    if known["override_band"] in names:
        return str(known["override_band"])
    entry = next((i for i, (_, enter, *_) in enumerate(bands) if score >= enter), len(bands) - 1)
    before = names.index(known["band_before"]) if known["band_before"] in names else None
    if known["override_score"] is not None or before is None or entry <= before:
        return names[entry]
    if known["band_since"] is not None and known["as_of"] - known["band_since"] < bands[before][3]:
        return names[before]
    held = next((i for i, (_, _, leave, _) in enumerate(bands) if score >= leave), len(bands) - 1)
    return names[min(entry, max(held, before))]


def stage_reached(model: PlainModel, each: Person, facts: Row, disqualified: str | None) -> str:
    if disqualified:
        return "disqualified"
    since, rests_until = each.given["cycle_since"], each.given["quiet_until"]
    if model.recycled_share is not None and since is not None:
        again = any(counted_times(model, a) for a in each.happened if a["occurred_at"] >= since)
        rests = rests_until is not None and each.given["as_of"] < rests_until and not facts["hand_raise"]
        if rests or not again:
            return "inquiry"
    return next((name for name, when in each.model.stages if when.holds(facts)), "inquiry")
