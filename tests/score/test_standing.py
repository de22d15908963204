"""Bands keep still under noise, and a score is always within its range."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.score.engines import Row, on_duckdb
from tests.score.models import BANDS, NOW, fit, model
from tests.score.plain import PlainModel
from tests.score.test_engines import LEAD_CONDITIONS
from tests.score.test_models import histories, scoring_of, whole_models

from clearlane.policy.model import Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score import standing

GAP = 5  # between the entry and the exit of each band of the tests
HOUR = 3600


@pytest.fixture(scope="module")
def desk() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def bands_of(desk: duckdb.DuckDBPyConnection, scores: list[int], hours: int) -> list[str]:
    """The band after each score of a lead that is scored every so many hours."""
    text = standing.band(model(), lambda name: text_literal(name, Dialect.DUCKDB), "elapsed")
    band, since, seen = None, 0, []
    for turn, score in enumerate(scores):
        elapsed = (turn - since) * hours * HOUR
        (found,) = desk.execute(
            f"select {text} from (select {score} as score, ? as band_before, {elapsed} as elapsed,"
            " null as disqualified, cast(null as double) as override_score, cast(null as varchar) as override_band)",
            [band],
        ).fetchone() or ("",)
        since = since if found == band else turn
        band = found
        seen.append(band)
    return seen


@settings(max_examples=examples(30, 300))
@given(
    low=st.integers(0, 100),
    noise=st.lists(st.integers(0, GAP - 1), min_size=2, max_size=12),
    hours=st.sampled_from([1, 12, 24, 100]),
)
def test_noise_smaller_than_the_gap_never_makes_a_band_flap(
    desk: duckdb.DuckDBPyConnection, low: int, noise: list[int], hours: int
) -> None:
    seen = bands_of(desk, [low + n for n in noise], hours)
    rank = {band.name: i for i, band in enumerate(BANDS)}
    moves = [rank[one] - rank[other] for one, other in pairwise(seen) if one != other]
    assert len(moves) <= 1
    assert all(move > 0 for move in moves)  # upwards, into the hotter band


def test_noise_of_the_gap_may_move_it_back(desk: duckdb.DuckDBPyConnection) -> None:
    assert bands_of(desk, [49, 50, 45, 44, 50], 24) == ["cool", "warm", "warm", "cool", "warm"]


@settings(max_examples=examples(12, 150), deadline=None)
@given(plain=whole_models(), history=histories())
def test_a_score_is_within_its_range(plain: PlainModel, history: tuple[list[Row], list[Row]]) -> None:
    ranges = {each.name: each.range for each in (plain, *(inner for _, inner in plain.variants))}
    for row in on_duckdb(scoring_of(plain), *history):
        low, high = ranges[row["model"]]
        if row["disqualified"] is None:
            assert max(low, 1) <= row["score"] <= high
        else:
            assert row["score"] == low


def negated(text: str) -> Scoring:
    rules = {"plain": text, "twice": f"not (not ({text}))", "against": f"not ({text})"}
    return model(*(fit(name, written, 1) for name, written in rules.items()), kinds=())


@pytest.mark.parametrize("condition", LEAD_CONDITIONS, ids=lambda each: each.text)
@pytest.mark.parametrize("employees", [None, 0, 300, 5000])
@pytest.mark.parametrize("free_mail", [None, True, False])
def test_not_means_the_opposite_of_what_is_known(
    condition: object, employees: object, free_mail: object
) -> None:
    text = condition.text  # type: ignore[attr-defined]
    attributes = {"employees": employees, "free_mail": free_mail, "seniority": "vp", "country": "DE"}
    lead = {
        **dict.fromkeys(("source", "account_id")),
        "lead_id": "ada",
        "as_of": NOW,
        "kind": None,
        "own": True,
    }
    (row,) = on_duckdb(negated(text), [{**lead, "attributes": attributes}], [])
    fired = row["contributions"]
    assert ('"plain":1' in fired) == ('"twice":1' in fired)
    assert not ('"plain":1' in fired and '"against":1' in fired)


@pytest.mark.parametrize("employees", [None, 0, 300])
@pytest.mark.parametrize("country", [None, "DE", "FR"])
def test_not_is_handed_on_to_both_sides(employees: object, country: object) -> None:
    both = "employees > 10 and country = 'DE'"
    pairs = {
        f"not ({both})": "not (employees > 10) or not (country = 'DE')",
        "country not in ('DE')": "country <> 'DE'",
    }
    scoring = model(
        *(fit(f"{side}{i}", pair[side], 1) for i, pair in enumerate(pairs.items()) for side in (0, 1))
    )
    lead = {
        "lead_id": "ada",
        "as_of": NOW,
        "own": True,
        "attributes": {"employees": employees, "country": country},
    }
    (row,) = on_duckdb(scoring, [lead], [])
    fired = row["contributions"]
    assert all((f'"0{i}":1' in fired) == (f'"1{i}":1' in fired) for i in range(len(pairs)))
