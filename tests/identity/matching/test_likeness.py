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
        ("Khashoudji", "Hashuji", "nearly"),
        ("Internat Widgetry", "International Widgetry", "same"),
        ("Schlum Offshore", "Schlumberger Offshore", "short for"),
        ("J Smithfield", "John Smithfield", "short for"),
        ("Acme Inc", "Acme GmbH", "other legal form"),
        ("Google", "Alphabet", "known by another name"),
        ("Milton Kolmogorov", "Kolmogorov Milton", "in another order"),
        ("Kolmogroov, Milton", "Milton Kolmogorov AG", "nearly"),
        ("Universty of Milton", "Milton University", "in another order, each a name of its own"),
        ("Clarke & Wilson LLP", "Wilson & Clarke", "in another order, each a name of its own"),
        ("& Wilson Clarke", "Clarke & Wilson", "in another order"),
        ("kolmogorovfoodsgroup", "Kolmogorov Foods", "written apart"),
        ("Acme Icn.", "Acme Inc.", "without a misspelled legal form"),
        ("Kolmogorov S.AA.", "Kolmogorov S.A.", "misspelled legal form"),
        ("Kolmogorov A8", "Kolmogorov AB", "misspelled legal form"),
        ("Kolmogorov SE", "Kolmogorov Steel SE", "named in full without it"),
        ("Kolmogorov Steel", "Kolmogorov Co.", "named in full without it"),
        ("Kolmogorov Systems", "Kolmogorov Vision Systems", "inside the name"),
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
        (("Milton University", "Milton University"), ("Milton University", "University of Milton")),
        (("St Marys School", "St. Mary's School"), ("St Marys School", "St. Mark's School")),
        (("Saint John Hospital", "St. John's Hospital"), ("Saint John Hospital", "St. Joan's Hospital")),
        (("Kolmogroov Foods", "Kolmogorov Foods"), ("Kolmogoxov Foods", "Kolmogorov Foods")),
        (("Kolmogorov Tehcnologies", "Kolmogorov Technologies"), ("Kolmogorov", "Kolmogorov Technologies")),
        (("Acme", "Acme Foods"), ("Acme", "Acme Berlin")),
    ],
)
def test_which_pair_is_more_alike(nearer: tuple[str, str], farther: tuple[str, str]) -> None:
    assert alike(*nearer).total > alike(*farther).total


def test_a_rare_word_says_more_than_a_usual_one() -> None:
    usual = among([parsed(f"Kolmogorov {trade}") for trade in ("Foods", "Bank", "Steel", "Wine", "Travel")])
    rare = among([parsed(name) for name in ("Kolmogorov Foods", "Acme", "Bosch", "Sony", "Nokia")])
    lead, account = Company(parsed("Kolmogorov")), Company(parsed("Kolmogorov Foods"))
    assert likeness(lead, account, rare).total > likeness(lead, account, usual).total + 2


def test_words_that_are_spelled_otherwise_are_in_the_same_order() -> None:
    assert "in another order" not in said(
        alike("Kolmogorov Tech Holding", "Kolmogorov Technologies Holdings")
    )


def test_a_misspelled_word_that_another_account_has_is_another_word() -> None:
    names = [parsed(name) for name in ("Radisson Burlington", "Hilton Arlington", "Ford of Arlington")]
    known, unknown = among(names), among(names[:1])
    lead, account = Company(parsed("Radisson Arlington")), Company(parsed("Radisson Burlington"))
    assert likeness(lead, account, unknown).total > likeness(lead, account, known).total + 2


@pytest.mark.parametrize("lead", ["Coca-Cola Consolidated", "Coca-Cola Berlin", "Coca-Cola Unilever"])
def test_sisters_are_not_surer_for_the_rare_words_that_they_share(lead: str) -> None:
    like = alike(lead, "Coca-Cola")
    assert like.ceiling < 2.2
    assert like.beyond(chance=0) < like.ceiling


@pytest.mark.parametrize(
    ("lead", "account"),
    [
        ("Kolmogorov", "Kolmogorov Ltd"),
        ("Kolmogorov AI", "Kolmogorov Ltd"),
        ("Kolmogorov Steel", "Kolmogorov"),
        ("Royal Kolmogorov NV", "Kolmogorov NV"),
        ("Kolmogorov S.A.", "Kolmogorov Steel"),
    ],
)
def test_a_word_is_left_out_where_the_name_is_not_in_full(lead: str, account: str) -> None:
    like = alike(lead, account)
    assert ("named in full without it" in said(like)) is ("S.A." in lead)


def test_a_name_in_full_is_surer_to_be_another_than_one_that_is_not() -> None:
    full, brief = (alike(lead, "Kolmogorov Steel GmbH") for lead in ("Kolmogorov GmbH", "Kolmogorov"))
    assert full.beyond(chance=5) < brief.beyond(chance=5) < alike("Kolmogorov", "Kolmogorov").beyond(chance=5)


def test_letters_that_are_said_one_by_one_do_not_sound_alike() -> None:
    assert "nearly" not in said(alike("VBKW Apparel", "WBCW Apparel"))
    assert "nearly" in said(alike("Fakt Apparel", "Fact Apparel"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("marysschool", "Mark's School"),
        ("Kansasstate University", "Kansas University"),
        ("5t Marks Clinic", "St Marys Clinic"),
    ],
)
def test_words_written_together_are_still_words(one: str, other: str) -> None:
    assert not said(alike(one, other)) & {"nearly one word", "one word", "short for"}


def test_the_same_name_under_the_form_of_another_country_is_a_company_of_its_own_there() -> None:
    abroad = {"country": ("NL", "PL")}
    assert alike("Kolmogorov N.V.", "Kolmogorov Sp. z o.o.", **abroad).beyond(chance=5) < 2
    assert alike("Kolmogorov", "Kolmogorov Sp. z o.o.", **abroad).beyond(chance=2) > 4
    assert alike("Kolmogorov N.V.", "Kolmogorov Sp. z o.o.").beyond(chance=2) > 4
    phone = {"phone": ("+31201234567", "+31201234567")}
    assert alike("Kolmogorov N.V.", "Kolmogorov Sp. z o.o.", **abroad, **phone).beyond(chance=5) > 5


def test_what_two_names_bear_out_is_bound_only_where_words_differ() -> None:
    whole = alike("Coca-Cola", "Coca-Cola Ltd")
    assert whole.beyond(chance=5) == whole.total - 5
    domain = {"domain": ("coke.com", "coke.com")}
    assert alike("Coca-Cola Berlin", "Coca-Cola", **domain).beyond(chance=5) > 10


@given(NAMES, NAMES, st.floats(0, 20))
def test_nothing_is_surer_than_its_evidence(lead: str, account: str, chance: float) -> None:
    like = alike(lead, account)
    assert like.beyond(chance) <= like.total - chance + 1e-9


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
