"""Whose turn it is: the same answer for the same state, whatever the order in which reps are listed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from clearlane.policy.model import Destination, Team
from clearlane.route.decisions import Facts, Pick
from clearlane.route.eligibility import Presence, at_work, not_in_team, refusal, unsuited
from clearlane.route.fairness import Rotation, charged, entered
from clearlane.route.floor import Floor, RollCall

Measure = Callable[[Sequence[str]], Sequence[float]]
"""a number for each of some reps, in their order"""


def pick(
    team: Team, destination: Destination, facts: Facts, floor: Floor
) -> tuple[Pick | None, Mapping[str, str]]:
    """The rep of the team who gets the lead, or None; with the reason why each other could not."""
    call = roll_call(team, destination, floor)
    unsuiting = _unsuiting(call.free, destination, facts)
    unsuiting |= {rep: why for rep, why in facts.barred.items() if rep in call.free}
    if not unsuiting:
        turn = _turn(team, destination, facts, floor, call, call.names) if call.names else None
        return turn, call.refused
    suited = at_work({rep: there for rep, there in call.free.items() if rep not in unsuiting}, destination)
    call = _called(team, floor, call.free, call.refused, call.present | suited)
    refused = {**call.refused, **{rep: unsuiting[rep] for rep in call.present - suited}}
    turn = _turn(team, destination, facts, floor, call, tuple(sorted(suited))) if suited else None
    return turn, refused


def roll_call(team: Team, destination: Destination, floor: Floor) -> RollCall:
    """As for the lead before, unless somebody has reached a cap since."""
    key = (team.id, destination)
    if key not in floor.calls:
        free, refused = _free(team, destination, floor)
        refused |= {rep: _away(there) for rep, there in free.items()}
        floor.calls[key] = _called(team, floor, free, refused, at_work(free, destination))
    return floor.calls[key]


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
    call: RollCall,
    suited: tuple[str, ...],
) -> Pick:
    before = floor.rotation(team.id, facts.band)
    rotation = entered(before, call.weights)
    measures = _measures(destination, rotation, floor)
    rep = first(suited, measures, facts.lead_id)
    rest = [other for other in suited if other != rep]
    runner_up = first(rest, measures, facts.lead_id) if rest else None
    return Pick(rep, runner_up, suited, team.id, before, charged(rotation, rep, rotation.next_turn))


def _measures(destination: Destination, rotation: Rotation, floor: Floor) -> Sequence[Measure]:
    """Credit, then load, then who waits longest; by share of open leads first where the rule asks for it."""
    of = rotation.standings
    by_credit: list[Measure] = [
        lambda reps: [of[rep].credit for rep in reps],
        lambda reps: [floor.load(rep).open for rep in reps],
        lambda reps: [of[rep].last_turn for rep in reps],
    ]
    if destination.pick == "least_open":
        return [lambda reps: [floor.load(rep).open / of[rep].weight for rep in reps], *by_credit]
    return by_credit


def first(reps: Sequence[str], measures: Iterable[Measure], lead_id: object) -> str:
    """The lowest by the first measure, among equals by the next; at last the one with the smallest lot."""
    for measure in measures:
        if len(reps) == 1:
            return reps[0]
        found = measure(reps)
        lowest = min(found)
        reps = [rep for rep, value in zip(reps, found, strict=True) if value == lowest]
    return reps[0] if len(reps) == 1 else min(reps, key=lambda rep: lot(lead_id, rep))


def lot(lead_id: object, rep: str) -> str:
    return hashlib.sha256(f"{lead_id}:{rep}".encode()).hexdigest()
