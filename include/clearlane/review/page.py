"""A what-if as one self-contained HTML page: no script, nothing loaded, light and dark, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from clearlane.review import charts
from clearlane.review.figures import Change, Judgement, Load, Mover, Moves, Picks
from clearlane.review.whatif import WhatIf, unchanged
from clearlane.review.words import (
    amount,
    band_change,
    by_cap,
    by_rules,
    figure,
    headline,
    notes,
    percent,
    signed,
    title,
)

CHARTED = 12
"""teams that the chart shows; the table holds all"""

Row = Sequence[str]


def page(told: WhatIf) -> str:
    """The whole page."""
    body = "".join(_sections(told))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title(told))}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _sections(told: WhatIf) -> Iterator[str]:
    yield f"<header><p class=kicker>What if</p><h1>{_name(told.new)} <small>instead of {_name(told.old)}</small></h1>"
    yield f"<p>Every lead that was decided from {told.since:%d %B %Y} to {told.until:%d %B %Y}, played again"
    yield " with both policies. Nothing was changed anywhere.</p></header>"
    yield f"<section class=cards>{''.join(_cards(told))}</section>"
    yield f"<section><ul class=headline>{''.join(f'<li>{escape(line)}</li>' for line in headline(told))}</ul></section>"
    if not unchanged(told):
        yield _LEGEND
        yield from _who_moves(told)
        yield from _against_outcomes(told)
        yield from _who_gets_the_work(told)
        yield from _named_leads(told)
    yield f"<footer><h2>How to read this</h2>{''.join(f'<p>{escape(note)}</p>' for note in notes(told))}</footer>"


_LEGEND = '<p class="legend"><i class="old"></i> as it was <i class="new"></i> with the candidate</p>'


def _name(name: str) -> str:
    return escape(name)


def _cards(told: WhatIf) -> Iterator[str]:
    found = told.figures
    yield _card("leads", amount(found.leads), f"{found.routed:,} of them routed")
    yield _card(
        "changed", percent((found.leads - found.unchanged) / found.leads), "score, band, stage or owner"
    )
    hot = band_change(found)
    yield _card(f"{hot.name} leads", f"{amount(hot.old)} → {amount(hot.new)}", "would get the fastest answer")
    judged = next((one for one in found.judgements if one.old.worked and one.new.worked), None)
    if judged:
        value = f"{percent(judged.old.precision)} → {percent(judged.new.precision)}"
        yield _card(f"of {judged.call} leads {judged.outcome}", value, "of those that somebody worked")


def _card(name: str, value: str, remark: str) -> str:
    return f"<div><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(remark)}</small></div>"


# --- sections -----------------------------------------------------------------------------------


def _who_moves(told: WhatIf) -> Iterator[str]:
    found = told.figures
    yield "<section><h2>Who moves</h2><div class=pair>"
    yield _figure(
        "Bands: before on the left, after on the right", charts.flow("Leads by band, old to new", found.bands)
    )
    yield _figure("Leads by score", charts.columns("Leads by score, old and new", found.scores))
    yield "</div>"
    yield _folded("Bands in numbers", _matrix(found.bands))
    yield _folded("Stages in numbers", _matrix(found.stages))
    yield "</section>"


def _against_outcomes(told: WhatIf) -> Iterator[str]:
    judged = [one for one in told.figures.judgements if one.had_it]
    yield "<section><h2>Would it have picked the better leads?</h2>"
    if not judged:
        yield "<p>Nothing is known yet of what became of these leads.</p></section>"
        return
    yield "<p><b>Right</b>: of the leads it picks, how many got there. <b>Found</b>: of all leads that got there, how"
    yield " many it picks. <b>Lift</b>: how many times better than picking at random.</p>"
    heads = ("picked as", "who became", "picked", "right", "found", "lift")
    yield _table(heads, [_judged(one) for one in judged])
    yield "</section>"


def _judged(judged: Judgement) -> Row:
    def both(write: object) -> str:
        assert callable(write)
        return _arrow(write(judged.old), write(judged.new))

    return (
        escape(judged.call),
        escape(judged.outcome),
        both(lambda picks: amount(picks.picked)),
        both(_right),
        both(lambda picks: percent(picks.recall)),
        both(lambda picks: figure(picks.lift, "×")),
    )


def _right(picks: Picks) -> str:
    return f"{percent(picks.precision)}" + (f" ({picks.good} of {picks.worked})" if picks.worked else "")


def _who_gets_the_work(told: WhatIf) -> Iterator[str]:
    found = told.figures
    yield "<section><h2>Who gets the work</h2><div class=pair>"
    teams = [Change(load.name, load.leads.old, load.leads.new) for load in found.teams[:CHARTED]]
    yield _figure("Leads by team or queue", charts.bars("Leads by team or queue, old and new", teams))
    yield _figure("Where leads go", charts.bars("Leads by place, old and new", found.places))
    yield "</div>"
    yield "<p><b>Over cap</b>: how often a rep was passed over because the cap was reached. <b>In time</b>: the first"
    yield " touch falls due within the promised time by the clock, because somebody is at work. <b>Late</b>: first"
    yield " touches expected after they are due, if each team answers as fast as it did.</p>"
    for name, loads in (("Teams", found.teams), ("Reps", found.reps)):
        yield _folded(f"{name} in numbers: load", _table(_LOAD, map(_load, loads)))
        yield _folded(f"{name} in numbers: caps and promises", _table(_LIMITS, map(_limits, loads)))
    heads = ("promise", "leads", "due after hours", "in time")
    tiers = (
        (
            escape(t.name),
            _numbers(t.leads),
            _arrow(figure(t.hours.old), figure(t.hours.new)),
            _shares(t.prompt),
        )
        for t in found.tiers
    )
    yield _folded("Promises in numbers", _table(heads, tiers))
    yield "</section>"


_LOAD = ("", "leads", "a day", "hot", "in its pool", "exceptions", "held")
_LIMITS = ("", "over cap", "due after hours", "of them at work", "in time", "late", "by cap")


def _load(load: Load) -> Row:
    a_day = _arrow(figure(load.a_day.old), figure(load.a_day.new))
    rest = map(_numbers, (load.hottest, load.pooled, load.exceptions, load.held))
    return (escape(load.name), _numbers(load.leads), a_day, *rest)


def _limits(load: Load) -> Row:
    hours = (_arrow(figure(one.old), figure(one.new)) for one in (load.hours, load.business))
    caps = _arrow(by_cap(load, "old"), by_cap(load, "new"))
    promises = (_shares(load.prompt), _arrow(amount(load.late.old), amount(load.late.new)))
    return (escape(load.name), _numbers(load.cap_hits), *hours, *promises, caps)


def _named_leads(told: WhatIf) -> Iterator[str]:
    yield "<section><h2>The leads that move most</h2>"
    yield "<p>By the reference of the source system, and the rules that make the difference.</p>"
    heads = ("lead", "score", "band", "stage", "owner", "because of")
    yield _table(heads, map(_mover, told.figures.movers))
    yield "</section>"


def _mover(mover: Mover) -> Row:
    parts = ("score", "band", "stage", "owner")
    pairs = (_arrow(str(getattr(mover.old, part)), str(getattr(mover.new, part))) for part in parts)
    return (f"<code>{escape(mover.lead)}</code>", *pairs, escape(by_rules(mover)))


# --- parts --------------------------------------------------------------------------------------


def _figure(name: str, chart: str) -> str:
    return f"<figure><figcaption>{escape(name)}</figcaption>{chart}</figure>"


def _folded(name: str, content: str) -> str:
    return f"<details><summary>{escape(name)}</summary>{content}</details>"


def _matrix(moves: Moves) -> str:
    heads = ("from ↓ to →", *moves.names)
    return _table(heads, (_matrix_row(moves, i) for i in range(len(moves.names))))


def _matrix_row(moves: Moves, i: int) -> Row:
    cells = (_cell(count, j - i) for j, count in enumerate(moves.cells[i]))
    return (f"<b>{escape(moves.names[i])}</b>", *cells)


def _cell(count: int, step: int) -> str:
    if not count:
        return "<span class=faint>·</span>"
    return f'<span class="{"" if step == 0 else "rises" if step < 0 else "falls"}">{count:,}</span>'


def _table(heads: Sequence[str], rows: Iterable[Row]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _arrow(old: str, new: str) -> str:
    if old == new:
        return escape(old)
    return f"<span class=was>{escape(old)}</span> → <b>{escape(new)}</b>"


def _numbers(change: Change) -> str:
    difference = (change.new or 0) - (change.old or 0)
    told = _arrow(amount(change.old), amount(change.new))
    return f"{told} <small>{signed(difference)}</small>" if difference else told


def _shares(change: Change) -> str:
    return _arrow(percent(change.old), percent(change.new))


STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5d6b7c;--line:#dfe4ea;--ground:#fff;--card:#f5f7f9;
--old:#a9b4c0;--new:#1f6feb;--up:#2da05a;--down:#d9822b;--same:#c9d1d9}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf1;--soft:#9aa7b5;--line:#303a46;--ground:#12171d;--card:#1b222b;
--old:#5c6875;--new:#58a6ff;--up:#46c37b;--down:#f0a04b;--same:#3a4552}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.25rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2;margin:.1rem 0 .5rem;overflow-wrap:anywhere}
h1 small{font-weight:400;color:var(--soft);font-size:1.05rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem}p{margin:.4rem 0}.kicker{color:var(--soft);text-transform:uppercase;
letter-spacing:.08em;font-size:.75rem;margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin-top:1.25rem}
.cards div{background:var(--card);border-radius:.6rem;padding:.8rem .9rem;display:flex;flex-direction:column}
.cards span,.cards small{color:var(--soft);font-size:.82rem}.cards b{font-size:1.35rem;line-height:1.35}
.headline{padding-left:1.1rem;margin:1.2rem 0 0}.headline li{margin:.15rem 0}
.legend{color:var(--soft);font-size:.9rem;margin-top:1.4rem}
.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:.15rem;margin:0 .25rem 0 0;vertical-align:-.08rem}
.legend i+i,.legend .new{margin-left:.9rem}i.old{background:var(--old)}i.new{background:var(--new)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1.5rem 2.5rem}
figure{margin:0;max-width:30rem}figcaption{font-weight:600;margin-bottom:.4rem}
svg{width:100%;height:auto;display:block;overflow:visible;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .value,svg .tick{fill:var(--soft);font-size:11px}svg .new-text{fill:var(--ink)}
svg .tick{text-anchor:middle;font-size:10px}svg .end{text-anchor:end}
svg .old{fill:var(--old)}svg .new{fill:var(--new)}svg .node{fill:var(--soft)}
svg .same{fill:var(--same);opacity:.55}svg .up{fill:var(--up);opacity:.75}svg .down{fill:var(--down);opacity:.75}
.wide{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:right;padding:.35rem .55rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left;padding-left:0}
td:last-child{white-space:normal;min-width:7rem}
.was,.faint,td small{color:var(--soft)}.rises{color:var(--up);font-weight:600}.falls{color:var(--down);font-weight:600}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--new)}
footer{border-top:1px solid var(--line);margin-top:2.5rem;color:var(--soft);font-size:.9rem}footer h2{color:var(--ink);
font-size:1rem;margin-top:1.2rem}
"""
