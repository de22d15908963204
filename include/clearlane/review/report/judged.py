"""How ways of scoring do, as tables and charts: for the review of a quarter and for a file alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from clearlane.review.judgement import Calibration, Difference, Performance
from clearlane.review.judgement.performance import Outcomes, ordering
from clearlane.review.judgement.reliability import Told
from clearlane.review.judgement.resampling import Floats, Resamples
from clearlane.review.report import charts
from clearlane.review.report.blocks import (
    Beside,
    Block,
    Cell,
    Chart,
    Table,
    Text,
    figure,
    gain,
    percent,
    rate,
)

CURVE = tuple(float(share) for share in np.linspace(0, 1, 41)[1:])
Curve = Sequence[tuple[float, float]]


def curve(outcomes: Outcomes, score: Floats) -> Curve:
    """Shares of the leads, the highest score first, and the share of those that reached the target found by then."""
    alone = Resamples(np.ones((1, len(score)), np.uint8))
    _, lifts = ordering(outcomes, score, alone, CURVE)
    return ((0.0, 0.0), *((share, float(lift * share)) for share, lift in zip(CURVE, lifts[0], strict=True)))


def figures(performances: Sequence[Performance]) -> Table:
    """A row for each way of scoring."""
    heads = (
        "way of scoring",
        "right order (AUC)",
        "lift of the top tenth",
        "log loss",
        "Brier",
        "calibration slope",
    )
    rows = [
        (one.name, figure(one.auc, 3), figure(one.lift_top_decile, 2, "×"), figure(one.log_loss, 4),
         figure(one.brier, 4), figure(one.slope))
        for one in performances
    ]  # fmt: skip
    return Table(heads, rows, stacked=True)


def differences(found: Sequence[Difference]) -> Iterator[Table]:
    """Each way less the first, on the same draws."""
    heads = ("difference", "right order (AUC)", "lift of the top tenth", "log loss", "Brier")
    rows = [
        (f"{one.name} less {one.against}", gain(one.auc, 3), gain(one.lift_top_decile), gain(one.log_loss, 4),
         gain(one.brier, 4))
        for one in found
    ]  # fmt: skip
    if rows:
        yield Table(heads, rows, stacked=True)


def found_first(curves: Mapping[str, Curve], noun: str) -> Chart:
    """The curve of what is found when the highest scores are called first."""
    series = [charts.Series(name, points) for name, points in curves.items()]
    reading = (
        f"Across: share of the {noun}, the highest score first. Up: share of those that got there that were among them."
        f" The dashed line is chance. {_legend(curves)}"
    )
    return Chart("Called first, found first", charts.gains("Share found by share called", series), reading)


def told_and_happened(calibrations: Sequence[Calibration], noun: str = "leads") -> Chart:
    series = [
        charts.Series(one.name, seen=[charts.Seen(t.told, t.rate) for t in one.tenths if t.rate])
        for one in calibrations
    ]
    reading = (
        f"Across: the chance that was told, by tenths of the {noun}. Up: how often it came true, with its interval."
        f" On the dashed line both are the same. {_legend(one.name for one in calibrations)}"
    )
    return Chart(
        "Told and happened", charts.reliability("Chance told and share that came true", series), reading
    )


def by_band(calibrations: Sequence[Calibration]) -> Iterator[Chart]:
    """How often each band reaches the target, for the ways of scoring that have bands."""
    with_bands = [one for one in calibrations if one.bands]
    if with_bands:
        names = [told.name for told in with_bands[0].bands]
        rates = [
            charts.Rates(name, [one.bands[i].rate for one in with_bands]) for i, name in enumerate(names)
        ]
        reading = (
            f"Share that got there, by band, with its interval. {_legend(one.name for one in with_bands)}"
        )
        yield Chart("By band", charts.rates("Share that got there by band", rates), reading)


def _legend(names: Iterable[str]) -> str:
    said = [f"{colour}: {name}" for colour, name in zip(("Grey", "blue", "green"), names, strict=False)]
    return f"{', '.join(said)}." if len(said) > 1 else ""


def told_table(told: Sequence[Told], noun: str = "leads", told_by: str = "chance told") -> Table:
    """A row for each part: how many, what was told, what came."""
    return Table((told_by, noun, "got there", "told", "came true", "holds"), [_told(one) for one in told])


def _told(one: Told) -> Sequence[Cell]:
    return (
        one.name,
        f"{one.leads:,}",
        f"{one.hits:,}",
        percent(one.told),
        rate(one.rate),
        "yes" if one.holds else "no",
    )


def beside(*blocks: Block) -> Beside:
    return Beside(blocks)


def words(noun: str) -> Text:
    """What the columns of `figures` mean."""
    return Text(
        f"Right order: the chance that of two {noun}, one that got there and one that did not, the first has the higher"
        " score (50 % is a coin). Lift: how many times as often the top tenth gets there as all do. Log loss and Brier:"
        " how far the chance told is from what happened, the less the better. Slope: below 1 the chances told are too"
        " extreme, above 1 too timid. In brackets: 95 % intervals by resampling."
    )
