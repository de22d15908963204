"""What persons are scored from, in temporary tables: profile, memory, cycle, override, records and activities.

The tables end with the transaction. `chunk` (lead_id, own) names the persons, colleagues who only add up to an
account being not `own`; `member` (lead_id, record_id) their records; `profiles` and `activities` are what
`statement` reads. The planner knows them: guesses about a ledger just filled are quadratic.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Recycling, Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score import behaviour, overrides, signals, standing
from clearlane.score.signals import Counting, temporary
from clearlane.score.statement import MEMORY, events, statement
from clearlane.score.units import NO_MOMENT, first_true

_COLUMNS = {
    "lead_id": "uuid", "profile_id": "bigint", "as_of": "timestamptz", "kind": "text", "source": "text",
    "account_id": "uuid", "attributes": "jsonb", "created_at": "timestamptz", **MEMORY, "cycle": "integer",
    "override_id": "bigint", "members": "uuid[]", "folded": "boolean",
}  # fmt: skip
"""Of `profiles`; `folded`: its signals say what it did before as_of."""
_TABLES = {
    "member": "lead_id uuid, record_id uuid",
    "held": (
        "lead_id uuid, counting_id integer, bucket bigint, n integer, value double precision,"
        " first_at timestamptz, last_at timestamptz"
    ),
    "profiles": ", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items()),
    "activities": "lead_id uuid, type text, occurred_at timestamptz, attributes jsonb",
}

EVERYTHING = 2**62
"""a number of identity runs beyond all"""
PROFILE = """
 select profile_id, kind, account_id, attributes from lead_profile
 where lead_id = l.lead_id and valid_from <= :as_of order by valid_from desc, profile_id desc limit 1
"""
_COLLEAGUES = f"""
 insert into pg_temp.chunk
 select distinct mate.lead_id, false
 from (select distinct p.account_id from pg_temp.chunk l cross join lateral ({PROFILE}) p) account
 join lead_profile known on known.account_id = account.account_id
 join lead mate on mate.lead_id = known.lead_id and mate.survivor_id = mate.lead_id
 where not exists (select from pg_temp.chunk c where c.lead_id = mate.lead_id)
"""
_MEMBERS = """
 insert into pg_temp.member
 select c.lead_id, l.lead_id
 from pg_temp.chunk c cross join lateral (select lead_id from lead where survivor_id = c.lead_id offset 0) l
"""
_ACTIVITIES = """
 insert into pg_temp.activities
 select p.lead_id, a.type, a.occurred_at, a.attributes
 from pg_temp.profiles p join pg_temp.member m using (lead_id) join activity a on a.lead_id = m.record_id
 where not p.folded and a.occurred_at < p.as_of and a.known_seq <= :known_seq and a.type = any(:types)
"""
# Each record is looked up: what a run reads must follow its leads, whatever the planner guesses.
_HELD = """
 insert into pg_temp.held
 select m.lead_id, s.counting_id, s.bucket, s.n, s.value, s.first_at, s.last_at
 from pg_temp.member m cross join lateral (
   select * from signal where lead_id = m.record_id and counting_id = any(:countings) offset 0
 ) s
"""
_ALL_BEFORE = "l.lead_id not in (select lead_id from pg_temp.held where last_at >= :as_of)"
FOLDED = """
 (select h.*, date_part('epoch', p.as_of) as now
  from pg_temp.held h join pg_temp.profiles p using (lead_id) where p.folded)
