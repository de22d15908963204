"""Two commands in two processes for one lead, or one rep with room for one: one winner, and caps hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.e2e.processes import until
from tests.route.conftest import World
from tests.route.test_queue_commands import NOW, TEXTS, banded
from tests.route.test_run import healthy

from clearlane import policy
from clearlane.route.routing import LOCK

Words = Sequence[str]


def together(world: World, *commands: Words) -> list[tuple[int, str]]:
    """Exit code and output of each, all of them started while nobody may decide; then let go."""
    url = world.engine.url.render_as_string(hide_password=False)
    env = {**os.environ, "CLEARLANE_LEDGER_URL": url, "PYTHONPATH": "include", "COLUMNS": "240"}
    with world.engine.connect() as connection:
        connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": LOCK})
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "clearlane", *words],
                env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for words in commands
        ]  # fmt: skip
        until(lambda: _standing(connection) == len(running) or any(one.poll() is not None for one in running))
        connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": LOCK})
        connection.commit()
    said = [one.communicate(timeout=60)[0] for one in running]
    return sorted((one.returncode, text) for one, text in zip(running, said, strict=True))


def _standing(connection: sa.Connection) -> int:
    query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    return int(connection.execute(sa.text(query)).scalar_one())


@pytest.fixture
def queued(world: World) -> tuple[UUID, UUID, UUID]:
    """Two leads in the pool, one in exceptions; Ada and Bob have room for one each."""
    near = [world.lead(name, created_at=NOW, country="DE") for name in ("N1", "N2")]
    far = world.lead("F1", created_at=NOW, country="NZ")
    with world.engine.begin() as connection:
        policy.publish(connection, TEXTS, by="ada", because="first", in_force_from=NOW)
    world.run(banded(policy.parse(TEXTS)), [*near, far], as_of=NOW)
    return near[0], near[1], far


def test_of_two_who_claim_one_lead_one_gets_it(world: World, queued: tuple[UUID, UUID, UUID]) -> None:
    claims = [("pool", "claim", "crm:N1", "--rep", rep) for rep in ("ada", "bob")]
    (won, yes), (lost, no) = together(world, *claims)
    owner = world.place(queued[0])[2]
    assert (won, lost) == (0, 1), (yes, no)
    assert f"crm:N1 is {owner}'s" in yes
    assert f"is owned by {owner} already" in no
    assert world.count("assignment") == world.count("decision where mode = 'hand'") == 1
    assert healthy(world)


def test_who_has_room_for_one_gets_one(world: World, queued: tuple[UUID, UUID, UUID]) -> None:
    claims = [("pool", "claim", lead, "--rep", "ada") for lead in ("crm:N1", "crm:N2")]
    (won, yes), (lost, no) = together(world, *claims)
    assert (won, lost) == (0, 1), (yes, no)
    assert "ada cannot claim: open cap of 1 reached" in no
    assert world.count("assignment") == 1
    assert healthy(world)


def test_of_two_managers_who_assign_one_lead_one_does(world: World, queued: tuple[UUID, UUID, UUID]) -> None:
    given = [
        ("exceptions", "assign", "crm:F1", "--rep", rep, "--by", "cyd", "--because", "knows them")
        for rep in ("ada", "bob")
    ]
    (won, yes), (lost, no) = together(world, *given)
    owner = world.place(queued[2])[2]
    assert (won, lost) == (0, 1), (yes, no)
    assert f"is owned by {owner} already" in no
    assert world.rows("select rep_id, ended_at from assignment") == [{"rep_id": owner, "ended_at": None}]
    assert healthy(world)


def test_a_claim_and_an_assignment_at_once_count_in_one_load(
    world: World, queued: tuple[UUID, UUID, UUID]
) -> None:
    """A manager may exceed the cap and is told; a claim may not: whoever comes first."""
    claim = ("pool", "claim", "crm:N1", "--rep", "ada")
    assign = ("exceptions", "assign", "crm:F1", "--rep", "ada", "--by", "cyd", "--because", "x")
    done = together(world, claim, assign)
    told = "".join(text for _, text in done)
    assert ("warning: ada: open cap of 1 reached" in told) != (
        "ada cannot claim: open cap of 1 reached" in told
    )
    assert healthy(world)
