"""The stages that outcomes mean: entered in event time, once a cycle, the same in whatever order outcomes come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.profiles import examples
from tests.score import ledger_rows as rows
from tests.score.models import NOW, acted, ago, fit, model
from tests.score.test_scoring import policy_of, scored_at, table

from clearlane.policy.model import LATER_STAGES, Policy, Recycling
from clearlane.score import enter
from clearlane.score.history import history

MODEL = model(fit("size", "employees >= 50", 30), acted("demo", "demo_request", 40, half_life_days=14))
AGAIN = replace(MODEL, recycling=Recycling(("rejected",), {"*": timedelta(days=2)}))
POLICY = policy_of(AGAIN)
ENTRIES = (
    "select stage, cycle, entered_at from stage_entry where stage = any(:later) order by entered_at, cycle"
)


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


@pytest.fixture
def ada(ledger: Connection) -> UUID:
    lead = rows.lead(ledger, "ada")
    rows.profile(ledger, lead, {"employees": 100})
    return lead


def scored(ledger: Connection, moment: datetime, *leads: UUID) -> None:
    scored_at(ledger, moment, *leads, version=POLICY)


def told(ledger: Connection, as_of: datetime = NOW, version: Policy = POLICY) -> int:
    """A run that looks at all outcomes so far."""
    return enter(ledger, version, rows.batch(ledger, as_of, run=f"told {as_of}"), ago(days=1000))


def entries(ledger: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in ledger.execute(sa.text(ENTRIES), {"later": list(LATER_STAGES)})]


def stands(ledger: Connection) -> str:
    return str(table(ledger, "select stage from standing")[0][0])


def test_outcomes_enter_stages_when_they_happened(ledger: Connection, ada: UUID) -> None:
    scored(ledger, ago(days=9), ada)
    for days, kind in (
        (8, "accepted"),
        (7, "first_touch"),
        (6, "meeting"),
        (5, "sql"),
        (4, "opportunity"),
        (2, "won"),
    ):
        rows.outcome(ledger, ada, kind, ago(days=days))
    assert told(ledger) == 4
    assert entries(ledger) == [
        ("accepted", 1, ago(days=8)),
        ("sql", 1, ago(days=5)),
        ("opportunity", 1, ago(days=4)),
        ("customer", 1, ago(days=2)),
    ]
    assert stands(ledger) == "customer"
    assert table(ledger, "select because from stage_entry where stage = 'customer'") == [("crm says won",)]
    assert told(ledger) == 0, "nothing is new"


def test_a_score_neither_moves_an_entry_nor_takes_the_lead_back(ledger: Connection, ada: UUID) -> None:
    rows.outcome(ledger, ada, "sql", ago(days=5))
    told(ledger)
    rows.activity(ledger, ada, "demo_request", ago(days=4))
    for days in (3, 1, 2):
        scored(ledger, ago(days=days), ada)
    assert entries(ledger) == [("sql", 1, ago(days=5))]
    assert stands(ledger) == "sql"
    assert table(ledger, "select distinct stage from score") == [("sql",)]


def test_before_it_happened_it_was_not_so(ledger: Connection, ada: UUID) -> None:
    rows.outcome(ledger, ada, "sql", ago(days=5))
    told(ledger)
    scored(ledger, ago(days=6), ada)
    assert (stands(ledger), table(ledger, "select stage from score")) == ("inquiry", [("inquiry",)])
    told(ledger)
    assert stands(ledger) == "sql"


def test_an_outcome_of_the_future_waits(ledger: Connection, ada: UUID) -> None:
    scored(ledger, ago(days=2), ada)
    rows.outcome(ledger, ada, "won", NOW)
    told(ledger, ago(days=1))
    assert stands(ledger) == "inquiry"
    told(ledger, NOW + timedelta(hours=1))
    assert stands(ledger) == "customer"


def test_what_the_source_corrects_is_corrected(ledger: Connection, ada: UUID) -> None:
    scored(ledger, ago(days=9), ada)
    rows.outcome(ledger, ada, "accepted", ago(days=6))
    rows.outcome(ledger, ada, "opportunity", ago(days=5))
    told(ledger)
    ledger.execute(sa.text("update outcome set kind = 'sql' where kind = 'opportunity'"))
    told(ledger)
    assert entries(ledger) == [("accepted", 1, ago(days=6)), ("sql", 1, ago(days=5))]
    assert stands(ledger) == "sql"
    ledger.execute(sa.text("update outcome set kind = 'first_touch'"))
    told(ledger)
    assert (entries(ledger), stands(ledger)) == ([], "inquiry")


def test_a_disqualified_lead_stays_disqualified(ledger: Connection) -> None:
    rival = rows.lead(ledger, "rival")
    rows.profile(ledger, rival, {"employees": 100, "domain": "rival.example"})
    scored(ledger, ago(days=3), rival)
    rows.outcome(ledger, rival, "accepted", ago(days=2))
    told(ledger)
    assert stands(ledger) == "disqualified"
    assert entries(ledger) == [("accepted", 1, ago(days=2))], "it was accepted all the same"


def test_the_master_of_the_stage_alone_counts(ledger: Connection, ada: UUID) -> None:
    rows.outcome(ledger, ada, "accepted", ago(days=5))
    ruled = replace(POLICY, sources=replace(POLICY.sources, masters={"stage": "mail"}))
    told(ledger, version=ruled)
    assert entries(ledger) == []
    told(ledger)
    assert entries(ledger) == [("accepted", 1, ago(days=5))]


def test_a_merge_brings_the_stages_of_both_and_its_end_parts_them(ledger: Connection, ada: UUID) -> None:
    twin = rows.lead(ledger, "twin")
    rows.outcome(ledger, ada, "sql", ago(days=4))
    rows.outcome(ledger, twin, "sql", ago(days=5))
    told(ledger)
    apart = table(ledger, "select * from stage_entry order by lead_id")
    ledger.execute(sa.text("update lead set survivor_id = :ada"), {"ada": ada})
    told(ledger)
    assert table(ledger, "select lead_id, entered_at from stage_entry") == [(ada, ago(days=5))]
    ledger.execute(sa.text("update lead set survivor_id = lead_id"))
    told(ledger)
    assert table(ledger, "select * from stage_entry order by lead_id") == apart


# --- opened again ---


def test_rejected_and_opened_again_each_cycle_has_its_own_stages(ledger: Connection, ada: UUID) -> None:
    scored(ledger, ago(days=9), ada)
    for days, kind in ((8, "accepted"), (7, "sql"), (6, "rejected"), (4, "accepted")):
        rows.outcome(ledger, ada, kind, ago(days=days))
    told(ledger)
    assert entries(ledger) == [
        ("accepted", 1, ago(days=8)),
        ("sql", 1, ago(days=7)),
        ("accepted", 2, ago(days=4)),
    ]
    assert stands(ledger) == "accepted", "what was reached before the rejection is history"
    scored(ledger, ago(days=3), ada)
    assert table(ledger, "select cycle, stage from score order by as_of") == [(1, "inquiry"), (2, "accepted")]
    causes = [change.causes for change in history(ledger, ada, NOW)]
    assert causes == [("new",), ("cycle", "outcome")]


def test_a_rejected_lead_shows_its_new_cycle_when_it_is_scored(ledger: Connection, ada: UUID) -> None:
    scored(ledger, ago(days=9), ada)
    rows.outcome(ledger, ada, "sql", ago(days=8))
    rows.outcome(ledger, ada, "rejected", ago(days=7))
    told(ledger)
    assert stands(ledger) == "sql"
    scored(ledger, ago(days=6), ada)
    assert stands(ledger) == "inquiry"
    told(ledger)
    assert stands(ledger) == "inquiry"


def test_lost_without_recycling_ends_nothing_and_an_earlier_stage_leads_nowhere_back(
    ledger: Connection, ada: UUID
) -> None:
    scored(ledger, ago(days=9), ada)
    for days, kind in ((8, "opportunity"), (6, "lost"), (4, "sql")):
        rows.outcome(ledger, ada, kind, ago(days=days))
    told(ledger)
    assert entries(ledger) == [("opportunity", 1, ago(days=8)), ("sql", 1, ago(days=4))]
    assert stands(ledger) == "opportunity"


def test_an_outcome_of_the_moment_of_the_rejection_belongs_to_the_cycle_that_it_ends(
    ledger: Connection, ada: UUID
) -> None:
    rows.outcome(ledger, ada, "rejected", ago(days=7))
    rows.outcome(ledger, ada, "sql", ago(days=7))
    told(ledger)
    assert entries(ledger) == [("sql", 1, ago(days=7))]


def test_the_history_says_that_outcomes_moved_it(ledger: Connection, ada: UUID) -> None:
    scored(ledger, ago(days=9), ada)
    rows.outcome(ledger, ada, "accepted", ago(days=8))
    told(ledger)
    scored(ledger, ago(days=7), ada)
    assert [change.causes for change in history(ledger, ada, NOW)] == [("new",), ("outcome",)]


# --- the order of arrival ---

KINDS = st.sampled_from(["accepted", "sql", "opportunity", "won", "lost", "rejected", "first_touch"])
SAID = st.lists(st.tuples(KINDS, st.integers(1, 8)), min_size=1, max_size=7, unique=True)


def plain(said: list[tuple[str, int]]) -> set[tuple[Any, ...]]:
    """The entries by the rule as one would say it: of each cycle the first that means a stage."""
    means = dict(zip(("accepted", "sql", "opportunity", "won"), LATER_STAGES, strict=True))
    found: dict[tuple[str, int], datetime] = {}
    for kind, days in sorted(said, key=lambda one: -one[1]):
        if kind in means:
            cycle = 1 + sum(other == "rejected" and when > days for other, when in said)
            found.setdefault((means[kind], cycle), ago(days=days))
    return {(*which, at) for which, at in found.items()}


@settings(
    max_examples=examples(8, 80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=SAID, data=st.data())
def test_whatever_the_order_of_arrival_the_entries_are_the_same(
    ledger: Connection, said: list[tuple[str, int]], data: st.DataObject
) -> None:
    with ledger.begin_nested() as savepoint:
        ada = rows.lead(ledger, "ada")
        rows.profile(ledger, ada, {"employees": 100})
        for number, (kind, days) in enumerate(data.draw(st.permutations(said))):
            rows.outcome(ledger, ada, kind, ago(days=days))
            told(ledger)
            if data.draw(st.booleans()):
                scored(ledger, ago(days=9 - number), ada)
        assert set(entries(ledger)) == plain(said)
        savepoint.rollback()
