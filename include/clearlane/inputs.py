"""What decisions were made of, held against what says the same of it elsewhere in the ledger.

Contents against the hash they are stored under, activities and revisions against the record that brought them,
assignments against the decision that made them. Each question gives rows: of which decision, which thing, which
column of it, what is stored, and what it ought to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.enrich.profiles import CONTENT_HASH as PROFILE_HASH
from clearlane.identity.records import ACTIVITY
from clearlane.identity.records import CONTENT_HASH as RECORD_HASH
from clearlane.route.results import results_id
from clearlane.route.roster import roster_id


@dataclass(frozen=True)
class Altered:
    """A stored thing that is not what it was; `part` is what decisions know it as: policy, profile, turn …"""

    part: str
    subject: str
    column: str
    stored: str
    again: str


_ASKED = "unnest(cast(:decisions as bigint[])) as asked (decision_seq) join decision d using (decision_seq)"
_PERSON = f"""
select d.decision_seq, s.score_id, s.as_of, s.known_seq, unnest(coalesce(s.members, array[s.lead_id])) as record_id
from {_ASKED} join score s using (score_id)
"""
_NAMED = "l.source || ':' || l.external_id"

_POLICIES = f"""
select d.decision_seq, v.name || '.yaml ' || left(v.hash, 12), 'content',
       coalesce('sha256 ' || left(h.now, 12), 'missing'), 'sha256 ' || left(v.hash, 12)
from {_ASKED} join batch b on b.batch_id = d.batch_id cross join lateral jsonb_each_text(b.policy) as v (name, hash)
left join policy_file f using (hash)
left join lateral (select encode(sha256(convert_to(f.content, 'UTF8')), 'hex') as now) h on true
where h.now is distinct from v.hash
union all
select d.decision_seq, m.name, 'content', 'sha256 ' || left(h.now, 12), 'sha256 ' || left(m.hash, 12)
from {_ASKED} join batch b on b.batch_id = d.batch_id join policy_file f on f.hash = b.policy ->> 'scoring'
join policy_file m on starts_with(m.name, 'predictive-') and strpos(f.content, m.name) > 0
cross join lateral (select encode(sha256(convert_to(m.content, 'UTF8')), 'hex') as now) h
where h.now <> m.hash
"""
_RECORDS = f"""
select p.decision_seq, 'record ' || i.seq || ' of ' || {_NAMED}, 'record',
       'sha256 ' || left({RECORD_HASH}, 12), 'sha256 ' || left(r.content_hash, 12)
from ({_PERSON}) p join lead_revision r on r.lead_id = p.record_id and r.valid_from <= p.as_of
join lead l using (lead_id) join inbox i using (seq)
where i.record is not null and r.content_hash <> {RECORD_HASH}
"""
# Identity normalises these; all else it keeps as it came.
_NORMALISED = "array['email', 'phone', 'country', 'country_as_given', 'domain']"
_REVISIONS = f"""
select p.decision_seq, 'revision ' || r.revision_id || ' of ' || {_NAMED}, k.key,
       coalesce(r.attributes ->> k.key, 'nothing'), coalesce(i.record ->> k.key, 'nothing')
from ({_PERSON}) p join lead_revision r on r.lead_id = p.record_id and r.valid_from <= p.as_of
join lead l using (lead_id) join inbox i using (seq)
cross join lateral jsonb_object_keys((r.attributes || i.record) - {_NORMALISED} - 'id') as k (key)
where i.record is not null and r.content_hash = {RECORD_HASH}
  and r.attributes -> k.key is distinct from nullif(i.record -> k.key, 'null')
"""
# Where an attribute came from a record, the record's revision of that time still says what it was.
_PROFILES = f"""
with made as (
    select *, {PROFILE_HASH} as now
    from (
        select d.decision_seq, {_NAMED} as name, p.*
        from {_ASKED} join score s using (score_id) join lead_profile p on p.profile_id = s.profile_id
        join lead l on l.lead_id = s.lead_id
    ) named
)
select decision_seq, 'profile ' || profile_id || ' of ' || name, coalesce(said.key, 'content'),
       coalesce(said.stored, 'sha256 ' || left(now, 12)), coalesce(said.again, 'sha256 ' || left(content_hash, 12))
from made left join lateral (
    select o.key, coalesce(made.attributes ->> o.key, 'nothing') as stored, r.attributes ->> o.key as again
    from jsonb_each_text(made.provenance) o
    join lead l on l.source || ':' || l.external_id = o.value
    cross join lateral (
        select attributes from lead_revision
        where lead_id = l.lead_id and valid_from <= made.valid_from
        order by valid_from desc, content_hash desc limit 1
    ) r
    where r.attributes -> o.key is distinct from made.attributes -> o.key
    union all
    select key, value, 'nothing' from jsonb_each_text(made.attributes) where not made.provenance ? key
) said on true
where content_hash not in (now, 'none')
"""
_ACTIVITIES = f"""
select p.decision_seq, 'activity ' || coalesce(i.external_id, x.activity_id::text) || ' of ' || {_NAMED}, said.name,
       said.stored, said.again
from ({_PERSON}) p join activity x on x.lead_id = p.record_id and x.known_seq <= p.known_seq
join lead l using (lead_id) join inbox i using (seq)
cross join lateral (
    select {", ".join(f"{value} as {name}" for name, value in ACTIVITY.items())}
) as came
cross join lateral (
    values ('type', x.type, came.type), ('occurred_at', x.occurred_at::text, came.occurred_at::text),
           ('attributes', x.attributes::text, came.attributes::text)
) as said (name, stored, again)
where i.record is not null and (x.occurred_at < p.as_of or came.occurred_at < p.as_of) and said.stored <> said.again
"""
_MEMORY = f"""
select d.decision_seq, 'score ' || s.score_id || ' of ' || {_NAMED}, said.name,
       coalesce(said.stored, 'nothing'), coalesce(said.again, 'nothing')
