"""Mails say the same as text and as HTML, in the reader's zone; what forms send in cannot break out of its place."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.sla.mails.desk import MINUTE

from clearlane.sla.mails import KINDS
from clearlane.sla.mails.content import Content, Did
from clearlane.sla.mails.message import message
from clearlane.sla.mails.owing import ABOUT_A_LEAD
from clearlane.sla.mails.preview import AT, files, sample
from clearlane.sla.mails.rendering import LONGEST_SUBJECT, clean, length, letter, local

NASTY = (
    "Eve\r\nBcc: all@clearlane.example",
    "\u202eadA \u2066x\u2069",
    "<script>alert(1)</script><b>Bob</b>",
    "Bob http://evil.example/x?y=1",
    "N" * 300,
    "{{ lead.name }}{% raw %}",
    "a\x00b\x1b[31m\u200b",
)


class Words(HTMLParser):
    """The visible words of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag in ("style", "title")
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data.split()


def named(name: str, kind: str = "notice") -> Content:
    told = sample(kind)
    assert told.lead
    lead = replace(told.lead, name=name, company=name, title=name, did=(Did(name, AT),))
    return replace(told, lead=lead, because=name)


def composed(content: Content):
    reader, said = content.reader, letter(content)
    return message(said, reader, key="k", kind=content.kind, at=AT, again=content.again, lead_id=None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written_and_says_the_same_in_both_parts(kind: str) -> None:
    said = letter(sample(kind))
    page = Words(said.html)
    text = re.sub(r"https?://\S+", "", said.text)
    in_page = set(re.findall(r"[\w%]{3,}", " ".join(page.words)))
    lost = set(re.findall(r"[\w%]{3,}", text)) - in_page
    assert said.subject
    assert lost == set()
    assert set(re.findall(r"https?://\S+", said.text)) == set(page.links)
    assert "None" not in said.text + said.subject
    assert "\n\n\n" not in said.text


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_reads_in_the_dark_and_on_a_phone(kind: str) -> None:
    page = letter(sample(kind)).html
    for needed in ("prefers-color-scheme: dark", '"color-scheme" content="light dark"', "width=device-width"):
        assert needed in page
    assert "@media (max-width: 480px)" in page
    assert not re.search(
        r"<(img|link|script)[^>]+(src|href)=\"http", page
    )  # nothing is loaded from elsewhere


@pytest.mark.parametrize("kind", list(ABOUT_A_LEAD))
@pytest.mark.parametrize("name", NASTY)
def test_names_from_forms_stay_names(kind: str, name: str) -> None:
    plain = Words(letter(named("Bob", kind)).html)
    made = composed(named(name, kind))
    page = Words(made.get_body(("html",)).get_content())
    assert page.tags == plain.tags
    assert page.links == plain.links
    assert made["Bcc"] is None
    assert len(str(made["Subject"])) <= LONGEST_SUBJECT
    text = made.get_body(("plain",)).get_content()
    assert "evil.example/x" not in text or "http://evil" not in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text + str(made["Subject"]))


@settings(max_examples=examples(25, 250))
@given(st.text(max_size=400))
def test_whatever_a_name_is_the_message_has_the_same_headers_and_tags(name: str) -> None:
    usual, made = composed(named("Bob")), composed(named("N" + name))
    assert made.keys() == usual.keys()
    raw = made.as_bytes()
    assert raw.split(b"\r\n\r\n")[0].count(b"\r\n") < 40
    assert Words(letter(named("N" + name)).html).tags == Words(letter(named("Bob")).html).tags


@given(st.text(max_size=500))
def test_clean_text_is_one_line_that_is_clean(text: str) -> None:
    done = clean(text)
    assert clean(done) == done or "://" in text
    assert len(done.splitlines()) <= 1
    assert len(done) <= 300


def test_times_are_the_readers_with_the_leads_beside_them() -> None:
    told = sample("notice")
    assert "Call by 14:00 (New York)" in letter(told).text
    assert "For them that is 20:00 (Berlin)." in letter(told).text
    assert told.lead
    unsure = replace(told, lead=replace(told.lead, zone_sure=False))
    assert "For them that is probably 20:00 (Berlin)." in letter(unsure).text
    there = replace(told, reader=replace(told.reader, zone="Europe/Berlin"))
    assert "For them that is" not in letter(there).text
    assert "Call by 20:00 (Berlin)" in letter(there).text


def test_elapsed_time_stands_beside_business_time() -> None:
    assert "Waiting for 19 h, 25 min of it in working hours." in letter(sample("breach")).text


def test_a_moment_of_another_day_says_the_day() -> None:
    assert local(AT, "America/New_York", AT) == "13:56"
    assert local(AT + timedelta(days=1), "America/New_York", AT) == "Tue 3 Mar, 13:56"
    assert local(AT, "Asia/Tokyo", AT) == "03:56"


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0, "0 min"), (4, "4 min"), (80, "1 h 20 min"), (60, "1 h"), (3060, "2 d 3 h"), (-5, "0 min")],
)
def test_lengths_are_short(minutes: int, said: str) -> None:
    assert length(minutes * MINUTE) == said


def test_a_repeat_says_so_in_both_parts() -> None:
    said = letter(replace(sample("notice"), again=True))
    assert "may have this mail already" in said.text
    assert "may have this mail already" in said.html


def test_pictures_come_with_the_page() -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    told = sample("digest")
    told = replace(
        told, facts={**told.facts, "pictures": [{"name": "speed", "alt": "Speed by week", "png": png}]}
    )
    made = composed(told)
    (picture,) = [part for part in made.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == "<speed>"
    assert 'src="cid:speed"' in made.get_body(("html",)).get_content()
    assert "Speed by week" in made.get_body(("plain",)).get_content()
    assert "data:image/png" in files([told])["digest.html"]


def test_a_link_of_facts_is_a_web_address_or_nothing() -> None:
    told = sample("incident")
    bad = {**told.facts, "link": {"label": "here", "url": "javascript:alert(1)"}}
    assert "javascript" not in letter(replace(told, facts=bad)).html


def test_a_misspelled_name_in_a_template_is_an_error() -> None:
    from jinja2 import UndefinedError

    from clearlane.sla.mails.rendering import _environment

    with pytest.raises(UndefinedError):
        _environment(False).from_string("{{ raeder }}").render(reader=1)


def test_a_notice_that_comes_late_says_so() -> None:
    told = sample("notice")
    assert told.promise
    late = letter(replace(told, at=told.promise.due + 20 * MINUTE))
    assert "was due 14:00" in late.subject
    assert "Was due 14:00 (New York)" in late.text
    assert "Accept or decline by" not in late.text
