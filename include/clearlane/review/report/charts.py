"""Charts of the weight review as inline SVG, coloured by the page's style sheet, readable on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from markupsafe import Markup

from clearlane.review.cases import Interval
from clearlane.review.report.blocks import THIN, signed

WIDTH: Final = 360.0
KINDS: Final = ("old", "new", "third")
"""the colours of two or three things compared, in their order; one alone is new"""
_ROW, _RIGHT = 40.0, 14.0
_LEFT, _TOP, _SIDE = 38.0, 12.0, 240.0
_Writer = Callable[[float], str]
_SHAPE = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>')


def kinds(compared: int) -> Sequence[str]:
    return KINDS if compared > 1 else KINDS[1:2]


@dataclass(frozen=True)
class Worth:
    """Points of one rule: now, proposed, and what the evidence says."""

    name: str
    before: float
    after: float
    evidence: Interval


@dataclass(frozen=True)
class Seen:
    """Leads told the same chance: what was told and how often it happened."""

    told: float
    happened: Interval


@dataclass(frozen=True)
class Series:
    """What one way of scoring shows; curves go from left to right."""

    name: str
    points: Sequence[tuple[float, float]] = ()
    seen: Sequence[Seen] = ()


@dataclass(frozen=True)
class Rates:
    """A rate with its interval of each way of scoring, under one name; None where there is none."""

    name: str
    rates: Sequence[Interval | None]


# --- points of rules ----------------------------------------------------------------------------------------


def worth(title: str, rules: Sequence[Worth]) -> Markup:
    """A row for each rule: the evidence as a span, the points now as a grey dot, proposed as a coloured one."""
    low = min([0.0, *(min(rule.before, rule.after, rule.evidence.low) for rule in rules)])
    high = max([1.0, *(max(rule.before, rule.after, rule.evidence.high) for rule in rules)])
    scale = _Scale(low, high, 8, WIDTH - _RIGHT)
    bottom = 4 + _ROW * len(rules)
    rows = (shape for i, rule in enumerate(rules) for shape in _worth(rule, 4 + i * _ROW, scale))
    return _svg(title, bottom + 22, [*_below(scale, 0, bottom, _whole), *rows])


def _worth(rule: Worth, top: float, scale: _Scale) -> Iterator[Markup]:
    y, found = top + 27, rule.evidence
    yield _text(0, top + 13, f"{rule.name}: {_whole(rule.before)} → {_whole(rule.after)}", "label")
    yield _line(scale(found.low), y, scale(found.high), y, "whisker")
    yield from (_line(scale(end), y - 4, scale(end), y + 4, "whisker") for end in (found.low, found.high))
    yield _dot(scale(rule.before), y, "old", 5)
    yield _dot(scale(rule.after), y, "new", 5)


def _whole(points: float) -> str:
    return signed(points).removeprefix("+")


def _percent(share: float) -> str:
    return f"{share * 100:g}{THIN}%"


# --- told and happened --------------------------------------------------------------------------------------


def reliability(title: str, series: Sequence[Series]) -> Markup:
    """What was told (across) against what happened (up); on the dashed line both are the same."""
    seen = [one for line in series for one in line.seen]
    most = _nice(max([0.01, *(max(one.told, one.happened.high) for one in seen)]))
    across, up = _square(most, most)
    shapes: list[Markup] = [
        *_frame(across, up),
        _line(across(0), up(0), across(most), up(most), "ideal"),
    ]
    for kind, line in zip(kinds(len(series)), series, strict=False):
        shapes += [
            shape for one in line.seen for shape in _whiskered(across(one.told), up, one.happened, kind)
        ]
    return _svg(title, _TOP + _SIDE + 22, shapes)


def _whiskered(x: float, up: _Scale, found: Interval, kind: str) -> Iterator[Markup]:
    yield _line(x, up(found.low), x, up(found.high), f"whisker {kind}")
    yield _dot(x, up(found.value), kind, 4)


def gains(title: str, series: Sequence[Series]) -> Markup:
    """Share of the leads called first (across) against share of those that got there found by then (up)."""
    across, up = _square(1, 1)
    lines = (
        _curve(line.points, across, up, kind) for kind, line in zip(kinds(len(series)), series, strict=False)
    )
    ideal = _line(across(0), up(0), across(1), up(1), "ideal")
    return _svg(title, _TOP + _SIDE + 22, [*_frame(across, up), ideal, *lines])


def _curve(points: Sequence[tuple[float, float]], across: _Scale, up: _Scale, kind: str) -> Markup:
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
    return Markup('<polyline class="line {}" points="{}"/>').format(kind, path)


# --- rates by name ------------------------------------------------------------------------------------------


def rates(title: str, named: Sequence[Rates]) -> Markup:
    """A column of dots with their intervals for each name: those compared stand side by side."""
    found = [rate for one in named for rate in one.rates if rate]
    up = _Scale(0, _nice(max([0.01, *(rate.high for rate in found)])), _TOP + 150, _TOP)
    step = (WIDTH - _LEFT - 6) / max(len(named), 1)
    shapes = [*_beside(up)]
    for i, one in enumerate(named):
        middle = _LEFT + (i + 0.5) * step
        shapes.append(_text(middle, _TOP + 168, one.name, "tick"))
        for j, (kind, rate) in enumerate(zip(kinds(len(one.rates)), one.rates, strict=False)):
            at = middle + (j - (len(one.rates) - 1) / 2) * min(step / 4, 18)
            shapes += [*_whiskered(at, up, rate, kind)] if rate else []
    return _svg(title, _TOP + 176, shapes)


# --- parts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scale:
    """From a value to a place."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def marks(self) -> Sequence[float]:
        step = _step((self.high - self.low) / 4)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def _square(most_across: float, most_up: float) -> tuple[_Scale, _Scale]:
    return _Scale(0, most_across, _LEFT, WIDTH - _RIGHT), _Scale(0, most_up, _TOP + _SIDE, _TOP)


def _frame(across: _Scale, up: _Scale) -> Iterator[Markup]:
    yield from _below(across, _TOP, _TOP + _SIDE, _percent)
    yield from _beside(up)


def _below(across: _Scale, top: float, bottom: float, write: _Writer) -> Iterator[Markup]:
    for mark in across.marks():
        yield _line(across(mark), top, across(mark), bottom, "axis")
        yield _text(across(mark), bottom + 16, write(mark), "tick")


def _beside(up: _Scale) -> Iterator[Markup]:
    for mark in up.marks():
        yield _line(_LEFT, up(mark), WIDTH - 6, up(mark), "axis")
        yield _text(_LEFT - 5, up(mark) + 3.5, _percent(mark), "value end")


def _nice(most: float) -> float:
    """The next round number above, for the end of an axis."""
    step = _step(most / 4)
    return ceil(most / step - 1e-9) * step


def _step(about: float) -> float:
    """1, 2 or 5 times a power of ten, at least about as much."""
    unit = float(10 ** floor(log10(about)))
    return next(one * unit for one in (1, 2, 5, 10) if one * unit >= about - 1e-12)


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    shape = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return shape.format(style, x1, y1, x2, y2)


def _dot(x: float, y: float, style: str, radius: float) -> Markup:
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:g}"/>').format(style, x, y, radius)


def _text(x: float, y: float, said: str, style: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(style, x, y, said)


def _svg(title: str, high: float, shapes: Iterable[Markup]) -> Markup:
    return _SHAPE.format(f"{WIDTH:g}", f"{high:g}", title, title, Markup().join(shapes))
