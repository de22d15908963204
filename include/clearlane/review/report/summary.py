"""The five minutes of a review's page: what would change, what it brings, for whom, what to decide, what is open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

from markupsafe import Markup

from clearlane.review import charts as house
from clearlane.review.answers import APPROVE, EDIT, REJECT
from clearlane.review.backtest import IN_FORCE, PROPOSED
from clearlane.review.cases import Change, Interval
from clearlane.review.figures import Change as Pair
from clearlane.review.figures import Load, Mover, Moves
from clearlane.review.judgement import Performance
from clearlane.review.judgement.health import Health, Reason
from clearlane.review.promises import MEASURES, Kept
from clearlane.review.report import charts, judged
from clearlane.review.report.blocks import (
    Beside,
    Block,
    Cell,
    Chart,
    Points,
    Section,
    Table,
    Text,
    figure,
    gain,
    moved,
    percent,
    rate,
    signed,
)
from clearlane.review.weights import WeightReview
from clearlane.review.whatif import WhatIf
from clearlane.review.words import by_rules, short

TEAMS = 12
"""teams that the table of the summary holds"""
BECAME = {
    "won": "won",
    "opportunity": "became opportunities",
    "sql": "became SQLs",
    "accepted": "were accepted",
}
LINKED = Markup('<a href="{}"><code>{}</code></a>')


def summary(found: WeightReview) -> Iterator[Section]:
    if found.changes:
        yield Section("What would change", tuple(_changes(found)))
        yield Section("What it brings", tuple(_brings(found)))
    else:
        yield Section("How the points in force do", tuple(_brings(found)))
    if found.played is not None:
        yield Section("What changes for whom", tuple(_for_whom(found)))
        yield Section("The ten leads that would move most", tuple(_movers(found)))
    yield Section("What to decide", tuple(_decision(found)))
    if found.judgement:
        yield Section("Keep, refine or rebuild?", tuple(_health(found.judgement.health)))
    yield Section("What we do not know", (Points(found.gaps),))
    if found.kept:
        yield Section("Did the last proposal keep its promise?", tuple(_kept(found.kept)))


# --- words --------------------------------------------------------------------------------------------------


def quarter(found: WeightReview) -> str:
    """`Q3 2026` where the leads are those of one, else the moment of the review."""
    last = found.until - timedelta(seconds=1)
    first = found.since.day == found.until.day == 1 and found.since.month % 3 == 1
    if first and (found.until.year - found.since.year) * 12 + found.until.month - found.since.month == 3:
        return f"Q{last.month // 3} {last.year}"
    return f"{found.as_of:%-d %B %Y}"


def became(found: WeightReview) -> str:
    """What the leads did that the review learns from: `won`."""
    return BECAME[found.proposal.target]


def because(found: WeightReview, rule: str) -> str:
    """What a rule says of itself."""
    known = {one.id: one.because for one in found.scoring.rules}
    new = {one.rule: one.reason for one in found.changes if one.new}
    return known.get(rule) or new.get(rule) or rule


def kinds(changes: Iterable[Change]) -> tuple[list[Change], list[Change], list[Change]]:
    """Changed, dropped, added."""
    every = list(changes)
    changed = [one for one in every if one.after and not one.new]
    return changed, [one for one in every if not one.after], [one for one in every if one.new]


def tell(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    every = list(parts)
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


def weeks(played: WhatIf) -> float:
    return max((played.until - played.since) / timedelta(days=7), 1e-9)


def hot_a_week(found: WeightReview) -> tuple[str, float, float] | None:
    """The hottest band, its leads a week now, and as proposed."""
    if found.played is None:
        return None
    bands, span = found.played.figures.bands, weeks(found.played)
    return bands.names[0], sum(bands.cells[0]) / span, sum(row[0] for row in bands.cells) / span


# --- sections -----------------------------------------------------------------------------------------------


def _changes(found: WeightReview) -> Iterator[Block]:
    heads = ("rule", "points", "worth by the evidence", f"{became(found)} with it", "without it", "why")
    rows = [_change(found, one) for one in found.changes]
    yield Table(heads, rows, words=("why",), stacked=True)
    worths = [
        charts.Worth(because(found, one.rule), one.before, one.after, one.points) for one in found.changes
    ]
    reading = "Across: points. Grey: in force. Blue: proposed. The line: what the evidence says, 95 % of it."
    yield Chart(
        "Points, and what they rest on", charts.worth("Points in force, proposed, evidence", worths), reading
    )


def _change(found: WeightReview, one: Change) -> Sequence[Cell]:
    points: Cell = moved(_points(one.before), _points(one.after))
    if one.half_life_days is not None and not one.new:
        points = Markup("{}<br><small>half-life {} days</small>").format(points, f"{one.half_life_days:g}")
    name = Markup("{} <code>{}</code>").format(because(found, one.rule), one.rule)
    return name, points, figure(one.points, 0), rate(one.rate_with), rate(one.rate_without), one.reason


def _points(points: int) -> str:
    return "none" if not points else signed(points).removeprefix("+")


def _brings(found: WeightReview) -> Iterator[Block]:
    if found.judgement is None:
        yield Text(f"Nothing can be said of how well the points tell: {found.backtest.unjudged}.")
        return
    told = found.judgement
    yield Text(_how_judged(found))
    yield _in_short(found)
    shown = [IN_FORCE, PROPOSED] if found.changes else [IN_FORCE]
    curves = {name: points for name, points in found.backtest.curves.items() if name in shown}
    calibrations = [one for one in told.calibrations if one.name in shown]
    yield Beside((*judged.by_band(calibrations), judged.found_first(curves, "leads")))


def _in_short(found: WeightReview) -> Table:
    """Order and lift, as they are, and as they would be."""
    assert found.judgement is not None
    by_name = {one.name: one for one in found.judgement.performances}
    old, new, gains = by_name[IN_FORCE], by_name.get(PROPOSED), found.gain
    order = "better of two leads first (50 % is a coin)"
    top = f"top tenth {became(found)}, times as often as all"
    if new is None or gains is None:
        alone = ((order, rate(old.auc, 1)), (top, _times(old)))
        return Table(("", IN_FORCE), alone, stacked=True)
    rows = (
        (order, rate(old.auc, 1), rate(new.auc, 1), _hundredths(gains.auc)),
        (top, _times(old), _times(new), gain(gains.lift_top_decile, 1)),
    )
    return Table(("", IN_FORCE, PROPOSED, "difference"), rows, stacked=True)


def _times(one: Performance) -> Cell:
    return figure(one.lift_top_decile, 1, "×")


def _hundredths(found: Interval | None) -> Cell:
    """A difference of shares in hundredths."""
    return gain(found and Interval(found.value * 100, found.low * 100, found.high * 100), 1)


def _how_judged(found: WeightReview) -> str:
    assert found.judgement is not None
    newest = f"the {found.judgement.leads:,} newest leads, decided from {found.judgement.cut:%-d %B %Y} on"
    if not found.changes:
        return f"Judged on {newest}; {found.judgement.hits:,} of them {became(found)}."
    had = f"{found.judgement.hits:,} of them {became(found)}"
    return f"{_chosen(found)}, on {newest}, which had no part in choosing; {had}."


def _chosen(found: WeightReview) -> str:
    older = found.backtest.proposal
    if not older or not older.changes:
        return "The older leads alone would have led to no change: the points in force are judged here"
    same = {one.rule: one.after for one in older.changes} == {one.rule: one.after for one in found.changes}
    if same:
        return "The older leads alone lead to the same points, which are judged here"
    return "What the older leads alone would have led to is judged here"


def _for_whom(found: WeightReview) -> Iterator[Block]:
    assert found.played is not None
    figures, span = found.played.figures, weeks(found.played)
    yield Text(
        f"Every lead from {found.played.since:%-d %B} to {found.played.until:%-d %B %Y}, played again under both"
        f" policies: {figures.leads - figures.unchanged:,} of {figures.leads:,} would get another score, band, stage or"
        " owner."
    )
    teams = [replace(one, name=found.teams.get(one.name, one.name)) for one in figures.teams]
    others = [one for one in (*teams, *figures.reps) if _differs(one)]
    yield Beside((_flow(figures.bands), _hot(teams[:TEAMS], span)))
    if others:
        heads = ("team or rep", "leads a week", "hot a week", "times over cap", "expected late")
        yield Table(heads, [_load(one, span) for one in others], stacked=True)
    same = [one.name for one in teams if not _differs(one)]
    if same:
        yield Text(f"As many leads as now: {tell(same)}.")


def _flow(bands: Moves) -> Chart:
    drawn = Markup(house.flow("Leads by band", bands))
    return Chart("Leads by band: now on the left, proposed on the right", drawn, "Green rises, orange falls.")


def _hot(teams: Sequence[Load], span: float) -> Chart:
    hot = [Pair(one.name, (one.hottest.old or 0) / span, (one.hottest.new or 0) / span) for one in teams]
    shown = [one for one in hot if (one.old or 0) + (one.new or 0) > 0]
    drawn = Markup(house.bars("Hot leads a week by team", shown))
    return Chart("Hot leads a week by team", drawn, "Leads a week. Grey: now. Blue: proposed.")


def _differs(load: Load) -> bool:
    return load.leads.old != load.leads.new or load.hottest.old != load.hottest.new


def _load(load: Load, span: float) -> Sequence[Cell]:
    weekly = (_both(one, span) for one in (load.leads, load.hottest))
    return load.name, *weekly, _both(load.cap_hits, 1), _both(load.late, 1)


def _both(pair: Pair, span: float) -> Cell:
    old, new = ("–" if value is None else short(value / span) for value in (pair.old, pair.new))
    return moved(old, new)


def _movers(found: WeightReview) -> Iterator[Block]:
    assert found.played is not None
    yield Text(
        Markup("By the reference of their source: <code>clearlane explain</code> tells the story of one.")
    )
    heads = ("lead", "score", "band", "stage", "owner", "because of")
    rows = [_mover(found, one) for one in found.played.figures.movers]
    yield Table(heads, rows, words=("owner", "because of"), stacked=True)


def _mover(found: WeightReview, one: Mover) -> Sequence[Cell]:
    parts = (
        moved(str(getattr(one.old, part)), str(getattr(one.new, part)))
        for part in ("score", "band", "stage", "owner")
    )
    return _lead(found, one.lead), *parts, by_rules(one)


def _lead(found: WeightReview, reference: str) -> Cell:
    source, _, external_id = reference.partition(":")
    link = found.links.get(source)
    if not link or not link.startswith(("https://", "http://")):
        return Markup("<code>{}</code>").format(reference)
    return LINKED.format(link.replace("{external_id}", quote(external_id, safe="")), reference)


def _decision(found: WeightReview) -> Iterator[Block]:
    if not found.changes:
        yield Text("Nothing: the points stay as they are.")
        return
    yield Text(_speaks(found))
    edits = ", ".join(f"{one.rule} {_span(found, one.rule)}" for one in found.changes)
    lines: list[Cell] = [
        _option(APPROVE, "the new version of scoring.yaml is in force from the moment that you choose."),
        _option(EDIT, f"other points within the bounds of the policy ({edits})."),
        _option(REJECT, "with a reason: nothing changes, and the next review is read beside it."),
        "No answer in time: nothing changes.",
    ]
    if found.obstacles:
        yield Text("It cannot be approved as it is. What stands against it:")
        yield Points(found.obstacles)
        lines = lines[1:]
    yield Points(lines)


def _option(name: str, meaning: str) -> Cell:
    return Markup("<b>{}</b>: {}").format(name, meaning)


def _speaks(found: WeightReview) -> str:
    """What the evidence says of the decision; the decision itself is a person's."""
    gain = found.gain.auc if found.gain else None
    if gain is None:
        return (
            "The leads as a whole speak for the change, the older ones alone do not show it yet: another quarter would"
            " tell more."
        )
    if gain.low > 0:
        return "The evidence speaks for it: the rules' own figures, and the order of leads that had no part in it."
    if gain.high < 0:
        return "The evidence is at odds: the rules' own figures speak for it, the order of the newest leads against it."
    return (
        "The rules' own figures speak for it; that the order of leads gets better as a whole is not shown on so few new"
        " leads, nor that it gets worse."
    )


