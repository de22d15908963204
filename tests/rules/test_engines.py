"""Both engines and an independent meaning in Python agree on random conditions and rows."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.rules.conditions import (
    COLUMNS,
    CONDITIONS,
    LISTS,
    LITERAL_NUMBERS,
    ROWS,
    Piece,
    Row,
    calculated,
    column,
    compared,
    constant,
)
from tests.rules.conftest import Ask

from clearlane.rules import Dialect, Predicate, Refused, explain_rows, parse

BATCHES = settings(
    max_examples=examples(120, 1000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def parsed(piece: Piece) -> Predicate | None:
    """The predicate, or None where the language itself limits a calculation."""
    try:
        return parse(piece.text, COLUMNS, LISTS)
    except Refused as refused:
        if "this calculation" in refused.reason or "too complicated" in refused.reason:
            return None
        raise


@BATCHES
@given(st.lists(CONDITIONS, min_size=1, max_size=4), st.lists(ROWS, min_size=1, max_size=8))
def test_engines_agree(ask_postgres: Ask, ask_duckdb: Ask, pieces: list[Piece], rows: list[Row]) -> None:
    both = [(piece, predicate) for piece in pieces if (predicate := parsed(piece))]
    if not both:
        return
    expected = [tuple(piece.value(row, False) is True for piece, _ in both) for row in rows]
    asked = {d: [p.sql(d, "seen") for _, p in both] for d in Dialect}
    assert ask_duckdb(asked[Dialect.DUCKDB], COLUMNS, rows) == expected
    assert ask_postgres(asked[Dialect.POSTGRES], COLUMNS, rows) == expected


EXTREMES = st.sampled_from(
    [1e60, -1e60, 9.9e59, 1.0000000000000001e-60, -1.1e-60, 1e-59, 1.0, 3.0, -7.0, 0.1]
)
CALCULATIONS = st.recursive(
    st.sampled_from([column("n"), column("Number Two")]) | LITERAL_NUMBERS,
    lambda part: st.builds(calculated, st.sampled_from("+-*/"), part, part),
    max_leaves=7,
)


@BATCHES
@given(CALCULATIONS, st.lists(st.fixed_dictionaries({"n": EXTREMES, "Number Two": EXTREMES}), min_size=9))
def test_no_calculation_raises(
    ask_postgres: Ask, ask_duckdb: Ask, calculation: Piece, numbers: list[Row]
) -> None:
    """At the ends of what columns may bring, PostgreSQL would raise on overflow or underflow."""
    piece = compared("<=", (calculation, constant("0", 0.0)))
    predicate = parsed(piece)
    if predicate is None:
        return
    rows = [{**dict.fromkeys(COLUMNS), **row} for row in numbers]
    expected = [(piece.value(row, False) is True,) for row in rows]
    assert ask_duckdb([predicate.sql(Dialect.DUCKDB)], COLUMNS, rows) == expected
    assert ask_postgres([predicate.sql(Dialect.POSTGRES)], COLUMNS, rows) == expected


@settings(max_examples=examples(25, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONDITIONS, st.lists(ROWS, min_size=1, max_size=4))
def test_terms_explain_the_whole(piece: Piece, rows: list[Row]) -> None:
    predicate = parsed(piece)
    if predicate is None:
        return
    explained = explain_rows(predicate, rows)
    assert [all(term.matched for term in terms) for terms in explained] == [
        piece.value(row, False) is True for row in rows
    ]
    assert {name for terms in explained for term in terms for name in term.values} == predicate.columns
