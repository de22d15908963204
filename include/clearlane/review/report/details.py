"""The hour of a review's page: every rule, how it was judged, for whom, what it learns from, the file, the method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from markupsafe import Markup

from clearlane.review.cases import TARGETS, Finding, Worth
from clearlane.review.judgement import Calibration, Judgement
from clearlane.review.judgement.attribution import WAYS, Attribution, Channel
from clearlane.review.judgement.feedback import Feedback
from clearlane.review.judgement.groups import Group
from clearlane.review.judgement.stability import Stability
from clearlane.review.judgement.thresholds import Threshold, says
from clearlane.review.report import judged
from clearlane.review.report.blocks import (
    Beside,
    Block,
    Cell,
    Code,
    Folded,
    Points,
    Section,
    Table,
    Text,
    figure,
    moved,
    percent,
    rate,
    signed,
)
from clearlane.review.report.summary import became, because
from clearlane.review.weights import WeightReview

SHOWN = 15
"""features of which the stability is told without opening the rest"""


def details(found: WeightReview) -> Iterator[Section]:
    yield Section("Every rule", tuple(_rules(found)), "rules")
    if found.proposal.findings:
        yield Section("What else was found", tuple(_findings(found.proposal.findings)), "findings")
    if found.judgement:
        yield Section("Figures", tuple(_figures(found.judgement)), "figures")
        yield Section("A chance beside the score?", tuple(_chance(found)), "chance")
        yield Section("Do chances come true?", tuple(_calibration(found.judgement)), "calibration")
        yield from _capacity(found.judgement)
        yield from _thresholds(found.judgement)
        yield Section("What sales says of the leads", tuple(_feedback(found.judgement.feedback)), "feedback")
        yield from _pipeline(found.judgement)
        yield Section("Sources, segments, regions", tuple(_groups(found.judgement)), "groups")
        yield Section("Has the mix of leads changed?", tuple(_stability(found.judgement)), "stability")
    yield Section("What it learns from", tuple(_dataset(found)), "dataset")
    if found.new_text is not None:
        text = Text(Markup("As <code>git apply</code> reads it, for the repository that holds the policy."))
        yield Section("The change of the file", (text, Code(found.diff, diff=True)), "file")
    yield Section("Method", tuple(_method(found)), "method")


# --- rules --------------------------------------------------------------------------------------------------


def _rules(found: WeightReview) -> Iterator[Block]:
    known = {one.rule for one in found.proposal.worths}
    yield Text(
        "What the evidence says of each rule, in points of today's score and with all other rules as they are. The"
        " share without a rule is that of leads like those that it holds for, so that other rules are not taken for it."
        " Visible: the smallest mistake in its points that nine of ten such reviews would have found."
    )
    heads = (
        "rule",
        "points",
        "worth",
        "leads",
        f"{became(found)} with it",
        "without it",
        "visible",
        "half-life",
    )
    yield Table(heads, [_rule(found, one) for one in found.proposal.worths])
    missing = [rule.id for rule in found.scoring.rules if rule.id not in known]
    if missing:
        yield Text(f"Not looked at: {', '.join(missing)}.")


def _rule(found: WeightReview, one: Worth) -> Sequence[Cell]:
    after = {change.rule: change.after for change in found.changes}.get(one.rule, one.before)
    fades = found.proposal.half_lives.get(one.rule)
    return (
        Markup("{} <code>{}</code>").format(because(found, one.rule), one.rule),
        moved(_plain(one.before), _plain(after)),
        figure(one.points, 0) if one.points else "too rare",
        f"{one.fired:,}",
        rate(one.rate_with),
        rate(one.rate_without),
        f"±{one.visible:.0f}" if one.visible is not None else "–",
        figure(fades, 0, " days") if fades else "–",
    )


def _plain(points: float) -> str:
    return signed(points).removeprefix("+")


def _findings(findings: Sequence[Finding]) -> Iterator[Block]:
    told = [one for one in findings if one.kind != RARE]
    rare = [one for one in findings if one.kind == RARE]
    if told:
        yield _found(told)
    if rare:
        yield Folded(f"Too rare to judge: {len(rare)}", (_found(rare),))


def _found(findings: Sequence[Finding]) -> Table:
    rows = [(one.subject, KINDS.get(one.kind, one.kind), one.because) for one in findings]
    return Table(("rule or column", "what", "why"), rows, words=("what", "why"), stacked=True)


RARE = "rare"
KINDS = {
    "rare": "too rare", "leak": "told only afterwards", "drift": "changed meanwhile", "unfair": "takes points unfairly",
    "locked": "locked by policy", "left": "left for a later review", "few": "too few outcomes",
    "blind": "the score does not order", "skipped": "not tried", "protected": "protected",
}  # fmt: skip


# --- how well -----------------------------------------------------------------------------------------------


def _figures(told: Judgement) -> Iterator[Block]:
    yield judged.figures(told.performances)
    yield from judged.differences(told.differences)
    yield judged.words("leads")
    if told.notes:
        yield Points(told.notes)


def _chance(found: WeightReview) -> Iterator[Block]:
    """Whether a learnt probability may stand beside the score."""
    yield Text(
        "A chance of conversion was learnt from the same leads, as a sum of what each rule and attribute adds, and"
        " judged like the points. Bands, stages and routing would not look at it."
    )
    if found.backtest.refusals:
        yield Text("It should not be switched on:")
        yield Points(found.backtest.refusals)
    else:
        yield Text(
            "It may be switched on with the points: whoever approves ticks “Chance of conversion”. Each score then"
            " has it beside its points, with the reasons."
        )


def _calibration(told: Judgement) -> Iterator[Block]:
    yield Beside((judged.told_and_happened(told.calibrations), *judged.by_band(told.calibrations)))
    yield from (part for one in told.calibrations for part in _told(one))


def _told(one: Calibration) -> Iterator[Block]:
    wrong = [
        f"{turned.lower} does better than {turned.upper} by {percent(turned.excess.value)}"
        f" ({'beyond chance' if turned.beyond_chance else 'chance may do that'})"
        for turned in one.reversals
    ]
    if wrong:
        yield Text(f"Bands the wrong way round with the {one.name}: {'; '.join(wrong)}.")
    tables = [judged.told_table(one.bands, told_by="band")] if one.bands else []
    yield Folded(f"In numbers: {one.name}", (*tables, judged.told_table(one.tenths)))


def _capacity(told: Judgement) -> Iterator[Section]:
    teams = [part.team for part in told.performances[0].capacity]
    if not teams:
        return
    by_way = [{part.team: part for part in one.capacity} for one in told.performances]
    rows = [
        (team, percent(by_way[0][team].share), *(rate(way[team].precision) for way in by_way))
        for team in teams
    ]
    heads = ("team", "can take", *(one.name for one in told.performances))
    text = Text(
        "Of as many leads as a team can take by its caps, the hottest first: the share that got there. Can take: of the"
        " leads that came to it."
    )
    yield Section("At each team's capacity", (text, Table(heads, rows)), "capacity")


def _thresholds(told: Judgement) -> Iterator[Section]:
    if not told.thresholds:
        return
    blocks: list[Block] = []
    for way, found in told.thresholds.items():
        blocks.append(Text(Markup("<b>With the {}</b>").format(way)))
        blocks.append(Points([f"{said[:1].upper()}{said[1:]}." for said in says(found)]))
        heads = ("band", "from", "leads a day", "teams can take", "in time", "got there", "lowest that works")
        blocks.append(Table(heads, [_threshold(one) for one in found.bands]))
    first = next(iter(told.thresholds.values()))
    text = Text(
        "The leads at or above each threshold, played as they came through the desks of their teams, first come first"
        f" served, each holding one person for {first.handling:g} minutes (an assumption): from where on the teams can"
        f" take them by their caps and answer {percent(first.goal)} in the promised time."
    )
    yield Section("Thresholds against what teams can answer", (text, *blocks), "thresholds")


def _threshold(one: Threshold) -> Sequence[Cell]:
    return (
        one.band,
        f"{one.now:g}",
        figure(one.leads_a_day, 1),
        "no cap" if one.takes is None else f"{one.takes:,.1f} a day",
        rate(one.in_time),
        rate(one.rate),
        "none" if one.lowest is None else f"{one.lowest:g}",
    )


# --- what sales says, and what comes of it ------------------------------------------------------------------


def _feedback(told: Feedback) -> Iterator[Block]:
    if told.agreement:
        yield Text(
            Markup(
                "A lead that sales accepts scores higher than one that it declines in {} of cases."
            ).format(rate(told.agreement))
        )
    if told.contradictions:
        yield Points([f"{said[:1].upper()}{said[1:]}." for said in told.contradictions])
    bands = list(told.accepted)
    rows: list[Sequence[Cell]] = [("accepted", "", *(rate(told.accepted[band]) for band in bands))]
    rows += [
        (one.name, f"{one.leads:,}", *(rate(one.bands.get(band)) for band in bands)) for one in told.reasons
    ]
    yield Table(("of the leads of each band", "leads", *bands), rows)


def _pipeline(told: Judgement) -> Iterator[Section]:
    blocks: list[Block] = []
    if told.attribution:
        blocks += _attribution(told.attribution)
    if told.pipeline:
        heads = ("source", "band", "leads", "opportunities", "pipeline")
        rows = [
            (one.source, one.band, f"{one.leads:,}", f"{one.opportunities:,}", f"{one.amount:,.0f}")
            for one in told.pipeline
        ]
        blocks.append(
            Folded("By source and band of the first decision", (Table(heads, rows, words=("band",)),))
        )
    if blocks:
        yield Section("Where pipeline comes from", blocks, "pipeline")


def _attribution(told: Attribution) -> Iterator[Block]:
    amount = f"worth {told.amount:,.0f}" if told.amount else "of whose worth nothing is known"
    yield Text(
        f"{told.opportunities:,} opportunities {amount}, shared out over the touches before each: all"
        " to the first, all to the last, equal parts, or 40 % to the first, 40 % to the last and 20 % to those between."
        " Whatever the way, the parts add up."
    )
    heads = ("channel", "had a part in", *(f"by {way}" for way in WAYS), "pipeline by position")
    yield Table(heads, [_channel(one) for one in told.channels])


def _channel(one: Channel) -> Sequence[Cell]:
    shares = (rate(one.credits[way].share) for way in WAYS)
    return one.name, f"{one.touched:,}", *shares, f"{one.credits['position'].amount:,.0f}"


# --- for whom -----------------------------------------------------------------------------------------------


def _groups(told: Judgement) -> Iterator[Block]:
    yield Text(
        "Each group against all others. Selected: the share that has points enough for sales; an alarm where that is"
        " surely below four fifths of the others', or where surely fewer of its good leads are found."
    )
    for way, groups in told.groups.items():
        alarms = [alarm for one in groups for alarm in one.alarms]
        yield Text(f"With the {way}: {'no alarm' if not alarms else f'{len(alarms)} unequal'}.")
        if alarms:
            yield Points([alarm.capitalize() + "." for alarm in alarms])
    for way, groups in told.groups.items():
        tables = [_group_table(list(of_column)) for _, of_column in groupby(groups, lambda one: one.column)]
        yield Folded(f"In numbers: {way}", tables)


def _group_table(groups: Sequence[Group]) -> Table:
    heads = (
        groups[0].column,
        "leads",
        "got there",
        "told",
        "right order",
        "selected",
        "over the others",
        "found",
    )
    return Table(heads, [_group(one) for one in groups])


def _group(one: Group) -> Sequence[Cell]:
    return (
        one.name,
        f"{one.leads:,}",
        rate(one.rate),
        percent(one.told),
        figure(one.auc),
        rate(one.selected),
        figure(one.selected_ratio),
        rate(one.found),
    )


def _stability(told: Judgement) -> Iterator[Block]:
    moving = [one for one in told.stability if one.verdict != "stable"]
    yield Text(
        f"The newest leads against the older ones, {len(told.stability)} features: {len(moving) or 'none'}"
        " changed beyond chance. PSI below 0.1 is little, from 0.25 on much (a rule of thumb); up to what chance does"
        " it is none, whatever its size."
    )
    heads = ("feature", "PSI", "chance does", "verdict", "moved most")
    rows = [_shift(one) for one in told.stability]
    yield Table(heads, rows[:SHOWN], words=("moved most",))
    if rows[SHOWN:]:
        yield Folded(f"{len(rows) - SHOWN} more", (Table(heads, rows[SHOWN:], words=("moved most",)),))


def _shift(one: Stability) -> Sequence[Cell]:
    most = one.largest
    moved_most = f"{most.name}: {percent(most.older)} → {percent(most.newer)}"
    return one.feature, f"{one.psi:.3f}", f"{one.chance:.3f}", one.verdict, moved_most


# --- what from, and how -------------------------------------------------------------------------------------


def _dataset(found: WeightReview) -> Iterator[Block]:
    yield Text(
        f"{found.leads:,} leads first decided from {found.since:%-d %B %Y} until {found.until:%-d %B %Y}, of which"
        f" {found.hits:,} {became(found)} within {found.horizon.days} days. {found.explored:,} of them stand for those"
        " below the threshold, who are seldom given to sales, and weigh accordingly."
    )
    yield Table(("share", "of the leads, weighted"), [(became(found), rate(found.rate))])
    if found.left_out:
        rows = [(one.reason, f"{one.leads:,}") for one in found.left_out]
        yield Table(("left out because", "leads"), rows)


def _method(found: WeightReview) -> Iterator[Block]:
    terms = found.scoring.review
    lines = [
        f"It learns from which leads {became(found)}{_instead(found)}. The points in force, rescaled, are taken as"
        " right until chance does not explain what is seen"
        f" (p = {found.proposal.p_value:.2g}; at most {terms.level:.0%} of reviews propose anything where nothing is"
        " wrong).",
        f"A rule moves by at most {terms.most_change} points, {terms.changes} rules by {terms.budget} points together,"
        f" {terms.new_rules} new ones; it keeps its sign unless the policy says otherwise.",
        "A rule's evidence is what it gave divided by its points, so that other points scale what it gives, and its cap"
        " in the same ratio; caps are written as whole points.",
    ]
    if found.judgement:
        lines.append(
            f"Judged out of time: learnt from leads decided before {found.judgement.cut:%-d %B %Y}, judged on those"
            f" after. {_backtest(found)}"
        )
    yield Points(lines)


def _instead(found: WeightReview) -> str:
    return "" if found.proposal.target == TARGETS[0] else ": too few were won"


def _backtest(found: WeightReview) -> str:
    changes = found.backtest.proposal.changes if found.backtest.proposal else ()
    if not changes:
        return "From the older leads alone nothing would have been proposed."
    said = ", ".join(f"{one.rule} {_plain(one.before)} → {_plain(one.after)}" for one in changes)
    return f"From the older leads alone it would have proposed: {said}."
