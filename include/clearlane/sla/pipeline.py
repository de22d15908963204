"""The promises of the pipeline itself: that runs come and end, sources are read, writes and mails leave.

Each check reads what the ledger says as of a moment and needs no scheduler: what died cannot hide it. A finding has a
key, kind and what it is about (`run.lead_flow`, `outbox.crm`); docs/runbook.md says for each kind what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger.held import HELD
from clearlane.policy.model import Pipeline, Policy
from clearlane.route import exceptions

LEADS: Final = "lead_flow"
TAKEN_OVER: Final = timedelta(hours=6)
"""then later runs take over what a dead one left (docs/runbook.md): it is no news any more"""
PATIENCE: Final = timedelta(hours=13)
"""of mails that may wait for quiet hours to end"""
FEWEST: Final = 20
"""quarantined in a day: fewer are no growth"""


@dataclass(frozen=True)
class Kind:
    says: str
    do: str
    """what helps most often; docs/runbook.md has the rest under the kind's name"""


KINDS: Final = MappingProxyType(
    {
        "scheduler": Kind("no DAG runs", "start Airflow's scheduler; see that the DAGs are not paused"),
        "run": Kind("a DAG does not run, or its runs fail", "open the DAG in Airflow and read its red task"),
        "quality": Kind(
            "a batch rule holds back what a source sent",
            "look at the delivery; `clearlane quarantine replay` lets it in, `dismiss` leaves it out",
        ),
        "source": Kind("a source is not read", "`clearlane connector test NAME` says what fails"),
        "provider": Kind(
            "a paid provider of attributes is not asked",
            "`clearlane enrichment status` says why; leads are routed on what is known",
        ),
        "outbox": Kind("writes to a source wait", "`clearlane push status` says why; see that crm_push runs"),
        "dead": Kind(
            "writes to a source are dead", "`clearlane push dead list`, mend that, then retry or drop"
        ),
        "mail": Kind("mails wait", "see the SMTP connection, and that sla_watch runs"),
        "refused": Kind("mails did not arrive", "correct the addresses in teams.yaml and publish"),
        "quarantine": Kind(
            "far more records than usual go to quarantine", "`clearlane quarantine list` says why"
        ),
        "exceptions": Kind(
            "leads wait where nobody answers for them",
            "name a manager or queue_owner in teams.yaml and publish",
        ),
    }
)
"""of findings"""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, since a moment (UTC; None: ever)."""

    key: str
    because: str
    since: datetime | None = None
    explained_by: str | None = None
    """key of the finding that this one follows from: nobody is told of it by itself"""

    @property
    def kind(self) -> str:
        return self.key.partition(".")[0]

    @property
    def about(self) -> str:
        return self.key.partition(".")[2]


def findings(
    connection: Connection, policy: Policy, at: datetime, allowed: Pipeline | None = None
) -> tuple[Finding, ...]:
    """What is not as it should be at a moment; what explains others comes first, what follows last. Reads only."""
    limits = allowed or policy.sla.pipeline
    found = [*_runs(connection, limits, at), *_sources(connection, policy, limits, at)]
    found += _providers(connection, policy)
    if not _dry(connection, at):
        found += [*_outbox(connection, policy, limits, at), *_mails(connection, limits, at)]
    found += [*_dead(connection), *_refused(connection, at)]
    found += [
        *_held(connection, at),
        *_quarantine(connection, limits, at),
        *_unanswered(connection, policy, at),
    ]
    return tuple(sorted(_explained(found), key=_order))


def told(finding: Finding) -> str:
    """The finding in one line."""
    named = " ".join(filter(None, (finding.kind, finding.about)))
    follows = f" (follows from {finding.explained_by})" if finding.explained_by else ""
    return f"{named}: {finding.because}{follows}"


def as_json(finding: Finding) -> Mapping[str, str | None]:
    since = finding.since.isoformat() if finding.since else None
    return {
        "key": finding.key,
        "because": finding.because,
        "since": since,
        "explained_by": finding.explained_by,
    }


def _order(finding: Finding) -> tuple[bool, int, str]:
    return finding.explained_by is not None, list(KINDS).index(finding.kind), finding.key


_FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("scheduler",),
    "source": ("scheduler", f"run.{LEADS}"),
    "outbox": ("scheduler",),
    "mail": ("scheduler",),
}
"""kind -> keys of what it follows from"""


def _explained(found: Iterable[Finding]) -> Iterator[Finding]:
    keys = {one.key for one in found}
    for one in found:
        causes = (*_FOLLOWS.get(one.kind, ()), one.explained_by)
        yield replace(one, explained_by=next((cause for cause in causes if cause in keys), None))


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"


# --- runs ---------------------------------------------------------------------------------------------

# The moment that a run speaks for is the end of its interval, or its start where it has no interval.
_RUNS: Final = sa.text(
    """
    with known as (
        select dag_id, as_of, closed_at is not null as ended from batch
        where run_type <> 'backfill' and as_of <= :at
    ), newest as (
        select dag_id, max(as_of) filter (where ended) as ended, max(as_of) as opened from known group by dag_id
    )
    select w.dag_id, n.ended, n.opened, (select min(as_of) from known) as first,
           (select count(*) from known k
            where k.dag_id = w.dag_id and not k.ended and k.as_of > coalesce(n.ended, '-infinity')) as unended,
           (select min(as_of) from known k
            where k.dag_id = w.dag_id and not k.ended
              and k.as_of >= :at - cast(:taken_over as interval) and k.as_of < :at - cast(:open_for as interval)
           ) as stuck
    from unnest(cast(:dags as text[])) with ordinality w(dag_id, place) left join newest n using (dag_id)
    order by place
    """
)


def _runs(connection: Connection, limits: Pipeline, at: datetime) -> Iterator[Finding]:
    """Runs that do not come, or do not come to their end."""
    bound = {"taken_over": TAKEN_OVER, "open_for": limits.open_for}
    rows = connection.execute(_RUNS, {"dags": list(limits.runs), "at": at, **bound}).all()
    newest = max((row.opened for row in rows if row.opened), default=None)
    if newest is None:
        yield Finding("scheduler", "no DAG has ever run")
    elif at - newest > min(map(limits.late, limits.runs)):
        yield Finding("scheduler", f"no DAG has run since {_clock(newest)}", newest)
    for row in rows if newest else ():
        yield from _run(row, limits, at)


def _run(row: Any, limits: Pipeline, at: datetime) -> Iterator[Finding]:
    key, since = f"run.{row.dag_id}", row.ended or row.first
    if at - since > limits.late(row.dag_id):
        quiet = f"since {_clock(row.ended)}" if row.ended else "yet"
        said = f"{row.unended} runs began, none ended {quiet}" if row.unended else f"no run {quiet}"
        yield Finding(key, said, since)
    elif row.stuck:
        yield Finding(key, f"the run of {_clock(row.stuck)} has not come to its end", row.stuck)


# --- what comes in ------------------------------------------------------------------------------------

_READ: Final = sa.text(
    """
    select w.source, string_agg(w.name, ', ' order by w.name) as names, min(w.read_to) as since
    from (
        select w.source, w.name, coalesce(max(s.watermark), (select min(as_of) from batch)) as read_to
        from unnest(cast(:sources as text[]), cast(:names as text[])) w(source, name)
        left join source_state s
          on s.source = w.source and (s.object = w.name or starts_with(s.object, w.name || ': '))
        group by w.source, w.name
    ) w
    where w.read_to < :at - cast(:unread as interval) group by w.source order by w.source
    """
)
_RESTED: Final = sa.text(
    "select failures, error, failed_at from push_state where source = 'provider:' || :provider"
)


def _providers(connection: Connection, policy: Policy) -> Iterator[Finding]:
    """Paid providers whose breaker is open, or has been and no request since then was answered."""
    for provider in policy.sources.enrichment.providers.values():
        row = connection.execute(_RESTED, {"provider": provider.name}).one_or_none()
        if row and row.failures >= provider.limits.failures:
            yield Finding(
                f"provider.{provider.name}",
                f"{row.failures} failures in a row, the last: {row.error}",
                row.failed_at,
            )


_STOPPED: Final = sa.text(
    f"""
    with judged as (
        select q.source, q.object, q.rule, q.verdict, q.because, b.as_of
        from batch b join quality_result q using (batch_id)
        where b.run_type <> 'backfill' and b.as_of > :at - interval '1 day' and b.as_of <= :at
    ), newest as (
        select distinct on (source, object, rule) * from judged order by source, object, rule, as_of desc
    ), stopped as (
        select n.source,
               string_agg(format('%s of %s: %s', n.rule, n.object, n.because), '; ' order by n.object, n.rule) as said,
               min((select min(j.as_of) from judged j
                    where (j.source, j.object, j.rule, j.verdict) = (n.source, n.object, n.rule, 'stop'))) as since
        from newest n where n.verdict = 'stop' group by n.source
    ), held as (
        select i.source, min(q.since) as since,
               format('%s records are held in quarantine by %s, %s of them requests for sales',
                      count(*), string_agg(distinct q.reasons -> 0 ->> 'rule', ', '),
                      count(*) filter (where q.hand_raise)) as said
        from quarantine q join inbox i using (seq) where {HELD} and q.since <= :at group by i.source
    )
    select source, concat_ws('; ', s.said, h.said) as said, least(s.since, h.since) as since
    from stopped s full join held h using (source) order by source
    """
)
_QUARANTINED: Final = sa.text(
    """
    select source, lately, usual, since
    from (
        select i.source, count(*) filter (where q.since > :day) as lately,
               min(q.since) filter (where q.since > :day) as since,
               count(*) filter (where q.since <= :day) / extract(epoch from :day - k.first) * 86400 as usual
        from (select greatest(min(as_of), :day - interval '28 days') as first from batch where run_type <> 'backfill') k
        join quarantine q on q.since > k.first and q.since <= :at
        join inbox i using (seq)
        where k.first < :day - interval '6 days'
        group by i.source, k.first
    ) x
    where lately >= :fewest and lately > :growth * usual order by source
    """
)


def _sources(connection: Connection, policy: Policy, limits: Pipeline, at: datetime) -> Iterator[Finding]:
    read = [(source.name, name) for source in policy.sources.sources.values() for name in source.objects]
    bound = {"sources": [source for source, _ in read], "names": [name for _, name in read]}
    for row in connection.execute(_READ, {**bound, "at": at, "unread": limits.unread}):
        yield Finding(f"source.{row.source}", f"not read since {_clock(row.since)} ({row.names})", row.since)


def _held(connection: Connection, at: datetime) -> Iterator[Finding]:
    """Sources of which a batch rule said stop to the newest delivery, or records are held back."""
    for row in connection.execute(_STOPPED, {"at": at}):
        yield Finding(f"quality.{row.source}", row.said, row.since)


def _quarantine(connection: Connection, limits: Pipeline, at: datetime) -> Iterator[Finding]:
    """Sources with far more quarantined in the last day than usual; with less than a week before it, none."""
    bound = {"at": at, "day": at - timedelta(days=1), "fewest": FEWEST, "growth": limits.growth}
    for row in connection.execute(_QUARANTINED, bound):
        said = f"{row.lately} records in a day, usually {row.usual:.0f}"
        yield Finding(f"quarantine.{row.source}", said, row.since, f"quality.{row.source}")


def _unanswered(connection: Connection, policy: Policy, at: datetime) -> Iterator[Finding]:
    for one in exceptions.unanswered(connection, policy, at):
        key = f"exceptions.{one.team}" if one.team else "exceptions"
        yield Finding(key, f"{one.number} leads wait: {one.because}", one.since)


# --- what goes out ------------------------------------------------------------------------------------

_DRY: Final = sa.text(
    "select dry_run from batch where run_type <> 'backfill' and as_of <= :at order by as_of desc limit 1"
)
# Of a record only the first owed write may be sent.
_OWED: Final = sa.text(
    """
    select o.source, count(*) as number, min(o.due) as since,
           (select greatest(paused_until, open_until) from push_state s where s.source = o.source) as held
    from (
        select distinct on (source, object, external_id) source, claimed_until,
               greatest(owed_at, next_attempt_at) as due
        from outbox where state = 'owed' and source = any(:sources) order by source, object, external_id, outbox_id
    ) o
    where coalesce(o.claimed_until <= :at, true) and o.due < :at - cast(:owed as interval)
    group by o.source order by o.source
    """
)
_MAILS: Final = sa.text(
    """
    select count(*) as number, min(greatest(send_after, next_attempt_at)) as since from mail
    where state = 'owed' and coalesce(expires_at > :at, true) and coalesce(claimed_until <= :at, true)
      and greatest(send_after, next_attempt_at)
          < :at - case urgency when 'now' then cast(:mail as interval) else cast(:patient as interval) end
    """
)
_DEAD: Final = sa.text(
    "select source, count(*) as number, min(owed_at) as since from outbox where state = 'dead' group by 1 order by 1"
)
_REFUSED: Final = sa.text(
    """
    select count(*) as number, min(send_after) as since from mail
    where state in ('refused', 'dead') and send_after > :at - interval '1 day' and send_after <= :at
    """
)


def _dry(connection: Connection, at: datetime) -> bool:
    """Whether the newest run sent nothing because it was told to: then what waits is no finding."""
    return bool(connection.execute(_DRY, {"at": at}).scalar())


def _outbox(connection: Connection, policy: Policy, limits: Pipeline, at: datetime) -> Iterator[Finding]:
    pushed = [source.name for source in policy.sources.sources.values() if source.push]
    for row in connection.execute(_OWED, {"sources": pushed, "at": at, "owed": limits.owed}):
        held = f"; nothing is sent to it until {_clock(row.held)}" if row.held and row.held > at else ""
        said = f"{row.number} writes could be sent and wait, the first since {_clock(row.since)}{held}"
        yield Finding(f"outbox.{row.source}", said, row.since)


def _mails(connection: Connection, limits: Pipeline, at: datetime) -> Iterator[Finding]:
    bound = {"at": at, "mail": limits.mail, "patient": PATIENCE}
    row = connection.execute(_MAILS, bound).one()
    if row.number:
        yield Finding("mail", f"{row.number} wait, the first since {_clock(row.since)}", row.since)


def _dead(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_DEAD):
        yield Finding(f"dead.{row.source}", f"{row.number} writes wait for a person", row.since)


def _refused(connection: Connection, at: datetime) -> Iterator[Finding]:
    row = connection.execute(_REFUSED, {"at": at}).one()
    if row.number:
        yield Finding("refused", f"{row.number} in the last day", row.since)
