"""The scores that proposed changes would give: evidence of new rules and other half-lives, points as they would be."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Final, cast

import duckdb
import numpy as np
import pandas as pd

from clearlane.policy.model import Group, Scoring
from clearlane.review.cases import Cases, Change
from clearlane.review.judgement import scored
from clearlane.review.judgement.resampling import Floats
from clearlane.rules import Dialect, Predicate, Type, parse

_TYPES: Final = {
    Type.TEXT: "str",
    Type.NUMBER: "float64",
    Type.BOOLEAN: "boolean",
    Type.TIME: "datetime64[us, UTC]",
}


def rescored(cases: Cases, scoring: Scoring, changes: Iterable[Change]) -> Floats:
    """The score of each case (cases,) with the changes made, the clamps of groups and range as they are."""
    changes = tuple(changes)
    points = {rule.id: rule.points for rule in scoring.rules} | {
        one.rule: float(one.after) for one in changes
    }
    new = {one.rule: cast(Group, one.group) for one in changes if one.new}
    return scored(evidence(cases, scoring, changes), points, scoring, new)


def evidence(cases: Cases, scoring: Scoring, changes: Iterable[Change]) -> pd.DataFrame:
    """The evidence of the cases as the changed rules would see it: a column for each new rule, and half-lives moved.

    Of a half-life that was not measured the nearest one that was stands for it.
    """
    changed = {one.rule: column for one in changes if (column := _column(cases, scoring, one)) is not None}
    return cases.evidence.assign(**changed)


def _column(cases: Cases, scoring: Scoring, change: Change) -> pd.Series | None:
    if not change.new and change.half_life_days is not None:
        return _refaded(cases, change.rule, change.half_life_days)
    if not change.new:
        return None
    if change.activity is not None:
        return _faded(cases, change.activity, change.half_life_days)
    assert change.when is not None
    return holds(parse(change.when, scoring.attributes, scoring.lists), cases.attributes).astype(float)


def _refaded(cases: Cases, rule: str, days: float) -> pd.Series | None:
    measured = [str(name) for name in cases.refaded if str(name).rpartition("@")[0] == rule]
    if not measured:
        return None
    return cases.refaded[min(measured, key=lambda name: abs(log(float(name.rpartition("@")[2]) / days)))]


def _faded(cases: Cases, activity: str, half_life: float | None) -> pd.Series:
    """One unit for the last time, faded since; nothing where there was none."""
    days = cases.behaviour[f"{activity}:days"].astype(float)
    fades = (
        pd.Series(np.power(0.5, days / half_life), days.index) if half_life else days.notna().astype(float)
    )
    return fades.fillna(0.0)


def holds(condition: Predicate, attributes: pd.DataFrame) -> pd.Series:
    """For which rows of the attributes a condition holds; columns that are not there are empty."""
    types = {name: _TYPES[kind] for name, kind in condition.types.items()}
    frame = attributes.reindex(columns=list(types)).astype(types).reset_index(drop=True)
    with duckdb.connect() as desk:
        desk.execute("set TimeZone = 'UTC'")
        desk.register("lead", frame.assign(row_number=np.arange(len(frame))))
        asked = f"select {condition.sql(Dialect.DUCKDB)} from lead order by row_number"
        found = [row[0] for row in desk.execute(asked).fetchall()]
    return pd.Series(found, attributes.index, dtype=bool)
