"""Small companies to route in: reps, teams, promises and rules as the policy's nouns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from clearlane.policy import contract, scoring, sources
from clearlane.policy.columns import ROUTING
from clearlane.policy.model import (
    Caps,
    Destination,
    Policy,
    Rep,
    Routing,
    RoutingRule,
    Sla,
    Span,
    Team,
    Teams,
    Territory,
    Tier,
)
from clearlane.rules import Type, parse

MONDAY_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OFFICE = dict.fromkeys(range(1, 6), ((time(9), time(17)),))
ALWAYS_OPEN = dict.fromkeys(range(1, 8), ((time(0), time(0)),))
COLUMNS = {
    **ROUTING,
    "country": Type.TEXT,
    "employees": Type.NUMBER,
    "language": Type.TEXT,
    "opt_out": Type.BOOLEAN,
}

HOT = Tier("hot", Span(5, "minutes"), Span(15, "minutes"), "rep")
WARM = Tier("warm", Span(4, "hours"), None, "rep")
NONE = Tier("none", None, None, "always")
SLA = Sla(
    {"hot": HOT, "warm": WARM, "none": NONE},
    {"hot": "hot", "warm": "warm", "cool": "warm", "cold": "none"},
    "hot",
    OFFICE,
    "UTC",
)


def rep(name: str, **options: Any) -> Rep:
    given = {"zone": "UTC", "hours": OFFICE, "languages": ("en",), **options}
    return Rep(id=name, name=name.title(), email=f"{name}@clearlane.example", role="ae", **given)


def capped(name: str, **caps: int) -> Rep:
    return rep(name, caps=Caps(**caps))


def team(name: str, *members: str | tuple[str, float], **options: Any) -> Team:
    weighted = tuple((m, 1.0) if isinstance(m, str) else m for m in members)
    return Team(name, name.title(), weighted, **options)


def teams(reps: Iterable[Rep], *of: Team) -> Teams:
    return Teams({r.id: r for r in reps}, {t.id: t for t in of})


def rule(name: str, when: str, *ladder: Destination, tier: str | None = None) -> RoutingRule:
    return RoutingRule(name, f"because of {name}", parse(when, COLUMNS), ladder, tier)


def to(target: Any, name: str | None = None, **options: Any) -> Destination:
    return Destination(target, name, **options)


def routing(*rules: RoutingRule, **options: Any) -> Routing:
    given: Mapping[str, Any] = {"territories": (), "fallback": (to("exceptions"),), **options}
    return Routing(rules=rules, **given)


def territory(name: str, when: str, within: str | None = None) -> Territory:
    return Territory(name, parse(when, COLUMNS), within)


def policy(route: Routing, staff: Teams, **options: Any) -> Policy:
    given: Mapping[str, Any] = {
        "scoring": scoring.EMPTY,
        "sla": SLA,
        "contract": contract.EMPTY,
        "sources": sources.EMPTY,
        "hashes": {},
        **options,
    }
    return Policy(routing=route, teams=staff, **given)
