"""Signals that a warehouse adds up: alike on every engine, and as good as the activities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
import sqlglot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlglot import exp
from tests.profiles import examples
from tests.rules.warehouses import WAREHOUSES, in_duckdb
from tests.score.engines import PROFILE, Row, profile
from tests.score.models import NOW, acted, activity_when, ago, model

from clearlane.policy.model import Measure, Recycling, Rule, Scoring
from clearlane.rules import Dialect
from clearlane.score import behaviour as acts
from clearlane.score import warehouse
from clearlane.score.statement import RESULT, events, statement
from clearlane.score.warehouse import SIGNALS, signals_query

EVENT = {
    "lead_id": "text", "type": "text", "occurred_at": "timestamptz", "minutes": "float8", "page": "text",
}  # fmt: skip
MOMENTS_OF_ROWS = ("as_of", "first_at", "last_at")
Ask = Callable[[Scoring, Sequence[Row], Sequence[Row]], list[Row]]
SOME = settings(max_examples=examples(20, 120), suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=examples(8, 40), suppress_health_check=list(HealthCheck))

# --- engines ---


@pytest.fixture(scope="module")
def duck() -> Any:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def ask_duckdb(duck: duckdb.DuckDBPyConnection) -> Ask:
    def ask(scoring: Scoring, leads: Sequence[Row], events: Sequence[Row]) -> list[Row]:
        load_duckdb(duck, leads, events)
        return rows_of(duck, query(scoring, Dialect.DUCKDB))

    return ask


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    columns = [f"epoch_us({name}) as {name}" if name in MOMENTS_OF_ROWS else name for name in SIGNALS]
    found = connection.execute(f"select {', '.join(columns)} from ({sql}) as s")
    return sorted_rows([tuple(map(of_epoch, SIGNALS, row)) for row in found.fetchall()])


def of_epoch(name: str, value: Any) -> Any:
    """DuckDB would need a library of its own to hand out moments."""
    if name not in MOMENTS_OF_ROWS or value is None:
        return value
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def load_duckdb(connection: duckdb.DuckDBPyConnection, leads: Sequence[Row], events: Sequence[Row]) -> None:
    for name, rows, columns in (("profiles", leads, PROFILE), ("events", events, EVENT)):
        defined = ", ".join(f"{column} {type_}" for column, type_ in columns.items())
        connection.execute(f"create or replace table {name} ({defined})")
        reads = ", ".join(f"unnest(cast(? as {type_}[]))" for type_ in columns.values())
        connection.execute(
            f"insert into {name} select {reads}", [[row[column] for row in rows] for column in columns]
        )


@pytest.fixture(scope="module")
def ask_postgres(postgres: sa.Connection) -> Ask:
    def ask(scoring: Scoring, leads: Sequence[Row], events: Sequence[Row]) -> list[Row]:
        load_postgres(postgres, leads, events)
        found = postgres.execute(sa.text(query(scoring, Dialect.POSTGRES)))
        return sorted_rows([tuple(row) for row in found])

    return ask


def load_postgres(connection: sa.Connection, leads: Sequence[Row], events: Sequence[Row]) -> None:
    for name, rows, columns in (("profiles", leads, PROFILE), ("events", events, EVENT)):
        defined = ", ".join(f"{column} {type_}" for column, type_ in columns.items())
        connection.execute(sa.text(f"drop table if exists pg_temp.{name}"))
        connection.execute(sa.text(f"create temporary table {name} ({defined})"))
        if rows:
            marks = ", ".join(f":{column}" for column in columns)
            connection.execute(sa.text(f"insert into {name} values ({marks})"), [dict(row) for row in rows])


@pytest.fixture(scope="module")
def ask_spark(spark: Any) -> Ask:
    types = {"text": "string", "timestamptz": "timestamp", "float8": "double"}
    types |= {"double precision": "double", "boolean": "boolean"}

    def ask(scoring: Scoring, leads: Sequence[Row], events: Sequence[Row]) -> list[Row]:
        for name, rows, columns in (("profiles", leads, PROFILE), ("events", events, EVENT)):
            schema = ", ".join(f"{column} {types[type_]}" for column, type_ in columns.items())
            values = [tuple(row[column] for column in columns) for row in rows]
            spark.createDataFrame(values, schema).createOrReplaceTempView(name)
        found = spark.sql(query(scoring, Dialect.SPARK)).collect()
        return sorted_rows([tuple(in_utc(value) for value in row) for row in found])

    return ask


def in_utc(value: Any) -> Any:
    """Spark hands out moments of the machine's own zone, without it."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def query(scoring: Scoring, dialect: Dialect) -> str:
    return signals_query(scoring, dialect, activities="events", as_of=NOW, leads="profiles")


