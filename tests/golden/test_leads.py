"""The golden leads: what the business expects of the default policy, lead by lead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from clearlane import policy
from clearlane.policy.model import Rule, Scoring
from clearlane.score import score_frame

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
LEADS: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("leads.yaml").read_text(encoding="utf-8")
)
DEFAULTS = {"disqualified": None, "kind": "sales"}


def activities() -> Iterator[dict[str, Any]]:
    for lead in LEADS:
        for item in lead.get("did", ()):
            (type_, days), *attributes = item.items()
            for day in days if isinstance(days, list) else [days]:
                moment = NOW - timedelta(days=day)
                yield {"lead_id": lead["name"], "type": type_, "occurred_at": moment, **dict(attributes)}


def scores(scoring: Scoring) -> dict[str, dict[str, Any]]:
    leads = pd.DataFrame([{"lead_id": lead["name"], **lead["lead"]} for lead in LEADS])
    frame = score_frame(scoring, leads, pd.DataFrame(list(activities())), None, NOW)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {row["lead_id"]: {**row, "contributions": json.loads(row["contributions"])} for row in rows}


@cache
def default() -> Scoring:
    text = (ROOT / "include" / "policy" / "scoring.yaml").read_text(encoding="utf-8")
    return policy.parse({"scoring": text}).scoring


@cache
def default_scores() -> dict[str, dict[str, Any]]:
    return scores(default())


def differences(lead: dict[str, Any], row: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is not as expected: name -> (expected, found)."""
    expected = {**DEFAULTS, **lead["expect"]}
    fires = expected.pop("fires", [])
    found = {name: (value, row[name]) for name, value in expected.items() if row[name] != value}
    silent = [rule for rule in fires if rule not in row["contributions"]]
    return {**found, **({"fires": (silent, sorted(row["contributions"]))} if silent else {})}


def test_there_are_about_forty_with_names_of_their_own() -> None:
    names = [lead["name"] for lead in LEADS]
    assert len(names) == len(set(names)) >= 40
    assert all(lead["story"] and lead["expect"].keys() >= {"band", "stage"} for lead in LEADS)


@pytest.mark.parametrize("lead", LEADS, ids=lambda lead: lead["name"])
def test_the_lead_is_seen_as_the_business_sees_it(lead: dict[str, Any]) -> None:
    row = default_scores()[lead["name"]]
    assert differences(lead, row) == {}, f"{lead['story']}: {row['score']} from {row['contributions']}"


def test_every_band_stage_and_disqualifier_has_its_lead() -> None:
    expected = [{**DEFAULTS, **lead["expect"]} for lead in LEADS]
    scoring = default()
    assert {one["band"] for one in expected} == {band.name for band in scoring.bands}
    assert {one["stage"] for one in expected} >= {
        "inquiry",
        "disqualified",
        *(s.name for s in scoring.stages),
    }
    assert {one["disqualified"] for one in expected} == {None, *(rule.id for rule in scoring.disqualifiers)}
    assert {one["kind"] for one in expected} == {"sales", *(rule.kind for rule in scoring.kinds)}


def test_every_rule_fires_for_some_lead() -> None:
    fired = {rule for row in default_scores().values() for rule in row["contributions"]}
    assert fired == {rule.id for rule in default().rules}


@pytest.mark.full
@pytest.mark.parametrize("change", [10, -10], ids=["ten more", "ten less"])
@pytest.mark.parametrize("index", range(len(default().rules)), ids=lambda i: default().rules[i].id)
def test_a_rule_worth_ten_points_more_or_less_is_noticed(index: int, change: float) -> None:
    assert noticed(index, replace(default().rules[index], points=default().rules[index].points + change))


@pytest.mark.full
@pytest.mark.parametrize("index", range(len(default().rules)), ids=lambda i: default().rules[i].id)
def test_a_rule_turned_round_is_noticed(index: int) -> None:
    assert noticed(index, replace(default().rules[index], points=-default().rules[index].points))


def noticed(index: int, rule: Rule) -> bool:
    """Whether a golden lead is seen differently with that rule in the place of the default's."""
    rules = (*default().rules[:index], rule, *default().rules[index + 1 :])
    changed = scores(replace(default(), rules=rules))
    return any(differences(lead, changed[lead["name"]]) for lead in LEADS)
