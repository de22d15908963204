"""Signals: what each lead record has done, counted and kept, so that a score costs what is new and not what was.

A counting says which activities count and how they fade; a signal adds them up per record and bucket. Weights
are counted from the start of a span of 32 half-lives, so that a late activity is one more addition and reading
needs one power per span. Points, caps, windows and moments are applied on reading and never kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import refresh_statistics
from clearlane.ledger.doctor import Check, Finding
from clearlane.policy.model import ActivityTerm, Measure, Scoring
from clearlane.rules import Dialect, Predicate
from clearlane.rules.columns import read
from clearlane.rules.sql import quoted
from clearlane.score import behaviour
from clearlane.score.behaviour import DAY
from clearlane.score.units import MILLION, NO_MOMENT, first_true, number

Bucket = Literal["span", "day", "each"]
SPAN = 32
"""half-lives in a span: weights within it stay below 2^32"""
LOCK = "select pg_advisory_xact_lock(hashtext('clearlane.score'))"
"""Whoever folds signals or writes standings holds it until the transaction ends."""


@dataclass(frozen=True)
class Counting:
    """Which activities count, in buckets of what, and how they fade.

    `condition` is SQL over an activity named `event` (type, occurred_at, attributes as jsonb).
    """

    types: tuple[str, ...]
    bucket: Bucket
    condition: str | None = None
    half_life_days: float | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for equal countings, whatever points, caps, windows and policy versions ask for them."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


# --- what a model counts --------------------------------------------------------------------------


def countings(scoring: Scoring) -> Counter[Counting]:
    """What the model and its variants read, and how many of their rules' countings each of them serves."""
    found = [of_term(scoring, counting.term) for counting in behaviour.countings(scoring)]
    found += [of_measure(scoring, measure) for measure in scoring.measures]
    found += [of_hand_raises(scoring)] if scoring.hand_raise_types else []
    return Counter(found)


def of_hand_raises(scoring: Scoring) -> Counting:
    return Counting(tuple(sorted(set(scoring.hand_raise_types))), "each")


def of_term(scoring: Scoring, term: ActivityTerm) -> Counting:
    """First-only rules need the earliest moment, per-day rules one of each day, windowed rules every moment."""
    types, condition = tuple(sorted(set(term.types))), _condition(scoring, term.when)
    if term.counting == "first":
        return Counting(types, "span", condition)
    if term.counting == "per_day":
        return Counting(types, "day", condition)
    if term.at_most is not None:
        return Counting(types, "each", condition)
    return Counting(types, "span", condition, term.half_life_days)


def of_measure(scoring: Scoring, measure: Measure) -> Counting:
    return Counting(tuple(sorted(set(measure.types))), "day", _condition(scoring, measure.when))


def _condition(scoring: Scoring, when: Predicate | None) -> str | None:
    """The predicate with the columns that it reads, so that it means the same under every later policy."""
    if when is None:
        return None
    own = {"type", "occurred_at"}
    columns = [f"event.{name} as {quoted(name, Dialect.POSTGRES)}" for name in sorted(when.columns & own)]
    columns += [
        f"{read(name, scoring.activity_attributes[name], Dialect.POSTGRES, 'event.attributes')}"
        f" as {quoted(name, Dialect.POSTGRES)}"
        for name in sorted(when.columns - own)
    ]
    return f"exists (select from (select {', '.join(columns)}) as seen where {when.sql(Dialect.POSTGRES, 'seen')})"


# --- keeping them -----------------------------------------------------------------------------------

