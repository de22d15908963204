"""A report as one HTML page: no script, nothing loaded; light and dark, phone and paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import singledispatch

from markupsafe import Markup, escape

from clearlane.review.page import STYLE
from clearlane.review.report.blocks import (
    Beside,
    Block,
    Card,
    Cards,
    Cell,
    Chart,
    Code,
    Folded,
    Points,
    Report,
    Section,
    Table,
    Text,
)

_DOCUMENT = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
)


def page(report: Report) -> str:
    """The whole page."""
    title = f"{report.kicker}: {report.title}"
    return str(_DOCUMENT.format(title=title, style=Markup(STYLE + OWN_STYLE), body=_joined(_parts(report))))


def _parts(report: Report) -> Iterator[Markup]:
    yield Markup("<header><p class=kicker>{}</p><h1>{}</h1>").format(report.kicker, report.title)
    yield _joined(Markup("<p class=verdict>{}</p>").format(sentence) for sentence in report.verdict)
    yield Markup("</header>")
    yield _cards(report.cards)
    yield from map(_section, report.summary)
    if report.details:
        yield Markup("<div class=depth><h2>For the analyst</h2><nav>{}</nav></div>").format(
            _joined(map(_link, report.details))
        )
    yield from map(_section, report.details)
    if report.notes:
        notes = _joined(Markup("<p>{}</p>").format(note) for note in report.notes)
        yield Markup("<footer><h2>How to read this</h2>{}</footer>").format(notes)


def _link(section: Section) -> Markup:
    return Markup('<a href="#{}">{}</a> ').format(section.key, section.title) if section.key else Markup()


def _section(section: Section) -> Markup:
    key = Markup(' id="{}"').format(section.key) if section.key else ""
    return Markup("<section{}><h2>{}</h2>{}</section>").format(key, section.title, _blocks(section.blocks))


def _blocks(blocks: Iterable[Block]) -> Markup:
    return _joined(map(_block, blocks))


@singledispatch
def _block(block: Block) -> Markup:
    raise TypeError(f"no layout for {type(block).__name__}")


@_block.register
def _(block: Text) -> Markup:
    return Markup("<p>{}</p>").format(block.said)


@_block.register
def _(block: Points) -> Markup:
    lines = _joined(Markup("<li>{}</li>").format(line) for line in block.lines)
    return Markup("<ul class=said>{}</ul>").format(lines)


@_block.register
def _(block: Table) -> Markup:
    styles = ["words" if i == 0 or head in block.words else "" for i, head in enumerate(block.heads)]
    head = _joined(_head(*one) for one in zip(block.heads, styles, strict=True))
    body = _joined(_row(block.heads, row, styles) for row in block.rows)
    table = Markup(
        "<div class=wide><table class='told {}'><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    )
    return table.format("stacked" if block.stacked else "", head, body)


def _head(name: str, style: str) -> Markup:
    return Markup('<th class="{}">{}</th>').format(style, name)


def _row(heads: Sequence[str], cells: Sequence[Cell], styles: Sequence[str]) -> Markup:
    """Each cell knows its head: on a phone a stacked row stands for itself."""
    cell = Markup('<td class="{}" data-head="{}">{}</td>')
    written = (cell.format(style, *one) for style, *one in zip(styles, heads, cells, strict=True))
    return Markup("<tr>{}</tr>").format(_joined(written))


@_block.register
def _(block: Chart) -> Markup:
    reading = Markup("<p class=reading>{}</p>").format(block.reading) if block.reading else ""
    return Markup("<figure><figcaption>{}</figcaption>{}{}</figure>").format(
        block.title, block.drawing, reading
    )


@_block.register
def _(block: Code) -> Markup:
    mark: Callable[[str], Markup] = _diff_line if block.diff else escape
    lines = Markup("\n").join(map(mark, block.lines.splitlines()))
    return Markup("<pre tabindex=0>{}</pre>").format(lines)


def _diff_line(line: str) -> Markup:
    kind = {"+": "plus", "-": "minus", "@": "place"}.get(line[:1])
    return Markup("<span class={}>{}</span>").format(kind, line) if kind else escape(line)


@_block.register
def _(block: Cards) -> Markup:
    return _cards(block.cards)


def _cards(cards: Sequence[Card]) -> Markup:
    if not cards:
        return Markup()
    shown = _joined(
        Markup("<div><span>{}</span><b>{}</b><small>{}</small></div>").format(
            card.name, card.value, card.remark
        )
        for card in cards
    )
    return Markup("<section class=cards>{}</section>").format(shown)


@_block.register
def _(block: Beside) -> Markup:
    return Markup("<div class=pair>{}</div>").format(_blocks(block.blocks))


@_block.register
def _(block: Folded) -> Markup:
    return Markup("<details><summary>{}</summary>{}</details>").format(block.title, _blocks(block.blocks))


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup().join(parts)


OWN_STYLE = """
header h1{font-size:1.75rem;max-width:46rem}.verdict{font-size:1.1rem;max-width:44rem;margin:.6rem 0 0}
p,li{max-width:46rem}.said{padding-left:1.1rem;margin:.5rem 0}.said li{margin:.25rem 0}
.told td,.told th{vertical-align:top;font-variant-numeric:tabular-nums}
.told td:last-child{min-width:0;white-space:nowrap}
.told th.words,.told td.words{text-align:left;white-space:normal;min-width:8.5rem}
.told td.words:last-child{min-width:15rem}
.told code{color:var(--soft)}
.told code,li code,p code{font-size:.92em;overflow-wrap:anywhere}
.reading{color:var(--soft);font-size:.85rem;margin:.5rem 0 0}
.depth{border-top:3px solid var(--line);margin-top:3.2rem;padding-top:.2rem}
.depth h2{font-size:1.35rem;margin-top:1.2rem}
nav{display:flex;flex-wrap:wrap;gap:.35rem .5rem}nav a{color:var(--ink);text-decoration:none;background:var(--card);
border-radius:1rem;padding:.15rem .7rem;font-size:.88rem}a{color:var(--new)}
section[id]{scroll-margin-top:1rem}
pre{background:var(--card);border-radius:.6rem;padding:.8rem .9rem;overflow-x:auto;font:13px/1.45 ui-monospace,
SFMono-Regular,Menlo,Consolas,monospace}.plus{color:var(--up);font-weight:600}.minus{color:var(--down)}
.place{color:var(--soft)}
.tag{display:inline-block;border-radius:.3rem;padding:0 .4rem;font-size:.8rem;background:var(--card);color:var(--soft);
white-space:nowrap}.tag.good{color:var(--up)}.tag.bad{color:var(--down)}
svg .line{fill:none;stroke:var(--new);stroke-width:2}svg .line.old{stroke:var(--old)}svg .line.third{stroke:var(--up)}
svg .axis{stroke:var(--line);stroke-width:1}svg .ideal{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4}
svg .whisker{stroke:var(--new);stroke-width:1.5}svg .whisker.old{stroke:var(--old)}svg .whisker.third{stroke:var(--up)}
svg .third{fill:var(--up)}svg .middle{text-anchor:middle}
.legend .third,.legend i.third{margin-left:.9rem}i.third{background:var(--up)}
svg .label{paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}
.wide{background:linear-gradient(to right,var(--ground) 40%,transparent) left/3rem 100% no-repeat local,
linear-gradient(to left,var(--ground) 40%,transparent) right/3rem 100% no-repeat local,
linear-gradient(to right,var(--old),transparent) left/.5rem 100% no-repeat scroll,
linear-gradient(to left,var(--old),transparent) right/.5rem 100% no-repeat scroll}
@media(max-width:40rem){main{padding:1rem .9rem 3rem}header h1{font-size:1.45rem}.verdict{font-size:1.02rem}
.told{font-size:.84rem}.told td,.told th{padding:.3rem .4rem}.cards{grid-template-columns:1fr 1fr;gap:.5rem}
.cards div{padding:.65rem .7rem}.cards b{font-size:1rem}
.stacked thead{display:none}.stacked tr{display:block;border-bottom:1px solid var(--line);padding:.45rem 0}
.stacked td,.stacked td.words:last-child{display:block;border:0;padding:.12rem 0;
text-align:right;white-space:normal;min-width:0}.stacked td:first-child{font-weight:600;text-align:left}
.stacked td:not(:first-child)::before{content:attr(data-head);color:var(--soft);float:left;margin-right:1rem}
.stacked td.words:not(:first-child):not(:last-child){text-align:right}
.stacked td.words:last-child{display:block;text-align:left}
.stacked td.words:last-child::before{content:none}}
@media print{:root{color-scheme:light}body{font-size:10pt}main{max-width:none;padding:0}nav{display:none}
.told{font-size:8pt}.told td,.told th,.told td:last-child,.told .words{white-space:normal;min-width:0;padding:2pt 4pt}
.told td.words:last-child{min-width:0}.told small{white-space:nowrap}figure{max-width:21rem}
section,figure,tr{break-inside:avoid-page}section.cards{break-inside:avoid}.wide{overflow:visible;background:none}
details::details-content{content-visibility:visible;display:block}details>*{display:block}pre{white-space:pre-wrap}}
"""
