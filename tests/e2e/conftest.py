"""The small generated company for the tests that let the river run, on ledgers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.companies import policy_for
from tests.e2e.rivers import River, flowing

from clearlane.ledger import server


@pytest.fixture
def texts(exports: Path) -> dict[str, str]:
    return policy_for(exports)


@pytest.fixture
def new_river(ledger_server: server.Server, no_day: str) -> Iterator[Callable[..., River]]:
    """Makes rivers by name, each on a ledger of its own: with the policy published, or a copy of the one named."""
    with ExitStack() as stack:
        yield lambda name, like=no_day: stack.enter_context(flowing(ledger_server, name, like))