def _span(found: WeightReview, rule: str) -> str:
    low, high = found.bounds[rule]
    return f"{_points(low) if low else '0'} to {_points(high) if high else '0'}"


def _health(health: Health) -> Iterator[Block]:
    yield Text(Markup("<b>{}.</b> {}").format(health.verdict.capitalize(), health.because))
    heads = ("question", "answer", "sound from", "broken below", "so")
    yield Table(heads, [_answer(one) for one in health.reasons], stacked=True)


def _answer(one: Reason) -> Sequence[Cell]:
    tag = {"sound": "good", "weak": "bad", "broken": "bad"}.get(one.state, "")
    state = Markup('<span class="tag {}">{}</span>').format(tag, one.state)
    return one.asks, rate(one.value), percent(one.sound), percent(one.broken), state


def _kept(kept: Kept) -> Iterator[Block]:
    by = f" by {kept.decided_by}" if kept.decided_by else ""
    yield Text(
        f"Put in force on {kept.in_force_from:%-d %B %Y}{by}: {kept.verdict}. Since then {kept.leads:,} leads were"
        f" decided, of which {kept.hits:,} {BECAME[kept.target]}."
    )
    rows = [
        (name, gain(kept.promised.get(key), 3), gain(kept.happened.get(key), 3))
        for key, name in MEASURES.items()
    ]
    yield Table(("gain over the points before", "promised", "came"), rows, stacked=True)
