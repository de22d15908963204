"""How a score came about: each row of a lead beside the one before it, with the causes and the delta by rule.

Neither is stored: a row keeps what it was made of, so both follow from comparing two, also after a backfill has
put a third between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import LATER_STAGES

Cause = Literal[
    "new", "merge", "model", "cycle", "override", "attribute", "activity", "outcome", "account", "decay"
]  # fmt: skip
_MADE_OF: Final[Mapping[Cause, tuple[str, ...]]] = {
    "merge": ("members",),
    "model": ("policy_hash", "model"),
    "cycle": ("cycle", "cycle_since"),
    "override": ("override_id",),
    "attribute": ("profile_id",),
    "activity": ("activities",),
}
_BY_OUTCOMES: Final = frozenset(LATER_STAGES)
_SHOWN: Final = ("band", "grade", "stage", "disqualified", "hand_raise")
_ROWS: Final = "select * from score where lead_id = :lead and as_of <= :until order by as_of, score_id"


@dataclass(frozen=True)
class Change:
    """A row of `score`, why it was written, and what each rule gives more (or less) than in the row before.

    `before` None: the first. Points in `delta` fade too: a rule is in it whatever the cause.
    """

    row: Mapping[str, Any]
    before: Mapping[str, Any] | None
    causes: tuple[Cause, ...]
    delta: Mapping[str, float]


def history(connection: Connection, lead_id: UUID, until: datetime) -> tuple[Change, ...]:
    """Every change of a person's score (the survivor's id) until a moment, the earliest first."""
    found = connection.execute(sa.text(_ROWS), {"lead": lead_id, "until": until}).mappings()
    rows = [dict(row) for row in found]
    return tuple(change(row, before) for before, row in pairwise([None, *rows]) if row is not None)


def change(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> Change:
    """What changed from a row of `score` to the next."""
    causes = ("new",) if before is None else tuple(_causes(row, before))
    return Change(row, before, causes, _delta(row, before))


def _causes(row: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Cause]:
    """What it is made of differs; else the account, or time alone, or an activity that was corrected."""
    found: list[Cause] = [
        cause for cause, columns in _MADE_OF.items() if any(row[name] != before[name] for name in columns)
    ]
    if _moved_on(row, before):
        found.append("outcome")
    yield from found
    if _account_did(row["account"] or {}, before["account"] or {}):
        yield "account"
    elif not found:
        yield "decay" if _only_faded(row, before) else "activity"


def _moved_on(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether outcomes have brought it to a stage that they alone mean, or what brought it there was corrected."""
    stages = {row["stage"]} if row["cycle"] > before["cycle"] else {row["stage"], before["stage"]}
    return bool(row["stage"] != before["stage"] and stages & _BY_OUTCOMES)


def _account_did(now: Mapping[str, float], then: Mapping[str, float]) -> bool:
    """Whether colleagues did something: others are engaged, or they come to more; less is how all points fade."""
    engaged = "account_engaged"
    return now.get(engaged) != then.get(engaged) or any(now[name] > then.get(name, 0.0) for name in now)


def _only_faded(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether it shows something else at a later moment, and no rule gives more or takes more than before."""
    now, then = row["contributions"], before["contributions"]
    faded = all(abs(points) <= abs(then.get(rule, 0.0)) for rule, points in now.items())
    return bool(
        faded and row["as_of"] > before["as_of"] and any(row[name] != before[name] for name in _SHOWN)
    )


def _delta(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, float]:
    now, then = row["contributions"], before["contributions"] if before else {}
    more = {rule: round(now.get(rule, 0.0) - then.get(rule, 0.0), 6) for rule in (*now, *then)}
    return {rule: points for rule, points in more.items() if points}
