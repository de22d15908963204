"""Turns: credit of each rep in a rotation and band, charged by turns and weights.

Credit is turns / weight, counted in whole billionths, so sums are exact and equal everywhere. The lowest credit
among those who may take the lead picks next. Whoever comes back, joins or changes weight enters at the level of
those who suit the same leads or at the credit of old, whichever is higher; a raised weight keeps at most one turn
above the level.

Bound: for two reps present at the same turns who suit the same leads, |credit_i - credit_j| <= max(1/w_i, 1/w_j).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

UNIT = 10**9
Kinds = Mapping[str, Hashable]
"""what kind of leads a rep suits; reps who are not named are of one kind"""
ALIKE: Kinds = MappingProxyType({})


@cache
def step(weight: float) -> int:
    """What one turn costs a rep of this weight, in billionths."""
    return round(UNIT / weight)


def as_decimal(credit: int) -> Decimal:
    return Decimal(credit).scaleb(-9)


def as_units(credit: Decimal) -> int:
    return int(credit.scaleb(9))


class Standing(NamedTuple):
    """A rep in a rotation: credit in billionths, the weight it was counted with, the last turn's number."""

    credit: int
    weight: float
    last_turn: int = -1

    def charged(self, turn: int) -> Standing:
        """After the turn of that number."""
        credit, weight, _ = self
        return Standing(credit + step(weight), weight, turn)


@dataclass
class Rotation:
    """The standings of one rotation and band. `present` are those who were there at its last pick, `winner` who won it.

    Changes only by `take`.
    """

    standings: dict[str, Standing] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    winner: str | None = None
    weights: Mapping[str, float] | None = field(default=None, compare=False, repr=False)
    """of those present; the same object at the next pick means that nobody came, left or changed weight"""

    def __post_init__(self) -> None:
        self.present &= self.standings.keys()
        self.next_turn = 1 + max((standing.last_turn for standing in self.standings.values()), default=-1)

    @property
    def level(self) -> int:
        """The lowest credit of those present, before the last pick."""
        of = self.standings
        paid = {self.winner: step(of[self.winner].weight)} if self.winner in self.present else {}
        return min((of[rep].credit - paid.get(rep, 0) for rep in self.present), default=0)

    def take(self, rep: str, turns: Mapping[str, Standing], weights: Mapping[str, float]) -> None:
        """Book a turn of `rep` with all it changes, those of `weights` being present."""
        self.standings.update(turns)
        self.winner, self.next_turn = rep, turns[rep].last_turn + 1
        if self.weights is not weights:
            self.weights, self.present = weights, frozenset(weights)


def turns(
    rotation: Rotation, rep: str, weights: Mapping[str, float], kinds: Kinds, number: int
) -> dict[str, Standing]:
    """What the turn of that number changes: the standings of `rep` and of all who enter with it."""
    entered = entering(rotation, weights, kinds)
    return {**entered, rep: (entered.get(rep) or rotation.standings[rep]).charged(number)}


def entering(rotation: Rotation, weights: Mapping[str, float], kinds: Kinds = ALIKE) -> dict[str, Standing]:
    """The new standings of those who were away at the last pick or had another weight than in `weights`."""
    if rotation.weights is weights:
        return {}
    of = rotation.standings
    staying = {rep for rep in rotation.present & weights.keys() if of[rep].weight == weights[rep]}
    level = _level(rotation, staying, kinds)
    coming = weights.keys() - staying
    entered = {rep: _entering(of.get(rep), weights[rep], level(kinds.get(rep))) for rep in coming}
    return {rep: standing for rep, standing in entered.items() if standing != of.get(rep)}


def _level(rotation: Rotation, staying: Collection[str], kinds: Kinds) -> Callable[[Hashable], int]:
    """The lowest credit of those of a kind who stay; else of all who stay, and no lower than the kind ever stood."""
    of = rotation.standings
    lowest: dict[Hashable, int] = {}
    for rep in staying:
        lowest[kinds.get(rep)] = min(of[rep].credit, lowest.get(kinds.get(rep), of[rep].credit))
    overall = min(lowest.values()) if lowest else rotation.level
    # Nobody is ever more than a turn above the lowest of the own kind, so that stood no lower than this.
    stood: dict[Hashable, int] = {}
    for rep, known in of.items():
        paid = known.credit - step(known.weight)
        stood[kinds.get(rep)] = max(paid, stood.get(kinds.get(rep), overall))
    return lambda kind: lowest.get(kind, stood.get(kind, overall))


def _entering(old: Standing | None, weight: float, level: int) -> Standing:
    if old is None:
        return Standing(level, weight)
    credit = max(old.credit, level)
    if old.weight != weight:
        credit = min(credit, level + step(weight))
    return Standing(credit, weight, old.last_turn)
