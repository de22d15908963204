"""How much speaks for a pair being one person: Fellegi and Sunter's weights, with the rarity of what agrees.

A weight is log2(m / u): how often a field agrees so far among the same people (m), and by chance (u). u is counted
in pairs drawn at random, and of an equal value is its own share in the list; m starts from what is usual and is
learnt from the pairs that are called the same.
Source: Fellegi and Sunter, A Theory for Record Linkage, JASA 64 (1969); Winkler (2000) for the frequencies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from clearlane.identity.duplicates.levels import AKIN, DIFFERENT, EQUAL, MISSING, NEAR, Compared, compared
from clearlane.identity.duplicates.persons import Persons

USUAL: Final[Mapping[str, tuple[float, ...]]] = {
    "first": (0.05, 0.03, 0.12, 0.80),
    "last": (0.06, 0.03, 0.11, 0.80),
    "generation": (0.01, 0.01, 0.01, 0.97),
    "email": (0.25, 0.10, 0.10, 0.55),
    "phone": (0.25, 0.01, 0.06, 0.68),
    "company": (0.12, 0.04, 0.09, 0.75),
    "street": (0.10, 0.07, 0.15, 0.68),
    "number": (0.14, 0.01, 0.08, 0.77),
    "district": (0.22, 0.03, 0.08, 0.67),
    "city": (0.12, 0.02, 0.10, 0.76),
    "postcode": (0.08, 0.04, 0.10, 0.78),
    "state": (0.10, 0.01, 0.01, 0.88),
    "country": (0.04, 0.01, 0.01, 0.94),
    "birth": (0.03, 0.03, 0.10, 0.84),
    "identifier": (0.04, 0.01, 0.10, 0.85),
    "domain": (0.20, 0.01, 0.02, 0.77),
}
"""m of a field by level (different, akin, near, equal), before the list has said anything."""
PLACE: Final = ("company", "street", "number", "district", "city", "postcode", "state", "country", "domain")
"""What households and colleagues have in common: all of it together says no more than it does where names are known."""
ROOF: Final = (-4.0, 2.0)
"""least and most odds, in bits, that two who share all of a place are one person"""
ALONE: Final = 1.0
"""Odds of a roof, in bits, from which one name and the place are enough: a list of people who live alone."""
MAIL_BITS: Final = 4.0
"""at most, of an address that is near or akin: it repeats what the names say"""
CERTAIN: Final = 10.0
"""bits at least of an equal address, unless both names differ: who reads it is the person, however short the list"""
RARE: Final = {
    "generation": 1 / 2,
    "first": 1 / 300,
    "last": 1 / 3000,
    "city": 1 / 100,
    "state": 1 / 20,
    "country": 1 / 5,
}
RARE_ELSE: Final = 1 / 10_000
"""share of all people who have one value of a field, before the list has said anything"""
_LIST: Final = 2_000
"""leads that the usual shares count for"""
_AS_USUAL: Final = 50.0
"""pairs that the usual m counts for"""
USUAL_PRIOR: Final = -16.6
"""odds, in bits, of two of 100,000 records, where no list says more"""
CHUNK: Final = 1_000_000
"""pairs that are held in memory at a time"""
_ROUNDS: Final = 4
_SOME: Final = 200_000
"""pairs that m and u are counted in"""


@dataclass(frozen=True)
class Weights:
    """m and u per field and level, and the share of the list that has each lead's value.

    `prior` is the odds, in bits, of any pair of the list; `roof` of a pair that shares a place.
    """

    same: Mapping[str, np.ndarray]
    chance: Mapping[str, np.ndarray]
    rarity: Mapping[str, np.ndarray]
    prior: float
    roof: float


@dataclass(frozen=True)
class Judged:
    """Per pair: `bits` (log2 of the odds) that it is one person, and whether it may be joined at all."""

    bits: np.ndarray
    allowed: np.ndarray


def judged(people: Persons, weights: Weights, left: np.ndarray, right: np.ndarray) -> Judged:
    """What speaks for each pair of places."""
    cuts = range(CHUNK, len(left), CHUNK)
    parts = [
        _judged(people, weights, one, two)
        for one, two in zip(np.split(left, cuts), np.split(right, cuts), strict=True)
    ]
    return Judged(
        np.concatenate([part.bits for part in parts]), np.concatenate([part.allowed for part in parts])
    )


def _judged(people: Persons, weights: Weights, left: np.ndarray, right: np.ndarray) -> Judged:
    held = compared(people, left, right)
    bits = _summed(weights, held)
    mine = (_known(held, "email") == EQUAL) & (
        np.maximum(_known(held, "first"), _known(held, "last")) != DIFFERENT
    )
    return Judged(np.where(mine, np.maximum(bits, CERTAIN), bits), _allowed(weights, held))


def usual(people: Persons) -> Weights:
    """The weights that depend on no list: what is usual elsewhere, for two of whom the odds are USUAL_PRIOR."""
    share = {field: RARE.get(field, RARE_ELSE) for field in people.fields}
    return Weights(
        {field: np.array(USUAL[field]) for field in people.fields},
        {field: _usual_shares(share[field]) for field in people.fields},
        {field: np.full(len(people.texts), share[field]) for field in people.fields},
        USUAL_PRIOR,
        ROOF[0],
    )


def parts(
    people: Persons, weights: Weights, left: np.ndarray, right: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each pair of places, per field the level of agreement and the bits that it adds."""
    held = compared(people, left, right)
    return {field: (held.levels[field], _part(weights, held, field)) for field in held.levels}


