"""The review that a run makes: read and judged, kept in the register, told to who answers for scoring.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import Policy, ReviewTerms
from clearlane.review import answers, register, weights
from clearlane.review.backtest import HOLDOUT
from clearlane.review.register import Draft, Review
from clearlane.review.report import layout, quarter
from clearlane.review.report.blocks import Report
from clearlane.review.soundness import TooFew
from clearlane.sla import mails
from clearlane.sla.mails import Mail

KEPT: Final = timedelta(days=14)
"""after which a review is no news any more"""
LISTED: Final = 8


@dataclass(frozen=True)
class Asked:
    """What a run may ask of its review. None: as `review:` of scoring.yaml says."""

    horizon_days: float = 90.0
    """within which an outcome of a lead counts"""
    history_days: float = 365.0
    """before the run's moment in which the leads were first decided"""
    holdout: float = HOLDOUT
    most_change: int | None = None
    """points by which one rule may move"""
    changes: int | None = None
    """rules that may move"""
    seed: int = 7


def made(connection: Connection, policy: Policy, batch: Batch, asked: Asked) -> Review:
    """Review the points as of the batch and keep what was found. Never commits."""
    return register.store(connection, drafted(connection, policy, batch, asked))


def drafted(connection: Connection, policy: Policy, batch: Batch, asked: Asked) -> Draft:
    """What a review finds; where there are too few leads, that is what it finds."""
    since, horizon = batch.as_of - timedelta(days=asked.history_days), timedelta(days=asked.horizon_days)
    kept = Draft(
        review_id=batch.batch_id, batch_id=batch.batch_id, mode=batch.mode, since=since, until=batch.as_of,
        as_of=batch.as_of, horizon_days=asked.horizon_days, current_hash=policy.hashes[register.FILE],
        proposed_text=None, report="",
    )  # fmt: skip
    try:
        found = weights.review(
            connection, policy, since=since, until=batch.as_of, as_of=batch.as_of, horizon=horizon,
            holdout=asked.holdout, terms=_terms(policy.scoring.review, asked), seed=asked.seed,
        )  # fmt: skip
    except TooFew as few:
        return replace(kept, reasons=(str(few),), report=_without(kept, str(few)))
    return replace(
        kept,
        proposed_text=found.new_text,
        changes=[asdict(change) for change in found.changes],
        bounds=found.bounds,
        figures=weights.as_json(found),
        reasons=tuple(quarter.verdict(found)),
        report=quarter.page(found),
        predictive=found.chance,
    )


def _without(draft: Draft, because: str) -> str:
    """The page of a review that had too little to learn from."""
    span = f"{draft.since:%-d %B %Y} to {draft.until:%-d %B %Y}"
    return layout.page(Report(f"Weight review · {span}", "Nothing can be learnt yet", (because,)))


def _terms(terms: ReviewTerms, asked: Asked) -> ReviewTerms:
    most = terms.most_change if asked.most_change is None else asked.most_change
    return replace(terms, most_change=most, changes=terms.changes if asked.changes is None else asked.changes)


# --- who is told --------------------------------------------------------------------------------------


def owe(
    connection: Connection, policy: Policy, review: Review, batch: Batch, links: Mapping[str, str]
) -> int:
    """Owe the mails about a live review; how many. `links`: addresses of its `page` and its `question`, if any."""
    if not batch.takes_unclaimed:
        return 0
    letters = [
        Mail(
            key=f"review:{review.review_id}:{person}",
            kind="review",
            person=person,
            address=address,
            urgency="quiet",
            send_after=review.as_of,
            facts=facts(review, links),
            expires_at=review.as_of + KEPT,
        )
        for person, address in readers(policy).items()
    ]
    return mails.owe(connection, policy, letters, batch_id=batch.batch_id)


def readers(policy: Policy) -> Mapping[str, str | None]:
    """Owner and approver of scoring.yaml -> address where they are none of teams.yaml.

    Whoever is named by an office, not as a person, is read of sla.yaml: RevOps for the owner, marketing for the
    approver.
    """
    section = policy.sections.get(register.FILE)
    if section is None:
        return {}
    owner = _reader(policy, section.owner, policy.sla.revops, "revops")
    approver = _reader(policy, section.approver, policy.sla.marketing, "marketing")
    return dict([*owner, *approver])


def _reader(policy: Policy, named: str, instead: str | None, role: str) -> Iterator[tuple[str, str | None]]:
    """A person of teams.yaml, else a role with the address that stands for it."""
    reps = policy.teams.reps
    person = next((one for one in (named, instead) if one in reps), None)
    address = next((one for one in (named, instead) if one and "@" in one), None)
    if person:
        yield person, None
    elif address:
        yield role, address


def facts(review: Review, links: Mapping[str, str]) -> Mapping[str, Any]:
    """What the template of a report says."""
    rows = [[change["rule"], _moved(change)] for change in review.changes[:LISTED]]
    more = len(review.changes) - len(rows)
    return {
        "subject": subject(review),
        "because": " ".join(review.reasons[:2]),
        "paragraphs": list(_asked(review, links)),
        "rows": rows + ([["and more", f"{more} rules"]] if more > 0 else []),
        "link": {"label": "The report", "url": links["page"]} if "page" in links else None,
    }


def subject(review: Review) -> str:
    if review.proposed_text is None:
        return f"Review of the points, {review.as_of:%-d %B %Y}: nothing to change"
    return answers.subject(review)


def _moved(change: Mapping[str, Any]) -> str:
    return (
        f"{change['before']} → {change['after']} points"
        if change["before"]
        else f"new, {change['after']} points"
    )


def _asked(review: Review, links: Mapping[str, str]) -> Iterator[str]:
    if review.proposed_text is not None:
        where = f": {links['question']}" if "question" in links else " under Required Actions"
        yield f"Nothing changes by itself: approve it, choose other points, or reject it in Airflow{where}"
