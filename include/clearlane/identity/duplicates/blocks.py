"""Which pairs are looked at: those that share a key, so that a million leads need not be held against a million."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Final

import numpy as np
import pandas as pd
from jellyfish import metaphone

from clearlane.identity.duplicates.persons import NAMES, Persons

WHOLE: Final = 60
"""Leads that share a key and are all held against each other; of more, each against its next in the order of names."""
NEXT: Final = 8


def pairs(people: Persons) -> tuple[np.ndarray, np.ndarray]:
    """Places (left < right) of the leads that share at least one key; each pair once, in order."""
    size = len(people.texts)
    nothing = np.empty(0, np.int64)
    found = [left.astype(np.int64) * size + right for left, right in _sharing(people)]
    coded = np.concatenate([nothing, *found])
    found.clear()
    coded.sort()
    first = np.ones(len(coded), dtype=bool)
    np.not_equal(coded[1:], coded[:-1], out=first[1:])
    coded = coded[first]
    return coded // size, coded % size


def _sharing(people: Persons) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    places = np.arange(len(people.texts))
    for codes in people.several.values():
        yield from _of_key(np.tile(places, codes.shape[1]), codes.T.ravel())
    for codes in _coded_keys(people):
        yield from _of_key(places, codes)


def _of_key(places: np.ndarray, codes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    places, codes = places[codes >= 0], codes[codes >= 0]
    order = np.lexsort((places, codes))
    places, codes = places[order], codes[order]
    sizes = np.bincount(codes)[codes] if len(codes) else codes
    whole = sizes <= WHOLE
    for distance in range(1, min(WHOLE, int(sizes.max(initial=1)))):
        near = codes[:-distance] == codes[distance:]
        if distance > NEXT:
            near &= whole[:-distance]
        left, right = places[:-distance][near], places[distance:][near]
        yield left[left < right], right[left < right]


def lasting_keys(people: Persons) -> Iterator[tuple[int, str]]:
    """Place and key of every key of the leads that few others have by chance: they depend on the lead alone."""
    for name in _LASTING:
        parts = name.split()
        if {_field(part) for part in parts} <= set(people.texts):
            keys = _joined([_part(people.texts[_field(part)], part) for part in parts])
            for place in np.flatnonzero(keys != ""):
                yield int(place), f"{name}:{keys[place]}"
    if {"first", "last"} <= set(people.texts):
        keys = _unordered(people.texts["first"], people.texts["last"])
        for place in np.flatnonzero(keys != ""):
            yield int(place), f"names:{keys[place]}"


def _coded_keys(people: Persons) -> Iterator[np.ndarray]:
    """Numbers of the leads' keys, -1 for none: a true pair nearly always has one in common, however it is misspelt."""
    known: dict[str, np.ndarray] = {}
    for name in _TOGETHER:
        parts = name.split()
        if {_field(part) for part in parts} <= set(people.texts):
            for part in parts:
                if part not in known:
                    known[part] = _coded(people, part)
            yield reduce(_both, (known[part] for part in parts))
    if NAMES in people.words:
        first, last = np.split(people.words[NAMES].codes, 2)
        unknown = (people.texts["first"] == "") | (people.texts["last"] == "")
        yield np.where(unknown, -1, _both(np.minimum(first, last), np.maximum(first, last)))


def _coded(people: Persons, part: str) -> np.ndarray:
    """The number of each lead's value of a part, -1 where it has none."""
    words = people.words[_field(part)]
    values = _part(words.distinct, part)
    return np.asarray(pd.factorize(values.where(values != "", None))[0][words.codes])


def _both(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Numbers of two together, -1 where either is unknown."""
    known = (one >= 0) & (two >= 0)
    codes = np.full(len(one), -1, dtype=np.int64)
    codes[known] = pd.factorize(one[known].astype(np.int64) * (two.max(initial=0) + 1) + two[known])[0]
    return codes


def _field(part: str) -> str:
    return "email" if part == "local" else part.partition(":")[0]


def _part(texts: pd.Series, part: str) -> pd.Series:
    """A field whole (`last`), its first letters (`last:3`), how it sounds (`last:sound`), or mail's `local` part."""
    how = part.partition(":")[2]
    if part == "local":
        local = texts.str.partition("@")[0] if len(texts) else texts
        return local.where(local.str.len() > 4, "")
    if how == "sound":
        return _sound(texts)
    return texts.str[: int(how)] if how else texts


_TOGETHER: Final = (
    "identifier", "local", "birth first:1", "birth last:1", "birth postcode", "last first:3", "first last:3",
    "last:sound first:sound postcode:3", "last:sound first:1 city:4", "first:sound last:1 city:4", "last company",
    "first company", "last:sound first:1 state", "last postcode", "first postcode", "street number", "street last:1",
    "street first:1", "street postcode", "last:sound first:sound", "first domain", "last domain",
    "first:3 number postcode", "last:3 number postcode", "birth",
)  # fmt: skip


_LASTING: Final = (
    "identifier", "phone", "local", "birth last:1", "last company", "first company", "last domain", "first domain",
    "last:sound first:1 city:4", "last:sound first:sound postcode:3", "last:3 number postcode",
)  # fmt: skip


def _joined(columns: list[pd.Series]) -> np.ndarray:
    text, known = columns[0], columns[0] != ""
    for column in columns[1:]:
        text, known = text + "|" + column, known & (column != "")
    return np.where(known, text, "")


def _unordered(first: pd.Series, last: pd.Series) -> np.ndarray:
    """First and last name whichever is which."""
    one, two = first.to_numpy(dtype=str), last.to_numpy(dtype=str)
    low, high = np.where(one < two, one, two), np.where(one < two, two, one)
    return np.where((one == "") | (two == ""), "", np.char.add(np.char.add(low, "|"), high))


def _sound(names: pd.Series) -> pd.Series:
    """How English would say it, to four sounds; of other scripts the letters themselves."""
    return names.map({name: metaphone(name)[:4] or name[:4] for name in names.unique()})
