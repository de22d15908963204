"""Planned against actual turns: tables for the terminal, and one self-contained HTML page with a chart for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import groupby

from rich.table import Table
from rich.text import Text

from clearlane.review import charts
from clearlane.review.figures import Change
from clearlane.review.page import STYLE
from clearlane.route.shares import Share, reasons

HEADS = ("rep", "weight", "there", "planned", "turns", "difference", "reasons")
NOTE = (
    "Planned: the rep's part, by weight, of the turns for which the rep was there. Nobody loses a turn by being"
    " away, at a cap or out of hours, and nobody is flooded afterwards. Leads without a turn stand beside."
)


def tables(shares: Sequence[Share]) -> Iterator[Table | Text]:
    """A table for each rotation and band."""
    for (rotation, band), found in _grouped(shares):
        table = Table(title=f"{rotation}, {band}", title_justify="left", title_style="bold", box=None)
        for i, head in enumerate(HEADS):
            table.add_column(head, justify="left" if i in (0, 6) else "right", overflow="fold")
        for share in found:
            table.add_row(*map(Text, _cells(share)))
        yield table
    yield Text(NOTE if shares else "No turn was taken in this span.", style="dim")


def page(shares: Sequence[Share], since: datetime, until: datetime) -> str:
    """The whole page: a chart and a table for each rotation and band."""
    body = "".join(_sections(shares))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Turns</title><style>{STYLE}</style></head><body><main>"
        f"<header><p class=kicker>Fairness</p><h1>Planned and actual turns</h1>"
        f"<p>From {since:%d %B %Y} to {until:%d %B %Y}.</p></header>"
        '<p class="legend"><i class="old"></i> planned <i class="new"></i> taken</p>'
        f"{body}<footer><p>{escape(NOTE)}</p></footer></main></body></html>\n"
    )


def _sections(shares: Sequence[Share]) -> Iterator[str]:
    for (rotation, band), found in _grouped(shares):
        name = f"{rotation}, {band}"
        changes = [Change(share.rep, share.planned, share.turns) for share in found]
        chart = charts.bars(f"Planned and actual turns of {name}", changes)
        yield f"<section><h2>{escape(name)}</h2><figure>{chart}</figure>{_table(found)}</section>"
    if not shares:
        yield "<p>No turn was taken in this span.</p>"


def _table(shares: Iterable[Share]) -> str:
    head = "".join(f"<th>{head}</th>" for head in HEADS)
    rows = (f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(share))}</tr>" for share in shares)
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cells(share: Share) -> Sequence[str]:
    weight = "–" if share.weight is None else f"{share.weight:g}"
    planned, there = f"{share.planned:.1f} ({_part(share.planned, share)})", f"{share.there} of {share.of}"
    turns = f"{share.turns} ({_part(share.turns, share)})"
    return share.rep, weight, there, planned, turns, f"{share.difference:+.1f}", reasons(share)


def _part(turns: float, share: Share) -> str:
    return f"{turns / share.there:.0%}" if share.there else "–"


def _grouped(shares: Sequence[Share]) -> Iterator[tuple[tuple[str, str], Sequence[Share]]]:
    groups = groupby(shares, key=lambda share: (share.rotation, share.band))
    return ((name, list(found)) for name, found in groups)
