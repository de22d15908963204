"""Two runs at once with overlapping work: one owner each, caps kept, each turn taken once, one owner a company."""

from __future__ import annotations

from collections import Counter

from tests.e2e.processes import ended, forked, waits_for_a_lock
from tests.route.conftest import banded
from tests.route.firms import MONDAY_NOON, capped, policy, routing, rule, team, teams, to
from tests.route.test_run import healthy
from tests.waiting import until

from clearlane import route
from clearlane.route.routing import LOCK

CAP = 7
STAFF = teams([capped(name, day=CAP) for name in ("ana", "ben", "cyd")], team("sales", "ana", "ben", "cyd"))
POLICY = banded(
    policy(
        routing(rule("rest", "true", to("team", "sales")), fallback=(to("pool", "sales"), to("exceptions"))),
        STAFF,
    )
)


def in_chunks(engine, batch):
    """As the step does it: one transaction a chunk."""
    with engine.connect() as connection:
        chunks = route.chunks(connection, batch)
    for chunk in chunks:
        with engine.begin() as connection:
            route.run_chunk(connection, POLICY, batch, chunk)


def test_two_processes_at_once(world, monkeypatch):
    monkeypatch.setattr("clearlane.route.routing.CHUNK", 3)
    shared, first_only, second_only = world.leads(20), world.leads(5), world.leads(5, company="acme|US")
    batches = [world.batch(), world.batch()]
    for batch, own in zip(batches, (first_only + second_only[:2], second_only), strict=True):
        for lead in dict.fromkeys(shared + own):
            world.score(batch, lead)
    url = world.engine.url.render_as_string(hide_password=False)
    children = [forked(lambda engine, batch=batch: in_chunks(engine, batch), url) for batch in batches]
    assert [ended(child) for child in children] == [0, 0]

    assert world.count("decision") == world.count("place where place in ('owned', 'pool')") == 30
    per_rep = world.rows("select rep_id, count(*) n from assignment where ended_at is null group by rep_id")
    assert {row["rep_id"]: row["n"] for row in per_rep} == dict.fromkeys(("ana", "ben", "cyd"), CAP)
    colleagues = "select distinct rep_id from place where lead_id = any(:ids) and place = 'owned'"
    assert (
        len(world.rows(colleagues, ids=second_only)) <= 2
    )  # a second owner only once the first is at the cap
    picked = world.rows(
        "select rep_id, decision_seq from decision where rotation is not null order by decision_seq"
    )
    turns = world.rows("select rep_id, decision_seq from turn where kind = 'turn' order by decision_seq")
    assert turns == picked
    assert healthy(world)


def test_five_people_of_one_company_get_one_owner_from_two_runs(world, monkeypatch):
    """Each run has some of them, hottest first and one a chunk, so that both are at them at the same time."""
    monkeypatch.setattr("clearlane.route.routing.CHUNK", 1)
    url = world.engine.url.render_as_string(hide_password=False)
    people, strangers = world.leads(5, company="acme|US"), world.leads(6)
    batches = [world.batch(), world.batch()]
    for number, lead in enumerate(people + strangers):
        world.score(batches[number % 2], lead)
    children = [forked(lambda engine, batch=batch: in_chunks(engine, batch), url) for batch in batches]
    assert [ended(child) for child in children] == [0, 0]
    owners = world.rows(
        "select rep_id, count(*) n from place where lead_id = any(:ids) and place = 'owned' group by 1",
        ids=people,
    )
    assert [row["n"] for row in owners] == [5]
    assert world.count("turn where kind = 'turn'") == 7


def test_turns_of_runs_at_once_are_as_even_as_of_one(world, monkeypatch):
    monkeypatch.setattr("clearlane.route.routing.CHUNK", 2)
    url = world.engine.url.render_as_string(hide_password=False)
    batches = [world.batch(), world.batch()]
    for batch in batches:
        for lead in world.leads(9):
            world.score(batch, lead)
    children = [forked(lambda engine, batch=batch: in_chunks(engine, batch), url) for batch in batches]
    assert [ended(child) for child in children] == [0, 0]
    taken = Counter(row["rep_id"] for row in world.rows("select rep_id from turn where kind = 'turn'"))
    assert taken == dict.fromkeys(("ana", "ben", "cyd"), 6)


def test_a_run_waits_for_the_other_and_then_finds_the_lead_owned(world):
    lead = world.leads(1)[0]
    first, second = world.batch(), world.batch()
    world.score(first, lead)
    world.score(second, lead, score=61)
    url = world.engine.url.render_as_string(hide_password=False)
    with world.engine.begin() as connection:
        route.run(connection, POLICY, first)
        child = forked(lambda engine: in_chunks(engine, second), url)
        until(lambda: waits_for_a_lock(connection, child))
    assert ended(child) == 0
    assert [row["batch_id"] for row in world.rows("select batch_id from decision")] == [first.batch_id]
    assert world.count("assignment") == 1


def test_a_killed_run_leaves_no_lock_and_is_finished_by_the_next(world):
    batch = world.batch()
    for lead in world.leads(4):
        world.score(batch, lead)
    with world.engine.connect() as connection:
        route.run(connection, POLICY, batch)
        connection.rollback()
    assert world.count("decision") == 0
    held = "select pid from pg_locks where locktype = 'advisory' and objid = :low"
    assert world.rows(held, low=LOCK & 0xFFFF_FFFF) == []
    world.route(POLICY, batch)
    assert world.count("assignment where ended_at is null") == 4


def test_decision_numbers_follow_the_order_of_commits(world):
    for _ in range(3):
        world.run(POLICY, world.leads(2), as_of=MONDAY_NOON)
    rows = world.rows(
        "select d.decision_seq from assignment a join decision d using (decision_seq) order by a.assignment_id"
    )
    numbers = [row["decision_seq"] for row in rows]
    assert numbers == sorted(numbers)
