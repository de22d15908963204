"""Picks by best fit: who did best with such leads, within a bound of fairness, and always a share by turn to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.route.conftest import World
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, policy, rep, routing, rule, team, teams, to
from tests.route.test_again import again, stored
from tests.route.test_events import outcome
from tests.route.test_results import DAY, HOUR, TUESDAY, firm

from clearlane import inputs
from clearlane.policy.model import BestFit, Policy
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.fairness import UNIT, step
from clearlane.route.fit import Results, Row, explores, fit_of
from clearlane.route.floor import Floor, open_floor
from clearlane.route.otherwise import arithmetic
from clearlane.route.results import results_id
from clearlane.route.shares import reasons, shares

NAMES = ("ana", "ben", "cyd", "dov")
WEIGHTS = st.sampled_from([0.5, 1.0, 2.0])
BY_COUNTRY = BestFit(("country",))


def floor_of(weights: Mapping[str, float], fit: BestFit, rows: Sequence[Row]) -> Floor:
    staff = teams([rep(name, hours=ALWAYS_OPEN) for name in weights], team("sales", *weights.items()))
    rung = to("team", "sales", pick="best_fit", fit=fit)
    floor = open_floor(policy(routing(rule("all", "true", rung), sticky_company=False), staff), MONDAY_NOON)
    floor.fits["sales", fit] = fit_of("measured", list(weights), rows)
    return floor


def taken(floor: Floor, number: int, country: str = "DE", **known: Any) -> Decision:
    facts = Facts(f"lead {number}", "hot", "1", terms={"country": country}, **known)
    decision = decide(floor.policy, floor, facts)
    floor.take(facts, decision)
    return decision


def learned(number: int, share: float = 0.1) -> bool:
    return explores(f"lead {number}", share)


GERMANS: Sequence[Row] = [
    (("de",), "ana", Results(40, 36, 30, 15)),
    (("de",), "ben", Results(40, 36, 30, 3)),
    (("fr",), "ana", Results(40, 36, 30, 3)),
    (("fr",), "ben", Results(40, 36, 30, 15)),
]


def test_who_did_best_with_such_leads_gets_them() -> None:
    floor = floor_of({"ana": 1.0, "ben": 1.0}, replace(BY_COUNTRY, at_most_ahead=100), GERMANS)
    numbers = [number for number in range(200) if not learned(number)]
    german = [taken(floor, number) for number in numbers[:40]]
    french = [taken(floor, number, "FR") for number in numbers[40:80]]
    assert {one.rep for one in german} == {"ana"}
    assert {one.rep for one in french} == {"ben"}
    assert "ana fits best of 2 free in sales" in german[0].because
    assert {(one.pick.way, one.pick.results_id) for one in german if one.pick} == {("fit", "measured")}
    assert [one.runner_up for one in (german[0], french[0])] == ["ben", "ana"]


def test_a_lead_that_is_offered_to_nobody_twice_goes_to_the_next_best() -> None:
    floor = floor_of({"ana": 1.0, "ben": 1.0}, BY_COUNTRY, GERMANS)
    number = next(number for number in range(100) if not learned(number))
    decision = taken(floor, number, barred={"ana": "not again: declined it"})
    assert (decision.rep, decision.refused) == ("ben", {"ana": "not again: declined it"})


def test_who_learns_is_drawn_by_the_lead_and_goes_by_turn() -> None:
    fit = replace(BY_COUNTRY, explore=0.2, at_most_ahead=1000)
    floor = floor_of({"ana": 1.0, "ben": 1.0}, fit, GERMANS)
    made = [taken(floor, number) for number in range(1000)]
    by_turn = [one for one in made if one.pick and one.pick.way == "learning"]
    assert [learned(number, 0.2) for number in range(1000)] == [one in by_turn for one in made]
    assert len(by_turn) == pytest.approx(200, abs=4 * sqrt(1000 * 0.2 * 0.8))
    assert {one.rep for one in by_turn} == {"ben"}, "ana is far ahead by fit, so turns are ben's"
    assert "ben is next of 2 free in sales, picked by turn to keep learning" in by_turn[0].because


@given(
    st.lists(st.sampled_from(["DE", "FR"]), max_size=40), st.fixed_dictionaries(dict.fromkeys(NAMES, WEIGHTS))
)
def test_without_results_it_is_a_round_robin(countries: Sequence[str], weights: Mapping[str, float]) -> None:
    floor = floor_of(weights, BY_COUNTRY, [])
    plain = floor_of(weights, BY_COUNTRY, [])
    plain.policy = _by_turn(plain.policy)
    for number, country in enumerate(countries):
        fitted, turned = taken(floor, number, country), taken(plain, number, country)
        assert (fitted.rep, fitted.runner_up) == (turned.rep, turned.runner_up)
        told = (
            "picked by turn to keep learning" if learned(number) else "by turn for want of results to fit by"
        )
        assert fitted.because.endswith(told)


def _by_turn(of: Policy) -> Policy:
    return replace(of, routing=routing(rule("all", "true", to("team", "sales")), sticky_company=False))


CELLS = st.builds(
    lambda worked, won: Results(worked + 3, worked, min(worked, won + 2), min(worked, won)),
    st.integers(0, 30),
    st.integers(0, 20),
)
HISTORIES = st.fixed_dictionaries({(country, name): CELLS for country in ("de", "fr") for name in NAMES}).map(
    lambda cells: [((country,), name, counts) for (country, name), counts in cells.items()]
)


@given(
    HISTORIES,
    st.fixed_dictionaries(dict.fromkeys(NAMES, WEIGHTS)),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.lists(st.sampled_from(["DE", "FR"]), min_size=1, max_size=80),
)
def test_nobody_is_ever_further_ahead_than_asked(history, weights, ahead: float, countries) -> None:
    """The bound of docs/fairness.md for picks by best fit: n more turns by weight than by turn."""
    floor = floor_of(weights, replace(BY_COUNTRY, at_most_ahead=ahead), history)
    for number, country in enumerate(countries):
        before = {
            name: standing.credit for name, standing in floor.rotation("sales", "hot").standings.items()
        }
        rep_id = taken(floor, number, country).rep
        assert rep_id
        assert before.get(rep_id, 0) - min(before.values(), default=0) <= ahead * UNIT
        credit = {
            name: standing.credit for name, standing in floor.rotation("sales", "hot").standings.items()
        }
        for one, other in combinations(weights, 2):
            most = ahead * UNIT + max(step(weights[one]), step(weights[other]))
            assert abs(credit[one] - credit[other]) <= most


@given(HISTORIES, st.lists(st.sampled_from(["DE", "FR"]), min_size=1, max_size=30))
def test_the_best_of_those_who_are_not_too_far_ahead_is_picked(history, countries) -> None:
    floor = floor_of(dict.fromkeys(NAMES, 1.0), BY_COUNTRY, history)
    fit = floor.fits["sales", BY_COUNTRY]
    for number, country in enumerate(countries):
        of = floor.rotation("sales", "hot").standings
        credit = {name: of[name].credit if name in of else 0 for name in NAMES}
        decision = taken(floor, number, country)
        worth = fit.of((country.lower(),))
        near = [name for name in NAMES if credit[name] - min(credit.values()) <= 3 * UNIT]
        if decision.pick and decision.pick.way == "fit":
            assert decision.rep in near
            assert worth[decision.rep] == max(worth[name] for name in near)
            assert credit[decision.rep] == min(credit[n] for n in near if worth[n] == worth[decision.rep])


# --- a company whose reps are good at different things ----------------------------------------------

COUNTRIES = ("de", "fr", "us")
PLANTED = {
    (country, name): 0.5 if country == COUNTRIES[n] else 0.12
    for n, name in enumerate(NAMES[:3])
    for country in COUNTRIES
}
CHANGED = {
    (country, name): PLANTED[COUNTRIES[(COUNTRIES.index(country) + 1) % 3], name] for country, name in PLANTED
}
WINDOW = 30


def won(of: Policy, days: Sequence[Mapping[tuple[str, str], float]], seed: int, a_day: int = 30) -> list[int]:
    """Wins of each day; the chance of each is that planted for the day, and is known the day after."""
    rng, floor = np.random.default_rng(seed), open_floor(of, MONDAY_NOON)
    fit, wins = of.routing.rungs[0].fit, []
    history: list[Counter[tuple[str, str, bool]]] = []
    for day, planted in enumerate(days):
        if fit:
            floor.fits["sales", fit] = fit_of(f"{day}", NAMES[:3], _counted(history[-WINDOW:]))
        history.append(Counter())
        for number in range(a_day):
            country = COUNTRIES[rng.integers(3)]
            rep_id = taken(floor, day * a_day + number, country).rep
            assert rep_id
            history[-1][country, rep_id, bool(rng.random() < planted[country, rep_id])] += 1
        wins.append(sum(count for (_, _, is_won), count in history[-1].items() if is_won))
    return wins


def _counted(days: Sequence[Counter[tuple[str, str, bool]]]) -> list[Row]:
    total = sum(days, Counter())
    return [
        ((country,), name, Results(n := lost + good, n, n, good))
        for country in COUNTRIES
        for name in NAMES[:3]
        for lost, good in [(total[country, name, False], total[country, name, True])]
        if lost + good
    ]


def test_it_wins_more_than_turns_do_and_learns_what_has_changed() -> None:
    floor = floor_of(dict.fromkeys(NAMES[:3], 1.0), BY_COUNTRY, [])
    fitted, by_turn = floor.policy, _by_turn(floor.policy)
    days = [PLANTED] * 50 + [CHANGED] * 50
    fit, turn = (np.mean([won(of, days, seed) for seed in range(3)], axis=0) for of in (fitted, by_turn))
    before, after = slice(20, 50), slice(80, 100)
    chance = 30 * (0.5 + 2 * 0.12) / 3
    assert turn.mean() == pytest.approx(chance, rel=0.1)
    assert fit[before].mean() > 1.4 * turn[before].mean()
    assert fit[50:55].mean() < 1.1 * turn[50:55].mean(), (
        "at first it sends leads to those who were good at them"
    )
    assert fit[after].mean() > 1.4 * turn[after].mean()


# --- on the ledger ----------------------------------------------------------------------------------


def lived(world: World, of: Policy, count: int = 40) -> None:
    """Monday: many leads by turn; ana wins the German ones, ben the French."""
    leads = {lead: country for country in ("DE", "FR") for lead in world.leads(count, country=country)}
    world.run(of, list(leads))
    for lead, country in leads.items():
        good = world.place(lead)[2] == {"DE": "ana", "FR": "ben"}[country]
        outcome(world, lead, "accepted", MONDAY_NOON + HOUR)
        outcome(world, lead, "won" if good else "lost", MONDAY_NOON + 2 * HOUR)


def next_day(world: World, of: Policy, at=MONDAY_NOON + DAY, count: int = 10, mode: str = "live"):
    return world.run(of, world.leads(count, country="DE", created_at=at - HOUR), as_of=at, mode=mode)


def decided(world: World, batch: Any) -> list[dict[str, Any]]:
    return sorted(stored(world, batch).values(), key=lambda row: row["decision_seq"])


def test_a_day_picks_by_what_was_known_when_it_began(world: World) -> None:
    of = firm("ana", "ben", fit=BY_COUNTRY)
    lived(world, of)
    batch = next_day(world, of)
    made = decided(world, batch)
    by_fit = [row for row in made if row["results_id"]]
    assert by_fit
    assert all("picked by turn to keep learning" in row["because"] for row in made if row not in by_fit)
    assert {row["rep_id"] for row in by_fit[:3]} == {"ana"}
    [first, second] = world.rows("select * from results order by day")
    assert (second["day"], second["segment"], second["window_days"]) == (TUESDAY, ["country"], 365)
    assert first["content"]["rows"] == []
    assert {row["results_id"] for row in by_fit} == {second["results_id"]} == {results_id(second["content"])}
    outcome(world, made[0]["lead_id"], "lost", MONDAY_NOON + DAY + HOUR)
    next_day(world, of, MONDAY_NOON + DAY + 2 * HOUR)
    assert world.count("results") == 2, "a day is measured once"


def test_later_outcomes_and_corrections_change_no_decision_made(world: World) -> None:
    of = firm("ana", "ben", fit=BY_COUNTRY)
    lived(world, of)
    batches = [next_day(world, of), next_day(world, of, mode="shadow")]
    with world.engine.begin() as connection:
        connection.execute(sa.text("update outcome set kind = 'lost', reason = 'corrected'"))
    batches.append(next_day(world, of, MONDAY_NOON + 2 * DAY))
    for batch in batches:
        assert {row["decision_seq"]: row for row, _ in again(world, batch, of)} == stored(world, batch)
    assert len({row["results_id"] for batch in batches for row in decided(world, batch)} - {None}) == 2


def test_results_that_were_altered_are_named(world: World) -> None:
    of = firm("ana", "ben", fit=BY_COUNTRY)
    lived(world, of)
    made = decided(world, next_day(world, of))
    with world.engine.begin() as connection:
        assert not any(_altered(connection, row) for row in made)
        emptied = "update results set content = jsonb_set(content, '{rows}', '[]') where day = :day"
        connection.execute(sa.text(emptied), {"day": TUESDAY})
        assert [_altered(connection, row) for row in made] == [row["results_id"] is not None for row in made]


def _altered(connection: Connection, decision: Mapping[str, Any]) -> bool:
    seq = decision["decision_seq"]
    return any(one.part == "results" for one in inputs.altered(connection, [seq])[seq])


def test_turns_by_fit_are_told_as_a_reason_for_uneven_shares(world: World) -> None:
    of = firm("ana", "ben", fit=BY_COUNTRY)
    lived(world, of)
    made = decided(world, next_day(world, of))
    fitted = Counter(row["rep_id"] for row in made if row["results_id"])
    with world.engine.connect() as connection:
        found = {share.rep: share for share in shares(connection, TUESDAY, TUESDAY + DAY)}
    assert {name: share.fitted for name, share in found.items()} == {name: fitted[name] for name in found}
    assert f"{fitted['ana']} by fit" in reasons(found["ana"])


def test_what_was_compared_is_told(world: World) -> None:
    of = firm("ana", "ben", fit=BY_COUNTRY)
    lived(world, of)
    made = [row for row in decided(world, next_day(world, of, count=20)) if row["results_id"]]
    with world.engine.connect() as connection:
        told = {row["rep_id"]: list(arithmetic(connection, of, row)) for row in reversed(made)}
    assert told["ana"][0].startswith("results with country de until 2026-03-03: ana ")
    assert "decided won, so" in told["ana"][0]
    assert told["ana"][1] == "ben would have been next"
    assert told["ben"][1] == "ana would fit better, too many turns ahead of the others"
