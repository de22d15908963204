"""PostgreSQL without a table, for statements that bring their rows along."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from clearlane.ledger.server import Server


@pytest.fixture(scope="session")
def postgres(ledger_server: Server) -> Iterator[sa.Connection]:
    engine = sa.create_engine(ledger_server.url("postgres"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()
