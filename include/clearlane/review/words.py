"""What a what-if says in words, the same on the terminal, on the page and in a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from clearlane.review.figures import Change, Figures, Load, Mover
from clearlane.review.responses import ENOUGH
from clearlane.review.whatif import WhatIf, unchanged

NOTHING = "–"
RULES_NAMED = 3


def title(told: WhatIf) -> str:
    return f"What if: {told.new} instead of {told.old}, {told.since:%Y-%m-%d} to {told.until:%Y-%m-%d}"


def headline(told: WhatIf) -> Iterator[str]:
    """The findings, the most important first."""
    found = told.figures
    if unchanged(told):
        yield f"Nothing changes: all {found.leads:,} leads have the same score, band, stage and owner."
        return
    changed = found.leads - found.unchanged
    share = percent(changed / found.leads)
    yield f"{changed:,} of {found.leads:,} leads ({share}) get another score, band, stage or owner."
    yield from _band_moves(told)
    yield from _best_call(told)


def _band_moves(told: WhatIf) -> Iterator[str]:
    bands = told.figures.bands
    if not bands.moved:
        yield "No lead changes its band."
        return
    up = sum(n for i, row in enumerate(bands.cells) for j, n in enumerate(row) if j < i)
    hot = band_change(told.figures)
    change = f"{hot.name}: {amount(hot.old)} → {amount(hot.new)}"
    yield f"{up:,} leads rise to a hotter band, {bands.moved - up:,} fall; {change}."


def band_change(found: Figures) -> Change:
    """Leads in the hottest band."""
    cells = found.bands.cells
    return Change(found.bands.names[0], sum(cells[0]), sum(row[0] for row in cells))


def _best_call(told: WhatIf) -> Iterator[str]:
    """How often the hottest band is right about the outcome that comes first."""
    judged = next((one for one in told.figures.judgements if one.old.worked and one.new.worked), None)
    if judged:
        yield (
            f"Of the {judged.call} leads that somebody worked, {percent(judged.old.precision)} → "
            f"{percent(judged.new.precision)} were {judged.outcome}."
        )


def notes(told: WhatIf) -> Iterator[str]:
    """What to keep in mind when reading the figures."""
    found = told.figures
    yield (
        f"Outcomes count within {told.horizon_days:g} days and were known until {told.known_until:%Y-%m-%d %H:%M}Z:"
        f" {found.ripe:,} of {found.leads:,} leads have had all that time, {found.worked:,} were worked by somebody."
        " A lead that nobody worked proves nothing, so shares are of those who were."
    )
    yield (
        "Both sides begin with an empty sales floor; a lead that was rejected, won or lost is not open any more."
        " In time: the first touch is due within the tier's own time, because somebody is at work."
    )
    yield (
        "Over cap: how often a rep was passed over because of a cap; exceptions count with the team that their rule"
        " asks first. Late: first touches that would come after they are due if each team answered as fast as it did,"
        f" from at least {ENOUGH} answers of the team in that tier; that more leads make a team slower is not in it."
    )
    if told.versions > 1:
        yield f"{told.versions} versions of the policy were in force in that time; each lead met its own."
    if told.not_played:
        files = ", ".join(f"{file}.yaml" for file in told.not_played)
        yield f"Also different, and not played through: {files} (what is read and let in)."


def by_cap(load: Load, side: str) -> str:
    """Which caps passed reps over on one side: `day 12, open 3`."""
    hits = [(change.name, getattr(change, side)) for change in load.by_cap]
    return ", ".join(f"{cap} {amount(count)}" for cap, count in hits if count) or NOTHING


def by_rules(mover: Mover) -> str:
    """The rules that make the difference: `icp_size +15, pricing_page −4.2`."""
    named = [
        f"{change.name} {signed((change.new or 0) - (change.old or 0))}"
        for change in mover.rules[:RULES_NAMED]
    ]
    more = len(mover.rules) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more > 0 else [])]) or "turns and caps"


def signed(points: float) -> str:
    sign = "+" if points > 0 else "−"
    return f"{sign}{abs(points):.1f}".removesuffix(".0")


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def figure(value: float | None, unit: str = "") -> str:
    return NOTHING if value is None else f"{value:,.1f}{unit}"


def amount(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def short(value: float) -> str:
    """`2.5`, `12`: below ten one decimal tells small numbers apart."""
    return f"{value:,.1f}" if 0 < value < 10 and value != round(value) else f"{value:,.0f}"
