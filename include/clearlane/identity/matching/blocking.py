"""Which accounts are looked at for a lead: those that share a rare key with it, the most telling first.

Keys are words, pairs of words, words with a letter left out (SymSpell), the name as one word, its beginning and
end, initials, domains. Keys that many accounts have say little and are left out; so the work follows the leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.identity.matching.lexicon import Kind
from clearlane.identity.matching.likeness import Company, label
from clearlane.identity.matching.names import Reading, sound

MOST_HOLDERS: Final = 300
"""accounts that may have a key"""
MOST_CANDIDATES: Final = 10
"""accounts that are looked at for a lead"""
WORDS: Final = 6
"""of a name from which keys are made"""
SHORTEST_MISSPELLED: Final = 5
PIECE: Final = 6
"""letters of the beginning and end of a name"""

_SHARED: Final = (Kind.TRADE, Kind.PLACE)
Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def keys(company: Company) -> set[str]:
    """The keys by which a company is found."""
    found = {key for reading in company.name.readings for key in _of_reading(reading)}
    found.add(f"={company.name.plain.replace(' ', '')}")
    if company.domain:
        found |= {f"@{company.domain}", f"={label(company.domain)}"}
    return found


def _of_reading(reading: Reading) -> Iterator[str]:
    words = [word for word in reading.words if word.kind is not Kind.FILLER][:WORDS] or reading.words[:1]
    yield from (word.text for word in words)
    yield from (f"{a} {b}" for a, b in combinations(sorted({word.text for word in words}), 2))
    yield from (
        f"~{key}"
        for word in words
        if word.kind is not Kind.TRADE and len(word.spelled) >= SHORTEST_MISSPELLED
        for key in _misspelled(sound(word.spelled))
    )
    yield from (f"={reading.joined}", f"={reading.written}", f"^{reading.joined[:PIECE]}", f"${reading.joined[-PIECE:]}")
    weighty = "".join(word.spelled for word in words)
    yield from (f"={weighty}", "=" + "".join(word.spelled for word in words if word.kind not in _SHARED))
    if len(words) == 1 and 2 <= len(weighty) <= PIECE:
        yield f"#{weighty}"
    elif len(reading.initials) > 1:
        yield f"#{reading.initials}"


def _misspelled(word: str) -> Iterator[str]:
    """The word and all that one letter less makes of it: words one letter apart share one of them."""
    yield word
    yield from (word[:i] + word[i + 1 :] for i in range(len(word)))


@dataclass(frozen=True)
class Index:
    """Keys of accounts, sorted, each with the account's row and what sharing it says."""

    keys: Keys
    rows: Rows
    weights: npt.NDArray[np.float64]

    def candidates(self, leads: Sequence[Company]) -> tuple[Rows, Rows]:
        """(Rows of leads, rows of accounts) to be looked at, in the order of the leads."""
        keys, leads_of_keys = _hashed(leads)
        first, last = (np.searchsorted(self.keys, keys, side) for side in ("left", "right"))
        counts = last - first
        at = np.repeat(first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts) + np.arange(
            counts.sum()
        )
        pairs = pd.DataFrame(
            {"lead": np.repeat(leads_of_keys, counts), "account": self.rows[at], "weight": self.weights[at]}
        )
        return _most_telling(pairs)


def _most_telling(pairs: pd.DataFrame) -> tuple[Rows, Rows]:
    summed: pd.DataFrame = pairs.groupby(["lead", "account"], sort=False).sum().reset_index()
    ordered = summed.sort_values(["lead", "weight", "account"], ascending=[True, False, True], kind="stable")
    best = ordered[ordered.groupby("lead").cumcount() < MOST_CANDIDATES]
    return best["lead"].to_numpy(), best["account"].to_numpy()


def index(accounts: Sequence[Company]) -> Index:
    """The accounts by their keys; a key that too many have is left out."""
    keys, rows = _hashed(accounts)
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    counts = np.unique(keys, return_counts=True)[1]
    held = np.repeat(counts, counts)
    kept = held <= MOST_HOLDERS
    return Index(keys[kept], rows[kept], np.log((len(accounts) + 1) / held[kept]))


def _hashed(companies: Iterable[Company]) -> tuple[Keys, Rows]:
    texts: list[str] = []
    counts: list[int] = []
    for company in companies:
        found = keys(company)
        texts += found
        counts.append(len(found))
    hashes: Any = pd.util.hash_array(np.array(texts, dtype=object), categorize=False)
    return hashes, np.repeat(np.arange(len(counts)), counts)
