"""Scores in the ledger: the leads of a batch, as known and as they had behaved at its moment.

Reads work, profiles, signals and activities; writes signals, score (a row for each change), stage_entry and
standing. A chunk is one statement; what was there is never overwritten, so a decision keeps the score it was
made on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.ledger import Batch
from clearlane.policy.columns import ROLLUP
from clearlane.policy.model import FIRST_STAGE, Policy, Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score import behaviour, chances, fading, persons, signals
from clearlane.score.additive import Additive
from clearlane.score.signals import Counting
from clearlane.score.statement import GROUPS, model_names
from clearlane.score.units import first_true

CHUNK = 10_000

_OWN = "select lead_id from work where batch_id = :batch_id and lead_id between :first and :last"
_INPUTS = (
    "profile_id", "band_before", "band_before_since", "stage_before", "cycle", "cycle_since", "activities",
    "members", "override_id", "account",
)  # fmt: skip
_RESULTS = (
    "model", "score", "total", *GROUPS, "band", "grade", "stage", "disqualified", "hand_raise", "contributions",
)  # fmt: skip
_STANDING = (
    "score", "total", *GROUPS, "band", "band_since", "grade", "stage", "scored_at", "policy_hash", "model",
    "disqualified", "override_id", "raised_until", "weights",
)  # fmt: skip
_CHANGES = (
    "policy_hash", "model", "profile_id", "members", "activities", "override_id", "cycle", "band", "grade", "stage",
    "disqualified", "hand_raise",
)  # fmt: skip
"""What makes a new row of history; points alone fade without one."""


@dataclass(frozen=True)
class Counts:
    """`scored` leads of the batch, `written` of them new or changed, `unknown` before the batch's moment."""

    scored: int
    written: int
    unknown: int
    stages_entered: int


@dataclass(frozen=True)
class Writing:
    """Under which version, for which batch (None: a refresh) and known up to where rows are written."""

    policy_hash: str
    as_of: datetime
    known_seq: int
    batch_id: UUID | None = None


def run(connection: Connection, policy: Policy, batch: Batch) -> Counts:
    """Score the batch's leads as of its moment, in chunks; run again it finds nothing to change.

    A lead whose first profile is later than the moment is left out. Never commits.
    """
    scoring = policy.scoring
    numbers = begin(connection, scoring)
    if behaviour.reads_account(scoring):
        _bring_colleagues(connection, batch)
    totals = Counts(0, 0, 0, 0)
    for first, last in _chunks(connection, batch):
        bound = {"batch_id": batch.batch_id, "first": first, "last": last}
        persons.gather(connection, scoring, _OWN, batch.as_of, **bound)
        known_seq = signals.fold(connection)
        writing = Writing(policy.hashes["scoring"], batch.as_of, known_seq, batch.batch_id)
        totals = _sum(totals, score_gathered(connection, scoring, numbers, writing))
    return totals


def begin(connection: Connection, scoring: Scoring) -> Mapping[Counting, int]:
    """Wait for other runs, and build the signals that the model asks for; the numbers of its countings."""
    connection.execute(sa.text("set local jit = off"))
    connection.execute(sa.text(signals.LOCK))
    return signals.prepare(connection, scoring)


def score_gathered(
    connection: Connection, scoring: Scoring, numbers: Mapping[Counting, int], writing: Writing
) -> Counts:
    """Score the persons in `chunk`, whose signals are folded; write rows, standings and stages entered."""
    known_seq = writing.known_seq
    scores = persons.describe(connection, scoring, writing.as_of, known_seq=known_seq, numbers=numbers)
    connection.execute(sa.text(_NO_SURVIVORS))
    connection.execute(sa.text(_UNTOLD), {"as_of": writing.as_of})
    chance = chances.in_force(connection, scoring)
    saved = connection.execute(sa.text(_saving(scoring, scores, chance)), vars(writing)).one()
    return Counts(**saved._mapping)


