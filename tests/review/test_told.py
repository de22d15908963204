"""A what-if told as a page, in Markdown and in words: whole, safe, and right about small numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clearlane.review import WhatIf, charts, comment, tables
from clearlane.review.figures import (
    Change,
    Figures,
    Judgement,
    Load,
    Mover,
    Moves,
    Picks,
    Standing,
    Tier,
)
from clearlane.review.page import page
from clearlane.review.words import by_rules, headline, notes, percent, signed

NASTY = '<script>alert("|")</script>'
LOAD = Load(
    "sales", Change("leads", 6, 9), Change("a day", 2, 3), Change("hottest", 1, 2), Change("pooled", 2, 0),
    Change("exceptions", 0, 1), Change("held", 0, 0), Change("hits", 0, 4),
    (Change("day", 0, 3), Change("open", 0, 1)), Change("hours", 18, 19),
    Change("business", 4, 4), Change("prompt", 0.5, None), Change("late", None, 2.5),
)  # fmt: skip
FIGURES = Figures(
    leads=10,
    routed=9,
    unchanged=7,
    mean_score=Change("mean score", 30.0, 33.0),
    scores=(Change("0–9", 4, 3), Change("90–100", 1, 2)),
    bands=Moves(("hot", "cold"), ((1, 1), (2, 6))),
    stages=Moves(("mql", "inquiry"), ((3, 0), (0, 7))),
    places=(Change("owned", 6, 9), Change("nurture", 3, 0)),
    judgements=(
        Judgement("hot", "accepted", 4, Picks(2, 2, 1, 0.5, 0.25, 1.0), Picks(3, 3, 3, 1.0, 0.75, 2.0)),
        Judgement("hot", "won", 0, Picks(2, 2, 0, 0.0, None, None), Picks(3, 3, 0, 0.0, None, None)),
    ),
    worked=8,
    ripe=5,
    teams=(LOAD,),
    reps=(LOAD,),
    tiers=(Tier("hot", Change("leads", 2, 3), Change("hours", 0.1, None), Change("prompt", 1.0, 0.0)),),
    movers=(
        Mover(
            f"crm:{NASTY}",
            Standing(20, "cold", "inquiry", "nurture"),
            Standing(80, "hot", "inquiry", "ana"),
            tuple(Change(name, 0, points) for name, points in (("a", 40), ("b", 12.26), ("c", 5), ("d", 3))),
        ),
    ),
)
TOLD = WhatIf(
    since=datetime(2026, 3, 2, tzinfo=UTC), until=datetime(2026, 3, 5, tzinfo=UTC), horizon_days=90.0,
    known_until=datetime(2026, 6, 1, tzinfo=UTC), old="the policy in force", new=NASTY, files=("scoring",),
    not_played=("contract",), versions=2, figures=FIGURES,
)  # fmt: skip
SAME = replace(TOLD, figures=replace(FIGURES, unchanged=10, movers=()))
VOID = {"meta", "rect", "path", "br"}


class Tags(HTMLParser):
    """The tags of a page; every one that opens must close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "onclick")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing():
    tags = Tags(page(TOLD))
    assert tags.open == []
    assert tags.seen.count("svg") == 4
    assert tags.loaded == []
    assert not {"script", "link", "img", "iframe"} & set(tags.seen)
    assert "url(" not in page(TOLD)
    assert "prefers-color-scheme:dark" in page(TOLD)


def test_names_are_shown_and_never_run():
    assert NASTY not in page(TOLD)
    assert "&lt;script&gt;" in page(TOLD)
    assert "<script" not in comment(TOLD, "the ledger")


def test_where_nothing_changes_it_says_so_and_shows_no_chart():
    assert "svg" not in Tags(page(SAME)).seen
    assert list(headline(SAME)) == [
        "Nothing changes: all 10 leads have the same score, band, stage and owner."
    ]
    assert "Nothing changes" in comment(SAME, "the ledger")


def test_the_findings_in_words():
    assert list(headline(TOLD)) == [
        "3 of 10 leads (30.0%) get another score, band, stage or owner.",
        "2 leads rise to a hotter band, 1 fall; hot: 2 → 3.",
        "Of the hot leads that somebody worked, 50.0% → 100% were accepted.",
    ]
    said = " ".join(notes(TOLD))
    assert "5 of 10 leads have had all that time, 8 were worked" in said
    assert "2 versions of the policy" in said
    assert "contract.yaml" in said


def test_the_rules_that_moved_a_lead_and_how_many_more():
    assert by_rules(FIGURES.movers[0]) == "a +40, b +12.3, c +5, 1 more"
    assert by_rules(replace(FIGURES.movers[0], rules=())) == "turns and caps"


def test_markdown_tables_have_as_many_cells_as_heads():
    widths: list[int] = []
    for line in comment(TOLD, "the generated company").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (cells and widths and widths[-1] and cells != widths[-1]), line
        widths.append(cells)
    assert max(widths) == 7


def test_markdown_shows_only_what_differs():
    told = comment(TOLD, "the generated company")
    assert "| owned | 6 | 9 | +3 |" in told
    assert "| hot | 1 | **1** |" in told
    assert "stage: from" not in told
    assert "| exceptions, by team | leads | would be | change |" in told
    assert "| over a cap, by team | times | would be | change |" in told
    assert "Played on the generated company; `scoring.yaml`, `contract.yaml` differ." in told


def test_the_terminal_prints_every_section():
    console = Console(width=160, file=StringIO(), record=True)
    for table in tables(TOLD):
        console.print(table)
    text = console.export_text()
    for section in (
        "Bands",
        "Stages",
        "Against outcomes",
        "Teams: load",
        "Teams: caps and promises",
        "day 3, open 1",
        "Reps: load",
        "Promises",
        "The leads that move most",
    ):
        assert section in text


@given(st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=4, max_size=4))
def test_a_flow_draws_each_move_once_and_stays_inside(cells: list[list[int]]):
    drawn = charts.flow("moves", Moves(("a", "b", "c", "d"), tuple(map(tuple, cells))))
    ways = re.findall(r'path class="(\w+)"', drawn)
    assert len(ways) == sum(1 for row in cells for count in row if count)
    assert ways.count("same") == sum(1 for i in range(4) if cells[i][i])
    high = float(re.search(r'viewBox="0 0 360 (\d+)', drawn)[1])  # type: ignore[index]
    ends = [
        float(y) + float(h)
        for y, h in re.findall(r'class="node" .*? y="([\d.]+)" .*? height="([\d.]+)"', drawn)
    ]
    assert all(end <= high + 4 for end in ends)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=8))
def test_bars_are_as_long_as_their_numbers(pairs: list[tuple[int, int]]):
    drawn = charts.bars("leads", [Change(str(n), *pair) for n, pair in enumerate(pairs)])
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="9"', drawn)]
    values = [value for pair in pairs for value in pair]
    assert len(widths) == len(values)
    most = max(values, default=0) or 1
    longest = charts.WIDTH - 44
    assert all(
        abs(width - max(longest * value / most, 1)) <= 0.06
        for width, value in zip(widths, values, strict=True)
    )


@pytest.mark.parametrize(("share", "told"), [(None, "–"), (0.0, "0%"), (1.0, "100%"), (0.123, "12.3%")])
def test_shares(share: float | None, told: str):
    assert percent(share) == told


@pytest.mark.parametrize(("points", "told"), [(15, "+15"), (-4.25, "−4.2"), (0.1, "+0.1")])
def test_points(points: float, told: str):
    assert signed(points) == told
