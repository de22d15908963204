"""Names meet by the keys they share, once, in whatever order the keys come; what is read of many is what each says."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from clearlane.identity.matching import meetings, readings
from clearlane.identity.matching.names import parsed

NAME = st.text("abc ", min_size=1, max_size=6)
NAMES = st.lists(NAME, min_size=1, max_size=4, unique=True)
KEY = st.sampled_from(["karo", "=karo", "^karo", "$karo", "#kar"])
SHARED = st.lists(st.tuples(KEY, NAMES, NAMES), max_size=5)


def pairs(shared: Iterable[meetings.Shared]) -> list[tuple[str, str]]:
    met = meetings.among(shared)
    return [(met.names[one], met.names[other]) for one, other in zip(met.leads, met.accounts, strict=True)]


@given(SHARED)
def test_names_that_share_a_key_meet_once(shared: list[meetings.Shared]) -> None:
    wanted = {
        pair
        for key, leads, accounts in shared
        for pair in product(leads, accounts)
        if key[0] not in "^$" or fuzz.partial_ratio(*pair) >= meetings.LETTERS_ALIKE
    }
    assert sorted(pairs(shared)) == sorted(wanted)
    assert sorted(pairs(reversed(shared))) == sorted(wanted)


def test_names_that_meet_nobody_are_not_kept() -> None:
    met = meetings.among(
        [("^karom", ["karomi"], ["karomitenvelsor", "dan"]), ("dan", ["dan"], ["dan foods"])]
    )
    assert set(met.names) == {"karomi", "karomitenvelsor", "dan", "dan foods"}
    assert meetings.among([("^karom", ["karomi"], ["xyz"])]).names == []


@given(
    st.lists(st.sampled_from(["karo foods", "the karo", "karo karo", "Acme GmbH", "google", "", "mi bank"]))
)
def test_many_names_are_read_as_each_is(names: list[str]) -> None:
    read = readings.of(names)
    words = [[read.vocabulary[word] for word in row if word >= 0] for row in read.words]
    for nth, (first, count) in enumerate(zip(read.first, read.counts, strict=True)):
        name, places = parsed(names[nth]), range(first, first + count)
        assert [tuple(words[place]) for place in places] == [one.words for one in name.readings]
        assert [read.joined[place] for place in places] == [hash(one.joined) for one in name.readings]
        assert [read.written[place] for place in places] == [hash(one.written) for one in name.readings]
        assert read.plain[nth] == hash(name.plain.replace(" ", ""))
