"""What two phone numbers say: the same, one switchboard, one block, nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.identity.matching.phones import agreement, keys

NUMBERS = st.from_regex(r"\+(?:49891234|1212555)[0-9]{1,4}", fullmatch=True)


@pytest.mark.parametrize(
    ("lead", "account", "said"),
    [
        ("+498912345678", "+498912345678", "same phone"),
        ("+498912345678", "+49891234560", "same switchboard"),
        ("+12125550142", "+12125550100", "same switchboard"),
        ("+12125550142", "+12125550177", "phones of one block"),
        ("+12125550142", "+12125550942", ""),
        ("+18005550142", "+18005550100", ""),
        ("+18005550142", "+18005550142", "same phone"),
        ("", "", ""),
        ("", "+12125550100", ""),
    ],
)
def test_what_two_numbers_say(lead: str, account: str, said: str) -> None:
    weight, words = agreement(lead, account)
    assert words == said
    assert (weight > 0) is bool(said)


@given(NUMBERS, NUMBERS)
def test_it_is_the_same_from_both_sides(one: str, other: str) -> None:
    assert agreement(one, other) == agreement(other, one)


@given(NUMBERS, NUMBERS)
def test_numbers_of_one_switchboard_share_a_key(one: str, other: str) -> None:
    if agreement(one, other)[1] in ("same phone", "same switchboard"):
        assert keys(one) & keys(other)
