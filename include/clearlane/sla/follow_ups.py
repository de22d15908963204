"""What follows the first touch: so many touches in so much business time, and no stage that a lead never leaves.

A follow-up clock begins with the touch that met what the owner owed, and is met by the last of the attempts, or by any
result. Unmet it is a breach, of which the manager is told. Made in full and without a result by its due moment, the
follow-up is exhausted: the lead rests for the reason of sla.yaml, as if its rep had rejected it. Clocks of stages
(`stage_limit`) begin when the stage is entered and are met by leaving it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch, copy_rows, ids
from clearlane.policy.model import Policy, Span
from clearlane.route.business_time import due_many
from clearlane.route.calendars import ALWAYS, Calendar, rep_calendar, team_calendar
from clearlane.sla import reading

RESULTS: Final = ("meeting", "sql", "opportunity", "won", "lost", "rejected")
"""outcomes after which no more attempts are owed"""
STAGES_FROM: Final = 2
"""step of the first stage of `stage_limit` among the clocks of a decision; the follow-up is step 1"""

_RESULT: Final = """
    select min(o.occurred_at) as at
    from lead own join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
    where own.lead_id = k.lead_id and o.kind = any(:results) and o.occurred_at >= k.started_at
      and o.occurred_at < :as_of
"""
_TOUCHED: Final = f"""
select k.lead_id, k.decision_seq, k.tier, k.rep_id, 1 as step, cast(null as text) as place, k.met_at as started_at
from sla_clock k join assignment a on a.decision_seq = k.decision_seq and a.lead_id = k.lead_id and a.ended_at is null
where k.kind = 'assignment' and k.tier = any(:tiers) and k.met_at < :as_of
  and not exists (
      select from sla_clock x where x.decision_seq = k.decision_seq and x.kind = 'follow_up' and x.step = 1)
  and ({_RESULT}) is null
"""
_IN_STAGE: Final = """
select a.lead_id, a.decision_seq, coalesce(d.tier, 'none') as tier, a.rep_id,
       cast(:first as integer) + array_position(cast(:stages as text[]), s.stage) - 1 as step, s.stage as place,
       greatest(e.entered_at, a.started_at) as started_at
from standing s join assignment a on a.lead_id = s.lead_id and a.ended_at is null and a.rep_id is not null
join decision d on d.decision_seq = a.decision_seq
cross join lateral (
    select max(entered_at) as entered_at from stage_entry
    where lead_id = s.lead_id and stage = s.stage and entered_at < :as_of
) e
where s.stage = any(cast(:stages as text[])) and e.entered_at is not null and not exists (
    select from sla_clock x
    where x.decision_seq = a.decision_seq and x.kind = 'follow_up' and x.place = s.stage)
"""
_CLOCK: Final = (
    "lead_id", "decision_seq", "kind", "step", "tier", "rep_id", "place", "started_at", "due_at",
)  # fmt: skip
# The n-th touch of the team or the first result, in whatever order they become known; who has the lead no longer owes
# nothing.
_MEET: Final = f"""
update sla_clock k set met_at = f.at
from (
    select k.clock_id, least(r.at, t.at) as at
    from sla_clock k
    join unnest(cast(:tiers as text[]), cast(:attempts as integer[])) as n(tier, attempts) on n.tier = k.tier
    cross join lateral ({_RESULT}) r
    left join lateral (
        select o.occurred_at as at
        from lead own join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
        where own.lead_id = k.lead_id and o.kind = 'first_touch' and o.occurred_at >= k.started_at
          and o.occurred_at < :as_of
        order by 1 offset n.attempts - 1 limit 1
    ) t on true
    where k.kind = 'follow_up' and k.place is null and k.ended_at is null
      and (k.met_at is null or k.met_at > k.due_at and k.breached_at is null)
) f where f.clock_id = k.clock_id and f.at < coalesce(k.met_at, 'infinity')
"""
_LEAVE: Final = """
update sla_clock k set met_at = :as_of
from standing s
where k.kind = 'follow_up' and k.place is not null and k.met_at is null and k.ended_at is null
  and s.lead_id = k.lead_id and s.stage <> k.place
"""
_END: Final = """
update sla_clock k set ended_at = greatest(k.started_at, cast(:as_of as timestamptz))
where k.kind = 'follow_up' and k.ended_at is null and not exists (
    select from assignment a where a.lead_id = k.lead_id and a.decision_seq = k.decision_seq and a.ended_at is null)
