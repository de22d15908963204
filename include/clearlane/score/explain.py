"""Why a lead scored what it scored: the rules that fired, and those that did not with the terms that failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Group, Rule, Scoring
from clearlane.rules import Dialect, Predicate
from clearlane.rules import explain as explain_terms
from clearlane.score.scoring import given
from clearlane.score.statement import evidence, facts, statement

Values = Mapping[str, Any]


@dataclass(frozen=True)
class RuleStory:
    """One rule on one lead. `points` it gave; `seen` the values it read; `failed` the terms that did not hold."""

    id: str
    group: Group
    because: str
    points: float
    seen: Values
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A score and its reasons; iterating gives the rules that fired, most points first."""

    score: int
    total: float
    fit: float
    engagement: float
    negative: float
    band: str
    grade: str
    stage: str
    hand_raise: bool
    disqualified: str | None
    disqualified_because: str | None
    fired: tuple[RuleStory, ...]
    silent: tuple[RuleStory, ...]

    def __iter__(self) -> Iterator[RuleStory]:
        return iter(self.fired)


class NotScored(LookupError):
    """The lead is unknown, or was not known yet at that moment."""


def explain(connection: Connection, scoring: Scoring, lead_id: UUID, as_of: datetime) -> Explanation:
    """Recompute the score of a person (the survivor's id) as of a moment and say why it is what it is.

    Raises NotScored when the ledger holds no profile of that person at that moment.
    """
    result, known, acts = (
        _one(connection, scoring, select, lead_id, as_of)
        for select in (
            statement(scoring, Dialect.POSTGRES),
            facts(scoring, Dialect.POSTGRES),
            evidence(scoring, Dialect.POSTGRES),
        )
    )
    if result is None or known is None:
        raise NotScored(f"the ledger knows no lead {lead_id} as of {as_of:%Y-%m-%d %H:%M}")
    points = json.loads(result["contributions"])
    stories = [
        _story(rule, i, points.get(rule.id, 0.0), known, acts or {}) for i, rule in enumerate(scoring.rules)
    ]
    fired = sorted((story for story in stories if story.points), key=lambda story: -abs(story.points))
    silent = tuple(story for story in stories if not story.points)
    return _explanation(scoring, result, tuple(fired), silent)


def _one(
    connection: Connection, scoring: Scoring, select: str, lead_id: UUID, as_of: datetime
) -> dict[str, Any] | None:
    query = f"with {given(scoring, 'l.lead_id = :lead_id')} select * from ({select}) as found"
    row = connection.execute(sa.text(query), {"lead_id": lead_id, "as_of": as_of}).mappings().first()
    return None if row is None else dict(row)


def _explanation(
    scoring: Scoring, result: Values, fired: tuple[RuleStory, ...], silent: tuple[RuleStory, ...]
) -> Explanation:
    because = {rule.id: rule.because for rule in scoring.disqualifiers}
    own = set(Explanation.__dataclass_fields__) - {"disqualified_because", "fired", "silent"}
    return Explanation(
        **{name: result[name] for name in own},
        disqualified_because=because.get(result["disqualified"]),
        fired=fired,
        silent=silent,
    )


def _story(rule: Rule, index: int, points: float, known: Values, acts: Values) -> RuleStory:
    seen: dict[str, object] = {}
    failed: list[str] = []
    if rule.activity is not None:
        count = acts.get(f"rule_{index}_count") or 0
        seen[" or ".join(rule.activity.types)] = count
        if count:
            seen["last"] = acts[f"rule_{index}_last"]
        else:
            failed.append(_no_activity(rule))
    if rule.when is not None:
        failed.extend(_failed(rule.when, known, seen))
    if not points and not failed:
        failed.append("faded to nothing" if rule.activity else "worth 0 points")
    return RuleStory(rule.id, rule.group, rule.because, points, seen, tuple(failed))


def _failed(when: Predicate, known: Values, seen: dict[str, object]) -> Iterator[str]:
    """The terms that do not hold; the values read are added to `seen`."""
    for term in explain_terms(when, known):
        seen.update(term.values)
        if not term.matched:
            yield term.text


def _no_activity(rule: Rule) -> str:
    assert rule.activity is not None
    types = " or ".join(rule.activity.types)
    return f"no {types}" if rule.activity.when is None else f"no {types} with {rule.activity.when.text}"
