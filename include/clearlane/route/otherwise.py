"""Why this rep and not the next one, from stored turns; and what else would have given the lead to somebody else.

The second decides again from the ledger as it was before the decision's number, with one thing different: a rep
who is there, or a cap that leaves room for one more lead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import batch_of
from clearlane.policy.model import Policy
from clearlane.route import refusals, results
from clearlane.route.again import known_again
from clearlane.route.decide import decide
from clearlane.route.eligibility import Presence, over_cap
from clearlane.route.fairness import UNIT, as_units, step
from clearlane.route.floor import Floor
from clearlane.route.routing import facts_of
from clearlane.route.state import Known, loads

MOST: Final = 3
"""reps of whom is told what would have brought them the lead"""
ABSENT: Final = frozenset({"away", "silent", "out_of_hours", "not_yet", "left"})
"""codes of refusals after which a rep might have been there"""


@dataclass(frozen=True)
class Candidate:
    """A rep at a pick: credit before it in billionths of a turn by weight, open leads, number of the last turn."""

    rep: str
    credit: int
    weight: float
    open: int
    last_turn: int | None


# The credit of old, or that with which the pick itself let the rep enter.
_STANDING = """
select distinct on (t.rep_id) t.rep_id, t.credit, t.weight, t.decision_seq = :seq and t.kind = 'turn' as charged, (
    select max(u.decision_seq) from turn u
    where (u.rotation, u.band, u.rep_id) = (t.rotation, t.band, t.rep_id) and u.kind = 'turn' and u.decision_seq < :seq
) as last_turn
from turn t
where t.rotation = :rotation and t.band = :band and t.rep_id = any(:reps) and t.decision_seq <= :seq
order by t.rep_id, t.decision_seq desc
"""


def arithmetic(connection: Connection, policy: Policy, decision: Mapping[str, Any]) -> Iterator[str]:
    """Why the chosen came before the runner-up; nothing where no live turn was taken."""
    if decision["rotation"] is None or decision["mode"] != "live":
        return
    of = results.compared(connection, policy, decision)
    if of:
        yield from results.told(of, decision["rep_id"], decision["eligible"], decision["runner_up"])
    if decision["runner_up"] is None:
        yield f"{decision['rep_id']} was the only one who could take it"
        return
    known = _candidates(connection, policy, decision)
    first, second = known.get(decision["rep_id"]), known.get(decision["runner_up"])
    if first and second and of and of.worth.get(first.rep) != of.worth.get(second.rep):
        yield f"{second.rep} would have been next"
    elif first and second:
        why = _why_first(_picked_by(policy, decision), first, second)
        yield f"{why}; {second.rep} would have been next"


def _candidates(
    connection: Connection, policy: Policy, decision: Mapping[str, Any]
) -> Mapping[str, Candidate]:
    reps = [decision["rep_id"], decision["runner_up"]]
    known = [policy.teams.reps[rep] for rep in reps if rep in policy.teams.reps]
    held = loads(connection, known, decision["as_of"], Known(decision["decision_seq"]))
    bound = {name: decision[name] for name in ("rotation", "band")}
    rows = connection.execute(sa.text(_STANDING), {**bound, "reps": reps, "seq": decision["decision_seq"]})
    return {
        row.rep_id: Candidate(
            row.rep_id,
            as_units(row.credit) - (step(row.weight) if row.charged else 0),
            row.weight,
            held[row.rep_id].open,
            row.last_turn,
        )
        for row in rows
        if row.rep_id in held
    }


def _picked_by(policy: Policy, decision: Mapping[str, Any]) -> str:
    """How the rung that gave the turn picks."""
    rules = [rule.ladder for rule in policy.routing.rules if rule.id == decision["rule"]]
    explored = policy.routing.explored.ladders.values() if policy.routing.explored else ()
    rungs = (rung for ladder in (*rules, *explored, policy.routing.fallback) for rung in ladder)
    turns = (rung for rung in rungs if rung.target == "team" or rung.until)
    named = (rung.pick for rung in turns if rung.name == decision["rotation"])
    return next(named, "weighted_round_robin")


def _why_first(picked_by: str, first: Candidate, second: Candidate) -> str:
    one, other = first.rep, second.rep
    if picked_by == "least_open" and first.open * second.weight != second.open * first.weight:
        return f"{one} held {first.open} open leads at weight {first.weight:g}, {other} {_held(second)}"
    if first.credit != second.credit:
        ahead, taken = _turns(second.credit - first.credit), _turns(second.credit)
        had = f"{one} had taken {_turns(first.credit)} turns by weight, {other} {taken}"
        return f"{had}: {one} is first by {ahead}"
    even = f"{one} and {other} had both taken {_turns(first.credit)} turns by weight"
    if first.open != second.open:
        return f"{even}; {one} held {first.open} open leads, {other} {second.open}"
    if first.last_turn != second.last_turn:
        return f"{even} and held {first.open} open leads; {one} had waited longer"
    return f"{even} and held {first.open} open leads; the lot fell on {one}"


def _held(candidate: Candidate) -> str:
    return f"{candidate.open} at weight {candidate.weight:g}"


def _turns(credit: int) -> str:
    return f"{round(credit / UNIT, 3):g}"


# --- decided again with one thing different ---------------------------------------------------------


def what_else(connection: Connection, policy: Policy, decision: Mapping[str, Any]) -> Iterator[str]:
    """Who of the refused would have got the lead, and by what; leaves no temporary table behind."""
    if not decision["refused"]:
        return
    batch = batch_of(connection, decision["batch_id"])
    with connection.begin_nested() as savepoint:
        known = list(known_again(connection, policy, batch, [decision["decision_seq"]]))
        savepoint.rollback()
    told = [line for row, floor in known for line in _otherwise(policy, floor, row, decision)]
    yield from told[:MOST]
    if len(told) > MOST:
        yield f"{len(told) - MOST} more of the refused would have got it in the same way"


def _otherwise(policy: Policy, floor: Floor, row: Any, decision: Mapping[str, Any]) -> Iterator[str]:
    for rep, why in sorted(decision["refused"].items()):
        changed = _changed(floor, rep, why)
        if changed:
            there, told = changed
            other = replace(floor, present={**floor.present, rep: there})
            if decide(policy, other, facts_of(other, row)).rep == rep != decision["rep_id"]:
                yield f"{rep} would have got it {told}"


def _changed(floor: Floor, rep: str, why: str) -> tuple[Presence, str] | None:
    """The rep without what stood in the way, and how that is told; None where it is of another kind."""
    there = floor.present.get(rep)
    if there is None:
        return None
    if refusals.code(why) == "cap":
        return _with_room(floor, rep, there)
    if refusals.code(why) in ABSENT:
        back = replace(there, absent=None, opening=floor.as_of, in_hours=True)
        return back, f"if at work then ({why})"
    return None


def _with_room(floor: Floor, rep: str, there: Presence) -> tuple[Presence, str] | None:
    """As much of each cap as one more lead needs."""
    caps, load = there.caps, floor.load(rep)
    spans = [span for span in ("hour", "day", "week", "open") if _full(caps, load, span)]
    raised = replace(caps, **{span: getattr(load, span) + 1 for span in spans})
    told = " and ".join(
        f"the {span} cap at {getattr(raised, span)}, not {getattr(caps, span)}" for span in spans
    )
    if over_cap(raised, load) or not spans:
        return None
    return replace(there, caps=raised), f"with {told}"


def _full(caps: Any, load: Any, span: str) -> bool:
    cap = getattr(caps, span)
    return cap is not None and getattr(load, span) >= cap
