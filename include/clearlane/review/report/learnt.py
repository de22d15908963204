"""The page about points that were learnt from a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clearlane.review.cases import Finding, Interval
from clearlane.review.judgement import Calibration, Performance
from clearlane.review.judgement.performance import Outcomes, drawn, performance
from clearlane.review.judgement.reliability import Told, by_tenth
from clearlane.review.judgement.resampling import Flags, Floats, rate, resamples
from clearlane.review.report import judged, layout
from clearlane.review.report.blocks import (
    Beside,
    Block,
    Card,
    Cell,
    Chart,
    Code,
    Folded,
    Report,
    Section,
    Table,
    Text,
    percent,
    signed,
)
from clearlane.review.report.blocks import rate as as_rate
from clearlane.review.report.charts import Rates, rates

NAME = "the points"
PARTS = 7


@dataclass(frozen=True)
class LearntRule:
    """One rule of the points table; the rates are those of the rows it was learnt on."""

    rule: str
    because: str
    when: str
    points: int
    rows: int
    rate_with: Interval
    rate_without: Interval


@dataclass(frozen=True)
class Learnt:
    """Points learnt from a file and how they do on the rows set apart; arrays have an entry for each of those."""

    file: str
    target: str
    split: str
    """which rows were set apart, as in `the newest 30 % by first_contact`"""
    rules: tuple[LearntRule, ...]
    train: int
    train_hits: int
    hit: Flags
    score: Floats
    probability: Floats
    findings: tuple[Finding, ...] = ()
    """columns that were not used, and why; what else is to be known"""
    metrics: Mapping[str, float | int | None] | None = None
    """as written to metrics.json"""
    seed: int = 7

    @cached_property
    def outcomes(self) -> Outcomes:
        return Outcomes(self.hit, np.ones(len(self.hit)))

    @cached_property
    def performance(self) -> Performance:
        draws = resamples(len(self.hit), self.seed)
        return performance(NAME, drawn(self.outcomes, self.score, self.probability, draws))

    @cached_property
    def base(self) -> Interval | None:
        return rate(self.hit, self.outcomes.weight)


def page(learnt: Learnt) -> str:
    """The whole page, HTML."""
    return layout.page(report(learnt))


def report(learnt: Learnt) -> Report:
    return Report(
        kicker=f"Points learnt from {learnt.file}",
        title=_title(learnt),
        verdict=tuple(_verdict(learnt)),
        cards=tuple(_cards(learnt)),
        summary=(
            Section("The points", tuple(_points(learnt))),
            Section("Do they tell who gets there?", tuple(_telling(learnt))),
            *_left_aside(learnt),
        ),
        details=(
            Section("Figures", (judged.figures([learnt.performance]), judged.words("rows")), "figures"),
            Section("Chances", tuple(_chances(learnt)), "chances"),
            Section("Conditions", (Code("\n".join(_conditions(learnt))),), "conditions"),
            *_metrics(learnt),
        ),
        notes=_NOTES,
    )


def _title(learnt: Learnt) -> str:
    if not learnt.rules:
        return f"Nothing in the file tells “{learnt.target}”"
    return f"{len(learnt.rules)} rules tell “{learnt.target}”"


def _verdict(learnt: Learnt) -> Iterator[str]:
    found = learnt.performance
    lift = found.lift_top_decile
    if lift:
        yield (
            f"The tenth of the rows with the most points gets there (“{learnt.target}”) {lift.value:.1f} times as often"
            f" as all rows ({lift.low:.1f} to {lift.high:.1f})."
        )
    if found.auc:
        yield (
            "Of two rows, one that got there and one that did not, the points put the right one first in"
            f" {_pairs(found.auc)}."
        )
    yield (
        f"They were learnt on {learnt.train:,} rows and judged on {len(learnt.hit):,} others, {learnt.split},"
        " which had no part in it."
    )


def _pairs(auc: Interval) -> str:
    low, high = percent(auc.low), percent(auc.high)
    return f"{percent(auc.value)} of cases ({low} to {high}; 50 % is a coin)"


def _cards(learnt: Learnt) -> Iterator[Card]:
    found = learnt.performance
    yield Card("rules", f"{len(learnt.rules)}", "with whole points")
    if found.auc:
        yield Card(
            "right order", percent(found.auc.value), f"{percent(found.auc.low)} to {percent(found.auc.high)}"
        )
    if found.lift_top_decile and learnt.base:
        top = learnt.base.value * found.lift_top_decile.value
        yield Card("top tenth gets there", percent(top), f"of all rows {percent(learnt.base.value)}")
    yield Card("judged on", f"{len(learnt.hit):,} rows", f"learnt on {learnt.train:,}")


def _points(learnt: Learnt) -> Iterator[Block]:
    heads = ("rule", "points", "rows", "got there with it", "without it")
    rules = sorted(learnt.rules, key=lambda one: (-one.points, one.rule))
    rows: list[Sequence[Cell]] = [
        (one.because, signed(one.points), f"{one.rows:,}", as_rate(one.rate_with), as_rate(one.rate_without))
        for one in rules
    ]
    yield Text(
        "A row gets the points of every rule that holds for it. Shares are of the rows that taught the points."
    )
    yield Table(heads, rows, stacked=True)


def _telling(learnt: Learnt) -> Iterator[Block]:
    parts = _by_points(learnt)
    by_score = Chart(
        "By points",
        rates("Share that got there by points", [Rates(one.name, [one.rate]) for one in reversed(parts)]),
        "Rows by their points, in parts of about the same size: share that got there, with its interval.",
    )
    curves = {NAME: judged.curve(learnt.outcomes, learnt.score)}
    yield Beside((by_score, judged.found_first(curves, "rows")))


def _by_points(learnt: Learnt) -> Sequence[Told]:
    """Parts of about equal size, named after their points."""
    edges = np.unique(np.quantile(learnt.score, np.linspace(0, 1, PARTS + 1)[1:-1]))
    part = np.searchsorted(edges, learnt.score, side="left")
    found = []
    for n in sorted(set(part.tolist()), reverse=True):
        own = part == n
        low, high = learnt.score[own].min(), learnt.score[own].max()
        name = f"{low:g}" if low == high else f"{low:g}–{high:g}"
        hits = rate(learnt.hit[own], learnt.outcomes.weight[own])
        found.append(
            Told(
                name, int(own.sum()), int(learnt.hit[own].sum()), float(learnt.probability[own].mean()), hits
            )
        )
    return found


def _calibration(learnt: Learnt) -> Calibration:
    return Calibration(NAME, (), by_tenth(learnt.outcomes, learnt.probability), ())


def _chances(learnt: Learnt) -> Iterator[Block]:
    calibration = _calibration(learnt)
    yield judged.told_and_happened([calibration], "rows")
    yield judged.told_table(calibration.tenths, "rows")


def _left_aside(learnt: Learnt) -> Iterator[Section]:
    if learnt.findings:
        rows = [(one.subject, one.because) for one in learnt.findings]
        table = Table(("column", "why"), rows, words=("why",))
        few = len(rows) <= 8
        yield Section(
            "What was not used, and why", (table if few else Folded(f"{len(rows)} columns", (table,)),)
        )


def _conditions(learnt: Learnt) -> Iterator[str]:
    for one in sorted(learnt.rules, key=lambda one: (-one.points, one.rule)):
        yield f"{signed(one.points):>4}  {one.rule}: {one.when}"


def _metrics(learnt: Learnt) -> Iterator[Section]:
    if learnt.metrics:
        rows = [(name, "–" if value is None else f"{value:g}") for name, value in learnt.metrics.items()]
        yield Section("As in metrics.json", (Table(("figure", "value"), rows),), "metrics")


_NOTES = (
    "Points are whole numbers so that a person can read and change them: the file beside this page, scoring.yaml, is a"
    " policy like any other, and clearlane score gives the same points.",
    "A rule says what goes along with getting there in this file, not what brings it about. Ask whether it would be"
    " known in time, and whether you would defend it before the person it is about.",
)
