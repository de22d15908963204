"""What people decide: a lead assigned, claimed from a pool or given back; a decision of mode `hand` each.

Under the routing lock, so one of two people wins. It takes a number and counts in the rep's load, but is no turn.
There is nothing to compute again: the person is the reason, named in the routing event that stays with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, RowMapping

from clearlane import __version__
from clearlane.ledger import Batch, close_batch, copy_rows, open_batch
from clearlane.ledger.models import LAST_DECISION
from clearlane.policy.model import Policy, Rep, Tier
from clearlane.route import clocks, owed
from clearlane.route.eligibility import sells
from clearlane.route.floor import Floor, open_floor
from clearlane.route.overrules import DAG
from clearlane.route.routing import LOCK
from clearlane.route.state import ALL, loads
from clearlane.route.store import save_roster

Act = Literal["assign", "claim", "release"]


class NotPossible(ValueError):
    """A lead or rep for which a person may not decide this; the text says why."""


@dataclass(frozen=True)
class Choice:
    """What a person decides for one lead; `by` is who, `rep` who gets it or gives it back."""

    act: Act
    lead_id: UUID
    rep: str
    place: Literal["owned", "pool"]
    team: str | None
    because: str
    by: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """what spoke against it, and did not count"""
    since: datetime | None = None
    """from when the place counts; None: from now"""


@dataclass(frozen=True)
class Made:
    """The decision's number and the batch it belongs to, whose writes are owed to the sources."""

    decision_seq: int
    batch: Batch


_PLACE = "select * from place where lead_id = :lead"
_WHERE = {"owned": "is owned by {rep_id} already", "waiting": "is being routed by a run"}


def placed(connection: Connection, lead_id: UUID, place: str) -> RowMapping:
    """The lead's place, under the routing lock from now on; NotPossible when it is another one."""
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    found = connection.execute(sa.text(_PLACE), {"lead": lead_id}).mappings().first()
    if found is None:
        raise NotPossible(f"lead {lead_id} has no place yet: no run has taken it in")
    if found["place"] != place:
        said = _WHERE.get(found["place"], "is in {place} ({reason})").format(**found)
        raise NotPossible(f"lead {lead_id} {said}, not in {place}")
    return found


def selling(policy: Policy, name: str, at: datetime) -> Rep:
    """The rep of that id; NotPossible when teams.yaml knows nobody of that id, or one who does not sell then."""
    rep = policy.teams.reps.get(name)
    if rep is None:
        raise NotPossible(f"nobody in teams.yaml goes by {name!r}")
    if not sells(rep, at):
        raise NotPossible(f"{name} does not sell on {at:%Y-%m-%d}")
    return rep


def floor_of(connection: Connection, policy: Policy, at: datetime) -> Floor:
    """Who is there at the moment and what each holds; no rotations, for nobody takes a turn."""
    floor = open_floor(policy, at)
    floor.loads.update(loads(connection, policy.teams.reps.values(), at, ALL))
    return floor


def made(connection: Connection, floor: Floor, choice: Choice) -> Made:
    """Decide as the person says, at the floor's moment: decision, assignment, place, clocks. Never commits.

    The lead's place has to be read by `placed` in the same transaction. Raises NotPossible for a lead that was
    never scored.
    """
    batch = _batch(connection, floor, choice)
    tier = _tier(connection, floor, choice)
    rep = choice.rep if choice.place == "owned" else None
    bound: dict[str, Any] = {
        "lead": choice.lead_id, "batch": batch.batch_id, "at": floor.as_of, "place": choice.place,
        "team": choice.team, "rep": rep, "because": choice.because, "reason": REASONS[choice.act],
        "since": choice.since or floor.as_of, "tier": tier.name if tier else None, "due": floor.due(tier, rep),
        "roster": save_roster(connection, floor.policy), "policy": Jsonb(dict(floor.policy.hashes)),
        "code": __version__, "refused": Jsonb(dict(choice.refused)),
    }  # fmt: skip
    bound["seq"] = _decision(connection, bound)
    for effect in (_END_ASSIGNMENT, _END_CLOCKS, _MOVE, *((_ASSIGN,) if rep else ())):
        connection.execute(sa.text(effect), bound)
    _promise(connection, floor, choice, tier, bound)
    owed.note(connection, [choice.lead_id], floor.as_of)
    told = {**bound, "act": choice.act, "rep": choice.rep}
    told["detail"] = Jsonb({**choice.detail, "by": choice.by, "decision": bound["seq"]})
    connection.execute(sa.text(_TELL), told)
    return Made(bound["seq"], batch)


