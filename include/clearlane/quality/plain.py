"""The contract as plain vectorised checks, for the lane that cannot wait for Great Expectations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pandas as pd

from clearlane.quality.requirements import Requirement

_TYPES: Final = {"seq": "int64", "field": "object", "rule": "object"}


def violations(name: str, frame: pd.DataFrame, requirements: Sequence[Requirement]) -> pd.DataFrame:
    """The (seq, field, rule) of each value of the frame that is not what a requirement asks."""
    return listed((requirement, _offenders(frame, requirement)) for requirement in requirements)


def listed(found: Iterable[tuple[Requirement, Iterable[int]]]) -> pd.DataFrame:
    """Violations as columns seq, field, rule."""
    rows = [(seq, requirement.field, requirement.rule) for requirement, seqs in found for seq in seqs]
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def _offenders(frame: pd.DataFrame, requirement: Requirement) -> list[int]:
    column = frame[requirement.column]
    missing = column.isna()
    if requirement.test == "present":
        return list(frame["seq"][missing])
    known = column[~missing]
    passes = _passes(known, requirement.test, requirement.argument)
    return list(frame["seq"][~missing][~passes])


def _passes(known: Any, test: str, argument: Any) -> Any:
    match test:
        case "true":
            return known.isin([True])
        case "one_of":
            return known.isin(argument)
        case "matches":
            return known.astype(str).str.contains(argument).astype(bool)
        case "max_length":
            return known.astype(str).str.len() <= argument
        case "between":
            return _between(known, *argument)
    raise ValueError(f"no test is called {test}")


def _between(known: Any, low: Any, high: Any) -> Any:
    above = known >= low if low is not None else known.notna()
    return above & (known <= high) if high is not None else above
