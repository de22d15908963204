"""What a pair of companies' names, places and domains weigh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.identity.matching.likeness import Company, Likeness, likeness
from clearlane.identity.matching.names import parsed
from clearlane.identity.matching.rarity import NOTHING_SEEN, among

NAMES = st.sampled_from(
    [
        *(
            "Delta",
            "Delta Air Lines",
            "Delta Dental",
            "Acme Ltd",
            "Acme Holdings",
            "Face book",
            "Facebook Inc",
        ),
        *("Robert Bosch GmbH", "Bosch, R.", "Intl Business Machines", "IBM", "Sony Europe", "Sony Japan"),
        *("Schlumberger Tech", "", "3M", "724 Solutions"),
    ]
)


def alike(lead: str, account: str, **known: tuple[str, str]) -> Likeness:
    sides = [
        Company(parsed(name), **{key: value[i] for key, value in known.items()})
        for i, name in enumerate((lead, account))
    ]
    return likeness(sides[0], sides[1], NOTHING_SEEN)


def said(like: Likeness) -> set[str]:
    return {piece.what for piece in like.evidence}


@given(NAMES, NAMES)
def test_it_weighs_the_same_from_both_sides(one: str, other: str) -> None:
    assert alike(one, other).total == pytest.approx(alike(other, one).total)


@given(NAMES)
def test_nothing_is_more_alike_than_the_name_itself(name: str) -> None:
    for other in ("Delta", "Acme Holdings", "Facebook Inc", "Sony Japan"):
        assert alike(name, other).total <= max(alike(name, name).total, alike(other, other).total)


@pytest.mark.parametrize(
    ("lead", "account", "what"),
    [
        ("Face book", "Facebook Inc", "one word"),
        ("BMWX Group", "Bayerische Motoren Werke Xanten", "initials"),
        ("Schlumbreger", "Schlumberger", "nearly"),
        ("Filips", "Philips", "nearly"),
        ("Internat Widgetry", "International Widgetry", "same"),
        ("Schlum Offshore", "Schlumberger Offshore", "short for"),
        ("J Smithfield", "John Smithfield", "short for"),
        ("Acme Inc", "Acme GmbH", "other legal form"),
        ("Google", "Alphabet", "known by another name"),
    ],
)
def test_what_agreement_is_called(lead: str, account: str, what: str) -> None:
    assert what in said(alike(lead, account))


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        (("Sony Europe", "Sony"), ("Sony Europe", "Sony Japan")),
        (("Capital One Financial", "Capital One"), ("Capital One Financial", "Capital Two Financial")),
        (("Unilever", "Unilever NV"), ("Unilver", "Unilever NV")),
        (("Unilver", "Unilever"), ("Unilvr", "Unilever")),
        (("Fund 2", "Fund 2"), ("Fund 2", "Fund 3")),
        (("Wittgenstein", "Wittgenstein Group"), ("Wittgenstein", "Wittgenstein Bank")),
        (("Bosch Robert", "Robert Bosch"), ("Bosch Robert", "Bosch Karl")),
        (("Acme GmbH", "Acme GmbH"), ("Acme GmbH", "Acme Ltd")),
        (("Oge Energy", "Oge Energy"), ("Oge Energy", "Dte Energy")),
    ],
)
def test_which_pair_is_more_alike(nearer: tuple[str, str], farther: tuple[str, str]) -> None:
    assert alike(*nearer).total > alike(*farther).total


def test_a_rare_word_says_more_than_a_usual_one() -> None:
    usual = among([parsed(f"Kolmogorov {trade}") for trade in ("Foods", "Bank", "Steel", "Wine", "Travel")])
    rare = among([parsed(name) for name in ("Kolmogorov Foods", "Acme", "Bosch", "Sony", "Nokia")])
    lead, account = Company(parsed("Kolmogorov")), Company(parsed("Kolmogorov Foods"))
    assert likeness(lead, account, rare).total > likeness(lead, account, usual).total + 2


@pytest.mark.parametrize(
    ("known", "more"),
    [
        ({"country": ("DE", "DE")}, True),
        ({"country": ("DE", "US")}, False),
        ({"city": ("berlin", "berlin")}, True),
        ({"domain": ("acme.com", "acme.com")}, True),
        ({"domain": ("acme.de", "acme.com")}, True),
        ({"domain": ("acme.com", "other.com")}, False),
        ({"address": (frozenset({"12", "high", "street"}), frozenset({"12", "high", "st"}))}, True),
    ],
)
def test_what_stands_beside_the_name_counts(known: dict[str, tuple[str, str]], more: bool) -> None:
    assert (alike("Acme", "Acme Ltd", **known).total > alike("Acme", "Acme Ltd").total) is more


def test_a_domain_of_its_own_outweighs_another_name() -> None:
    assert alike("Blue", "Red", domain=("a.com", "a.com")).total > 10
    assert (
        alike("", "Red", domain=("a.com", "a.com")).total
        > alike("Blue", "Red", domain=("a.com", "a.com")).total
    )
