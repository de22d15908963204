"""The contract as plain vectorised checks, for the lane that cannot wait for Great Expectations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from clearlane.quality.requirements import Requirement

_TYPES: Final = {"seq": "int64", "field": "object", "rule": "object"}


def violations(name: str, frame: pd.DataFrame, requirements: Sequence[Requirement]) -> pd.DataFrame:
    """The (seq, field, rule) of each value of the frame that is not what a requirement asks."""
    found = [_violations(frame, requirement) for requirement in requirements]
    return pd.concat(found, ignore_index=True) if found else none()


def none() -> pd.DataFrame:
    """No violation."""
    return pd.DataFrame({"seq": [], "field": [], "rule": []}).astype(_TYPES)


def listed(seqs: Sequence[int], requirement: Requirement) -> pd.DataFrame:
    """The violations of one requirement."""
    return pd.DataFrame({"seq": seqs, "field": requirement.field, "rule": requirement.rule}).astype(_TYPES)


def _violations(frame: pd.DataFrame, requirement: Requirement) -> pd.DataFrame:
    column = frame[requirement.column]
    if requirement.test == "present":
        return listed(frame["seq"][column.isna()].tolist(), requirement)
    known = column[column.notna()]
    bad = known.index[~_passes(known, requirement.test, requirement.argument)]
    return listed(frame.loc[bad, "seq"].tolist(), requirement)


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
