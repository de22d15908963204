"""Turns: credit of each rep in a rotation and band, charged by turns and weights.

Credit is turns / weight, counted in whole billionths, so sums are exact and equal everywhere. The lowest credit
among those present picks next. Whoever comes back, joins or changes weight enters at the rotation's level or at
the credit of old, whichever is higher; a raised weight keeps at most one turn above the level.

Bound: for two reps present at the same turns, |credit_i - credit_j| <= max(1/w_i, 1/w_j).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

UNIT = 10**9


def step(weight: float) -> int:
    """What one turn costs a rep of this weight, in billionths."""
    return round(UNIT / weight)


def as_decimal(credit: int) -> Decimal:
    return Decimal(credit).scaleb(-9)


def as_units(credit: Decimal) -> int:
    return int(credit.scaleb(9))


@dataclass(frozen=True)
class Standing:
    """A rep in a rotation: credit in billionths, the weight it was counted with, the last turn's number."""

    credit: int
    weight: float
    last_turn: int = -1


@dataclass(frozen=True)
class Rotation:
    """The standings of one rotation and band. `present` are those who were free at its last pick."""

    standings: Mapping[str, Standing] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    level: int = 0
    """the lowest credit present before the last pick; it never falls"""
    weights: Mapping[str, float] | None = field(default=None, compare=False, repr=False)
    """of those present; the same object at the next pick means that nobody came, left or changed weight"""
    last_turn: int | None = field(default=None, compare=False, repr=False)
    """the highest number of a turn, where it was looked for"""

    @property
    def next_turn(self) -> int:
        if self.last_turn is not None:
            return self.last_turn + 1
        return 1 + max((standing.last_turn for standing in self.standings.values()), default=-1)


def entered(rotation: Rotation, weights: Mapping[str, float]) -> Rotation:
    """The rotation with exactly the reps of `weights` present: who was away or changed weight enters anew."""
    if rotation.weights is weights:
        of = rotation.standings
        level = lowest((of[rep] for rep in rotation.present), rotation.level)
        return Rotation(of, rotation.present, level, weights, rotation.last_turn)
    staying = {
        rep for rep in rotation.present & weights.keys() if rotation.standings[rep].weight == weights[rep]
    }
    level = min((rotation.standings[rep].credit for rep in staying), default=rotation.level)
    standings = {
        rep: rotation.standings[rep]
        if rep in staying
        else _entering(rotation.standings.get(rep), weight, level)
        for rep, weight in weights.items()
    }
    return Rotation(
        {**rotation.standings, **standings},
        frozenset(weights),
        lowest(standings.values(), level),
        weights,
        rotation.last_turn,
    )


def _entering(old: Standing | None, weight: float, level: int) -> Standing:
    if old is None:
        return Standing(level, weight)
    credit = max(old.credit, level)
    if old.weight != weight:
        credit = min(credit, level + step(weight))
    return Standing(credit, weight, old.last_turn)


def lowest(standings: Iterable[Standing], level: int) -> int:
    return min((standing.credit for standing in standings), default=level)


def charged(rotation: Rotation, rep: str, turn: int) -> Rotation:
    """The rotation after `rep` took the turn of that number."""
    old = rotation.standings[rep]
    new = Standing(old.credit + step(old.weight), old.weight, turn)
    standings = {**rotation.standings, rep: new}
    last = max(turn, rotation.next_turn - 1)
    return Rotation(standings, rotation.present, rotation.level, rotation.weights, last)


def changed(before: Rotation, after: Rotation) -> dict[str, Standing]:
    """The standings of after that are new or others than before."""
    old = before.standings
    return {
        rep: now for rep, now in after.standings.items() if now is not (was := old.get(rep)) and now != was
    }


def restored(standings: Mapping[str, Standing], present: Collection[str], winner: str | None) -> Rotation:
    """The rotation as its last pick left it: the level is the lowest credit present before that pick."""
    here = frozenset(present) & standings.keys()
    before = [standings[rep].credit - (step(standings[rep].weight) if rep == winner else 0) for rep in here]
    return Rotation(standings, here, min(before, default=0))
