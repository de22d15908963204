"""Decisions made again, whatever came after them: the same, whole, from what was there before their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.route.conftest import BANDS, World, banded, simple
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_run import merge

from clearlane.ledger import Batch
from clearlane.policy.model import Caps, Explored, Policy, Stint
from clearlane.route.again import decided_again
from clearlane.route.roster import roster_id, snapshot
from clearlane.route.store import DECISION, TURN, decision_row, turn_rows
from clearlane.route.turns import miscounted

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TUESDAY = MONDAY_NOON.date() + DAY
NAMES = ("ana", "ben", "cyd", "dee", "eve")
COMPANIES = (None, None, "acme|US", "initech|DE", "hooli|FR")


def firm(random: Random) -> Policy:
    """Some of five reps with weights, caps and languages, in two teams that overlap."""
    staff = random.sample(NAMES, random.randint(3, 5))
    reps = [
        rep(
            name,
            hours=random.choice([ALWAYS_OPEN, rep(name).hours]),
            languages=random.choice([("en",), ("en", "de")]),
            suits=random.choice([{}, {"country": ("DE", "A*")}, {"country": ("US",)}]),
            caps=Caps(
                day=random.choice([None, 2, 4]), week=random.choice([None, 9]), open=random.choice([None, 6])
            ),
        )
        for name in staff
    ]
    first, second = staff[:3], staff[-2:]
    crew = teams(
        reps,
        team(
            "sales",
            *((name, random.choice([0.5, 1.0, 2.0])) for name in first),
            stints=random.choice([{}, {first[0]: (Stint(1.0, last=TUESDAY), Stint(2.5, TUESDAY + 2 * DAY))}]),
        ),
        team("desk", *second),
    )
    rules = routing(
        rule("cold", "band = 'cold'", to("nurture")),
        rule(
            "small",
            "employees < 50",
            to("team", "desk", language=True, match=("country",)),
            to("pool", "desk"),
        ),
        rule(
            "rest",
            "true",
            to("team", "sales", pick=random.choice(["turn", "least_open"])),
            to("team", "desk"),
        ),
        explored=random.choice([None, Explored(0.5, {"*": (to("team", "sales"),)})]),
    )
    return banded(policy(rules, crew, sla=SLA))


@dataclass
class History:
    """Runs that came about at random, each with the policy that it was pinned to."""

    world: World
    random: Random
    of: Policy
    leads: list[UUID] = field(default_factory=list)
    runs: list[tuple[Batch, Policy]] = field(default_factory=list)
    now: datetime = MONDAY_NOON

    def live_through(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choices((self.run, self.ask, self.merge, self.convert, self.hire), (8, 2, 1, 1, 1))[
                0
            ]()

    def run(self) -> None:
        self.now += self.random.choice([HOUR, 20 * HOUR, -3 * HOUR])
        arrived = [self.arrive() for _ in range(self.random.randint(1, 6))]
        again = self.random.sample(self.leads, min(len(self.leads), self.random.randint(0, 4)))
        batch = self.world.batch(mode=self.random.choice(["live", "live", "live", "shadow"]), as_of=self.now)
        for lead in dict.fromkeys(arrived + again):
            band = self.random.choice(BANDS)
            self.world.score(batch, lead, band=band, hand_raise=self.random.random() < 0.2)
        self.world.route(self.of, batch)
        self.leads += arrived
        self.runs.append((batch, self.of))

    def arrive(self) -> UUID:
        known: dict[str, Any] = {
            "employees": self.random.choice([10, 500]),
            "language": self.random.choice(["en", "de", None]),
            "country": self.random.choice(["DE", "AT", "US", None]),
            "owner": self.random.choice([None, None, None, "ana"]),
        }
        return self.world.lead(
            f"L{next(self.world.numbers)}",
            company=self.random.choice(COMPANIES),
            created_at=self.now - HOUR,
            kind=self.random.choice(["sales", "sales", "expansion"]),
            **known,
        )

    def ask(self) -> None:
        for lead in self.random.sample(self.leads, min(2, len(self.leads))):
            self.world.asks(lead, self.now - HOUR / 2)

    def merge(self) -> None:
        if len(self.leads) > 2:
            loser, survivor = self.random.sample(self.leads, 2)
            self.leads.remove(loser)
            merge(self.world, loser, survivor)

    def convert(self) -> None:
        for lead in self.random.sample(self.leads, min(1, len(self.leads))):
            self.world.known(lead, at=self.now, converted="true")

    def hire(self) -> None:
        self.of = firm(self.random)


def stored(world: World, batch: Batch) -> dict[int, dict[str, Any]]:
    rows = world.rows(f"select {', '.join(DECISION)} from decision where batch_id = :id", id=batch.batch_id)
    return {row["decision_seq"]: row for row in rows}


def stored_turns(world: World, batch: Batch) -> set[tuple[Any, ...]]:
    rows = world.rows(
        f"select {', '.join(f't.{c}' for c in TURN)} from turn t join decision using (decision_seq)"
        " where batch_id = :id",
        id=batch.batch_id,
    )
    return {tuple(row.values()) for row in rows}


def again(world: World, batch: Batch, of: Policy) -> Iterator[tuple[dict[str, Any], list[tuple[Any, ...]]]]:
    roster = roster_id(snapshot(of.teams))
    with world.engine.connect() as connection:
        for one in decided_again(connection, of, batch, list(stored(world, batch))):
            row = dict(zip(DECISION, decision_row(batch, of, roster, one), strict=True))
            yield {**row, "eligible": list(row["eligible"])}, list(turn_rows(one))
        connection.rollback()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.full) for n in range(2, 20))])
def test_every_decision_of_a_history_is_made_again(world, monkeypatch, seed):
    random = Random(seed)
    monkeypatch.setattr("clearlane.route.routing.CHUNK", random.choice([2, 3, 1000]))
    history = History(world, random, firm(random))
    history.live_through(25)
    assert world.count("decision") > 20
    for batch, of in history.runs:
        there, made = stored(world, batch), list(again(world, batch, of))
        assert len(made) == len(there)
        assert [
            apart(there[row["decision_seq"]], row) for row, _ in made if row != there[row["decision_seq"]]
        ] == []
        if batch.live:
            assert {turn for _, turns in made for turn in turns} == stored_turns(world, batch)


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


def test_histories_have_what_could_go_wrong(world):
    history = History(world, Random(4), firm(Random(4)))
    history.live_through(50)
    assert world.count("assignment where ended_because = 'merged'")
    assert world.count("assignment where ended_because = 'converted'")
    assert world.count("assignment where decision_seq is null")
    assert world.count("decision where mode = 'shadow'")
    assert world.count("decision where eligible = '{}' and rep_id is not null"), "asked again"
    assert world.count("decision where cast(refused as text) like '%does not suit%'")
    assert world.count("decision where cast(refused as text) like '%(sales)%'"), "not in the team then"
    assert world.count("assignment where (ended_at is null) <> (ended_seq is null)") == 0


def test_it_reads_only_what_came_before(world):
    of = simple()
    batch = world.run(of, world.leads(3))
    before = {seq: dict(row) for seq, row in stored(world, batch).items()}
    world.run(of, world.leads(4, company="acme|US"), as_of=MONDAY_NOON + HOUR)
    with world.engine.begin() as connection:
        connection.execute(sa.text("update assignment set rep_id = 'cyd' where decision_seq > 3"))
    assert {row["decision_seq"]: row for row, _ in again(world, batch, of)} == before


# --- turns, counted again ---------------------------------------------------------------------------


def wrong(world: World, of: Policy) -> list[tuple[int, str, str]]:
    with world.engine.connect() as connection:
        rotations = connection.execute(
            sa.text("select distinct rotation, band from turn order by 1, 2")
        ).all()
        return [
            (one.decision_seq, one.rep, one.column)
            for rotation, band in rotations
            for one in miscounted(connection, lambda _: of, rotation, band, 2**62)
        ]


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.full) for n in range(1, 10))])
def test_an_altered_turn_is_named_once_whatever_follows_it(world, seed):
    random = Random(seed)
    history = History(world, random, firm(random))
    history.hire = lambda: None
    history.live_through(12)
    assert wrong(world, history.of) == []
    turns = world.rows("select decision_seq, rep_id from turn")
    chosen = random.choice(turns)
    alter = "update turn set credit = credit + 3 where decision_seq = :decision_seq and rep_id = :rep_id"
    with world.engine.begin() as connection:
        connection.execute(sa.text(alter), chosen)
    named = [(chosen["decision_seq"], chosen["rep_id"], "credit")]
    assert wrong(world, history.of) == named
    history.live_through(6)
    assert wrong(world, history.of) == named
