"""A stored review in words, as data, and as the difference that it makes to scoring.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.review.register import FILE, Review
from clearlane.review.report import layout
from clearlane.review.report.blocks import Report
from clearlane.review.rescored import diff as difference

TEXTS: Final = ("proposed_text", "final_text", "report", "predictive")
"""what is long: the diff and the page show it"""


def diff(connection: Connection, review: Review) -> str:
    """Of scoring.yaml, as it was judged, to what was approved, else proposed: a unified diff, empty for nothing.

    The model of probability that was switched on with it is a new file of the diff.
    """
    after = review.final_text or review.proposed_text
    if after is None:
        return ""
    before = policies.contents(connection, {FILE: review.current_hash})[FILE]
    model = difference("", review.predictive or "", review.chance_file or "") if review.tells_chances else ""
    return difference(before, after, f"{FILE}.yaml") + model


def as_json(review: Review) -> Mapping[str, Any]:
    """Plain values: moments as ISO 8601; without the texts."""
    return {name: _plain(value) for name, value in asdict(review).items() if name not in TEXTS}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def page(review: Review) -> str:
    """Where the decision stands, HTML: also why an answer could not be taken."""
    kicker = f"Weight review · as of {review.as_of:%-d %B %Y}"
    if review.refusal:
        return layout.page(
            Report(kicker, "The last answer could not be taken", (review.refusal, *_UNANSWERED))
        )
    said = tuple(_decision(review)) or ("Nobody has answered yet.",)
    return layout.page(Report(kicker, status(review).capitalize(), said))


_UNANSWERED: Final = ("The question stands under Required Actions again; nothing has changed meanwhile.",)


def status(review: Review) -> str:
    return review.status.replace("_", " ")


def lines(review: Review) -> Iterator[str]:
    """The review on one screen."""
    yield f"Review {str(review.review_id)[:8]} as of {_minute(review.as_of)}, {review.mode}: {status(review)}"
    yield (
        f"Leads routed from {_minute(review.since)} to {_minute(review.until)}, outcomes within"
        f" {review.horizon_days:g} days; scoring {review.current_hash[:12]} was judged"
    )
    yield from (f"  {reason}" for reason in review.reasons)
    yield from (_change(change) for change in review.changes)
    yield from _decision(review)


def _change(change: Mapping[str, Any]) -> str:
    moved = f"{change['before']} → {change['after']}" if change["before"] else f"new, {change['after']}"
    return f"  {change['rule']}: {moved if change['after'] else 'to be dropped'}: {change['reason']}"


def _decision(review: Review) -> Iterator[str]:
    if review.refusal:
        yield f"The last answer could not be taken: {review.refusal}"
    if review.decided_at:
        yield f"Decided by {review.decided_by or 'nobody'} on {_minute(review.decided_at)}: {review.because}"
    if review.in_force_from and review.published_hash:
        yield f"scoring {review.published_hash[:12]} in force from {_minute(review.in_force_from)}"
    if review.tells_chances:
        yield "A chance of conversion is told beside the score from then on"
    if review.status == "rolled_back":
        yield "Taken back since: an earlier version is in force again"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