def sorted_rows(rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    found = [dict(zip(SIGNALS, row, strict=True)) for row in rows]
    return sorted(found, key=lambda row: (row["lead_id"], row["name"]))


# --- models and histories ---

TYPES = ("visit", "click", "demo_request", "größe", "it's")
CONDITIONS = ("minutes >= 5", "page is null or page <> 'größe'", "lower(page) like '%pric!_ng' escape '!'")
MICROSECOND = timedelta(microseconds=1)
MIDNIGHTS = st.integers(0, 40).map(lambda days: datetime(2026, 3, 3, tzinfo=UTC) - timedelta(days=days))
MOMENTS = st.one_of(
    MIDNIGHTS,
    MIDNIGHTS.map(lambda moment: moment - MICROSECOND),
    st.sampled_from([NOW, NOW - MICROSECOND, NOW + MICROSECOND, ago(days=30), ago(days=30) - MICROSECOND]),
    st.datetimes(datetime(1969, 12, 1), datetime(2026, 4, 1), timezones=st.just(UTC)),
)
SOME_TYPES = st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True)
WHENS = st.sampled_from([None, None, *CONDITIONS]).map(lambda text: text and activity_when(text))


@st.composite
def rules(draw: st.DrawFn, id: str) -> Rule:
    return acted(
        id, " ".join(draw(SOME_TYPES)), draw(st.sampled_from([1.0, 2.5, -3.0])),
        group=draw(st.sampled_from(["engagement", "engagement", "negative"])),
        when=draw(WHENS),
        half_life_days=draw(st.sampled_from([None, 0.5, 7.0, 30.5])),
        counting=draw(st.sampled_from(["every", "every", "first", "per_day"])),
        at_most=draw(st.sampled_from([None, 1, 3])),
        window_days=draw(st.sampled_from([None, 1, 7])),
        lead=draw(st.sampled_from([None, None, "source = 'web'"])),
    )  # fmt: skip


@st.composite
def measures(draw: st.DrawFn, name: str) -> Measure:
    return Measure(
        name, "…", tuple(draw(SOME_TYPES)), draw(WHENS),
        count=draw(st.sampled_from(["events", "days", "days_since"])),
        within_days=draw(st.sampled_from([None, 1, 7])),
    )  # fmt: skip


