"""Keep, refine or rebuild: is the score worth mending, and is what it stands on sound.

Each question has a number, the bound it is held against, and an answer only where the whole interval lies on one side.
The bounds are ours: what the default company promises (SLA met 85 %, accepted 75 %), and round numbers below which a
score cannot do its work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from clearlane.review.cases import Interval
from clearlane.review.judgement.resampling import wilson

Verdict = Literal["keep", "refine", "rebuild"]
State = Literal["sound", "unsure", "weak", "broken", "unknown"]
Counted = tuple[float, float]
"""a part, and the whole"""

ORDERS: Final = 0.55
"""AUC: a score that surely lies below orders leads hardly better than a coin"""


@dataclass(frozen=True)
class Practice:
    """How scoring is used, as counts: how many of how many. None: not known."""

    accepted: Counted | None = None
    """of the leads that the score calls ready, those that sales accepted"""
    known: Counted | None = None
    """of the values that rules of fit ask for, those that are known"""
    joined: Counted | None = None
    """of the routing decisions, those whose rule asks for the score, its band or its stage"""
    in_time: Counted | None = None
    """of the promises that fell due, those that were kept"""
    unchanged: Counted | None = None
    """of the decisions, those that no person overrode"""


@dataclass(frozen=True)
class Question:
    """What is asked of the practice, from when on it is sound, and below what it is broken."""

    name: str
    asks: str
    sound: float
    broken: float
    foundation: bool
    """what points rest on: where it is broken, other points do not help"""


QUESTIONS: Final = (
    Question("accepted", "Does sales accept the leads that the score calls ready?", 0.75, 0.5, True),
    Question("known", "Is known what the rules of fit ask for?", 0.8, 0.5, True),
    Question("joined", "Do routing decisions ask for the score?", 0.5, 0.2, True),
    Question("in_time", "Are the promises kept that leads get?", 0.85, 0.6, False),
    Question("unchanged", "Do people leave decisions as they are?", 0.9, 0.7, False),
)


@dataclass(frozen=True)
class Reason:
    """One question answered. Weak and broken: surely, the whole interval lies below the bound; unsure: it may be."""

    name: str
    asks: str
    value: Interval | None
    sound: float
    broken: float
    state: State
    foundation: bool

    @property
    def says(self) -> str:
        if self.value is None:
            return f"{self.asks} Not known."
        number = f"{self.value.value:.0%} ({self.value.low:.0%} to {self.value.high:.0%})"
        return f"{self.asks} {number}: {self.state}; sound from {self.sound:.0%}, broken below {self.broken:.0%}."


@dataclass(frozen=True)
class Health:
    """The verdict, why in one sentence, and every question."""

    verdict: Verdict
    because: str
    reasons: tuple[Reason, ...]


def health(practice: Practice, auc: Interval | None, better: bool, reversed_bands: Sequence[str]) -> Health:
    """The verdict from the practice, the AUC of the score in force and what the review found.

    better: whether other points are surely better. reversed_bands: bands surely the wrong way round, in words.
    Rebuild: the score surely hardly orders, or two foundations are surely broken. Refine: other points are surely
    better, bands are reversed, or something is surely weak. Else keep.
    """
    reasons = tuple(_answers(practice, auc))
    broken = [one for one in reasons if one.foundation and one.state == "broken"]
    weak = [one for one in reasons if one.state in ("broken", "weak")]
    if any(one.name == "orders" for one in broken):
        return Health("rebuild", "The score hardly orders leads at all.", reasons)
    if len(broken) > 1:
        return Health("rebuild", f"What it stands on is broken: {_named(broken)}.", reasons)
    if better or reversed_bands:
        found = [*(["other points are better beyond chance"] if better else []), *reversed_bands]
        return Health("refine", f"{'; '.join(found).capitalize()}.", reasons)
    if weak:
        return Health("refine", f"The points do, but not all around them: {_named(weak)}.", reasons)
    orders = "It orders leads" if auc else "Whether it orders leads is not known"
    return Health("keep", f"{orders}, and nothing it stands on is surely weak.", reasons)


def _named(reasons: Sequence[Reason]) -> str:
    return ", ".join(f"{_NAMES[one.name]} ({one.value.value:.0%})" for one in reasons if one.value)


_NAMES: Final = {
    "orders": "order",
    "accepted": "leads accepted",
    "known": "values known",
    "joined": "decisions that ask for the score",
    "in_time": "promises kept",
    "unchanged": "decisions left as they are",
}


def _answers(practice: Practice, auc: Interval | None) -> Iterator[Reason]:
    asks = "Does a lead that gets there score higher than one that does not?"
    yield _reason(Question("orders", asks, 0.65, ORDERS, True), auc)
    for question in QUESTIONS:
        counted: Counted | None = getattr(practice, question.name)
        known = counted is not None and counted[1] > 0
        yield _reason(question, wilson(counted[0] / counted[1], counted[1]) if counted and known else None)


def _reason(question: Question, value: Interval | None) -> Reason:
    state = _state(question, value)
    return Reason(
        question.name, question.asks, value, question.sound, question.broken, state, question.foundation
    )


def _state(question: Question, value: Interval | None) -> State:
    if value is None:
        return "unknown"
    if value.high < question.broken:
        return "broken"
    if value.high < question.sound:
        return "weak"
    return "sound" if value.value >= question.sound else "unsure"
