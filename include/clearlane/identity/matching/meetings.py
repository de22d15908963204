"""Which names of leads and of accounts meet: those that share a key, each pair once.

A word's beginning or end alone says little: names that share nothing else meet only where their letters are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

LETTERS_ALIKE: Final = 75.0
"""of 100 letters of the shorter name, in the most alike part of the longer"""
OF_A_PART: Final = ("^", "$")
"""how keys begin that are a word's beginning or end"""

Rows = npt.NDArray[np.int64]
Shared = tuple[str, Sequence[str], Sequence[str]]
"""a key, the names of leads that have it, and those of accounts"""


@dataclass(frozen=True)
class Meetings:
    """The names of which any pair is, and of each pair the place of the lead's and of the account's among them."""

    names: Sequence[str]
    leads: Rows
    accounts: Rows


def among(shared: Iterable[Shared]) -> Meetings:
    """The pairs of names that meet by these keys; the same pairs in whatever order the keys come."""
    places: dict[str, int] = {}
    pairs = [_met(places, *one) for one in shared]
    leads, accounts = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), dtype=np.int64)
    # A pair as one number: numpy sorts those several times as fast.
    many = max(len(places), 1)
    met = np.stack(np.divmod(np.unique(leads * many + accounts), many))
    some, at = np.unique(met, return_inverse=True)
    names = list(places)
    return Meetings([names[place] for place in some.tolist()], *at.reshape(2, -1))


def _met(places: dict[str, int], key: str, leads: Sequence[str], accounts: Sequence[str]) -> Rows:
    mine, others = _placed(places, leads), _placed(places, accounts)
    if key.startswith(OF_A_PART):
        one, other = np.nonzero(_alike(leads, accounts))
        return np.stack([mine[one], others[other]])
    return np.stack([np.repeat(mine, len(others)), np.tile(others, len(mine))])


def _placed(places: dict[str, int], names: Sequence[str]) -> Rows:
    return np.array([places.setdefault(name, len(places)) for name in names], dtype=np.int64)


def _alike(leads: Sequence[str], accounts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Not 0 where the letters are; a byte each, as there may be many."""
    alike: npt.NDArray[np.uint8] = process.cdist(
        leads, accounts, scorer=fuzz.partial_ratio, score_cutoff=LETTERS_ALIKE, dtype=np.uint8
    )
    return alike
