"""A small generated company for the tests that let the river run, and the ledgers that it leaves, to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.companies import WINDOWS, policy_for, write_company
from tests.e2e.rivers import River

from clearlane.ledger import connect, server


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("company"))


@pytest.fixture
def texts(company: Path) -> dict[str, str]:
    return policy_for(company)


@contextmanager
def flowing(ledgers: server.Server, name: str, like: str) -> Iterator[River]:
    """A river on a ledger of its own: a copy of the one named, on which nobody may work meanwhile."""
    ledgers.create(name, like)
    river = River(connect(ledgers.url(name)))
    try:
        yield river
    finally:
        river.engine.dispose()
        ledgers.drop(name)


@pytest.fixture(scope="session")
def published(ledger_server: server.Server, ledger_template: str, company: Path) -> Iterator[str]:
    """The name of a ledger with the policy in force and nobody in it."""
    with flowing(ledger_server, "published", ledger_template) as river:
        river.publish(policy_for(company))
        river.engine.dispose()
        yield "published"


@pytest.fixture(scope="session")
def first_day(ledger_server: server.Server, published: str) -> Iterator[str]:
    """The name of a ledger after the company's first day."""
    with flowing(ledger_server, "first_day", published) as river:
        river.run(WINDOWS[0])
        river.engine.dispose()
        yield "first_day"


@pytest.fixture(scope="session")
def all_days(ledger_server: server.Server, first_day: str) -> Iterator[str]:
    """The name of a ledger after all days of the company, one after the other."""
    with flowing(ledger_server, "all_days", first_day) as river:
        for window in WINDOWS[1:]:
            river.run(window)
        river.engine.dispose()
        yield "all_days"


@pytest.fixture
def new_river(ledger_server: server.Server, published: str) -> Iterator[Callable[..., River]]:
    """Makes rivers by name, each on a ledger of its own: with the policy published, or a copy of the one named."""
    with ExitStack() as stack:
        yield lambda name, like=published: stack.enter_context(flowing(ledger_server, name, like))
