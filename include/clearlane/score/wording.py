"""A score, what would lift it and how it came about, as sentences for whoever works with the lead.

Each line is a label (a moment, a number, a word) and a sentence. Moments are UTC; points are rounded to two places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from clearlane.policy.model import Scoring
from clearlane.score.changes import Change as Found
from clearlane.score.changes import listed, shown
from clearlane.score.evidence import Did
from clearlane.score.explain import BandStory, Chance, Explanation, GroupStory, Override, RuleStory
from clearlane.score.history import Cause, Change
from clearlane.score.lift import LARGEST, TIMES, Lift, Lifts, More

Told = Iterator[tuple[str, str]]
CAUSES: Mapping[Cause, str] = {
    "new": "scored for the first time",
    "activity": "what the lead did changed",
    "attribute": "what we know changed",
    "account": "colleagues at the company did something",
    "merge": "records were merged or taken apart",
    "cycle": "started over",
    "model": "scored by another model",
    "override": "a person set it, or took that back",
    "outcome": "what became of the lead",
    "decay": "faded with time",
}
_MOST_RULES = 6


# --- the score ------------------------------------------------------------------------------------


def score(told: Explanation, standing: Mapping[str, Any] | None) -> Told:
    """The score and where it puts the lead; `standing` is its row, None for a past moment."""
    parts = " ".join(f"{'-' if g.points < 0 else '+'} {g.name} {_number(abs(g.points))}" for g in told.groups)
    yield str(told.score), f"{told.band.name}, grade {told.grade}, {told.stage} as of {_moment(told.as_of)}"
    yield "total", f"{_number(told.total)} points: {parts.removeprefix('+ ')}"
    yield from (("", line) for line in map(_cut_group, told.groups) if line)
    if told.disqualified:
        seen = _seen({name: value for term in told.disqualified.terms for name, value in term.values.items()})
        yield "disqualified", f"{told.disqualified.id}: {told.disqualified.because}{seen}"
    if told.override:
        yield "override", _override(told.override)
    if standing and standing["score"] != told.score:
        yield "now", _now(told, standing)
    yield "band", _band(told.band, told.score)
    yield from _stage(told)
    if told.model.because:
        seen = _seen({name: value for term in told.model.terms for name, value in term.values.items()})
        yield "model", f"{told.model.id}: {told.model.because}{seen}"
    if told.cycle > 1:
        yield "cycle", f"number {told.cycle}, begun {_moment(told.cycle_since)}"
    if told.account:
        yield "colleagues", _account(told.account)
    if told.chance:
        yield "chance", _chance(told.chance)


def rules(fired: Sequence[RuleStory]) -> Told:
    for rule in fired:
        yield (
            f"{rule.points:+.2f}",
            f"{rule.id}: {rule.because}{_seen(rule.seen)}{_did(rule.did)}{_cut(rule)}",
        )


def nearly(silent: Sequence[RuleStory]) -> Told:
    """The rules that one term kept from firing, with what they would give."""
    for rule in silent:
        yield f"({rule.worth:+.2f})", f"{rule.id}: {rule.because}; needs {_needs(rule)}"


def _needs(rule: RuleStory) -> str:
    (term,) = rule.failed
    nearest = f"the nearest, at {_minute(rule.did.nearest)}: " if rule.did and rule.did.nearest else ""
    return f"{term.text} ({nearest}{_are(term.values)})"


def _cut_group(group: GroupStory) -> str:
    if abs(group.uncut - group.points) < 5e-7:
        return ""
    bound, which = (group.high, "most") if group.uncut > group.high else (group.low, "least")
    return f"{group.name} rules come to {_number(group.uncut)}; {_number(bound)} is the {which} that counts"


def _now(told: Explanation, standing: Mapping[str, Any]) -> str:
    change = standing["score"] - told.score
    band = f", {standing['band']}" if standing["band"] != told.band.name else ""
    return f"{standing['score']}{band} at {_moment(standing['as_of'])}: {change:+d} since, by time alone"


def _band(band: BandStory, score: int) -> str:
    return f"{band.name} since {_moment(band.since)}: {_why(band)}{_next(band, score)}"


def _why(band: BandStory) -> str:
    enter, leave = _number(band.enter), _number(band.leave)
    match band.why:
        case "override":
            return "a person put it there"
        case "disqualified":
            return "who is disqualified is always there"
        case "hysteresis":
            return f"below {enter}, where it was entered, but left only below {leave}"
        case "dwell":
            return f"below {leave}, but kept until {_moment(band.stays_until)}: it is not left sooner"
    came = f"came down from {band.before}; " if band.why == "left" else ""
    return f"{came}entered at {enter}, left below {leave}" if band.below else f"{came}the lowest"


def _next(band: BandStory, score: int) -> str:
    if band.above is None or band.why in ("override", "disqualified"):
        return ""
    name, entry = band.above
    return f"; {name} from {_number(entry)}, {_number(entry - score)} points more"


def _stage(told: Explanation) -> Told:
    if told.stage_because:
        yield "stage", f"{told.stage}: {told.stage_because}"
    if told.hand_raise:
        yield "", "asked for sales: routed at once, whatever the score"


def _override(said: Override) -> str:
    what = f"score {said.score}" if said.score is not None else f"band {said.band}"
    until = f"until {_moment(said.until)}" if said.until else "until taken back"
    return f"{what}, set by {said.by} on {_moment(said.since)}, {until}: {said.because}"


def _chance(chance: Chance) -> str:
    within = f" within {chance.horizon_days:g} days" if chance.horizon_days else ""
    because = f": because {chance.because}" if chance.because else ": as of most leads"
    return f"{chance.probability:.{0 if chance.probability >= 0.02 else 1}%} chance of {chance.target}{within}{because}"


def _account(account: Mapping[str, Any]) -> str:
    return (
        f"best {_number(account['account_best'])}, together {_number(account['account_sum'])}"
        f" ({_number(account['account_decayed'])} after fading), {_number(account['account_engaged'])} engaged"
    )


# --- a rule ---------------------------------------------------------------------------------------


def _did(did: Did | None) -> str:
    if did is None or not did.met:
        return ""
    counted = "" if did.counted == did.met else f", {_number(did.counted)} of them counted"
    when = _minute(did.last_at) if did.met == 1 else f"{_minute(did.first_at)} to {_minute(did.last_at)}"
    faded = f", {did.faded:.0%} faded" if did.half_life_days and did.faded >= 0.005 else ""
    return f" ({' or '.join(did.types)} × {did.met}{counted}, {when}{faded})"


def _cut(rule: RuleStory) -> str:
    if abs(rule.uncut - rule.points) < 5e-6:
        return ""
    return f"; {_number(rule.points)} of {_number(rule.uncut)} points: more does not count"


def _seen(values: Mapping[str, Any]) -> str:
    return f" ({_are(values)})" if values else ""


def _are(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {shown(value)}" for name, value in values.items())


# --- what would lift it ---------------------------------------------------------------------------


def lift(found: Lifts, scoring: Scoring) -> Told:
    """What would put the lead into a hotter band, or plainly that nothing small would."""
    if found.above is None:
        return
    yield from ((f"{one.score} {one.band}", _knowing(one)) for one in found.by_knowing)
    if found.by_knowing and not found.complete:
        yield "", "fewer changes may do: there were too many to try them all"
    yield from ((f"{one.score} {one.band}", _doing(one)) for one in found.by_doing)
    if not found.by_knowing and scoring.changeable:
        which = "that were tried " if not found.complete else ""
        yield (
            "",
            f"no {LARGEST} changes {which}of {listed(sorted(scoring.changeable))} would reach {found.above}",
        )
    if not found.by_doing:
        yield "", f"no activity alone, not even {TIMES} times, would reach {found.above}"


def _knowing(one: Lift) -> str:
    return f"if {' and '.join(map(_change, one.changes))}"


def _change(change: Found) -> str:
    return f"{change.attribute} is {change.said}"


def _doing(one: More) -> str:
    having = f" with {_are(one.attributes)}" if one.attributes else ""
    return f"with {one.times} more {listed(one.types)}{having}"


# --- how it came about ----------------------------------------------------------------------------


def history(changes: Sequence[Change]) -> Told:
    for change in changes:
        why = ", ".join(CAUSES[cause] for cause in change.causes)
        yield (
            _moment(change.row["as_of"]).removesuffix(" UTC"),
            f"{_step(change)}: {why}{_delta(change.delta)}",
        )


def _step(change: Change) -> str:
    row, before = change.row, change.before
    if before is None:
        return f"{row['score']} {row['band']}, {row['stage']}"
    moved = [f"{before['score']} → {row['score']}"]
    moved += [
        f"{before[name]} → {row[name]}" for name in ("band", "grade", "stage") if before[name] != row[name]
    ]
    moved += [f"{_if(before['disqualified'])} → {_if(row['disqualified'])}"] * (
        before["disqualified"] != row["disqualified"]
    )
    return ", ".join(moved)


def _if(disqualifier: str | None) -> str:
    return f"disqualified by {disqualifier}" if disqualifier else "not disqualified"


def _delta(delta: Mapping[str, float]) -> str:
    ordered = sorted(delta.items(), key=lambda item: (-abs(item[1]), item[0]))
    named = [f"{rule} {points:+.2f}" for rule, points in ordered[:_MOST_RULES] if abs(points) >= 0.005]
    more = len(ordered) - _MOST_RULES
    return f" ({', '.join(named)}{f' and {more} more' if more > 0 else ''})" if named else ""


def _number(value: float) -> str:
    return f"{round(value, 2):,.10g}"


def _moment(moment: datetime | None) -> str:
    return f"{_minute(moment)} UTC"


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
