"""Signals: what is folded bit by bit, late, twice, corrected, moved and merged, is what counting all would say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.profiles import examples
from tests.score import ledger_rows as rows
from tests.score.models import NOW, acted, activity_when, ago, fit, model

from clearlane.policy.model import Measure, Recycling, Scoring
from clearlane.rules import Dialect
from clearlane.score import behaviour, persons, signals
from clearlane.score.statement import events

LONG = activity_when("minutes >= 5")
RICH = model(
    fit("size", "employees >= 50", 30),
    acted("visit", "visit", 3, half_life_days=7, when=LONG),
    acted("any visit", "visit click", 0.5, half_life_days=0.5),
    acted("lasting", "click", 1),
    acted("first", "visit click", 4, counting="first", half_life_days=21),
    acted("days", "visit", 2, counting="per_day", half_life_days=14),
    acted("few days", "visit", 2, counting="per_day", at_most=2, window_days=7),
    acted("few", "click", 1, at_most=2, window_days=1, half_life_days=30),
    acted("very few", "click", 1, at_most=3, when=LONG),
    acted("bad", "visit", -1, group="negative", half_life_days=7, when=LONG),
    acted("demo", "demo_request", 20, half_life_days=14),
    measures=(
        Measure("clicks", "…", ("click",), within_days=7),
        Measure("active days", "…", ("visit", "click"), LONG, "days", within_days=14),
        Measure("quiet", "…", ("visit",), None, "days_since"),
    ),
)
RECYCLED = replace(RICH, recycling=Recycling(("rejected",), {"*": timedelta(days=3)}, 0.5))


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def table(ledger: Connection, query: str, **bound: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in ledger.execute(sa.text(query), bound)]


def fold(
    ledger: Connection, scoring: Scoring, *leads: UUID, as_of: datetime = NOW
) -> dict[signals.Counting, int]:
    """What a run does before it scores these persons."""
    numbers = signals.prepare(ledger, scoring)
    gather(ledger, scoring, leads, as_of)
    signals.fold(ledger)
    return dict(numbers)


def gather(ledger: Connection, scoring: Scoring, leads: Sequence[UUID], as_of: datetime) -> None:
    wanted = "select lead_id from lead where lead_id = any(cast(:leads as uuid[])) and survivor_id = lead_id"
    persons.gather(ledger, scoring, wanted, as_of, leads=list(leads))


# --- what is kept ---


def test_a_signal_adds_up_what_is_new(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    scoring = model(acted("visit", "visit", 10, half_life_days=7))
    rows.activity(ledger, ada, "visit", ago(days=7))
    fold(ledger, scoring, ada)
    rows.activity(ledger, ada, "visit", ago(days=14))
    rows.activity(ledger, ada, "other", ago(days=1))
    fold(ledger, scoring, ada)
    assert table(ledger, "select * from signal_due") == []
    [(n, first, last, value)] = table(
        ledger,
        "select s.n, s.first_at, s.last_at, s.value from signal s join counting c using (counting_id)"
        " where c.bucket = 'span'",
    )
    assert (n, first, last) == (2, ago(days=14), ago(days=7))
    span = 32 * 7 * 86400
    start = NOW.timestamp() // span * span
    assert value == pytest.approx(
        sum(2 ** ((NOW.timestamp() - d * 86400 - start) / (7 * 86400)) for d in (7, 14))
    )


def test_an_activity_of_another_person_stays_due(ledger: Connection) -> None:
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    rows.activity(ledger, ada, "visit", ago(days=1))
    rows.activity(ledger, bo, "visit", ago(days=1))
    fold(ledger, RICH, ada)
    assert table(ledger, "select lead_id from signal_due") == [(bo,)]
    assert {row[0] for row in table(ledger, "select lead_id from signal")} == {ada}


def test_equal_countings_are_kept_once_whatever_they_are_worth(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    one = model(acted("a", "visit click", 1, half_life_days=7), hand_raise_types=())
    other = model(
        acted("b", "click visit", 9, half_life_days=7, cap=3),
        acted("c", "visit", 9, at_most=2, window_days=7),
        acted("d", "visit", 9, at_most=9),
        hand_raise_types=(),
    )
    first = fold(ledger, one, ada)
    second = fold(ledger, other, ada)
    assert (len(first), len(second)) == (1, 2)
    assert set(first.items()) < set(second.items())


def test_a_condition_means_what_its_own_policy_declared(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.activity(ledger, ada, "visit", ago(days=1), minutes=9)
    rows.activity(ledger, ada, "visit", ago(days=2), minutes="9")
    [number] = fold(ledger, model(acted("a", "visit", 1, when=LONG), hand_raise_types=()), ada).values()
    assert table(ledger, "select counting_id, n from signal") == [(number, 1)]


def test_a_new_version_builds_what_it_counts_of_all_that_is_known(ledger: Connection) -> None:
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    for lead in (ada, bo):
        rows.activity(ledger, lead, "visit", ago(days=1))
    old = model(acted("a", "visit", 1, half_life_days=7), hand_raise_types=())
    new = model(acted("a", "visit", 1, half_life_days=8), hand_raise_types=())
    fold(ledger, old, ada)
    [number] = fold(ledger, new, ada).values()
    assert table(ledger, "select lead_id, n from signal where counting_id = :id", id=number) == [(ada, 1)]
    assert table(ledger, "select lead_id from signal_due") == [(bo,)]
    fold(ledger, old, bo)
    assert table(
        ledger, "select n from signal where counting_id = :id and lead_id = :bo", id=number, bo=bo
    ) == [(1,)]
    assert signals.forget_unread(ledger, new) == 1
    assert {row[0] for row in table(ledger, "select counting_id from signal")} == {number}


def test_what_is_corrected_is_counted_anew(ledger: Connection) -> None:
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    moved = rows.activity(ledger, ada, "visit", ago(days=1), minutes=9)
    rows.activity(ledger, ada, "visit", ago(days=2), minutes=9)
    fold(ledger, RICH, ada)
    rows.correct(ledger, moved, lead_id=bo)
    fold(ledger, RICH, ada, bo)
    assert kept(ledger) == counted(ledger, RICH, [ada, bo])


def test_doctor_names_a_record_whose_signals_are_wrong(ledger: Connection) -> None:
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    assert signals.finding(ledger).count == 0
    for lead in (ada, bo):
        rows.activity(ledger, lead, "visit", ago(days=1), minutes=9)
    fold(ledger, RICH, ada, bo)
    assert signals.finding(ledger).count == 0
    ledger.execute(sa.text("update signal set value = value * 1.001 where lead_id = :bo"), {"bo": bo})
    assert signals.finding(ledger).offenders == (str(bo),)
    ledger.execute(sa.text("delete from signal where lead_id = :ada"), {"ada": ada})
    assert signals.finding(ledger).count == 2
    ledger.execute(sa.text("insert into signal_due (lead_id) values (:ada), (:bo)"), {"ada": ada, "bo": bo})
    assert signals.finding(ledger).count == 0


# --- what it comes to ---


def kept(ledger: Connection) -> dict[Any, tuple[Any, ...]]:
    found = table(ledger, "select lead_id, counting_id, bucket, n, value, first_at, last_at from signal")
    return {row[:3]: (row[3], pytest.approx(row[4], rel=1e-12), *row[5:]) for row in found}


def counted(ledger: Connection, scoring: Scoring, leads: Sequence[UUID]) -> dict[Any, tuple[Any, ...]]:
    """The signals, if they were built from all activities of now; nothing is left of it."""
    with ledger.begin_nested() as savepoint:
        ledger.execute(sa.text("delete from signal"))
        ledger.execute(sa.text("insert into signal_due (lead_id) select lead_id from lead"))
        fold(ledger, scoring, *leads)
        found = table(ledger, "select lead_id, counting_id, bucket, n, value, first_at, last_at from signal")
        savepoint.rollback()
    return {row[:3]: row[3:] for row in found}


def read(ledger: Connection, relations: dict[str, str]) -> dict[str, dict[Any, list[Any]]]:
    return {name: {row[0]: [*row[1:]] for row in table(ledger, select)} for name, select in relations.items()}


def check_equal(one: Any, other: Any) -> None:
    """Relation by relation, lead by lead; weights to 1e-9."""
    assert one.keys() == other.keys()
    for name in one:
        for lead in (*one[name], *other[name]):
            for a, b in zip(one[name].get(lead, ()), other[name].get(lead, ()), strict=True):
                same = math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) if isinstance(a, float) else a == b
                assert same, (name, lead, one[name][lead], other[name][lead])


MOMENTS = st.one_of(
    st.integers(0, 20).map(lambda days: NOW.replace(hour=0) - timedelta(days=days)),
    st.integers(0, 20).map(lambda days: NOW.replace(hour=0) - timedelta(days=days, microseconds=1)),
    st.sampled_from([ago(days=400), ago(days=3000), ago(seconds=1), NOW + timedelta(hours=1)]),
    st.integers(1, 60 * 24 * 30).map(lambda minutes: NOW - timedelta(minutes=minutes)),
)
EVENT = st.tuples(
    st.sampled_from(["visit", "visit", "click", "click", "demo_request", "other"]),
    MOMENTS,
    st.sampled_from([{}, {"minutes": 4}, {"minutes": 5}, {"minutes": "9"}]),
)
LEAD = st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.just("arrive"), LEAD, EVENT),
    st.tuples(st.just("arrive"), LEAD, EVENT),
    st.tuples(st.just("arrive"), LEAD, EVENT),
    st.tuples(st.just("again"), st.integers(0, 99), st.none()),
    st.tuples(st.just("correct"), st.integers(0, 99), EVENT),
    st.tuples(st.just("move"), st.integers(0, 99), LEAD),
    st.tuples(st.just("merge"), LEAD, LEAD),
    st.tuples(st.just("part"), LEAD, st.none()),
    st.tuples(st.just("fold"), st.sets(LEAD, min_size=1), st.none()),
)
RANDOM = settings(
    max_examples=examples(12, 150),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


class World:
    """Four records of a ledger, to which things happen."""

    def __init__(self, ledger: Connection, scoring: Scoring) -> None:
        self.ledger, self.scoring = ledger, scoring
        self.leads = [rows.lead(ledger, f"lead {i}") for i in range(4)]
        self.activities: list[UUID] = []

    def step(self, what: str, which: Any, how: Any) -> None:
        getattr(self, what)(which, how)

    def arrive(self, lead: int, event: Any) -> None:
        type_, moment, attributes = event
        number = len(self.activities)
        self.activities.append(
            rows.activity(self.ledger, self.leads[lead], type_, moment, key=str(number), **attributes)
        )

    def again(self, which: int, how: None) -> None:
        """The same record, delivered twice: identity leaves no trace of it."""

    def correct(self, which: int, event: Any) -> None:
        if self.activities:
            type_, moment, attributes = event
            rows.correct(
                self.ledger, self.activities[which % len(self.activities)], type=type_, occurred_at=moment,
                attributes=attributes,
            )  # fmt: skip

    def move(self, which: int, lead: int) -> None:
        if self.activities:
            rows.correct(self.ledger, self.activities[which % len(self.activities)], lead_id=self.leads[lead])

    def merge(self, loser: int, survivor: int) -> None:
        self.regroup(loser, min(loser, survivor))

    def part(self, lead: int, how: None) -> None:
        self.regroup(lead, lead)

    def regroup(self, lead: int, survivor: int) -> None:
        """One level, as identity leaves it: whoever followed the loser follows its survivor."""
        of = {"lead": self.leads[lead], "survivor": self.leads[survivor]}
        to = "(select survivor_id from lead where lead_id = :survivor)" if lead != survivor else ":survivor"
        if lead == survivor:
            update = f"update lead set survivor_id = {to} where lead_id = :lead"
        else:
            update = f"update lead set survivor_id = {to} where lead_id = :lead or survivor_id = :lead"
        self.ledger.execute(sa.text(update), of)

    def fold(self, leads: set[int], how: None) -> None:
        fold(self.ledger, self.scoring, *(self.leads[lead] for lead in leads))


@RANDOM
@given(steps=st.lists(STEP, min_size=5, max_size=40), scoring=st.sampled_from([RICH, RECYCLED]))
def test_folding_bit_by_bit_is_counting_all(ledger: Connection, steps: list[Any], scoring: Scoring) -> None:
    with ledger.begin_nested() as savepoint:
        world = World(ledger, scoring)
        for lead in world.leads:
            rows.profile(ledger, lead, {})
        for step in steps:
            world.step(*step)
        numbers = fold(ledger, scoring, *world.leads)
        assert counted(ledger, scoring, world.leads) == kept(ledger)
        check_relations(ledger, scoring, world.leads, numbers)
        savepoint.rollback()


def check_relations(
    ledger: Connection, scoring: Scoring, leads: Sequence[UUID], numbers: dict[signals.Counting, int]
) -> None:
    """What the statement reads, from signals and from activities, for persons without activities to come."""
    gather(ledger, scoring, leads, NOW)
    persons.describe(ledger, scoring, NOW, numbers=numbers)
    held = read(ledger, signals.relations(scoring, numbers, persons.FOLDED))
    folded = {row[0] for row in table(ledger, "select lead_id from profiles where folded")}
    persons.describe(ledger, scoring, NOW)
    ledger.execute(sa.text("drop table if exists pg_temp.event"))
    ledger.execute(
        sa.text(f"create temporary table event on commit drop as {events(scoring, Dialect.POSTGRES)}")
    )
    all_counted = read(ledger, behaviour.relations(scoring, Dialect.POSTGRES))
    happened = {
        name: {lead: row for lead, row in found.items() if lead in folded}
        for name, found in all_counted.items()
    }
    check_equal(
        {name: _some(found) for name, found in held.items()}, {n: _some(f) for n, f in happened.items()}
    )


def _some(found: dict[Any, list[Any]]) -> dict[Any, list[Any]]:
    """Without leads for whom nothing counts: no row and a row of nothing mean the same."""
    return {lead: [value or 0.0 if isinstance(value, float | None) else value for value in row]
            for lead, row in found.items() if any(row)}  # fmt: skip
