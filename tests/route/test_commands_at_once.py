"""Two commands in two processes for one lead, or one rep with room for one: one winner, and caps hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.e2e.processes import ended, forked
from tests.route.conftest import World
from tests.route.test_queue_commands import NOW, TEXTS, banded
from tests.route.test_run import healthy
from tests.waiting import until
from typer.testing import CliRunner

from clearlane import policy
from clearlane.cli import app
from clearlane.route.routing import LOCK

Words = Sequence[str]


def together(world: World, folder: Path, *commands: Words) -> list[tuple[int, str]]:
    """Exit code and output of each, all of them started while nobody may decide; then let go."""
    url = world.engine.url.render_as_string(hide_password=False)
    answers = [folder / f"{number}.json" for number in range(len(commands))]
    with world.engine.connect() as connection:
        connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": LOCK})
        running = [forked(_told(words, answer), url) for words, answer in zip(commands, answers, strict=True)]
        until(lambda: _standing(connection) == len(running) or any(map(_is_gone, running)))
        connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": LOCK})
        connection.commit()
    assert [ended(child) for child in running] == [0] * len(running)
    return sorted((code, text) for code, text in (json.loads(answer.read_text()) for answer in answers))


def _told(words: Words, answer: Path) -> Callable[[sa.Engine], None]:
    """The command, to run in a child, which leaves there its exit code and what it says on one line."""

    def run(engine: sa.Engine) -> None:
        url = engine.url.render_as_string(hide_password=False)
        done = CliRunner(env={"CLEARLANE_LEDGER_URL": url}).invoke(app, list(words))
        answer.write_text(json.dumps([done.exit_code, " ".join(done.output.split())]))

    return run


def _is_gone(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


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


def test_of_two_who_claim_one_lead_one_gets_it(
    world: World, queued: tuple[UUID, UUID, UUID], tmp_path: Path
) -> None:
    claims = [("pool", "claim", "crm:N1", "--rep", rep) for rep in ("ada", "bob")]
    (won, yes), (lost, no) = together(world, tmp_path, *claims)
    owner = world.place(queued[0])[2]
    assert (won, lost) == (0, 1), (yes, no)
    assert f"crm:N1 is {owner}'s" in yes
    assert f"is owned by {owner} already" in no
    assert world.count("assignment") == world.count("decision where mode = 'hand'") == 1
    assert healthy(world)


def test_who_has_room_for_one_gets_one(world: World, queued: tuple[UUID, UUID, UUID], tmp_path: Path) -> None:
    claims = [("pool", "claim", lead, "--rep", "ada") for lead in ("crm:N1", "crm:N2")]
    (won, yes), (lost, no) = together(world, tmp_path, *claims)
    assert (won, lost) == (0, 1), (yes, no)
    assert "ada cannot claim: open cap of 1 reached" in no
    assert world.count("assignment") == 1
    assert healthy(world)


def test_of_two_managers_who_assign_one_lead_one_does(
    world: World, queued: tuple[UUID, UUID, UUID], tmp_path: Path
) -> None:
    given = [
        ("exceptions", "assign", "crm:F1", "--rep", rep, "--by", "cyd", "--because", "knows them")
        for rep in ("ada", "bob")
    ]
    (won, yes), (lost, no) = together(world, tmp_path, *given)
    owner = world.place(queued[2])[2]
    assert (won, lost) == (0, 1), (yes, no)
    assert f"is owned by {owner} already" in no
    assert world.rows("select rep_id, ended_at from assignment") == [{"rep_id": owner, "ended_at": None}]
    assert healthy(world)


def test_a_claim_and_an_assignment_at_once_count_in_one_load(
    world: World, queued: tuple[UUID, UUID, UUID], tmp_path: Path
) -> None:
    """A manager may exceed the cap and is told; a claim may not: whoever comes first."""
    claim = ("pool", "claim", "crm:N1", "--rep", "ada")
    assign = ("exceptions", "assign", "crm:F1", "--rep", "ada", "--by", "cyd", "--because", "x")
    done = together(world, tmp_path, claim, assign)
    told = "".join(text for _, text in done)
    assert ("warning: ada: open cap of 1 reached" in told) != (
        "ada cannot claim: open cap of 1 reached" in told
    )
    assert healthy(world)
