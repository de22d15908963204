"""What a person is asked about a review, and what the answer means: the decision it is, or why it cannot be taken."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.policy.editing import Edits, edited
from clearlane.policy.model import ReviewTerms, Rule, Scoring
from clearlane.policy.problems import nearest
from clearlane.review import register
from clearlane.review.cases import Change, Interval
from clearlane.review.register import Decision, NotPossible, Review
from clearlane.review.rescored import scoring_text

APPROVE: Final = "Approve"
EDIT: Final = "Approve with my points"
REJECT: Final = "Reject"
OPTIONS: Final = (APPROVE, EDIT, REJECT)
NO_ANSWER: Final = REJECT
"""what holds where nobody answers in time: nothing changes"""
LATEST: Final = timedelta(days=92)
"""from the answer on, within which it is to be in force: a quarter later there is another review"""
LISTED: Final = 12


class NotAllowed(ValueError):
    """An answer that cannot be taken; the text names each reason, to be read by who gave it."""


@dataclass(frozen=True)
class Answer:
    """What was answered, as Airflow keeps it: by whom (None: nobody in time) and when.

    `points` (rule -> points) says all changes that are wanted: a rule that is not named keeps what it has. It counts
    with EDIT alone. `in_force_from` is ISO 8601; empty: the next midnight, UTC. `chance`: tell the review's chance of
    conversion beside the score as well; else it stays as it is today.
    """

    option: str
    at: datetime
    by: str | None
    points: Mapping[str, Any] = field(default_factory=dict)
    in_force_from: str | None = None
    because: str | None = None
    chance: bool = False


def decide(connection: Connection, review_id: str, answer: Answer) -> Review:
    """Make a decision of an answer, and publish what it says. Never commits.

    NotAllowed where it must be answered otherwise, register.NotPossible where no answer would do.
    """
    review = register.review_of(connection, review_id)
    try:
        return register.decide(connection, review.review_id, decision(connection, review, answer))
    except policies.PolicyErrors as errors:
        raise NotAllowed("; ".join(map(str, errors.errors))) from None


def check(connection: Connection, review_id: str, answer: Answer) -> None:
    """Raise as `decide` would, and change nothing."""
    with connection.begin_nested() as attempt:
        decide(connection, review_id, answer)
        attempt.rollback()


def decision(connection: Connection, review: Review, answer: Answer) -> Decision:
    """The decision that an answer is. Raises NotAllowed."""
    because = (answer.because or "").strip()
    if answer.by is None:
        return Decision("timed_out", answer.at, "nobody answered in time: nothing changes")
    if answer.option == REJECT:
        if not because:
            raise NotAllowed("a rejection needs its reason: the next review is read beside it")
        return Decision("rejected", answer.at, because, answer.by)
    text = _text(connection, review, answer)
    return Decision(
        "edited" if answer.option == EDIT else "approved",
        answer.at,
        because or _because(review),
        answer.by,
        _with_chance(text, review) if answer.chance else text,
        _moment(answer),
    )


def _with_chance(text: str, review: Review) -> str:
    """scoring.yaml that names the review's model of probability, where that may be switched on."""
    if review.chance_file is None:
        because = "; ".join(review.figures.get("chance", {}).get("because", ())) or "none was learnt"
        raise NotAllowed(f"the chance of conversion cannot be switched on: {because}")
    return edited(text, Edits(values={("predictive",): review.chance_file}))


def proposed_points(review: Review) -> Mapping[str, int]:
    """Rule -> points of what is proposed: the form of the question begins with them."""
    return {change["rule"]: change["after"] for change in review.changes}


def bounds(scoring: Scoring, changes: Iterable[Change]) -> Mapping[str, tuple[int, int]]:
    """Rule -> the least and the most points that a person may choose: what `review:` of scoring.yaml allows.

    Rules of the default model and those that are proposed anew; what is proposed is always allowed.
    """
    today = {rule.id: round(rule.points) for rule in scoring.rules}
    after = {change.rule: change.after for change in changes}
    allowed = {rule: _allowed(scoring.review, rule, points) for rule, points in today.items()}
    allowed |= {rule: _new(scoring.review, points) for rule, points in after.items() if rule not in today}
    return {
        rule: (min(low, after.get(rule, low)), max(high, after.get(rule, high)))
        for rule, (low, high) in allowed.items()
    }


def _allowed(terms: ReviewTerms, rule: str, points: int) -> tuple[int, int]:
    if rule in terms.locked:
        return points, points
    low, high = points - terms.most_change, points + terms.most_change
    least = int(rule in terms.keep)
    if terms.signs.get(rule) != "either":
        low, high = (max(low, least), high) if points >= 0 else (low, min(high, -least))
    within = terms.bounds.get(rule, (low, high))
    return min(max(low, within[0]), points), max(min(high, within[1]), points)


def _new(terms: ReviewTerms, points: int) -> tuple[int, int]:
    """A rule that is proposed may be left out, or be worth otherwise on the same side."""
    most = abs(points) + terms.most_change
    return (0, most) if points > 0 else (-most, 0)