def score_at(
    connection: Connection, policy: Policy | None, leads: Sequence[UUID], as_of: datetime
) -> list[Mapping[str, Any]]:
    """What these persons (ids of survivors) score as of any moment, by all that is known of it now.

    `policy` None: the version in force then. A row per person known by then, in the order of their ids, with
    the columns of the table `score` that say what it is and from what. Writes nothing.
    """
    version = policy or policies.stored(connection, policies.in_force(connection, as_of))
    wanted = "select lead_id from lead where lead_id = any(cast(:leads as uuid[])) and survivor_id = lead_id"
    persons.gather(connection, version.scoring, wanted, as_of, leads=list(leads))
    scores = persons.describe(connection, version.scoring, as_of)
    columns = ", ".join(["lead_id", "as_of", *_INPUTS, *_RESULTS])
    query = f"with scores as ({scores}) select {columns} from ({_found()}) as found order by lead_id"
    return [dict(row) for row in connection.execute(sa.text(query)).mappings()]


# --- the batch's leads ------------------------------------------------------------------------------

_WITH_COLLEAGUES = """
 insert into work (batch_id, lead_id, reason)
 select distinct w.batch_id, mate.lead_id, 'account'
 from work w join lead_profile own on own.lead_id = w.lead_id and own.valid_from <= :as_of
 join lead_profile other on other.account_id = own.account_id
 join lead mate on mate.lead_id = other.lead_id and mate.survivor_id = mate.lead_id
 where w.batch_id = :batch_id
 on conflict (batch_id, lead_id) do nothing
"""
_BOUNDS = """
 select (array_agg(lead_id order by lead_id))[1] as first, (array_agg(lead_id order by lead_id desc))[1] as last
 from (select lead_id, row_number() over (order by lead_id) - 1 as n from work where batch_id = :batch_id) numbered
 group by n / :size order by n / :size
"""


def _bring_colleagues(connection: Connection, batch: Batch) -> None:
    """Whoever shares an account with a lead of the batch, now or before, scores by what that lead did."""
    bound = {"batch_id": batch.batch_id, "as_of": batch.as_of}
    connection.execute(sa.text(_WITH_COLLEAGUES), bound)


def _chunks(connection: Connection, batch: Batch) -> Iterator[tuple[UUID, UUID]]:
    """First and last lead id of each chunk of the batch's work."""
    rows = connection.execute(sa.text(_BOUNDS), {"batch_id": batch.batch_id, "size": CHUNK})
    return iter([(row.first, row.last) for row in rows])


# --- what is written --------------------------------------------------------------------------------

_NO_SURVIVORS = """
 delete from standing using pg_temp.member m where standing.lead_id = m.record_id and m.record_id <> m.lead_id
"""
# A standing of later has not counted what was folded by now: time alone does not tell where it goes.
_UNTOLD = """
 update standing set weights = null where lead_id in (
   select c.lead_id from pg_temp.chunk c
   cross join lateral (select as_of from standing where lead_id = c.lead_id offset 0) s
   where c.own and s.as_of > :as_of
 )
"""
# At one moment, the newest row of the own version: another version's is not what a repeated run left.
_PREVIOUS = """
 select * from score where lead_id = found.lead_id and as_of <= found.as_of
 order by as_of desc, policy_hash = :policy_hash desc, score_id desc limit 1
"""
_COUNTED_ANEW = "select m.lead_id from pg_temp.member m join pg_temp.anew a on a.lead_id = m.record_id"


def _found() -> str:
    """The scores with what they were made of, in the columns of the table `score`."""
    special = {
        "contributions": "cast(contributions as jsonb)", "account": "cast(account as jsonb)",
        "activities": "cast(counted as integer)", "band_before_since": "band_since",
    }  # fmt: skip
    named = [f"{special[name]} as {name}" if name in special else name for name in (*_INPUTS, *_RESULTS)]
    since = "case when band = band_before then band_since else as_of end as band_since"
    kept = f"lead_id, as_of, {', '.join(named)}, reached, entered_at, created_at, {since}"
    profile = "lead_id, as_of, profile_id, band_before, band_since, stage_before, cycle, cycle_since, members"
    return f"select {kept} from scores join (select {profile}, override_id, created_at from profiles) p using (lead_id)"


