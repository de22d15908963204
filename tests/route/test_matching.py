"""Which rules hold: the same answer on PostgreSQL as in DuckDB, and a bitmap that keeps it."""

from __future__ import annotations

import json

import duckdb
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.firms import routing, rule, territory, to

from clearlane.policy.columns import ROUTING
from clearlane.route.matching import COLUMNS, packed, statement, terms_of, unpacked
from clearlane.rules import Dialect

RULES = routing(
    rule("big", "employees >= 50 and band in ('hot', 'warm')", to("nurture")),
    rule("emea", "territory = 'EMEA' or language like 'd%'", to("nurture")),
    rule("asked", "hand_raise and not account_owner_sells", to("nurture")),
    rule("part", "parent_account_owner_sells", to("parent_account_owner")),
    rule("text", "country = '100%:it''s'", to("nurture")),
    rule(
        "never",
        "disqualified is not null and score > 50",
        to("team", "sales", match=("territory", "country", "band")),
    ),
    territories=(territory("EMEA", "country in ('DE', 'FR')"), territory("REST", "country is not null")),
)
RAW = {"no_parameters": True}
ROW = st.fixed_dictionaries(
    {
        "attributes": st.fixed_dictionaries(
            {},
            optional={
                "country": st.sampled_from(["DE", "US", "100%:it's", "", None]),
                "employees": st.sampled_from([0, 49.5, 50, 1e300, None, "many"]),
                "language": st.sampled_from(["de", "fr", None]),
            },
        ),
        "band": st.sampled_from(["hot", "warm", "cold"]),
        "score": st.integers(0, 100),
        "disqualified": st.sampled_from([None, "student"]),
        "hand_raise": st.booleans(),
        "account_owner_sells": st.booleans(),
        "parent_account_owner_sells": st.booleans(),
    }
)


def test_columns_are_those_that_the_policy_allows():
    placed = {name: ROUTING[name] for name in ("territory", "territory_path")}
    assert {**COLUMNS, **placed} == ROUTING


TREE = routing(
    rule("all", "territory_path like 'EMEA/%'", to("team", "t", match=("territory", "territory_path"))),
    territories=(
        territory("DE-SOUTH", "employees >= 50", within="DACH"),
        territory("EMEA", "country in ('DE', 'AT', 'FR')"),
        territory("DACH", "country in ('DE', 'AT')", within="EMEA"),
        territory("FRANCE", "country in ('FR', 'DE')", within="EMEA"),
        territory("BIG", "employees >= 50"),
    ),
)


@pytest.mark.parametrize(
    ("country", "employees", "path"),
    [
        ("DE", 50, "EMEA/DACH/DE-SOUTH"),
        ("DE", 49, "EMEA/DACH"),
        ("FR", 50, "EMEA/FRANCE"),
        ("US", 50, "BIG"),
        ("US", 49, None),
    ],
)
def test_the_deepest_territory_counts_and_the_first_among_siblings(ledger_engine, country, employees, path):
    row = {"attributes": {"country": country, "employees": employees}, "band": "hot"}
    with ledger_engine.connect() as connection, duckdb.connect() as desk:
        connection.execute(sa.text("drop table if exists pg_temp.candidate"))
        made = f"create temporary table candidate as {_values([row], 'jsonb', 'float8')}"
        connection.exec_driver_sql(made, execution_options=RAW)
        desk.execute(f"create table candidate as {_values([row], 'json', 'double')}")
        found = connection.exec_driver_sql(statement(TREE, Dialect.POSTGRES), execution_options=RAW).all()
        again = desk.execute(statement(TREE, Dialect.DUCKDB)).fetchall()
    leaf = path and path.rpartition("/")[2]
    held = "1" if path and "/" in path else "0"
    assert [tuple(one) for one in found] == again == [(0, leaf, held, [leaf, path])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25, 200))
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_both_engines_match_alike(ledger_engine, rows):
    with ledger_engine.connect() as connection, duckdb.connect() as desk:
        connection.execute(sa.text("drop table if exists pg_temp.candidate"))
        made = f"create temporary table candidate as {_values(rows, 'jsonb', 'float8')}"
        connection.exec_driver_sql(made, execution_options=RAW)
        desk.execute(f"create table candidate as {_values(rows, 'json', 'double')}")
        query = statement(RULES, Dialect.POSTGRES) + " order by lead_id"
        in_postgres = connection.exec_driver_sql(query, execution_options=RAW).all()
        in_duckdb = desk.execute(statement(RULES, Dialect.DUCKDB) + " order by lead_id").fetchall()
    assert [tuple(row) for row in in_postgres] == in_duckdb
    assert [matched for _, _, matched, _ in in_duckdb] == [_by_hand(row) for row in rows]
    assert [terms for *_, terms in in_duckdb] == [
        [row["band"], row["attributes"].get("country"), territory]
        for row, (_, territory, _, _) in zip(rows, in_duckdb, strict=True)
    ]
    assert RULES.terms == ("band", "country", "territory")


def test_terms_are_named_after_the_columns_they_hold():
    assert terms_of(RULES, ["hot", None, "EMEA"]) == {"band": "hot", "country": None, "territory": "EMEA"}


def _values(rows: list[dict], json_type: str, number: str) -> str:
    """The relation `candidate` as literals."""
    return " union all ".join(
        "select "
        + ", ".join(
            [
                f"{n} as lead_id",
                f"cast({_text(json.dumps(row['attributes']))} as {json_type}) as attributes",
                *(
                    f"{_literal(row.get(name), kind.value, number)} as {name}"
                    for name, kind in COLUMNS.items()
                ),
            ]
        )
        for n, row in enumerate(rows)
    )


def _literal(value: object, kind: str, number: str) -> str:
    types = {"text": "varchar", "number": number, "boolean": "boolean", "time": "timestamptz"}
    shown = "null" if value is None else _text(str(value))
    return f"cast({shown} as {types[kind]})"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _by_hand(row: dict) -> str:
    """The five rules once more, in Python."""
    known = row["attributes"]
    country, size, language = known.get("country"), known.get("employees"), known.get("language")
    held = (
        isinstance(size, int | float) and size >= 50 and row["band"] in ("hot", "warm"),
        country in ("DE", "FR") or (language or "").startswith("d"),
        row["hand_raise"] and not row["account_owner_sells"],
        row["parent_account_owner_sells"],
        country == "100%:it's",
        row["disqualified"] is not None and row["score"] > 50,
    )
    return "".join("1" if one else "0" for one in held)


@given(st.text("01", max_size=40))
def test_the_bitmap_keeps_every_bit(matched):
    assert unpacked(packed(matched), len(matched)) == matched


def test_no_rules_make_an_empty_bitmap():
    assert packed("") == b""