_KNOWN = "select counting_id, fingerprint, condition from counting order by counting_id"
_ADD = """
 insert into counting (fingerprint, types, condition, bucket, half_life_days)
 values (:fingerprint, :types, :condition, :bucket, :half_life_days) returning counting_id
"""
_MEMBER = "lead_id uuid, record_id uuid"
_FRESH = "lead_id uuid, type text, occurred_at timestamptz, attributes jsonb"
# One statement sees one state of the ledger: what it takes is what was known at the number it gives. Each activity
# is looked up, whatever the planner guesses of how many are due.
_TAKE = """
 with cut as (select coalesce(max(known_seq), 0) as known_seq from batch),
 due as (
   delete from signal_due using pg_temp.member where signal_due.lead_id = member.record_id
   returning signal_due.lead_id, signal_due.activity_id
 ),
 counted_anew as (
   insert into pg_temp.anew select distinct lead_id from due where activity_id is null returning lead_id
 ),
 taken as (
   insert into pg_temp.fresh
   select a.* from (select * from due where lead_id not in (select lead_id from counted_anew)) d
   cross join lateral (
     select lead_id, type, occurred_at, attributes from activity
     where activity_id = d.activity_id and lead_id = d.lead_id offset 0
   ) a
   union all
   select a.* from counted_anew n
   cross join lateral (
     select lead_id, type, occurred_at, attributes from activity where lead_id = n.lead_id offset 0
   ) a
 )
 select known_seq from cut
"""
_FORGET = "delete from signal where lead_id in (select lead_id from pg_temp.anew)"
# What is due is folded later, into old and new countings alike.
_FOLDED = """
 select a.lead_id, a.type, a.occurred_at, a.attributes from activity a
 where a.lead_id is not null and a.type = any(:types)
   and not exists (select from signal_due d where d.activity_id = a.activity_id)
"""


def prepare(connection: Connection, scoring: Scoring) -> Mapping[Counting, int]:
    """The numbers of the model's countings; those the ledger lacks are built from all its activities.

    Needs LOCK.
    """
    wanted = {counting.fingerprint: counting for counting in countings(scoring)}
    numbers = {row.fingerprint: row.counting_id for row in connection.execute(sa.text(_KNOWN))}
    missing = [counting for fingerprint, counting in wanted.items() if fingerprint not in numbers]
    added = {counting.fingerprint: _add(connection, counting) for counting in missing}
    if missing:
        types = sorted({kind for counting in missing for kind in counting.types})
        _count(connection, f"({_FOLDED})", list(added.values()), types=types)
        refresh_statistics(connection, "signal")
    return {counting: (numbers | added)[fingerprint] for fingerprint, counting in wanted.items()}


def _add(connection: Connection, counting: Counting) -> int:
    row = {
        "fingerprint": counting.fingerprint, "types": list(counting.types), "condition": counting.condition,
        "bucket": counting.bucket, "half_life_days": counting.half_life_days,
    }  # fmt: skip
    return int(connection.execute(sa.text(_ADD), row).scalar_one())


def forget_unread(connection: Connection, *models: Scoring) -> int:
    """Drop the countings that none of these models reads; how many went. Needs LOCK."""
    read_on = [counting.fingerprint for model in models for counting in countings(model)]
    drop = sa.text("delete from counting where fingerprint <> all(:kept)")
    return connection.execute(drop, {"kept": read_on}).rowcount


def fold(connection: Connection) -> int:
    """Add what is due of the records in `member` to their signals; the number up to which activities are known.

    `member` (lead_id, record_id) is a temporary table; `anew` (lead_id) is left behind with the records that
    were counted anew. Needs LOCK.
    """
    for table, columns in (("fresh", _FRESH), ("anew", "lead_id uuid")):
        temporary(connection, table, columns)
    known_seq = int(connection.execute(sa.text(_TAKE)).scalar_one())
    connection.execute(sa.text(_FORGET))
    _count(connection, "pg_temp.fresh")
    return known_seq


def temporary(connection: Connection, table: str, columns: str) -> None:
    """An empty temporary table of this transaction."""
    connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
    connection.execute(sa.text(f"create temporary table {table} ({columns}) on commit drop"))


def _count(connection: Connection, events: str, only: Sequence[int] | None = None, **bound: Any) -> None:
    """Add the events to the signals of all countings, or of some."""
    counted = _counted(connection, events, only)
    if counted is not None:
        connection.execute(sa.text(_ADDING.format(counted=counted)), bound)


_COLUMNS = "lead_id, counting_id, bucket, n, value, first_at, last_at"
_ADDING = f"""
 insert into signal ({_COLUMNS}) select {_COLUMNS} from ({{counted}}) as counted order by 1, 2, 3
 on conflict (lead_id, counting_id, bucket) do update set n = signal.n + excluded.n,
   value = signal.value + excluded.value, first_at = least(signal.first_at, excluded.first_at),
   last_at = greatest(signal.last_at, excluded.last_at)
"""


