"""Two runs sweep the same events, one of them stopped at every step: each event once, caps kept, each turn once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from tests.e2e.processes import ended, forked
from tests.route.conftest import World, banded
from tests.route.firms import MONDAY_NOON, SLA, capped, policy, routing, rule, team, teams, to
from tests.route.test_events import same_again, tell
from tests.waiting import until

from clearlane import route
from clearlane.ledger import Batch
from clearlane.route import events, intake, store
from clearlane.route import routing as steps

HOUR = timedelta(hours=1)
CAP = 4
NAMES = ("ana", "ben", "cyd")
POLICY = banded(
    policy(
        routing(rule("rest", "true", to("team", "sales")), fallback=(to("pool", "sales"),)),
        teams([capped(name, open=CAP) for name in NAMES], team("sales", *NAMES)),
        sla=SLA,
    )
)
GATE = 4711
STEPS = (
    (route, "chunks"),
    (steps, "join_merged"),
    (events, "claim"),
    (events, "weigh"),
    (events, "give_back"),
    (intake, "settle"),
    (intake, "candidates"),
    (steps, "load_floor"),
    (events, "put_off"),
    (store, "numbers"),
    (store, "save"),
)


def sweep(engine: Engine, batch: Batch) -> None:
    with engine.connect() as connection:
        chunks = route.chunks(connection, batch)
    for chunk in chunks:
        with engine.begin() as connection:
            route.run_chunk(connection, POLICY, batch, chunk)


def gated(of: Callable[..., Any]) -> Callable[..., Any]:
    """Stops after the step until whoever holds the gate lets go of it."""

    def stopped(connection: Connection, *rest: Any, **options: Any) -> Any:
        done = of(connection, *rest, **options)
        connection.execute(sa.text("select pg_advisory_xact_lock(:gate)"), {"gate": GATE})
        return done

    return stopped


def sweep_stopped(engine: Engine, batch: Batch, module: Any, step: str) -> None:
    """In a child of its own: what is replaced here is replaced nowhere else."""
    setattr(module, step, gated(getattr(module, step)))
    sweep(engine, batch)


def waiting(connection: Connection) -> int:
    query = "select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"
    return int(connection.execute(sa.text(query)).scalar_one())


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_events_are_handled_once_wherever_the_other_run_stops(world: World, module: Any, step: str) -> None:
    leads = world.leads(9)
    first = world.run(POLICY, leads)
    kinds = ("decline", "decline", "breach", "departure", "band", "override")
    for lead, kind in zip(leads, kinds, strict=False):
        owner = world.place(lead)[2]
        other = next(name for name in NAMES if name != owner)
        tell(world, lead, kind, rep=other if kind == "override" else owner, reason="spam", cause=["activity"])
    batches = [world.batch(as_of=MONDAY_NOON + HOUR) for _ in range(2)]
    for batch in batches:
        for lead in world.leads(2):
            world.score(batch, lead)
    url = world.engine.url.render_as_string(hide_password=False)
    with world.engine.connect() as connection:
        connection.execute(sa.text("select pg_advisory_lock(:gate)"), {"gate": GATE})
        stopped = forked(lambda engine: sweep_stopped(engine, batches[0], module, step), url)
        until(lambda: waiting(connection) == 1)
        other = forked(lambda engine: sweep(engine, batches[1]), url)
        if step == "chunks":
            assert ended(other) == 0
        else:
            until(lambda: waiting(connection) == 2)
        connection.execute(sa.text("select pg_advisory_unlock(:gate)"), {"gate": GATE})
        connection.commit()
    assert ended(stopped) == 0
    assert step == "chunks" or ended(other) == 0

    assert world.count("routing_event where handled_batch is null") == 0
    called = world.rows("select event_id, mode from decision where event_id is not null")
    assert len(called) == len({row["event_id"] for row in called}) == 6
    assert [row["mode"] for row in called].count("hand") == 1
    assert world.count("turn where kind = 'return'") == 2
    open_leads = world.rows("select rep_id, count(*) n from assignment where ended_at is null group by 1")
    by_hand = 1
    assert all(row["n"] <= CAP + by_hand for row in open_leads)
    assert world.count("place where place in ('owned', 'pool')") == 13
    assert same_again(world, POLICY, first, *batches)
