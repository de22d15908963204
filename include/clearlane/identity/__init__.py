"""Identity: who is this, which records are one person, which company is it, and what has the run to work on.

Reads the batch's waiting inbox rows; writes leads, revisions, contacts, accounts, opportunities, owners,
activities (and which of them no signal holds yet), outcomes, keys, merges, places and the batch's work. The same
records in any order, in any number of batches, leave the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import (
    alike,
    arrivals,
    behaviour,
    companies,
    lookalikes,
    people,
    records,
    verdicts,
    worklist,
)
from clearlane.ledger import Batch
from clearlane.policy.model import Policy

__all__ = ["LOCK", "Identified", "run", "weigh"]

LOCK: Final = "select pg_advisory_xact_lock(hashtext('clearlane.identity'))"
"""held until the transaction ends by whoever says which records are one person"""


@dataclass(frozen=True)
class Identified:
    """Counts: inbox rows consumed, lead revisions and activities new to the ledger, merges opened, leads to work on."""

    consumed: int
    revisions: int
    activities: int
    merges: int
    affiliated: int
    work: int


def run(connection: Connection, policy: Policy, batch: Batch) -> Identified:
    """Identify what the batch holds, in one transaction of level READ COMMITTED; the caller commits.

    Records are normalised side by side with other runs; what follows is done by one run at a time, so that each
    sees all that the others wrote.
    """
    arrivals.bring(connection, batch.batch_id)
    connection.execute(sa.text(LOCK))
    connection.exec_driver_sql("select nextval('known_seq')")
    _start_touched(connection)
    behaviour.note_former(connection)
    written = records.write(connection, batch.batch_id)
    lookalikes.note(connection, policy.sources.people)
    people.take_due(connection)
    merges = people.regroup(connection, batch.batch_id, batch.as_of, policy.sources.people)
    behaviour.attach(connection)
    verdicts.take(connection, batch.batch_id)
    alike.note(connection)
    alike.take_verdicts(connection, batch.batch_id)
    companies.note_concerned(connection)
    connection.execute(sa.text(_NOTE_KNOWN), {"batch_id": batch.batch_id})
    affiliated = companies.affiliate(connection, policy.sources.matching)
    alike.look_again(connection)
    return Identified(
        affiliated=affiliated,
        consumed=records.consume(connection, batch.batch_id),
        revisions=written["lead_revision"],
        activities=written["activity"],
        merges=merges,
        work=worklist.note(connection, batch),
    )


def weigh(connection: Connection, policy: Policy, after: UUID) -> UUID | None:
    """Weigh some of the ledger's records anew, of the ids that follow `after`; the last of them, null at the end.

    At the end the records that the policy now merges, or no longer, are listed for the next runs. The caller commits.
    """
    connection.execute(sa.text(LOCK))
    last = lookalikes.note_again(connection, policy.sources.people, after)
    if last is None:
        people.note_due(connection, policy.sources.people)
    return last


_NOTE_KNOWN = "update batch set known_seq = currval('known_seq') where batch_id = :batch_id"
"""Runs have the lock in the order of these numbers, so what has one up to a number was known at that number."""


def _start_touched(connection: Connection) -> None:
    connection.exec_driver_sql("drop table if exists pg_temp.touched")
    connection.exec_driver_sql("create temporary table touched (lead_id uuid, reason text) on commit drop")
    connection.exec_driver_sql("insert into touched select distinct lead_id, 'revision' from arrived_lead")
