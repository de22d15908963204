"""Conditions that no rule scores yet: what attributes and activities could say, in the rule language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clearlane import rules
from clearlane.policy.model import Scoring
from clearlane.review.cases import Cases
from clearlane.review.learning.odds import Floats
from clearlane.review.learning.problem import FIRED
from clearlane.rules import Type

RARE: Final = 0.01
"""share of leads that a condition must hold for, and not hold for"""
VALUES: Final = 20
"""values of one text column that are tried, the most frequent"""
CUTS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
"""shares of the leads below the numbers that are tried"""
HALF_LIVES: Final = (7, 30)
"""days, tried for kinds of activity that no rule counts"""
MOST: Final = 100
"""conditions that are tried, those that split the leads most evenly: what they say of the outcome must not choose"""
PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")
Condition = tuple[str, str, NDArray[np.bool_]]
"""the end of the rule's name, the condition, where it holds"""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A condition on the lead (`when`), or an activity that fades; and where it holds, or how much of it is left."""

    rule: str
    said: str
    holds: Floats | NDArray[np.bool_]
    when: str | None = None
    activity: str | None = None
    half_life_days: float | None = None


def candidates(cases: Cases, scoring: Scoring, refused: Iterable[str] = ()) -> tuple[Candidate, ...]:
    """What no rule of the model says, of columns that are declared, not protected and not `refused` (they leak).

    Each holds for enough leads, and not for enough; a column that can hold for the same leads in two ways is tried in
    one of them.
    """
    taken = {rule.id for rule in scoring.rules}
    never = scoring.protected | set(refused)
    found = [
        *(
            each
            for name in cases.attributes
            if str(name) not in never
            for each in _of_column(cases, scoring, str(name))
        ),
        *(each for each in _of_activities(cases, scoring) if each.activity not in never),
    ]
    new = {each.holds.tobytes(): each for each in found if each.rule not in taken}.values()
    rarer = {each: min(often := np.count_nonzero(each.holds), len(each.holds) - often) for each in new}
    enough = [each for each in new if rarer[each] >= max(FIRED, RARE * len(cases.leads))]
    return tuple(sorted(enough, key=lambda each: -rarer[each])[:MOST])


def _of_column(cases: Cases, scoring: Scoring, name: str) -> Iterator[Candidate]:
    declared = scoring.attributes.get(name)
    values = cases.attributes[name]
    column = name if PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
    maker = MAKERS.get(declared) if declared else None
    if maker is None:
        return
    missing = ("is_missing", f"{column} is null", values.isna().to_numpy())
    for suffix, when, holds in (*maker(column, values), missing):
        if _allowed(when, scoring):
            rule = _identifier(f"{name}_{suffix}" if suffix else name)
            yield Candidate(rule, when, holds, when)


def _values(column: str, values: pd.Series) -> Iterator[Condition]:
    for value in values.value_counts().index[:VALUES]:
        written = str(value).replace("'", "''")
        yield str(value), f"{column} = '{written}'", (values == value).to_numpy(bool, na_value=False)


def _steps(column: str, values: pd.Series) -> Iterator[Condition]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    seen = numbers[np.isfinite(numbers)]
    cuts = {float(f"{cut:.3g}") for cut in np.quantile(seen, CUTS)} if seen.size else set()
    for cut in sorted(cuts):
        yield f"from_{cut:g}", f"{column} >= {cut:g}", numbers >= cut


def _truths(column: str, values: pd.Series) -> Iterator[Condition]:
    yield "", column, values.astype("boolean").to_numpy(bool, na_value=False)


MAKERS: Final[Mapping[Type, Callable[[str, pd.Series], Iterator[Condition]]]] = {
    Type.TEXT: _values,
    Type.NUMBER: _steps,
    Type.BOOLEAN: _truths,
}


def _allowed(when: str, scoring: Scoring) -> bool:
    try:
        return bool(rules.parse(when, scoring.attributes, scoring.lists).columns)
    except rules.Refused:
        return False


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "rule"


def _of_activities(cases: Cases, scoring: Scoring) -> Iterator[Candidate]:
    """Kinds of activity that no rule counts, by the days since the last one, at some half-lives."""
    counted = {name for rule in scoring.rules if rule.activity for name in rule.activity.types}
    for name in map(str, cases.behaviour):
        if f"{name}:days" not in cases.behaviour or name in counted:
            continue
        days = cases.behaviour[f"{name}:days"].to_numpy(np.float64, na_value=np.nan)
        for half in HALF_LIVES:
            faded = np.where(np.isfinite(days), 0.5 ** (np.nan_to_num(days) / half), 0.0)
            said = f"{name}, half after {half} days"
            yield Candidate(_identifier(name), said, faded, None, name, float(half))