REASONS: Final[Mapping[Act, str]] = {"assign": "assigned", "claim": "claimed", "release": "released"}

_DECISION = """
insert into decision (decision_seq, lead_id, batch_id, mode, as_of, profile_id, score_id, roster_id, policy,
                      code_version, place, team, band, rep_id, refused, because, tier, sla_due)
select nextval('decision_seq'), lead_id, :batch, 'hand', :at, profile_id, score_id, :roster, :policy, :code,
       :place, :team, band, :rep, :refused, :because, :tier, :due
from score where lead_id = :lead order by as_of desc, score_id desc limit 1
returning decision_seq
"""
_END_ASSIGNMENT = f"""
update assignment set ended_at = greatest(started_at, cast(:at as timestamptz)), ended_because = :reason,
    ended_seq = {LAST_DECISION}
where lead_id = :lead and ended_at is null
"""
# The lead's own clock runs on: somebody still owes it a first touch.
_END_CLOCKS = """
update sla_clock set ended_at = greatest(started_at, cast(:at as timestamptz))
where lead_id = :lead and met_at is null and ended_at is null and kind <> 'arrival'
  and place is distinct from 'match_ask'
"""
_MOVE = """
update place set place = :place, reason = :reason, because = :because, team = :team, rep_id = :rep,
    since = :since, decision_seq = :seq, until = null, batch_id = :batch
where lead_id = :lead
"""
_ASSIGN = """
insert into assignment (lead_id, rep_id, team, decision_seq, by, because, started_at)
values (:lead, :rep, :team, :seq, 'person', :because, :at)
"""
_INQUIRY = """
select inquiry_id from sla_clock
where lead_id = :lead and kind = 'arrival' and met_at is null and ended_at is null
order by started_at desc limit 1
"""
_TELL = """
insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail, handled_batch)
values (:lead, :act, :at, :rep, :because, :detail, :batch)
"""
_TIER = """
select tier from decision where lead_id = :lead and mode <> 'shadow' order by decision_seq desc limit 1
"""


def _batch(connection: Connection, floor: Floor, choice: Choice) -> Batch:
    """A batch of its own, ended at once: there is nothing left to do for a run."""
    last = connection.execute(sa.text(f"select {LAST_DECISION}")).scalar_one()
    batch = open_batch(
        connection,
        dag_id=DAG,
        run_id=f"{choice.act} {choice.lead_id} after decision {last}",
        run_type="manual",
        mode="live",
        dry_run=False,
        window=None,
        as_of=floor.as_of,
        sources=(),
        policy=floor.policy.hashes,
        code_version=__version__,
    )
    close_batch(connection, batch.batch_id)
    return batch


def _tier(connection: Connection, floor: Floor, choice: Choice) -> Tier | None:
    """The promise that routing made."""
    name = connection.execute(sa.text(_TIER), {"lead": choice.lead_id}).scalar()
    return floor.policy.sla.tiers.get(name or "")


def _decision(connection: Connection, bound: Mapping[str, Any]) -> int:
    seq = connection.execute(sa.text(_DECISION), bound).scalar()
    if seq is None:
        raise NotPossible(f"lead {bound['lead']} was never scored")
    return int(seq)


def _promise(
    connection: Connection, floor: Floor, choice: Choice, tier: Tier | None, bound: Mapping[str, Any]
) -> None:
    """The clocks of whoever has it now. A pool's goes on from when the lead first came there."""
    inquiry = connection.execute(sa.text(_INQUIRY), bound).scalar()
    if bound["rep"] is None:
        begun = clocks.of_queue(floor, tier, choice.place, bound["since"])
    else:
        begun = clocks.of_owner(floor, tier, bound["rep"], None, accepts=choice.act == "assign")
    rows = (clock.row(choice.lead_id, inquiry, bound["seq"]) for clock in begun)
    copy_rows(connection, "sla_clock", clocks.COLUMNS, rows)
    clocks.look_again(connection, [choice.lead_id])
