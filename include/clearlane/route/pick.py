"""Whose turn it is: the same answer for the same state, whatever the order in which reps are listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clearlane.policy.model import Destination, Team
from clearlane.route.decisions import NOBODY, Facts, Pick, Way
from clearlane.route.eligibility import OUT_OF_HOURS, Presence, at_work, not_in_team, refusal, unsuited
from clearlane.route.fairness import UNIT
from clearlane.route.fit import Fit, explores, segment_of
from clearlane.route.floor import Floor, RollCall
from clearlane.route.lineup import Lineup, Rank, Seats


def pick(
    team: Team, destination: Destination, facts: Facts, floor: Floor
) -> tuple[Pick | None, Mapping[str, str]]:
    """The rep of the team who gets the lead, or None; with the reason why each other could not."""
    call = roll_call(team, destination, floor)
    unsuiting = _unsuiting(call.free, destination, facts)
    if not unsuiting:
        return (_turn(team, destination, facts, floor, call) if call.names else None), call.refused
    suited = at_work({rep: there for rep, there in call.free.items() if rep not in unsuiting}, destination)
    call = _called(team, floor, call.free, call.refused, call.present | suited)
    refused = {**call.refused, **{rep: unsuiting[rep] for rep in call.present - suited}}
    turn = _turn(team, destination, facts, floor, call, tuple(sorted(suited))) if suited else None
    return turn, refused


def roll_call(team: Team, destination: Destination, floor: Floor) -> RollCall:
    """As for the lead before, unless one of the team has reached a cap since."""
    known = floor.called(destination)
    if known:
        return known
    free, refused = _free(team, destination, floor)
    refused |= {rep: _away(there) for rep, there in free.items()}
    return floor.call(destination, _called(team, floor, free, refused, at_work(free, destination)))


def _called(
    team: Team,
    floor: Floor,
    free: Mapping[str, Presence],
    refused: Mapping[str, str],
    present: frozenset[str],
) -> RollCall:
    said = {rep: why for rep, why in refused.items() if rep not in present}
    return RollCall(free, said, present, tuple(sorted(present)), floor.weights(team.id, present))


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


def _unsuiting(free: Mapping[str, Presence], destination: Destination, facts: Facts) -> Mapping[str, str]:
    """Who does not suit the lead or had it before, and why."""
    barred = {rep: why for rep, why in facts.barred.items() if rep in free} if facts.barred else NOBODY
    if not (destination.match or destination.min_tenure_days or (destination.language and facts.language)):
        return barred
    reasons = ((rep, unsuited(there, destination, facts)) for rep, there in free.items())
    return {**{rep: reason for rep, reason in reasons if reason}, **barred}


def _away(there: Presence) -> str:
    return f"{OUT_OF_HOURS}{there.opening:%Y-%m-%d %H:%M}Z"


def _turn(
    team: Team,
    destination: Destination,
    facts: Facts,
    floor: Floor,
    call: RollCall,
    suited: tuple[str, ...] | None = None,
) -> Pick:
    """The turn of one of `suited`, by default of all who are there."""
    seats, names = floor.seats(team.id, facts.band, call.weights), suited or call.names
    way, fit = _way(destination, facts, floor)
    if fit:
        line = Lineup(names, _by_fit(seats, names, destination, facts, fit))
    else:
        line = Lineup(names, seats.rank(destination.pick)) if suited else seats.lineup(destination.pick)
    rep, runner_up = line.first_two(facts.lead_id)
    results = fit.id if fit else None
    return Pick(rep, runner_up, names, team.id, seats.turn(rep), call.weights, way, results)


def _way(destination: Destination, facts: Facts, floor: Floor) -> tuple[Way, Fit | None]:
    """How to pick for this lead, and by which results where by fit."""
    if destination.fit is None:
        return "turn", None
    if explores(facts.lead_id, destination.fit.explore):
        return "learning", None
    fit = floor.fits.get((destination.name or "", destination.fit))
    return ("fit", fit) if fit and fit.known else ("unmeasured", None)


def _by_fit(seats: Seats, names: Iterable[str], destination: Destination, facts: Facts, fit: Fit) -> Rank:
    """Who is not too far ahead, then who is worth most, then credit, load and who waits longest."""
    asked, by_credit = destination.fit, seats.rank("weighted_round_robin")
    assert asked is not None
    worth = fit.of(segment_of(asked, facts.terms))
    most = min(by_credit(rep)[0] for rep in names) + asked.at_most_ahead * UNIT

    def rank(rep: str) -> tuple[float, ...]:
        turns = by_credit(rep)
        return turns[0] > most, -worth[rep], *turns

    return rank
