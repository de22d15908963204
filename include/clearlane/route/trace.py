"""A stored decision as sentences: which rule, who was free, who was not and why, until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from clearlane import policy
from clearlane.policy import wording as say
from clearlane.policy.model import Routing
from clearlane.route import otherwise
from clearlane.route.exploring import LABEL
from clearlane.route.matching import unpacked


def trace(connection: Connection, decision: Mapping[str, Any]) -> tuple[str, ...]:
    """Lines that explain a row of `decision`, by the policy it was made with; a person's speaks for itself."""
    if decision["mode"] == "hand":
        return tuple(_promise(decision))
    of = policy.stored(connection, decision["policy"])
    why = otherwise.arithmetic(connection, of, decision)
    else_ = otherwise.what_else(connection, of, decision)
    return (
        *_rule(of.routing, decision),
        *_explored(decision),
        *_candidates(decision),
        *why,
        *else_,
        *_promise(decision),
    )


def _rule(routing: Routing, decision: Mapping[str, Any]) -> Iterator[str]:
    names = [rule.id for rule in routing.rules]
    held = [
        rule for rule, bit in zip(names, unpacked(decision["terms"], len(names)), strict=True) if bit == "1"
    ]
    if decision["rule"]:
        rule = routing.rules[names.index(decision["rule"])]
        yield f"rule {names.index(rule.id) + 1} of {len(names)}, {rule.id}: {rule.when.text}"
    others = [name for name in held if name != decision["rule"]]
    if others:
        yield f"also held: {', '.join(others)}"


def _explored(decision: Mapping[str, Any]) -> Iterator[str]:
    if decision["explored"]:
        share = decision["explored"]
        yield f"explored: {LABEL.format(say.percent(share))}; the weight review counts it {1 / share:.3g} times"


def _candidates(decision: Mapping[str, Any]) -> Iterator[str]:
    if decision["rotation"]:
        second = f", then {decision['runner_up']}" if decision["runner_up"] else ""
        free = ", ".join(decision["eligible"])
        yield f"turn in {decision['rotation']} ({decision['band']}): {decision['rep_id']}{second}; free: {free}"
    for rep, why in sorted(decision["refused"].items()):
        yield f"not {rep}: {why}"


def _promise(decision: Mapping[str, Any]) -> Iterator[str]:
    if decision["sla_due"]:
        yield f"first touch due {decision['sla_due']:%Y-%m-%d %H:%M}Z ({decision['tier']})"
