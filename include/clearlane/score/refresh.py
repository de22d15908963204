"""The present, brought up to date for the whole base: points that faded, overrides that ended, windows that moved on.

One pass over the standings finds what each score shows by now. Where only points faded the standing takes
them; whoever may change band, grade or stage, or is not told by fading alone, is scored anew: with a row of history,
and an event for routing where band or stage did change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from clearlane.policy.model import Policy, Scoring
from clearlane.score import behaviour, fading, persons, signals
from clearlane.score import scoring as scores
from clearlane.score.history import change
from clearlane.score.scoring import Writing
from clearlane.score.signals import Counting

Values = Mapping[str, Any]
CHUNK = 10_000


@dataclass(frozen=True)
class Faded:
    """Standings brought up to date, and persons that are to be scored anew."""

    faded: int
    to_score: int


@dataclass(frozen=True)
class Rescored:
    """Persons `scored`, rows of history `written`, changes of band or stage told to routing."""

    scored: int
    written: int
    events: int


# --- what faded -------------------------------------------------------------------------------------


def fade(connection: Connection, policy: Policy, as_of: datetime) -> Faded:
    """Bring the standings of all persons to a moment, but those of `moving`, who are to be scored anew.

    `moving` (lead_id) is a temporary table of the session, beyond the transaction. Never commits.
    """
    numbers = scores.begin(connection, policy.scoring)
    signals.forget_unread(connection, policy.scoring)
    bound = {"as_of": as_of, "policy_hash": policy.hashes["scoring"]}
    connection.execute(sa.text("set local work_mem = '128MB'"))
    _keep(connection, "faded", f"on commit drop as {fading.faded(policy.scoring)}", bound)
    _keep(connection, "moving", f"on commit preserve rows as {_moving(policy.scoring, numbers)}", bound)
    done = connection.execute(sa.text(_FADE), {"as_of": as_of}).rowcount
    return Faded(done, connection.execute(sa.text("select count(*) from pg_temp.moving")).scalar_one())


def _keep(connection: Connection, table: str, definition: str, bound: Mapping[str, Any]) -> None:
    used = {name: value for name, value in bound.items() if f":{name}" in definition}
    connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
    connection.execute(sa.text(f"create temporary table {table} {definition}"), used)
    connection.execute(sa.text(f"analyze pg_temp.{table} (lead_id)"))


_FADE: Final = f"""
 update standing s set as_of = :as_of, {", ".join(f"{name} = f.{name}" for name in fading.SHOWN)}
 from pg_temp.faded f
 where f.lead_id = s.lead_id and not f.moves
   and not exists (select from pg_temp.moving m where m.lead_id = s.lead_id)
"""


# --- who is to be scored anew -----------------------------------------------------------------------

_UNTOLD: Final = """
 select lead_id from standing
 where as_of <= :as_of and (weights is null or policy_hash is distinct from :policy_hash)
"""
_OF_DUE: Final = "select l.survivor_id from signal_due d join lead l using (lead_id)"
_DUE: Final = f"select lead_id from standing where lead_id in ({_OF_DUE})"
_OVERRIDDEN: Final = """
 select s.lead_id from score_override o join lead l using (lead_id) join standing s on s.lead_id = l.survivor_id
 where o.since > s.as_of and o.since <= :as_of or o.until > s.as_of and o.until <= :as_of
   or o.ended_at > s.as_of and o.ended_at <= :as_of
"""
_KNOWN_SINCE: Final = """
 select p.lead_id from lead_profile p join standing s using (lead_id)
 where p.valid_from > s.as_of and p.valid_from <= :as_of
"""
_COLLEAGUES: Final = """
 select s.lead_id from standing s join score made using (score_id) join lead_profile p using (profile_id)
 where p.account_id is not null
