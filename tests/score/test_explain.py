"""Explanations of stored scores: what fired, what was cut, what nearly fired, and where that puts the lead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection
from tests.profiles import examples
from tests.score import ledger_rows as rows
from tests.score.models import NOW, acted, activity_when, ago, fit, model, when
from tests.score.plain import PlainRule, Row, count, group_total
from tests.score.test_engines import BOUNDS, histories, plain_rules, scoring_of

from clearlane import policy
from clearlane.policy.model import Measure, Recycling, Rule, Scoring, Variant
from clearlane.score import Explanation, NotScored, explain, overrides, run

MODEL = model(
    fit("size", "employees >= 50", 30),
    fit("german", "country = 'DE' and employees > 10", 5),
    fit("small", "employees < 10", -5, group="negative"),
    acted("visit", "visit", 10, half_life_days=7, when=activity_when("minutes >= 1")),
    acted("demo", "demo_request", 40, half_life_days=14, cap=45),
)


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def scored(ledger: Connection, scoring: Scoring, at: datetime, *leads: UUID) -> None:
    batch = rows.batch(ledger, at, run=f"run of {at}")
    rows.work(ledger, batch, *leads)
    run(ledger, replace(policy.parse({}), scoring=scoring, hashes={"scoring": "v1"}), batch)


def told(ledger: Connection, lead: UUID, scoring: Scoring = MODEL, at: datetime = NOW) -> Explanation:
    scored(ledger, scoring, at, lead)
    return explain(ledger, scoring, lead, at)


def test_an_explanation_names_what_fired_and_what_failed(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100, "country": "FR"})
    rows.activity(ledger, ada, "demo_request", ago(days=14))
    rows.activity(ledger, ada, "demo_request", ago(days=28))
    rows.activity(ledger, ada, "visit", ago(days=1), minutes=0)
    found = told(ledger, ada)
    assert [(rule.id, rule.points, rule.seen) for rule in found] == [
        ("demo", 30, {}), ("size", 30, {"employees": 100}),
    ]  # fmt: skip
    assert {rule.id: [term.text for term in rule.failed] for rule in found.silent} == {
        "german": ["country = 'DE'"], "small": ["employees < 10"], "visit": ["minutes >= 1"],
    }  # fmt: skip
    assert [rule.id for rule in found.nearly] == ["visit", "german"]
    assert (found.score, found.band.name, found.stage, found.hand_raise) == (60, "warm", "mql", True)
    assert sum(rule.points for rule in found) == found.total


def test_an_explanation_says_what_disqualified(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"domain": "rival.example", "employees": 50})
    found = told(ledger, ada)
    assert found.disqualified is not None
    assert (found.disqualified.id, found.disqualified.because) == ("competitor", "A competitor")
    assert found.disqualified.terms[0].values == {"domain": "rival.example"}
    assert (found.score, found.band.name, found.band.why) == (0, "cold", "disqualified")


def test_there_is_nothing_to_explain_before_the_first_score(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    scored(ledger, MODEL, NOW, ada)
    with pytest.raises(NotScored, match="2026-03-01"):
        explain(ledger, MODEL, ada, ago(days=1))


def test_a_score_is_explained_from_what_it_was_made_of_and_nothing_later(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    rows.activity(ledger, ada, "demo_request", ago(days=14))
    before = told(ledger, ada)
    rows.profile(ledger, ada, {"employees": 5}, ago(hours=1))
    rows.activity(ledger, ada, "demo_request", ago(days=2))
    ledger.execute(sa.text("update activity set known_seq = 9 where occurred_at = :at"), {"at": ago(days=2)})
    twin = rows.lead(ledger, "twin", survivor="ada")
    rows.activity(ledger, twin, "visit", ago(days=2), minutes=5)
    assert explain(ledger, MODEL, ada, NOW) == before


def test_an_activity_rule_says_what_it_counted_and_what_age_took(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    for days in (7, 14, 21):
        rows.activity(ledger, ada, "visit", ago(days=days), minutes=2)
    rows.activity(ledger, ada, "visit", ago(days=1), minutes=0)
    (rule,) = told(ledger, ada).fired
    assert rule.did is not None
    assert (rule.did.met, rule.did.counted, rule.did.first_at, rule.did.last_at) == (
        3,
        3,
        ago(days=21),
        ago(days=7),
    )
    assert (rule.did.weight, rule.did.faded) == pytest.approx((0.875, 1 - 0.875 / 3))
    assert (rule.points, rule.uncut) == pytest.approx((8.75, 8.75))


def test_what_counts_once_a_day_or_so_many_a_week_is_counted_so(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    for hours in (49, 50, 51, 90):
        rows.activity(ledger, ada, "visit", ago(hours=hours))
    scoring = model(
        acted("daily", "visit", 1, counting="per_day"), acted("once", "visit", 2, counting="first"),
        acted("three", "visit", 3, at_most=3, window_days=7, half_life_days=7),
    )  # fmt: skip
    found = {rule.id: rule.did for rule in told(ledger, ada, scoring)}
    assert {id: (did.met, did.counted) for id, did in found.items() if did} == {
        "daily": (4, 2), "once": (4, 1), "three": (4, 3)
    }  # fmt: skip


def test_caps_and_bounds_of_groups_say_what_they_cut(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100, "country": "DE"})
    for days in (1, 2, 3):
        rows.activity(ledger, ada, "demo_request", ago(days=days))
    scoring = model(
        fit("size", "employees >= 50", 40), fit("german", "country = 'DE'", 22),
        acted("demo", "demo_request", 40, half_life_days=14, cap=45),
    )  # fmt: skip
    found = told(ledger, ada, scoring)
    rules = {rule.id: rule for rule in found}
    assert rules["demo"].points == 45
    assert rules["demo"].uncut == pytest.approx(40 * sum(0.5 ** (days / 14) for days in (1, 2, 3)))
    groups = {group.name: group for group in found.groups}
    assert (groups["fit"].points, groups["fit"].uncut, groups["fit"].high) == (50, 62, 50)
    assert (groups["engagement"].points, groups["engagement"].uncut) == (45, 45)


# --- what nearly fired ---


def test_a_rule_nearly_fires_when_one_term_fails(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 40, "country": "DE"})
    scoring = model(
        fit("two fail", "employees >= 50 and country = 'FR' and free_mail", 9),
        fit("one fails", "employees >= 50 and country = 'DE'", 7),
        fit("single", "employees >= 50", 5),
        fit("single against", "free_mail", -5, group="negative"),
        fit("against", "country = 'DE' and free_mail", -6, group="negative"),
        acted("never done", "visit", 8),
        acted("never done by one of them", "visit", 8, lead="country = 'DE'"),
    )
    found = told(ledger, ada, scoring)
    assert [(rule.id, [term.text for term in rule.failed]) for rule in found.nearly] == [
        ("one fails", ["employees >= 50"]), ("against", ["free_mail"]), ("single", ["employees >= 50"]),
    ]  # fmt: skip
    assert found.nearly[0].failed[0].values == {"employees": 40}
    assert found.nearly[1].failed[0].values == {"free_mail": None}


def test_an_activity_rule_nearly_fires_on_the_activity_that_came_nearest(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    rows.activity(ledger, ada, "visit", ago(days=5), minutes=4, page="/pricing")
    rows.activity(ledger, ada, "visit", ago(days=4), minutes=1, page="/pricing")
    rows.activity(ledger, ada, "visit", ago(days=3), minutes=1, page="/jobs")
    scoring = model(
        acted("read prices", "visit", 5, when=activity_when("minutes >= 5 and page = '/pricing'"))
    )
    (rule,) = told(ledger, ada, scoring).nearly
    assert rule.did is not None
    assert rule.did.nearest == ago(days=4)
    assert [(term.text, term.values) for term in rule.failed] == [("minutes >= 5", {"minutes": 1})]


def test_an_activity_rule_nearly_fires_when_only_the_lead_is_not_the_one_it_asks_for(
    ledger: Connection,
) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"country": "FR"})
    rows.activity(ledger, ada, "visit", ago(days=1))
    (rule,) = told(ledger, ada, model(acted("german visit", "visit", 5, lead="country = 'DE'"))).nearly
    assert [(term.text, term.values) for term in rule.failed] == [("country = 'DE'", {"country": "FR"})]


def test_what_has_faded_to_nothing_is_silent_and_did_not_fail(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    rows.activity(ledger, ada, "visit", ago(days=40))
    (rule,) = told(ledger, ada, model(acted("visit", "visit", 5, half_life_days=1))).silent
    assert (rule.failed, rule.nearly) == ((), False)
    assert rule.did is not None
    assert rule.did.faded == pytest.approx(1)


# --- where that puts the lead ---


def test_the_band_says_where_it_was_entered_and_where_it_ends(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    rows.activity(ledger, ada, "demo_request", ago(days=3))
    scoring = model(fit("size", "employees >= 50", 20), acted("demo", "demo_request", 33, half_life_days=14))
    moments = (ago(days=2), NOW, NOW + timedelta(days=5), NOW + timedelta(days=9))
    for moment in moments:
        rows.activity(ledger, ada, "unsubscribed", moment - timedelta(hours=1))
    fading = replace(scoring, rules=(*scoring.rules, acted("left", "unsubscribed", 0)))
    bands = [told(ledger, ada, fading, moment).band for moment in moments]
    assert [(band.name, band.why, band.since) for band in bands] == [
        ("warm", "entered", moments[0]), ("warm", "hysteresis", moments[0]), ("cool", "left", moments[2]),
        ("cool", "holds", moments[2]),
    ]  # fmt: skip
    assert (bands[1].enter, bands[1].leave, bands[1].above) == (50, 45, ("hot", 75))


def test_a_band_that_may_not_be_left_yet_says_until_when(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    scoring = model(fit("size", "employees >= 50", 50), fit("german", "country = 'DE'", 1))
    told(ledger, ada, scoring, ago(hours=20))
    rows.profile(ledger, ada, {"employees": 10, "country": "DE"}, ago(hours=2))
    band = told(ledger, ada, scoring).band
    assert (band.name, band.why, band.since, band.stays_until) == (
        "warm", "dwell", ago(hours=20), ago(hours=20) + timedelta(days=1)
    )  # fmt: skip


def test_an_override_is_told_with_who_why_and_until_when(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {"employees": 100})
    said = {"by": "mo", "because": "met their board", "since": ago(days=1), "until": NOW + timedelta(days=1)}
    overrides.set_override(ledger, MODEL, ada, score=80, **said)
    found = told(ledger, ada)
    assert found.override is not None
    assert (found.score, found.band.name, found.total) == (80, "hot", 30)
    assert {name: getattr(found.override, name) for name in said} == said
    overrides.set_override(ledger, MODEL, ada, band="cool", by="mo", because="again", since=NOW)
    assert told(ledger, ada, at=NOW + timedelta(hours=1)).band.why == "override"


def test_the_model_in_force_says_why_it_is(ledger: Connection) -> None:
    large = replace(MODEL, rules=(fit("large", "employees >= 1000", 40),))
    scoring = replace(
        MODEL,
        variants=(Variant("enterprise", "Large firms", when("employees >= 500 and country = 'DE'"), large),),
    )
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    rows.profile(ledger, ada, {"employees": 2000, "country": "DE"})
    rows.profile(ledger, bo, {"employees": 2000})
    found, other = told(ledger, ada, scoring), told(ledger, bo, scoring, NOW + timedelta(minutes=1))
    assert (found.model.id, found.model.because) == ("enterprise", "Large firms")
    assert [(term.text, term.held) for term in found.model.terms] == [
        ("employees >= 500", True),
        ("country = 'DE'", True),
    ]
    assert [rule.id for rule in found] == ["large"]
    assert (other.model.id, other.model.because) == ("default", None)
    assert [rule.id for rule in other] == ["size"]


def test_rules_over_measures_and_colleagues_say_what_they_saw(ledger: Connection) -> None:
    busy = Measure("visits", "Visits in a week", ("visit",), within_days=7)
    scoring = model(
        acted("demo", "demo_request", 40), measured("busy", "visits >= 3", 5),
        measured("group", "account_sum >= 60", 7), measured("team", "account_engaged >= 1", 3), measures=(busy,),
    )  # fmt: skip
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    for lead in (ada, bo):
        rows.profile(ledger, lead, {})
    ledger.execute(sa.text("update lead_profile set account_id = :id"), {"id": UUID(int=7)})
    rows.activity(ledger, bo, "demo_request", ago(days=1))
    for days in (1, 2, 9):
        rows.activity(ledger, ada, "visit", ago(days=days))
    scored(ledger, scoring, NOW, ada, bo)
    found = explain(ledger, scoring, ada, NOW)
    assert found.account == {
        "account_best": 40,
        "account_sum": 40,
        "account_decayed": found.account["account_decayed"],
        "account_engaged": 1,
    }
    assert [(rule.id, rule.seen) for rule in found] == [("team", {"account_engaged": 1})]
    assert {rule.id: rule.seen for rule in found.nearly} == {
        "busy": {"visits": 2},
        "group": {"account_sum": 40},
    }


def measured(id: str, text: str, points: float) -> Rule:
    return Rule(id, "fit", f"because of {id}", points, when(text, "visits", "account_sum", "account_engaged"))


def test_what_was_before_the_cycle_is_met_and_not_counted(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    rows.profile(ledger, ada, {})
    for days in (30, 20, 3):
        rows.activity(ledger, ada, "visit", ago(days=days))
    columns = "outcome_id, source, lead_id, kind, occurred_at"
    recycled = sa.text(f"insert into outcome ({columns}) values (:lead, 'crm', :lead, 'recycled', :at)")
    ledger.execute(recycled, {"lead": ada, "at": ago(days=10)})
    again = Recycling(outcomes=("recycled",), cooldown={"*": timedelta(days=1)})
    scoring = model(acted("visit", "visit", 5, half_life_days=7), recycling=again)
    found = told(ledger, ada, scoring)
    (rule,) = found.fired
    assert rule.did is not None
    assert (found.cycle, found.cycle_since, rule.did.met, rule.did.counted) == (2, ago(days=10), 3, 1)
    assert rule.points == pytest.approx(5 * 0.5 ** (3 / 7), abs=1e-6)


# --- whatever the model ---


@settings(max_examples=examples(15, 100), suppress_health_check=list(HealthCheck))
@given(rules=plain_rules(), history=histories())
def test_points_add_up_and_what_was_counted_is_what_a_plain_scorer_counts(
    ledger_engine: sa.Engine, rules: list[PlainRule], history: tuple[list[Row], list[Row]]
) -> None:
    scoring = scoring_of(rules)
    with ledger_engine.connect() as connection:
        leads, happened = put(connection, *history)
        scored(connection, scoring, NOW, *leads)
        found = [explain(connection, scoring, lead, NOW) for lead in leads]
        connection.rollback()
    for lead, one in zip(leads, found, strict=True):
        check(one, rules, happened[lead])


def put(
    connection: Connection, leads: list[Row], activities: list[Row]
) -> tuple[list[UUID], dict[UUID, list[Row]]]:
    """The leads and their activities in the ledger, once each moment and type."""
    ids = {lead["lead_id"]: rows.lead(connection, lead["lead_id"]) for lead in leads}
    once = {(a["lead_id"], a["type"], a["occurred_at"]): a for a in activities}
    for lead in leads:
        known = json.loads(json.dumps(lead["attributes"], default=datetime.isoformat))
        rows.profile(connection, ids[lead["lead_id"]], known, kind=lead["kind"])
    for (lead_id, type_, at), activity in once.items():
        rows.activity(connection, ids[lead_id], type_, at, **activity["attributes"])
    happened = {own: [a for a in once.values() if a["lead_id"] == name] for name, own in ids.items()}
    return list(ids.values()), happened


def check(one: Explanation, rules: list[PlainRule], happened: list[Row]) -> None:
    stories = {story.id: story for story in (*one.fired, *one.silent)}
    assert stories.keys() == {rule.id for rule in rules}
    for rule in rules:
        story = stories[rule.id]
        low, high = (-rule.cap, rule.cap) if rule.cap and not rule.bounds else rule.bounds or (-1e9, 1e9)
        assert story.points == pytest.approx(max(low, min(high, story.uncut)), abs=2e-6)
        assert not (story.points and story.failed)
        if story.did:
            unfading = replace(rule, half_life_days=None)
            assert story.did.weight == pytest.approx(count(rule, happened, NOW), abs=1e-9)
            assert story.did.counted == pytest.approx(count(unfading, happened, NOW))
            assert story.did.met >= story.did.counted
    groups = {group.name: group for group in one.groups}
    points = {story.id: story.points for story in one.fired}
    for name, bounds in BOUNDS.items():
        assert float(group_total(points, rules, name, bounds)) == pytest.approx(groups[name].points, abs=1e-6)
        low, high = groups[name].low, groups[name].high
        assert groups[name].points == pytest.approx(max(low, min(high, groups[name].uncut)), abs=1e-6)
    assert one.total == pytest.approx(sum(group.points for group in one.groups), abs=1e-6)
