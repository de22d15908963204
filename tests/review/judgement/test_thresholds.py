"""Leads played through the desks that answer them: the queue by hand, calendars, and thresholds that must rise."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import SLA, policy, rep, routing, rule, team, teams, to

from clearlane.policy.model import Caps
from clearlane.review.judgement.performance import Outcomes
from clearlane.review.judgement.thresholds import (
    Desk,
    Desks,
    Thresholds,
    business_minutes,
    desks,
    promises,
    retuned,
    says,
    waits,
)
from clearlane.route.calendars import Calendar, open_between

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
OFFICE = {day: ((time(9), time(12)), (time(13), time(17))) for day in range(1, 6)}
AROUND_THE_CLOCK = {day: ((time(0), time(0)),) for day in range(1, 8)}


def test_who_waits_for_two_people_by_hand():
    found = waits(np.array([0.0, 1, 2, 3, 30]), people=2, handling=10)
    assert found.tolist() == [0, 0, 8, 8, 0]


@settings(max_examples=examples(40, 500))
@given(st.lists(st.floats(0, 500), min_size=1, max_size=40), st.integers(1, 4), st.floats(1, 30))
def test_one_more_person_never_makes_anybody_wait_longer(arrivals, people: int, handling: float):
    at = np.sort(arrivals)
    assert (waits(at, people + 1, handling) <= waits(at, people, handling) + 1e-9).all()


@settings(max_examples=examples(60, 500), deadline=None)
@given(
    st.integers(0, 40_000), st.integers(0, 10_000), st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"])
)
def test_business_minutes_are_those_of_the_calendar(start: int, length: int, zone: str):
    first = MONDAY + timedelta(minutes=start)
    last = first + timedelta(minutes=length)
    opened = business_minutes(pd.Series(pd.to_datetime([first, last])), OFFICE, zone)
    expected = open_between(Calendar(zone, OFFICE), first, last)
    assert np.diff(opened)[0] == pytest.approx(expected / timedelta(minutes=1), abs=1e-6)


def played(
    a_day: int, *, people: int = 1, takes: float = np.inf, minutes: float | None = 30, **options
) -> Thresholds:
    """So many leads on each of 28 days, at even steps, scores 1 to 100 in turn; every fifth wins."""
    n = a_day * 28
    at = MONDAY + np.arange(n) * timedelta(days=28) / n
    leads = pd.DataFrame({"decided_at": pd.to_datetime(at), "team": "emea"})
    weight = options.pop("weight", np.ones(n))
    score = 1.0 + (np.arange(n) * 37) % 100
    outcomes = Outcomes(np.arange(n) % 5 == 0, weight)
    desk = Desks({"emea": Desk(people, AROUND_THE_CLOCK, "UTC", takes)}, takes)
    return retuned(leads, outcomes, score, {"hot": 51.0}, desk, {"hot": minutes}, seed=1, **options)


def test_a_team_with_room_may_go_lower_but_nothing_is_proposed():
    (hot,) = played(20).bands
    assert hot.leads_a_day.value == pytest.approx(10)
    assert hot.in_time is not None
    assert hot.in_time.value == 1
    assert (hot.lowest, hot.proposed) == (1, 51)
    assert hot.rate_between is not None
    assert "there is room down to 1 points (now 51)" in next(says(played(20)))


def test_a_cap_lifts_the_threshold_to_what_teams_can_take():
    (hot,) = played(100, takes=20).bands
    assert hot.lowest == pytest.approx(81, abs=1)
    assert hot.proposed == hot.lowest
    assert hot.rate_between is None


def test_a_promise_lifts_the_threshold_until_enough_are_answered_in_time():
    """One person, an hour a lead, 50 leads a day: half of them is more than a day holds."""
    found = played(50, handling=60.0)
    (hot,) = found.bands
    assert hot.in_time is not None
    assert hot.in_time.high < 0.85
    assert hot.lowest is not None
    assert 52 < hot.lowest < 90
    assert "more than its teams can answer as promised" in next(says(found))
    (two,) = played(50, people=2, handling=60.0).bands
    assert two.lowest is not None
    assert two.lowest < hot.lowest


def test_no_threshold_is_high_enough_for_nobody_in_time():
    found = played(10, takes=0)
    assert found.bands[0].proposed is None
    assert "no threshold is high enough" in next(says(found))


def test_a_weighted_lead_comes_as_often_as_it_stands_for():
    weight = np.where(np.arange(280) % 2, 3.0, 1.0)
    (hot,) = played(10, weight=weight, minutes=None).bands
    assert hot.leads_a_day.value == pytest.approx(10, rel=0.15)
    assert hot.in_time is None


def test_the_desks_and_promises_of_a_policy():
    staff = teams(
        [rep("ana", caps=Caps(day=7)), rep("ben", caps=Caps(day=7))],
        team("emea", "ana", "ben"),
        team("ben", "ben"),
        team("empty"),
        team("unasked", "ana"),
    )
    of = policy(routing(rule("all", "true", to("team", "emea"))), staff, sla=SLA)
    found = desks(of, MONDAY.date(), {"emea": 1.0, "ben": 1.0, "empty": 3.0, "gone": 2.0})
    assert set(found.teams) == {"emea", "ben"}
    assert (found.teams["emea"].people, found.teams["ben"].people) == (2, 1)
    assert found.takes == 10  # who is in two teams counts once
    assert all(minutes is None or minutes > 0 for minutes in promises(of).values())
