"""Many names read at once, as numbers: each reading a row of its words' places in one list of words.

Most names that were normalised before have one reading, their words; of such nothing else is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from clearlane.identity.matching.names import Word, ends_like_a_form, only_reading, parsed

PLACES: Final = 6
"""words of a reading that have a place"""

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Readings:
    """Readings of names, one after the other: of each name the first and how many, of each reading its words.

    `words` is a row for each reading, from the left, -1 where there is none; `plain` (of a name), `joined` and
    `written` (of a reading) are hashes of its letters; `odd` has more words than places, or a word
    twice; `formed` is of a name with its legal form, `open_ended` ends in what may be another's legal form, misspelled.
    """

    vocabulary: Sequence[Word]
    words: Rows
    odd: Flags
    formed: Flags
    open_ended: Flags
    joined: Rows
    written: Rows
    first: Rows
    counts: Rows
    plain: Rows


def of(names: Iterable[str]) -> Readings:
    """What `parsed` reads in each of these names."""
    noted = _Noted()
    for name in names:
        words = name.split()
        only = only_reading(words)
        if only:
            letters = hash("".join([word.spelled for word in only]))
            noted.reading(only, letters, letters, formed=False)
            noted.name(1, hash("".join(words)))
        else:
            noted.parsed(name)
    return noted.readings()


@dataclass(frozen=True)
class _Noted:
    """What was read so far, in lists of numbers."""

    numbers: dict[Word, int] = field(default_factory=dict)
    words: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    odd: list[bool] = field(default_factory=list)
    formed: list[bool] = field(default_factory=list)
    open_ended: list[bool] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)

    def parsed(self, text: str) -> None:
        name = parsed(text)
        for reading in name.readings:
            self.reading(reading.words, hash(reading.joined), hash(reading.written), bool(name.form))
        self.name(len(name.readings), hash(name.plain.replace(" ", "")))

    def reading(self, words: Sequence[Word], joined: int, written: int, formed: bool) -> None:
        """As many of its words as have a place; what is odd is to be looked at word by word anyway."""
        self.odd.append(len(words) > PLACES or len({word.text for word in words}) < len(words))
        self.formed.append(formed)
        self.open_ended.append(ends_like_a_form(words))
        self.words.extend(self.numbers.setdefault(word, len(self.numbers)) for word in words[:PLACES])
        self.lengths.append(min(len(words), PLACES))
        self.joined.append(joined)
        self.written.append(written)

    def name(self, count: int, plain: int) -> None:
        self.counts.append(count)
        self.plain.append(plain)

    def readings(self) -> Readings:
        counts = np.array(self.counts, dtype=np.int64)
        words = np.full((len(self.lengths), PLACES), -1, dtype=np.int64)
        words[np.arange(PLACES) < np.array(self.lengths, dtype=np.int64)[:, None]] = self.words
        joined, written, plain = (
            np.array(one, dtype=np.int64) for one in (self.joined, self.written, self.plain)
        )
        odd, formed, open_ended = (
            np.array(one, dtype=bool) for one in (self.odd, self.formed, self.open_ended)
        )
        first = np.cumsum(counts) - counts
        return Readings(
            list(self.numbers), words, odd, formed, open_ended, joined, written, first, counts, plain
        )
