"""Why a lead was matched, was not, or is asked about, in a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from clearlane.identity.matching.judgement import Candidate, Judgement, Outcome
from clearlane.identity.matching.likeness import Evidence

SHOWN: Final = 3
"""candidates that a sentence names"""
_HIDDEN: Final = {"whole", "unlike"}


def because(company: str, judgement: Judgement, names: Mapping[str, str]) -> str:
    """The sentence for the lead's company as it was written; `names` are those of the accounts."""
    if not judgement.candidates:
        return "no account shares a telling word" if company else "no company and no domain of its own"
    first = judgement.candidates[0]
    if judgement.outcome is Outcome.MATCH:
        return f"{_called(first, names)}: {evidence(first)}"
    if judgement.outcome is Outcome.NONE:
        return f"none is alike enough; nearest {_called(first, names)}: {evidence(first)}"
    likely = [one for one in judgement.candidates[:SHOWN] if one.probability >= 0.05]
    several = f"{len(likely)} accounts may be it" if len(likely) > 1 else "not sure"
    return f"{several}: " + " | ".join(
        f"{one.account} {_called(one, names)}: {evidence(one)}" for one in likely
    )


def _called(candidate: Candidate, names: Mapping[str, str]) -> str:
    return f"“{names[candidate.account]}” ({candidate.probability:.0%})"


def evidence(candidate: Candidate) -> str:
    """The pieces of evidence for a candidate."""
    return told(candidate.likeness.evidence)


def told(evidence: Sequence[Evidence]) -> str:
    """Pieces of evidence in words, those that weigh most first."""
    pieces = sorted(evidence, key=lambda piece: -abs(piece.weight))
    return ", ".join(_told(piece) for piece in pieces if piece.what not in _HIDDEN)


def _told(piece: Evidence) -> str:
    weight = f"{piece.weight:+.1f}"
    if piece.lead and piece.account and piece.lead != piece.account:
        return f"{piece.what} “{piece.lead}” – “{piece.account}” {weight}"
    shown = piece.lead or piece.account
    return f"{piece.what} “{shown}” {weight}" if shown else f"{piece.what} {weight}"
