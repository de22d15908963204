"""Source systems: one module each, and the one dict that registers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection

from clearlane.connectors.activecampaign import ActiveCampaign
from clearlane.connectors.bottlecrm import BottleCrm
from clearlane.connectors.files import Files
from clearlane.connectors.freshsales import Freshsales
from clearlane.connectors.hubspot import HubSpot
from clearlane.connectors.inbox import Pulled, interval_of, pull_from
from clearlane.connectors.insightly import Insightly
from clearlane.connectors.protocol import (
    UNREADABLE,
    AsksAfter,
    Broken,
    Checkable,
    Checked,
    Checks,
    Chunk,
    Connector,
    Followed,
    Follows,
    Instructs,
    Interval,
    Merge,
    Merges,
    Preparable,
    Raw,
    ReadsBack,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.rest import Rest
from clearlane.connectors.salesforce import Salesforce
from clearlane.connectors.sql import Sql
from clearlane.connectors.vanillasoft import VanillaSoft
from clearlane.ledger import Batch
from clearlane.policy.model import Source

CONNECTORS: Final[Mapping[str, Callable[[Source, Secrets], Connector]]] = {
    "activecampaign": ActiveCampaign,
    "bottlecrm": BottleCrm,
    "files": Files,
    "freshsales": Freshsales,
    "hubspot": HubSpot,
    "insightly": Insightly,
    "rest": Rest,
    "salesforce": Salesforce,
    "sql": Sql,
    "vanillasoft": VanillaSoft,
}

__all__ = [
    "CONNECTORS",
    "UNREADABLE",
    "AsksAfter",
    "Broken",
    "Checkable",
    "Checked",
    "Checks",
    "Chunk",
    "Connector",
    "Followed",
    "Follows",
    "Instructs",
    "Interval",
    "Merge",
    "Merges",
    "Preparable",
    "Pulled",
    "Raw",
    "ReadsBack",
    "Receipt",
    "Secrets",
    "SourceFailed",
    "Write",
    "connected",
    "interval_of",
    "pull",
]


def connected(source: Source, secrets: Secrets) -> Connector:
    """The connector that sources.yaml names; LookupError names the known ones."""
    if source.connector not in CONNECTORS:
        known = ", ".join(sorted(CONNECTORS))
        raise LookupError(f"source {source.name}: no connector {source.connector}; known are {known}")
    return CONNECTORS[source.connector](source, secrets)


def pull(connection: Connection, source: Source, batch: Batch, secrets: Secrets) -> Pulled:
    """Read the source for the batch's interval into the inbox; raises SourceFailed, and then nothing is kept."""
    return pull_from(connected(source, secrets), connection, source, batch)
