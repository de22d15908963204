"""Who may take a lead, and the reason when not."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from tests.route.firms import MONDAY_NOON, capped, rep, to

from clearlane.policy.model import Caps, TimeOff
from clearlane.route.decisions import Facts
from clearlane.route.eligibility import (
    Load,
    language_refusal,
    of_lead,
    over_cap,
    presence,
    ramp_share,
    refusal,
    sells,
    soonest,
    unsuited,
)

ANYWHERE = to("team", "sales")
STRICT = to("team", "sales", hours="require")
LEAVE = TimeOff(date(2026, 3, 1), date(2026, 3, 8), "parental leave")


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (rep("ana"), None),
        (rep("ana", sells=False), "does not sell"),
        (rep("ana", active_until=date(2026, 2, 28)), "left on 2026-02-28"),
        (rep("ana", active_from=date(2026, 4, 1)), "starts on 2026-04-01"),
        (rep("ana", time_off=(LEAVE,)), "off until 2026-03-08"),
        (rep("ana", hours={}), "no working hours"),
    ],
)
def test_absence_has_a_reason(who, reason):
    assert refusal(presence(who, MONDAY_NOON), Load(), ANYWHERE) == reason


def test_out_of_hours_refuses_only_where_the_rule_requires_hours():
    there = presence(rep("ana"), datetime(2026, 3, 2, 20, tzinfo=UTC))
    assert refusal(there, Load(), ANYWHERE) is None
    assert refusal(there, Load(), STRICT) == "out of hours until 2026-03-03 09:00Z"


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(14, 20, 59), None),
        (Load(15, 20, 40), "day cap of 15 reached"),
        (Load(3, 50, 40), "week cap of 50 reached"),
        (Load(3, 20, 60), "open cap of 60 reached"),
        (Load(3, 20, 40, hour=4), "hour cap of 4 reached"),
    ],
)
def test_caps(load, reason):
    assert over_cap(Caps(15, 50, 60, hour=4), load) == reason


def test_no_cap_is_no_limit():
    assert over_cap(Caps(), Load(10**6, 10**6, 10**6)) is None


@pytest.mark.parametrize(
    ("today", "share"),
    [
        ("2026-01-15", 0.25),
        ("2026-02-14", 0.25),
        ("2026-02-15", 0.5),
        ("2026-04-20", 1.0),
        ("2027-01-01", 1.0),
    ],
)
def test_the_ramp_counts_months_since_the_start(today, share):
    newcomer = rep("new", active_from=date(2026, 1, 15), ramp=(0.25, 0.5, 0.75, 1.0))
    assert ramp_share(newcomer, date.fromisoformat(today)) == share


def test_the_ramp_lowers_caps():
    newcomer = rep("new", active_from=date(2026, 2, 20), ramp=(0.25, 1.0), caps=Caps(day=15, open=60))
    assert presence(newcomer, MONDAY_NOON).caps == Caps(3, None, 15)


def test_the_ramp_always_leaves_one_an_hour():
    newcomer = rep("new", active_from=date(2026, 2, 20), ramp=(0.25, 1.0), caps=Caps(hour=2))
    assert presence(newcomer, MONDAY_NOON).caps == Caps(hour=1)


def test_somebody_on_leave_still_sells():
    assert sells(rep("ana", time_off=(LEAVE,)), MONDAY_NOON)
    assert not sells(rep("ana", active_until=date(2026, 2, 28)), MONDAY_NOON)


@pytest.mark.parametrize(
    ("spoken", "asked", "suits"),
    [(("en", "fr"), "fr-CA", True), (("en",), "fr", False), (("en",), None, True), ((), "fr", False)],
)
def test_languages(spoken, asked, suits):
    reason = language_refusal(rep("ana", languages=spoken), to("team", "sales", language=True), asked)
    assert (reason is None) == suits


PRO = to("team", "sales", match=("product", "postcode"))


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"product": "pro", "postcode": "90210"}, None),
        ({"product": " PRO "}, None),
        ({"product": None, "postcode": None}, None),
        ({}, None),
        ({"product": "lite"}, "product: does not suit the lead"),
        ({"product": "pro", "postcode": "10115"}, "postcode: does not suit the lead"),
    ],
)
def test_reps_suit_by_their_lists(terms, reason):
    ana = presence(rep("ana", suits={"product": ("Pro", "Max"), "postcode": ("9*",)}), MONDAY_NOON)
    facts = Facts("lead", "hot", terms=terms)
    assert unsuited(ana, PRO, facts) == reason
    assert unsuited(ana, ANYWHERE, facts) is None
    assert unsuited(presence(rep("ben"), MONDAY_NOON), PRO, facts) is None
    assert reason is None or of_lead(reason)


def test_tenure_counts_days_since_the_start():
    asked = to("team", "sales", min_tenure_days=90)
    new = presence(rep("new", active_from=date(2025, 12, 3)), MONDAY_NOON)
    old = presence(rep("old", active_from=date(2025, 12, 2)), MONDAY_NOON)
    facts = Facts("lead", "hot")
    assert unsuited(new, asked, facts) == "tenure: does not have 90 days before 2026-03-03"
    assert unsuited(old, asked, facts) is None
    assert unsuited(presence(rep("ever"), MONDAY_NOON), asked, facts) is None


def test_what_speaks_of_the_rep_is_not_of_the_lead():
    assert not any(map(of_lead, ("does not sell", "off until 2026-03-08", "day cap of 1 reached")))


def test_out_of_hours_those_come_first_who_come_back_first():
    evening = datetime(2026, 3, 2, 20, tzinfo=UTC)
    reps = (
        rep("tokyo", zone="Asia/Tokyo"),
        rep("berlin", zone="Europe/Berlin"),
        rep("osaka", zone="Asia/Tokyo"),
    )
    assert soonest(presence(r, evening) for r in reps) == {"tokyo", "osaka"}


def test_caps_count_in_order_of_day_week_open():
    busy = presence(capped("ana", day=1, open=1), MONDAY_NOON)
    assert refusal(busy, Load(1, 1, 1), ANYWHERE) == "day cap of 1 reached"
