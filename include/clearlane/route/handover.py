"""The leads of whoever left: those in working contact go first to the covers that teams.yaml names for the rep."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clearlane.policy.model import Destination, RoutingRule
from clearlane.route.decisions import Facts

NOT_FOR_SALES: Final = frozenset({"disqualify", "close", "redirect", "exceptions"})
"""first targets of rules whose leads nobody works"""


def handed_over(rule: RoutingRule | None, facts: Facts) -> RoutingRule | None:
    """The rule with the covers of an owner who left before its own ladder; caps and absences hold for them too."""
    if rule is None or not facts.heirs or rule.ladder[0].target in NOT_FOR_SALES:
        return rule
    first = tuple(Destination("rep", name) for name in facts.heirs)
    because = f"{rule.because}; its owner left, whom {' or '.join(facts.heirs)} covers"
    return replace(rule, because=because, ladder=(*first, *rule.ladder))
