"""How far the fields of two leads agree: missing, different, akin, near, equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from clearlane.identity.duplicates.names import called_alike
from clearlane.identity.duplicates.persons import NAMES, Persons, Words

DIFFERENT, AKIN, NEAR, EQUAL, MISSING = range(5)


@dataclass(frozen=True)
class Compared:
    """Pairs of places, and per field the level (int8) to which each pair agrees."""

    left: np.ndarray
    right: np.ndarray
    levels: Mapping[str, np.ndarray]

    def some(self, most: int) -> Compared:
        """At most so many of the pairs, evenly."""
        step = slice(None, None, max(1, -(-len(self.left) // most)))
        levels = {field: level[step] for field, level in self.levels.items()}
        return Compared(self.left[step], self.right[step], levels)


def compared(people: Persons, left: np.ndarray, right: np.ndarray) -> Compared:
    """The levels of each pair of places, in every field there is."""
    levels = {field: _levels(people, field, left, right) for field in people.fields}
    if "first" in levels and "last" in levels:
        _turn(people, left, right, levels)
    return Compared(left, right, levels)


def _turn(people: Persons, left: np.ndarray, right: np.ndarray, levels: dict[str, np.ndarray]) -> None:
    """Names given the wrong way round are near, not different."""
    odd = np.flatnonzero((levels["first"] <= AKIN) & (levels["last"] <= AKIN))
    size, one, two = len(people.texts), left[odd], right[odd]
    turned_left, turned_right = np.concatenate([one, one + size]), np.concatenate([two + size, two])
    crossed = _told("first", people.words[NAMES], turned_left, turned_right)
    turned = odd[np.isin(crossed[: len(odd)], (NEAR, EQUAL)) & np.isin(crossed[len(odd) :], (NEAR, EQUAL))]
    levels["first"][turned] = levels["last"][turned] = NEAR


def _levels(people: Persons, field: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    levels = _told(field, people.words[field], left, right)
    if field in people.several:
        levels[_shared(people.several[field], left, right)] = EQUAL
    return levels


def _shared(codes: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pairs that have any value in common."""
    found = np.zeros(len(left), dtype=bool)
    for one in range(codes.shape[1]):
        given = codes[left, one]
        for other in range(codes.shape[1]):
            found |= (given >= 0) & (given == codes[right, other])
    return found


def _told(field: str, words: Words, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Levels of the texts at pairs of places; distinct pairs of texts are compared once."""
    one, two = words.codes[left], words.codes[right]
    levels = np.full(len(one), EQUAL, dtype=np.int8)
    odd = np.flatnonzero(one != two)
    size = np.int64(max(len(words.distinct), 1))
    coded, where = np.unique(
        np.minimum(one, two)[odd] * size + np.maximum(one, two)[odd], return_inverse=True
    )
    pairs = Pairs(words.distinct, coded // size, coded % size)
    levels[odd] = _METHODS.get(field, _spelt)(pairs)[where]
    nothing = (words.distinct == "").to_numpy(bool)
    levels[nothing[one] | nothing[two]] = MISSING
    return levels


# --- what near and akin mean, by field --------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Distinct pairs of distinct words, by their places in `words`."""

    words: pd.Series
    one: np.ndarray
    two: np.ndarray

    def likeness(self, scorer: Any) -> np.ndarray:
        first, second = self.words.iloc[self.one].tolist(), self.words.iloc[self.two].tolist()
        return np.asarray(process.cpdist(first, second, scorer=scorer, dtype=np.float32))

    def shortest(self) -> np.ndarray:
        lengths = self.words.str.len().to_numpy(int)
        return np.asarray(np.minimum(lengths[self.one], lengths[self.two]))

    def same(self, part: pd.Series) -> np.ndarray:
        """Whether a part of the words is the same in both."""
        codes = pd.factorize(part)[0]
        return np.asarray(codes[self.one] == codes[self.two])

    def among(self, places: np.ndarray) -> Iterator[tuple[str, str]]:
        words = self.words.to_numpy()
        return zip(words[self.one[places]], words[self.two[places]], strict=True)


def _spelt(pairs: Pairs) -> np.ndarray:
    winkler = pairs.likeness(JaroWinkler.normalized_similarity)
    slips, shortest = pairs.likeness(OSA.distance), pairs.shortest()
    near = (winkler >= 0.92) | (slips <= 1) & (shortest >= 4) | (slips <= 2) & (shortest >= 7)
    return np.select([near, winkler >= 0.84], [NEAR, AKIN], DIFFERENT).astype(np.int8)


def _first_names(pairs: Pairs) -> np.ndarray:
    levels, alike = _spelt(pairs), called_alike()
    for place, (one, two) in zip(odd := np.flatnonzero(levels < NEAR), pairs.among(odd), strict=True):
        if (one, two) in alike:
            levels[place] = NEAR
        elif _starts(one, two):
            levels[place] = AKIN
    return levels


def _starts(one: str, two: str) -> bool:
    """J or Jo, of Joanna; or Anna, of Anna Maria."""
    short, long = sorted((one, two), key=len)
    return long.startswith(short) and (len(short) < 3 or len(short) > 3 or long[len(short)] == " ")


def _mails(pairs: Pairs) -> np.ndarray:
    """Near: a slip or two, but none in a number, which tells people of one name apart."""
    slips = pairs.likeness(OSA.distance) <= 2
    near = slips & pairs.same(pairs.words.str.replace(r"\D", "", regex=True))
    same = pairs.same(pairs.words.str.partition("@")[0])
    return np.select([near, same], [NEAR, AKIN], DIFFERENT).astype(np.int8)


def _numbers(pairs: Pairs) -> np.ndarray:
    """One digit wrong, or two exchanged."""
    near = (pairs.likeness(OSA.distance) <= 1) & (pairs.shortest() >= 2)
    return np.where(near, NEAR, DIFFERENT).astype(np.int8)


def _births(pairs: Pairs) -> np.ndarray:
    slips = pairs.likeness(OSA.distance)
    return np.select([slips <= 1, slips <= 2], [NEAR, AKIN], DIFFERENT).astype(np.int8)


def _postcodes(pairs: Pairs) -> np.ndarray:
    area = np.where(pairs.same(pairs.words.str[:2]), AKIN, DIFFERENT)
    return np.asarray(np.maximum(_numbers(pairs), area), dtype=np.int8)


def _streets(pairs: Pairs) -> np.ndarray:
    alike = np.maximum(pairs.likeness(fuzz.token_sort_ratio), pairs.likeness(fuzz.ratio))
    return np.select([alike >= 84, alike >= 70], [NEAR, AKIN], DIFFERENT).astype(np.int8)


def _companies(pairs: Pairs) -> np.ndarray:
    alike, part = pairs.likeness(fuzz.token_sort_ratio), pairs.likeness(fuzz.token_set_ratio)
    return np.select([alike >= 88, part >= 99], [NEAR, AKIN], DIFFERENT).astype(np.int8)


def _exact(pairs: Pairs) -> np.ndarray:
    return np.full(len(pairs.one), DIFFERENT, dtype=np.int8)


_METHODS: Final[Mapping[str, Callable[[Pairs], np.ndarray]]] = {
    "first": _first_names,
    "email": _mails,
    "phone": _numbers,
    "number": _numbers,
    "identifier": _numbers,
    "birth": _births,
    "postcode": _postcodes,
    "street": _streets,
    "district": _streets,
    "company": _companies,
    "country": _exact,
    "generation": _exact,
    "domain": _exact,
}
