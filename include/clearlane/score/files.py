"""Scores without a ledger: files in, file out; or frames."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pandas as pd

from clearlane import policy, sheets
from clearlane.policy.model import Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score import desk
from clearlane.score.additive import Additive
from clearlane.score.additive_file import predictive_model
from clearlane.score.additive_sql import relation
from clearlane.score.units import quoted

COLUMNS = (
    "lead_id", "score", "fit", "engagement", "negative", "band", "grade", "stage", "disqualified", "contributions",
)  # fmt: skip
"""Columns of the file written, in order; `disqualified` is the disqualifier that fired."""
PROBABILITY = ("probability", "probability_because")
"""Columns after them where scoring.yaml names a model of probability; empty for disqualified leads and other models."""
FRAME = ("lead_id", "score", "total", *COLUMNS[2:9], "hand_raise", "kind", "contributions")


def score_files(
    policy_dir: Path,
    leads: Path,
    activities: Path | None,
    accounts: Path | None,
    as_of: datetime,
    out: Path,
    *,
    signals: Path | None = None,
    memory_limit: str = desk.MEMORY_LIMIT,
) -> int:
    """Score the leads of a file into `out` and return their number, in the order given.

    `signals`, in place of activities, holds what a warehouse added up (see warehouse.signals_query).
    CSV or Parquet by extension. Raises sheets.Unreadable (file, line, column) and policy.PolicyErrors;
    `out` is written whole or not at all.
    """
    scoring = policy.load(policy_dir).scoring
    model = predictive_model(policy_dir, scoring)
    unfinished = out.with_name(f".{out.name}.unfinished")
    given = desk.scored(
        scoring, leads, activities, accounts, as_of, signals=signals, memory_limit=memory_limit
    )
    with given as connection:
        form = "format parquet" if out.suffix.lower() in sheets.PARQUET else "format csv, header"
        rows = (
            f"select {', '.join(COLUMNS)} from scored order by row"
            if model is None
            else _told(model, scoring)
        )
        copied = connection.execute(
            f"copy ({rows}) to {text_literal(str(unfinished), Dialect.DUCKDB)} ({form})"
        )
        counted = copied.fetchone()
    os.replace(unfinished, out)
    return int(counted[0]) if counted else 0


def _told(model: Additive, scoring: Scoring) -> str:
    """The rows with the columns of PROBABILITY."""
    own = f"(select * from scored where disqualified is null and model = {quoted(scoring.model)})"
    told = relation(model, scoring, own, "profiles")
    columns = ", ".join([*(f"scored.{name}" for name in COLUMNS), *PROBABILITY])
    return f"select {columns} from scored left join ({told}) as told using (lead_id) order by row"


def score_frame(
    scoring: Scoring,
    leads: pd.DataFrame,
    activities: pd.DataFrame | None,
    accounts: pd.DataFrame | None,
    as_of: datetime,
) -> pd.DataFrame:
    """Score the leads of a frame: one row each, in the order given, with the columns of FRAME.

    `contributions` is JSON text (rule -> points). Raises sheets.Unreadable.
    """
    with desk.scored(scoring, leads, activities, accounts, as_of) as connection:
        return connection.execute(f"select {', '.join(FRAME)} from scored order by row").df()
