"""Stored scores computed again from what each was made of: profile, memory, override, records, known activities.

Only reads. An activity that its source corrected later counts as it was known then: the inbox keeps every version;
one that moved to another record since counts where it was by the addresses of then.
What the other people of the account came to is computed from them as known then, merged as they are now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity.records import ACTIVITY
from clearlane.policy.model import Scoring
from clearlane.rules import Dialect
from clearlane.score import behaviour, chances, persons
from clearlane.score.additive import Additive
from clearlane.score.statement import GROUPS, statement

RESULTS: Final = (
    "model", "score", "total", *GROUPS, "band", "grade", "stage", "disqualified", "hand_raise", "contributions",
    "activities", "account", *chances.COLUMNS,
)  # fmt: skip
"""The columns of the table `score` that are computed."""

_ASKED = """
select s.*, w.before, coalesce(s.members, array[s.lead_id]) as records, cast(s.score_id as text) as key,
       l.source, p.kind, p.account_id, p.attributes
from unnest(cast(:scores as bigint[]), cast(:numbers as bigint[])) as w (score_id, before)
join score s using (score_id) join lead l using (lead_id) join lead_profile p using (profile_id)
"""
_OWN = """
select key as lead_id, as_of, kind, source, key || ':' || account_id as account_id, attributes,
       band_before, band_before_since as band_since, stage_before, a.cycle_since, {quiet_until} as quiet_until,
       cast(o.score as double precision) as override_score, o.band as override_band, true as own
from asked a left join score_override o using (override_id)
left join lateral (
    select lower(o.reason) as reason from outcome o
    where o.lead_id = any(a.records) and {recycles} and o.occurred_at = a.cycle_since
    order by o.outcome_id limit 1
) again on true
"""
_COLLEAGUES = """
select a.key || ':' || l.lead_id, a.as_of, p.kind, l.source, a.key || ':' || p.account_id, p.attributes,
       null, null, null, (
           select max(o.occurred_at) from outcome o join lead m using (lead_id)
           where m.survivor_id = l.lead_id and {recycles} and o.occurred_at < a.as_of
       ), null, null, null, false
from asked a
join lead l on l.survivor_id = l.lead_id and l.lead_id <> all(a.records)
    and l.lead_id in (select lead_id from lead_profile where account_id = a.account_id)
cross join lateral (
    select * from lead_profile
    where lead_id = l.lead_id and valid_from <= a.as_of and begun_seq < a.before
    order by valid_from desc, profile_id desc limit 1
) p
where p.account_id = a.account_id
"""
_RECORDS = """
select key, record_id, as_of, known_seq from asked cross join lateral unnest(records) as record_id
union all
select p.lead_id, l.lead_id, p.as_of, a.known_seq
from profiles p join asked a on a.key = split_part(p.lead_id, ':', 1)
join lead l on l.survivor_id = cast(split_part(p.lead_id, ':', 2) as uuid)
where not p.own
"""
_DONE = f"""
select o.key as lead_id, v.type, v.occurred_at, v.attributes
from record o join activity x on x.lead_id = o.record_id
cross join lateral (
    select x.type, x.occurred_at, x.attributes where x.known_seq <= o.known_seq
    union all
    (select {", ".join(ACTIVITY.values())}
     from inbox now join inbox i using (source, object, external_id) join batch b on b.batch_id = i.batch_id
     where now.seq = x.seq and x.known_seq > o.known_seq and i.seq <> now.seq and i.state = 'consumed'
       and b.known_seq <= o.known_seq
     order by i.source_time desc nulls last, i.record_key desc limit 1)
) v (type, occurred_at, attributes)
where v.occurred_at < o.as_of
"""

# An event that names an address alone was with the oldest record that had it, of those known then.
_ADDRESS = "coalesce(r.keys ->> 'email', r.keys ->> 'role_email')"
_MOVED = f"""
select distinct on (o.key, x.activity_id) o.key, x.type, x.occurred_at, x.attributes
from record o join lead_revision r on r.lead_id = o.record_id
join activity x on x.email = {_ADDRESS} and x.lead_external_id is null and x.contact_external_id is null
    and x.known_seq > o.known_seq and x.occurred_at < o.as_of
join inbox i on i.seq = x.seq join batch b on b.batch_id = i.batch_id and b.known_seq <= o.known_seq
cross join lateral (
    select l.lead_id from lead_key k join lead l using (lead_id)
    where k.kind in ('email', 'role_email') and k.value = x.email and exists (
        select from lead_revision r join inbox j using (seq) join batch c on c.batch_id = j.batch_id
        where r.lead_id = l.lead_id and {_ADDRESS} = x.email and c.known_seq <= o.known_seq)
    order by l.created_at, l.source collate "C", l.external_id collate "C" limit 1
) home
where home.lead_id = o.record_id
"""


def scored_again(
    connection: Connection, scoring: Scoring, scores: Mapping[int, int]
) -> Mapping[int, Mapping[str, Any]]:
    """Score id -> the columns of RESULTS, as this model computes them from what those stored scores name.

    `scores`: score id -> number of the decision that was made on it; of others is known what was known to that.
    """
    connection.execute(sa.text("set local jit = off"))
    bound = {"scores": list(scores), "numbers": list(scores.values())}
    query = _query(scoring, chances.in_force(connection, scoring))
    rows = connection.execute(sa.text(query), bound).mappings()
    return {int(row["lead_id"]): {name: row[name] for name in RESULTS} for row in rows}


def _query(scoring: Scoring, chance: Additive | None) -> str:
    recycles = persons.recycles(scoring.recycling, "o")
    quiet_until = f"a.cycle_since + {persons.rest(scoring.recycling)}"
    persons_of = _OWN.format(quiet_until=quiet_until, recycles=recycles)
    if behaviour.reads_account(scoring):
        persons_of += f" union all {_COLLEAGUES.format(recycles=recycles)}"
    special = {
        "contributions": "cast(contributions as jsonb)", "account": "cast(account as jsonb)", "activities": "counted",
    }  # fmt: skip
    scored = [name for name in RESULTS if name not in chances.COLUMNS]
    columns = ", ".join(f"{special[name]} as {name}" if name in special else name for name in scored)
    return f"""
     with asked as materialized ({_ASKED}), profiles as materialized ({persons_of}),
     record as ({_RECORDS}), activities as materialized ({_DONE} union all ({_MOVED})),
     scored as materialized (select lead_id, {columns} from ({statement(scoring, Dialect.POSTGRES)}) as again)
     select * from scored left join ({chances.told(chance, scoring, "scored", "profiles")}) as chance using (lead_id)
    """
