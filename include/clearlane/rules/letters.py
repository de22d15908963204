"""Small and capital letters alike on every engine: a table of pairs instead of the engine's locale.

Latin, Greek and Cyrillic letters whose small and capital form are one letter each; all others (ß, İ)
stay as they are.
"""

from __future__ import annotations

from itertools import chain

_RANGES = (
    range(0x41, 0x180),  # Latin
    range(0x218, 0x21C),  # Romanian
    range(0x386, 0x3AC),  # Greek
    range(0x400, 0x430),  # Cyrillic
    range(0x490, 0x491),  # Ukrainian
)
CAPITALS = "".join(
    letter
    for letter in map(chr, chain(*_RANGES))
    if letter.lower() != letter and len(letter.lower()) == 1 and letter.lower().upper() == letter
)
SMALL = "".join(letter.lower() for letter in CAPITALS)
_TO_SMALL = str.maketrans(CAPITALS, SMALL)


def lower(text: str) -> str:
    """The text in small letters, by the table."""
    return text.translate(_TO_SMALL)
