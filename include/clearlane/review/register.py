"""The weight reviews that were made, and what a person decided about each.

A review changes nothing by itself: only `decide`, with the answer of a person, publishes what it proposes. A decision
is made once; what was published can be taken back, which is another entry of the log of what is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping
from sqlalchemy.dialects.postgresql import insert

from clearlane import policy as policies
from clearlane.ledger import Mode
from clearlane.ledger.models import weight_review
from clearlane.policy import Undone
from clearlane.policy.loading import content_name
from clearlane.sla import publishing
from clearlane.sla.publishing import Published

Status = Literal["nothing", "proposed", "approved", "edited", "rejected", "timed_out", "rolled_back"]
FILE: Final = "scoring"
"""the policy file that a review proposes to change"""
OPEN: Final = ("nothing", "proposed")
"""nobody has decided anything: the run may be made again"""
UNDECIDED: Final = ("proposed", "timed_out")
"""a person may still decide"""
PUBLISHED: Final = ("approved", "edited")
CHANCE: Final = "predictive"
"""what a stored model of probability is called, before the hash of its content"""
SHORTEST: Final = 6
"""characters of an id that name a review"""


class NotPossible(LookupError):
    """What was asked of a review cannot be done; the text says why."""


@dataclass(frozen=True)
class Draft:
    """A review as its run found it. Moments are UTC; `changes`, `bounds`, `figures` are JSON values."""

    review_id: UUID
    mode: Mode
    since: datetime
    until: datetime
    as_of: datetime
    horizon_days: float
    current_hash: str
    """of the scoring.yaml that was judged"""
    proposed_text: str | None
    """scoring.yaml as it would be; None: nothing is proposed"""
    report: str
    """the page, HTML"""
    changes: Sequence[Mapping[str, Any]] = ()
    """what is proposed, a rule each: review.cases.Change"""
    bounds: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """rule -> the lowest and the highest points that a person may choose"""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """what was measured and what the proposal promises, with intervals"""
    reasons: Sequence[str] = ()
    """the verdict in sentences"""
    batch_id: UUID | None = None
    """the run; its id is the review's"""
    predictive: str | None = None
    """the model of probability that may be switched on, JSON; None: none may"""

    @property
    def chance_file(self) -> str | None:
        """What scoring.yaml calls the model of probability."""
        return content_name(CHANCE, self.predictive) if self.predictive else None


@dataclass(frozen=True)
class Review(Draft):
    """A stored review. The fields of the decision are None until there is one; `refusal`: of an answer not taken."""

    status: Status = "nothing"
    refusal: str | None = None
    final_text: str | None = None
    published_hash: str | None = None
    in_force_from: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    because: str | None = None

    @property
    def tells_chances(self) -> bool:
        """Whether the model of probability was switched on with the points."""
        return bool(self.chance_file and self.final_text and self.chance_file in self.final_text)


@dataclass(frozen=True)
class Decision:
    """What was answered: by whom (None: nobody did in time), when and why.

    `text` is scoring.yaml as it is to be in force from `in_force_from`; None: it stays as it is.
    """

    status: Literal["approved", "edited", "rejected", "timed_out"]
    at: datetime
    because: str
    by: str | None = None
    text: str | None = None
    in_force_from: datetime | None = None


def store(connection: Connection, draft: Draft) -> Review:
    """Write a review down; what the same run found earlier is replaced unless it was decided. Never commits."""
    row = {**asdict(draft), "status": "proposed" if draft.proposed_text is not None else "nothing"}
    row |= {"changes": list(draft.changes), "reasons": list(draft.reasons), "refusal": None}
    statement = insert(weight_review).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["review_id"],
            set_={name: statement.excluded[name] for name in row},
            where=weight_review.c.status.in_(OPEN),
        )
    )
    return review_of(connection, draft.review_id)


def decide(connection: Connection, review_id: UUID, decision: Decision) -> Review:
    """Note a decision and, where it is a yes, publish its text and owe the mails about that. Never commits.

    The same decision twice is one. NotPossible: it was decided otherwise, is a shadow's, or scoring.yaml has changed
    since; policy.PolicyErrors of a text that is not valid.
    """
    review = _held(connection, review_id)
    if (review.status, review.decided_at) == (decision.status, decision.at):
        return review
    if review.mode == "shadow":
        raise NotPossible("a review in shadow mode is a report: it cannot be decided; run it live")
    if review.status not in UNDECIDED:
        raise NotPossible(
            f"the review of {review.as_of:%Y-%m-%d} {_standing(review)}: run it anew to decide anew"
        )
    published = _published(connection, review, decision) if decision.status in PUBLISHED else None
    _note(
        connection, review_id, status=decision.status, refusal=None, decided_by=decision.by,
        decided_at=decision.at, because=decision.because, final_text=decision.text, published_hash=published,
        in_force_from=decision.in_force_from,
    )  # fmt: skip
    return review_of(connection, review_id)


def refused(connection: Connection, review_id: UUID | str, because: str) -> Review:
    """Note why an answer could not be taken; the review. Never commits."""
    review = review_of(connection, review_id)
    _note(connection, review.review_id, refusal=because)
    return review_of(connection, review_id)


