"""What a report is made of: sections of text, tables and charts, each with its words. How it looks is `layout`'s.

Text is escaped when it is laid out; a cell or a chart that is HTML already is `Markup`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clearlane.review.cases import Interval

Cell = str | Markup


@dataclass(frozen=True)
class Text:
    """One paragraph."""

    said: Cell


@dataclass(frozen=True)
class Points:
    """Sentences, one a line."""

    lines: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A row of heads and rows of cells; the first column is text, `words` names the other columns that are."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: Sequence[str] = ()
    stacked: bool = False
    """on a phone each row stands for itself, a cell a line"""


@dataclass(frozen=True)
class Chart:
    """A drawing (SVG) with its title and a sentence that says how to read it."""

    title: str
    drawing: Markup
    reading: str = ""


@dataclass(frozen=True)
class Code:
    """Lines as they are in a file; `diff` colours those that come and go."""

    lines: str
    diff: bool = False


@dataclass(frozen=True)
class Card:
    """One figure in large: what it is, the figure, what to know about it."""

    name: str
    value: str
    remark: str


@dataclass(frozen=True)
class Cards:
    cards: Sequence[Card]


@dataclass(frozen=True)
class Beside:
    """Blocks next to each other where there is room."""

    blocks: Sequence[Block]


@dataclass(frozen=True)
class Folded:
    """Blocks that open on a click and are printed."""

    title: str
    blocks: Sequence[Block]


Block = Text | Points | Table | Chart | Code | Cards | Beside | Folded


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Block]
    key: str = ""
    """of the address within the page; empty: not in the list of contents"""


@dataclass(frozen=True)
class Report:
    """A page: the verdict and what to decide first, then what a person needs to agree, then all the rest."""

    kicker: str
    title: str
    verdict: Sequence[str]
    """a few sentences"""
    cards: Sequence[Card] = ()
    summary: Sequence[Section] = ()
    """five minutes"""
    details: Sequence[Section] = ()
    """an hour"""
    notes: Sequence[str] = ()


# --- figures in words ---------------------------------------------------------------------------------------

NOTHING = "–"
THIN = "\u202f"
"""a narrow space at which no line breaks"""


def percent(share: float | None, decimals: int | None = None) -> str:
    """`9.1 %`; unless told otherwise without a decimal from 20 %."""
    if share is None or share != share:
        return NOTHING
    digits = (0 if abs(share) >= 0.2 or share == 0 else 1) if decimals is None else decimals
    return f"{share * 100:.{digits}f}{THIN}%"


def rate(found: Interval | None, decimals: int | None = None) -> Cell:
    """A share with its interval: `9.1 % (7.8–10.6)`."""
    return NOTHING if found is None else _between(percent(found.value, decimals), found, 100, 1)


def figure(found: Interval | None, decimals: int = 2, unit: str = "") -> Cell:
    """A number with its interval: `0.71 (0.68–0.74)`."""
    return (
        NOTHING if found is None else _between(f"{_number(found.value, decimals)}{unit}", found, 1, decimals)
    )


def gain(found: Interval | None, decimals: int = 2) -> Cell:
    """A difference with its interval: `+0.03 (+0.01 to +0.05)`."""
    if found is None:
        return NOTHING
    value, low, high = (signed(one, decimals) for one in (found.value, found.low, found.high))
    return Markup("{} <small>({} to {})</small>").format(value, low, high)


def signed(value: float, decimals: int = 0) -> str:
    """With a true minus: `+3`, `−1.5`, `0`."""
    said = f"{abs(value):,.{decimals}f}"
    return said if not said.strip("0.,") else f"{'+' if value > 0 else '−'}{said}"


def _number(value: float, decimals: int) -> str:
    return signed(value, decimals).removeprefix("+")


def _between(value: str, found: Interval, factor: float, decimals: int) -> Cell:
    low, high = (_number(one * factor, decimals) for one in (found.low, found.high))
    between = f"{low} to {high}" if found.low < 0 else f"{low}–{high}"
    return Markup("{} <small>({})</small>").format(value, between)


def moved(old: str, new: str) -> Cell:
    """`8 → 12`, the new in bold; once where both are the same."""
    return old if old == new else Markup("<span class=was>{}</span>&nbsp;→&nbsp;<b>{}</b>").format(old, new)
