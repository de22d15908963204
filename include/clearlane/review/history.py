"""Leads as they were when they were decided, taken out of the ledger into DuckDB: what a what-if replays.

A lead comes once: at its first live decision of the span, else its first shadow one, else its first score. What
it scored before and a person's override are those stored with that score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import copy_out
from clearlane.policy.model import Policy
from clearlane.route import matching
from clearlane.route.owners import User
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score.behaviour import activity_types, reads_account
from clearlane.score.statement import activity_attributes_used, attributes_used

OUTCOMES: Final = ("accepted", "sql", "opportunity", "won")
"""What sales hopes for, from first to last: who got to one got to those before it."""
OWNERS: Final = ("account", "opportunity", "contact")
_ROUTING: Final = (
    "language", "zone", "suppressed", "do_not_contact", "account_source", "contact_source", "opportunity_source",
    "parent_account_owner", "parent_account_owners",
    *(f"{noun}_owner" for noun in OWNERS),
)  # fmt: skip
"""Attributes that routing reads itself."""

ALL: Final = """
with decided as (
    select distinct on (lead_id) lead_id, as_of, score_id, batch_id, true as routed,
           case when mode = 'live' and place = 'owned' then decision_seq end as given_seq from decision
    where as_of > :since and as_of <= :until order by lead_id, mode <> 'live', decision_seq
), scored as (
    select distinct on (lead_id) lead_id, as_of, score_id, batch_id, false as routed, cast(null as bigint) as given_seq
    from score s
    where as_of > :since and as_of <= :until and not exists (select from decided d where d.lead_id = s.lead_id)
    order by lead_id, as_of, score_id
)
select * from decided union all select * from scored
"""
"""Each lead once, at what is meant by `take`."""
FIRST: Final = """
select distinct on (lead_id) d.lead_id, d.as_of, d.score_id, d.batch_id, true as routed, d.decision_seq as given_seq
from decision d
where d.mode = 'live' and d.as_of > :since and d.as_of <= :until and not exists (
    select from decision e where e.lead_id = d.lead_id and e.mode = 'live' and e.decision_seq < d.decision_seq)
order by d.lead_id, d.decision_seq
"""
"""Each lead at the first live decision there ever was of it."""
_ASKED = """
create temporary table asked on commit drop as
select a.*, s.profile_id, p.account_id, coalesce(s.members, array[a.lead_id]) as members,
       greatest(s.known_seq, coalesce(b.known_seq, 0)) as known_seq
from ({moments}) a
join score s using (score_id) join lead_profile p on p.profile_id = s.profile_id
left join batch b on b.batch_id = a.batch_id
"""
_PERSONS = """
create temporary table person on commit drop as
select cast(lead_id as text) as key, lead_id, as_of, account_id, profile_id, members, known_seq, true as own from asked
"""
_COLLEAGUES = """
insert into person
select mate.lead_id || '@' || date_part('epoch', firm.as_of), mate.lead_id, firm.as_of, firm.account_id,
       p.profile_id, (select array_agg(m.lead_id) from lead m where m.survivor_id = mate.lead_id), firm.known_seq, false