def _counted(connection: Connection, events: str, only: Sequence[int] | None = None) -> str | None:
    """A select of the signals that the events come to, in all countings or some; None: there is no counting."""
    known = {row.counting_id: row.condition for row in connection.execute(sa.text(_KNOWN))}
    chosen = [number for number in known if only is None or number in only]
    met = " ".join(f"when {number} then {known[number]}" for number in chosen if known[number] is not None)
    where = f"where case counting_id {met} else true end" if met else ""
    if not chosen:
        return None
    return f"""
     with counted as (
       select counting_id, bucket, half_life_days * {DAY} as half_life, unnest(types) as type
       from counting where counting_id in ({", ".join(map(str, chosen))})
     ),
     placed as (
       select event.lead_id, counting_id, event.occurred_at, half_life,
         date_part('epoch', event.occurred_at) as happened,
         case bucket when 'day' then floor(date_part('epoch', event.occurred_at) / {DAY})
           when 'each' then extract(epoch from event.occurred_at) * 1000000
           else coalesce(floor(date_part('epoch', event.occurred_at) / ({SPAN} * half_life)), 0) end as bucket
       from {events} as event join counted using (type) {where}
     )
     select lead_id, counting_id, cast(bucket as bigint) as bucket, count(*) as n,
       sum(coalesce(power(2, (happened - bucket * {SPAN} * half_life) / half_life), 1)) as value,
       min(occurred_at) as first_at, max(occurred_at) as last_at
     from placed group by 1, 2, cast(placed.bucket as bigint)
    """


# --- asking whether they are right ------------------------------------------------------------------

CHECK = Check(
    "signals_add_up",
    "the signals of the records that did something last are what counting their activities gives",
    "",
)
_SAMPLE = """
 select distinct a.lead_id from (select lead_id from activity order by seq desc limit :sample) a
 where a.lead_id is not null and not exists (select from signal_due d where d.lead_id = a.lead_id)
"""
_DIFFERENT = f"""
 with sample as materialized ({_SAMPLE}),
 counted as ({{counted}}),
 kept as (select * from signal where lead_id in (select lead_id from sample))
 select distinct cast(lead_id as text) as id from counted c full join kept k using (lead_id, counting_id, bucket)
 where (c.n, c.first_at, c.last_at) is distinct from (k.n, k.first_at, k.last_at)
   or abs(c.value - k.value) > 1e-9 * greatest(abs(c.value), 1)
 order by 1
"""
_OF_SAMPLE = "(select * from activity where lead_id in (select lead_id from sample))"


def finding(connection: Connection, sample: int = 1_000, limit: int = 20) -> Finding:
    """What `doctor` says of the records whose activities arrived last: those whose signals a recount contradicts."""
    counted = _counted(connection, _OF_SAMPLE)
    if counted is None:
        return Finding(CHECK, (), 0)
    query = sa.text(_DIFFERENT.format(counted=counted))
    wrong = connection.execute(query, {"sample": sample}).scalars().all()
    return Finding(CHECK, tuple(wrong[:limit]), len(wrong))


# --- reading them -----------------------------------------------------------------------------------


def relations(
    scoring: Scoring, numbers: Mapping[Counting, int], held: str, also: Sequence[str] = ()
) -> dict[str, str]:
    """The relations of `behaviour.shape(scoring)` from signals, each with the columns that it has there.

    `numbers` as of `prepare`. `held` is a relation, or a select in brackets: the signals of all records of each
    person (its lead_id in place of the record's) with `now`, as_of in seconds since 1970. Right for persons in
    their first cycle all of whose counted activities are before as_of. `also` names columns that `behaviour` is to
    have beside its own.
    """
    reading = _Reading(scoring, numbers, held)
    found = {name: columns[1:] for name, columns in behaviour.shape(scoring).items()}
    found |= {name: (*columns, *also) for name, columns in found.items() if name == "behaviour"}
    return {name: reading.relation(name, columns) for name, columns in found.items()}