"""
"""the signals of the persons whom they tell of"""


def gather(connection: Connection, scoring: Scoring, chunk: str, as_of: datetime, **bound: Any) -> None:
    """Make `chunk` from a select of lead ids with its bound values, and `member`; what they lack stays unknown."""
    temporary(connection, "chunk", "lead_id uuid, own boolean")
    add = f"insert into pg_temp.chunk select l.lead_id, true from ({chunk}) l"
    connection.execute(sa.text(add), {"as_of": as_of, **bound} if ":as_of" in chunk else bound)
    if behaviour.reads_account(scoring):
        connection.execute(sa.text(_COLLEAGUES), {"as_of": as_of})
    _fill(connection, "member", _MEMBERS, {})


def describe(
    connection: Connection,
    scoring: Scoring,
    as_of: datetime,
    *,
    known_seq: int = EVERYTHING,
    numbers: Mapping[Counting, int] | None = None,
) -> str:
    """Fill `profiles` and `activities` of the chunk's persons as of a moment; the statement that scores them.

    `numbers` of the model's countings, folded before; None: all is counted from activities. Those of a greater
    `known_seq` are not known.
    """
    if numbers is not None:
        _fill(connection, "held", _HELD, {"countings": list(numbers.values())})
    folded = "false" if numbers is None else f"coalesce(again.cycles, 0) = 0 and {_ALL_BEFORE}"
    _fill(connection, "profiles", _profiles(scoring, folded), {"as_of": as_of})
    types = list(behaviour.activity_types(scoring))
    done = _fill(connection, "activities", _ACTIVITIES, {"known_seq": known_seq, "types": types})
    if numbers is None:
        return statement(scoring, Dialect.POSTGRES)
    held = signals.relations(scoring, numbers, FOLDED, also=("raised_last",))
    behaved = _with_counted(connection, scoring, held) if done else held
    return statement(scoring, Dialect.POSTGRES, behaviour=_weighed(connection, scoring, behaved))


def _weighed(connection: Connection, scoring: Scoring, behaved: Mapping[str, str]) -> Mapping[str, str]:
    """The relations read from the table `weighed`: a row per person, with raised_last beside their columns."""
    shape = behaviour.shape(scoring)
    named = [f"{name}.{column}" for name, columns in shape.items() for column in columns[1:]]
    last = "behaviour.raised_last" if shape else f"{NO_MOMENT} as raised_last"
    joins = "".join(f" left join ({select}) {name} using (lead_id)" for name, select in behaved.items())
    connection.execute(sa.text("drop table if exists pg_temp.weighed"))
    create = "create temporary table weighed on commit drop as"
    picked = ", ".join(["lead_id", last, *named])
    connection.execute(sa.text(f"{create} select {picked} from pg_temp.profiles{joins}"))
    connection.execute(sa.text("analyze pg_temp.weighed (lead_id)"))
    return {name: f"select {', '.join(columns)} from pg_temp.weighed" for name, columns in shape.items()}


def _with_counted(connection: Connection, scoring: Scoring, held: Mapping[str, str]) -> Mapping[str, str]:
    """Signals of some persons, and activities of the others."""
    connection.execute(sa.text("drop table if exists pg_temp.event"))
    create = f"create temporary table event on commit drop as {events(scoring, Dialect.POSTGRES)}"
    connection.execute(sa.text(create))
    counted = behaviour.relations(scoring, Dialect.POSTGRES)
    counted["behaviour"] = f"select *, {NO_MOMENT} as raised_last from ({counted['behaviour']}) as counted"
    return {name: f"{select} union all {counted[name]}" for name, select in held.items()}


def _fill(connection: Connection, table: str, insert: str, bound: Mapping[str, Any]) -> int:
    """Rows put into a new temporary table."""
    temporary(connection, table, _TABLES[table])
    done = connection.execute(sa.text(insert), bound).rowcount
    connection.execute(sa.text(f"analyze pg_temp.{table} (lead_id)"))
    return done


# --- one row per person -----------------------------------------------------------------------------


def _profiles(scoring: Scoring, folded: str) -> str:
    """Band and stage before :as_of, the cycle and the override in force then, beside the profile."""
    values = {
        "lead_id": "l.lead_id", "profile_id": "p.profile_id", "as_of": "cast(:as_of as timestamptz)",
        "kind": "p.kind", "source": "l.source", "account_id": "p.account_id", "attributes": "p.attributes",
        "created_at": "l.created_at", "band_before": "before.band",
        "band_since": "case when before.band = before.band_before then before.band_before_since else before.as_of end",
        "stage_before": "entry.stage", "cycle_since": "again.since",
        "quiet_until": f"again.since + {rest(scoring.recycling)}", "override_score": "said.score",
        "override_band": "said.band", "own": "c.own", "cycle": "1 + coalesce(again.cycles, 0)",
        "override_id": "said.override_id", "members": "record.ids", "folded": folded,
    }  # fmt: skip
    said = overrides.in_force("pg_temp.chunk")
    return f"""
     insert into pg_temp.profiles ({", ".join(values)})
     select {", ".join(f"{value} as {name}" for name, value in values.items())}
     from pg_temp.chunk c cross join lateral (select * from lead where lead_id = c.lead_id offset 0) l
     join lateral ({PROFILE}) p on true
     left join ({_CYCLES.format(recycles=recycles(scoring.recycling, "o"))}) again on again.lead_id = l.lead_id
     left join lateral (
       select band, band_before, band_before_since, as_of from score
       where lead_id = l.lead_id and as_of < :as_of order by as_of desc, score_id desc limit 1
     ) before on true
     left join lateral (
       select stage from stage_entry
       where lead_id = l.lead_id and entered_at < :as_of and cycle = 1 + coalesce(again.cycles, 0)
       order by {standing.rung(scoring, _text, "stage")} desc, entered_at limit 1
     ) entry on true
     left join (
       select lead_id, array_agg(record_id order by record_id) as ids
       from pg_temp.member group by lead_id having count(*) > 1
     ) record on record.lead_id = l.lead_id
     left join ({said}) said on said.lead_id = l.lead_id
    """


_CYCLES = """
 select m.lead_id, count(*) as cycles, max(o.occurred_at) as since,
   (array_agg(lower(o.reason) order by o.occurred_at desc, o.outcome_id))[1] as reason
 from pg_temp.member m join outcome o on o.lead_id = m.record_id
 where {recycles} and o.occurred_at < :as_of group by m.lead_id
"""


def recycles(recycling: Recycling, alias: str) -> str:
    """Whether an outcome starts a new cycle: one of the policy's kinds, for a reason that has a rest."""
    kinds = ", ".join(map(_text, recycling.outcomes))
    reasons = ", ".join(_text(reason.lower()) for reason in recycling.cooldown)
    if not (kinds and reasons):
        return "false"
    of_kind = f"{alias}.kind in ({kinds})"
    return of_kind if "*" in recycling.cooldown else f"{of_kind} and lower({alias}.reason) in ({reasons})"


def rest(recycling: Recycling) -> str:
    """How long after its end a lead rests, by the reason; null: not at all."""
    named = {reason: span for reason, span in recycling.cooldown.items() if reason != "*"}
    pairs = [(f"again.reason = {_text(reason.lower())}", _interval(span)) for reason, span in named.items()]
    other = recycling.cooldown.get("*")
    return first_true(pairs, "cast(null as interval)" if other is None else _interval(other))


def _interval(span: timedelta) -> str:
    return f"make_interval(secs => {span.total_seconds()!r})"


def _text(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)