from (
    select account_id, as_of, max(known_seq) as known_seq from asked where account_id is not null group by 1, 2
) firm
join lateral (select distinct lead_id from lead_profile where account_id = firm.account_id) known on true
join lead mate on mate.lead_id = known.lead_id and mate.survivor_id = mate.lead_id
join lateral (
    select profile_id, account_id from lead_profile
    where lead_id = mate.lead_id and valid_from <= firm.as_of order by valid_from desc, profile_id desc limit 1
) p on p.account_id = firm.account_id
where not exists (select from asked a where a.lead_id = mate.lead_id and a.as_of = firm.as_of)
"""
"""The other people of an account at the moment of each lead: what they do counts where a rule asks for it."""

_READ = """(select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each({}.attributes)
        where key = any(%({})s)) as attributes"""
_LEADS = """
select a.lead_id, l.source || ':' || l.external_id as reference, l.created_at, a.as_of, a.routed, l.company_key,
       not exists (
           select from decision x where x.lead_id = a.lead_id and x.mode <> 'shadow' and x.as_of < a.as_of
       ) as undecided,
       s.score as stored, case when s.as_of < a.as_of then s.band else s.band_before end as band_before,
       case when s.as_of = a.as_of or s.band = s.band_before then s.band_before_since else s.as_of end as band_since,
       case when s.as_of < a.as_of and s.disqualified is null then s.stage else s.stage_before end as stage_before,
       o.score as override_score, o.band as override_band,
       g.team as given_team, g.rep_id as given_rep, g.tier as given_tier, g.sla_due as given_due,
       (select min(ended_at) from assignment e
        where e.lead_id = a.lead_id and e.started_at >= a.as_of and e.ended_because <> 'routed anew') as ended_at
