"""Leads as they were when they were decided, taken out of the ledger into DuckDB: what a what-if replays.

A lead comes once: at its first live decision of the span, else its first shadow one, else its first score. What
it scored before, its cycle and a person's override are those stored with that score.
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
from clearlane.score.behaviour import activity_types
from clearlane.score.statement import activity_attributes_used, attributes_used

OUTCOMES: Final = ("accepted", "sql", "opportunity", "won")
"""What sales hopes for, from first to last: who got to one got to those before it."""
OWNERS: Final = ("account", "opportunity", "contact")
_ROUTING: Final = (
    "language", "suppressed", "do_not_contact", "account_source", "contact_source", "opportunity_source",
    *(f"{noun}_owner" for noun in OWNERS),
)  # fmt: skip
"""Attributes that routing reads itself."""

_ASKED = """
create temporary table asked on commit drop as
with decided as (
    select distinct on (lead_id) lead_id, as_of, score_id, true as routed from decision
    where as_of > :since and as_of <= :until order by lead_id, mode <> 'live', decision_seq
), scored as (
    select distinct on (lead_id) lead_id, as_of, score_id, false as routed from score s
    where as_of > :since and as_of <= :until and not exists (select from decided d where d.lead_id = s.lead_id)
    order by lead_id, as_of, score_id
)
select * from decided union all select * from scored
"""
_LEADS = """
select a.lead_id, l.source || ':' || l.external_id as reference, l.source, l.created_at, a.as_of, a.routed,
       l.company_key, p.account_id, s.score as stored, s.policy_hash,
       case when s.as_of < a.as_of then s.band else s.band_before end as band_before,
       case when s.as_of = a.as_of or s.band = s.band_before then s.band_before_since else s.as_of end as band_since,
       case when s.as_of < a.as_of then s.stage else s.stage_before end as stage_before,
       s.cycle_since, o.score as override_score, o.band as override_band,
       (select min(ended_at) from assignment e
        where e.lead_id = a.lead_id and e.started_at >= a.as_of and e.ended_because <> 'routed anew') as ended_at,
       (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(p.attributes)
        where key = any(%(attributes)s)) as attributes
from asked a join lead l using (lead_id) join score s using (score_id) join lead_profile p using (profile_id)
left join score_override o using (override_id)
"""
_ACTIVITIES = """
select a.lead_id, v.type, v.occurred_at,
       (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(v.attributes)
        where key = any(%(activity_attributes)s)) as attributes
from asked a join lead m on m.survivor_id = a.lead_id join activity v on v.lead_id = m.lead_id
where v.occurred_at < a.as_of and v.type = any(%(types)s)
"""
_OUTCOMES = """
select a.lead_id, o.kind, o.occurred_at
from asked a join lead l using (lead_id) join lead m on m.survivor_id = l.survivor_id
join outcome o on o.lead_id = m.lead_id
where o.occurred_at > least(a.as_of, coalesce(
    (select max(d.as_of) from decision d where d.lead_id = a.lead_id and d.as_of < a.as_of), l.created_at))
"""
"""What became of the lead since it came, or since it was decided before: a run may be later than both."""
_USERS = "select source, external_id, name, email, active from owner order by 1, 2"
_KNOWN_UNTIL = "select max(as_of) from batch"

_TABLES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "lead": (
        _LEADS,
        {
            "lead_id": "varchar", "reference": "varchar", "source": "varchar", "created_at": "timestamptz",
            "as_of": "timestamptz", "routed": "boolean", "company_key": "varchar", "account_id": "varchar",
            "stored": "integer", "policy_hash": "varchar", "band_before": "varchar", "band_since": "timestamptz",
            "stage_before": "varchar", "cycle_since": "timestamptz", "override_score": "integer",
            "override_band": "varchar", "ended_at": "timestamptz", "attributes": "varchar",
        },
    ),
    "activities": (
        _ACTIVITIES,
        {"lead_id": "varchar", "type": "varchar", "occurred_at": "timestamptz", "attributes": "varchar"},
    ),
    "outcome": (_OUTCOMES, {"lead_id": "varchar", "kind": "varchar", "occurred_at": "timestamptz"}),
}  # fmt: skip


def take(
    connection: Connection,
    desk: duckdb.DuckDBPyConnection,
    folder: Path,
    policies: Iterable[Policy],
    since: datetime,
    until: datetime,
) -> None:
    """Make `lead`, `activities` and `outcome` on the desk, of runs that ended after `since` and by `until`.

    Of attributes only what the policies read leaves the ledger. `folder` holds the rows on their way.
    """
    bound = {"since": since, "until": until}
    connection.execute(sa.text("drop table if exists pg_temp.asked"))
    connection.execute(sa.text(_ASKED), bound)
    connection.execute(sa.text("analyze asked"))
    values = _read_by(tuple(policies))
    for table, (select, columns) in _TABLES.items():
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
