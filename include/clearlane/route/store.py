"""Decisions into the ledger: decision, roster, turns, assignments, places, clocks, answered inquiries.

All under the routing lock of the caller's transaction. A shadow run writes decisions and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping
from sqlalchemy.dialects.postgresql import insert

from clearlane.ledger import Batch, copy_rows, models, stage_rows
from clearlane.policy.model import Policy
from clearlane.route import clocks
from clearlane.route.decide import PROMISED
from clearlane.route.decisions import Decision
from clearlane.route.fairness import as_decimal
from clearlane.route.floor import Floor
from clearlane.route.matching import packed
from clearlane.route.retries import first_end
from clearlane.route.roster import roster_id, snapshot


class Decided(NamedTuple):
    """A decision with its number and the row of `candidate` it was made from."""

    seq: int
    lead: RowMapping
    decision: Decision


def save_roster(connection: Connection, policy: Policy) -> str:
    """The id of the roster in force, stored when it is new."""
    content = snapshot(policy.teams)
    named = roster_id(content)
    row = insert(models.roster).values(roster_id=named, content=content)
    connection.execute(row.on_conflict_do_nothing())
    return named


def numbers(connection: Connection, count: int) -> Sequence[int]:
    """The next decision numbers; ascending in the order of decisions because the lock is held."""
    drawn = sa.text("select nextval('decision_seq') from generate_series(1, :count)")
    return connection.execute(drawn, {"count": count}).scalars().all()


def save(connection: Connection, floor: Floor, batch: Batch, decided: Sequence[Decided]) -> None:
    """Write the decisions and, in a live run, what follows from them."""
    roster = save_roster(connection, floor.policy)
    rows = (decision_row(batch, floor.policy, roster, one) for one in decided)
    copy_rows(connection, "decision", DECISION, rows)
    if batch.live:
        _save_effects(connection, floor, batch, decided)


def _save_effects(connection: Connection, floor: Floor, batch: Batch, decided: Sequence[Decided]) -> None:
    moved = [one for one in decided if not one.decision.keeps_owner]
    _end_what_was(connection, batch, moved)
    again = first_end(floor.policy, floor.as_of)
    stage_rows(connection, "placed", models.place, _PLACED, (_placed(one, again) for one in moved))
    connection.execute(sa.text(_PLACE), {"as_of": batch.as_of, "batch": batch.batch_id})
    assignments = (_assignment(batch, one) for one in moved if one.decision.place == "owned")
    copy_rows(connection, "assignment", _ASSIGNMENT, assignments)
    copy_rows(connection, "turn", TURN, (row for one in decided for row in turn_rows(one)))
    begun = [row for one in decided for row in _clocks(floor, one)]
    copy_rows(connection, "sla_clock", clocks.COLUMNS, begun)
    clocks.look_again(connection, (row[0] for row in begun))
    answered = ((one.decision.lead_id, one.seq) for one in decided if one.lead["inquiry_id"])
    stage_rows(connection, "answered", models.decision, ["lead_id", "decision_seq"], answered)
    connection.execute(sa.text(_ANSWER), {"as_of": batch.as_of})


def _end_what_was(connection: Connection, batch: Batch, moved: Sequence[Decided]) -> None:
    known = [one for one in moved if one.lead["decided_before"] is not None or one.lead["assignment_id"]]
    if not known:
        return
    unpromised = [one.decision.lead_id for one in known if one.decision.place not in PROMISED]
    bound = {"as_of": batch.as_of, "leads": [one.decision.lead_id for one in known]}
    connection.execute(sa.text(_END_ASSIGNMENTS), bound)
    queued = [one.decision.lead_id for one in known if clocks.goes_on_waiting(one.lead, one.decision)]
    connection.execute(sa.text(_END_CLOCKS), {**bound, "unpromised": unpromised, "queued": queued})


DECISION: Final = (
    "decision_seq", "lead_id", "batch_id", "mode", "as_of", "profile_id", "score_id", "roster_id", "policy",
    "code_version", "rule", "terms", "place", "team", "rotation", "band", "rep_id", "runner_up", "eligible",
    "refused", "because", "tier", "sla_due",
    "event_id", "results_id", "explored",
)  # fmt: skip
_PLACED = ("lead_id", "place", "reason", "because", "team", "rep_id", "decision_seq", "until")
_ASSIGNMENT = ("lead_id", "rep_id", "team", "decision_seq", "by", "because", "started_at")
TURN: Final = ("decision_seq", "rep_id", "rotation", "band", "kind", "weight", "credit")

_END_ASSIGNMENTS = f"""
update assignment set ended_at = greatest(started_at, cast(:as_of as timestamptz)), ended_because = 'routed anew',
    ended_seq = {models.LAST_DECISION}
