"""What a line that nobody can read may say of a person."""

from __future__ import annotations

import pytest

from clearlane.privacy.returning import names_in, numbers_in


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('7;"Ada.Byron@Acme.example;broken', ("email", "ada.byron@acme.example")),
        ("{'phone': '+44 20 7946 0018', 'who': 'Ada Byron'", ("phone_name", "+442079460018|ada byron")),
        ('x|Byron, Ada|"+44 (20) 7946-0018', ("phone_name", "+442079460018|ada byron")),
    ],
)
def test_addresses_and_numbers_with_names_are_found(line: str, name: tuple[str, str]) -> None:
    assert name in set(names_in(line))


def test_a_number_alone_and_words_alone_name_nobody() -> None:
    assert list(names_in("+44 20 7946 0018;4711")) == []
    assert list(names_in("Ada Byron of Acme")) == []


def test_a_number_in_a_text_is_read_as_it_is_dialled() -> None:
    text = "since 2026-11-18 10:00 +44 20 7946 0018 or 0044 20 79460018, here 020 7946 0018"
    everywhere = [("+44 20 7946 0018", None), ("0044 20 79460018", "DE")]
    assert list(numbers_in(text, None)) == everywhere
    assert list(numbers_in(text, "United Kingdom")) == [*everywhere, ("020 7946 0018", "GB")]
