"""Enrich: what the providers add to each lead revision, and the profile that rules read.

Reads the batch's work, revisions of leads, contacts, accounts and opportunities, suppression; writes
enrichment, lead_profile, inquiry. Run again, or by two runs at once, it leaves the same profiles as of any
moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from clearlane.enrich import inquiries, observations, profiles
from clearlane.enrich.precedence import priorities
from clearlane.enrich.profiles import profiles_at
from clearlane.enrich.provider import Abort, Provider, Skip
from clearlane.enrich.providers import OFFLINE, chosen
from clearlane.ledger import Batch
from clearlane.policy.model import Policy

__all__ = ["OFFLINE", "Abort", "Enriched", "Provider", "Skip", "chosen", "profiles_at", "run"]


@dataclass(frozen=True)
class Enriched:
    """Counts: provider answers, profile rows and inquiries that are new or changed."""

    observations: int
    profiles: int
    inquiries: int


def run(
    connection: Connection, policy: Policy, batch: Batch, providers: Sequence[Provider] = OFFLINE
) -> Enriched:
    """Enrich the batch's leads, in one transaction of level READ COMMITTED; the caller commits."""
    order = priorities(policy.sources, [provider.name for provider in providers])
    return Enriched(
        observations=observations.observe(connection, batch.batch_id, batch.as_of, providers),
        profiles=profiles.write(
            connection, batch.batch_id, order, policy.scoring.kinds, policy.sources.matching
        ),
        inquiries=inquiries.note(connection, batch.batch_id, policy.scoring),
    )
