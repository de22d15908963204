"""A small generated company for the tests that let the river run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.companies import policy_for, write_company
from tests.e2e.rivers import River

from clearlane.ledger import connect, server


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("company"))


@pytest.fixture
def texts(company: Path) -> dict[str, str]:
    return policy_for(company)


@pytest.fixture
def new_river(
    ledger_server: server.Server, ledger_template: str, texts: dict[str, str]
) -> Iterator[Callable[[str], River]]:
    """Makes rivers by name, each on a ledger of its own with the policy published."""
    made: list[sa.Engine] = []

    def make(name: str) -> River:
        ledger_server.create(name, ledger_template)
        engine = connect(ledger_server.url(name))
        made.append(engine)
        river = River(engine)
        river.publish(texts)
        return river

    yield make
    for engine in made:
        engine.dispose()
        ledger_server.drop(str(engine.url.database))
