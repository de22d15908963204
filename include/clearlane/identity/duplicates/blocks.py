"""Which pairs are looked at: those that share a key, so that a million leads need not be held against a million."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd
from jellyfish import metaphone

from clearlane.identity.duplicates.persons import Persons

WHOLE: Final = 60
"""Leads that share a key and are all held against each other; of more, each against its next in the order of names."""
NEXT: Final = 8


def pairs(people: Persons) -> tuple[np.ndarray, np.ndarray]:
    """Places (left < right) of the leads that share at least one key; each pair once, in order."""
    size = len(people.texts)
    nothing = np.empty(0, np.int64)
    found = [left.astype(np.int64) * size + right for left, right in _sharing(people)]
    coded = np.unique(np.concatenate([nothing, *found]))
    return coded // size, coded % size


def _sharing(people: Persons) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    places = np.arange(len(people.texts))
    for codes in people.several.values():
        yield from _of_key(np.tile(places, codes.shape[1]), codes.T.ravel())
    for key in _keys(people.texts).values():
        yield from _of_key(places, np.where(key == "", -1, pd.factorize(key)[0]))


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
    for name, keys in _keys(people.texts, _LASTING).items():
        for place in np.flatnonzero(keys != ""):
            yield int(place), f"{name}:{keys[place]}"


def _keys(texts: pd.DataFrame, together: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Keys of which a true pair nearly always has one in common, however it is misspelt, by what they are made of."""
    asked = together or _TOGETHER
    made = {name: _part(texts, name) for name in sorted({name for names in asked for name in names.split()})}
    parts = {name: part for name, part in made.items() if part is not None}
    keys = {
        names: _joined([parts[name] for name in names.split()])
        for names in asked
        if set(names.split()) <= set(parts)
    }
    if "first" in texts and "last" in texts:
        keys["names"] = _unordered(texts["first"], texts["last"])
    return keys


def _part(texts: pd.DataFrame, name: str) -> pd.Series | None:
    """A field, its beginning (`last:3`), its sound (`last:sound`), or what stands before the @ (`local`)."""
    field, _, form = name.replace("local", "email:local").partition(":")
    if field not in texts:
        return None
    match form:
        case "":
            return texts[field]
        case "sound":
            return _sound(texts[field])
        case "local":
            return texts[field].str.partition("@")[0].where(lambda part: part.str.len() > 4, "")
    return texts[field].str[: int(form)]


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
