"""A task killed in the middle of its work and cleared leaves the ledger of an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from tests.companies import WINDOWS
from tests.e2e.processes import forked, kill, waits_for_a_lock
from tests.e2e.rivers import River, flowing, no_secrets
from tests.e2e.snapshot import differences, snapshot
from tests.waiting import until

from clearlane import steps
from clearlane.ledger import server

WINDOW = WINDOWS[-1]
STAGES: Mapping[str, Callable[[sa.Engine, str], object]] = {
    "pull": lambda engine, batch: [
        steps.pull(engine, batch, s, no_secrets) for s in ("crm", "web", "product")
    ],
    "quality": lambda engine, batch: steps.quality(engine, batch, lane="plain"),
    "identity": steps.identity,
    "enrich": steps.enrich,
    "score": steps.score,
    "route": steps.route,
    "push": lambda engine, batch: steps.push(engine, batch, WINDOW[1], no_secrets),
}
STOPS = [
    ("pull", "inbox"),
    pytest.param("pull", "delivery", marks=pytest.mark.full),
    pytest.param("pull", "source_state", marks=pytest.mark.full),
    ("quality", "quarantine"),
    pytest.param("quality", "inbox", marks=pytest.mark.full),
    pytest.param("identity", "lead", marks=pytest.mark.full),
    pytest.param("identity", "activity", marks=pytest.mark.full),
    ("identity", "merge"),
    pytest.param("identity", "place", marks=pytest.mark.full),
    pytest.param("identity", "work", marks=pytest.mark.full),
    pytest.param("enrich", "enrichment", marks=pytest.mark.full),
    ("enrich", "lead_profile"),
    pytest.param("enrich", "inquiry", marks=pytest.mark.full),
    pytest.param("score", "signal", marks=pytest.mark.full),
    ("score", "score"),
    pytest.param("score", "stage_entry", marks=pytest.mark.full),
    pytest.param("score", "standing", marks=pytest.mark.full),
    ("route", "decision"),
    pytest.param("route", "turn", marks=pytest.mark.full),
    pytest.param("route", "assignment", marks=pytest.mark.full),
    ("route", "sla_clock"),
    ("push", "outbox"),
]


Snapshot = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def undisturbed(ledger_server: server.Server, no_day: str) -> Iterator[tuple[str, Snapshot]]:
    """The batch of an undisturbed run and what it left; of the ledger before each stage there is a copy."""
    with ExitStack() as stack:
        calm = stack.enter_context(flowing(ledger_server, "undisturbed", no_day))
        batch = calm.open(WINDOW, dry_run=False)
        for stage, run in STAGES.items():
            calm.engine.dispose()
            stack.enter_context(flowing(ledger_server, f"before_{stage}", "undisturbed"))
            run(calm.engine, batch)
        yield batch, snapshot(calm.engine)


@pytest.mark.parametrize(("stage", "table"), STOPS, ids=lambda value: value)
def test_killed_while_writing_and_cleared(stage, table, new_river, undisturbed):
    batch, expected = undisturbed
    river = new_river(f"killed_{stage}_{table}", f"before_{stage}")
    _kill_at(river, table, lambda engine: STAGES[stage](engine, batch))
    for cleared in list(STAGES)[list(STAGES).index(stage) :]:
        STAGES[cleared](river.engine, batch)
    assert differences(expected, snapshot(river.engine)) == {}


def _kill_at(river: River, table: str, work: Callable[[sa.Engine], object]) -> None:
    """Kill the work when it stands before its first write to `table`: a SHARE lock lets it read, not write."""
    url = river.engine.url.render_as_string(hide_password=False)
    with river.engine.begin() as connection:
        connection.execute(sa.text(f'lock table "{table}" in share mode'))
        child = forked(work, url)
        until(lambda: waits_for_a_lock(connection, child))
        assert kill(child) == -9
