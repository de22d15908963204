"""Reps in the order of their turn, kept as a heap: a lead costs as little in a team of thousands as in one of ten.

What a rep is ranked by only grows while leads are given, so an entry that is out of date stands too far in front
and is set right when it comes to the top.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heappushpop, heapreplace

from clearlane.policy.model import Strategy
from clearlane.route.eligibility import NO_LOAD, Load
from clearlane.route.fairness import Rotation, Standing

Rank = Callable[[str], tuple[float, ...]]
"""by what a rep is ranked now, the lowest first"""
Entry = tuple[tuple[float, ...], str]


class Lineup:
    """Those who may take a lead that suits everybody. Whoever came first the last time stands beside the heap."""

    def __init__(self, reps: Iterable[str], rank: Rank) -> None:
        self._rank = rank
        self._heap: list[Entry] = [(rank(rep), rep) for rep in reps]
        heapify(self._heap)
        self._beside: Entry = heappop(self._heap)

    def first_two(self, lead_id: object) -> tuple[str, str | None]:
        """Whose turn it is and who would be next."""
        first = self._first()
        if not self._heap:
            return first[1], None
        second = self._second()
        if second[0] == first[0] or self._is_tied(second[0]):
            return self._drawn(lead_id)
        return first[1], second[1]

    def _first(self) -> Entry:
        known, rep = self._beside
        while (now := self._rank(rep)) != known:
            known, rep = heappushpop(self._heap, (now, rep))
        self._beside = known, rep
        return self._beside

    def _second(self) -> Entry:
        """The first of the heap, which is then at its top."""
        while True:
            known, rep = self._heap[0]
            now = self._rank(rep)
            if now == known:
                return self._heap[0]
            heapreplace(self._heap, (now, rep))

    def _is_tied(self, rank: tuple[float, ...]) -> bool:
        """Whether one below the top may be equal to it; what is out of date stands too far in front, never behind."""
        heap = self._heap
        return (len(heap) > 1 and heap[1][0] == rank) or (len(heap) > 2 and heap[2][0] == rank)

    def _drawn(self, lead_id: object) -> tuple[str, str | None]:
        """The first two where lots decide among equals."""
        tied = [self._beside, *self._tied(self._beside[0])]
        behind = list(self._tied(self._heap[0][0])) if len(tied) == 1 else []
        for entry in (*tied[1:], *behind):
            heappush(self._heap, entry)
        order = [*_by_lot(tied, lead_id), *_by_lot(behind, lead_id)]
        return order[0], order[1]

    def _tied(self, rank: tuple[float, ...]) -> Iterator[Entry]:
        """Take those of this rank off the heap."""
        while self._heap and self._second()[0] == rank:
            yield heappop(self._heap)


@dataclass
class Seats:
    """A rotation with exactly those of `weights` in it; `entering` are those who come with the next turn."""

    rotation: Rotation
    weights: Mapping[str, float]
    entering: Mapping[str, Standing]
    loads: Mapping[str, Load]
    lineups: dict[Strategy, Lineup] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.next_turn = self.rotation.next_turn

    def still(self, weights: Mapping[str, float]) -> bool:
        """Whether these are there, and nobody else took a turn meanwhile."""
        if self.weights is not weights:
            return False
        if self.rotation.weights is weights:
            self.entering = {}
            return True
        return self.rotation.next_turn == self.next_turn

    def turn(self, rep: str) -> Mapping[str, Standing]:
        """The standings that a turn of the rep changes."""
        charged = self._standing(rep).charged(self.rotation.next_turn)
        return {**self.entering, rep: charged} if self.entering else {rep: charged}

    def lineup(self, strategy: Strategy) -> Lineup:
        if strategy not in self.lineups:
            self.lineups[strategy] = Lineup(self.weights, self.rank(strategy))
        return self.lineups[strategy]

    def rank(self, strategy: Strategy) -> Rank:
        """Credit, then load, then who waits longest; by share of open leads first where the rule asks for it."""
        return self._by_share if strategy == "least_open" else self._by_credit

    def _by_credit(self, rep: str) -> tuple[float, ...]:
        credit, _, last_turn = self.entering.get(rep) or self.rotation.standings[rep]
        return credit, self.loads.get(rep, NO_LOAD).open, last_turn

    def _by_share(self, rep: str) -> tuple[float, ...]:
        credit, weight, last_turn = self._standing(rep)
        held = self.loads.get(rep, NO_LOAD).open
        return held / weight, credit, held, last_turn

    def _standing(self, rep: str) -> Standing:
        return self.entering.get(rep) or self.rotation.standings[rep]


def _by_lot(tied: list[Entry], lead_id: object) -> list[str]:
    reps, lead = [rep for _, rep in tied], str(lead_id)
    return reps if len(reps) < 2 else sorted(reps, key=lambda rep: lot(lead, rep))


def lot(lead_id: object, rep: str) -> str:
    """What decides between reps who are equal in all else: a hash of lead and rep."""
    return hashlib.sha256(f"{lead_id}:{rep}".encode()).hexdigest()
