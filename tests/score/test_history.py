"""What changed a score, told by comparing its rows; and any moment of the past scored again as it was then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.profiles import examples
from tests.score import ledger_rows as rows
from tests.score import test_scoring
from tests.score.models import NOW, acted, ago, fit, model
from tests.score.test_scoring import policy_of
from tests.score.test_signals import EVENT, LEAD, RICH, World

from clearlane import policy
from clearlane.policy.model import Policy, Recycling
from clearlane.score import overrides, run, score_at, score_frame
from clearlane.score.history import Change, history

MODEL = model(
    fit("size", "employees >= 50", 30),
    acted("visit", "visit", 10, half_life_days=7),
    acted("demo", "demo_request", 40, half_life_days=14),
)
POLICY = policy_of(MODEL)
DEFAULT = Path(__file__).resolve().parents[2] / "include" / "policy"


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def scored_at(ledger: Connection, moment: Any, *leads: UUID, version: Policy = POLICY) -> None:
    test_scoring.scored_at(ledger, moment, *leads, version=version)


def causes(ledger: Connection, lead: UUID) -> list[tuple[str, ...]]:
    return [change.causes for change in told(ledger, lead)]


def told(ledger: Connection, lead: UUID) -> Sequence[Change]:
    return history(ledger, lead, ago(days=-400))


@pytest.fixture
def ada(ledger: Connection) -> UUID:
    own = rows.lead(ledger, "ada")
    rows.profile(ledger, own, {"employees": 100})
    scored_at(ledger, ago(days=9), own)
    return own


def test_an_activity_is_the_cause_and_its_rule_the_delta(ledger: Connection, ada: UUID) -> None:
    rows.activity(ledger, ada, "visit", ago(days=8))
    scored_at(ledger, ago(days=1), ada)
    assert causes(ledger, ada) == [("new",), ("activity",)]
    assert [change.delta for change in told(ledger, ada)] == [{"size": 30}, {"visit": 5}]


def test_what_is_known_of_the_lead_is_a_cause(ledger: Connection, ada: UUID) -> None:
    rows.profile(ledger, ada, {"employees": 10}, ago(days=2))
    scored_at(ledger, ago(days=1), ada)
    assert causes(ledger, ada)[1:] == [("attribute",)]
    assert told(ledger, ada)[1].delta == {"size": -30}


def test_time_alone_is_a_cause_where_it_shows(ledger: Connection, ada: UUID) -> None:
    rows.activity(ledger, ada, "demo_request", ago(days=8))
    for days in (7, 6, -60):
        scored_at(ledger, ago(days=days), ada)
    assert causes(ledger, ada) == [("new",), ("activity",), ("decay",)]


def test_a_merge_a_model_and_an_override_are_causes(ledger: Connection, ada: UUID) -> None:
    rows.lead(ledger, "twin", survivor="ada")
    scored_at(ledger, ago(days=8), ada)
    scored_at(ledger, ago(days=7), ada, version=policy_of(MODEL, "v2"))
    overrides.set_override(ledger, MODEL, ada, band="hot", by="kim", because="met them", since=ago(days=6))
    scored_at(ledger, ago(days=5), ada, version=policy_of(MODEL, "v2"))
    assert causes(ledger, ada) == [("new",), ("merge",), ("model",), ("override",)]


def test_a_corrected_activity_is_a_cause_though_none_was_added(ledger: Connection, ada: UUID) -> None:
    visit = rows.activity(ledger, ada, "visit", ago(days=8))
    scored_at(ledger, ago(days=7), ada)
    rows.correct(ledger, visit, occurred_at=ago(days=7.5))
    scored_at(ledger, ago(days=6), ada)
    assert causes(ledger, ada) == [("new",), ("activity",), ("activity",)]


def test_a_rejected_lead_starts_over(ledger: Connection, ada: UUID) -> None:
    again = policy_of(replace(MODEL, recycling=Recycling(("rejected",), {"*": timedelta(days=2)}, 0.5)))
    rows.activity(ledger, ada, "visit", ago(days=8))
    rows.outcome(ledger, ada, "rejected", ago(days=7))
    scored_at(ledger, ago(days=1), ada, version=again)
    [row] = [change.row for change in told(ledger, ada)[1:]]
    assert (row["cycle"], row["cycle_since"], row["contributions"]) == (
        2,
        ago(days=7),
        {"size": 30, "visit": 2.5},
    )
    assert causes(ledger, ada)[1] == ("cycle", "activity")
    stages = "select cycle, stage, entered_at, because from stage_entry order by cycle"
    assert [tuple(found) for found in ledger.execute(sa.text(stages))] == [
        (1, "inquiry", rows.BORN, "Came in"),
        (2, "inquiry", ago(days=7), "Came back"),
    ]


# --- the past, again ---

DAY = timedelta(days=1)
BATCH = st.tuples(st.just("score"), st.sets(LEAD, min_size=1), st.none())
ARRIVAL = st.tuples(st.just("arrive"), LEAD, EVENT)
MERGE = st.tuples(st.just("merge"), LEAD, LEAD)


@settings(
    max_examples=examples(4, 40),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(steps=st.lists(st.one_of(ARRIVAL, ARRIVAL, ARRIVAL, BATCH, MERGE), min_size=6, max_size=30))
def test_runs_and_replays_and_the_other_engine_agree(ledger: Connection, steps: list[Any]) -> None:
    """Whatever came before each run, late or with a merge: live = scored again from nothing = DuckDB."""
    version = policy_of(RICH)
    with ledger.begin_nested() as savepoint:
        world = World(ledger, RICH)
        for lead in world.leads:
            rows.profile(ledger, lead, {"employees": 60})
        moment = ago(days=40)
        for what, which, how in (*steps, ("score", {0, 1, 2, 3}, None)):
            if what == "score":
                moment += DAY
                check_run(ledger, world, version, [world.leads[lead] for lead in which], moment)
            else:
                world.step(what, which, how)
        savepoint.rollback()


def check_run(ledger: Connection, world: World, version: Policy, leads: list[UUID], moment: Any) -> None:
    survivors = "select distinct survivor_id from lead where lead_id = any(:leads)"
    people = list(ledger.execute(sa.text(survivors), {"leads": leads}).scalars())
    scored_at(ledger, moment, *people, version=version)
    stood = "select * from standing where lead_id = any(:leads) and as_of = :moment"
    live = {row["lead_id"]: row for row in all_rows(ledger, stood, leads=people, moment=moment)}
    again = {row["lead_id"]: row for row in score_at(ledger, version, people, moment)}
    other = in_duckdb(ledger, version, people, moment)
    assert live.keys() == again.keys() == other.keys() == set(people)
    for lead in people:
        for name in ("score", "total", "fit", "engagement", "negative"):
            assert live[lead][name] == pytest.approx(again[lead][name], rel=0, abs=2e-6), (lead, name)
            assert live[lead][name] == pytest.approx(other[lead][name], rel=0, abs=2e-6), (lead, name)
        assert (live[lead]["band"], live[lead]["grade"]) == (again[lead]["band"], again[lead]["grade"])


def in_duckdb(
    ledger: Connection, version: Policy, people: list[UUID], moment: Any
) -> dict[UUID, Mapping[str, Any]]:
    did = "select survivor_id, type, occurred_at, attributes from activity join lead using (lead_id)"
    activities = pd.DataFrame(
        [
            {"lead_id": str(row["survivor_id"]), "type": row["type"], "occurred_at": row["occurred_at"].isoformat(),
             "minutes": number(row["attributes"].get("minutes"))}
            for row in all_rows(ledger, did) if row["survivor_id"] in people
        ],
        columns=["lead_id", "type", "occurred_at", "minutes"],
    )  # fmt: skip
    leads = pd.DataFrame({"lead_id": [str(lead) for lead in people], "employees": 60.0, "kind": "sales"})
    found = score_frame(version.scoring, leads, activities, None, moment)
    return {UUID(row["lead_id"]): row for row in found.to_dict("records")}


def number(value: object) -> float | None:
    """A number in quotes is none in the ledger; in a file there is no telling."""
    return float(value) if isinstance(value, int) else None


def all_rows(ledger: Connection, query: str, **bound: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in ledger.execute(sa.text(query), bound).mappings()]


def test_two_runs_at_once_count_everything_once(ledger_engine: sa.Engine) -> None:
    with ledger_engine.begin() as ledger:
        leads = [rows.lead(ledger, f"lead {i}") for i in range(30)]
        for lead in leads:
            rows.profile(ledger, lead, {"employees": 60})
            for hours in range(1, 4):
                rows.activity(ledger, lead, "visit", ago(hours=hours), minutes=9)
        batches = [rows.batch(ledger, NOW, run=f"run {i}") for i in range(4)]
        for batch in batches:
            rows.work(ledger, batch, *leads)

    def score(batch: Any) -> int:
        with ledger_engine.begin() as connection:
            return run(connection, policy_of(RICH), batch).written

    with ThreadPoolExecutor(4) as several:
        assert sorted(several.map(score, batches)) == [0, 0, 0, 30]
    with ledger_engine.begin() as ledger:
        counted = all_rows(ledger, "select distinct activities, contributions from score")
        expected = [row["contributions"] for row in score_at(ledger, policy_of(RICH), leads, NOW)]
        assert [row["contributions"] for row in counted] == expected[:1]
        assert len({json.dumps(points) for points in expected}) == 1


def test_the_policy_of_the_moment_scores_it_where_none_is_given(ledger: Connection, ada: UUID) -> None:
    policy.publish(ledger, DEFAULT, by="kim", because="the first", in_force_from=None)
    expected = score_at(ledger, policy.load(DEFAULT), [ada], NOW)
    assert score_at(ledger, None, [ada], NOW) == expected
    assert expected[0]["contributions"] != {}