from asked a join lead l using (lead_id) join score s using (score_id)
left join score_override o using (override_id) left join decision g on g.decision_seq = a.given_seq
"""
_PROFILES = f"""
select a.key as lead_id, a.as_of, l.source, a.account_id, a.own, {_READ.format("p", "attributes")}
from person a join lead l using (lead_id) join lead_profile p using (profile_id)
"""
_ACTIVITIES = f"""
select a.key as lead_id, v.type, v.occurred_at, {_READ.format("v", "activity_attributes")}
from person a cross join unnest(a.members) as m(record_id) join activity v on v.lead_id = m.record_id
where v.occurred_at < a.as_of and v.type = any(%(types)s) and v.known_seq <= a.known_seq
"""
_OUTCOMES = """
select a.key as lead_id, o.kind, lower(o.reason) as reason, o.occurred_at, true as before
from person a cross join unnest(a.members) as m(record_id) join outcome o on o.lead_id = m.record_id
where o.occurred_at < a.as_of and o.kind = any(%(recycling)s)
union all
select a.key, o.kind, lower(o.reason), o.occurred_at, false
from person a join lead l using (lead_id)
cross join lateral (select lead_id from lead where survivor_id = l.survivor_id offset 0) m
cross join lateral (select kind, reason, occurred_at from outcome where lead_id = m.lead_id offset 0) o
cross join lateral (
    select coalesce(max(d.as_of), l.created_at) as at from decision d where d.lead_id = a.lead_id and d.as_of < a.as_of
) came
where a.own and o.occurred_at > least(a.as_of, came.at)
"""
"""`before`: of an earlier cycle. Else since the lead came, or was decided before: a run may be later than both."""
_USERS = "select source, external_id, name, email, active from owner order by 1, 2"
_KNOWN_UNTIL = "select max(as_of) from batch"

_TABLES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "lead": (
        _LEADS,
        {
            "lead_id": "varchar", "reference": "varchar", "created_at": "timestamptz", "as_of": "timestamptz",
            "routed": "boolean", "company_key": "varchar", "undecided": "boolean", "stored": "integer",
            "band_before": "varchar", "band_since": "timestamptz", "stage_before": "varchar",
            "override_score": "integer",
            "override_band": "varchar", "given_team": "varchar", "given_rep": "varchar", "given_tier": "varchar",
            "given_due": "timestamptz", "ended_at": "timestamptz",
        },
    ),
    "known": (
        _PROFILES,
        {
            "lead_id": "varchar", "as_of": "timestamptz", "source": "varchar", "account_id": "varchar",
            "own": "boolean", "attributes": "varchar",
        },
    ),
    "activities": (
        _ACTIVITIES,
        {"lead_id": "varchar", "type": "varchar", "occurred_at": "timestamptz", "attributes": "varchar"},
    ),
    "outcome": (
        _OUTCOMES,
        {
            "lead_id": "varchar", "kind": "varchar", "reason": "varchar", "occurred_at": "timestamptz",
            "before": "boolean",
        },
    ),
}  # fmt: skip


MEMORY_LIMIT: Final = "2GB"
"""DuckDB goes to disk beyond this. Scoring needs some 0.7 GB whatever the leads: the many sums of one statement, each
with hash tables of its own (measured: ten times the leads, a sixth more)."""


def desk(folder: Path) -> duckdb.DuckDBPyConnection:
    """An empty desk whose rows lie in the folder."""
    made = duckdb.connect(folder / "desk.duckdb")
    made.execute("set TimeZone = 'UTC'")
    made.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    return made


def take(
    connection: Connection,
    desk: duckdb.DuckDBPyConnection,
    folder: Path,
    policies: Iterable[Policy],
    since: datetime,
    until: datetime,
    *,
    moments: str = ALL,
    attributes: Iterable[str] = (),
    types: Iterable[str] = (),
) -> None:
    """Make `lead`, `known`, `activities` and `outcome` on the desk, of runs that ended after `since` and by `until`.

    `known` is what was known of each lead and, where a rule asks, of its account's other people (not `own`). Of
    attributes and types of activity only what the policies read leaves the ledger, and those that are named.
    `moments` says which leads and when: ALL or FIRST; the relation `asked` of the transaction holds them until it
    ends. `folder` holds the rows on their way.
    """
    policies = tuple(policies)
    for table in ("asked", "person"):
        connection.execute(sa.text(f"drop table if exists pg_temp.{table}"))
    connection.execute(sa.text(_ASKED.format(moments=moments)), {"since": since, "until": until})
    connection.execute(sa.text(_PERSONS))
    if any(reads_account(policy.scoring) for policy in policies):
        connection.execute(sa.text(_COLLEAGUES))
    connection.execute(sa.text("analyze asked, person"))
    values = _read_by(policies)
    values["attributes"] = sorted({*values["attributes"], *attributes})
    values["types"] = sorted({*values["types"], *types})
    for table, (select, columns) in _TABLES.items():
        bring(connection, desk, folder, table, select, values, columns)


def bring(
    connection: Connection,
    desk: duckdb.DuckDBPyConnection,
    folder: Path,
    table: str,
    select: str,
    values: Mapping[str, Any],
    columns: Mapping[str, str],
) -> None:
    """Make a table on the desk of the rows of a select on the ledger; `columns`: name -> type, in its order."""
    path = folder / f"{table}.csv"
    copy_out(connection, select, values, path)
    _load(desk, table, path, columns)
    path.unlink()


def users(connection: Connection) -> tuple[User, ...]:
    """The users of the source systems."""
    return tuple(User(*row) for row in connection.execute(sa.text(_USERS)))


def known_until(connection: Connection) -> datetime | None:
    """The moment of the newest run: outcomes are known until then."""
    moment: datetime | None = connection.execute(sa.text(_KNOWN_UNTIL)).scalar()
    return moment


def _read_by(policies: tuple[Policy, ...]) -> dict[str, Any]:
    routed = {name for policy in policies for name, _ in matching.attributes(policy.routing)}
    scored = {name for policy in policies for name in attributes_used(policy.scoring)}
    return {
        "attributes": sorted({*routed, *scored, *_ROUTING}),
        "activity_attributes": sorted({n for p in policies for n in activity_attributes_used(p.scoring)}),
        "recycling": sorted({kind for policy in policies for kind in policy.scoring.recycling.outcomes}),
        "types": sorted({kind for policy in policies for kind in activity_types(policy.scoring)}),
    }


def _load(desk: duckdb.DuckDBPyConnection, table: str, path: Path, columns: Mapping[str, str]) -> None:
    typed = ", ".join(f"'{name}': '{type_}'" for name, type_ in columns.items())
    file = text_literal(str(path), Dialect.DUCKDB)
    desk.execute(
        f"create table {table} as select * from read_csv({file}, auto_detect = false, header = true,"
        f" delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false,"
        f" max_line_size = 16777216, columns = {{{typed}}})"
    )
