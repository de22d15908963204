"""A company's two weeks, lived once for all tests that only read what came of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sla.weeks import Lived

from clearlane import ledger
from clearlane.ledger import server

DAYS = 9


@pytest.fixture(scope="session")
def lived(ledger_server: server.Server, ledger_template: str) -> Iterator[Lived]:
    ledger_server.create("promises", ledger_template)
    engine = ledger.connect(ledger_server.url("promises"))
    world = Lived(engine)
    world.live(DAYS, seed=11)
    yield world
    engine.dispose()
    ledger_server.drop("promises")
