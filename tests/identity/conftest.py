"""A ledger to identify in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from tests import deliveries

from clearlane import identity
from clearlane.identity import Identified
from clearlane.ledger import Batch
from clearlane.policy import parse


class River(deliveries.River):
    def work(self, batch: Batch) -> Identified:
        return self.identify(batch)

    def identify(self, batch: Batch) -> Identified:
        with self.engine.begin() as connection:
            return identity.run(connection, self.policy, batch)


@pytest.fixture
def river(ledger_engine: sa.Engine) -> River:
    return River(ledger_engine, parse({}))


@pytest.fixture
def day() -> Callable[[float], str]:
    """ISO time of so many days after the start of 2026."""
    return lambda days: (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)).isoformat()
