"""Why this rep and not the next: told from stored turns, and from deciding again with one thing different."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.route.conftest import World, banded
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to

from clearlane.policy.model import Caps, Policy, TimeOff
from clearlane.route.otherwise import Candidate, _why_first, arithmetic, what_else

LEAVE = (TimeOff(date(2026, 3, 1), date(2026, 3, 8), "leave"),)


def firm(*members: Any, pick: str = "weighted_round_robin", **reps: Any) -> Policy:
    people = [rep(name, **{"hours": ALWAYS_OPEN, **options}) for name, options in reps.items()]
    rungs = (to("team", "sales", pick=pick), to("pool", "sales"))
    return banded(
        policy(routing(rule("all", "true", *rungs)), teams(people, team("sales", *members)), sla=SLA)
    )


def told(world: World, of: Policy) -> list[tuple[str, list[str], list[str]]]:
    """(rep, arithmetic, what else) of each decision, in order."""
    with world.engine.connect() as connection:
        made = world.rows("select * from decision order by decision_seq")
        return [
            (one["rep_id"], list(arithmetic(connection, of, one)), list(what_else(connection, of, one)))
            for one in made
        ]


def test_the_lower_credit_is_told_with_its_lead(world: World) -> None:
    of = firm(("ana", 2.0), "ben", ana={}, ben={})
    world.run(of, world.leads(2))
    found = {rep_id: why for rep_id, [why], _ in told(world, of)}
    assert found.keys() == {"ana", "ben"}, "each had one of the first two"
    seconds = [why for why in found.values() if "both" not in why]
    first = "ana had taken 0 turns by weight, ben 1: ana is first by 1; ben would have been next"
    other = "ben had taken 0 turns by weight, ana 0.5: ben is first by 0.5; ana would have been next"
    assert seconds in ([first], [other])


def test_what_is_told_is_what_was_then(world: World) -> None:
    of = firm("ana", "ben", ana={}, ben={})
    world.run(of, world.leads(1))
    before = told(world, of)
    world.run(of, world.leads(5), as_of=MONDAY_NOON + timedelta(hours=1))
    assert told(world, of)[:1] == before
    assert "both taken 0 turns by weight and held 0 open leads; the lot fell on" in before[0][1][0]


@pytest.mark.parametrize(
    ("picked_by", "first", "second", "said"),
    [
        ("weighted_round_robin", (5, 1.0, 2, 7), (5, 1.0, 3, 4), "held 2 open leads, ben 3"),
        ("weighted_round_robin", (5, 1.0, 2, 3), (5, 1.0, 2, 4), "ana had waited longer"),
        (
            "least_open",
            (9, 2.0, 3, 3),
            (5, 1.0, 2, 4),
            "ana held 3 open leads at weight 2, ben 2 at weight 1",
        ),
        ("least_open", (4, 2.0, 4, 3), (5, 1.0, 2, 4), "ana had taken"),
        ("best_fit", (4, 2.0, 4, 3), (5, 1.0, 2, 4), "ana had taken"),
    ],
)
def test_each_step_of_the_order_has_its_words(picked_by, first, second, said) -> None:
    assert said in _why_first(picked_by, Candidate("ana", *first), Candidate("ben", *second))


def test_who_was_alone_is_told(world: World) -> None:
    of = firm("ana", ana={})
    world.run(of, world.leads(1))
    assert told(world, of) == [("ana", ["ana was the only one who could take it"], [])]


def test_a_cap_that_would_have_given_the_lead_to_another_is_named(world: World) -> None:
    of = firm("ana", "ben", ana={"caps": Caps(day=1, open=1)}, ben={})
    world.run(of, world.leads(3))
    *_, (rep_id, why, others) = told(world, of)
    assert (rep_id, why) == ("ben", ["ben was the only one who could take it"])
    assert others == ["ana would have got it with the day cap at 2, not 1 and the open cap at 2, not 1"]


def test_who_was_away_and_next_is_named_and_who_was_not_next_is_not(world: World) -> None:
    of = firm("ana", "ben", "cyd", ana={"time_off": LEAVE}, ben={}, cyd={})
    world.run(of, world.leads(12))
    others = [line for _, _, lines in told(world, of) for line in lines]
    assert others
    assert set(others) == {"ana would have got it if at work then (off until 2026-03-08)"}
    assert len(others) < 12, "with even credit and more open leads of others, not every lead would be hers"


def test_a_lead_that_nobody_could_take_says_what_would_have_helped(world: World) -> None:
    of = firm("ana", "ben", ana={"caps": Caps(day=0)}, ben={"sells": False})
    world.run(of, world.leads(1))
    [(rep_id, why, others)] = told(world, of)
    assert (rep_id, why) == (None, [])
    assert others == ["ana would have got it with the day cap at 1, not 0"]


def test_only_so_many_are_named(world: World) -> None:
    names = ("ana", "ben", "cyd", "dov", "eva")
    of = firm(*names, **{name: {"caps": Caps(day=0)} for name in names})
    world.run(of, world.leads(1))
    [(_, _, others)] = told(world, of)
    assert len(others) == 4
    assert others[-1] == "2 more of the refused would have got it in the same way"
