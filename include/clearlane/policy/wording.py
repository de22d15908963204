"""How pages and mails word what the policy says: lengths, hours, caps, rungs of a ladder, what a rule counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta

from clearlane.policy.model import ActivityTerm, BestFit, Caps, Destination, Hours, Measure, Rule, Span, Stint

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: object) -> str:
    if value is None or value == "":
        return "–"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    return f"`{' '.join(text.split())}`"


def names(values: Iterable[str]) -> str:
    return ", ".join(values)


def length(of: timedelta) -> str:
    hours = of / timedelta(hours=1)
    if hours > 24 and hours % 24 == 0:
        return f"{hours / 24:g} days"
    return f"{hours:g} hours" if hours >= 1 else f"{of / timedelta(minutes=1):g} minutes"


def percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def points(rule: Rule) -> str:
    given = f"{rule.points:+g}" + (f", at most {rule.cap:g}" if rule.cap is not None else "")
    return given + (f", within {rule.bounds[0]:g} and {rule.bounds[1]:g}" if rule.bounds is not None else "")


def evidence(rule: Rule) -> str:
    seen = [activity(rule.activity)] if rule.activity else []
    return "; and ".join([*seen, *([code(rule.when.text)] if rule.when else [])])


def activity(term: ActivityTerm) -> str:
    counted = {"every": "each", "first": "the first", "per_day": "each day with"}[term.counting]
    parts = [f"{counted} " + " or ".join(map(code, term.types))]
    parts += [f"with {code(term.when.text)}"] if term.when else []
    parts += [f"at most {term.at_most} in {term.window_days} days"] if term.at_most else []
    parts += [f"half after {term.half_life_days:g} days"] if term.half_life_days else []
    return ", ".join(parts)


def measure(one: Measure) -> str:
    counted = {"events": "each", "days": "each day with", "days_since": "days since the last"}[one.count]
    parts = [f"{counted} " + " or ".join(map(code, one.types))]
    parts += [f"with {code(one.when.text)}"] if one.when else []
    parts += [f"in {one.within_days} days, today included"] if one.within_days else []
    return ", ".join(parts)


def ladder(rungs: Iterable[Destination]) -> str:
    return " → ".join(map(rung, rungs))


def rung(one: Destination) -> str:
    if one.until:
        speaking = " and speaks their language" if one.language else ""
        return f"who of {code(one.name or '')} is in hours{speaking}, else hold until one is back"
    target = one.target.replace("_", " ") + (f" {code(one.name)}" if one.name else "")
    asked = ["who speak their language"] if one.language else []
    asked += [f"who suit their {names(one.match)}"] if one.match else []
    asked += [f"here for {one.min_tenure_days} days"] if one.min_tenure_days else []
    asked += ["only in hours"] if one.hours == "require" else []
    asked += ["in hours, else who is on call"] if one.hours == "on_call" else []
    asked += ["at any hour"] if one.hours == "ignore" else []
    asked += ["fewest open leads first"] if one.pick == "least_open" else []
    asked += [_fitting(one.fit)] if one.fit else []
    return target + (f" ({', '.join(asked)})" if asked else "")


def _fitting(fit: BestFit) -> str:
    alike = f" of the same {names(map(code, fit.segment))}" if fit.segment else ""
    return (
        f"best results with leads{alike} first, {fit.explore:.3g} of them by turns,"
        f" nobody more than {fit.at_most_ahead:g} turns ahead"
    )


def member(rep: str, stint: Stint) -> str:
    weight = f" × {stint.weight:g}" if stint.weight != 1 else ""
    return f"{rep}{weight}{dates(stint.first, stint.last)}"


def dates(first: date | None, last: date | None) -> str:
    return (f" from {first}" if first else "") + (f" until {last}" if last else "")


def caps(of: Caps) -> str:
    spans = (("an hour", of.hour), ("a day", of.day), ("a week", of.week), ("open", of.open))
    return names(f"{cap} {span}" for span, cap in spans if cap is not None)


def hours(open_at: Hours) -> str:
    spans: dict[str, list[int]] = {}
    for day, opens in open_at.items():
        spans.setdefault(names(f"{start:%H:%M}–{end:%H:%M}" for start, end in opens), []).append(day)
    return "; ".join(f"{names(_DAYS[day - 1] for day in days)} {span}" for span, days in spans.items())


def between(day: tuple[time, time]) -> str:
    return f"{day[0]:%H:%M}–{day[1]:%H:%M}"


def span(of: Span | None) -> str:
    if of is None:
        return ""
    return f"{of.amount:g} {of.unit.removesuffix('s') if of.amount == 1 else of.unit}"
