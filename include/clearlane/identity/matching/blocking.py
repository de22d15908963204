"""Which accounts are looked at for a lead: those that share a rare key with it, the most telling first.

Keys are words, pairs of words, words with a letter left out (SymSpell), the name as one word, its beginning and
end, initials, domains. Keys that many accounts have say little and are left out; so the work follows the leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.identity.matching import phones
from clearlane.identity.matching.lexicon import Kind
from clearlane.identity.matching.likeness import Company, label
from clearlane.identity.matching.names import Name, Reading, Word, sound

MOST_HOLDERS: Final = 300
"""accounts that may have a key"""
MOST_CANDIDATES: Final = 10
"""accounts that are looked at for a lead"""
LEAST_SHARE: Final = 0.4
"""of what the keys of the best candidate weigh"""
CHUNK: Final = 2_000
"""companies whose keys are there as texts at a time"""
WORDS: Final = 6
"""of a name from which keys are made"""
SHORTEST_MISSPELLED: Final = 4
PIECE: Final = 6
"""letters of the beginning and end of a name"""

Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def keys(company: Company, known: Set[str] = frozenset()) -> set[str]:
    """The keys by which a company is found; words that are known are not taken for misspelled ones."""
    found = {key for reading in company.name.readings for key in _of_reading(reading, known)}
    found.add(f"={company.name.plain.replace(' ', '')}")
    if company.domain:
        found |= {f"@{company.domain}", f"={label(company.domain)}"}
    if company.phone:
        found |= phones.keys(company.phone)
    return found - {"="}


def _of_reading(reading: Reading, known: Set[str]) -> Iterator[str]:
    words = [word for word in reading.words if word.kind is not Kind.FILLER][:WORDS] or reading.words[:1]
    yield from (word.text for word in words)
    yield from (f"{a} {b}" for a, b in combinations(sorted({word.text for word in words}), 2))
    yield from (f"={one}" for one in (reading.joined, reading.written, _spelled(words), _own(words)))
    yield from (f"^{reading.joined[:PIECE]}", f"${reading.joined[-PIECE:]}")
    for word in words:
        if (
            word.text not in known
            and word.kind is not Kind.TRADE
            and len(word.spelled) >= SHORTEST_MISSPELLED
        ):
            yield from (f"~{key}" for key in _misspelled(sound(word.spelled)))
    if len(words) == 1 and 2 <= len(words[0].spelled) <= PIECE:
        yield f"#{words[0].spelled}"
    elif len(reading.initials) > 1:
        yield f"#{reading.initials}"


def lasting_keys(name: Name) -> set[str]:
    """Keys that depend on the name alone and few names share: by these a ledger finds names that are alike."""
    return {key for reading in name.readings for key in _lasting(reading)} - {"="}


def _lasting(reading: Reading) -> Iterator[str]:
    telling = [word for word in reading.words if word.kind in _TELLING][:WORDS]
    yield from (f"={one}" for one in (reading.joined, reading.written, _own(reading.words)))
    yield from (word.text for word in telling)
    for word in (sound(word.spelled) for word in telling):
        if len(word) > PIECE - 1:
            yield from (f"^{word[: PIECE - 1]}", f"${word[1 - PIECE :]}")
    if not telling:
        yield f"&{' '.join(sorted({word.text for word in reading.words if word.kind is not Kind.FILLER}))}"
    initials = reading.words[0].spelled if len(reading.words) == 1 else reading.initials
    if 2 < len(initials) <= PIECE:
        yield f"#{initials}"


_TELLING: Final = (Kind.NAME, Kind.COMPOUND, Kind.COMMON)


def _spelled(words: Iterable[Word]) -> str:
    return "".join(word.spelled for word in words)


def _own(words: Sequence[Word]) -> str:
    """What is left without trades and places, which others have too."""
    return _spelled(word for word in words if word.kind not in (Kind.TRADE, Kind.PLACE))


def _misspelled(word: str) -> Iterator[str]:
    """The word and all that one letter less makes of it: words one letter apart share one of them."""
    yield word
    for i in range(len(word)):
        # What a letter less brings together sounds as one: `genesis` without n is heard as `gesis`.
        twice = 0 < i < len(word) - 1 and word[i - 1] == word[i + 1]
        yield word[:i] + word[i + 1 + twice :]


@dataclass(frozen=True)
class Index:
    """Keys of accounts, sorted, each with the account's row and what sharing it says; and the words they have.

    `own` are keys that make an account be looked at whatever else is shared: domains that few have.
    """

    keys: Keys
    rows: Rows
    weights: npt.NDArray[np.float64]
    own: npt.NDArray[np.bool_]
    words: Set[str]

    def candidates(self, leads: Sequence[Company]) -> Iterator[tuple[int, int]]:
        """(Row of a lead, row of an account) to be looked at, in the order of the leads."""
        for start in range(0, len(leads), CHUNK):
            of_leads, accounts = self._of_chunk(leads[start : start + CHUNK])
            yield from zip((of_leads + start).tolist(), accounts.tolist(), strict=True)

    def _of_chunk(self, leads: Sequence[Company]) -> tuple[Rows, Rows]:
        keys, leads_of_keys = _hashed(leads, self.words)
        first, last = (np.searchsorted(self.keys, keys, side) for side in ("left", "right"))
        counts = last - first
        before = np.cumsum(counts) - counts
        at = np.repeat(first - before, counts) + np.arange(counts.sum())
        return _most_telling(np.repeat(leads_of_keys, counts), self.rows[at], self.weights[at], self.own[at])


def _most_telling(
    leads: Rows, accounts: Rows, weights: npt.NDArray[np.float64], own: npt.NDArray[np.bool_]
) -> tuple[Rows, Rows]:
    """Of each lead the accounts whose shared keys weigh most, and at least a part of what the best weigh.

    Those that share a key of their own are among them.
    """
    # A pair as one number: numpy sorts those several times as fast.
    most = int(np.max(accounts, initial=0)) + 1
    pairs, which = np.unique(leads * most + accounts, return_inverse=True)
    leads, accounts = np.divmod(pairs, most)
    summed = np.bincount(which, weights=weights, minlength=len(pairs))
    owning = np.zeros(len(pairs), dtype=bool)
    owning[which[own]] = True
    order = np.lexsort((accounts, -summed, leads))
    leads, accounts, summed, owning = leads[order], accounts[order], summed[order], owning[order]
    _, first, counts = np.unique(leads, return_index=True, return_counts=True)
    place = np.arange(len(leads)) - np.repeat(first, counts)
    best = np.repeat(summed[first], counts)
    kept = owning | ((place < MOST_CANDIDATES) & (summed >= best * LEAST_SHARE))
    return leads[kept], accounts[kept]


def index(accounts: Sequence[Company]) -> Index:
    """The accounts by their keys; a key that too many have is left out."""
    keys, rows = _hashed(accounts, frozenset())
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    counts = np.unique(keys, return_counts=True)[1]
    held = np.repeat(counts, counts)
    kept = held <= MOST_HOLDERS
    words = {word.text for one in accounts for reading in one.name.readings for word in reading.words}
    own = np.isin(keys, _hashes([f"@{one.domain}" for one in accounts if one.domain]))
    own &= held <= MOST_CANDIDATES
    return Index(keys[kept], rows[kept], np.log((len(accounts) + 1) / held[kept]), own[kept], words)


def _hashes(texts: Sequence[str]) -> Keys:
    hashes: Keys = pd.util.hash_array(np.array(texts, dtype=object), categorize=False)
    return hashes


def _hashed(companies: Sequence[Company], known: Set[str]) -> tuple[Keys, Rows]:
    """Hashes of all keys, each with the row of its company; the texts of few companies are there at a time."""
    hashes: list[Any] = [np.empty(0, dtype=np.uint64)]
    counts: list[int] = []
    for start in range(0, len(companies), CHUNK):
        found = [sorted(keys(company, known)) for company in companies[start : start + CHUNK]]
        counts += map(len, found)
        hashes.append(_hashes([key for some in found for key in some]))
    return np.concatenate(hashes), np.repeat(np.arange(len(counts)), counts)
