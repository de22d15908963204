"""What a connection to the ledger promises."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from clearlane.ledger import connect


def test_an_error_does_not_repeat_the_values_it_failed_on(ledger_url: str) -> None:
    engine = connect(ledger_url)
    statement = sa.text("select cast(:many as integer[]), cast(:mail as text)")
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as failed:
        connection.execute(statement, {"many": "no array", "mail": "ada@example.com"})
    engine.dispose()
    assert "ada@example.com" not in str(failed.value)