where lead_id = any(cast(:leads as uuid[])) and ended_at is null
"""
# The lead's own clock runs on while somebody still owes it a first touch, a queue's while the lead stays in it.
_END_CLOCKS = """
update sla_clock set ended_at = greatest(started_at, cast(:as_of as timestamptz))
where lead_id = any(cast(:leads as uuid[])) and met_at is null and ended_at is null
  and (kind <> 'arrival' or lead_id = any(cast(:unpromised as uuid[])))
  and (kind <> 'queue' or (place <> 'match_ask' and lead_id <> all(cast(:queued as uuid[]))))
"""
_PLACE = """
insert into place as p (lead_id, place, reason, because, team, rep_id, decision_seq, until, since, batch_id)
select lead_id, place, reason, because, team, rep_id, decision_seq, until, :as_of, :batch from placed
on conflict (lead_id) do update set place = excluded.place, reason = excluded.reason, because = excluded.because,
    team = excluded.team, rep_id = excluded.rep_id, decision_seq = excluded.decision_seq,
    until = excluded.until, batch_id = excluded.batch_id, since = case
        when p.place in ('exceptions', 'pool') and (p.place, p.team) is not distinct from
            (excluded.place, excluded.team) then p.since else excluded.since end
"""
_ANSWER = """
update inquiry q set decision_seq = a.decision_seq
from answered a join lead m on m.survivor_id = a.lead_id
where q.lead_id = m.lead_id and q.decision_seq is null and q.arrived_at < :as_of
"""


def decision_row(batch: Batch, policy: Policy, roster: str, one: Decided) -> tuple[Any, ...]:
    """The values of DECISION."""
    d = one.decision
    return (
        one.seq, d.lead_id, batch.batch_id, batch.mode, batch.as_of, one.lead["profile_id"], one.lead["score_id"],
        roster, dict(batch.policy), batch.code_version, d.rule, packed(one.lead["matched"]), d.place, d.team,
        d.rotation, one.lead["band"], d.rep, d.runner_up, d.eligible, dict(d.refused), d.because, d.tier, d.due,
        one.lead["event_id"], d.pick.results_id if d.pick else None, d.explored,
    )  # fmt: skip


def _placed(one: Decided, again: Callable[[Mapping[str, str]], datetime | None]) -> tuple[Any, ...]:
    d = one.decision
    waits = d.place in ("exceptions", "pool") or d.until
    until = min(filter(None, (d.until, again(d.refused))), default=None) if waits else None
    return d.lead_id, d.place, d.reason, d.because, d.team, d.rep, one.seq, until


def _assignment(batch: Batch, one: Decided) -> tuple[Any, ...]:
    d = one.decision
    return d.lead_id, d.rep, d.team, one.seq, "clearlane", d.because, batch.as_of


def turn_rows(one: Decided) -> Iterator[tuple[Any, ...]]:
    """The values of TURN: the charged turn, and each credit or weight that entering the rotation changed."""
    pick, band = one.decision.pick, one.lead["band"]
    if pick is None:
        return
    for rep, now in sorted(pick.turns.items()):
        kind = "turn" if rep == pick.rep else "enter"
        yield one.seq, rep, pick.rotation, band, kind, now.weight, as_decimal(now.credit)


def _clocks(floor: Floor, one: Decided) -> Iterator[tuple[Any, ...]]:
    started = clocks.of_decision(floor, one.lead, one.decision)
    return (clock.row(one.decision.lead_id, one.lead["inquiry_id"], one.seq) for clock in started)
