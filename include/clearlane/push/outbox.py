"""The outbox: one row per owed write, sent at least once under its idempotency key, newest only.

A write is owed by a live decision in the transaction that made it known. Draining claims rows with
SKIP LOCKED, so that any number of drains share the work, and keeps the claim until the receipts are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, RowMapping

from clearlane.connectors import Receipt, Secrets, SourceFailed, Write, connected
from clearlane.ledger import Batch
from clearlane.policy.model import Policy, Source, Sources, Teams
from clearlane.route.overrules import beside

ATTEMPTS: Final = 8
"""sendings after which a write is dead and waits for a person"""
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)
CLAIM: Final = 500
"""writes claimed, sent and noted in one transaction"""


@dataclass(frozen=True)
class Owed:
    owed: int
    superseded: int


@dataclass(frozen=True)
class Drained:
    sent: int = 0
    retry: int = 0
    dead: int = 0
    left: int = 0
    """still owed afterwards, those of a dry run included"""


# --- owing ------------------------------------------------------------------------------------

_OWE: Final = sa.text(
    """
    insert into outbox (idempotency_key, source, object, external_id, lead_id, decision_seq, batch_id, fields)
    select m.source || ':leads:' || m.external_id || ':' || d.decision_seq,
           m.source, 'leads', m.external_id, d.lead_id, d.decision_seq, d.batch_id,
           jsonb_build_object(
               'owner', o.owner, 'queue', coalesce(q.queue, case when d.rep_id is null then d.place end),
               'place', d.place, 'team', d.team, 'score', s.score, 'band', s.band, 'grade', s.grade,
               'stage', s.stage, 'because', d.because, 'tier', d.tier, 'cover', co.owner,
               'sla_due', to_char(d.sla_due at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    from decision d
    join lead m on m.survivor_id = d.lead_id
    join score s using (score_id)
    left join jsonb_to_recordset(:owners) o(source text, rep_id text, owner text)
        on (o.source, o.rep_id) = (m.source, d.rep_id)
    left join cover c on c.lead_id = d.lead_id and c.rep_id = d.rep_id and c.ended_at is null
    left join jsonb_to_recordset(:owners) co(source text, rep_id text, owner text)
        on (co.source, co.rep_id) = (m.source, c.cover_rep_id)
    left join jsonb_to_recordset(:queues) q(team text, queue text) on q.team = d.team and d.rep_id is null
    where d.batch_id = :batch_id and d.mode <> 'shadow' and m.source = any(:pushable)
      and (d.place <> 'owned' or d.rep_id is not null)
    order by d.decision_seq, m.source, m.external_id
    on conflict (idempotency_key) do nothing
    """
)
_LOCK: Final = sa.text("select pg_advisory_xact_lock(hashtext('clearlane.push'))")
# By decision, not by arrival: a push task that is cleared late owes what an older decision said.
_SUPERSEDE: Final = sa.text(
    """
    update outbox old set state = 'superseded'
    from outbox newer
    where old.state = 'owed' and :batch_id in (old.batch_id, newer.batch_id)
      and (newer.source, newer.object, newer.external_id) = (old.source, old.object, old.external_id)
      and newer.decision_seq > old.decision_seq
    """
)
# What was owed before a person chose another owner would take the lead back.
_OVERRULED: Final = sa.text(
    """
    update outbox old set state = 'superseded'
    from decision chosen
    where chosen.batch_id = :beside and old.lead_id = chosen.lead_id and old.state = 'owed'
      and old.decision_seq < chosen.decision_seq
    """
)


def owe(connection: Connection, policy: Policy, batch: Batch) -> Owed:
    """Put what the batch's decisions owe into the outbox, shadow ones aside; newer writes replace older ones.

    An owner whom teams.yaml does not know is the source's own affair: nothing is owed for such a decision.
    """
    pushable = [source.name for source in policy.sources.sources.values() if source.push]
    connection.execute(_LOCK)
    owed = connection.execute(
        _OWE,
        {
            "batch_id": batch.batch_id,
            "pushable": pushable,
            "owners": Jsonb(list(_owners(policy.teams, pushable))),
            "queues": Jsonb(
                [{"team": t.id, "queue": t.queue} for t in policy.teams.teams.values() if t.queue]
            ),
        },
    )
    superseded = connection.execute(_SUPERSEDE, {"batch_id": batch.batch_id}).rowcount
    superseded += connection.execute(_OVERRULED, {"beside": beside(batch)}).rowcount
    return Owed(owed.rowcount, superseded)


def _owners(teams: Teams, pushable: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """How each source names each rep: its first alias there, else the e-mail address."""
    for rep in teams.reps.values():
        for source in pushable:
            yield {"source": source, "rep_id": rep.id, "owner": (*rep.aliases.get(source, ()), rep.email)[0]}


# --- draining ---------------------------------------------------------------------------------

_CLAIM: Final = sa.text(
    """
    select * from outbox
    where state = 'owed' and source = :source and (next_attempt_at is null or next_attempt_at <= :at)
    order by outbox_id limit :claim for update skip locked
    """
)
_SENT: Final = (
    "update outbox set state = 'sent', sent_at = :at, attempts = attempts + 1, error = null"
    " where outbox_id = :id"
)
_FAILED: Final = (
    "update outbox set state = :state, attempts = attempts + 1, error = :error, next_attempt_at = :next"
    " where outbox_id = :id"
)


def drain(
    engine: Engine, sources: Sources, at: datetime, secrets: Secrets, *, dry_run: bool, limit: int
) -> dict[str, int]:
    """Send at most `limit` owed writes per source, as of `at` (UTC); a dry run sends none and counts them.

    What goes wrong with one source is raised when the others have had their turn.
    """
    counts = Drained()
    wrong: list[Exception] = []
    for source in sources.sources.values():
        if source.push and not dry_run:
            try:
                counts = _added(counts, _drain_source(engine, source, at, secrets, limit))
            except Exception as error:
                wrong.append(error)
    if wrong:
        raise wrong[0]
    with engine.connect() as connection:
        left = connection.execute(sa.text("select count(*) from outbox where state = 'owed'")).scalar_one()
    return {**asdict(counts), "left": left}


def _drain_source(engine: Engine, source: Source, at: datetime, secrets: Secrets, limit: int) -> Drained:
    writer = connected(source, secrets)
    total = Drained()
    for _ in range(-(-limit // CLAIM)):
        with engine.begin() as connection:
            claimed = (
                connection.execute(_CLAIM, {"source": source.name, "at": at, "claim": CLAIM}).mappings().all()
            )
            total = _added(total, _send(connection, writer, claimed, at))
        if len(claimed) < CLAIM:
            break
    return total


def _send(connection: Connection, writer: Any, claimed: Sequence[RowMapping], at: datetime) -> Drained:
    """Send the claimed rows run by run: a repeat after a crash then names the same writes again."""
    total = Drained()
    for _, rows in groupby(claimed, key=lambda row: row["batch_id"]):
        of_run = list(rows)
        total = _added(total, _noted(connection, of_run, _receipts(writer, of_run), at))
    return total


def _receipts(writer: Any, rows: Sequence[RowMapping]) -> Sequence[Receipt]:
    writes = [Write(r["idempotency_key"], r["object"], r["external_id"], r["fields"]) for r in rows]
    try:
        return list(writer.write(writes))
    except SourceFailed as failed:
        return [Receipt(write.idempotency_key, "retry", str(failed)) for write in writes]


def _noted(
    connection: Connection, rows: Sequence[RowMapping], receipts: Sequence[Receipt], at: datetime
) -> Drained:
    by_key = {receipt.idempotency_key: receipt for receipt in receipts}
    sent: list[tuple[RowMapping, Receipt]] = []
    failed: list[tuple[RowMapping, Receipt]] = []
    for row in rows:
        receipt = by_key.get(
            row["idempotency_key"], Receipt(row["idempotency_key"], "retry", "no receipt came back")
        )
        (sent if receipt.result == "sent" else failed).append((row, receipt))
    if sent:
        connection.execute(sa.text(_SENT), [{"id": row["outbox_id"], "at": at} for row, _ in sent])
    notes = [_failure(row, receipt, at) for row, receipt in failed]
    if notes:
        connection.execute(sa.text(_FAILED), notes)
    dead = sum(note["state"] == "dead" for note in notes)
    return Drained(len(sent), len(notes) - dead, dead)


def _failure(row: RowMapping, receipt: Receipt, at: datetime) -> dict[str, Any]:
    dead = receipt.result == "refused" or row["attempts"] + 1 >= ATTEMPTS
    return {
        "id": row["outbox_id"],
        "state": "dead" if dead else "owed",
        "error": receipt.error,
        "next": None if dead else at + wait(row["attempts"], receipt.retry_after),
    }


def wait(attempts: int, retry_after: float | None) -> timedelta:
    """Exponential backoff, never sooner than the source asked for."""
    backoff: timedelta = min(FIRST_WAIT * 2.0**attempts, LONGEST_WAIT)
    return max(backoff, timedelta(seconds=retry_after or 0))


def _added(a: Drained, b: Drained) -> Drained:
    return Drained(a.sent + b.sent, a.retry + b.retry, a.dead + b.dead, a.left + b.left)
