"""What bringing records together changed, kept row by row, and taken back when they are several persons again.

Where nothing was decided since, every row is again as it was. Else what was decided stays with the record that it was
decided for: an owner whom a record got meanwhile keeps it, and what is given back is written anew, for decisions
since have read the rows as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger.gone import gone
from clearlane.ledger.models import LAST_DECISION
from clearlane.route.fairness import as_decimal, as_units, step

_KEYS: Final[Mapping[str, str]] = {
    "assignment": "assignment_id",
    "place": "lead_id",
    "sla_clock": "clock_id",
    "sla_event": "event_id",
    "mail": "mail_id",
    "link_use": "token_hash",
    "routing_event": "event_id",
    "outbox": "outbox_id",
}
_OF_RECORDS: Final = " union all ".join(
    f"select '{relation}' as relation, cast({key} as text) as key, lead_id, to_jsonb(t) as row"
    f" from {relation} t where lead_id = any(cast(:records as uuid[]))"
    for relation, key in _KEYS.items()
)
_IMAGES: Final = f"""{_OF_RECORDS}
union all
select 'turn', t.decision_seq || ' ' || t.rep_id, d.lead_id, to_jsonb(t)
from turn t join decision d on d.decision_seq = t.returned_seq where d.lead_id = any(cast(:records as uuid[]))
"""
_WATCH: Final = f"create temporary table image on commit drop as {_IMAGES}"
# Of a place the whole row, for identity changes it as well; of all else no more than what changed.
_KEEP: Final = f"""
with changed as (
    select n.relation, n.key, n.lead_id, b.row as was, n.row as now
    from ({_IMAGES}) n left join image b using (relation, key) where b.row is distinct from n.row
), joined as (
    insert into joining (members, joined_at, seq)
    select array_agg(m.lead_id order by m.lead_id), :as_of, {LAST_DECISION}
    from lead m where m.survivor_id in (select l.survivor_id from changed join lead l using (lead_id))
    group by m.survivor_id
    returning joining_id, members
)
insert into joining_effect (joining_id, relation, key, before, after)
select j.joining_id, c.relation, c.key, d.before, coalesce(d.after, '{{}}')
from changed c join joined j on c.lead_id = any(j.members)
cross join lateral (
    select jsonb_object_agg(key, c.was -> key) as before, jsonb_object_agg(key, c.now -> key) as after
    from jsonb_object_keys(c.was) key where c.relation = 'place' or c.was -> key is distinct from c.now -> key
) d
"""


def watch(connection: Connection, records: Sequence[UUID]) -> None:
    """Remember until `keep` how the rows of these records are."""
    connection.exec_driver_sql("drop table if exists pg_temp.image")
    connection.execute(sa.text(_WATCH), {"records": list(records)})
    connection.exec_driver_sql("analyze image")


def keep(connection: Connection, records: Sequence[UUID], as_of: datetime) -> None:
    """Write down what changed of the records' rows since `watch`: a joining for each person."""
    connection.execute(sa.text(_KEEP), {"records": list(records), "as_of": as_of})


# --- taken back -------------------------------------------------------------------------------------

_BROKEN: Final = """
select joining_id, members, joined_at, exists (select from decision d where d.decision_seq > j.seq) as decided
from joining j
where undone_at is null and members && cast(:leads as uuid[])
  and (select count(distinct survivor_id) from lead where lead_id = any(j.members)) > 1
order by joining_id desc
"""
_DONE: Final = "update joining set undone_at = :at where joining_id = :joining"


def take_back(connection: Connection, leads: Sequence[UUID], at: datetime) -> set[UUID]:
    """Undo what was joined of these leads and is one person no more, the newest first; whom it concerned.

    Needs the routing lock. What is still one person has to be joined anew.
    """
    concerned: set[UUID] = set()
    for broken in connection.execute(sa.text(_BROKEN), {"leads": list(leads)}).mappings().all():
        _undo(connection, broken, at)
        concerned.update(broken["members"])
    for statement in _SETTLED if concerned else ():
        _run(connection, statement, {"members": sorted(concerned), "at": at})
    return concerned


def _undo(connection: Connection, broken: RowMapping, at: datetime) -> None:
    bound = {"joining": broken["joining_id"], "at": at, "joined_at": broken["joined_at"]}
    bound["members"] = list(broken["members"])
    for statement in _AFTERWARDS if broken["decided"] else _AT_ONCE:
        _run(connection, statement, bound)
    _charge_again(connection, bound)
    for statement in (*_PROMISES, _PLACE, *_WRITES, _DONE):
        _run(connection, statement, bound)


def _run(connection: Connection, statement: str, bound: Mapping[str, Any]) -> None:
    connection.execute(sa.text(statement), {name: bound[name] for name in bound if f":{name}" in statement})


