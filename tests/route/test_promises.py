"""What must hold for any teams, calendars, caps and leads: the promises of routing, in memory."""

from __future__ import annotations

from collections import Counter
from datetime import date, time, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.route.firms import MONDAY_NOON, OFFICE, policy, rep, routing, rule, team, teams, to

from clearlane.ledger.models import PLACES
from clearlane.policy.model import Caps, Policy, TimeOff
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.floor import Floor, open_floor

NAMES = ("ana", "ben", "cyd", "dov", "eva")
CAP = st.none() | st.integers(0, 6)
EARLY = {day: ((time(5), time(9)),) for day in range(1, 6)}
OFF = st.sampled_from([(), (TimeOff(date(2026, 3, 1), date(2026, 3, 3), "off"),)])
MEMBERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from([0.5, 1.0, 2.0])), unique_by=lambda m: m[0], max_size=5
)
PICKS = st.sampled_from(["weighted_round_robin", "least_open"])
HOURS = st.sampled_from(["require", "prefer", "ignore"])


@st.composite
def firms(draw: st.DrawFn) -> Policy:
    reps = [
        rep(
            name,
            hours=draw(st.sampled_from([OFFICE, EARLY])),
            zone=draw(st.sampled_from(["UTC", "Asia/Tokyo"])),
            caps=Caps(draw(CAP), draw(CAP), draw(CAP)),
            time_off=draw(OFF),
            languages=draw(st.sampled_from([("en",), ("en", "fr")])),
        )
        for name in NAMES
    ]
    staff = teams(reps, *(team(name, *draw(MEMBERS)) for name in ("north", "south")))
    ladders = [
        [
            to("team", name, pick=draw(PICKS), hours=draw(HOURS), language=draw(st.booleans()))
            for name in order
        ]
        for order in draw(st.permutations([("north",), ("south",), ("north", "south")]))
    ]
    rules = [rule(f"rule_{n}", "true", to("account_owner"), *ladder) for n, ladder in enumerate(ladders)]
    return policy(routing(*rules, fallback=(to("pool", "north"), to("exceptions"))), staff)


LEADS = st.lists(
    st.builds(
        Facts,
        lead_id=st.uuids(),
        band=st.sampled_from(["hot", "warm", "cold"]),
        matched=st.sampled_from(["100", "010", "001", "011", "000"]),
        hand_raise=st.booleans(),
        language=st.sampled_from([None, "en", "fr"]),
        company=st.sampled_from([None, "acme", "bolt"]),
        account_owner=st.sampled_from([None, *NAMES]),
        disqualified=st.sampled_from([None, None, "student"]),
    ),
    max_size=30,
    unique_by=lambda facts: facts.lead_id,
)


def routed(of: Policy, leads: list[Facts]) -> tuple[Floor, list[Decision]]:
    floor, decisions = open_floor(of, MONDAY_NOON), []
    for facts in leads:
        decisions.append(decide(of, floor, facts))
        floor.take(facts, decisions[-1])
    return floor, decisions


@given(firms(), LEADS)
def test_every_lead_is_placed_once_with_a_reason(of, leads):
    _, decisions = routed(of, leads)
    assert [decision.lead_id for decision in decisions] == [facts.lead_id for facts in leads]
    assert all(decision.place in PLACES and decision.because for decision in decisions)
    assert all((decision.place == "owned") == (decision.rep is not None) for decision in decisions)
    assert all(decision.rep not in decision.refused for decision in decisions if decision.rep)


@given(firms(), LEADS)
def test_caps_are_never_exceeded(of, leads):
    floor, decisions = routed(of, leads)
    for name, count in Counter(decision.rep for decision in decisions if decision.rep).items():
        caps = of.teams.reps[name].caps
        assert all(cap is None or count <= cap for cap in (caps.day, caps.week, caps.open))
        assert floor.load(name).open == count


@given(firms(), LEADS)
def test_nobody_waits_in_the_pool_while_a_rep_of_the_rule_is_free(of, leads):
    floor, waited = open_floor(of, MONDAY_NOON), []
    for facts in leads:
        decision = decide(of, floor, facts)
        if decision.place in ("pool", "exceptions") and decision.rule:
            waited.append((decision, facts, dict(floor.loads)))
        floor.take(facts, decision)
    for decision, facts, loads in waited:
        assert not _free(of, floor, decision, facts, loads)


def _free(of: Policy, floor: Floor, decision: Decision, facts: Facts, loads: dict) -> list[str]:
    """Who could have taken it, found without the code under test: hours, leave, language, caps."""
    ladder = next(rule for rule in of.routing.rules if rule.id == decision.rule).ladder
    found = []
    for rung in (rung for rung in ladder if rung.target == "team"):
        for name, _ in of.teams.teams[rung.name].members:
            who, load = of.teams.reps[name], loads.get(name)
            counts = (load.day, load.week, load.open) if load else (0, 0, 0)
            caps = (who.caps.day, who.caps.week, who.caps.open)
            room = all(cap is None or count < cap for cap, count in zip(caps, counts, strict=True))
            speaks = not rung.language or not facts.language or facts.language in who.languages
            local = MONDAY_NOON + timedelta(hours=9 if who.zone == "Asia/Tokyo" else 0)
            inside = any(a <= local.time() < b for a, b in who.hours[1])
            if room and speaks and not who.time_off and (inside or rung.hours != "require"):
                found.append(name)
    return found


@given(firms(), LEADS)
def test_nobody_works_out_of_hours_where_hours_are_required_nor_on_leave(of, leads):
    _, decisions = routed(of, leads)
    for decision in decisions:
        if decision.rep:
            assert not of.teams.reps[decision.rep].time_off


@given(firms(), LEADS)
def test_the_same_input_gives_the_same_decisions(of, leads):
    assert routed(of, leads) == routed(of, leads)


@given(firms(), LEADS)
def test_colleagues_of_an_owner_with_room_get_the_same_owner(of, leads):
    floor = open_floor(of, MONDAY_NOON)
    for facts in leads:
        before = floor.owners(facts)
        decision = decide(of, floor, facts)
        if decision.rep and before and decision.rep not in before:
            assert all(owner in decision.refused for owner in before)
        floor.take(facts, decision)


@given(firms(), LEADS, st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(of, leads, random):
    shuffled = {
        name: team(name, *random.sample(list(t.members), len(t.members)))
        for name, t in of.teams.teams.items()
    }
    other = policy(of.routing, teams(of.teams.reps.values(), *shuffled.values()))
    assert [d.rep for d in routed(of, leads)[1]] == [d.rep for d in routed(other, leads)[1]]
