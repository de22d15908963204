"""A ledger to enrich in."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from tests import deliveries

from clearlane import enrich, identity
from clearlane.enrich import Enriched
from clearlane.ledger import Batch
from clearlane.policy import parse


class River(deliveries.River):
    def work(self, batch: Batch) -> Enriched:
        return self.enrich(batch)

    def enrich(self, batch: Batch, **options: Any) -> Enriched:
        with self.engine.begin() as connection:
            identity.run(connection, self.policy, batch)
        with self.engine.begin() as connection:
            return enrich.run(connection, self.policy, batch, **options)

    def profile(self, lead: str, at: str = "2026-03-01T00:00:00Z") -> dict[str, Any] | None:
        """Attributes and kind of the lead with this external id, as of a moment."""
        rows = self.all(
            f"select attributes, kind from ({enrich.profiles_at(':at')}) p join lead using (lead_id)"
            " where external_id = :lead",
            at=at,
            lead=lead,
        )
        return {**rows[0][0], "kind": rows[0][1]} if rows else None


@pytest.fixture
def river(ledger_engine: sa.Engine) -> River:
    return River(ledger_engine, parse({}))
