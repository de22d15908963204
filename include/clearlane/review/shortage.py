"""What a team can take of the leads it may get, and the smallest changes with which it is no longer short.

Numbers of many futures at once: leads are (draws, weeks), supplies one a week.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import exp, inf, isfinite
from typing import Final

import numpy as np

from clearlane.policy.model import Team
from clearlane.review.arrivals import Held
from clearlane.review.demand import Counts, Floats
from clearlane.review.supply import WEEK, Supply

SAFE: Final = 0.2
"""probability of a shortage that a remedy has to reach in every week"""
MORE: Final = 30
"""leads or people that a remedy adds at most"""
CAPS: Final[Mapping[str, str]] = {"day": "a day", "week": "a week", "open": "open"}
"""cap that may limit a team -> how a raise of it is told"""


def open_days(held: Mapping[str, Held], team: Team) -> float | None:
    """How long a lead of the team's members stays open: lead-days over leads that ended; None where none ended."""
    of_team = [held[rep] for rep, _ in team.members if rep in held]
    ended = sum(one.ended for one in of_team)
    return sum(one.days for one in of_team) / ended if ended else None


def stays(days: float | None) -> float:
    """The share of open leads that is still open after a week, where one stays so many days; 1 where none ends."""
    return 1.0 if days is None else exp(-WEEK / max(days, 1e-6))


def takes(leads: Counts, supply: Sequence[Supply], remain: float) -> Floats:
    """What the team can take (draws, weeks): days, then weeks, then room for open leads, which fills as it takes.

    Leads come in the middle of a week, so of those of this week the root of `remain` is open at its end.
    """
    found = np.empty(leads.shape)
    full = np.full(len(leads), _full(supply[0]))
    for n, one in enumerate(supply):
        room = np.maximum(one.room * (1 - remain * full) / remain**0.5, 0) if isfinite(one.room) else inf
        found[:, n] = np.floor(np.minimum(min(one.by_day, one.by_week), room) + 1e-9)
        if isfinite(one.room) and one.room:
            full = remain * full + remain**0.5 * np.minimum(leads[:, n], found[:, n]) / one.room
    return found


def _full(supply: Supply) -> float:
    """How much of the room for open leads is used."""
    return supply.open / supply.room if supply.room and isfinite(supply.room) else 0.0


def limit(supply: Supply, takes: float) -> str | None:
    if not supply.working:
        return "nobody at work"
    if not isfinite(takes):
        return None
    if takes < np.floor(min(supply.by_day, supply.by_week) + 1e-9):
        return "open"
    return "day" if supply.by_day <= supply.by_week else "week"


# --- what would do --------------------------------------------------------------------------------


def smallest_raise(cap: str, supply: Sequence[Supply], leads: Counts, remain: float) -> int | None:
    """By how much the cap (a key of CAPS) of each rep has to be raised, up to MORE; None: that alone does not do."""
    return _smallest(lambda n: [_raised(one, cap, n) for one in supply], leads, remain)


def fewest_people(supply: Sequence[Supply], leads: Counts, remain: float) -> int | None:
    """How many people more, each as the average of the team's best week; None: unknown, or more than MORE."""
    largest = max(supply, key=lambda one: one.working)
    if not largest.working:
        return None
    return _smallest(lambda n: [_staffed(one, largest, n) for one in supply], leads, remain)


def _smallest(changed: Callable[[int], Sequence[Supply]], leads: Counts, remain: float) -> int | None:
    safe = (n for n in range(1, MORE + 1) if _is_safe(changed(n), leads, remain))
    return next(safe, None)


def _is_safe(supply: Sequence[Supply], leads: Counts, remain: float) -> bool:
    short = leads - takes(leads, supply, remain)
    return bool(((short >= 1).mean(axis=0) <= SAFE).all())


def _raised(supply: Supply, cap: str, n: int) -> Supply:
    if cap == "day":
        return replace(supply, by_day=supply.by_day + n * supply.days)
    if cap == "week":
        return replace(supply, by_week=supply.by_week + n * supply.people)
    return replace(supply, room=supply.room + n * supply.people)


def _staffed(supply: Supply, largest: Supply, n: int) -> Supply:
    """With n people more, each as the average of the team's best week."""
    each = n / largest.working
    return replace(
        supply,
        by_day=supply.by_day + each * largest.by_day,
        by_week=supply.by_week + each * largest.by_week,
        room=supply.room + each * largest.room,
    )
