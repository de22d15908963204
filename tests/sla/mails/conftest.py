"""A desk with a fresh ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.route.conftest import World
from tests.sla.mails.desk import Desk

from clearlane import ledger


@pytest.fixture
def desk(ledger_url: str) -> Iterator[Desk]:
    engine = ledger.connect(ledger_url)
    yield Desk(World(engine))
    engine.dispose()
