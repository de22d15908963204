"""The page of what quality said of one run: what came, what was kept out, what mends it. It holds no value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from clearlane.quality.of_run import Delivered, OfRun
from clearlane.review.report import layout
from clearlane.review.report.blocks import Block, Card, Cell, Points, Report, Section, Table, Text, percent

_NOTES = (
    "Counted as the ledger has it now: a record that was replayed counts in the run that took it up again.",
    "Quarantined records are kept whole and lost to nobody. `clearlane quarantine list` shows them with what was found;"
    " after the mapping or the contract is mended and published, `clearlane quarantine replay` lets them in.",
    "An emptied value is an optional field that could not be used; its record went on without it.",
)


def page(told: OfRun, checks: Sequence[str] = ()) -> str:
    """The whole page, HTML; `checks`: addresses of Great Expectations' pages of the run, one a try."""
    return layout.page(_report(told, checks))


def _report(told: OfRun, checks: Sequence[str]) -> Report:
    batch = told.batch
    return Report(
        kicker="Quality",
        title=f"{batch.dag_id}, {batch.run_id}",
        verdict=list(verdict(told)),
        cards=_cards(told),
        summary=tuple(_summary(told)),
        details=tuple(_details(told, checks)),
        notes=_NOTES,
    )


def verdict(told: OfRun) -> Iterator[str]:
    """What a person has to know first."""
    yield _worked_on(told)
    for one in told.told:
        if one.verdict == "stop":
            yield f"The rule {one.rule} holds {one.object} of {one.source} back: {one.because} ({one.allowed})."
    asked = sum(one.hand_raises for one in told.delivered)
    if asked:
        yield f"{asked:,} of the records in quarantine belong to requests for sales: look at them first."


def _worked_on(told: OfRun) -> str:
    start, end = told.batch.window_start, told.batch.window_end
    span = f"from {_minute(start)} to {_minute(end)} UTC" if start and end else "without an interval"
    if not told.records:
        return f"The run {span} had no record to judge."
    return f"The run {span} judged {told.records:,} records and put {told.quarantined:,} of them into quarantine."


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _cards(told: OfRun) -> Sequence[Card]:
    if not told.records:
        return ()
    values = sum(one.values for one in told.emptied)
    share = f"{percent(told.quarantined / told.records)} of the records"
    return (
        Card("records", f"{told.records:,}", f"of {len({one.source for one in told.delivered})} sources"),
        Card("in quarantine", f"{told.quarantined:,}", share),
        Card("values emptied", f"{values:,}", "of optional fields"),
        Card("rules that warn or stop", f"{len(told.told):,}", f"of {len(told.findings):,} verdicts"),
    )


def _summary(told: OfRun) -> Iterator[Section]:
    if told.reasons:
        yield Section("What keeps records out, and what mends it", _reasons(told))
    if told.told:
        yield Section("Rules that warn or stop", (_findings(told),))


def _reasons(told: OfRun) -> Sequence[Block]:
    rows = [
        (f"{one.name}: {one.wrong}", f"{one.source} {one.object}", f"{one.records:,}", one.fix)
        for one in told.reasons
    ]
    return (
        Table(("reason", "of", "records", "what mends it"), rows, ("of", "what mends it"), stacked=True),
        Text("A record with several reasons counts under each of them."),
    )


def _findings(told: OfRun) -> Table:
    rows = [
        (one.rule, f"{one.source} {one.object}", one.verdict, one.allowed, one.because) for one in told.told
    ]
    heads = ("rule", "of", "verdict", "set to", "seen")
    return Table(heads, rows, heads[1:], stacked=True)


def _details(told: OfRun, checks: Sequence[str]) -> Iterator[Section]:
    if told.delivered:
        yield Section("What came", (_delivered(told),), key="came")
    if told.emptied:
        yield Section("What was emptied", (_emptied(told),), key="emptied")
    if checks:
        yield Section("Every check", (Points(list(map(_link, enumerate(checks, 1)))),), key="checks")


def _delivered(told: OfRun) -> Table:
    heads = ("source", "object", "records", "in quarantine", "of it asking for sales", "erased")
    return Table(heads, [_row(one) for one in told.delivered], ("object",), stacked=True)


def _emptied(told: OfRun) -> Table:
    heads = ("field", "of", "rule", "values")
    rows = [(one.field, f"{one.source} {one.object}", one.rule, f"{one.values:,}") for one in told.emptied]
    return Table(heads, rows, ("of", "rule"), stacked=True)


def _row(one: Delivered) -> Sequence[Cell]:
    counts = (one.records, one.quarantined, one.hand_raises, one.erased)
    return (one.source, one.object, *(f"{count:,}" for count in counts))


def _link(numbered: tuple[int, str]) -> Markup:
    number, address = numbered
    return Markup('<a href="{}">Great Expectations, try {}</a>').format(address, number)
