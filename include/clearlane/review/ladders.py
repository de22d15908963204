"""Which teams each routing rule asks, in the order of its ladder."""

from __future__ import annotations

from collections.abc import Mapping

from clearlane.policy.model import Policy, RoutingRule


def ladder_teams(policy: Policy) -> Mapping[str, tuple[str, ...]]:
    """Rule -> the teams of its own ladder and the fallback, also as pools, each once."""
    return {rule.id: _teams(policy, rule) for rule in policy.routing.rules}


def _teams(policy: Policy, rule: RoutingRule) -> tuple[str, ...]:
    ladder = (*rule.ladder, *policy.routing.fallback)
    named = (rung.name for rung in ladder if rung.target in ("team", "pool", "hold") and rung.name)
    return tuple(dict.fromkeys(name for name in named if name in policy.teams.teams))