"""


def keep(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Begin, meet and end the clocks of follow-ups and stages, as of the batch; how many began. Never commits."""
    follow = policy.sla.follow_up
    asked = {
        "as_of": batch.as_of, "results": list(RESULTS), "tiers": list(follow), "first": STAGES_FROM,
        "attempts": [one.attempts for one in follow.values()], "stages": list(policy.sla.stage_limit),
    }  # fmt: skip
    connection.execute(sa.text(_END), asked)
    touched = connection.execute(sa.text(_TOUCHED), asked).mappings().all()
    staying = connection.execute(sa.text(_IN_STAGE), asked).mappings().all()
    clocks = [*_begun(policy, touched), *_begun(policy, staying)]
    copy_rows(connection, "sla_clock", _CLOCK, clocks)
    for effect in (_MEET, _LEAVE):
        connection.execute(sa.text(effect), asked)
    return len(clocks)


def _begun(policy: Policy, rows: Sequence[RowMapping]) -> Iterator[tuple[Any, ...]]:
    """The values of _CLOCK, all of one span and calendar at once."""

    def alike(row: RowMapping) -> tuple[str, str, str]:
        return row["tier"], row["place"] or "", row["rep_id"] or ""

    for _, group in groupby(sorted(rows, key=alike), key=alike):
        same = list(group)
        dues = due_many([row["started_at"] for row in same], *_promised(policy, same[0]))
        for row, due in zip(same, dues, strict=True):
            if due is not None:
                yield (
                    row["lead_id"], row["decision_seq"], "follow_up", row["step"], row["tier"], row["rep_id"],
                    row["place"], row["started_at"], due,
                )  # fmt: skip


def _promised(policy: Policy, row: RowMapping) -> tuple[Span, Calendar]:
    if row["place"]:
        return policy.sla.stage_limit[row["place"]], team_calendar(policy.sla)
    return policy.sla.follow_up[row["tier"]].within, _calendar(policy, row["tier"], row["rep_id"])


def _calendar(policy: Policy, tier: str, rep: str | None) -> Calendar:
    promised, there = policy.sla.tiers[tier], policy.teams.reps.get(rep or "")
    if promised.calendar == "always":
        return ALWAYS
    return rep_calendar(there) if promised.calendar == "rep" and there else team_calendar(policy.sla)


# --- exhausted --------------------------------------------------------------------------------------

_FULL: Final = """
create temporary table full_made on commit drop as
select k.*, l.survivor_id from sla_clock k join lead l using (lead_id)
where k.kind = 'follow_up' and k.place is null and k.met_at <= k.due_at and k.ended_at is null and k.due_at < :as_of
  and k.tier = any(:tiers)
"""
# A meeting of before the due moment may be shown later.
_EXHAUSTED: Final = f"""
select k.clock_id, k.lead_id, k.tier, k.rep_id, k.due_at, k.decision_seq, l.source, l.external_id, a.team, t.manager
from full_made k join ({reading.JUDGED.format(clocks="full_made")}) r using (clock_id) join lead l using (lead_id)
join assignment a on a.decision_seq = k.decision_seq and a.lead_id = k.lead_id and a.ended_at is null
left join sla_team t on t.team = a.team
where (r.known_to > k.due_at) is true and ({_RESULT}) is null
order by k.clock_id
"""
_TELL: Final = """
insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at, rep_id, team, to_rep_id, detail, batch_id)
values (:clock_id, :lead_id, 'exhausted', :due_at, :as_of, :rep_id, :team, :manager,
        jsonb_build_object('clock', 'follow_up', 'tier', cast(:tier as text), 'then', cast(:then as text),
                           'attempts', cast(:attempts as integer)), :batch)
on conflict do nothing
"""
_REST: Final = """
insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, reason, rep_id)
values (:outcome_id, :source, :external_id, :lead_id, :kind, :due_at, :then, :rep_id)
on conflict do nothing
"""


def end(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Let the leads rest whose follow-up was made in full and brought nothing; how many. Never commits.

    They start a new cycle where scoring.yaml recycles for that reason; else they only stay where they are.
    """
    follow, kinds = policy.sla.follow_up, policy.scoring.recycling.outcomes
    asked = {"as_of": batch.as_of, "results": list(RESULTS), "tiers": list(follow)}
    connection.execute(sa.text("drop table if exists pg_temp.full_made"))
    connection.execute(sa.text(_FULL), asked)
    rows = connection.execute(sa.text(_EXHAUSTED), asked).mappings().all()
    for row in rows:
        told = {**row, "then": follow[row["tier"]].then, "attempts": follow[row["tier"]].attempts}
        told |= {"as_of": batch.as_of, "batch": batch.batch_id, "kind": next(iter(kinds), None)}
        told["outcome_id"] = ids.outcome_id(row["source"], f"exhausted:{row['decision_seq']}")
        connection.execute(sa.text(_TELL), told)
        if kinds:
            connection.execute(sa.text(_REST), told)
    ended = "update sla_clock set ended_at = :at where clock_id = any(:clocks)"
    connection.execute(sa.text(ended), {"at": batch.as_of, "clocks": [row["clock_id"] for row in rows]})
    return len(rows)
