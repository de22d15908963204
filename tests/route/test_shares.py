"""Planned against actual turns: on a rotation with absences, caps, weights, joiners and leads without a turn."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.route.conftest import World, banded
from tests.route.firms import MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from typer.testing import CliRunner

from clearlane.cli import app
from clearlane.policy.model import Caps, Policy, TimeOff
from clearlane.review import fairness
from clearlane.route.shares import Share, as_json, reasons, shares

TUESDAY = MONDAY_NOON + timedelta(days=1)
END = MONDAY_NOON + timedelta(days=7)
LEAVE = (TimeOff(date(2026, 3, 3), date(2026, 3, 3), "leave"),)


def firm(*members: Any, language: bool = False, **reps: Any) -> Policy:
    people = [rep(name, **options) for name, options in reps.items()]
    rungs = (to("team", "sales", language=language), to("pool", "sales"))
    return banded(
        policy(routing(rule("all", "true", *rungs)), teams(people, team("sales", *members)), sla=SLA)
    )


def found(world: World, **options: Any) -> dict[str, Share]:
    with world.engine.connect() as connection:
        return {share.rep: share for share in shares(connection, MONDAY_NOON, END, **options)}


def test_turns_follow_the_weights(world: World) -> None:
    of = firm(("ana", 2.0), "ben", ana={}, ben={})
    world.run(of, world.leads(6))
    ana, ben = found(world).values()
    assert (ana.rotation, ana.band, ana.rep, ana.weight) == ("sales", "warm", "ana", 2.0)
    assert (ana.planned, ana.turns, ben.planned, ben.turns) == (pytest.approx(4), 4, pytest.approx(2), 2)
    assert reasons(ana) == reasons(ben) == ""


def test_nothing_is_planned_for_who_is_away_and_the_reason_is_told(world: World) -> None:
    of = firm("ana", "ben", ana={"time_off": LEAVE}, ben={})
    world.run(of, world.leads(4))
    world.run(of, world.leads(3), as_of=TUESDAY)
    ana, ben = found(world).values()
    assert (ana.of, ana.there, ana.planned, ana.turns) == (7, 4, pytest.approx(2), 2)
    assert (ben.there, ben.planned, ben.turns) == (7, pytest.approx(5), 5)
    assert (ana.missed, reasons(ana), ana.difference) == ({"away": 3}, "away 3", pytest.approx(0))


def test_caps_hours_and_languages_are_told_apart(world: World) -> None:
    early = dict.fromkeys(
        range(1, 6), ((MONDAY_NOON.replace(hour=6).time(), MONDAY_NOON.replace(hour=8).time()),)
    )
    of = firm(
        "ana", "ben", "cyd", language=True, ana={"caps": Caps(day=1)}, ben={"languages": ("en", "fr")},
        cyd={"hours": early},
    )  # fmt: skip
    world.run(of, world.leads(2, language="fr"))
    world.run(of, world.leads(2, language="en"))
    told = found(world)
    assert told["ana"].missed == {"cap": 1, "match": 2}
    assert told["ana"].there == 3, "whom only the lead does not suit is there"
    assert told["cyd"].missed == {"out_of_hours": 4}
    assert told["cyd"].weight is None
    assert sum(share.planned for share in told.values()) == pytest.approx(4)
    assert sum(share.turns for share in told.values()) == 4
    assert told["ben"].difference == pytest.approx(0.5)


def test_who_joins_is_planned_for_from_then_on(world: World) -> None:
    world.run(firm("ana", ana={}, ben={}), world.leads(4))
    world.run(firm("ana", "ben", ana={}, ben={}), world.leads(4), as_of=TUESDAY)
    ana, ben = found(world).values()
    assert (ana.of, ana.joined, ana.planned) == (8, None, pytest.approx(6))
    assert (ben.of, ben.joined, ben.planned, ben.turns) == (4, TUESDAY, pytest.approx(2), 2)
    assert reasons(ben) == "joined 2026-03-03"


def test_a_changed_weight_counts_from_the_turn_it_began_with(world: World) -> None:
    world.run(firm("ana", "ben", ana={}, ben={}), world.leads(4))
    world.run(firm(("ana", 3.0), "ben", ana={}, ben={}), world.leads(4), as_of=TUESDAY)
    ana, ben = found(world).values()
    assert (ana.weight, ana.planned, ben.planned) == (3.0, pytest.approx(2 + 3), pytest.approx(2 + 1))


def test_leads_without_a_turn_stand_beside(world: World) -> None:
    of = firm("ana", "ben", ana={}, ben={})
    world.run(of, world.leads(3, company="acme|US"))
    ana = next(share for share in found(world).values() if share.turns)
    assert (ana.turns, ana.beside, reasons(ana)) == (1, {"same company": 2}, "beside: 2 same company")


def test_a_turn_that_was_given_back_is_told(world: World) -> None:
    world.run(firm("ana", "ben", ana={}, ben={}), world.leads(2))
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into turn (decision_seq, rep_id, rotation, band, kind, weight, credit, returned_seq)"
                " select nextval('decision_seq'), rep_id, rotation, band, 'return', 1, 0, decision_seq"
                " from turn where kind = 'turn' and rep_id = 'ana'"
            )
        )
    assert reasons(found(world)["ana"]) == "1 given back"


def test_only_the_span_and_the_team_that_are_asked_for(world: World) -> None:
    of = firm("ana", ana={})
    world.run(of, world.leads(2), as_of=MONDAY_NOON - timedelta(days=1, hours=1))
    world.run(of, world.leads(1))
    assert found(world)["ana"].turns == 1
    assert found(world, team="other") == {}


def test_every_turn_is_planned_once(world: World) -> None:
    of = firm(("ana", 2.0), "ben", ("cyd", 0.5), ana={"time_off": LEAVE}, ben={"caps": Caps(day=2)}, cyd={})
    for hours in (0, 3, 24, 27):
        batch = world.batch(as_of=MONDAY_NOON + timedelta(hours=hours))
        for number, lead in enumerate(world.leads(5)):
            world.score(batch, lead, band=("hot", "warm")[number % 2])
        world.route(of, batch)
    with world.engine.connect() as connection:
        told = shares(connection, MONDAY_NOON, END)
    for band in ("hot", "warm"):
        of_band = [share for share in told if share.band == band]
        turns = sum(share.turns for share in of_band)
        assert turns == max(share.of for share in of_band) > 0
        assert sum(share.planned for share in of_band) == pytest.approx(turns)
        assert all(share.there + sum(share.missed.values()) == share.of for share in of_band)


def test_the_command_prints_writes_a_page_and_json(
    world: World, ledger_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_url)
    monkeypatch.setenv("COLUMNS", "160")
    world.run(firm("ana", "ben", ana={}, ben={}), world.leads(3))
    span = ("--from", MONDAY_NOON.isoformat(), "--to", END.isoformat())
    page = tmp_path / "fairness.html"
    told = CliRunner().invoke(app, ["fairness", *span, "--html", str(page)])
    assert told.exit_code == 0, told.output
    assert "sales, warm" in told.output
    assert page.read_text(encoding="utf-8").count("<svg") == 1
    found = json.loads(CliRunner().invoke(app, ["fairness", *span, "--team", "sales", "--json"]).output)
    assert [one["rep"] for one in found] == ["ana", "ben"]
    assert found[0]["planned_share"] == pytest.approx(0.5)
    assert sum(one["turns"] for one in found) == 3


def test_names_are_shown_as_they_are() -> None:
    share = Share("<b>", "warm", "a&b", 1.0, 2, 2, 1.0, 1, 0)
    page = fairness.page([share], MONDAY_NOON, END)
    assert "a&amp;b" in page
    assert "<b>" not in page.replace("<body>", "")
    assert as_json(share)["actual_share"] == 0.5
    assert "No turn was taken" in fairness.page([], MONDAY_NOON, END)
