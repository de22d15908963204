"""The pictures of a digest: PNG on white, which reads in a dark mail too, in colours that all eyes tell apart.

The same figures give the same bytes. Each comes with a sentence that says its numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from clearlane.sla.digest import Digest, percent
from clearlane.sla.figures import LAGS, Cohort
from clearlane.sla.speed import Speed

BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#b8c0c9", "#171b20"
"""of Okabe and Ito's palette, but for greys"""
MONTHS: Final = 4
"""cohorts shown"""
SIZE: Final = (4.6, 2.8)
DOTS: Final = 200
NAMES: Final = {"arrival": "from arrival", "assignment": "from assignment"}
STEPS: Final = {"accepted": "accepted", "sql": "SQL", "won": "won"}


@dataclass(frozen=True)
class Picture:
    name: str
    title: str
    alt: str
    png: str
    """in base64"""

    def fact(self) -> Mapping[str, str]:
        """As a mail's facts have it."""
        return {"name": self.name, "alt": self.alt, "png": self.png}


def pictures(told: Digest) -> Sequence[Picture]:
    """In time by week, in time by band, cohorts; those that have something to show."""
    drawn = (_by_week(told), _by_band(told), _by_month(told.cohorts))
    return tuple(one for one in drawn if one)


def _picture(name: str, title: str, alt: str, draw: Callable[[Axes], None]) -> Picture:
    figure = Figure(
        figsize=SIZE, dpi=DOTS, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1), facecolor="white"
    )
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    draw(axes)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=11, length=0, colors=INK)
    written = BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return Picture(name, title, alt, base64.b64encode(written.getvalue()).decode())


# --- in time, by week ---------------------------------------------------------------------------------------


def _by_week(told: Digest) -> Picture | None:
    shown = [one for one in told.trend if one.promise in NAMES and one.kept + one.late]
    lines = {
        name: [
            (f"{one.monday:%-d %b}", one.kept / (one.kept + one.late))
            for one in shown
            if one.promise == promise
        ]
        for promise, name in NAMES.items()
    }
    if max(map(len, lines.values())) < 2:
        return None
    said = "; ".join(f"{name}: {_listed(points)}" for name, points in lines.items() if points)
    weeks = list(dict.fromkeys(f"{one.monday:%-d %b}" for one in shown))

    def draw(axes: Axes) -> None:
        for (name, points), colour, mark in zip(lines.items(), (BLUE, ORANGE), "os", strict=True):
            at, shares = [weeks.index(week) for week, _ in points], [share for _, share in points]
            axes.plot(at, shares, color=colour, marker=mark, linewidth=2.2, label=name)
        axes.set_xticks(range(len(weeks))[::-2], weeks[::-2])
        _shares(axes)
        axes.legend(frameon=False, fontsize=11, loc="lower left", ncols=2)

    return _picture("weeks", "Touched in time, by week", f"Touched in time by week, {said}.", draw)


def _listed(points: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {percent(share)}" for name, share in points)


def _shares(axes: Axes) -> None:
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.grid(axis="y", color="#e1e5ea")
    axes.set_axisbelow(True)


# --- in time, by band ---------------------------------------------------------------------------------------


def _by_band(told: Digest) -> Picture | None:
    now, before = _bands(told.week.speed), _bands(told.before.speed)
    names = sorted(now, key=lambda name: -now[name])
    if not names:
        return None
    said = "; ".join(f"{name} {percent(now[name])}, before {percent(before.get(name))}" for name in names)

    def draw(axes: Axes) -> None:
        for shift, shares, colour, label in (
            (0.2, before, GREY, "week before"),
            (-0.2, now, BLUE, "this week"),
        ):
            for row, name in enumerate(reversed(names)):
                share = shares.get(name)
                axes.barh(row - shift, share or 0, 0.36, color=colour, label=label if row == 0 else None)
                axes.text(
                    (share or 0) + 0.015, row - shift, percent(share), va="center", fontsize=11, color=INK
                )
        axes.set_yticks(range(len(names)), list(reversed(names)))
        axes.set_xlim(0, 1.15)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], frameon=False, fontsize=11, loc="upper left",
                    bbox_to_anchor=(0, 0), ncols=2)  # fmt: skip

    return _picture(
        "bands", "Touched in time after arrival, by band", f"Touched in time by band: {said}.", draw
    )


def _bands(speeds: Sequence[Speed]) -> Mapping[str, float]:
    found = (one for one in speeds if (one.promise, one.by) == ("arrival", "band") and one.name)
    return {str(one.name): one.share for one in found if one.share is not None}


# --- cohorts ------------------------------------------------------------------------------------------------


def _by_month(cohorts: Sequence[Cohort]) -> Picture | None:
    whole = [one for one in cohorts if one.by == "all"][-MONTHS:]
    if not whole:
        return None
    said = "; ".join(_cohort(one) for one in whole)

    def draw(axes: Axes) -> None:
        for place, (step, colour) in enumerate(zip(STEPS, (GREY, BLUE, ORANGE), strict=True)):
            for at, one in enumerate(whole):
                _column(axes, at + (place - 1) * 0.28, one, step, colour, label=at == 0)
        axes.set_xticks(range(len(whole)), [f"{one.month:%b}\n{one.leads:,} MQL" for one in whole])
        axes.set_ylim(0, 1.15)
        axes.set_yticks([])
        axes.legend(frameon=False, fontsize=11, loc="upper right", ncols=3)

    title = "Of each month's MQLs (striped: growing)"
    return _picture("cohorts", title, f"Of each month's MQLs: {said}.", draw)


def _column(axes: Axes, x: float, one: Cohort, step: str, colour: str, *, label: bool) -> None:
    share = getattr(one, step) / one.leads
    style: dict[str, Any] = {"color": colour, "width": 0.26}
    if step in one.unfinished:
        style = {"facecolor": "white", "edgecolor": colour, "hatch": "////", "width": 0.26}
    axes.bar(x, share, **style)
    axes.text(x, share + 0.02, percent(share), ha="center", fontsize=9.5, color=INK)
    if label:
        axes.bar(x, 0, color=colour, label=STEPS[step])


def _cohort(one: Cohort) -> str:
    steps = (
        f"{STEPS[step]} {percent(getattr(one, step) / one.leads)}"
        + (" so far" if step in one.unfinished else "")
        for step in LAGS
    )
    return f"{one.month:%b} {one.leads:,}, " + ", ".join(steps)
