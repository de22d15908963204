"""Whose turn it is, as plainly as it can be said: all is looked at anew for each lead. The oracle of test_pick."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from clearlane.policy.model import Destination, Team
from clearlane.route.decisions import Facts, Pick, Way
from clearlane.route.eligibility import Presence, at_work, not_in_team, refusal, unsuited
from clearlane.route.fairness import UNIT, Standing, entering, turns
from clearlane.route.fit import explores, segment_of
from clearlane.route.floor import Floor

Key = Callable[[str], tuple[float, ...]]


def pick(
    team: Team, destination: Destination, facts: Facts, floor: Floor
) -> tuple[Pick | None, Mapping[str, str]]:
    """The rep of the team who gets the lead, or None; with the reason why each other could not."""
    free, refused = _free(team, destination, floor)
    unsuiting = _unsuiting(free, destination, facts)
    unsuiting |= {rep: why for rep, why in facts.barred.items() if rep in free}
    present = suited = at_work(free, destination)
    if unsuiting:
        suited = at_work({rep: there for rep, there in free.items() if rep not in unsuiting}, destination)
        present |= suited
    refused |= {rep: unsuiting[rep] for rep in present - suited}
    refused |= {rep: _away(there) for rep, there in free.items() if rep not in present}
    if not suited:
        return None, refused
    return _turn(team, destination, facts, floor, present, suited), refused


def _free(team: Team, destination: Destination, floor: Floor) -> tuple[dict[str, Presence], dict[str, str]]:
    free: dict[str, Presence] = {}
    refused: dict[str, str] = {}
    for rep, _ in team.members:
        there = floor.present[rep]
        reason = not_in_team(team, rep, floor.as_of, there.today)
        reason = reason or refusal(there, floor.load(rep), destination)
        if reason is None:
            free[rep] = there
        else:
            refused[rep] = reason
    return free, refused


def _unsuiting(free: Mapping[str, Presence], destination: Destination, facts: Facts) -> dict[str, str]:
    """Who does not suit the lead, and why."""
    if not (destination.match or destination.min_tenure_days or (destination.language and facts.language)):
        return {}
    reasons = ((rep, unsuited(there, destination, facts)) for rep, there in free.items())
    return {rep: reason for rep, reason in reasons if reason}


def _away(there: Presence) -> str:
    return f"out of hours until {there.opening:%Y-%m-%d %H:%M}Z"


def _turn(
    team: Team,
    destination: Destination,
    facts: Facts,
    floor: Floor,
    present: frozenset[str],
    suited: frozenset[str],
) -> Pick:
    before, kinds = floor.rotation(team.id, facts.band), floor.kinds(team.id)
    weights = dict(floor.weights(team.id, present))
    standings = {**before.standings, **entering(before, weights, kinds)}
    way, order = _way(destination, facts, floor), _order(destination, standings, floor)
    if way == "fit":
        order = _by_fit(destination, facts, floor, standings, suited)
    rep = first(suited, order, facts.lead_id)
    rest = suited - {rep}
    runner_up = first(rest, order, facts.lead_id) if rest else None
    number = 1 + max((standing.last_turn for standing in before.standings.values()), default=-1)
    changed = turns(before, rep, weights, kinds, number)
    results = floor.fits[team.id, destination.fit].id if destination.fit and way == "fit" else None
    return Pick(rep, runner_up, tuple(sorted(suited)), team.id, changed, weights, way, results)


def _way(destination: Destination, facts: Facts, floor: Floor) -> Way:
    if destination.fit is None:
        return "turn"
    if explores(facts.lead_id, destination.fit.explore):
        return "learning"
    known = floor.fits.get((destination.name or "", destination.fit))
    return "fit" if known and known.results.sum() > 0 else "unmeasured"


def _by_fit(
    destination: Destination,
    facts: Facts,
    floor: Floor,
    standings: Mapping[str, Standing],
    suited: frozenset[str],
) -> Key:
    """Of those at most so many turns ahead of the lowest the one worth most; then as by credit."""
    asked, by_credit = destination.fit, _order(destination, standings, floor)
    assert asked
    worth = floor.fits[destination.name or "", asked].of(segment_of(asked, facts.terms))
    lowest = min(standings[rep].credit for rep in suited)

    def order(rep: str) -> tuple[float, ...]:
        turns_ahead = (standings[rep].credit - lowest) / UNIT
        return float(turns_ahead > asked.at_most_ahead), -worth[rep], *by_credit(rep)

    return order


def _order(destination: Destination, standings: Mapping[str, Standing], floor: Floor) -> Key:
    """Credit, then load, then who waits longest; by share of open leads first where the rule asks for it."""

    def by_credit(rep: str) -> tuple[float, ...]:
        standing = standings[rep]
        return standing.credit, floor.load(rep).open, standing.last_turn

    def by_open(rep: str) -> tuple[float, ...]:
        return (floor.load(rep).open / standings[rep].weight, *by_credit(rep))

    return by_open if destination.pick == "least_open" else by_credit


def first(reps: Iterable[str], order: Key, lead_id: object) -> str:
    """The first by order; among equals the one with the smallest hash of lead and rep."""
    keyed = [(order(rep), rep) for rep in reps]
    best = min(key for key, _ in keyed)
    return min((rep for key, rep in keyed if key == best), key=lambda rep: lot(lead_id, rep))


def lot(lead_id: object, rep: str) -> str:
    return hashlib.sha256(f"{lead_id}:{rep}".encode()).hexdigest()