def _saving(scoring: Scoring, scores: str, chance: Additive | None) -> str:
    """The chunk in one statement: score, write what changed with its chance of conversion, count.

    The bound values are those of Writing.
    """
    columns = ("lead_id", "as_of", *_INPUTS, *_RESULTS)
    differs = f"({_compared(scoring, 'found')}) is distinct from ({_compared(scoring, 'previous')})"
    at = "(found.as_of, found.contributions) is distinct from (previous.as_of, previous.contributions)"
    corrected = f"found.lead_id in ({_COUNTED_ANEW}) and {at}"
    return f"""
     with scores as materialized ({scores}),
     found as materialized ({_found()}),
     compared as materialized (
       select found.*, previous.score_id, previous.score_id is null or {differs} or {corrected} as differs
       from (select *, cast(:policy_hash as text) as policy_hash from found) found
       left join lateral ({_PREVIOUS}) previous on true
     ),
     chance as ({chances.told(chance, scoring, "(select * from compared where differs)", "pg_temp.profiles")}),
     written as (
       insert into score ({", ".join((*columns, *chances.COLUMNS))}, policy_hash, batch_id, known_seq)
       select {", ".join((*columns, *chances.COLUMNS))}, policy_hash, cast(:batch_id as uuid), :known_seq
       from compared left join chance using (lead_id) where differs
       returning lead_id, score_id
     ),
     stood as (
       insert into standing (lead_id, as_of, score_id, {", ".join(_STANDING)})
       select lead_id, as_of, coalesce(written.score_id, compared.score_id), {", ".join(_STANDING)}
       from ({_told(scoring)}) as compared left join written using (lead_id) order by lead_id
       on conflict (lead_id) do update set as_of = excluded.as_of, score_id = excluded.score_id,
         {", ".join(f"{name} = excluded.{name}" for name in _STANDING)}
       where excluded.as_of >= standing.as_of
     ),
     entered as (
       insert into stage_entry (lead_id, stage, cycle, entered_at, because)
       select lead_id, stage, cycle, entered_at, because from ({_entries(scoring)}) as entry
       on conflict do nothing returning 1
     )
     select (select count(*) from scores) as scored, (select count(*) from written) as written,
       (select count(*) from pg_temp.chunk where own) - (select count(*) from scores) as unknown,
       (select count(*) from entered) as stages_entered
    """


def _told(scoring: Scoring) -> str:
    """What was found, with what time alone makes of it: no weights where it does not tell."""
    seconds = scoring.hand_raise_days * behaviour.DAY
    until = f"case when hand_raise then raised_last + make_interval(secs => {seconds!r}) end"
    later = "select from lead_profile p where p.lead_id = compared.lead_id and p.valid_from > compared.as_of"
    told = f"profiles.folded and not exists ({later} offset 0)"
    return f"""
     select compared.*, compared.as_of as scored_at, {until} as raised_until,
       case when {told} then {fading.weights(scoring)} end as weights
     from compared join pg_temp.weighed using (lead_id)
     join (select lead_id, folded from pg_temp.profiles) profiles using (lead_id)
    """


def _compared(scoring: Scoring, alias: str) -> str:
    return ", ".join([*(f"{alias}.{name}" for name in _CHANGES), _asking(scoring, alias)])


def _asking(scoring: Scoring, alias: str) -> str:
    """Which of the rules that ask about the account gave points: what it comes to fades like all else."""
    asking = [
        rule.id
        for model in scoring.models
        for rule in model.rules
        if rule.when is not None and rule.when.columns & ROLLUP.keys()
    ]
    if not asking:
        return "true"
    listed = ", ".join(_text(id) for id in dict.fromkeys(asking))
    return (
        f"array(select key from jsonb_object_keys({alias}.contributions) as key"
        f" where key in ({listed}) order by key)"
    )


def _entries(scoring: Scoring) -> str:
    """The stages that the scored leads have entered by now: everyone is an inquiry since it was created."""
    reasons = [
        (f"model = {_text(name)} and reached = {_text(rule.name)}", _text(rule.because))
        for name, model in zip(model_names(scoring), scoring.models, strict=True)
        for rule in model.stages
    ]
    reasons += [(f"disqualified = {_text(rule.id)}", _text(rule.because)) for rule in scoring.disqualifiers]
    first = f"'{FIRST_STAGE}'"
    return f"""
     select lead_id, {first} as stage, cycle, coalesce(cycle_since, least(created_at, as_of)) as entered_at,
       case when cycle = 1 then 'Came in' else 'Came back' end as because
     from found
     union all
     select lead_id, stage, cycle, entered_at, {first_true(reasons, "reached")} from found
     where stage = reached and reached <> {first}
    """


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(**{name: getattr(one, name) + getattr(other, name) for name in Counts.__dataclass_fields__})


def _text(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)
