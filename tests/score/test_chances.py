"""The chance of conversion in the ledger: the same as in a file, pinned with the policy, told and computed again."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.score import ledger_rows as rows
from tests.score.models import NOW, ago

from clearlane import policy
from clearlane.policy.loading import content_name
from clearlane.score import run, score_files, wording
from clearlane.score.additive import Additive, Names, Numbers, Part, meaning
from clearlane.score.additive_file import saved
from clearlane.score.again import scored_again
from clearlane.score.explain import explain

SCORING = """
schema: 1
owner: ana
approver: ben
attributes: {employees: number, country: text, free_mail: boolean}
disqualifiers: [{id: french, because: French, when: "country = 'FR'"}]
rules:
  fit: [{id: size, because: Big, when: employees >= 50, points: 30}]
  engagement: [{id: visit, because: Visits, activity: visit, points: 10, half_life: 7 days, cap: 25}]
variants: [{id: tiny, because: Tiny, when: employees < 5}]
"""
PARSED = policy.parse({"scoring": SCORING}).scoring
MODEL = Additive(
    "won",
    "logistic",
    {"leads": 2_000, "horizon_days": 90.0},
    -2.0,
    (
        Part("rule", "size", Numbers((0.5,), (-0.5, 1.5), 0.0)),
        Part("rule", "visit", Numbers((0.25, 1.5), (0.0, 0.5, 1.0), 0.0)),
        Part("attribute", "country", Names({"DE": 0.25, "D'E: 5%": -0.4}, -0.25, 0.0)),
        Part("attribute", "free_mail", Names({"true": -0.6, "false": 0.2}, 0.0, 0.04)),
    ),
    {rule.id: meaning(rule) for rule in PARSED.rules},
)
WHO = {"by": "ana", "because": "tests"}
COLUMNS = ("probability", "probability_because")


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def naming(model: Additive) -> dict[str, str]:
    """A policy with a model, as contents."""
    name = content_name("predictive", saved(model))
    return {"scoring": f"{SCORING}predictive: {name}\n", name: saved(model)}


def people(ledger: Connection, count: int = 40) -> list[dict[str, Any]]:
    """Leads of every kind, with visits: as rows of a file, and in the ledger."""
    draw = random.Random(5)
    made = []
    for n in range(count):
        known = {
            "employees": draw.choice([2, 10, 49, 50, 700]),
            "country": draw.choice(["DE", "FR", "D'E: 5%", "ES"]),
            "free_mail": draw.choice([True, False]),
        }
        known = {name: value for name, value in known.items() if draw.random() < 0.8}
        lead = rows.lead(ledger, f"lead {n}")
        rows.profile(ledger, lead, known)
        visits = [ago(days=draw.choice([0.5, 3, 7, 20]), minutes=m) for m in range(draw.choice([0, 0, 1, 4]))]
        for visit in visits:
            rows.activity(ledger, lead, "visit", visit)
        made.append({"lead": lead, "known": known, "visits": visits})
    return made


def scored(ledger: Connection, versions: dict[str, str], leads: list[UUID], days: float = 0) -> int:
    """Score the leads so many days later; how many rows were written."""
    batch = rows.batch(ledger, NOW + timedelta(days=days), run=f"after {days}")
    rows.work(ledger, batch, *leads)
    return run(ledger, policy.stored(ledger, versions), batch).written


def told(ledger: Connection) -> dict[str, tuple[Any, ...]]:
    found = ledger.execute(
        sa.text("select distinct on (lead_id) * from score order by lead_id, score_id desc")
    )
    return {str(row["lead_id"]): tuple(row[name] for name in COLUMNS) for row in found.mappings()}


def of_file(folder: Path, made: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """What `clearlane score` says of the same leads."""
    for name, content in naming(MODEL).items():
        (folder / (name if name.endswith(".json") else f"{name}.yaml")).write_text(content, encoding="utf-8")
    with (folder / "leads.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, ["lead_id", "employees", "country", "free_mail"])
        sheet.writeheader()
        sheet.writerows({"lead_id": one["lead"], **one["known"]} for one in made)
    visits = [f"{one['lead']},visit,{at.isoformat()}" for one in made for at in one["visits"]]
    (folder / "visits.csv").write_text("\n".join(["lead_id,type,occurred_at", *visits]), encoding="utf-8")
    score_files(folder, folder / "leads.csv", folder / "visits.csv", None, NOW, folder / "out.csv")
    with (folder / "out.csv").open(newline="") as file:
        return {row["lead_id"]: tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file)}


def test_the_ledger_tells_what_the_file_tells(ledger: Connection, tmp_path: Path) -> None:
    made = people(ledger)
    scored(ledger, dict(policy.publish(ledger, naming(MODEL), **WHO)), [one["lead"] for one in made])
    mine, files = told(ledger), of_file(tmp_path, made)
    assert {lead for lead, one in mine.items() if one[0] is None} == {
        lead for lead, one in files.items() if not one[0]
    }
    both = [(mine[lead], one) for lead, one in files.items() if one[0]]
    assert 10 < len(both) < len(made)
    assert [one[0] for one, _ in both] == pytest.approx([float(other[0]) for _, other in both], abs=5.1e-7)
    assert [one[1] for one, _ in both] == [other[1] for _, other in both]


def test_without_a_model_nothing_is_told_and_with_one_only_changes_are_written(ledger: Connection) -> None:
    leads = [one["lead"] for one in people(ledger, 6)]
    off = dict(policy.publish(ledger, {"scoring": SCORING}, **WHO))
    assert scored(ledger, off, leads) == 6
    assert set(told(ledger).values()) == {(None, None)}
    on = dict(policy.publish(ledger, naming(MODEL), **WHO, in_force_from=NOW))
    assert scored(ledger, on, leads, days=1) == 6
    first = told(ledger)
    assert scored(ledger, on, leads, days=2) == 0
    other = dict(policy.publish(ledger, naming(replace(MODEL, base=-1.0)), **WHO, in_force_from=NOW))
    assert scored(ledger, other, leads, days=3) == 6
    assert all(told(ledger)[lead][0] > chance for lead, (chance, _) in first.items() if chance)


def test_computed_again_it_is_the_same(ledger: Connection) -> None:
    leads = [one["lead"] for one in people(ledger, 12)]
    versions = dict(policy.publish(ledger, naming(MODEL), **WHO))
    scored(ledger, versions, leads)
    stored = {row["score_id"]: dict(row) for row in ledger.execute(sa.text("select * from score")).mappings()}
    again = scored_again(ledger, policy.stored(ledger, versions).scoring, dict.fromkeys(stored, 2**40))
    assert any(row["probability"] for row in stored.values())
    assert {one: tuple(row[name] for name in COLUMNS) for one, row in again.items()} == {
        one: tuple(row[name] for name in COLUMNS) for one, row in stored.items()
    }


def test_explain_tells_the_chance_and_why(ledger: Connection) -> None:
    lead = rows.lead(ledger, "ada")
    rows.profile(ledger, lead, {"employees": 100, "country": "DE", "free_mail": True})
    versions = dict(policy.publish(ledger, naming(MODEL), **WHO))
    scored(ledger, versions, [lead])
    found = explain(ledger, policy.stored(ledger, versions).scoring, lead, NOW)
    lines = dict(wording.score(found, None))
    assert lines["chance"] == (
        "30% chance of won within 90 days: because size holds: odds × 4.5; free_mail true: odds × 0.55;"
        " country DE: odds × 1.3"
    )


def test_a_model_is_published_by_a_name_that_says_its_content(ledger: Connection, tmp_path: Path) -> None:
    name = content_name("predictive", saved(MODEL))
    with pytest.raises(policy.PolicyErrors, match="no such file"):
        policy.publish(ledger, {"scoring": f"{SCORING}predictive: {name}\n"}, **WHO)
    (tmp_path / "scoring.yaml").write_text(f"{SCORING}predictive: mine.json\n", encoding="utf-8")
    (tmp_path / "mine.json").write_text(saved(MODEL), encoding="utf-8")
    with pytest.raises(policy.PolicyErrors, match=f"allowed is {name}|{name}, which holds its hash"):
        policy.publish(ledger, tmp_path, **WHO)


def test_a_model_of_other_rules_is_not_published(ledger: Connection) -> None:
    contents = naming(MODEL)
    contents["scoring"] = contents["scoring"].replace("employees >= 50", "employees >= 60")
    with pytest.raises(policy.PolicyErrors, match="the rule size is not what it was"):
        policy.publish(ledger, contents, **WHO)


def test_a_stored_model_comes_back_with_its_version(ledger: Connection) -> None:
    first = policy.publish(ledger, naming(MODEL), **WHO)
    policy.publish(ledger, {"scoring": SCORING}, **WHO, in_force_from=NOW)
    undone = policy.rollback(ledger, "scoring", **WHO, in_force_from=NOW + timedelta(days=1))
    assert undone.version == first["scoring"]
    lead = rows.lead(ledger, "ada")
    rows.profile(ledger, lead, {"employees": 100})
    scored(ledger, {"scoring": undone.version}, [lead])
    assert [one[0] is not None for one in told(ledger).values()] == [True]
