"""No pair of names that weighs enough is left out, and most of those that do not are."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.identity.matching import bounds, meetings
from clearlane.identity.matching.likeness import Company, likeness
from clearlane.identity.matching.names import parsed
from clearlane.identity.matching.rarity import NOTHING_SEEN

WORDS = """
delta karo karomi karomy mitenvel mitenvell miten vel ka ro bosch boschs filips philips karl robert r air lines
airlines bank banks foods food systems sys internat international intl group europe berlin the of and 3 3m 724
supermicro super micro dsm ip dsmip aset asset ups united parcel service bmw bayerische motoren werke national inc icn
sa ss ag a8 z ltd gmbh holdings summit sumit gesellschaft (labcorp) formerly dba & , - google alphabet
"""
SAID = st.lists(st.sampled_from(WORDS.split()), max_size=7).map(" ".join)
LETTERS = st.text("abcs 1", max_size=9)
NAME = SAID | LETTERS


def reaching(pairs: Sequence[tuple[str, str]], least: float) -> list[tuple[str, str]]:
    """Those of the pairs that are left to weigh."""
    met = meetings.among(("key", [lead], [account]) for lead, account in pairs)
    could = bounds.reaching(met, NOTHING_SEEN, least)
    return [
        (met.names[lead], met.names[account])
        for lead, account in zip(met.leads[could], met.accounts[could], strict=True)
    ]


def weight(pair: tuple[str, str]) -> float:
    return likeness(*(Company(parsed(name)) for name in pair), NOTHING_SEEN).total


@settings(max_examples=examples(60, 1000), deadline=None)
@given(st.lists(st.tuples(NAME, NAME), max_size=12), st.sampled_from([-6.0, 0.0, 3.0, 8.0, 14.0]))
def test_what_weighs_enough_is_never_left_out(pairs: list[tuple[str, str]], least: float) -> None:
    assert set(reaching(pairs, least)) >= {pair for pair in pairs if weight(pair) >= least}


@pytest.mark.parametrize(
    ("lead", "account", "could"),
    [
        ("karo foods", "karo bank", True),
        ("karo mitenvel foods", "karo summit bank", False),
        ("delta", "summit", False),
        ("sumit", "summit", True),
        ("sumit karomi foods", "summit karo bank", True),
        ("quiston foods", "cayston bank", False),
        ("ups", "united parcel service", True),
        ("dzm ip", "dsmip", True),
        ("super micro", "supermicro holdings", True),
        ("Face Book", "facebook", True),
        ("", "delta", True),
        ("karo s.aa.", "karo s.a.", True),
    ],
)
def test_which_pairs_are_weighed(lead: str, account: str, could: bool) -> None:
    assert reaching([(lead, account)], 3.0) == [(lead, account)] * could


def test_few_pairs_of_many_are_left_to_weigh() -> None:
    chance = random.Random(8)
    first, second = (["".join(chance.choices("bdfgklmnprst", k=6)) for _ in range(40)] for _ in range(2))
    names = [f"{chance.choice(first)} {chance.choice(second)} foods" for _ in range(60)]
    pairs = [(one, other) for one in names[:30] for other in names[30:]]
    found = reaching(pairs, 3.0)
    assert len(found) < len(pairs) / 5
    assert set(found) >= {pair for pair in pairs if weight(pair) >= 3.0}


def test_no_pairs_are_fine() -> None:
    assert reaching([], 3.0) == []
