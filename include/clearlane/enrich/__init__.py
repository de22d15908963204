"""Enrich: what the providers add to each lead revision, and the profile that rules read.

Reads the batch's work, revisions of leads, contacts, accounts and opportunities, suppression; writes
enrichment, enrichment_ask, provider_day, lead_profile, inquiry. Run again, or by two runs at once, it leaves the same
profiles as of any moment; what providers that are paid answered stays as it was paid for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clearlane.connectors import gate
from clearlane.connectors.protocol import Secrets
from clearlane.enrich import inquiries, observations, profiles, wanted
from clearlane.enrich.asking import Asker, row_of
from clearlane.enrich.precedence import priorities
from clearlane.enrich.profiles import profiles_at
from clearlane.enrich.provider import Abort, Found, Paid, Provider, Skip
from clearlane.enrich.providers import OFFLINE, client
from clearlane.ledger import Batch
from clearlane.ledger.batches import keep_from_erasing
from clearlane.policy.model import PaidProvider, Policy

__all__ = [
    "OFFLINE",
    "Abort",
    "Asked",
    "Enriched",
    "Found",
    "Paid",
    "Provider",
    "Skip",
    "ask",
    "profiles_at",
    "run",
]

Make = Callable[[PaidProvider, Secrets], Paid]


@dataclass(frozen=True)
class Enriched:
    """Counts: provider answers, profile rows and inquiries that are new or changed."""

    observations: int
    profiles: int
    inquiries: int


@dataclass(frozen=True)
class Asked:
    """Counts of one run: requests to paid providers, answers (also that nothing is known), failures, asks left open."""

    asked: int = 0
    answered: int = 0
    failed: int = 0
    left_open: int = 0


def run(
    connection: Connection, policy: Policy, batch: Batch, providers: Sequence[Provider] = OFFLINE
) -> Enriched:
    """Enrich the batch's leads, in one transaction of level READ COMMITTED; the caller commits.

    Of paid providers it takes what is there already; nobody is asked.
    """
    offline, paid = [provider.name for provider in providers], list(policy.sources.enrichment.providers)
    observed = observations.observe(connection, batch.batch_id, batch.as_of, providers)
    connection.execute(_FORGET, {"providers": paid})
    if paid:
        wanted.prepare(connection, policy, batch, offline)
        connection.execute(_TAKEN, {"batch_id": batch.batch_id})
    order = priorities(policy.sources, [*offline, *paid])
    return Enriched(
        observations=observed,
        profiles=profiles.write(
            connection, batch.batch_id, order, policy.scoring.kinds, policy.sources.matching
        ),
        inquiries=inquiries.note(connection, batch.batch_id, policy.scoring),
    )


_FORGET = sa.text("delete from enrichment_ask where provider <> all(:providers)")
# Before profiles are written: what is answered while they are stays for the next run.
_TAKEN = sa.text(
    """
    delete from enrichment_ask where (revision_id, provider) in (
        select a.revision_id, a.provider
        from work w join lead l on l.survivor_id = w.lead_id join lead_revision r on r.lead_id = l.lead_id
        join enrichment_ask a on a.revision_id = r.revision_id
        where w.batch_id = :batch_id and a.answered_at is not null
        order by a.revision_id, a.provider for update of a skip locked)
    """
)


def ask(
    engine: Engine,
    policy: Policy,
    batch: Batch,
    at: datetime,
    secrets: Secrets,
    *,
    make: Make = client,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Asked:
    """Ask the paid providers about the batch's leads for as long as policy allows, in transactions of its own.

    `at` is now; answers are noted as of the run's moment. Only runs that take what waits ask: a backfill pays for
    nothing. Raises Abort where a provider that is `required` cannot be used.
    """
    settings = policy.sources.enrichment
    if not settings.providers or not batch.takes_unclaimed:
        return Asked()
    clients = {one.name: _made(engine, one, at, secrets, make) for one in settings.providers.values()}
    with engine.begin() as connection:
        keep_from_erasing(connection)
        observations.observe(connection, batch.batch_id, batch.as_of, OFFLINE)
        wanted.prepare(connection, policy, batch, [provider.name for provider in OFFLINE])
        wanted.open_asks(connection, policy, batch)
        queues = {
            name: wanted.due(connection, settings.providers[name], one.needs, at)
            for name, one in clients.items()
            if one
        }
    ends = clock() + settings.deadline / timedelta(seconds=1)
    askers = [
        Asker(
            engine, settings.providers[name], one, queues[name], as_of=batch.as_of, at=at, ends=ends, wait=wait,
            clock=clock,
        )
        for name, one in clients.items()
        if one and queues[name]
    ]  # fmt: skip
    for thread in [thread for asker in askers for thread in asker.start()]:
        thread.join(max(0.0, ends - clock()))
    for asker in askers:
        if asker.aborted and asker.required:
            raise Abort(asker.aborted)
    return _tallied(engine, batch, askers)


def _made(engine: Engine, settings: PaidProvider, at: datetime, secrets: Secrets, make: Make) -> Paid | None:
    """The provider's client; None where its connection is not as it should be, which its breaker then says."""
    try:
        return make(settings, secrets)
    except Abort as error:
        if settings.required:
            raise
        with engine.begin() as connection:
            gate.stop(connection, row_of(settings.name), settings.limits, at, str(error))
        return None


def _tallied(engine: Engine, batch: Batch, askers: Sequence[Asker]) -> Asked:
    counts = [asker.counts for asker in askers]
    total = {
        name: sum(one.get(name, 0) for one in counts) for name in ("asked", "known", "unknown", "failed")
    }
    with engine.connect() as connection:
        left = connection.execute(_LEFT, {"batch_id": batch.batch_id}).scalar_one()
    return Asked(total["asked"], total["known"] + total["unknown"], total["failed"], left)


_LEFT = sa.text(
    """
    select count(*) from work w join lead l on l.survivor_id = w.lead_id join lead_revision r on r.lead_id = l.lead_id
    join enrichment_ask a on a.revision_id = r.revision_id
    where w.batch_id = :batch_id and a.answered_at is null
    """
)