def subject(review: Review) -> str:
    count = len(review.changes)
    return f"New points for {count} {'rule' if count == 1 else 'rules'}? Review of {review.as_of:%-d %B %Y}"


def body(review: Review, page: str, answered: str) -> str:
    """What is asked, as Markdown. `page` is the address of the report, `answered` of what became of the last answer.

    Airflow (3.3) asks again in the words of the first time, so these words say where a refusal is explained.
    """
    return "\n".join(_body(review, page, answered))


def _body(review: Review, page: str, answered: str) -> Iterator[str]:
    yield from (*review.reasons, "", f"[The report]({page})", "")
    yield from ("| rule | today | proposed | you may choose | because |", "|---|---:|---:|---|---|")
    yield from (_row(review, change) for change in review.changes[:LISTED])
    if len(review.changes) > LISTED:
        yield f"\n{len(review.changes) - LISTED} more in the report."
    yield from (
        "",
        f"**{APPROVE}** puts the proposed points in force. **{EDIT}** puts those of *points* in force: a rule that"
        " is not named keeps what it has today. Both hold from *in force from*, else from the next midnight, UTC."
        f" **{REJECT}** (say why) and no answer change nothing.",
        "",
        *_offered(review),
        f"If you are asked this again, the answer could not be taken: [why]({answered}).",
    )


def _offered(review: Review) -> Iterator[str]:
    if review.chance_file:
        yield "A chance of conversion may stand beside the score: tick *chance* to switch it on with the points."
        yield ""


def _row(review: Review, change: Mapping[str, Any]) -> str:
    low, high = review.bounds.get(change["rule"], (change["after"], change["after"]))
    because = change["reason"].replace("|", "\\|").replace("\n", " ")
    return f"| {change['rule']} | {change['before']} | {change['after']} | {low} to {high} | {because} |"


def _because(review: Review) -> str:
    return f"the weight review of {review.as_of:%Y-%m-%d}"


def _moment(answer: Answer) -> datetime:
    """From when it is to be in force."""
    if not answer.in_force_from:
        midnight = answer.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=1)
    try:
        moment = datetime.fromisoformat(answer.in_force_from)
    except ValueError:
        raise NotAllowed(f"in force from: {answer.in_force_from!r} is no ISO 8601 moment") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not answer.at <= moment <= answer.at + LATEST:
        raise NotAllowed(
            f"in force from: {moment:%Y-%m-%d %H:%M %Z} is not between the answer ({answer.at:%Y-%m-%d %H:%M %Z})"
            f" and {LATEST.days} days later: what was in force in the past stays as it was"
        )
    return moment.astimezone(UTC)


# --- the points ---------------------------------------------------------------------------------------


def _text(connection: Connection, review: Review, answer: Answer) -> str:
    """scoring.yaml with the points that were chosen."""
    if review.proposed_text is None:
        raise NotPossible("this review proposes nothing: there is nothing to approve")
    chosen = {**answer.points}
    if answer.option == APPROVE:
        if chosen and chosen != proposed_points(review):
            raise NotAllowed(f"points were changed, but {APPROVE!r} was chosen: choose {EDIT!r} to have them")
        return review.proposed_text
    text = policies.contents(connection, {register.FILE: review.current_hash})[register.FILE]
    rules = {rule.id: rule for rule in policies.parse({register.FILE: text}).scoring.rules}
    if problems := list(_problems(review, chosen)):
        raise NotAllowed("; ".join(problems))
    changes = [change for rule, points in chosen.items() if (change := _change(review, rules, rule, points))]
    if not changes and not answer.chance:
        raise NotAllowed(f"with these points nothing changes: choose {REJECT!r} to leave all as it is")
    return scoring_text(text, changes)


def _problems(review: Review, chosen: Mapping[str, Any]) -> Iterator[str]:
    for rule, points in chosen.items():
        if rule not in review.bounds:
            near = nearest(rule, review.bounds)
            yield f"{rule}: no rule whose points may be chosen" + (f"; did you mean {near}?" if near else "")
        elif not isinstance(points, int) or isinstance(points, bool):
            yield f"{rule}: found {json.dumps(points)}, allowed are whole points"
        elif not review.bounds[rule][0] <= points <= review.bounds[rule][1]:
            low, high = review.bounds[rule]
            yield f"{rule}: found {points}, allowed are {low} to {high} in one review"


def _change(review: Review, rules: Mapping[str, Rule], rule: str, points: int) -> Change | None:
    """What a chosen number of points changes; None: it is what there is today."""
    proposed = next((one for one in review.changes if one["rule"] == rule), None)
    if proposed:
        change = replace(change_of(proposed), after=points)
        return change if change.before != points or change.half_life_days is not None else None
    known = rules[rule]
    nothing = Interval(0.0, 0.0, 0.0)
    made = Change(rule, known.group, round(known.points), points, nothing, 0, nothing, nothing, known.because)
    return made if made.before != points else None


def change_of(stored: Mapping[str, Any]) -> Change:
    """A change as it was before it was stored as JSON."""
    values = {one.name: stored[one.name] for one in fields(Change) if one.name in stored}
    intervals = {name: Interval(**values[name]) for name in ("points", "rate_with", "rate_without")}
    return Change(**{**values, **intervals})
