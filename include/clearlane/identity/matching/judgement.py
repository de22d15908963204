"""Match, none, or ask: which account, if any, the evidence points to, and how surely.

The lead's company is one of the accounts or none of them, so candidates compete: two that are equally like the
lead cannot both be likely, and a person is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from typing import Final

from clearlane.identity.matching.likeness import Likeness

UNSEEN: Final = 100
"""companies beside the accounts that a lead may come from: what keeps few accounts from being sure"""


class Outcome(StrEnum):
    MATCH = "match"
    ASK = "ask"
    NONE = "none"


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from which an account is taken, and from which a person is asked."""

    match: float = 0.9
    ask: float = 0.3


@dataclass(frozen=True)
class Candidate:
    """An account, how like the lead's company it is, and the probability that it is the one."""

    account: str
    likeness: Likeness
    probability: float


@dataclass(frozen=True)
class Judgement:
    """The outcome, and the candidates, the likeliest first (equal ones by their id)."""

    outcome: Outcome
    candidates: tuple[Candidate, ...]


def judged(likenesses: Sequence[tuple[str, Likeness]], accounts: int, thresholds: Thresholds) -> Judgement:
    """What the likenesses of (account id, likeness) come to, where so many accounts are known."""
    chance = log(accounts + UNSEEN)
    beyond = _contradicting([like for _, like in likenesses], chance)
    most = max(0.0, *beyond, 0.0)
    odds = [exp(one - most) for one in beyond]
    total = exp(-most) + sum(sorted(odds))
    candidates = [
        Candidate(account, like, one / total) for (account, like), one in zip(likenesses, odds, strict=True)
    ]
    ranked = tuple(sorted(candidates, key=lambda one: (-one.probability, one.account)))
    return Judgement(_outcome(ranked, thresholds), ranked)


def _contradicting(likenesses: Sequence[Likeness], chance: float) -> list[float]:
    """Nats for each: no more for the account of the domain than for another of the whole name, and no less."""
    beyond = [like.beyond(chance) for like in likenesses]
    of_domain = [n for n, like in enumerate(likenesses) if like.has("same domain")]
    if not of_domain or any(likenesses[n].names >= chance for n in of_domain):
        return beyond
    of_name = [n for n, like in enumerate(likenesses) if like.has("whole") and like.names >= chance]
    if not of_name:
        return beyond
    level = min(max(beyond[n] for n in of_domain), max(beyond[n] for n in of_name))
    return [min(one, level) if n in (*of_domain, *of_name) else one for n, one in enumerate(beyond)]


def _outcome(ranked: Sequence[Candidate], thresholds: Thresholds) -> Outcome:
    if ranked and ranked[0].probability >= thresholds.match:
        return Outcome.MATCH
    if sum(one.probability for one in ranked) >= thresholds.ask:
        return Outcome.ASK
    return Outcome.NONE
