"""A capacity forecast as people read it: sentences, tables for the terminal, one page with a chart for each team."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from html import escape

from rich.table import Table
from rich.text import Text

from clearlane.review import charts
from clearlane.review.demand import HALF_LIFE
from clearlane.review.forecast import HISTORY_WEEKS, SHORT, Forecast, Outlook, Range, Week
from clearlane.review.page import STYLE
from clearlane.review.shortage import SAFE
from clearlane.review.words import NOTHING, amount

OWN_STYLE = (
    "svg .range{opacity:.75}svg .limit{fill:var(--ink)}svg .down{opacity:.85}"
    ".forecast td:last-child{text-align:left;min-width:15rem}"
)

LIMITS = {
    "nobody at work": "nobody is at work",
    "day": "the cap of a day",
    "week": "the cap of a week",
    "open": "the cap of open leads",
}


# --- in words -----------------------------------------------------------------------------------


def headline(found: Forecast) -> Iterator[str]:
    """Each team that runs short, with what would do; else that nobody does."""
    short = [outlook for outlook in found.teams if outlook.short_weeks]
    for outlook in short:
        yield shortage(outlook)
        if outlook.remedies:
            yield f"What would do for {outlook.name}: {'; or '.join(outlook.remedies)}."
    if not short:
        yield "No team is likely to run short."


def shortage(outlook: Outlook) -> str:
    """Where and when a team runs short: `SDRs EMEA, from 7 December: can take 240 of 265 expected (210–320) …`."""
    worst, weeks = outlook.worst, outlook.short_weeks
    away = _who(worst)
    all_ = len(weeks) == len(outlook.weeks)
    when = f"all {len(weeks)} weeks" if all_ else f"{len(weeks)} of {len(outlook.weeks)} weeks"
    return (
        f"{outlook.name}, from {_day(weeks[0].monday)}: short in {when}. Worst is"
        f" the week of {_day(worst.monday)}: can take {amount(worst.takes)} of {amount(worst.leads.middle)} expected"
        f" ({_interval(worst.leads)}), short with probability {worst.probability:.0%}, by {amount(worst.short)} on"
        f" average{f'; {away}' if away else ''}."
    )


def _who(week: Week) -> str:
    """Who is not there, and what limits it: `2 of 3 on leave, 1 day off by public holidays, cap: a day`."""
    there = week.supply
    tight = week.probability > SAFE and week.limit
    parts = [
        f"{there.on_leave} of {there.members} on leave" if there.on_leave else "",
        f"{there.holidays} day{'s' * (there.holidays > 1)} off by public holidays" if there.holidays else "",
        f"{there.ramping} ramping up" if there.ramping else "",
        f"limit: {LIMITS[week.limit]}" if tight and week.limit else "",
    ]
    return ", ".join(filter(None, parts))


def notes(found: Forecast) -> Iterator[str]:
    """What to keep in mind, and of whom nothing can be told."""
    yield (
        f"Expected: the level of up to {HISTORY_WEEKS} past weeks, half forgotten after {HALF_LIFE:g}; no trend, no"
        " season, no campaign that nobody had before. Four of five weeks should fall between the two numbers in"
        f" brackets{_held(found)}. A week with public holidays counts less."
    )
    yield (
        "Can take: working days of the members less leave and holidays, times their caps, and the room for open leads,"
        " which closes as fast as it did. A week counts as a whole. Who is in several teams helps each. Short: from a"
        f" probability of {SHORT:.0%}."
    )
    for team, weeks in found.too_new.items():
        yield f"{team}: {weeks} whole weeks of history, too few to tell."
    if found.quiet:
        yield f"Never asked: {', '.join(found.quiet)}."


def _held(found: Forecast) -> str:
    checked = found.coverage
    if not checked.weeks:
        return ""
    return f"; of {checked.weeks} past weeks told from those before them {checked.inside / checked.weeks:.0%} did"


def _day(day: date) -> str:
    return f"{day.day} {day:%B}"


def _interval(leads: Range) -> str:
    return f"{amount(leads.low)}–{amount(leads.high)}"


# --- as tables ----------------------------------------------------------------------------------


def tables(found: Forecast) -> Iterator[Table | Text]:
    """What to print: the findings, then a table for each team."""
    yield Text("\n".join(headline(found)), style="bold")
    for outlook in found.teams:
        table = Table(title=outlook.name, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for i, head in enumerate(_heads(outlook)):
            table.add_column(head, justify="right" if i else "left", overflow="fold")
        for week in outlook.weeks:
            style = "yellow" if week.probability >= SHORT else ""
            table.add_row(*map(Text, _cells(outlook, week)), style=style)
        yield table
    yield Text("\n".join(notes(found)), style="dim")


def _named(outlook: Outlook) -> tuple[str, ...]:
    """The bands of which the team may get leads."""
    return tuple(dict.fromkeys(band for week in outlook.weeks for band in week.bands))


def _heads(outlook: Outlook) -> Sequence[str]:
    return (
        "week of",
        *_named(outlook),
        "leads",
        "can take",
        "short by",
        "probability",
        "at work",
        "hours",
        "",
    )


def _cells(outlook: Outlook, week: Week) -> Sequence[str]:
    bands = (week.bands.get(band) for band in _named(outlook))
    return (
        f"{_day(week.monday)}",
        *(_range(band) if band else NOTHING for band in bands),
        _range(week.leads),
        "no cap" if week.takes is None else amount(week.takes),
        amount(week.short),
        f"{week.probability:.0%}",
        f"{week.supply.working} of {week.supply.members}",
        amount(week.supply.hours),
        _who(week),
    )


def _range(leads: Range) -> str:
    return f"{amount(leads.middle)} ({_interval(leads)})"


# --- as a page ----------------------------------------------------------------------------------


def page(found: Forecast) -> str:
    """The whole page: self-contained, no script."""
    body = "".join(_sections(found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Capacity forecast</title><style>{STYLE}{OWN_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _sections(found: Forecast) -> Iterator[str]:
    first, last = found.teams[0].weeks[0].monday, found.teams[0].weeks[-1].monday
    yield "<header><p class=kicker>Capacity</p><h1>Who runs short, and when</h1>"
    yield f"<p>The weeks of {_day(first)} to {_day(last)} {last.year}, as seen on {found.as_of:%d %B %Y}.</p></header>"
    lines = "".join(f"<li>{escape(line)}</li>" for line in headline(found))
    yield f"<section><ul class=headline>{lines}</ul></section>"
    yield '<p class="legend"><i class="new"></i> leads expected, four of five weeks inside the box'
    yield " · the bar across is what the team can take · orange: short</p>"
    yield "<div class=pair>"
    yield from (_chart(outlook) for outlook in found.teams)
    yield "</div><section><h2>In numbers</h2>"
    yield from (_table(outlook) for outlook in found.teams)
    yield "</section>"
    yield f"<footer><h2>How to read this</h2>{''.join(f'<p>{escape(note)}</p>' for note in notes(found))}</footer>"


def _chart(outlook: Outlook) -> str:
    spans = [
        charts.Span(f"{week.monday:%d %b}", week.leads.low, week.leads.middle, week.leads.high, week.takes)
        for week in outlook.weeks
    ]
    drawn = charts.ranges(f"Leads of {outlook.name} by week against what it can take", spans)
    return f"<figure><figcaption>{escape(outlook.name)}</figcaption>{drawn}</figure>"


def _table(outlook: Outlook) -> str:
    head = "".join(f"<th>{escape(head)}</th>" for head in _heads(outlook))
    rows = "".join(f"<tr>{_row(_cells(outlook, week))}</tr>" for week in outlook.weeks)
    closed = "none was closed" if outlook.open_days is None else f"{outlook.open_days:.0f} days"
    return (
        f"<details{' open' if outlook.short_weeks else ''}><summary>{escape(outlook.name)}</summary>"
        f"<p>{outlook.history_weeks} weeks of history; how long a lead stays open: {closed}.</p>"
        f"<div class='wide forecast'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _row(cells: Iterable[str]) -> str:
    return "".join(f"<td>{escape(cell)}</td>" for cell in cells)