def review_of(connection: Connection, review_id: UUID | str) -> Review:
    """One review; NotPossible where there is none. A text may be the beginning of an id that only one review has."""
    rows = _found(connection, sa.cast(weight_review.c.review_id, sa.Text).startswith(str(review_id)))
    if len(rows) != 1 or len(str(review_id)) < SHORTEST:
        found = "several reviews" if len(rows) > 1 else "no review"
        raise NotPossible(f"{str(review_id)!r} is {found}: `clearlane review list` names them")
    return rows[0]


def named(connection: Connection, review: str | None) -> Review:
    """The review that the beginning of an id names; the newest for None. NotPossible where there is none."""
    if review:
        return review_of(connection, review)
    if not (found := listed(connection)):
        raise NotPossible("there is no review yet: run the DAG weight_review")
    return found[0]


def listed(connection: Connection) -> Sequence[Review]:
    """All reviews, the newest first."""
    return _found(connection, sa.true())


def latest(connection: Connection, before: datetime, *, published: bool = False) -> Review | None:
    """The newest live review as of an earlier moment; `published`: whose proposal was put in force, kept or not.

    Its `figures` are the promise that the next review holds against what happened.
    """
    taken = weight_review.c.published_hash.is_not(None) if published else sa.true()
    asked = sa.and_(weight_review.c.mode == "live", weight_review.c.as_of < before, taken)
    return next(iter(_found(connection, asked)), None)


def take_back(
    connection: Connection,
    to: str | None = None,
    *,
    by: str,
    because: str,
    in_force_from: datetime,
    at: datetime,
) -> tuple[Undone, int]:
    """Put the version of scoring.yaml before the newest in force again, or version `to`; and how many mails it owes.

    The reviews whose proposals are no longer in force then are marked. Errors as policy.rollback. Never commits.
    """
    undone = policies.rollback(connection, FILE, to, by=by, because=because, in_force_from=in_force_from)
    said = Published({FILE: undone.version}, by, because, undone.in_force_from, at)
    told = publishing.tell(
        connection, {**policies.in_force(connection, undone.in_force_from), FILE: undone.versions[-1]}, said
    )
    of_them = weight_review.c.published_hash.in_(undone.versions) & weight_review.c.status.in_(PUBLISHED)
    connection.execute(sa.update(weight_review).where(of_them).values(status="rolled_back"))
    return undone, told


def _published(connection: Connection, review: Review, decision: Decision) -> str:
    """Publish the text of a decision; its hash."""
    if decision.by is None or decision.text is None or decision.in_force_from is None:
        raise ValueError("an approval names who gives it, the text and the moment from which it is in force")
    before = policies.in_force(connection, decision.in_force_from)
    if {before.get(FILE), policies.newest(connection, FILE)} != {review.current_hash}:
        raise NotPossible(
            f"scoring.yaml of {decision.in_force_from:%Y-%m-%d %H:%M}Z is not the one that was judged:"
            " it has been published anew since; run the review again"
        )
    by, because, since = decision.by, decision.because, decision.in_force_from
    beside = {review.chance_file: review.predictive} if review.chance_file and review.predictive else {}
    contents = {FILE: decision.text, **beside}
    versions = policies.publish(connection, contents, by=by, because=because, in_force_from=since)
    if FILE not in versions:
        raise NotPossible(
            "the points chosen are those in force: reject the proposal to leave them as they are"
        )
    publishing.tell(connection, before, Published(versions, by, because, since, decision.at))
    return versions[FILE]


_HAS: Final[Mapping[str, Callable[[Review], str]]] = {
    "nothing": lambda one: "proposes nothing",
    "timed_out": lambda one: "was not decided in time",
}


def _standing(review: Review) -> str:
    """`was approved by Ana on 2026-10-01`."""
    if said := _HAS.get(review.status):
        return said(review)
    return f"was {review.status.replace('_', ' ')} by {review.decided_by} on {review.decided_at:%Y-%m-%d}"


def _held(connection: Connection, review_id: UUID) -> Review:
    """The review, kept from others until the transaction ends."""
    asked = sa.select(weight_review.c.review_id).where(weight_review.c.review_id == review_id)
    connection.execute(asked.with_for_update())
    return review_of(connection, review_id)


def _note(connection: Connection, review_id: UUID, **values: Any) -> None:
    one = weight_review.c.review_id == review_id
    connection.execute(sa.update(weight_review).where(one).values(values))


def _found(connection: Connection, condition: sa.ColumnElement[bool]) -> Sequence[Review]:
    newest = weight_review.c.as_of.desc(), weight_review.c.reviewed_at.desc()
    rows = connection.execute(sa.select(weight_review).where(condition).order_by(*newest)).mappings()
    return [_review(row) for row in rows]


def _review(row: RowMapping) -> Review:
    kept = {name: row[name] for name in Review.__dataclass_fields__}
    return Review(**{**kept, "changes": tuple(row["changes"]), "reasons": tuple(row["reasons"])})
