"""The few leads below the threshold that go to sales all the same: the weight review learns from them.

Who they are follows from a hash of the lead alone: nobody chooses them, so they stand for all the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping

from clearlane.policy import wording as say
from clearlane.policy.model import Destination, Explored, Routing, RoutingRule
from clearlane.policy.routing import ANYWHERE
from clearlane.route.decisions import Facts

BY_SCORE: Final = frozenset({"score", "fit", "engagement", "negative", "band", "grade", "stage"})
"""a rule that reads one of these nurtures for want of points"""
LABEL: Final = "one of the {} of such leads that go to sales to learn from"
NURTURE: Final = Destination("nurture")


def explored(routing: Routing, rule: RoutingRule | None, facts: Facts) -> RoutingRule | None:
    """The rule with sales before nurture, where the lead is one of the share; None where it is not.

    Only leads that are fresh, may be sold to, asked for nothing, and are nurtured by a rule that reads the score.
    """
    policy = routing.explored
    if policy is None or rule is None or not facts.fresh or facts.disqualified or facts.hand_raise:
        return None
    below = rule.ladder[0].target == "nurture" and rule.when.columns & BY_SCORE
    ladder = policy.ladders.get(facts.territory or ANYWHERE, policy.ladders.get(ANYWHERE, ()))
    if not below or not ladder or not is_drawn(facts.lead_id, policy.share):
        return None
    because = f"{rule.because}; {LABEL.format(say.percent(policy.share))}"
    return replace(rule, because=because, ladder=(*ladder, NURTURE), tier=policy.tier)


def is_drawn(lead_id: object, share: float) -> bool:
    """Whether this lead is one of the share: always the same answer for a lead."""
    drawn = hashlib.sha256(f"below the threshold:{lead_id}".encode()).digest()[:8]
    return int.from_bytes(drawn) < share * 2**64


def is_fresh(policy: Explored | None, row: Mapping[str, Any] | RowMapping, as_of: datetime) -> bool:
    """Whether a row (`undecided`, `created_at`) is decided for the first time, and not long after it came."""
    return policy is not None and row["undecided"] and as_of - row["created_at"] <= policy.newer_than
