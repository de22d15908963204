"""Which of many pairs of names could weigh so much at all: the others need not be weighed.

Words that two names share count whole, the other words cost what they cost; where two of the others could agree
(a typo, a beginning, initials, spaces) the pair is weighed. So a pair is left out only where it weighs too little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from clearlane.identity.matching import likeness
from clearlane.identity.matching.lexicon import Kind
from clearlane.identity.matching.likeness import Weigh
from clearlane.identity.matching.names import Name, Reading, Word, parsed, sound

PLACES: Final = 6
"""words of a reading; what has more, or has a word twice, is weighed"""
CHUNK: Final = 20_000
"""pairs of readings that are reckoned at a time"""
ROUNDING: Final = 1e-6

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Nats = npt.NDArray[np.float64]


def reaching(pairs: Sequence[Sequence[str]], weigh: Weigh, least: float) -> Flags:
    """Of each pair of names (a lead's, an account's) whether they could weigh `least`, by the names alone."""
    if not pairs:
        return np.zeros(0, dtype=bool)
    (leads, mine), (accounts, others) = map(_numbered, zip(*pairs, strict=True))
    ours, theirs = _Side.of(leads), _Side.of(accounts)
    words = _Lexicon.of([*ours.readings, *theirs.readings], weigh)
    left, right = words.places(ours.readings), words.places(theirs.readings)
    which, one, other = _readings_of(mine, others, ours, theirs)
    could: Flags = ours.plain[mine] == theirs.plain[others]
    could |= (ours.counts[mine] == 0) | (theirs.counts[others] == 0)
    for start in range(0, len(which), CHUNK):
        some = slice(start, start + CHUNK)
        a, b = one[some], other[some]
        enough = words.most(left[a], right[b]) >= least - ROUNDING
        enough |= ours.odd[a] | theirs.odd[b]
        enough |= (ours.joined[a] == theirs.joined[b]) | (ours.written[a] == theirs.written[b])
        could[which[some][enough]] = True
    return could


def _numbered(texts: Sequence[str]) -> tuple[list[Name], Rows]:
    """The different names, and which of them is each text's."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return list(map(parsed, numbers)), np.fromiter(map(numbers.__getitem__, texts), dtype=np.int64)


def _readings_of(mine: Rows, others: Rows, ours: _Side, theirs: _Side) -> tuple[Rows, Rows, Rows]:
    """Each pair of readings of each pair of names: the pair's row, and the readings'."""
    many = theirs.counts[others]
    counts = ours.counts[mine] * many
    which = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return (
        which,
        ours.first[mine][which] + nth // many[which],
        theirs.first[others][which] + nth % many[which],
    )


def _numbers(texts: Iterable[str]) -> Rows:
    return np.fromiter(map(hash, texts), dtype=np.int64)


@dataclass(frozen=True)
class _Side:
    """Readings of names, one after the other: of each name the first and how many, of each reading its letters."""

    readings: Sequence[Reading]
    first: Rows
    counts: Rows
    plain: Rows
    joined: Rows
    written: Rows
    odd: Flags

    @classmethod
    def of(cls, names: Sequence[Name]) -> _Side:
        readings = [reading for name in names for reading in name.readings]
        counts = np.fromiter((len(name.readings) for name in names), dtype=np.int64)
        return cls(
            readings,
            np.cumsum(counts) - counts,
            counts,
            _numbers(name.plain.replace(" ", "") for name in names),
            _numbers(reading.joined for reading in readings),
            _numbers(reading.written for reading in readings),
            np.fromiter(map(_odd, readings), dtype=bool),
        )


def _odd(reading: Reading) -> bool:
    return len(reading.words) > PLACES or len({word.text for word in reading.words}) < len(reading.words)


