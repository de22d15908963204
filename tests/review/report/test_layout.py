"""The page of a report: whole, without script, loading nothing, and nothing that a text says becomes a tag."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.review.cases import Interval
from clearlane.review.report import charts
from clearlane.review.report.blocks import (
    Beside,
    Card,
    Cards,
    Chart,
    Code,
    Folded,
    Points,
    Report,
    Section,
    Table,
    Text,
    figure,
    gain,
    moved,
    percent,
    rate,
    signed,
)
from clearlane.review.report.layout import page

HOSTILE = '<script>alert("x")</script>&'
VOID = {"meta", "line", "rect", "circle", "polyline"}


class Tags(HTMLParser):
    """The tags of a page, opened and closed in order, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.keys: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.keys += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def everything(said: str) -> Report:
    """A report with every kind of block, each of which says `said`."""
    chart = Chart(said, charts.rates(said, [charts.Rates(said, [Interval(0.1, 0.05, 0.2), None])]), said)
    table, code = Table((said, "b"), [(said, said)], stacked=True), Code(f"+{said}\n-{said}", True)
    blocks = (
        Text(said), Points([said]), table, chart, code,
        Cards([Card(said, said, said)]), Beside((Text(said),)), Folded(said, (Text(said),)),
    )  # fmt: skip
    first, second = (Section(said, blocks, key) for key in ("one", "two"))
    return Report(said, said, (said,), (Card(said, said, said),), (first,), (second,), (said,))


@settings(max_examples=examples(20, 200), deadline=None)
@given(
    st.one_of(
        st.just(HOSTILE), st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
    )
)
def test_a_page_is_whole_whatever_it_says(said: str) -> None:
    found = Tags(page(everything(said)))
    assert found.open == []
    assert "script" not in found.seen
    assert found.links == ["#two"]
    assert set(found.links) <= {f"#{key}" for key in found.keys}


def test_a_text_is_read_as_it_was_written() -> None:
    assert Tags(page(everything(HOSTILE))).words.count(HOSTILE) >= 30


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0912, "9.1\u202f%"), (0.35, "35\u202f%"), (0, "0\u202f%"), (None, "–"), (float("nan"), "–")],
)
def test_shares_are_told_with_as_many_digits_as_they_have_meaning(share: float | None, said: str) -> None:
    assert percent(share) == said


def test_every_figure_has_its_interval_or_says_that_there_is_none() -> None:
    found = Interval(0.0912, 0.078, 0.106)
    assert rate(found) == "9.1\u202f% <small>(7.8–10.6)</small>"
    assert figure(Interval(2.31, 1.9, 2.8), 1, "×") == "2.3× <small>(1.9–2.8)</small>"
    assert figure(Interval(1.0, -0.5, 2.5), 1) == "1.0 <small>(−0.5 to 2.5)</small>"
    assert figure(Interval(1.0, -0.4, 2.0), 0) == "1 <small>(0 to 2)</small>"
    assert gain(Interval(0.03, -0.01, 0.07)) == "+0.03 <small>(−0.01 to +0.07)</small>"
    assert rate(None) == figure(None) == gain(None) == "–"


def test_changes_are_told_once_where_nothing_changes() -> None:
    assert moved("8", "8") == "8"
    assert moved("8", "<12") == "<span class=was>8</span>&nbsp;→&nbsp;<b>&lt;12</b>"
    assert (signed(3), signed(-1.5, 1), signed(0), signed(-0.01)) == ("+3", "−1.5", "0", "0")


# --- charts -------------------------------------------------------------------------------------------------


def test_points_stand_where_the_axis_says() -> None:
    drawn = charts.worth("Points", [charts.Worth("a rule", 5, 10, Interval(9, 8, 12))])
    old, new = (float(part.split('cx="')[1].split('"')[0]) for part in drawn.split("<circle")[1:])
    assert 0 < old < new < charts.WIDTH
    assert "a rule: 5 → 10" in drawn


@settings(max_examples=examples(30, 300), deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_dots_stay_within_the_drawing(rates: list[tuple[float, float]]) -> None:
    named = [
        charts.Rates(f"b{i}", [Interval(a, a / 2, min(1, a * 1.2)), Interval(b, b, b)])
        for i, (a, b) in enumerate(rates)
    ]
    drawn = str(charts.rates("r", named))
    for at in ("cx", "cy"):
        assert all(0 <= float(part.split('"')[0]) <= charts.WIDTH for part in drawn.split(f'{at}="')[1:])


def test_one_alone_is_coloured_and_of_two_the_first_is_grey() -> None:
    line = charts.Series("a", points=[(0, 0), (1, 1)])
    assert 'class="line new"' in charts.gains("g", [line])
    assert 'class="line old"' in charts.gains("g", [line, line])
