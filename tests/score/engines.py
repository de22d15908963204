"""The statement on both engines over the same leads and activities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import sqlalchemy as sa

from clearlane.policy.model import Scoring
from clearlane.rules import Dialect
from clearlane.score import statement
from clearlane.score.statement import MEMORY, RESULT

Row = dict[str, Any]
PROFILE = {
    "lead_id": "text", "as_of": "timestamptz", "kind": "text", "source": "text", "account_id": "text", **MEMORY,
}  # fmt: skip
ACTIVITY = {"lead_id": "text", "type": "text", "occurred_at": "timestamptz"}
_MOMENTS = ("entered_at", "raised_at")


def profile(lead_id: str, as_of: datetime, attributes: Row | None = None, **known: Any) -> Row:
    return {
        **dict.fromkeys(PROFILE),
        "lead_id": lead_id,
        "as_of": as_of,
        "own": True,
        "attributes": attributes or {},
        **known,
    }


def activity(lead_id: str, type_: str, occurred_at: datetime, **attributes: Any) -> Row:
    return {"lead_id": lead_id, "type": type_, "occurred_at": occurred_at, "attributes": attributes}


def on_duckdb(scoring: Scoring, profiles: Sequence[Row], activities: Sequence[Row]) -> list[Row]:
    connection = _duckdb()
    for name, rows, columns in (("profiles", profiles, PROFILE), ("activities", activities, ACTIVITY)):
        reads = [f"cast(item ->> '{column}' as {type_}) as {column}" for column, type_ in columns.items()]
        connection.execute(
            f"create or replace table {name} as select {', '.join(reads)}, item -> 'attributes' as attributes"
            " from (select unnest(cast(cast(? as json) as json[])) as item) as items",
            [_json(rows)],
        )
    return _rows(connection.execute(_select(scoring, Dialect.DUCKDB)).fetchall())


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def on_postgres(
    connection: sa.Connection, scoring: Scoring, profiles: Sequence[Row], activities: Sequence[Row]
) -> list[Row]:
    given = [
        f"{name} as (select * from jsonb_to_recordset(cast(:{name} as jsonb))"
        f" as given({', '.join(f'{c} {t}' for c, t in columns.items())}, attributes jsonb))"
        for name, columns in (("profiles", PROFILE), ("activities", ACTIVITY))
    ]
    query = sa.text(f"with {', '.join(given)} {_select(scoring, Dialect.POSTGRES)}")
    found = connection.execute(query, {"profiles": _json(profiles), "activities": _json(activities)})
    return _rows([tuple(row) for row in found])


def _select(scoring: Scoring, dialect: Dialect) -> str:
    columns = [f"cast({name} as varchar)" if name in _MOMENTS else name for name in RESULT]
    return f"select {', '.join(columns)} from ({statement(scoring, dialect)}) as found order by lead_id"


def _json(rows: Sequence[Row]) -> str:
    return json.dumps(rows, default=datetime.isoformat)


def _rows(rows: list[tuple[Any, ...]]) -> list[Row]:
    return [dict(zip(RESULT, row, strict=True)) for row in rows]
