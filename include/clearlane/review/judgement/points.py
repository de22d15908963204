"""Scores that points would give: a rule's evidence times its points, the clamps of groups and range as in scoring."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.policy.model import Group, Scoring
from clearlane.review.judgement.resampling import Floats

MILLION = 1_000_000


def scored(
    evidence: pd.DataFrame,
    points: Mapping[str, float],
    scoring: Scoring,
    new: Mapping[str, Group] | None = None,
) -> Floats:
    """The score of each lead (cases,) with these points by rule; rules without points count nothing.

    `new`: rule that the model does not have -> its group. Raises LookupError for a rule of unknown group or evidence.
    """
    groups = {**{rule.id: rule.group for rule in scoring.rules}, **(new or {})}
    missing = [rule for rule in points if points[rule] and (rule not in groups or rule not in evidence)]
    if missing:
        raise LookupError(f"no group or no evidence of {', '.join(sorted(missing))}")
    total = np.zeros(len(evidence))
    for group in ("fit", "engagement", "negative"):
        own = [rule for rule in evidence if groups.get(str(rule)) == group]
        worth = np.array([points.get(str(rule), 0.0) for rule in own])
        found = np.rint(evidence[own].to_numpy(np.float64) * worth * MILLION).sum(axis=1)
        low, high = scoring.group_bounds.get(group, (-np.inf, np.inf))
        total += np.clip(found, low * MILLION, high * MILLION)
    low, high = scoring.range
    shown: Floats = np.clip(np.floor(total / MILLION + 0.5), min(max(low, 1), high), high)
    return shown


def bands(score: Floats, scoring: Scoring) -> npt.NDArray[np.object_]:
    """The band that each score enters; who held which before is not looked at."""
    entries = np.array([band.entry for band in scoring.bands[:-1]])
    names = np.array([band.name for band in scoring.bands], dtype=object)
    found: npt.NDArray[np.object_] = names[(score[:, None] < entries).sum(axis=1)]
    return found
