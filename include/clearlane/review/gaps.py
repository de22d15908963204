"""What a review cannot know, in sentences: whom nobody worked, what is too rare, whose outcomes never came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clearlane.policy.model import Scoring
from clearlane.review.cases import TARGETS, Cases, Proposal
from clearlane.review.judgement import selected_from

MIN_SOURCE: Final = 20
"""leads of a source from which on it is odd that none has an outcome"""
MIN_EXPLORED: Final = 30
WORDS: Final = {"won": "won", "opportunity": "opportunities", "sql": "SQLs", "accepted": "accepted leads"}


def gaps(cases: Cases, proposal: Proposal, scoring: Scoring) -> tuple[str, ...]:
    """The most important first."""
    parts = (
        _target(cases, proposal, scoring),
        _threshold(cases, scoring),
        _sources(cases),
        _rare(proposal),
        _rest(scoring),
    )
    return tuple(sentence for part in parts for sentence in part)


def _target(cases: Cases, proposal: Proposal, scoring: Scoring) -> Iterator[str]:
    if proposal.target != TARGETS[0]:
        won = int(cases.leads[TARGETS[0]].sum())
        yield (
            f"Only {won:,} of {len(cases.leads):,} leads were won within {cases.horizon.days} days, too few to learn"
            f" from (at least {scoring.review.least_positives}): this review learns from {WORDS[proposal.target]}."
            " What leads to one need not lead to the other."
        )


def _threshold(cases: Cases, scoring: Scoring) -> Iterator[str]:
    """Of those whom the score kept from sales only the explored share tells anything."""
    explored = int(cases.leads["explored"].sum())
    edge = selected_from(scoring)
    below = int((cases.leads["score"] < edge).sum())
    if not explored:
        yield (
            f"No lead below the threshold was given to sales to see what becomes of it, so whether {edge:g} points is"
            " the right threshold cannot be judged: of the leads below it only those that routing sent to sales anyhow"
            f" ({below:,}) are known."
        )
    elif explored < MIN_EXPLORED:
        yield (
            f"Only {explored} leads below the threshold were given to sales to see what becomes of them: of the"
            " threshold little can be said."
        )


def _sources(cases: Cases) -> Iterator[str]:
    reached = cases.leads[list(TARGETS)].any(axis=1).groupby(cases.leads["source"]).agg(["size", "sum"])
    silent = reached[(reached["size"] >= MIN_SOURCE) & (reached["sum"] == 0)]
    for source, row in silent.iterrows():
        yield (
            f"Not one of {int(row['size']):,} leads of {source} was accepted or more: either nobody takes them up, or"
            " their outcomes do not reach us."
        )


def _rare(proposal: Proposal) -> Iterator[str]:
    rare = [one.rule for one in proposal.worths if one.points is None]
    if rare:
        yield (
            f"Too rare to judge: {', '.join(rare)}. Their points stay as they are, which says nothing for or against"
            " them."
        )


def _rest(scoring: Scoring) -> Iterator[str]:
    if scoring.variants:
        names = ", ".join(variant.id for variant in scoring.variants)
        yield f"The variants of the model ({names}) are not judged by themselves: groups that they share change too."
    yield (
        "Why a rule goes along with winning: the review sees what happened to leads that sales worked, not what would"
        " have happened otherwise."
    )
