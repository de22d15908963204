"""The page of enrichment gaps: what rules ask for and nobody knows, and the paid providers that could tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from clearlane.enrich import status
from clearlane.enrich.status import Status
from clearlane.review.report import blocks, layout
from clearlane.review.report.blocks import Points, Report, Section, Table
from clearlane.score import gaps
from clearlane.score.gaps import Gap

_NOTES: Final = (
    "Counted are leads that may be worked, by their newest score and profile: not those closed, redirected or"
    " disqualified.",
    "Average and most are what leads that have the attribute get from the rules that read it; a rule that reads several"
    " counts for each. Where nobody has it, nobody knows what it is worth.",
    "In reach: leads that lack it and would enter a hotter band with the most points it has brought. An attribute that"
    " every company has and no source asks for is a question for a form, not for a provider.",
)


def page(found: Sequence[Gap], providers: Sequence[Status], at: datetime) -> str:
    """The whole page, HTML."""
    return layout.page(_report(found, providers, at))


def _report(found: Sequence[Gap], providers: Sequence[Status], at: datetime) -> Report:
    return Report(
        kicker="Enrichment gaps",
        title=f"as of {at:%Y-%m-%d %H:%M} UTC",
        verdict=list(verdict(found)),
        summary=(Section("What is missing", (_missing(found),)),),
        details=tuple(_provided(providers)),
        notes=_NOTES,
    )


def verdict(found: Sequence[Gap]) -> Iterator[str]:
    """The gap that is worth most, in a sentence or two."""
    if not found:
        yield "Nothing is missing that a rule asks for."
        return
    yield gaps.sentence(found[0]) + "."
    if reach := max(one.in_reach for one in found):
        yield f"{reach:,} leads may be one attribute away from a hotter band."


def _missing(found: Sequence[Gap]) -> Table:
    rows: list[Sequence[blocks.Cell]] = [gaps.cells(one) for one in found]
    return Table(gaps.HEADS, rows, words=("sources", "rules"), stacked=True)


def _provided(providers: Sequence[Status]) -> Iterator[Section]:
    rows = [status.cells(one) for one in providers]
    words = ("answers today", "requests today", "breaker", "open", "answers")
    table = (Table(status.HEADS, rows, words=words, stacked=True),) if rows else ()
    yield Section("Paid providers", (*table, Points(list(status.notes(providers)))), key="providers")
