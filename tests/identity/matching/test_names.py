"""A company's name taken apart: spelling, legal forms, addresses behind it, other names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlane.identity.matching import lexicon, names
from clearlane.identity.matching.lexicon import FORMS, Kind
from clearlane.identity.matching.names import parsed, sound, spelled

WORDS = st.sampled_from(
    [
        "Société",
        "A.",
        "B.",
        "N.V.",
        "Müller",
        "&",
        "Söhne",
        "ПАО",
        "華為",
        "株式会社",
        "3M",
        "(The)",
        "S/A",
        "O'Neil",
        "Sp. z o.o.",
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=6).map(" ".join)))
def test_spelling_what_is_spelled_changes_nothing(text: str) -> None:
    once = spelled(text)
    assert spelled(once) == once


@given(st.text(alphabet="abchkpqstuwxyz", max_size=12))
def test_the_sound_of_a_sound_is_no_longer(word: str) -> None:
    assert len(sound(word)) <= len(word) + word.count("x")


SAID_OTHERWISE = (
    "dba d b a t fka aka f k trading doing business as formerly known also previously ex 724 2nd icn"
)
TOKENS = sorted(
    {*lexicon.FORMS, *lexicon.FORMS_AT_THE_ENDS, *lexicon.LEADING_FORMS, *lexicon.TRADES, *lexicon.FILLERS}
    | {
        *lexicon.PLACES,
        *lexicon.COMMON,
        *lexicon.GIVEN_NAMES,
        *lexicon.SHORT_FOR,
        *lexicon.UNHEARD,
        "google",
        "3m",
    }
    | {word for text in (*lexicon.FORM_PHRASES, lexicon.OTHER_NAMES, SAID_OTHERWISE) for word in text.split()}
)
"""words of every kind that mean something to the reader"""
USUAL = st.sampled_from(TOKENS) | st.sampled_from(
    ["karo", "mitenvel", "lirnited", "karofoodsgroup", "5olutions"]
)


@settings(max_examples=300)
@given(st.lists(USUAL, max_size=8).map(" ".join) | st.text("abvn 3", max_size=9))
def test_usual_words_are_read_as_any_text_is(text: str) -> None:
    assert parsed(text) == names._of_any_text(text)


@settings(max_examples=300)
@given(st.lists(USUAL, max_size=7))
def test_the_only_reading_is_the_one_that_any_text_has(words: list[str]) -> None:
    only = names.only_reading(words)
    if only:
        together = "".join(word.spelled for word in only)
        (reading,) = names._of_any_text(" ".join(words)).readings
        assert (reading.words, reading.joined, reading.written) == (tuple(only), together, together)


def test_most_names_have_an_only_reading() -> None:
    assert [word.text for word in names.only_reading(["karo", "tech"])] == ["karo", "technology"]


def test_every_word_that_ends_a_name_is_read_as_any_text_is() -> None:
    for text in (f"karo {word}" for word in TOKENS):
        assert parsed(text) == names._of_any_text(text)


LETTERS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8) | st.sampled_from(
    ["sch", "tz", "ph", "ck", "ij", "ae", "ue", "x", "y", "w"]
)


@given(st.lists(LETTERS, min_size=1, max_size=4))
def test_letters_that_are_kept_are_heard_in_whatever_a_word_is_a_part_of(words: list[str]) -> None:
    together = 0
    for word in words:
        together |= names.kept_letters(word)
    assert names.kept_letters(sound("".join(words))) == together


def test_letters_are_not_told_where_a_digit_may_be_one() -> None:
    assert names.kept_letters("5olutions") < 0


def bare(text: str) -> list[str]:
    return [word.text for word in parsed(text).readings[0].words]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Nestlé S.A.", ["nestle"]),
        ("ALCATEL N. V.,,", ["alcatel"]),
        ("D S M N V", ["dsm"]),
        ("A B SKF", ["skf"]),
        ("NV Nutricia", ["nutricia"]),
        ("Alestra, S. de R.L. de C.V.", ["alestra"]),
        ("Polska Grupa Sp. z o.o.", ["poland", "group"]),
        ("Müller & Söhne GmbH & Co. KG", ["muller", "sons"]),
        ("Whirlpool Europe B.V., Veldhoven, NL", ["whirlpool", "europe"]),
        ("Hitachi Storage, Inc. Netherlands B.V.", ["hitachi", "storage", "netherlands"]),
        ("株式会社日立製作所", ["hitachi", "works"]),
        ("삼성전자주식회사", ["samsung", "electronics"]),
        ("ПАО «Газпром»", ["gazprom"]),
        ("Μπατσο Ναυτιλιακή ΑΕ", ["batso", "shipping"]),
        ("Marsh &amp; McLennan", ["marsh", "mclennan"]),
        ("P&G", ["pg"]),
        ("Acme Lttd", ["acme"]),
        ("AG", ["ag"]),
        ("ABB", ["abb"]),
        ("N.V, Philips", ["philips"]),
        ("www.acme-foods.co.uk", ["acme", "food"]),
        ("Acme Foods - Marketing Dept.", ["acme", "food"]),
        ("Acme Foods Ltd, c/o Delta Bank plc", ["acme", "food"]),
        ("Acme Foods, IT (Head Office)", ["acme", "food"]),
        ("Acme S.r.1.", ["acme"]),
        ("Grupo Acme S.A. de C.V. Norte", ["group", "acme", "north"]),
        ("St. Mary", ["saint", "mary"]),
    ],
)
def test_what_is_left_of_a_name(name: str, words: list[str]) -> None:
    assert bare(name) == words


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("Acme Inc", {"inc"}),
        ("Acme, Inc. Netherlands B.V.", {"inc", "bv"}),
        ("Acme société anonyme", {"sa"}),
        ("Acme Pty Ltd", {"ltd"}),
        ("Acme", set()),
    ],
)
def test_the_forms_of_a_name(name: str, forms: set[str]) -> None:
    assert parsed(name).forms == forms


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Laboratory Corp. of America (Labcorp)", "labcorp"),
        ("Lilly (Eli)", "elililly"),
        ("Blue Ltd, trading as Green", "green"),
        ("DSM N.V. te Heerlen", "dsm"),
        ("Acme Icn.", "acme"),
        ("Acme Lirnited", "acme"),
        ("Foods, Acme", "acmefoods"),
        ("Unilever NV (NL", "unilever"),
        ("Google LLC", "alphabet"),
        ("IBM", "internationalbusinessmachines"),
    ],
)
def test_a_name_may_be_read_in_another_way(name: str, other: str) -> None:
    assert other in {reading.joined for reading in parsed(name).readings}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DeutscheBank", ["deutsche", "bank"]),
        ("SGLCarbon", ["sgl", "carbon"]),
        ("Acme BankLimited", ["acme", "bank"]),
        ("kolmogorovfoodsgroup", ["kolmogorov", "foods", "group"]),
        ("thehomedepot", ["homedepot"]),
    ],
)
def test_what_is_written_together_is_read_apart_too(name: str, words: list[str]) -> None:
    assert words in [[word.spelled for word in reading.words] for reading in parsed(name).readings]


@pytest.mark.parametrize(
    ("one", "other"), [("nexxen", "nexen"), ("5olutions", "solutions"), ("schoo1", "school")]
)
def test_what_sounds_alike(one: str, other: str) -> None:
    assert sound(one) == sound(other)


def test_the_name_as_written_is_read_first() -> None:
    assert parsed("Google LLC").readings[0].joined == "google"


@pytest.mark.parametrize("name", ["", "-", " . ", "()"])
def test_what_is_no_name_has_no_reading(name: str) -> None:
    assert parsed(name).readings == ()


@pytest.mark.parametrize(
    ("word", "kind"),
    [("Holdings", Kind.FILLER), ("Bank", Kind.TRADE), ("Europa", Kind.PLACE), ("Delta", Kind.COMMON),
     ("Robert", Kind.GIVEN), ("42", Kind.NUMBER), ("Unilever", Kind.NAME), ("Gasmotorenfabrik", Kind.COMPOUND)],
)  # fmt: skip
def test_the_kind_of_a_word(word: str, kind: Kind) -> None:
    assert parsed(word).readings[0].words[0].kind is kind


def test_no_form_is_read_as_another_word() -> None:
    assert all(FORMS.get(family) == family for family in FORMS.values())