def _restored(relation: str, *columns: str, unless: str = "false") -> str:
    """Each column as it was before, if nobody changed it since."""
    sets = ", ".join(
        f"""{column} = case when e.before ? '{column}' and to_jsonb(t) -> '{column}' = e.after -> '{column}'
            then (jsonb_populate_record(cast(null as {relation}), e.before)).{column} else t.{column} end"""
        for column in columns
    )
    return f"""
    update {relation} t set {sets} from joining_effect e
    where e.joining_id = :joining and e.relation = '{relation}' and e.before is not null
      and e.key = cast(t.{_KEYS[relation]} as text) and not ({unless})
    """


_NEW: Final = "e.joining_id = :joining and e.before is null and e.relation"
_OWNED: Final = "exists (select from assignment o where o.lead_id = {lead} and o.ended_at is null)"
_ENDS: Final = ("ended_at", "ended_because", "ended_seq", "returned_seq")
_AT_ONCE: Final = (
    f"""
    delete from assignment a using joining_effect e
    where {_NEW} = 'assignment' and e.key = cast(a.assignment_id as text)
    """,
    _restored("assignment", *_ENDS, unless=_OWNED.format(lead="t.lead_id")),
    f"""
    delete from routing_event r using joining_effect e
    where {_NEW} = 'routing_event' and e.key = cast(r.event_id as text)
    """,
)
# Decisions since have read these rows, and are computed again from them: so nothing is taken out of them. What a rep
# declined while the records were one stays declined.
_AFTERWARDS: Final = (
    f"""
    update assignment a set ended_at = greatest(a.started_at, cast(:at as timestamptz)), ended_because = 'unmerged',
        ended_seq = {LAST_DECISION}
    from joining_effect e
    where {_NEW} = 'assignment' and e.key = cast(a.assignment_id as text) and a.ended_at is null
    """,
    f"""
    insert into assignment (lead_id, rep_id, owner_external_id, team, decision_seq, by, because, started_at)
    select a.lead_id, a.rep_id, a.owner_external_id, a.team, a.decision_seq, a.by, a.because, a.started_at
    from joining_effect e join assignment a on e.key = cast(a.assignment_id as text)
    where e.joining_id = :joining and e.relation = 'assignment' and e.before -> 'ended_at' = 'null'
      and not {_OWNED.format(lead="a.lead_id")}
    order by a.assignment_id
    """,
)

_RETURNED: Final = f"""
select t.*, t.decision_seq = now.decision_seq as last, now.weight as weight_now, now.credit as credit_now
from joining_effect e join turn t on e.key = t.decision_seq || ' ' || t.rep_id
cross join lateral (
    select decision_seq, weight, credit from turn
    where (rotation, band, rep_id) = (t.rotation, t.band, t.rep_id) order by decision_seq desc limit 1
) now
where {_NEW} = 'turn' order by t.decision_seq desc
"""
_UNRETURN: Final = "delete from turn where decision_seq = :decision_seq and rep_id = :rep_id"
_CHARGE: Final = """
insert into turn (decision_seq, rep_id, rotation, band, kind, weight, credit)
values (nextval('decision_seq'), :rep_id, :rotation, :band, 'enter', :weight_now, :credit)
"""


def _charge_again(connection: Connection, bound: Mapping[str, Any]) -> None:
    """The turns that were given back are the reps' again, if they have the lead again."""
    decided = connection.execute(sa.text(_DECIDED_SINCE), bound).scalar_one()
    for row in connection.execute(sa.text(_RETURNED), {"joining": bound["joining"]}).mappings().all():
        if row["last"] and not decided:
            connection.execute(sa.text(_UNRETURN), dict(row))
        elif connection.execute(sa.text(_HAS_AGAIN), dict(row)).scalar_one():
            credit = as_decimal(as_units(row["credit_now"]) + step(row["weight_now"]))
            connection.execute(sa.text(_CHARGE), {**row, "credit": credit})


_DECIDED_SINCE: Final = """
select exists (select from decision d join joining j on j.joining_id = :joining and d.decision_seq > j.seq)
"""
_HAS_AGAIN: Final = """
select exists (select from assignment where decision_seq = :returned_seq and rep_id = :rep_id and ended_at is null)
"""

