"""Scores in the ledger: the leads of a batch, as known and as they had behaved at its moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import Policy, Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score import standing
from clearlane.score.statement import GROUPS, statement
from clearlane.score.units import first_true

CHUNK = 10_000
CYCLE = 1

PERSON = """
 select l.lead_id, p.profile_id, cast(:as_of as timestamptz) as as_of, p.kind, l.source, p.attributes,
   l.created_at, cast(null as text) as account_id, last.band as band_before, last.since as band_since,
   entry.stage as stage_before, cast(null as timestamptz) as cycle_since, cast(null as timestamptz) as quiet_until,
   cast(null as double precision) as override_score, cast(null as text) as override_band, true as own
 from lead l
 join lateral (
   select profile_id, kind, attributes from lead_profile
   where lead_id = l.lead_id and valid_from <= :as_of order by valid_from desc, profile_id desc limit 1
 ) p on true
 left join lateral (
   select s.band, (
     select min(same.as_of) from score same
     where same.lead_id = l.lead_id and same.as_of <= s.as_of and same.as_of > coalesce((
       select max(other.as_of) from score other
       where other.lead_id = l.lead_id and other.as_of < s.as_of and other.band <> s.band
     ), '-infinity')
   ) as since
   from score s where s.lead_id = l.lead_id and s.as_of < :as_of
   order by s.as_of desc, s.score_id desc limit 1
 ) last on true
 left join lateral (
   select stage from stage_entry where lead_id = l.lead_id and entered_at < :as_of
   order by {rung} desc, entered_at limit 1
 ) entry on true
"""
"""The persons that a `where` picks (alias l): profile at :as_of and memory of the scores before it."""

HISTORY = """
 select m.survivor_id as lead_id, a.type, a.occurred_at, a.attributes
 from profiles p join lead m on m.survivor_id = p.lead_id join activity a on a.lead_id = m.lead_id
 where a.occurred_at < :as_of
"""
"""What all members of those persons did before :as_of."""

_PROFILES = (
    "lead_id uuid, profile_id bigint, as_of timestamptz, kind text, source text, attributes jsonb,"
    " created_at timestamptz, account_id text, band_before text, band_since timestamptz, stage_before text,"
    " cycle_since timestamptz, quiet_until timestamptz, override_score double precision, override_band text,"
    " own boolean"
)
_ACTIVITIES = "lead_id uuid, type text, occurred_at timestamptz, attributes jsonb"
_OWN = "select lead_id from work where batch_id = :batch_id and lead_id between :first and :last"
_VALUES = (
    "profile_id", "model", "score", "total", *GROUPS, "band", "grade", "stage", "disqualified", "hand_raise",
    "contributions",
)  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """`scored` leads of the batch, `written` of them new or changed, `unknown` before the batch's moment."""

    scored: int
    written: int
    unknown: int
    stages_entered: int


def run(connection: Connection, policy: Policy, batch: Batch) -> Counts:
    """Score the batch's leads as of its moment, in chunks; run again it finds nothing to change.

    A lead whose first profile is later than the moment is left out. Never commits.
    """
    connection.execute(sa.text("set local jit = off"))
    totals = Counts(0, 0, 0, 0)
    for first, last in _chunks(connection, batch):
        totals = _sum(totals, _score(connection, policy, batch, first, last))
    return totals


def given(scoring: Scoring, where: str) -> str:
    """The relations `profiles` and `activities` of the picked persons, as common table expressions."""
    return f"profiles as materialized ({_persons(scoring, where)}), activities as ({HISTORY})"


def _persons(scoring: Scoring, where: str) -> str:
    rungs = [(f"stage = {_text(name)}", str(rung)) for name, rung in standing.rungs(scoring).items()]
    return f"{PERSON.replace('{rung}', first_true(rungs, '-1'))} where {where}"


