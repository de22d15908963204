"""The policy that comes with the project is the default company, and keeps what it says."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from clearlane import policy
from clearlane.policy.model import Policy, Silent, Span


@pytest.fixture
def default(folder: Path) -> Policy:
    return policy.load(folder)


def test_it_has_no_errors_and_no_warnings(folder: Path) -> None:
    report = policy.check(folder)
    assert report.errors == ()
    assert report.warnings == ()


def test_its_people_are_those_of_the_default_company(default: Policy) -> None:
    reps = default.teams.reps.values()
    roles = Counter(rep.role for rep in reps)
    assert roles == {"sdr": 8, "ae": 12, "account_manager": 3, "channel": 2, "manager": 3, "head_of_sales": 1}
    assert {(rep.caps.day, rep.caps.open) for rep in reps if rep.sells} == {(15, 60)}
    assert [rep.id for rep in reps if rep.time_off] == ["jonas_keller"]
    assert [rep.ramp for rep in reps if rep.ramp] == [(0.25, 0.5, 0.75, 1)]
    assert [rep.active_until for rep in reps if rep.active_until] == [date(2026, 9, 30)]
    assert all(rep.holidays and rep.hours for rep in reps)


def test_its_bands_and_bounds(default: Policy) -> None:
    scoring = default.scoring
    assert [(band.name, band.entry) for band in scoring.bands] == [
        ("hot", 75),
        ("warm", 50),
        ("cool", 25),
        ("cold", 0),
    ]
    assert {band.entry - band.exit for band in scoring.bands[:-1]} == {5}
    assert scoring.group_bounds == {"fit": (0, 50), "engagement": (0, 50), "negative": (-60, 0)}
    assert len(scoring.rules) <= 25


def test_half_lives(default: Policy) -> None:
    terms = {rule.id: rule.activity for rule in default.scoring.rules if rule.activity}
    lives = {rule: terms[rule].half_life_days for rule in ("pricing_page", "content", "webinar")}
    assert lives == {"pricing_page": 7, "content": 21, "webinar": 30}
    assert not any("email_open" in term.types for term in terms.values())
    assert (terms["click"].at_most, terms["click"].window_days) == (3, 7)


def test_its_promises(default: Policy) -> None:
    touch = {name: tier.first_touch for name, tier in default.sla.tiers.items()}
    assert touch == {
        "hot": Span(5, "minutes"),
        "warm": Span(4, "hours"),
        "cool": Span(1, "days"),
        "none": None,
    }
    assert default.sla.tiers["hot"].accept == Span(15, "minutes")
    assert default.sla.hand_raise == "hot"
    assert set(default.sla.by_band) == {band.name for band in default.scoring.bands}


def test_what_happens_when_they_are_not_kept(default: Policy) -> None:
    sla = default.sla
    assert {(tier.warn_share, tier.reassign_factor) for tier in sla.tiers.values()} == {(0.6, 2)}
    told = {name: tier.escalate for name, tier in sla.tiers.items() if tier.first_touch}
    assert told == {"hot": ("manager", "head_of_sales"), "warm": ("manager",), "cool": ("manager",)}
    assert sla.tiers["hot"].lead_hours == (time(8), time(20))
    assert set(sla.queues) == {"pool", "held", "exceptions", "match_ask"}
    assert sla.silent == Silent(3, timedelta(days=5))
    assert sla.late_after == timedelta(hours=24)
    assert default.teams.reps[sla.head_of_sales or ""].role == "head_of_sales"


def test_every_file_is_answered_for(default: Policy) -> None:
    assert set(default.sections) == set(policy.FILES)
    assert all(section.owner and section.approver for section in default.sections.values())


def test_every_team_is_somewhere_on_a_ladder(default: Policy) -> None:
    ladders = [rung for rule in default.routing.rules for rung in rule.ladder]
    assert {rung.name for rung in ladders if rung.target == "team"} == set(default.teams.teams)


def test_mail_never_reaches_a_real_person(default: Policy) -> None:
    assert all(rep.email.endswith("@clearlane.example") for rep in default.teams.reps.values())


def test_going_live_has_a_moment(default: Policy) -> None:
    assert {source.live_from for source in default.sources.sources.values()} == {
        datetime(2026, 1, 1, tzinfo=UTC)
    }


def test_pages_print_the_policys_own_numbers(texts: dict[str, str]) -> None:
    changed = texts["scoring"].replace("enter: 75, exit: 70", "enter: 77, exit: 71")
    before, after = (
        policy.pages(policy.parse({**texts, "scoring": text})) for text in (texts["scoring"], changed)
    )
    assert {name for name in before if before[name] != after[name]} == {"scoring"}
    assert "| hot | 77 | 71 |" in after["scoring"]


def test_pages_name_everything(default: Policy) -> None:
    pages = policy.pages(default)
    assert set(pages) == set(policy.FILES)
    for rule in (*default.scoring.rules, *default.scoring.kinds, *default.scoring.disqualifiers):
        assert re.search(rf"\| {rule.id} .*{re.escape(rule.because)}", pages["scoring"])
    for routing_rule in default.routing.rules:
        assert re.search(rf"\| {routing_rule.id} .*{re.escape(routing_rule.because)}", pages["routing"])
    for rep in default.teams.reps.values():
        assert rep.name in pages["teams"]
    for name, source in default.sources.sources.items():
        assert all(f"### {name}: {object}" in pages["sources"] for object in source.objects)


def test_pages_of_an_empty_policy_are_pages() -> None:
    assert all(page.startswith("# ") for page in policy.pages(policy.parse({})).values())
