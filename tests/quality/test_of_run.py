"""What is told of one run: its own records, verdicts and reasons, and no value of any of them on its page."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.quality.conftest import END, contract, deliver, opened

from clearlane import policy
from clearlane.policy.model import BatchRule, Policy
from clearlane.quality import stage
from clearlane.quality.of_run import Delivered, Emptied, OfRun, of_run
from clearlane.review import judged

FRESH = BatchRule("freshness", ("leads",), warn=0.5, stop=None, trailing_windows=4)
SOURCES = policy.parse({}).sources
MADE = "2026-03-01T10:00:00Z"


def lead(number: str, **fields: str) -> dict[str, str]:
    return {"id": number, "created_at": MADE, "email": f"{number}@ore.example", **fields}


def run(connection: sa.Connection, asked: Policy, name: str, *records: dict[str, str]) -> OfRun:
    batch = opened(connection, name)
    deliver(connection, batch, records, at=END - timedelta(hours=1))
    stage.run(connection, asked, batch, engine="plain")
    return of_run(connection, batch.batch_id, SOURCES)


def test_a_run_is_told_with_its_own_records_only(connection: sa.Connection) -> None:
    run(connection, contract(), "before", lead("x", email="secret-one"))
    told = run(
        connection, contract(FRESH), "one", lead("a"), lead("b", email="secret-two"), lead("c", employees="0")
    )
    assert told.delivered == [Delivered("crm", "leads", 3, 1, 0, 0)]
    assert [(one.name, one.records) for one in told.reasons if one.decisive] == [("email or phone any_of", 1)]
    assert told.emptied == [Emptied("crm", "leads", "employees", "between", 1)]
    assert [(one.rule, one.verdict) for one in told.told] == [("freshness", "warn")]


def test_the_page_says_it_in_words_and_holds_no_value(connection: sa.Connection) -> None:
    told = run(connection, contract(FRESH), "one", lead("a"), lead("b", email="secret-two"))
    page = judged.page(told, ["../lead_flow/pages/1/index.html"])
    assert "judged 2 records and put 1 of them into quarantine" in page
    assert "email or phone any_of: none of them is usable" in page
    assert "the newest row is of 2026-03-01 23:00 UTC" in page
    assert '<a href="../lead_flow/pages/1/index.html">Great Expectations, try 1</a>' in page
    assert "secret-two" not in page
    assert "ore.example" not in page


def test_a_rule_that_stops_is_told_first(connection: sa.Connection) -> None:
    connection.execute(sa.text("""
        insert into quality_result (batch_id, source, object, rule, verdict, seen, allowed, because)
        values (:batch, 'crm', 'leads', 'volume', 'stop', 0.1, 'stop at 4', '3 rows, usually 100')
    """), {"batch": opened(connection).batch_id})  # fmt: skip
    told = of_run(connection, opened(connection).batch_id, SOURCES)
    assert list(judged.verdict(told)) == [
        "The run from 2026-03-01 00:00 to 2026-03-02 00:00 UTC had no record to judge.",
        "The rule volume holds leads of crm back: 3 rows, usually 100 (stop at 4).",
    ]
    assert "3 rows, usually 100" in judged.page(told)


def test_an_unknown_run_is_told_as_such(connection: sa.Connection) -> None:
    with pytest.raises(LookupError):
        of_run(connection, UUID(int=1), SOURCES)