def _chunks(connection: Connection, batch: Batch) -> Iterator[tuple[UUID, UUID]]:
    """First and last lead id of each chunk of the batch's work."""
    bounds = """
     select (array_agg(lead_id order by lead_id))[1] as first, (array_agg(lead_id order by lead_id desc))[1] as last
     from (select lead_id, row_number() over (order by lead_id) - 1 as n from work where batch_id = :batch_id) numbered
     group by n / :size order by n / :size
    """
    rows = connection.execute(sa.text(bounds), {"batch_id": batch.batch_id, "size": CHUNK})
    return iter([(row.first, row.last) for row in rows])


def _score(connection: Connection, policy: Policy, batch: Batch, first: UUID, last: UUID) -> Counts:
    parameters: dict[str, Any] = {
        "batch_id": batch.batch_id, "first": first, "last": last, "as_of": batch.as_of,
        "policy_hash": policy.hashes["scoring"], "model": policy.scoring.model,
    }  # fmt: skip
    _gather(connection, policy.scoring, parameters)
    return Counts(**connection.execute(sa.text(_saving(policy.scoring)), parameters).one()._mapping)


def _gather(connection: Connection, scoring: Scoring, parameters: Mapping[str, Any]) -> None:
    """The chunk in temporary tables that the planner knows: guesses about a ledger just filled are quadratic."""
    for table, columns, select in (
        ("profiles", _PROFILES, _persons(scoring, f"l.lead_id in ({_OWN})")),
        ("activities", _ACTIVITIES, HISTORY),
    ):
        connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
        connection.execute(sa.text(f"create temporary table {table} ({columns}) on commit drop"))
        connection.execute(sa.text(f"insert into pg_temp.{table} {select}"), parameters)
        connection.execute(sa.text(f"analyze pg_temp.{table} (lead_id)"))


def _saving(scoring: Scoring) -> str:
    """The chunk in one statement: score, write what changed, count.

    What changed is written beside what was there: a decision goes on naming the score it was made on.
    """
    special = {"contributions": "cast(contributions as jsonb)", "model": ":model"}
    return f"""
     with scores as materialized ({statement(scoring, Dialect.POSTGRES)}),
     written as (
       insert into score (lead_id, as_of, policy_hash, batch_id, {", ".join(_VALUES)})
       select found.lead_id, :as_of, :policy_hash, :batch_id, {", ".join(f"found.{v}" for v in _VALUES)}
       from (
         select scores.lead_id, {", ".join(f"{special.get(v, v)} as {v}" for v in _VALUES)}
         from scores join profiles using (lead_id)
       ) as found
       left join lateral (
         select {", ".join(_VALUES)} from score
         where lead_id = found.lead_id and as_of = :as_of and policy_hash = :policy_hash
         order by score_id desc limit 1
       ) as newest on true
       where ({", ".join(f"newest.{v}" for v in _VALUES)})
         is distinct from ({", ".join(f"found.{v}" for v in _VALUES)})
       returning 1
     ),
     entered as (
       insert into stage_entry (lead_id, stage, cycle, entered_at, because)
       select lead_id, stage, {CYCLE}, entered_at, because from ({_entries(scoring)}) as entry
       on conflict do nothing returning 1
     )
     select (select count(*) from scores) as scored, (select count(*) from written) as written,
       (select count(*) from ({_OWN}) as own) - (select count(*) from scores) as unknown,
       (select count(*) from entered) as stages_entered
    """


def _entries(scoring: Scoring) -> str:
    """The stages that the scored leads have entered by now: everyone is an inquiry since it was created."""
    reasons = [(f"reached = {_text(rule.name)}", _text(rule.because)) for rule in scoring.stages]
    reasons += [(f"disqualified = {_text(rule.id)}", _text(rule.because)) for rule in scoring.disqualifiers]
    first = f"'{standing.FIRST_STAGE}'"
    return f"""
     select lead_id, {first} as stage, least(created_at, :as_of) as entered_at, 'Came in' as because
     from scores join profiles using (lead_id)
     union all
     select lead_id, stage, entered_at, {first_true(reasons, "reached")} from scores
     where stage = reached and reached <> {first}
    """


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(**{name: getattr(one, name) + getattr(other, name) for name in Counts.__dataclass_fields__})


def _text(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)
