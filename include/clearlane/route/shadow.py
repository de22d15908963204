"""The sales floor as time goes by, without a ledger: it begins empty, days and weeks end, leads are closed.

What-ifs route history on it: each lead at its own moment, under the policy of that moment.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from clearlane.policy.model import Policy
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.eligibility import Load
from clearlane.route.floor import CompanyKey, Floor, company_keys, presences
from clearlane.route.state import day_and_week, hour_of


@dataclass
class MovingFloor:
    """Decides leads in the order of their moments; nothing is read or written but its own state."""

    floor: Floor | None = None
    _ends: list[tuple[datetime, int, str, tuple[CompanyKey, ...]]] = field(default_factory=list)
    _held: Counter[tuple[CompanyKey, str]] = field(default_factory=Counter)
    _count: int = 0

    def decide(self, policy: Policy, as_of: datetime, facts: Facts, closed_at: datetime | None) -> Decision:
        """Where the lead goes at `as_of`, which never lies before an earlier one; it is open until `closed_at`."""
        floor = self._at(policy, as_of)
        decision = decide(policy, floor, facts)
        floor.take(facts, decision)
        if decision.rep:
            self._hold(decision.rep, company_keys(facts), closed_at)
        return decision

    def _at(self, policy: Policy, as_of: datetime) -> Floor:
        before = self.floor
        if before is None or before.as_of != as_of or before.policy is not policy:
            self.floor = moved(before, policy, as_of) if before else _empty(policy, as_of)
            self._close(self.floor)
        assert self.floor is not None
        return self.floor

    def _hold(self, rep: str, keys: Iterable[CompanyKey], closed_at: datetime | None) -> None:
        held = tuple(keys)
        self._held.update((key, rep) for key in held)
        if closed_at is not None:
            self._count += 1
            heapq.heappush(self._ends, (closed_at, self._count, rep, held))

    def _close(self, floor: Floor) -> None:
        """End what was closed until now: it is no open lead any more, and its company follows its owner no longer."""
        while self._ends and self._ends[0][0] <= floor.as_of:
            _, _, rep, keys = heapq.heappop(self._ends)
            load = floor.load(rep)
            floor.book(rep, load._replace(open=load.open - 1))
            for key in keys:
                self._let_go(floor, key, rep)

    def _let_go(self, floor: Floor, key: CompanyKey, rep: str) -> None:
        self._held[key, rep] -= 1
        if not self._held[key, rep]:
            floor.companies[key].remove(rep)


def _empty(policy: Policy, as_of: datetime) -> Floor:
    return Floor(policy, as_of, presences(policy.teams.reps.values(), as_of))


def moved(floor: Floor, policy: Policy, as_of: datetime) -> Floor:
    """The floor at a later moment: presence and caps of then, the counts of a new hour, day and week at nothing."""
    loads = {rep: _rolled(policy, rep, load, floor.as_of, as_of) for rep, load in floor.loads.items()}
    there = presences(policy.teams.reps.values(), as_of)
    return Floor(policy, as_of, there, loads, floor.rotations, floor.companies, floor.fits)


def _rolled(policy: Policy, rep: str, load: Load, before: datetime, now: datetime) -> Load:
    known = policy.teams.reps.get(rep)
    if known is None:
        return load
    (hour, _), (day, _, week, _) = hour_of(known, now), day_and_week(known, now)
    return Load(
        load.day if before >= day else 0,
        load.week if before >= week else 0,
        load.open,
        load.hour if before >= hour else 0,
    )
