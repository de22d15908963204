"""Who was silent three times in five days takes no turns for the rest of the day, and decisions know it for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.route.conftest import PINNED
from tests.route.firms import MONDAY_NOON, rep
from tests.sla.promises import MINUTE, Watch
from tests.sla.test_watch import DUE, POLICY
from typer.testing import CliRunner

from clearlane import ledger, policy
from clearlane.cli import app
from clearlane.ledger import batch_of
from clearlane.policy.model import Silent
from clearlane.route import refusals
from clearlane.route.again import decided_again
from clearlane.route.byhand import NotPossible
from clearlane.route.calendars import end_of_day, rep_calendar
from clearlane.sla import suspensions

DEFAULT = Path(__file__).resolve().parents[2] / "include" / "policy"
CLOSING = MONDAY_NOON.replace(hour=17)
TWICE = replace(POLICY, sla=replace(POLICY.sla, silent=Silent(2, timedelta(days=5))))


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


def silent(world: Watch, times: int = 2) -> str:
    """Ana gets that many leads and touches none; until a minute after they are due."""
    only = replace(TWICE, teams=replace(TWICE.teams, teams={"sales": _alone(TWICE)}))
    for number in range(times):
        lead = world.lead(f"S{number}", created_at=MONDAY_NOON)
        world.run(only, [lead])
    world.watch(TWICE, DUE + MINUTE)
    return "ana"


def _alone(of):  # type: ignore[no-untyped-def]
    return replace(of.teams.teams["sales"], members=(("ana", 1.0),))


def next_owners(world: Watch, at: datetime, count: int = 6) -> set[str | None]:
    leads = [world.lead(f"N{at.isoformat()}{number}", created_at=at) for number in range(count)]
    world.run(TWICE, leads, as_of=at)
    return {world.owner(lead) for lead in leads}


def test_the_rep_takes_no_turn_until_the_end_of_the_day_and_then_again(world: Watch) -> None:
    silent(world)
    assert world.rows("select rep_id, began_at, until from suspension") == [
        {"rep_id": "ana", "began_at": DUE + MINUTE, "until": CLOSING}
    ]
    assert next_owners(world, DUE + 2 * MINUTE) == {"ben", "cyd"}
    said = world.rows("select refused ->> 'ana' as why from decision order by decision_seq desc limit 1")[0][
        "why"
    ]
    assert said == "silent too often: out until 2026-03-02 17:00Z"
    assert refusals.code(said) == "silent"
    assert refusals.lapses(TWICE.teams.reps["ana"], said, DUE) == CLOSING
    assert "ana" in next_owners(world, MONDAY_NOON + timedelta(days=1))


def test_one_breach_too_few_suspends_nobody(world: Watch) -> None:
    silent(world, times=1)
    assert not world.rows("select from suspension")


def test_old_breaches_do_not_count_and_old_ones_alone_do_not_suspend_again(world: Watch) -> None:
    silent(world)
    for days in (1, 6):
        world.watch(TWICE, DUE + timedelta(days=days))
    assert len(world.rows("select from suspension")) == 1


def test_a_person_lets_the_rep_come_back(world: Watch) -> None:
    silent(world)
    at = DUE + 2 * MINUTE
    with world.engine.begin() as connection:
        assert [one.rep for one in suspensions.listed(connection, at)] == ["ana"]
        suspensions.restore(connection, "ana", by="mia", because="was at a fair", at=at)
        assert not suspensions.listed(connection, at)
        with pytest.raises(NotPossible, match="ana is not suspended"):
            suspensions.restore(connection, "ana", by="mia", because="again", at=at)
    assert "ana" in next_owners(world, DUE + 3 * MINUTE)


def test_decisions_are_made_again_as_they_were_made(world: Watch) -> None:
    silent(world)
    next_owners(world, DUE + 2 * MINUTE)
    with world.engine.begin() as connection:
        suspensions.restore(connection, "ana", by="mia", because="was at a fair", at=DUE + 3 * MINUTE)
    next_owners(world, DUE + 4 * MINUTE)
    made = world.rows(
        "select decision_seq, rep_id, batch_id, eligible, refused from decision where as_of > :at", at=DUE
    )
    with world.engine.begin() as connection:
        for batch_id in dict.fromkeys(row["batch_id"] for row in made):
            batch = batch_of(connection, batch_id)
            assert batch.policy == PINNED
            of_batch = {row["decision_seq"]: row for row in made if row["batch_id"] == batch_id}
            for again in decided_again(connection, TWICE, batch, list(of_batch)):
                row = of_batch[again.seq]
                assert (again.decision.rep, dict(again.decision.refused)) == (row["rep_id"], row["refused"])


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (MONDAY_NOON, CLOSING),
        (MONDAY_NOON.replace(hour=8), CLOSING),
        (CLOSING, MONDAY_NOON.replace(hour=0) + timedelta(days=1)),
        (MONDAY_NOON - timedelta(days=1), MONDAY_NOON.replace(hour=0)),
    ],
)
def test_the_day_ends_with_its_last_hours_or_at_midnight(at: datetime, end: datetime) -> None:
    assert end_of_day(rep_calendar(rep("ana")), at) == end


def test_the_command_line_lists_who_is_out_and_lets_them_come_back(
    world: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.engine.begin() as connection:
        policy.publish(connection, DEFAULT, by="t", because="t", in_force_from=None)
        connection.exec_driver_sql(
            "insert into suspension (rep_id, because, began_at, until)"
            " values ('ana', 'silent 3 times in 5 days', '2026-01-01 12:00Z', '2126-01-01 17:00Z')"
        )
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", world.engine.url.render_as_string(hide_password=False))

    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["sla", *words]).output

    assert [one["rep"] for one in json.loads(said("out", "--json"))] == ["ana"]
    assert "silent 3 times" in said("out")
    assert "takes turns again" in said("restore", "ana", "--by", "mia", "--because", "was at a fair")
    assert json.loads(said("out", "--json")) == []
    assert "not suspended" in said("restore", "ana", "--by", "mia", "--because", "again")
