"""A model of probability: looked up with pandas and in SQL alike, stored and read back, refused where it misfits."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.policy.model import ActivityTerm, Rule
from clearlane.policy.scoring import EMPTY
from clearlane.rules import Dialect, Type, parse
from clearlane.score.additive import Additive, Names, Numbers, Part, added, because, meaning, probabilities
from clearlane.score.additive_file import UnknownModel, loaded, problems, saved
from clearlane.score.additive_sql import relation

TYPES = {"employees": Type.NUMBER, "country": Type.TEXT, "free_mail": Type.BOOLEAN, "age": Type.NUMBER}
RULES = (
    Rule("big", "fit", "b", 15, parse("employees > 50", TYPES)),
    Rule("it's/odd", "engagement", "b", 5, None, ActivityTerm(("visit",), half_life_days=7)),
)
SCORING = replace(EMPTY, attributes=TYPES, rules=RULES, protected=frozenset({"age"}))
MODEL = Additive(
    "won",
    "logistic",
    {"leads": 10},
    -2.0,
    (
        Part("rule", "big", Numbers((0.5,), (-0.25, 0.75), 0.0)),
        Part("rule", "it's/odd", Numbers((0.5, 1.5), (-0.1, 0.2, 1.0), 0.0)),
        Part("attribute", "employees", Numbers((10.0, 100.0), (-0.5, 0.02, 0.5), 0.1)),
        Part("attribute", "country", Names({"US": 0.3, "D'E": -0.4}, 0.0, -0.2)),
        Part("attribute", "free_mail", Names({"true": -0.6, "false": 0.2}, 0.0, 0.04)),
    ),
    {rule.id: meaning(rule) for rule in RULES},
)

leads = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0]),
        st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0]),
        st.sampled_from([None, -1.0, 10.0, 99.5, 100.0, 1e9]),
        st.sampled_from([None, "US", "D'E", "XX", ""]),
        st.sampled_from([None, True, False]),
    ),
    min_size=1,
    max_size=30,
)


def frames(rows: list[tuple[object, ...]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    named = ["big", "it's/odd", "employees", "country", "free_mail"]
    made = pd.DataFrame(rows, columns=named, index=[f"l{n}" for n in range(len(rows))])
    typed = made.astype({"employees": float, "country": object, "free_mail": "boolean"})
    return typed[named[:2]], typed[named[2:]]


def contributions(evidence: pd.DataFrame) -> list[str]:
    points = {rule.id: rule.points for rule in RULES}
    return [
        json.dumps({rule: row[rule] * points[rule] for rule in evidence if row[rule]})
        for _, row in evidence.iterrows()
    ]


def in_duckdb(evidence: pd.DataFrame, attributes: pd.DataFrame) -> pd.DataFrame:
    said = contributions(evidence)
    with duckdb.connect() as desk:
        desk.register("scored", pd.DataFrame({"lead_id": evidence.index, "contributions": said}))
        desk.register("known", attributes.assign(lead_id=attributes.index))
        select = relation(MODEL, SCORING, "scored", "(select cast(employees as double) as employees,"
                          " cast(country as varchar) as country, free_mail, lead_id from known)")  # fmt: skip
        return desk.execute(f"select * from ({select}) order by lead_id").df().set_index("lead_id")


def in_postgres(postgres: sa.Connection, evidence: pd.DataFrame, attributes: pd.DataFrame) -> pd.DataFrame:
    said = contributions(evidence)
    known = [json.loads(row.dropna().to_json()) for _, row in attributes.astype(object).iterrows()]
    rows = [
        {"lead_id": lead, "contributions": json.loads(one), "attributes": other}
        for lead, one, other in zip(evidence.index, said, known, strict=True)
    ]
    given = "given as (select * from jsonb_to_recordset(cast(:rows as jsonb))"
    given += " as given(lead_id text, contributions jsonb, attributes jsonb))"
    select = relation(MODEL, SCORING, "given", "given", Dialect.POSTGRES)
    query = sa.text(f"with {given} select * from ({select}) as told")
    return pd.DataFrame(postgres.execute(query, {"rows": json.dumps(rows)}).mappings()).set_index("lead_id")


@settings(
    max_examples=examples(20, 150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(leads)
def test_both_engines_and_pandas_say_the_same(postgres: sa.Connection, rows: list[tuple[object, ...]]):
    evidence, attributes = frames(rows)
    wanted = probabilities(MODEL, evidence, attributes)
    for told in (in_duckdb(evidence, attributes), in_postgres(postgres, evidence, attributes)):
        ordered = told.reindex(evidence.index)
        assert ordered["probability"].to_numpy() == pytest.approx(wanted, abs=1e-12)
        assert ordered["probability_because"].tolist() == because(MODEL, evidence, attributes)


@settings(max_examples=examples(40, 1000))
@given(leads)
def test_the_parts_add_up_to_the_probability(rows: list[tuple[object, ...]]):
    evidence, attributes = frames(rows)
    odds = MODEL.base + added(MODEL, evidence, attributes).sum(axis=1)
    assert probabilities(MODEL, evidence, attributes) == pytest.approx([1 / (1 + exp(-one)) for one in odds])


def test_the_largest_parts_are_told_in_words():
    evidence, attributes = frames([(1.0, 0.0, 100.0, None, True), (0.0, 0.0, 50.0, "XX", None)])
    first, second = because(MODEL, evidence, attributes)
    assert first == "big holds: odds × 2.1; free_mail true: odds × 0.55; employees from 100: odds × 1.6"
    assert second == "big does not hold: odds × 0.78; it's/odd below 0.5 × its points: odds × 0.9"


def test_what_is_stored_is_read_back():
    assert loaded(saved(MODEL)) == MODEL
    assert saved(loaded(saved(MODEL))) == saved(MODEL)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"base": -2.0', '"base": "much"', "base: Input should be a valid number"),
        ('"base": -2.0', '"base": NaN', "base"),
        ('"schema": 1', '"schema": 2', "schema"),
        ('"other": 0.0', '"others": 0.0', "others: Extra inputs are not permitted"),
        ("{", "", "Invalid JSON"),
    ],
)
def test_a_file_that_is_no_model_is_refused_with_its_place(old: str, new: str, said: str):
    with pytest.raises(UnknownModel, match=r"mine\.json: ") as refused:
        loaded(saved(MODEL).replace(old, new, 1), "mine.json")
    assert said in str(refused.value)


def test_edges_that_do_not_fit_their_worth_are_refused():
    shape = json.loads(saved(MODEL))
    shape["parts"][0]["worth"] = [1.0]
    with pytest.raises(UnknownModel, match=r"parts\.0: .*one entry more than edges"):
        loaded(json.dumps(shape))


def test_a_model_of_another_policy_is_named():
    assert list(problems(MODEL, SCORING)) == []
    dearer = replace(SCORING, rules=(replace(RULES[0], points=3, because="c"), RULES[1]))
    assert list(problems(MODEL, dearer)) == []
    other = replace(SCORING, rules=(replace(RULES[0], when=parse("employees > 60", TYPES)),))
    assert list(problems(MODEL, other)) == [
        "the rule big is not what it was when the model was learnt",
        "scoring.yaml has no rule it's/odd",
    ]
    undeclared = replace(SCORING, attributes={**TYPES, "employees": Type.TEXT})
    assert list(problems(MODEL, undeclared)) == ["scoring.yaml declares no employees of the model's type"]


def test_a_protected_attribute_is_refused():
    aged = replace(MODEL, parts=(Part("attribute", "age", Numbers((), (0.0,), 0.0)),))
    assert list(problems(aged, SCORING)) == ["age is protected: no model may look at it"]


def test_a_model_without_parts_tells_its_base():
    evidence, attributes = frames([(1.0, 0.0, None, None, None)])
    empty = replace(MODEL, parts=())
    assert probabilities(empty, evidence, attributes) == pytest.approx([1 / (1 + exp(2))])
    assert because(empty, evidence, attributes) == [""]
    assert np.isfinite(
        duckdb.execute(f"select probability from ({relation(empty, SCORING, *_TINY)})").fetchall()
    ).all()


_TINY = ("(select 'a' as lead_id, '{}' as contributions)", "(select 'a' as lead_id)")
