"""The invariants of the ledger as questions a live ledger can be asked: each answer is a list of offenders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection


@dataclass(frozen=True)
class Check:
    """A promise and the query that finds what breaks it: one column, the offender."""

    id: str
    promise: str
    offenders: str


@dataclass(frozen=True)
class Finding:
    check: Check
    offenders: tuple[str, ...]
    """at most `limit` of them"""
    count: int


CHECKS = (
    Check(
        "inbox_adds_up",
        "consumed + duplicate + quarantined + erased + waiting = received, per run and object",
        """
        select d.batch_id || ' ' || d.source || ' ' || d.object
        from delivery d
        where d.received <> d.duplicate + (
            select count(*) from inbox i
            where i.first_batch = d.batch_id and i.source = d.source and i.object = d.object
              and i.state in ('consumed', 'quarantined', 'erased', 'waiting'))
        """,
    ),
    Check(
        "inbox_is_delivered",
        "each inbox record belongs to a delivery that counted it",
        """
        select i.seq::text from inbox i
        where i.first_batch is not null and not exists (
            select from delivery d
            where (d.batch_id, d.source, d.object) = (i.first_batch, i.source, i.object))
        """,
    ),
    Check(
        "quarantine_has_reasons",
        "a quarantined record names its reasons, and only quarantined records are open there",
        """
        select i.seq::text from inbox i left join quarantine q using (seq)
        where i.state = 'quarantined' and (q.seq is null or jsonb_array_length(q.reasons) = 0)
        union all
        select q.seq::text from quarantine q join inbox i using (seq)
        where q.state = 'open' and i.state <> 'quarantined'
        """,
    ),
    Check(
        "consumed_is_kept",
        "a consumed lead record left a revision, a consumed activity an activity",
        """
        select i.seq::text from inbox i
        where i.state = 'consumed' and i.object = 'leads' and not exists (
            select from lead l join lead_revision r using (lead_id)
            where (l.source, l.external_id) = (i.source, i.external_id))
        union all
        select i.seq::text from inbox i
        where i.state = 'consumed' and i.object = 'activities'
          and not exists (select from activity a where a.seq = i.seq)
        """,
    ),
    Check(
        "erased_is_gone",
        "of an erased person no attribute, key or owed write is left, and an erased record is empty",
        """
        select p.lead_id::text from place p
        where p.place = 'closed' and p.reason = 'erased' and (
            exists (select from lead_key k where k.lead_id = p.lead_id)
            or exists (select from lead_revision r where r.lead_id = p.lead_id and r.attributes <> '{}')
            or exists (select from outbox o where o.lead_id = p.lead_id and (o.state = 'owed' or o.fields <> '{}')))
        union all
        select i.seq::text from inbox i where i.state = 'erased' and (i.payload <> '{}' or i.record is not null)
        """,
    ),
    Check(
        "one_place",
        "every lead has exactly one place",
        "select l.lead_id::text from lead l where not exists (select from place p where p.lead_id = l.lead_id)",
    ),
    Check(
        "owned_is_assigned",
        "a lead is owned exactly when it has an open assignment, to the same rep",
        """
        select coalesce(p.lead_id, a.lead_id)::text
        from (select * from place where place = 'owned') p
        full join (select * from assignment where ended_at is null) a using (lead_id)
        where p.lead_id is null or a.lead_id is null or p.rep_id is distinct from a.rep_id
        """,
    ),
    Check(
        "merged_is_closed",
        "a merged lead is closed, points at a survivor that survives, and has an open merge record",
        """
        select l.lead_id::text from lead l
        join lead s on s.lead_id = l.survivor_id
        left join place p on p.lead_id = l.lead_id
        left join merge m on m.loser_id = l.lead_id and m.undone_at is null
        where l.survivor_id <> l.lead_id
          and (s.survivor_id <> s.lead_id or p.place is distinct from 'closed'
               or m.survivor_id is distinct from l.survivor_id)
        """,
    ),
    Check(
        "people_are_as_said",
        "records that somebody keeps apart are two people; those said to be one are one, if nobody keeps them apart",
        """
        with said as (
            select distinct on (lead_id, other_id) * from person_verdict order by lead_id, other_id, verdict_id desc
        ), person as (
            select s.*, l.survivor_id as one, o.survivor_id as other
            from said s join lead l using (lead_id) join lead o on o.lead_id = s.other_id
        )
        select lead_id || ' ' || other_id from person where verdict = 'apart' and one = other
        union all
        select p.lead_id || ' ' || p.other_id from person p
        where p.verdict = 'same' and p.one <> p.other and not exists (
            select from person a
            where a.verdict = 'apart' and (a.one in (p.one, p.other) or a.other in (p.one, p.other)))
        """,
    ),
    Check(
        "decisions_are_complete",
        "a live decision that names a rep has an assignment, and every pick by turn is charged once",
        """
        select d.decision_seq::text from decision d
        where d.mode = 'live' and d.rep_id is not null and d.rotation is not null
          and (select count(*) from turn t
               where t.decision_seq = d.decision_seq and t.kind = 'turn' and t.rep_id = d.rep_id) <> 1
        union all
        select d.decision_seq::text from decision d
        where d.mode = 'live' and d.rep_id is not null and not exists (
            select from assignment a where (a.lead_id, a.rep_id) = (d.lead_id, d.rep_id))
        union all
        select a.assignment_id::text from assignment a
        where a.by = 'clearlane' and a.decision_seq is null
        """,
    ),
    Check(
        "shadow_is_silent",
        "a shadow decision left no assignment, turn, clock or write",
        """
        select d.decision_seq::text from decision d
        where d.mode = 'shadow' and (
            exists (select from assignment x where x.decision_seq = d.decision_seq)
            or exists (select from turn x where x.decision_seq = d.decision_seq)
            or exists (select from sla_clock x where x.decision_seq = d.decision_seq)
            or exists (select from outbox x where x.decision_seq = d.decision_seq))
        """,
    ),
    Check(
        "outbox_is_owed_once",
        "one write per record and decision, one of a record in flight; a sent write has its moment",
        """
        select min(outbox_id)::text from outbox
        where decision_seq is not null and state in ('owed', 'sent', 'dead')
        group by source, object, external_id, decision_seq having count(*) > 1
        union all
        select min(outbox_id)::text from outbox where state = 'owed' and claimed_until is not null
        group by source, object, external_id having count(*) > 1
        union all
        select outbox_id::text from outbox where (state = 'sent') <> (sent_at is not null)
        """,
    ),
    Check(
        "merges_are_of_one_source",
        "a merge that is owed or done names two records of its source; one that is done, what they became",
        """
        select o.outbox_id::text from outbox o
        where o.object = 'merges' and o.state in ('owed', 'sent') and o.fields <> '{}' and (
            o.fields ->> 'merged_into' = o.external_id
            or o.state = 'sent' and o.fields ->> 'became' is null
            or not exists (select from lead l where (l.source, l.external_id) = (o.source, o.external_id))
            or not exists (
                select from lead l where (l.source, l.external_id) = (o.source, o.fields ->> 'merged_into')))
        """,
    ),
    Check(
        "promises_are_told_once",
        "every promise that was found broken is in the log with its moment, and nothing is taken away before",
        """
        select k.clock_id::text from sla_clock k
        where k.breached_at is not null and not exists (
            select from sla_event e where e.clock_id = k.clock_id and e.kind in ('breach', 'time_out'))
        union all
        select e.event_id::text from sla_event e left join sla_clock k using (clock_id)
        where e.kind in ('breach', 'time_out') and k.breached_at is null
        union all
        select e.event_id::text from sla_event e
        where e.kind = 'reassign' and not exists (
            select from sla_event b
            where b.clock_id = e.clock_id and b.kind = 'breach' and b.occurred_at <= e.occurred_at)
        """,
    ),
    Check(
        "policy_is_stored",
        "every policy version that a run or a decision names is stored",
        """
        select distinct pinned.value
        from (select policy from batch union all select policy from decision) x
        cross join lateral jsonb_each_text(x.policy) pinned
        where not exists (select from policy_file f where f.hash = pinned.value)
        """,
    ),
)


def examine(connection: Connection, limit: int = 20) -> tuple[Finding, ...]:
    """Every check with its offenders; a healthy ledger has none."""
    return tuple(_finding(connection, check, limit) for check in CHECKS)


def _finding(connection: Connection, check: Check, limit: int) -> Finding:
    found = connection.execute(sa.text(f"select * from ({check.offenders}) offender(id)")).scalars().all()
    return Finding(check, tuple(found[:limit]), len(found))


def as_json(findings: tuple[Finding, ...]) -> list[Mapping[str, object]]:
    return [
        {"check": f.check.id, "promise": f.check.promise, "count": f.count, "offenders": list(f.offenders)}
        for f in findings
    ]