@st.composite
def models(draw: st.DrawFn) -> Scoring:
    counted = [draw(rules(f"rule {i}")) for i in range(draw(st.integers(1, 6)))]
    share = draw(st.sampled_from([None, 0.0, 0.25, 1.0]))
    return model(
        *counted,
        kinds=(),
        disqualifiers=(),
        measures=tuple(draw(measures(f"measure_{j}")) for j in range(draw(st.integers(0, 3)))),
        hand_raise_types=draw(st.sampled_from([(), ("demo_request",)])),
        recycling=Recycling() if share is None else Recycling(("recycled",), engagement=share),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    names = [f"lead {i}" for i in range(draw(st.integers(1, 3)))]
    leads = [profile(name, NOW, cycle_since=draw(st.none() | MOMENTS), source="web") for name in names]
    happening = st.fixed_dictionaries(
        {
            "lead_id": st.sampled_from([*names, "stranger"]), "type": st.sampled_from([*TYPES, "other"]),
            "occurred_at": MOMENTS, "minutes": st.sampled_from([None, 4.9, 5.0]),
            "page": st.sampled_from([None, "größe", "/PRIC_NG"]),
        }
    )  # fmt: skip
    return leads, draw(st.lists(happening, min_size=10, max_size=40))


EVERY_KIND = model(
    acted("visited", "visit it's", 2, half_life_days=7.0, when=activity_when("minutes >= 5")),
    acted("first click", "click", 5, counting="first"),
    acted("days of visits", "visit", 3, counting="per_day", at_most=3, window_days=7),
    acted("gone", "größe", -3, group="negative"),
    measures=(
        Measure("active_days", "…", ("visit",), count="days", within_days=14),
        Measure("quiet_days", "…", ("visit", "click"), count="days_since"),
        Measure("clicks", "…", ("click",), activity_when("page like '/pric%'")),
    ),
    recycling=Recycling(("recycled",), engagement=0.25),
    kinds=(), disqualifiers=(),
)  # fmt: skip
NAMES = {signal.name for signal in warehouse.signals(EVERY_KIND)}

# --- alike on every engine ---


def assert_alike(ones: Sequence[Row], others: Sequence[Row]) -> None:
    rounded = [
        [{**row, "weight": None if row["weight"] is None else round(row["weight"], 9)} for row in rows]
        for rows in (ones, others)
    ]
    assert len(ones) == len(others)
    for one, other in zip(*rounded, strict=True):
        weights = one.pop("weight"), other.pop("weight")
        assert one == other
        assert weights == (None, None) or abs(weights[0] - weights[1]) <= 1e-9


@SOME
@given(scoring=models(), history=histories())
def test_postgres_and_duckdb_add_up_alike(
    ask_postgres: Ask, ask_duckdb: Ask, scoring: Scoring, history: tuple[list[Row], list[Row]]
) -> None:
    assert_alike(ask_postgres(scoring, *history), ask_duckdb(scoring, *history))


@FEW
@given(scoring=models(), history=histories())
def test_spark_adds_up_alike(
    ask_spark: Ask, ask_duckdb: Ask, scoring: Scoring, history: tuple[list[Row], list[Row]]
) -> None:
    assert_alike(ask_spark(scoring, *history), ask_duckdb(scoring, *history))


@FEW
@given(scoring=models(), history=histories())
def test_the_others_add_up_alike_as_they_are_understood(
    duck: duckdb.DuckDBPyConnection, ask_duckdb: Ask, scoring: Scoring, history: tuple[list[Row], list[Row]]
) -> None:
    expected = ask_duckdb(scoring, *history)
    for dialect in WAREHOUSES:
        assert_alike(rows_of(duck, in_duckdb(query(scoring, dialect), dialect)), expected)


@pytest.mark.parametrize("dialect", Dialect)
def test_every_engine_is_asked_the_same(dialect: Dialect) -> None:
    """As many steps, conditions and groups as in DuckDB, over the same relations and columns."""
    assert asked_of(dialect) == asked_of(Dialect.DUCKDB)


def asked_of(dialect: Dialect) -> tuple[object, ...]:
    tree = sqlglot.parse_one(query(EVERY_KIND, dialect), read=dialect.value)
    kinds = (
        exp.CTE,
        exp.Join,
        exp.Union,
        exp.Where,
        exp.Group,
        exp.Window,
        exp.Sum,
        exp.Min,
        exp.Max,
        exp.Count,
    )
    counted = {kind.__name__: len(list(tree.find_all(kind))) for kind in kinds}
    texts = {str(node.this) for node in tree.find_all(exp.Literal) if node.is_string}
    names = {table.name.lower() for table in tree.find_all(exp.Table)}
    columns = {column.name.lower() for column in tree.find_all(exp.Column)}
    return counted, names, columns, {text for text in texts if text in {*TYPES, *NAMES}}


# --- as good as the activities ---


BORDERS = [
    border + nudge
    for border in (NOW, *(ago(days=days) for days in (0.5, 6.5, 13.5, 20, 30, 400)))
    for nudge in (-MICROSECOND, timedelta(0), MICROSECOND)
]
CYCLES = {"first": None, "second": ago(days=6.5), "third": ago(days=20)}
ON_BORDERS = (
    [
        profile(f"{type_} {i} {cycle}", NOW, cycle_since=since)
        for type_ in TYPES
        for i in range(len(BORDERS))
        for cycle, since in CYCLES.items()
    ],
    [
        {"lead_id": f"{type_} {i} {cycle}", "type": type_, "occurred_at": at, "minutes": 5.0, "page": "/pricing"}
        for type_ in TYPES
        for i in range(len(BORDERS))
        for cycle in CYCLES
        for at in BORDERS[i:]
    ],
)  # fmt: skip
"""For each type and cycle leads who did something at the borders of windows, each lead one thing less."""


@SOME
@given(scoring=models(), history=histories())
@example(scoring=EVERY_KIND, history=ON_BORDERS)
def test_signals_say_of_each_lead_what_activities_say(
    duck: duckdb.DuckDBPyConnection, scoring: Scoring, history: tuple[list[Row], list[Row]]
) -> None:
    load_duckdb(duck, *history)
    duck.execute(f"create or replace table signals as {query(scoring, Dialect.DUCKDB)}")
    duck.execute(
        "create or replace view activities as select lead_id, type, occurred_at,"
        " json_object('minutes', minutes, 'page', page) as attributes from events"
    )
    duck.execute(f"create or replace table event as {events(scoring, Dialect.DUCKDB)}")
    for name, columns in acts.shape(scoring).items():
        from_signals = told(duck, warehouse.relations(scoring, Dialect.DUCKDB)[name], columns)
        from_activities = told(duck, acts.relations(scoring, Dialect.DUCKDB)[name], columns)
        for lead in from_signals.keys() | from_activities.keys():
            pairs = zip(
                from_signals.get(lead, NOTHING), from_activities.get(lead, NOTHING), columns[1:], strict=False
            )
            for ours, theirs, column in pairs:
                assert (lead, column, ours) == (lead, column, pytest.approx(theirs, rel=0, abs=1e-9))


NOTHING = (0,) * 20


def told(
    connection: duckdb.DuckDBPyConnection, sql: str, columns: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """Lead -> what a relation says; moments in microseconds, and nothing is 0."""
    moments = {"raised_at", "counted_at"}
    reads = [
        f"coalesce(epoch_us({name}), 0)" if name in moments else f"coalesce({name}, 0)"
        for name in columns[1:]
    ]
    return {
        row[0]: row[1:]
        for row in connection.execute(f"select lead_id, {', '.join(reads)} from ({sql})").fetchall()
    }


@SOME
@given(scoring=models(), history=histories())
def test_signals_score_as_activities_do(
    duck: duckdb.DuckDBPyConnection, scoring: Scoring, history: tuple[list[Row], list[Row]]
) -> None:
    load_duckdb(duck, *history)
    duck.execute("create or replace view activities as select * from events")
    duck.execute(f"create or replace table signals as {query(scoring, Dialect.DUCKDB)}")
    from_activities = statement(scoring, Dialect.DUCKDB, typed=True)
    from_signals = statement(
        scoring, Dialect.DUCKDB, typed=True, behaviour=warehouse.relations(scoring, Dialect.DUCKDB)
    )
    assert scored(duck, from_signals) == scored(duck, from_activities)


def scored(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    moments = ("raised_at", "entered_at")
    columns = [f"epoch_us({name})" if name in moments else name for name in RESULT]
    return connection.execute(
        f"select {', '.join(columns)} from ({sql}) as found order by lead_id"
    ).fetchall()


@FEW
@given(scoring=models(), history=histories())
def test_signals_score_as_activities_do_in_postgres(
    postgres: sa.Connection, scoring: Scoring, history: tuple[list[Row], list[Row]]
) -> None:
    load_postgres(postgres, *history)
    from_signals = statement(
        scoring, Dialect.POSTGRES, typed=True, behaviour=warehouse.relations(scoring, Dialect.POSTGRES)
    )
    given = f"with activities as (select * from events), signals as ({query(scoring, Dialect.POSTGRES)})"
    columns = ", ".join(RESULT)
    found = [
        postgres.execute(
            sa.text(f"{given} select {columns} from ({sql}) as found order by lead_id")
        ).fetchall()
        for sql in (from_signals, statement(scoring, Dialect.POSTGRES, typed=True))
    ]
    assert found[0] == found[1]


def test_rows_of_another_policy_or_moment_are_left_out(duck: duckdb.DuckDBPyConnection) -> None:
    scoring, other = (model(acted("visit", "visit", 8, half_life_days=days)) for days in (7.0, 14.0))
    leads = [profile("a", NOW), profile("b", ago(days=1))]
    visit = {"type": "visit", "occurred_at": ago(days=7), "minutes": None, "page": None}
    load_duckdb(duck, leads, [{**visit, "lead_id": "a"}, {**visit, "lead_id": "b"}])
    both = f"({query(scoring, Dialect.DUCKDB)}) union all ({query(other, Dialect.DUCKDB)})"
    duck.execute(f"create or replace table signals as {both}")
    behaviour = warehouse.relations(scoring, Dialect.DUCKDB)["behaviour"]
    assert duck.execute(f"select lead_id, counted, weight_0 from ({behaviour})").fetchall() == [("a", 1, 0.5)]


def test_what_counts_alike_is_one_row_and_what_does_not_has_a_name_of_its_own() -> None:
    visit, again = acted("visit", "visit", 8), acted("visit again", "visit", 3, group="negative")
    first = acted("hand_raise", "click", 5, counting="first")
    measure = Measure("visit", "…", ("visit",))
    scoring = model(visit, again, first, measures=(measure,))
    assert [signal.name for signal in warehouse.signals(scoring)] == [
        "hand_raise", "visit", "hand_raise (2)", "visit (2)",
    ]  # fmt: skip


def test_notation_and_worth_change_nothing_but_meaning_does() -> None:
    def of(text: str, points: float = 1, **options: Any) -> str:
        return warehouse.fingerprint(model(acted("a", "visit", points, when=activity_when(text), **options)))

    assert of("minutes >= 5") == of("minutes  >=  5.0", points=9)
    assert of("minutes >= 5") != of("minutes > 5")
    assert of("minutes >= 5") != of("minutes >= 5", half_life_days=7.0)