@dataclass
class _Lexicon:
    """Words by number (-1: none): what sharing them says, what missing them costs, and which could agree."""

    numbers: dict[Word, int]
    words: Sequence[Word]
    texts: Rows
    weights: Nats
    costs: Nats
    fillers: Flags
    initials: Rows
    """letters of a word that may be the initials of others; many where it cannot be"""

    @classmethod
    def of(cls, readings: Sequence[Reading], weigh: Weigh) -> _Lexicon:
        words = list({word: None for reading in readings for word in reading.words})
        # The last is no word: it weighs and costs nothing, and is what -1 finds.
        return cls(
            {word: number for number, word in enumerate(words)},
            words,
            np.append(_numbers(word.text for word in words), 0),
            np.array([*map(weigh, words), 0.0]),
            np.array([*map(likeness.cost, words), 0.0]),
            np.array([*(word.kind is Kind.FILLER for word in words), True]),
            np.array([*map(_letters_of_initials, words), _NO_INITIALS]),
        )

    def places(self, readings: Sequence[Reading]) -> Rows:
        """A row for each reading, its words from the left."""
        placed = np.full((len(readings), PLACES), -1, dtype=np.int64)
        lengths = np.fromiter((min(len(reading.words), PLACES) for reading in readings), dtype=np.int64)
        at = np.arange(PLACES) < lengths[:, None]
        placed[at] = [self.numbers[word] for reading in readings for word in reading.words[:PLACES]]
        return placed

    def most(self, left: Rows, right: Rows) -> Nats:
        """What the readings weigh at most; infinite where words that are not the same could agree."""
        same = self.texts[left][:, :, None] == self.texts[right][:, None, :]
        same &= (left >= 0)[:, :, None] & (right >= 0)[:, None, :]
        mine, theirs = np.where(same.any(2), -1, left), np.where(same.any(1), -1, right)
        shared = -np.sort(-np.where(same.any(1), self.weights[right], 0.0), axis=1)
        weight = shared @ _COUNTED + likeness.SAME_FORM
        weight += np.where(self.fillers[mine].all(1) & self.fillers[theirs].all(1), likeness.WHOLE, 0.0)
        return np.where(self._could_agree(mine, theirs), np.inf, weight - self._missing(mine, theirs))

    def _missing(self, left: Rows, right: Rows) -> Nats:
        one, other = self._cost(left), self._cost(right)
        both = (left >= 0).any(1) & (right >= 0).any(1)
        return one + other + np.where(both, likeness.INSTEAD + np.minimum(one, other), 0.0)

    def _cost(self, words: Rows) -> Nats:
        costs = self.costs[words]
        dearest = costs.max(axis=1)
        total: Nats = dearest + likeness.FURTHER * (costs.sum(axis=1) - dearest)
        return total

    def _could_agree(self, left: Rows, right: Rows) -> Flags:
        could = self._of_initials(left, right) | self._of_initials(right, left)
        at, i, j = np.nonzero((left >= 0)[:, :, None] & (right >= 0)[:, None, :])
        pairs, which = np.unique(left[at, i] * len(self.texts) + right[at, j], return_inverse=True)
        akin = np.fromiter(
            (self._akin(*divmod(pair, len(self.texts))) for pair in pairs.tolist()), dtype=bool
        )
        could[at[akin[which]]] = True
        return could | self._of_letters(left, right, ~could)

    def _akin(self, one: int, other: int) -> bool:
        """Is one near the other, or its beginning?"""
        a, b = self.words[one].spelled, self.words[other].spelled
        return a.startswith(b) or b.startswith(a) or likeness.letters_apart(a, b) is not None

    def _of_initials(self, short: Rows, long: Rows) -> Flags:
        others = (long >= 0).sum(1)
        could: Flags = (others > 1) & (self.initials[short].min(axis=1) <= others)
        return could

    def _of_letters(self, left: Rows, right: Rows, asked: Flags) -> Flags:
        """Are the words one, but for spaces and a letter?"""
        ours, others = (left >= 0).sum(1), (right >= 0).sum(1)
        (at,) = np.nonzero(asked & (ours > 0) & (others > 0) & (ours + others > 2))
        (mine, one), (theirs, other) = self._together(left[at]), self._together(right[at])
        near = _as_long(list(map(len, mine)), one, list(map(len, theirs)), other)
        near |= _as_long(
            [len(sound(text)) for text in mine], one, [len(sound(text)) for text in theirs], other
        )
        pairs = zip(one[near], other[near], strict=True)
        could: Flags = np.zeros(len(asked), dtype=bool)
        could[at[near]] = [likeness.letters_apart(mine[i], theirs[j]) is not None for i, j in pairs]
        return could

    def _together(self, words: Rows) -> tuple[list[str], Rows]:
        """The different words of rows, written together, and which of them is each row's."""
        distinct, which = np.unique(words, axis=0, return_inverse=True)
        texts = ["".join([self.words[one].spelled for one in row if one >= 0]) for row in distinct.tolist()]
        return texts, which.reshape(-1)


_COUNTED: Final[Any] = np.array([*likeness.AGAIN, *[likeness.AND_SO_ON] * PLACES][:PLACES])
_NO_INITIALS: Final = PLACES + 1


def _letters_of_initials(word: Word) -> int:
    return len(word.text) if word.kind is Kind.NAME and 2 <= len(word.text) <= PLACES else _NO_INITIALS


def _as_long(mine: Sequence[int], one: Rows, theirs: Sequence[int], other: Rows) -> Flags:
    """But for a letter."""
    near: Flags = abs(np.array(mine, dtype=np.int64)[one] - np.array(theirs, dtype=np.int64)[other]) < 2
    return near