from {_ASKED} join score s using (score_id) join lead l on l.lead_id = s.lead_id
left join lateral (
    select band, case when band = band_before then band_before_since else as_of end as since from score
    where lead_id = s.lead_id and as_of < s.as_of and score_id < s.score_id order by as_of desc, score_id desc limit 1
) b on true
cross join lateral (
    values ('band_before', s.band_before, b.band),
           ('band_before_since', s.band_before_since::text, b.since::text),
           ('lead_id', s.lead_id::text, d.lead_id::text)
) as said (name, stored, again)
where said.stored is distinct from said.again
"""
_LAST = "(select max(number) from unnest(cast(:decisions as bigint[])) as number)"
# Whose turn it was, or who alone was free, tells which of the two is altered where they name other reps.
_ASSIGNED = f"""
select made.decision_seq as since,
       case when decided then '' else 'assignment of ' end || 'decision ' || made.decision_seq as subject, said.name,
       case when decided then said.again else said.stored end as stored,
       case when decided then said.stored else said.again end as again
from decision made
left join assignment a on a.decision_seq = made.decision_seq and a.lead_id = made.lead_id
left join turn t on t.decision_seq = made.decision_seq and t.kind = 'turn'
cross join lateral (
    values ('rep_id', case when a.assignment_id is null then 'missing' else a.rep_id end, made.rep_id),
           ('team', a.team, made.team), ('started_at', a.started_at::text, made.as_of::text)
) as said (name, stored, again)
cross join lateral (
    select coalesce(said.name = 'rep_id' and a.rep_id
        = coalesce(t.rep_id, case when cardinality(made.eligible) = 1 then made.eligible[1] end), false) as decided
) witness
where made.decision_seq <= {_LAST} and made.mode = 'live' and made.place = 'owned'
  and cardinality(made.eligible) > 0 and said.stored is distinct from said.again
  and (a.assignment_id is not null or said.name = 'rep_id')
"""
_ENDED = f"""
select coalesce(anew.decision_seq, a.begun_seq + 1) as since, 'assignment ' || a.assignment_id || ' of ' || {_NAMED},
       'ended_at', coalesce(a.ended_at::text, 'open'),
       coalesce('ended by decision ' || anew.decision_seq, 'not ended by a decision')
from assignment a join lead l using (lead_id)
left join lateral (
    select min(decision_seq) as decision_seq from decision n
    where n.lead_id = a.lead_id and n.decision_seq > a.begun_seq and n.mode = 'live'
      and (n.rep_id is null or cardinality(n.eligible) > 0)
) anew on true
where a.begun_seq < {_LAST} and (a.ended_at is null or a.ended_because = 'routed anew')
  and (a.ended_at is null) = (anew.decision_seq is not null)
"""
# Each is asked once, for the last of the decisions; earlier ones are told of what came before them.
_ASSIGNMENTS = f"""
with broken as materialized ({_ASSIGNED} union all {_ENDED})
select d.decision_seq, broken.subject, broken.name, coalesce(broken.stored, 'nothing'),
       coalesce(broken.again, 'nothing')
from {_ASKED} join broken on broken.since <= d.decision_seq
where d.mode = 'live'
"""
_QUESTIONS: Final[Mapping[str, str]] = {
    "policy": _POLICIES,
    "record": f"{_RECORDS} union all {_REVISIONS}",
    "profile": _PROFILES,
    "activity": _ACTIVITIES,
    "memory": _MEMORY,
    "assignment": _ASSIGNMENTS,
}


def altered(connection: Connection, decisions: Sequence[int]) -> Mapping[int, tuple[Altered, ...]]:
    """Decision number -> what is not any more what it was made of, in the order of the river."""
    found: dict[int, list[Altered]] = {seq: [] for seq in decisions}
    for seq, one in (*_contents(connection, decisions), *_asked(connection, decisions)):
        found[seq].append(one)
    return {seq: tuple(sorted(ones, key=_place)) for seq, ones in found.items()}


def _place(one: Altered) -> tuple[int, str]:
    return PARTS.index(one.part), one.subject


_HASHED: Final = {"roster": roster_id, "results": results_id}
"""what is kept under the hash of its content"""
PARTS: Final = (*_QUESTIONS, *_HASHED)


def _asked(connection: Connection, decisions: Sequence[int]) -> Iterator[tuple[int, Altered]]:
    for part, question in _QUESTIONS.items():
        ordered = f"select distinct * from ({question}) as answer (seq, subject, name, stored, again) order by 1, 2, 3"
        rows: Any = connection.execute(sa.text(ordered), {"decisions": list(decisions)})
        yield from ((row.seq, Altered(part, row.subject, row.name, row.stored, row.again)) for row in rows)


def _contents(connection: Connection, decisions: Sequence[int]) -> Iterator[tuple[int, Altered]]:
    for part, id_of in _HASHED.items():
        query = f"""
         select r.{part}_id as id, r.content, array_agg(d.decision_seq) as decisions
         from {_ASKED} join {part} r using ({part}_id) group by 1, 2
        """
        for row in connection.execute(sa.text(query), {"decisions": list(decisions)}):
            now = id_of(row.content)
            if now != row.id:
                stored, again = f"sha256 {now[:12]}", f"sha256 {row.id[:12]}"
                one = Altered(part, f"{part} {row.id[:12]}", "content", stored, again)
                yield from ((seq, one) for seq in row.decisions)