@dataclass(frozen=True)
class _Reading:
    scoring: Scoring
    numbers: Mapping[Counting, int]
    signals: str

    def relation(self, name: str, columns: Sequence[str]) -> str:
        which, _, place = name.partition("_")
        if which == "bounded":
            return self.bounded(int(place))
        if which == "measured":
            return self.days(int(place))
        known = dict(self.values())
        picked = ", ".join(f"{known[column]} as {column}" for column in columns)
        return f"select lead_id, {picked} from {self.held(self.numbers.values())} group by lead_id"

    def held(self, ids: Iterable[int]) -> str:
        listed = ", ".join(map(str, sorted(set(ids))))
        return f"(select * from {self.signals} as held where counting_id in ({listed})) as held"

    def values(self) -> Iterator[tuple[str, str]]:
        times = [
            (f"counting_id = {self.numbers[counting]}", f"{times} * n")
            for counting, times in countings(self.scoring).items()
        ]
        yield "raised_at", self.raised_at()
        yield "counted", f"cast(sum({first_true(times, '0')}) as bigint)"
        yield "active", "sum(n) > 0"
        yield "counted_at", "max(last_at)"
        yield "raised_last", self.raised_last()
        for k, counting in enumerate(behaviour.countings(self.scoring)):
            if not counting.is_bounded:
                yield behaviour.weight_column(k), self.weight(counting.term)
        for j, measure in enumerate(self.scoring.measures):
            if measure.count != "days":
                yield behaviour.measure_column(j), self.measure(measure)

    def raised_at(self) -> str:
        if not self.scoring.hand_raise_types:
            return NO_MOMENT
        stands = f"{_age('first_at')} <= {number(self.scoring.hand_raise_days * DAY)}"
        return f"min(first_at) filter (where {self.of(of_hand_raises(self.scoring))} and {stands})"

    def raised_last(self) -> str:
        if not self.scoring.hand_raise_types:
            return NO_MOMENT
        return f"max(last_at) filter (where {self.of(of_hand_raises(self.scoring))})"

    def of(self, counting: Counting) -> str:
        return f"counting_id = {self.numbers[counting]}"

    def weight(self, term: ActivityTerm) -> str:
        here = self.of(of_term(self.scoring, term))
        if term.counting == "first":
            age = f"max(case when {here} then {_age('first_at')} end)"
            return f"case when {age} is not null then {behaviour.decay(age, term.half_life_days)} end"
        if term.half_life_days is None:
            return f"cast(sum(case when {here} then n end) as double precision)"
        half_life = number(term.half_life_days * DAY)
        since_start = f"least((now - bucket * {number(SPAN)} * {half_life}) / {half_life}, {number(_FADED)})"
        return f"sum(case when {here} then value * power({number(0.5)}, {since_start}) end)"

    def measure(self, measure: Measure) -> str:
        here = f"{self.of(of_measure(self.scoring, measure))} and {_in_window(measure)}"
        if measure.count == "days_since":
            return f"min({_age('last_at')}) filter (where {here}) / {number(DAY)}"
        return f"cast(sum(n) filter (where {here}) as double precision)"

    def days(self, j: int) -> str:
        measure = self.scoring.measures[j]
        held = self.held([self.numbers[of_measure(self.scoring, measure)]])
        counted = f"cast(count(distinct bucket) as double precision) as {behaviour.measure_column(j)}"
        return f"select lead_id, {counted} from {held} where {_in_window(measure)} group by lead_id"

    def bounded(self, k: int) -> str:
        """Of each day, or of each moment, once for all records of the person; then the first `at_most`."""
        term = behaviour.countings(self.scoring)[k].term
        held = self.held([self.numbers[of_term(self.scoring, term)]])
        n = "1" if term.counting == "per_day" else "sum(n)"
        hit = f"lead_id, bucket, {_age('min(first_at)')} as age, {n} as n"
        hits = f"select {hit} from {held} group by lead_id, bucket, now"
        taken = (
            "n"
            if term.at_most is None
            else f"greatest(0, least(n, {term.at_most:d} - ({_before(term)} - n)))"
        )
        counted = f"select lead_id, age, {taken} as taken from ({hits}) as hit"
        weight = f"sum(taken * {behaviour.decay('age', term.half_life_days)}) as {behaviour.weight_column(k)}"
        return f"select lead_id, {weight} from ({counted}) as hit group by lead_id"


_FADED = 128.0  # half-lives; what a full span weighs then is less than anything that counts


def _age(moment: str) -> str:
    return f"(now - date_part('epoch', {moment}))"


def _in_window(measure: Measure) -> str:
    return "true" if measure.within_days is None else f"bucket >= ceil(now / {DAY}) - {measure.within_days:d}"


def _before(term: ActivityTerm) -> str:
    """How many of its window have come by the end of a bucket."""
    width = (
        0
        if term.window_days is None
        else term.window_days * (1 if term.counting == "per_day" else DAY * MILLION)
    )
    window = f", floor(cast(bucket as numeric) / {width})" if width else ""
    return f"sum(n) over (partition by lead_id{window} order by bucket)"
