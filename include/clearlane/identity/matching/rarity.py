"""How much it says that two names share a word: the rarer the word among companies, the more.

Fellegi and Sunter, "A theory for record linkage" (1969): what agreement weighs is the logarithm of how seldom
it comes by chance. How often a word is met is what its kind lets expect, corrected by the accounts at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import Final

from clearlane.identity.matching.lexicon import Kind
from clearlane.identity.matching.names import Name, Word

EXPECTED: Final = {
    Kind.FILLER: 0.03,
    Kind.TRADE: 0.005,
    Kind.PLACE: 0.004,
    Kind.COMMON: 0.0006,
    Kind.GIVEN: 0.0006,
    Kind.NUMBER: 0.001,
    Kind.INITIAL: 0.02,
    Kind.COMPOUND: 0.00001,
    Kind.NAME: 0.00001,
}
"""share of companies in whose name a certain word of the kind stands"""
SHORT: Final = {2: 0.0003, 3: 0.0001, 4: 0.00003}
"""the same for names of so few letters: there are not many of them"""
BELIEF: Final = 5_000
"""accounts that weigh as much as the expectation does"""


@dataclass(frozen=True)
class Rarity:
    """Word → what sharing it says, in nats; `counts` holds in how many of `total` accounts a word stands."""

    counts: Mapping[str, int]
    total: int

    def __call__(self, word: Word) -> float:
        return self._seldom(word, max(self.counts.get(word.text, 0) - 1, 0))

    def elsewhere(self, word: Word) -> float:
        """The same for a word of which this account has another form: whoever has it is another."""
        return self._seldom(word, self.counts.get(word.text, 0))

    def _seldom(self, word: Word, others: int) -> float:
        return -log((others + BELIEF * expected(word)) / (self.total + BELIEF))


NOTHING_SEEN: Final = Rarity({}, 0)


def expected(word: Word) -> float:
    """Share of companies that have the word in their name, before any was looked at."""
    if word.kind is Kind.NAME:
        return SHORT.get(len(word.text), EXPECTED[Kind.NAME])
    return EXPECTED[word.kind]


def among(names: Iterable[Name]) -> Rarity:
    """Rarity of words among the names of accounts; the order of the names does not matter."""
    counts: Counter[str] = Counter()
    total = 0
    for name in names:
        total += 1
        counts.update({word.text for reading in name.readings for word in reading.words})
    return Rarity(counts, total)
