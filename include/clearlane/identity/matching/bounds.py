"""Which of many pairs of names could weigh so much at all: the others need not be weighed.

Words that two names share count whole, and so do two that are nearly one what those are worth; the other words cost
what they cost. Where more could agree (several typos, a beginning, initials, spaces) the pair is weighed. So a pair is
left out only where it weighs too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA, Prefix

from clearlane.identity.matching import likeness, readings
from clearlane.identity.matching.lexicon import Kind
from clearlane.identity.matching.likeness import Weigh
from clearlane.identity.matching.meetings import Meetings
from clearlane.identity.matching.names import Word, kept_letters, sound
from clearlane.identity.matching.readings import PLACES, Readings

CHUNK: Final = 20_000
"""pairs of readings that are reckoned at a time"""
ROUNDING: Final = 1e-6

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Nats = npt.NDArray[np.float64]


def reaching(met: Meetings, weigh: Weigh, least: float) -> Flags:
    """Of each pair of names that met whether they could weigh `least`, by the names alone."""
    read = readings.of(met.names)
    words = _Lexicon.of(read.vocabulary, weigh)
    which, one, other = _readings_of(met.leads, met.accounts, read)
    could: Flags = read.plain[met.leads] == read.plain[met.accounts]
    could |= (read.counts[met.leads] == 0) | (read.counts[met.accounts] == 0)
    for start in range(0, len(which), CHUNK):
        some = slice(start, start + CHUNK)
        a, b = one[some], other[some]
        enough = words.most(read.words[a], read.words[b], least - ROUNDING) >= least - ROUNDING
        enough |= read.odd[a] | read.odd[b]
        enough |= (read.formed[a] & read.open_ended[b]) | (read.formed[b] & read.open_ended[a])
        enough |= (read.joined[a] == read.joined[b]) | (read.written[a] == read.written[b])
        could[which[some][enough]] = True
    return could


def _readings_of(leads: Rows, accounts: Rows, read: Readings) -> tuple[Rows, Rows, Rows]:
    """Each pair of readings of each pair of names: the pair's row, and the readings'."""
    many = read.counts[accounts]
    counts = read.counts[leads] * many
    which = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return (
        which,
        read.first[leads][which] + nth // many[which],
        read.first[accounts][which] + nth % many[which],
    )


@dataclass
class _Lexicon:
    """Words by number (-1: none): what sharing them says, what missing them costs, and which could agree."""

    words: Sequence[Word]
    weigh: Weigh
    texts: Rows
    lengths: Rows
    heard: Rows
    """letters at most as it sounds, an x being two"""
    letters: Rows
    """bits, by names.kept_letters"""
    weights: Nats
    costs: Nats
    fillers: Flags
    initials: Rows
    """letters of a word that may be the initials of others; many where it cannot be"""

    @classmethod
    def of(cls, words: Sequence[Word], weigh: Weigh) -> _Lexicon:
        # The last is no word: it weighs and costs nothing, and is what -1 finds.
        return cls(
            words,
            weigh,
            np.array([*(hash(word.text) for word in words), 0], dtype=np.int64),
            np.array([len(word.spelled) for word in words], dtype=np.int64),
            np.array([*(len(word.spelled) + word.spelled.count("x") for word in words), 0]),
            np.array([*(kept_letters(word.spelled) for word in words), 0]),
            np.array([*map(weigh, words), 0.0]),
            np.array([*map(likeness.cost, words), 0.0]),
            np.array([*(word.kind is Kind.FILLER for word in words), True]),
            np.array([*map(_letters_of_initials, words), _NO_INITIALS]),
        )

    def most(self, left: Rows, right: Rows, least: float) -> Nats:
        """What the readings weigh at most; infinite where it is less, but words that are not the same could agree."""
        same = self.texts[left][:, :, None] == self.texts[right][:, None, :]
        same &= (left >= 0)[:, :, None] & (right >= 0)[:, None, :]
        mine, theirs = np.where(same.any(2), -1, left), np.where(same.any(1), -1, right)
        shared = np.where(same.any(1), self.weights[right], 0.0)
        most = self._weight(shared, mine, theirs)
        (less,) = np.nonzero(most < least)
        most[less] = np.maximum(most[less], self._most_by_likeness(shared[less], mine[less], theirs[less]))
        return most

    def _weight(self, shared: Nats, left: Rows, right: Rows) -> Nats:
        """Of words that agree, each worth so much, beside these that do not."""
        weight: Nats = -np.sort(-shared, axis=1) @ _COUNTED + likeness.SAME_FORM
        weight += np.where(self.fillers[left].all(1) & self.fillers[right].all(1), likeness.WHOLE, 0.0)
        return weight - self._missing(left, right)

    def _missing(self, left: Rows, right: Rows) -> Nats:
        one, other = self._cost(left), self._cost(right)
        both = (left >= 0).any(1) & (right >= 0).any(1)
        return one + other + np.where(both, likeness.INSTEAD + np.minimum(one, other), 0.0)

    def _cost(self, words: Rows) -> Nats:
        costs = self.costs[words]
        dearest = costs.max(axis=1)
        total: Nats = dearest + likeness.FURTHER * (costs.sum(axis=1) - dearest)
        return total

    def _most_by_likeness(self, shared: Nats, left: Rows, right: Rows) -> Nats:
        """The same where words agree that are only alike: a single pair of them weighs what it is worth."""
        could = self._of_initials(left, right) | self._of_initials(right, left)
        could |= self._of_letters(left, right, ~could)
        at, i, j, worth = self._alike(left, right)
        alike = np.bincount(at, minlength=len(left))
        could[at[worth == np.inf]] = True
        could |= alike > 1
        alone = ~could[at]
        at, i, j, worth = at[alone], i[alone], j[alone], worth[alone]
        most: Nats = np.where(could, np.inf, -np.inf)
        mine, theirs, agreeing = left[at], right[at], shared[at]
        rows = np.arange(len(at))
        mine[rows, i], theirs[rows, j], agreeing[rows, j] = -1, -1, np.maximum(worth, 0.0)
        most[at] = self._weight(agreeing, mine, theirs)
        most[at[self._of_letters(mine, theirs, np.ones(len(at), dtype=bool))]] = np.inf
        return most

    def _alike(self, left: Rows, right: Rows) -> tuple[Rows, Rows, Rows, Nats]:
        """Rows and places of words that are alike, and what that is worth; infinite where one begins the other."""
        at, i, j = np.nonzero((left >= 0)[:, :, None] & (right >= 0)[:, None, :])
        some = np.flatnonzero(self._letters_allow(left[at, i], right[at, j]))
        at, i, j = at[some], i[some], j[some]
        pairs, which = np.unique(left[at, i] * len(self.texts) + right[at, j], return_inverse=True)
        worth = self._worth(*np.divmod(pairs, len(self.texts)))[which]
        found = worth > -np.inf
        return at[found], i[found], j[found], worth[found]

    def _letters_allow(self, some: Rows, others: Rows) -> Flags:
        """Could one be near the other, or its beginning, by the letters it has? A wrong one is two that differ."""
        mine, theirs = self.letters[some], self.letters[others]
        short = np.minimum(self.heard[some], self.heard[others]) < likeness.SHORT
        near = np.bitwise_count(mine ^ theirs) <= 2 * np.where(short, 1, likeness.MOST_APART)
        within = ((mine & ~theirs) == 0) | ((theirs & ~mine) == 0)
        allow: Flags = near | within | (mine < 0) | (theirs < 0)
        return allow

    def _worth(self, some: Rows, others: Rows) -> Nats:
        one, other = ([self.words[word].spelled for word in words.tolist()] for words in (some, others))
        shorter = np.minimum(self.lengths[some], self.lengths[others])
        begins = process.cpdist(one, other, scorer=Prefix.similarity, dtype=np.int64) == shorter
        worth: Nats = np.where(begins, np.inf, -np.inf)
        for at in np.flatnonzero(~begins & _near(one, other, likeness.MOST_APART)).tolist():
            worth[at] = likeness.worth(self.words[some[at]], self.words[others[at]], self.weigh)
        return worth

    def _of_initials(self, short: Rows, long: Rows) -> Flags:
        others = (long >= 0).sum(1)
        could: Flags = (others > 1) & (self.initials[short].min(axis=1) <= others)
        return could

    def _of_letters(self, left: Rows, right: Rows, asked: Flags) -> Flags:
        """Are the words one, but for spaces and a letter?"""
        ours, others = (left >= 0).sum(1), (right >= 0).sum(1)
        (at,) = np.nonzero(asked & (ours > 0) & (others > 0) & (ours + others > 2))
        at = at[self._sound_alike(left[at], right[at])]
        could: Flags = np.zeros(len(asked), dtype=bool)
        could[at] = _near(self._together(left[at]), self._together(right[at]), 1)
        return could

    def _sound_alike(self, left: Rows, right: Rows) -> Flags:
        """Do the letters allow that the words are one but for a letter? One that is wrong is two that differ."""
        mine, theirs = (reduce(np.bitwise_or, self.letters[words].T) for words in (left, right))
        alike: Flags = (np.bitwise_count(mine ^ theirs) <= 2) | (mine < 0) | (theirs < 0)
        return alike

    def _together(self, words: Rows) -> list[str]:
        """The words of each row, written together."""
        return ["".join([self.words[one].spelled for one in row if one >= 0]) for row in words.tolist()]


def _near(some: Sequence[str], others: Sequence[str], most: int) -> Flags:
    """Are these at most so many letters apart from those, by pairs?"""
    near = _apart(some, others, most) | _apart(list(map(sound, some)), list(map(sound, others)), most)
    for at in np.flatnonzero(near).tolist():
        letters = likeness.letters_apart(some[at], others[at])
        near[at] = letters is not None and letters <= most
    return near


def _apart(some: Sequence[str], others: Sequence[str], most: int) -> Flags:
    apart: Flags = (
        process.cpdist(some, others, scorer=OSA.distance, score_cutoff=most, dtype=np.int64) <= most
    )
    return apart


_COUNTED: Final[Any] = np.array([*likeness.AGAIN, *[likeness.AND_SO_ON] * PLACES][:PLACES])
_NO_INITIALS: Final = PLACES + 1


def _letters_of_initials(word: Word) -> int:
    return len(word.text) if word.kind is Kind.NAME and 2 <= len(word.text) <= PLACES else _NO_INITIALS