def learnt(people: Persons, left: np.ndarray, right: np.ndarray, seed: int) -> Weights:
    """The weights that the list itself speaks for; `left` and `right` are the pairs that share a key."""
    held = compared(people, *_evenly(left, right))
    size, step = len(people.texts), len(left) / max(len(held.left), 1)
    usual = {field: np.array(USUAL[field]) for field in held.levels}
    weights = Weights(usual, _chance(people, seed), _rarity(people), _prior(size / 10, size), ROOF[0])
    for _ in range(_ROUNDS):
        likely = np.where(_allowed(weights, held), _probability(_summed(weights, held)), 0.0)
        same = {field: _counted(levels, likely, usual[field]) for field, levels in held.levels.items()}
        pairs = float(likely.sum()) * step
        prior = _prior(max(pairs, size / 200), size)
        weights = Weights(same, weights.chance, weights.rarity, prior, _roof(weights, held))
    return weights


def _evenly(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, -(-len(left) // _SOME))
    return left[::step], right[::step]


def _chance(people: Persons, seed: int) -> dict[str, np.ndarray]:
    size = len(people.texts)
    different = min(_SOME, size * (size - 1) // 2)
    left, right = np.random.default_rng(seed).integers(0, size, (2, different))
    held = compared(people, left[left != right], right[left != right])
    return {
        field: _shares(levels, different, RARE.get(field, RARE_ELSE)) for field, levels in held.levels.items()
    }


def _shares(levels: np.ndarray, different: int, usual: float) -> np.ndarray:
    """Drawn from few leads the same pairs come again and again, the true ones too: then what is usual counts more."""
    counts = np.bincount(levels[levels != MISSING], minlength=MISSING) + 0.5
    return np.asarray(
        (counts / counts.sum() * different + _usual_shares(usual) * _LIST) / (different + _LIST)
    )


def _usual_shares(usual: float) -> np.ndarray:
    return np.array([1 - usual - 0.009, 0.006, 0.003, usual])


def _rarity(people: Persons) -> dict[str, np.ndarray]:
    """Per field, of each lead the share of other people who have the same value."""
    return {field: _share(people.texts[field], RARE.get(field, RARE_ELSE)) for field in people.fields}


def _share(texts: pd.Series, usual: float) -> np.ndarray:
    others = texts.map(texts.value_counts()) - 1
    return np.asarray((others + _LIST * usual) / ((texts != "").sum() + _LIST))


def _counted(levels: np.ndarray, same: np.ndarray, usual: np.ndarray) -> np.ndarray:
    known = levels != MISSING
    counts = np.bincount(levels[known], weights=same[known], minlength=MISSING) + _AS_USUAL * usual
    return np.asarray(counts / counts.sum())


def _prior(pairs: float, size: int) -> float:
    return float(np.log2(max(pairs, 1.0) / max(size * (size - 1) / 2, 1.0)))


def _probability(bits: np.ndarray) -> np.ndarray:
    from scipy.special import expit  # most runs weigh nobody, and scipy takes longer to load than they last

    return np.asarray(expit(np.clip(bits, -60, 60) * np.log(2)))


def _summed(weights: Weights, held: Compared) -> np.ndarray:
    bits = np.minimum(_place(weights, held), weights.roof - weights.prior) + weights.prior
    for field in held.levels:
        if field not in PLACE:
            bits += _part(weights, held, field)
    return np.asarray(bits)


def _place(weights: Weights, held: Compared) -> np.ndarray:
    bits = np.zeros(len(held.left))
    for field in PLACE:
        if field in held.levels:
            bits += _part(weights, held, field)
    return bits


def _roof(weights: Weights, held: Compared) -> float:
    """Of the pairs of known names that share a place: the odds, in bits, that they share the names as well."""
    first, last = (_known(held, field) for field in ("first", "last"))
    there = (_place(weights, held) >= -weights.prior) & (np.minimum(first, last) >= 0)
    alike = there & (np.minimum(first, last) >= NEAR)
    odds = (alike.sum() + 1) / ((there & ~alike).sum() + 10)
    return float(np.clip(np.log2(odds), *ROOF))


def _part(weights: Weights, held: Compared, field: str) -> np.ndarray:
    """Bits of a field; 0 where one of the two says nothing."""
    worth = np.append(np.log2(weights.same[field] / weights.chance[field]), 0.0)
    if field == "email":
        worth[AKIN:EQUAL] = np.minimum(worth[AKIN:EQUAL], MAIL_BITS)
    levels = held.levels[field]
    bits = worth[levels]
    equal = levels == EQUAL
    bits[equal] = np.log2(weights.same[field][EQUAL] / weights.rarity[field][held.left[equal]])
    return np.asarray(bits)


def _allowed(weights: Weights, held: Compared) -> np.ndarray:
    """Who is called otherwise is somebody else, unless an address or a number of one person says so.

    Father and son of one name may share all else; only a number of one person tells that they are not two.
    """
    first, last, email, phone, birth, identifier, generation = (
        _known(held, field)
        for field in ("first", "last", "email", "phone", "birth", "identifier", "generation")
    )
    personal = (email == EQUAL) | (identifier >= NEAR) | (birth == EQUAL) & (np.maximum(first, last) >= NEAR)
    contact = (phone == EQUAL) | (birth >= NEAR) | (email >= NEAR)
    named = (first >= AKIN) & (last != DIFFERENT) & _agreeing_beyond_names(held)
    allowed = personal | named | (first < 0) & contact
    if weights.roof >= ALONE:
        allowed |= (np.maximum(first, last) >= NEAR) & (_place(weights, held) >= -weights.prior)
    return np.asarray(allowed & ((generation != DIFFERENT) | (identifier == EQUAL)))


def _agreeing_beyond_names(held: Compared) -> np.ndarray:
    """A name alone is no person: something else must be alike too, where the list holds anything else."""
    others = [
        _known(held, field)
        for field in held.levels
        if field not in ("first", "last", "generation", "state", "country")
    ]
    return np.asarray(np.max(others, axis=0) >= AKIN) if others else np.ones(len(held.left), bool)


def _known(held: Compared, field: str) -> np.ndarray:
    """The levels of a field, -1 where one of the two says nothing."""
    levels = held.levels.get(field, np.full(len(held.left), MISSING, np.int8))
    return np.where(levels == MISSING, -1, levels)
