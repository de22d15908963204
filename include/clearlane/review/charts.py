"""Charts as inline SVG: plain shapes coloured by the page's style sheet, readable on a phone.

Every chart is `WIDTH` units wide and says in `title` what it shows, for those who hear it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from clearlane.review.figures import Change, Moves
from clearlane.review.words import amount, short

WIDTH = 360.0

_ROW, _BAR, _VALUE = 42.0, 9.0, 44.0
_COLUMNS_HIGH, _FLOW_HIGH, _NODE, _LABEL = 150.0, 260.0, 10.0, 92.0
_GAP = 8.0


@dataclass(frozen=True)
class Span:
    """Of one name: what is expected with its interval, and a limit, or none."""

    name: str
    low: float
    middle: float
    high: float
    limit: float | None


def bars(title: str, changes: Sequence[Change]) -> str:
    """Two bars a row, old above new, with their numbers at the end."""
    most = max((value or 0 for change in changes for value in (change.old, change.new)), default=0) or 1
    rows = (shape for i, change in enumerate(changes) for shape in _bar_row(change, i * _ROW, most))
    return _svg(title, _ROW * len(changes), rows)


def _bar_row(change: Change, top: float, most: float) -> Iterator[str]:
    yield _text(0, top + 13, change.name, "label")
    for side, value, y in (("old", change.old or 0, top + 18), ("new", change.new or 0, top + 18 + _BAR + 1)):
        width = (WIDTH - _VALUE) * value / most
        yield f'<rect class="{side}" x="0" y="{y:g}" width="{max(width, 1):.1f}" height="{_BAR:g}" rx="1.5"/>'
        yield _text(width + 5, y + _BAR - 1, short(value), f"value {side}-text")


def columns(title: str, changes: Sequence[Change]) -> str:
    """Two columns a name, old beside new: a distribution."""
    most = max((value or 0 for change in changes for value in (change.old, change.new)), default=0) or 1
    step = WIDTH / max(len(changes), 1)
    shapes = (shape for i, change in enumerate(changes) for shape in _column(change, i * step, step, most))
    return _svg(title, _COLUMNS_HIGH + 34, shapes)


def _column(change: Change, left: float, step: float, most: float) -> Iterator[str]:
    width = (step - 5) / 2
    base = _COLUMNS_HIGH + 14
    for side, value, x in (("old", change.old or 0, left + 2), ("new", change.new or 0, left + 2 + width)):
        high = _COLUMNS_HIGH * value / most
        yield (
            f'<rect class="{side}" x="{x:.1f}" y="{base - high:.1f}" width="{width:.1f}" height="{high:.1f}">'
            f"<title>{escape(change.name)}: {amount(value)}</title></rect>"
        )
    yield _text(left + step / 2, base + 14, change.name, "tick")


def flow(title: str, moves: Moves) -> str:
    """From the old side (left) to the new (right), as wide as there are leads: green rises, orange falls."""
    cells = moves.cells
    total = sum(map(sum, cells)) or 1
    unit = (_FLOW_HIGH - _GAP * (len(cells) - 1)) / total
    old = [sum(row) for row in cells]
    new = [sum(row[j] for row in cells) for j in range(len(cells))]
    lefts, rights = _stacked(old, unit), _stacked(new, unit)
    shapes = [
        *_ribbons(cells, list(lefts), list(rights), unit),
        *_nodes(moves.names, old, lefts, unit, _LABEL - _NODE, left=True),
        *_nodes(moves.names, new, rights, unit, WIDTH - _LABEL, left=False),
    ]
    return _svg(title, _FLOW_HIGH + 12, shapes)


def _stacked(counts: Sequence[int], unit: float) -> list[float]:
    """The top of each part of a pile."""
    tops = [6.0]
    for count in counts:
        tops.append(tops[-1] + count * unit + _GAP)
    return tops[:-1]


def _ribbons(
    cells: Sequence[Sequence[int]], lefts: list[float], rights: list[float], unit: float
) -> Iterator[str]:
    for i, row in enumerate(cells):
        for j, count in enumerate(row):
            if count:
                yield _ribbon(lefts[i], rights[j], count * unit, j - i)
                lefts[i] += count * unit
                rights[j] += count * unit


def _ribbon(left: float, right: float, high: float, step: int) -> str:
    way = "same" if step == 0 else "up" if step < 0 else "down"
    x0, x1 = _LABEL, WIDTH - _LABEL
    middle = (x0 + x1) / 2
    path = (
        f"M{x0:g} {left:.1f}C{middle:g} {left:.1f} {middle:g} {right:.1f} {x1:g} {right:.1f}"
        f"V{right + high:.1f}C{middle:g} {right + high:.1f} {middle:g} {left + high:.1f} {x0:g} {left + high:.1f}Z"
    )
    return f'<path class="{way}" d="{path}"/>'


def _nodes(
    names: Sequence[str], counts: Sequence[int], tops: Sequence[float], unit: float, x: float, *, left: bool
) -> Iterator[str]:
    at, kind = (x - 6, "end") if left else (x + _NODE + 6, "start")
    for name, count, top in zip(names, counts, tops, strict=True):
        if count:
            yield f'<rect class="node" x="{x:g}" y="{top:.1f}" width="{_NODE:g}" height="{max(count * unit, 1):.1f}"/>'
            yield _text(at, top + count * unit / 2 + 4, f"{name} {amount(count)}", f"label {kind}")


def ranges(title: str, spans: Sequence[Span]) -> str:
    """A box from low to high with a line at the middle for each name, and a bar across where the limit lies."""
    most = max((max(span.high, span.limit or 0) for span in spans), default=0) or 1
    step = WIDTH / max(len(spans), 1)
    shapes = (shape for i, span in enumerate(spans) for shape in _range(span, i * step, step, most))
    return _svg(title, _COLUMNS_HIGH + 52, shapes)


def _range(span: Span, left: float, step: float, most: float) -> Iterator[str]:
    base, unit = _COLUMNS_HIGH + 18, _COLUMNS_HIGH / most
    width = min(step * 0.42, 46)
    x = left + (step - width) / 2
    top, middle = base - span.high * unit, base - span.middle * unit
    over = span.limit is not None and span.middle > span.limit
    yield f'<rect class="{"down" if over else "new range"}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}"'
    yield f' height="{max((span.high - span.low) * unit, 1):.1f}" rx="2"/>'
    yield f'<rect class="node" x="{x:.1f}" y="{middle - 1:.1f}" width="{width:.1f}" height="2"/>'
    yield _text(left + step / 2, base + 16, span.name, "tick")
    yield _text(left + step / 2, base + 30, f"{amount(span.low)}–{amount(span.high)}", "tick")
    if span.limit is not None:
        at = base - span.limit * unit
        yield f'<rect class="limit" x="{left + 4:.1f}" y="{at - 1.5:.1f}" width="{step - 8:.1f}" height="3"/>'
        yield _text(left + 4, at - 5, amount(span.limit), "value")


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(title: str, high: float, shapes: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {high:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(shapes)}</svg>"
    )
