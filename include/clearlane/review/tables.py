"""A what-if on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from clearlane.review.figures import Change, Load, Mover, Moves, Picks
from clearlane.review.whatif import WhatIf, unchanged
from clearlane.review.words import amount, by_cap, by_rules, figure, headline, notes, percent, title


def tables(told: WhatIf) -> Iterator[Table | Text]:
    """What to print, from the whole to the single lead."""
    found = told.figures
    yield Text(title(told), style="bold")
    yield Text("\n".join(headline(told)))
    if not unchanged(told):
        yield _moves("Bands: from (row) to (column)", found.bands)
        yield _moves("Stages: from (row) to (column)", found.stages)
        yield _judgements(told)
        yield _changes("Where the leads go", found.places)
        yield _loads("Teams: load", found.teams)
        yield _limits("Teams: caps and promises", found.teams)
        yield _loads("Reps: load", found.reps)
        yield _limits("Reps: caps and promises", found.reps)
        yield _tiers(told)
        yield _movers("The leads that move most", found.movers)
    yield Text("\n".join(notes(told)), style="dim")


def _table(name: str, *columns: str) -> Table:
    table = Table(title=name, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    return table


def _moves(name: str, moves: Moves) -> Table:
    table = _table(name, "", *moves.names)
    for i, (row, cells) in enumerate(zip(moves.names, moves.cells, strict=True)):
        table.add_row(Text(row), *(_cell(count, j - i) for j, count in enumerate(cells)))
    return table


def _cell(count: int, step: int) -> Text:
    if not count:
        return Text("·", style="dim")
    return Text(f"{count:,}", style="" if step == 0 else "green" if step < 0 else "yellow")


def _judgements(told: WhatIf) -> Table:
    table = _table(
        "Against outcomes", "called", "outcome", "side", "picked", "worked", "right", "found", "lift"
    )
    for judged in told.figures.judgements:
        for side, picks in (("old", judged.old), ("new", judged.new)):
            table.add_row(*_judged(judged.call if side == "old" else "", judged.outcome, side, picks))
    return table


def _judged(call: str, outcome: str, side: str, picks: Picks) -> tuple[str, ...]:
    found = (percent(picks.precision), percent(picks.recall), figure(picks.lift, "×"))
    return (call, outcome, side, f"{picks.picked:,}", f"{picks.worked:,}", *found)


def _changes(name: str, changes: Sequence[Change]) -> Table:
    table = _table(name, "", "old", "new", "change")
    for change in changes:
        table.add_row(Text(change.name), amount(change.old), amount(change.new), _signed(change))
    return table


def _signed(change: Change) -> str:
    difference = (change.new or 0) - (change.old or 0)
    return f"{difference:+,.0f}" if difference else ""


def _loads(name: str, loads: Sequence[Load]) -> Table:
    """Who gets how much, and what nobody gets."""
    table = _table(
        name, "", "leads", "new", "change", "a day", "new", "hot", "new", "in pool", "new", "exceptions", "new",
        "held", "new",
    )  # fmt: skip
    for load in loads:
        table.add_row(
            Text(load.name),
            *(amount(load.leads.old), amount(load.leads.new), _signed(load.leads)),
            *(figure(load.a_day.old), figure(load.a_day.new)),
            *(amount(load.hottest.old), amount(load.hottest.new)),
            *(amount(load.pooled.old), amount(load.pooled.new)),
            *(amount(load.exceptions.old), amount(load.exceptions.new)),
            *(amount(load.held.old), amount(load.held.new)),
        )
    return table


def _limits(name: str, loads: Sequence[Load]) -> Table:
    """Whom caps passed over, and how soon each is to answer."""
    table = _table(
        name, "", "over cap", "new", "by cap", "new", "due after h", "new", "h at work", "new", "in time", "new",
        "late", "new",
    )  # fmt: skip
    for load in loads:
        table.add_row(
            Text(load.name),
            *(amount(load.cap_hits.old), amount(load.cap_hits.new)),
            *(by_cap(load, "old"), by_cap(load, "new")),
            *(figure(load.hours.old), figure(load.hours.new)),
            *(figure(load.business.old), figure(load.business.new)),
            *(percent(load.prompt.old), percent(load.prompt.new)),
            *(amount(load.late.old), amount(load.late.new)),
        )
    return table


def _tiers(told: WhatIf) -> Table:
    table = _table("Promises", "tier", "leads", "new", "due after h", "new", "in time", "new")
    for tier in told.figures.tiers:
        table.add_row(
            Text(tier.name),
            *(amount(tier.leads.old), amount(tier.leads.new)),
            *(figure(tier.hours.old), figure(tier.hours.new)),
            *(percent(tier.prompt.old), percent(tier.prompt.new)),
        )
    return table


def _movers(name: str, movers: Sequence[Mover]) -> Table:
    table = _table(name, "lead", "score", "band", "stage", "owner", "because of")
    for mover in movers:
        pairs = [
            (str(getattr(mover.old, part)), str(getattr(mover.new, part)))
            for part in ("score", "band", "stage", "owner")
        ]
        cells = (old if old == new else f"{old} → {new}" for old, new in pairs)
        table.add_row(Text(mover.lead), *map(Text, cells), Text(by_rules(mover)))
    return table