"""


def _moving(scoring: Scoring, numbers: Mapping[Counting, int]) -> str:
    """Leads of standings that fading alone does not tell."""
    parts = ["select lead_id from pg_temp.faded where moves", _UNTOLD, _DUE, _OVERRIDDEN, _KNOWN_SINCE]
    parts += [_COLLEAGUES] if behaviour.reads_account(scoring) else []
    parts += [_recycled(scoring)] if scoring.recycling.outcomes else []
    parts += list(_measured(scoring, numbers))
    parts += ["select lead_id from standing"] if "as_of" in _read(scoring) else []
    return f"select distinct lead_id from ({' union all '.join(parts)}) as moving"


def _recycled(scoring: Scoring) -> str:
    again = persons.recycles(scoring.recycling, "o")
    recycled = f"select l.survivor_id from outcome o join lead l using (lead_id) where {again}"
    return f"select lead_id from standing where lead_id in ({recycled})"


def _measured(scoring: Scoring, numbers: Mapping[Counting, int]) -> Iterator[str]:
    """Whoever did what a condition measures, in its window when last scored: a window moves on by itself."""
    for measure in scoring.measures:
        if measure.name in _read(scoring):
            days = 10**6 if measure.within_days is None else measure.within_days
            yield f"""
             select s.lead_id from signal g join lead l on l.lead_id = g.lead_id
             join standing s on s.lead_id = l.survivor_id
             where g.counting_id = {numbers[signals.of_measure(scoring, measure)]}
               and g.bucket >= ceil(date_part('epoch', s.as_of) / {behaviour.DAY}) - {days:d}
            """


def _read(scoring: Scoring) -> frozenset[str]:
    """The columns that any condition on a lead names."""
    found = [variant.when for variant in scoring.variants]
    for model in scoring.models:
        found += [rule.when for rule in model.rules if rule.when is not None]
        found += [rule.when for rule in model.disqualifiers]
        found += [rule.when for rule in model.stages]
    return frozenset(name for when in found for name in when.columns)


# --- scored anew ------------------------------------------------------------------------------------

_NEXT: Final = """
 with next as (select lead_id from pg_temp.moving order by lead_id limit :size)
 delete from pg_temp.moving m using next where m.lead_id = next.lead_id returning m.lead_id
"""
_STOOD: Final = """
 select s.* from pg_temp.chunk c
 cross join lateral (select lead_id, band, stage, score_id from standing where lead_id = c.lead_id offset 0) s
 where c.own
"""
_CHANGED: Final = """
 select s.lead_id, s.score_id, b.score_id as before_id, b.band as band_before, b.stage as stage_before, s.band, s.stage
 from standing s join pg_temp.stood b using (lead_id) where (s.band, s.stage) is distinct from (b.band, b.stage)
 order by s.lead_id
"""
_ROWS: Final = "select * from score where score_id = any(:ids)"
_TELL: Final = """
 insert into routing_event (lead_id, kind, occurred_at, because, detail)
 values (:lead_id, :kind, :occurred_at, :because, :detail)
"""


def rescore(connection: Connection, policy: Policy, as_of: datetime) -> Rescored | None:
    """Score the next chunk of `moving` as of the moment; None when nobody is left. Never commits."""
    numbers = scores.begin(connection, policy.scoring)
    leads = list(connection.execute(sa.text(_NEXT), {"size": CHUNK}).scalars())
    if not leads:
        return None
    wanted = "select lead_id from lead where lead_id = any(cast(:leads as uuid[])) and survivor_id = lead_id"
    persons.gather(connection, policy.scoring, wanted, as_of, leads=leads)
    known_seq = signals.fold(connection)
    _keep(connection, "stood", f"on commit drop as {_STOOD}", {})
    writing = Writing(policy.hashes["scoring"], as_of, known_seq)
    done = scores.score_gathered(connection, policy.scoring, numbers, writing)
    return Rescored(done.scored, done.written, _tell(connection, as_of))


def rescore_now(
    connection: Connection, policy: Policy, leads: Sequence[UUID], as_of: datetime
) -> Rescored | None:
    """Score these persons (ids of survivors) as of the moment, without waiting for a run. Never commits."""
    chosen = "on commit drop as select lead_id from unnest(cast(:leads as uuid[])) as wanted(lead_id)"
    _keep(connection, "moving", chosen, {"leads": list(leads)})
    return rescore(connection, policy, as_of)


def _tell(connection: Connection, as_of: datetime) -> int:
    """An event for each band and stage that changed, with what it was and why."""
    changed = [dict(row) for row in connection.execute(sa.text(_CHANGED)).mappings()]
    ids = [row[name] for row in changed for name in ("score_id", "before_id")]
    found = connection.execute(sa.text(_ROWS), {"ids": ids}).mappings()
    rows = {row["score_id"]: dict(row) for row in found}
    events = [event for row in changed for event in _events(row, rows, as_of)]
    if events:
        connection.execute(sa.text(_TELL), events)
    return len(events)


def _events(
    row: Mapping[str, Any], rows: Mapping[int, Mapping[str, Any]], as_of: datetime
) -> Iterator[dict[str, Any]]:
    causes = change(rows[row["score_id"]], rows[row["before_id"]]).causes
    for kind in ("band", "stage"):
        before, after = row[f"{kind}_before"], row[kind]
        if before != after:
            yield {
                "lead_id": row["lead_id"], "kind": kind, "occurred_at": as_of,
                "because": f"{kind} changed from {before} to {after} ({', '.join(causes)})",
                "detail": Jsonb({"before": before, "after": after, "cause": list(causes)}),
            }  # fmt: skip


def total(found: Sequence[Rescored]) -> Counter[str]:
    """The sums of several chunks."""
    return sum((Counter(vars(one)) for one in found), Counter())