# What fell due of a rep while the lead was another's is held against nobody.
_PROMISES: Final = (
    _restored(
        "sla_clock",
        "lead_id",
        "ended_at",
        unless="e.before ? 'ended_at' and t.due_at > :joined_at and t.due_at <= :at",
    ),
    *(_restored(relation, "lead_id") for relation in ("sla_event", "mail", "link_use")),
    # A touch is of the record that it was logged on: it meets no promise to another.
    """
    update sla_clock k set met_at = null, met_late = null
    from lead own
    where own.lead_id = k.lead_id and k.lead_id = any(cast(:members as uuid[])) and k.met_at is not null
      and k.kind <> 'follow_up' and exists (
        select from outcome o join lead m using (lead_id)
        where o.lead_id = any(cast(:members as uuid[])) and m.survivor_id <> own.survivor_id
          and o.kind in ('first_touch', 'meeting', 'accepted') and greatest(o.occurred_at, k.started_at) = k.met_at)
      and not exists (
        select from outcome o join lead m using (lead_id)
        where m.survivor_id = own.survivor_id
          and o.kind in ('first_touch', 'meeting', 'accepted') and greatest(o.occurred_at, k.started_at) = k.met_at)
    """,
)
_PLACED: Final = (
    "l.lead_id = any(cast(:members as uuid[])) and l.survivor_id = l.lead_id and p.lead_id = l.lead_id"
)
_PLACE: Final = """
    update place p set (place, reason, because, team, rep_id, since, decision_seq, batch_id, until) = (
        select place, reason, because, team, rep_id, since, decision_seq, batch_id, until
        from jsonb_populate_record(cast(null as place), e.before))
    from joining_effect e
    where e.joining_id = :joining and e.relation = 'place' and e.key = cast(p.lead_id as text)
      and (to_jsonb(p) = e.after or (p.place, p.reason) in (('closed', 'merged'), ('waiting', 'unmerged')))
"""
_SETTLED: Final = (
    f"""
    update place p set place = 'owned', reason = 'unmerged', because = 'the owner from before the merge', team = a.team,
        rep_id = a.rep_id, since = a.started_at, decision_seq = a.decision_seq, until = null
    from lead l join assignment a on a.lead_id = l.lead_id and a.ended_at is null
    where {_PLACED} and (p.place <> 'owned' or p.rep_id is distinct from a.rep_id)
    """,
    f"""
    update place p set place = 'waiting', reason = 'unmerged', because = 'no longer merged: a run is working on it',
        team = null, rep_id = null, since = :at, decision_seq = null, until = null
    from lead l
    where {_PLACED} and (p.place = 'owned' and not {_OWNED.format(lead="l.lead_id")}
                         or (p.place, p.reason) = ('closed', 'merged'))
    """,
)
# What the merge itself owed is not owed any more. What was to be written to a record of another's decisions is not
# either, and what was written of them is put right.
_STRANGE: Final = """
    join lead m on (m.source, m.external_id) = (o.source, o.external_id) and m.lead_id = any(cast(:members as uuid[]))
    join lead d on d.lead_id = o.lead_id and d.survivor_id <> m.survivor_id
"""
_WRITES: Final = (
    "delete from outbox where joining_id = :joining and begun_at is null",
    """
    update outbox set state = 'superseded', note = concat_ws('; ', note, 'no longer merged')
    where joining_id = :joining and state in ('owed', 'dead') and claimed_until is null
    """,
    f"""
    update outbox set state = 'superseded', note = concat_ws('; ', note, 'no longer merged')
    where outbox_id in (
        select o.outbox_id from outbox o {_STRANGE}
        where o.object = 'leads' and o.state = 'owed' and o.claimed_until is null)
    """,
    _restored(
        "outbox",
        "state",
        "note",
        unless="exists (select from outbox n where n.outbox_id > t.outbox_id and n.lead_id = t.lead_id"
        " and (n.source, n.object, n.external_id) = (t.source, t.object, t.external_id))",
    ),
    f"""
    insert into outbox
        (idempotency_key, source, object, external_id, lead_id, score_id, batch_id, knew_seq, knew_revision, fields,
         note)
    select w.idempotency_key || ':again:' || o.outbox_id, w.source, w.object, w.external_id, w.lead_id, w.score_id,
           w.batch_id, {LAST_DECISION}, (select max(revision_id) from lead_revision where lead_id = m.lead_id),
           w.fields, 'written again: the record was merged with another for a time'
    from outbox o {_STRANGE}
    cross join lateral (
        select x.* from outbox x join lead own on own.lead_id = x.lead_id and own.survivor_id = m.survivor_id
        where (x.source, x.object, x.external_id) = (o.source, o.object, o.external_id)
          and x.decision_seq is not null and x.state in ('sent', 'superseded', 'owed')
        order by x.decision_seq desc limit 1
    ) w
    where o.object = 'leads' and (o.state = 'sent' or o.begun_at is not null) and w.outbox_id < o.outbox_id
      and w.state <> 'owed' and not exists (
        select from outbox n where (n.source, n.object, n.external_id) = (o.source, o.object, o.external_id)
          and n.outbox_id > o.outbox_id)
    on conflict (idempotency_key) do nothing
    """,
    f"""
    update outbox o set state = 'dropped', note = concat_ws('; ', o.note, 'the record is gone from the source')
    from lead m
    where m.lead_id = any(cast(:members as uuid[])) and (o.source, o.external_id) = (m.source, m.external_id)
      and o.object = 'leads' and o.state = 'owed' and o.claimed_until is null and {gone("m")}
    """,
)
