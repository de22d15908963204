"""Whole models on random histories: both engines say what the plain scorer says."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.score.engines import PROFILE, on_duckdb, on_postgres
from tests.score.models import BANDS, NOW, activity_when, model, stage_when, when
from tests.score.plain import Condition, PlainMeasure, PlainModel, Row, scored
from tests.score.test_engines import (
    ACTIVITY_CONDITIONS,
    BOUNDS,
    LEAD_CONDITIONS,
    MOMENTS,
    TYPES,
    rule_of,
    rules_named,
)

from clearlane.policy.model import Band, Disqualifier, Measure, Recycling, Rollup, Scoring, StageRule, Variant

DAY = timedelta(days=1)
MEASURES = ("times", "days_of_it", "since")


def above(name: str, least: float) -> Condition:
    return Condition(f"{name} >= {least}", lambda row: row[name] is not None and row[name] >= least)


def denied(condition: Condition) -> Condition:
    """`not` of a condition over a value that is never null."""
    return Condition(f"not ({condition.text})", lambda row: not condition.holds(row))


MEASURED = [
    above("times", 2), above("days_of_it", 2), denied(above("days_of_it", 3)),
    Condition("since < 7.5", lambda r: r["since"] is not None and r["since"] < 7.5),
    Condition("since is null", lambda r: r["since"] is None),
]  # fmt: skip
OF_ACCOUNT = [
    above("account_best", 7.00001), above("account_sum", 20.00001), above("account_decayed", 3.00001),
    above("account_engaged", 1), denied(above("account_engaged", 1)),
]  # fmt: skip
STAGES = [
    above("score", 50), above("fit", 20), Condition("hand_raise", lambda r: r["hand_raise"]),
    Condition("band = 'hot'", lambda r: r["band"] == "hot"), *MEASURED, *OF_ACCOUNT,
]  # fmt: skip
DISQUALIFIED = [
    Condition("free_mail and kind = 'sales'", lambda r: r["free_mail"] is True and r["kind"] == "sales"),
    Condition("account_engaged >= 2", lambda r: r["account_engaged"] >= 2),
    Condition("times >= 12", lambda r: r["times"] >= 12),
]


@st.composite
def whole_models(draw: st.DrawFn) -> PlainModel:
    asks = draw(st.booleans())
    conditions = [*LEAD_CONDITIONS, *MEASURED, *(OF_ACCOUNT if asks else [])]
    types = st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True).map(tuple)
    activity_condition = st.sampled_from([None, None, *ACTIVITY_CONDITIONS])
    within = st.sampled_from([None, 1, 7, 30])
    counts = zip(MEASURES, ("events", "days", "days_since"), strict=True)
    shared: dict[str, Any] = {
        "measures": tuple(PlainMeasure(n, draw(types), draw(activity_condition), c, draw(within)) for n, c in counts),
        "hand_raise_types": ("demo_request",),
        "recycled_share": draw(st.sampled_from([None, 0.0, 0.5, 1.0])),
        "disqualifiers": tuple(
            (f"out {i}", c) for i, c in enumerate(DISQUALIFIED if asks else DISQUALIFIED[::2]) if draw(st.booleans())
        ),
        "engaged_at": draw(st.sampled_from([0.5, 10.0])),
    }  # fmt: skip
    stages = [condition for condition in STAGES if asks or "account_" not in condition.text]

    def one(name: str, variants: tuple[tuple[Condition, PlainModel], ...] = ()) -> PlainModel:
        drawn = draw(st.permutations(stages))[:2]
        low = draw(st.sampled_from([0, 0, -30]))
        kept = ((b.name, b.entry, b.exit, b.dwell) for b in BANDS[:-1])
        bands = (*kept, ("cold", low, low, timedelta(0)))
        return PlainModel(
            name, tuple(draw(rules_named(conditions))), dict(BOUNDS), (low, draw(st.sampled_from([100, 90]))), bands,
            tuple(zip(("mql", "pql"), drawn, strict=True)), variants=variants, **shared,
        )  # fmt: skip

    picks = draw(st.permutations([LEAD_CONDITIONS[0], LEAD_CONDITIONS[2], LEAD_CONDITIONS[6]]))
    variants = [(picks[i], one(f"variant {i}")) for i in range(draw(st.sampled_from([0, 0, 1, 2])))]
    return one("default", tuple(variants))


def scoring_of(plain: PlainModel) -> Scoring:
    shared = model(
        kinds=(), hand_raise_types=plain.hand_raise_types, hand_raise_days=plain.hand_raise_days,
        disqualifiers=tuple(Disqualifier(id, "…", when(c.text, *MEASURES)) for id, c in plain.disqualifiers),
        measures=tuple(
            Measure(m.name, "…", m.types, m.condition and activity_when(m.condition.text), m.count, m.within_days)  # type: ignore[arg-type]
            for m in plain.measures
        ),
        recycling=recycling_of(plain.recycled_share),
        rollup=Rollup(plain.engaged_at, plain.rollup_half_life_days),
    )  # fmt: skip
    variants = [
        Variant(inner.name, "…", when(c.text), of_its_own(shared, inner)) for c, inner in plain.variants
    ]
    return of_its_own(shared, plain, tuple(variants))


def recycling_of(share: float | None) -> Recycling:
    return Recycling() if share is None else Recycling(("rejected",), {"*": DAY}, share)


def of_its_own(shared: Scoring, plain: PlainModel, variants: tuple[Variant, ...] = ()) -> Scoring:
    return Scoring(**{
        **vars(shared), "model": plain.name, "variants": variants, "range": plain.range,
        "rules": tuple(rule_of(rule, *MEASURES) for rule in plain.rules),
        "bands": tuple(Band(*band) for band in plain.bands),
        "stages": tuple(StageRule(name, "…", stage_when(c.text, *MEASURES)) for name, c in plain.stages),
    })  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    maybe = st.one_of(st.none(), st.none(), MOMENTS)
    leads = [
        {
            **dict.fromkeys(PROFILE),
            "lead_id": f"lead {i}", "as_of": NOW, "kind": draw(st.sampled_from(["sales", "support"])),
            "own": i == 0 or draw(st.booleans()), "account_id": draw(st.sampled_from([None, "a", "a", "b"])),
            "band_before": draw(st.sampled_from([None, "hot", "warm", "cold", "gone"])),
            "band_since": draw(st.sampled_from([NOW - DAY / 2, NOW - DAY, NOW - 3 * DAY])),
            "cycle_since": draw(maybe), "quiet_until": draw(st.sampled_from([None, NOW, NOW + DAY])),
            "override_score": draw(st.sampled_from([None, None, None, 0, 60, 500])),
            "override_band": draw(st.sampled_from([None, None, None, "warm", "gone"])),
            "attributes": {
                "employees": draw(st.sampled_from([None, 0, 50, 1000, "300"])),
                "seniority": draw(st.sampled_from([None, "vp", ""])),
                "country": draw(st.sampled_from([None, "DE"])),
                "Größe der Firma": draw(st.sampled_from([None, "it's"])),
                "free_mail": draw(st.sampled_from([None, True, False])), "created_at": draw(maybe),
            },
        }
        for i in range(draw(st.integers(1, 5)))
    ]  # fmt: skip
    attributes = st.fixed_dictionaries(
        {"minutes": st.sampled_from([None, 4.9, 5]), "page": st.sampled_from([None, "größe", "/pricing"])}
    )
    activity = st.fixed_dictionaries(
        {
            "lead_id": st.sampled_from([lead["lead_id"] for lead in leads]), "type": st.sampled_from(TYPES),
            "occurred_at": MOMENTS, "attributes": attributes,
        }
    )  # fmt: skip
    return leads, draw(st.lists(activity, max_size=40))


EXACT = ("model", "band", "disqualified", "hand_raise", "reached", "counted", "score")


def check(plain: PlainModel, rows: list[Row], leads: list[Row], activities: list[Row]) -> None:
    expected = scored(plain, leads, activities)
    assert {row["lead_id"] for row in rows} == expected.keys()
    asks = any("account_" in text for text in texts_of(plain))
    for row in rows:
        wanted = expected[row["lead_id"]]
        assert {name: row[name] for name in EXACT} == {name: wanted[name] for name in EXACT}
        for name in ("total", "fit", "engagement", "negative"):
            assert abs(row[name] - wanted[name]) < 1e-5
        close(json.loads(row["contributions"]), wanted["contributions"])
        assert (row["account"] is not None) == asks
        if asks:
            close(json.loads(row["account"]), wanted["account"])


def texts_of(plain: PlainModel) -> list[str]:
    models = [plain, *(inner for _, inner in plain.variants)]
    conditions = [r.condition for each in models for r in each.rules if r.condition]
    conditions += [when for each in models for _, when in (*each.stages, *each.disqualifiers)]
    return [condition.text for condition in conditions]


def close(found: dict[str, float], wanted: dict[str, float]) -> None:
    assert found.keys() <= wanted.keys()
    assert all(abs(found.get(name, 0) - value) < 2e-5 for name, value in wanted.items())


RANDOM = settings(
    max_examples=examples(15, 200),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)


@RANDOM
@given(plain=whole_models(), history=histories())
def test_duckdb_says_what_a_plain_scorer_says(
    plain: PlainModel, history: tuple[list[Row], list[Row]]
) -> None:
    check(plain, on_duckdb(scoring_of(plain), *history), *history)


@RANDOM
@given(plain=whole_models(), history=histories())
def test_postgres_says_what_a_plain_scorer_says(
    postgres: sa.Connection, plain: PlainModel, history: tuple[list[Row], list[Row]]
) -> None:
    check(plain, on_postgres(postgres, scoring_of(plain), *history), *history)
