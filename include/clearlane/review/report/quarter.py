"""The page of a review of a quarter: the verdict, what it brings and costs, what to decide, then all the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from clearlane.policy.loading import content_name
from clearlane.review.backtest import IN_FORCE, PROPOSED
from clearlane.review.cases import Change, Interval
from clearlane.review.learning.proposals import OF_RULES
from clearlane.review.learning.reasons import CALLED
from clearlane.review.register import CHANCE
from clearlane.review.report import layout
from clearlane.review.report.blocks import Card, Report, percent, signed
from clearlane.review.report.details import details
from clearlane.review.report.summary import (
    became,
    because,
    hot_a_week,
    kinds,
    quarter,
    summary,
    tell,
)
from clearlane.review.weights import WeightReview, as_json

NAMED = 3
"""changes that the verdict names"""


def page(found: WeightReview) -> str:
    """The whole page, HTML."""
    return layout.page(report(found))


def files(found: WeightReview) -> Mapping[str, str]:
    """File name -> content: the page and the figures; a new scoring.yaml, what differs, a chance, where there are."""
    figures = json.dumps(as_json(found), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    contents = {"report.html": page(found), "metrics.json": figures}
    if found.chance:
        contents[content_name(CHANCE, found.chance)] = found.chance
    if found.new_text is not None:
        contents |= {"scoring.yaml": found.new_text, "scoring.diff": found.diff}
    return contents


def report(found: WeightReview) -> Report:
    return Report(
        kicker=f"Weight review · {quarter(found)}",
        title=title(found),
        verdict=verdict(found),
        cards=tuple(_cards(found)),
        summary=tuple(summary(found)),
        details=tuple(details(found)),
        notes=tuple(_notes(found)),
    )


def title(found: WeightReview) -> str:
    """The verdict as a heading: `Change 3 of 25 rules`."""
    if not found.changes and _blind(found):
        return f"The score does not tell which leads {CALLED[found.proposal.target]}"
    if not found.changes:
        return "Keep the points as they are"
    changed, dropped, added = (len(group) for group in kinds(found.changes))
    rules = len(found.scoring.rules)
    parts = [
        f"change {changed} of {rules} rules" if changed else "",
        f"drop {dropped}" if dropped else "",
        f"add {added}" if added else "",
    ]
    return tell(filter(None, parts)).capitalize()


def verdict(found: WeightReview) -> tuple[str, ...]:
    """What, what it brings, what it costs: three sentences.

    One more before them where the score does not order leads, one more after them where the file would not be valid.
    """
    parts = [_order(found) if _blind(found) else "", _what(found), _brings(found), _costs(found)]
    if found.obstacles:
        parts.append(
            "As it stands the new file would break what the policy promises to keep true: it can only be approved with"
            " edits."
        )
    return tuple(filter(None, parts))


def _what(found: WeightReview) -> str:
    if not found.changes:
        return _nothing(found)
    named = [_said(found, change) for change in found.changes[:NAMED]]
    more = len(found.changes) - len(named)
    said = "; ".join([*named, *([f"and {more} more"] if more else [])])
    return f"{said}."


def _nothing(found: WeightReview) -> str:
    if _blind(found):
        return (
            "Nothing is proposed, for such a score is no unit in which a rule's points could be measured: look at the"
            " points in force rule by rule."
        )
    chance = f"p = {found.proposal.p_value:.3f}"
    if found.proposal.p_value <= found.scoring.review.level * OF_RULES:
        return (
            f"On {_learnt_from(found)}, chance does not explain all that the points in force miss ({chance}), and"
            " still nothing is proposed: what the evidence would move is locked, within its limits, or not confirmed;"
            " what was found says which."
        )
    return f"On {_learnt_from(found)}, nothing beats the points in force beyond chance ({chance})."


def _learnt_from(found: WeightReview) -> str:
    return f"{found.leads:,} leads, {found.hits:,} of which {became(found)}"


def _blind(found: WeightReview) -> bool:
    """Whether the score in force does not tell beyond chance who has the outcome."""
    return any(one.kind == "blind" for one in found.proposal.findings)


def _order(found: WeightReview) -> str:
    called = CALLED[found.proposal.target]
    if found.proposal.before.scale <= 0:
        return (
            f"The points in force do not lead the right way: of {found.leads:,} leads those with more points {called}"
            " less often than those with fewer, or no more often."
        )
    return f"Of {found.leads:,} leads those with more points {called} hardly more often: it may be chance."


def _said(found: WeightReview, change: Change) -> str:
    """`“Looked at prices” is worth 12 points rather than 8`."""
    what = f"“{because(found, change.rule)}”"
    if change.new:
        return f"{what} is new, with {signed(change.after)} points"
    if not change.after:
        return f"{what} tells nothing and goes"
    if change.after == change.before:
        return f"{what} fades by half in {change.half_life_days or 0:g} days"
    point = "point" if abs(change.after) == 1 else "points"
    return f"{what} is worth {_plain(change.after)} {point} rather than {_plain(change.before)}"


def _plain(points: float) -> str:
    return signed(points).removeprefix("+")


def _brings(found: WeightReview) -> str:
    if found.judgement is None:
        return f"How well the points tell could not be judged: {found.backtest.unjudged}."
    gain, leads = found.gain, f"the newest {found.judgement.leads:,} leads"
    by_name = {one.name: one.auc for one in found.judgement.performances}
    old, new = by_name[IN_FORCE], by_name.get(PROPOSED)
    if not found.changes:
        return (
            f"On {leads} they put the better of two leads first in {_interval(old)} of cases." if old else ""
        )
    if gain is None or gain.auc is None or old is None or new is None:
        return (
            "From the older leads alone nothing would have been proposed: what the change brings cannot be promised on"
            f" leads that had no part in it.{_flattered(found)}"
        )
    low, middle, high = (signed(one * 100, 1) for one in (gain.auc.low, gain.auc.value, gain.auc.high))
    return (
        f"{_way(gain.auc)}: chosen from older leads and judged on {leads}, such points put the better of two leads"
        f" first in {percent(new.value, 1)} of cases rather than {percent(old.value, 1)} ({middle}, between {low} and"
        f" {high})."
    )


def _flattered(found: WeightReview) -> str:
    gain = found.backtest.flattered
    if gain is None:
        return ""
    low, middle, high = (signed(one * 100, 1) for one in (gain.low, gain.value, gain.high))
    return (
        " On the leads that it was learnt from, which flatters it, the better of two comes first in"
        f" {middle} of 100 cases more (between {low} and {high})."
    )


def _way(gain: Interval) -> str:
    if gain.low > 0:
        return "The order of leads gets better"
    return (
        "The order of leads gets worse" if gain.high < 0 else "Whether the order of leads gets better is open"
    )


def _interval(found: Interval) -> str:
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def _costs(found: WeightReview) -> str:
    hot = hot_a_week(found)
    if hot is None or not found.changes:
        return "" if not found.changes else "Nothing changes until somebody says yes."
    name, old, new = hot
    load = "as many" if round(old) == round(new) else f"{new:,.0f} rather than {old:,.0f}"
    return f"Sales would get {load} {name} leads a week; nothing changes until somebody says yes."


def _cards(found: WeightReview) -> Iterator[Card]:
    yield Card("learnt from", f"{found.leads:,} leads", f"{found.hits:,} {became(found)}")
    by_name = {one.name: one for one in (found.judgement.performances if found.judgement else ())}
    old, new = by_name.get(IN_FORCE), by_name.get(PROPOSED)
    if old and old.auc:
        shown = percent(old.auc.value, 1)
        both = found.changes and new and new.auc
        value = f"{shown} → {percent(new.auc.value, 1)}" if both and new and new.auc else shown
        yield Card("right order", value, "of two leads, 50 % is a coin")
    if old and old.lift_top_decile:
        shown = f"{old.lift_top_decile.value:.1f}×"
        lift = new.lift_top_decile if found.changes and new else None
        value = f"{shown} → {lift.value:.1f}×" if lift else shown
        yield Card("top tenth", value, f"as often {became(found)} as all")
    hot = hot_a_week(found)
    if hot:
        yield Card(f"{hot[0]} leads a week", f"{hot[1]:,.0f} → {hot[2]:,.0f}", "would get the fastest answer")


def _notes(found: WeightReview) -> Iterator[str]:
    yield (
        f"Leads are taken as they were when they were first decided, outcomes within {found.horizon.days} days of that"
        f" and known by {found.as_of:%Y-%m-%d}. Leads that nobody worked teach nothing and are left out."
    )
    yield (
        "Intervals hold 95 of 100 times. A figure without one is a count, or a share of leads under both policies,"
        " which are played again and not estimated."
    )
    yield (
        "The review changes nothing. Who approves puts a new version of scoring.yaml in force from a moment on, and"
        " clearlane policy rollback undoes that."
    )
