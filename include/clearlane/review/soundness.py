"""Whether cases can be learnt from: enough of an outcome, no column that tells it beforehand, reps apart from leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.review.cases import TARGETS, Cases, Finding

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

FEWEST: Final = 60
"""leads with the outcome, and without it, below which nothing is learnt: some ten per change that a review proposes"""
PERFECT: Final = 0.98
"""the AUC of one column alone that nobody believes: the best lead scores reach some 0.85"""
CHANCE: Final = 1e-6
"""how improbable a value whose leads all have the outcome must be, before it is named"""
SURE: Final = 0.95
"""the share of leads with a value who have the outcome, from which on the value all but says it"""
MOST_LOG_ODDS: Final = 1.0
"""how far a rep may move a case: 2.7 times the odds"""
_BINS: Final = 10
_HALVES: Final = 2


class TooFew(ValueError):
    """There are too few outcomes to learn from; the text says how many of which and what would help."""


def target(cases: Cases, fewest: int = FEWEST) -> str:
    """The best outcome that enough leads have and enough have not: won, else the nearest earlier. Raises TooFew."""
    for name in TARGETS:
        count = int(cases.leads[name].sum())
        if min(count, len(cases.leads) - count) >= fewest:
            return name
    raise TooFew(_missing(cases, fewest))


def _missing(cases: Cases, fewest: int) -> str:
    had = ", ".join(f"{int(cases.leads[name].sum())} {name}" for name in TARGETS)
    left_out = sum(out.leads for out in cases.left_out)
    return (
        f"too few outcomes to learn from: of {len(cases.leads)} leads decided from {cases.since:%Y-%m-%d} to"
        f" {cases.until:%Y-%m-%d}, within {cases.horizon.days} days, {had}; {fewest} leads with an outcome and"
        f" {fewest} without are needed. {left_out} more leads were left out. A longer span, a shorter horizon or"
        " outcomes that reach the ledger would help"
    )


# --- leaks ----------------------------------------------------------------------------------------------


def suspects(cases: Cases, name: str | None = None) -> tuple[Finding, ...]:
    """The columns that tell the outcome too well to have been known before it; `name`: the target, else the best.

    Each attribute, rule and kind of activity is taken alone. Suspicious are an AUC of 0.98, and a value (or being
    filled at all) whose leads have the outcome nearly always, where chance would not explain it. Raises TooFew.
    """
    has_it = cases.leads[name or target(cases)].to_numpy(dtype=bool)
    frames = (cases.attributes, cases.evidence, cases.behaviour)
    columns = ((str(column), frame[column]) for frame in frames for column in frame)
    found = ((column, _leak(values, has_it)) for column, values in columns)
    return tuple(Finding("leak", column, because) for column, because in found if because)


def _leak(values: pd.Series, has_it: Truths) -> str | None:
    filled = values.notna().to_numpy()
    why = _sure("it is filled at all", filled, has_it) if not filled.all() else None
    if why is None and not _is_number(values):
        why = next(filter(None, _sure_values(values, has_it)), None)
    if why:
        return why
    found = auc(_told(values, has_it), has_it)
    if max(found, 1 - found) < PERFECT:
        return None
    return (
        f"alone it tells the outcome with an AUC of {max(found, 1 - found):.3f}: no lead score is that good"
    )


def _sure(said: str, holds: Truths, has_it: Truths) -> str | None:
    """Why it is suspicious that leads for which `holds` nearly all have the outcome; None where it is not."""
    count, good = int(holds.sum()), int((holds & has_it).sum())
    rate = has_it.mean()
    if not good or good < SURE * count or good * np.log(max(rate, 1e-12)) > np.log(CHANCE):
        return None
    return f"where {said}, {good} of {count} leads have the outcome; of all leads {rate:.0%}"


def _sure_values(values: pd.Series, has_it: Truths) -> Iterator[str | None]:
    counts = pd.DataFrame({"value": values.astype("str"), "has_it": has_it})[values.notna()]
    table = counts.groupby("value")["has_it"].agg(["size", "sum"])
    for value in table.index[table["sum"] >= SURE * table["size"]]:
        yield _sure(f"it is '{value}'", (values.notna() & (values.astype("str") == value)).to_numpy(), has_it)


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _told(values: pd.Series, has_it: Truths) -> Floats:
    """What the column says of the outcome: the rate of its value among the other half of the leads."""
    groups = np.unique(_groups(values), return_inverse=True)[1]
    half = np.arange(len(groups)) % _HALVES
    told = np.empty(len(groups))
    for part in range(_HALVES):
        other = groups[half != part]
        had = np.bincount(other, has_it[half != part], int(np.max(groups)) + 1)
        rate = (had + has_it.mean()) / (np.bincount(other, minlength=len(had)) + 1)
        told[half == part] = rate[groups[half == part]]
    return told


def _groups(values: pd.Series) -> npt.NDArray[np.int64]:
    """Numbers in tenths, missing ones as a group of their own; else a group per value."""
    if not _is_number(values):
        return pd.factorize(values, use_na_sentinel=False)[0].astype(np.int64)
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    seen = numbers[~np.isnan(numbers)]
    edges = np.quantile(seen, np.arange(1, _BINS) / _BINS) if seen.size else seen
    cut = np.searchsorted(np.unique(edges), numbers)
    # What all but one value share has no tenths: then each value stands for itself.
    cut = (
        cut
        if len(np.unique(cut[~np.isnan(numbers)])) >= _HALVES
        else np.unique(numbers, return_inverse=True)[1]
    )
    return np.where(np.isnan(numbers), -1, cut)


def auc(scores: Floats, has_it: Truths) -> float:
    """The share of pairs of a lead with the outcome and one without of which the first scores higher; ties half."""
    good = int(has_it.sum())
    if not good or good == len(has_it):
        return 0.5
    ranks = pd.Series(scores).rank().to_numpy()
    return float((ranks[has_it].sum() - good * (good + 1) / 2) / (good * (len(has_it) - good)))


# --- reps -----------------------------------------------------------------------------------------------


def rep_rates(cases: Cases, name: str) -> pd.DataFrame:
    """Per rep: `leads`, `had` (with the outcome), `expected` (of such leads) and `log_odds`, what the rep adds.

    What is expected follows from the band alone, so that who gets the hot leads is not better for it. The ratio
    of had to expected is shrunk to 1 by as much as reps differ no more than chance (gamma-Poisson, by moments),
    and the result held within ±1.
    """
    leads = cases.leads
    expected = leads.groupby("band")[name].transform("mean").astype(float)
    by_rep = pd.DataFrame({"rep": leads["rep"], "had": leads[name].astype(float), "expected": expected})
    found = by_rep.groupby("rep").agg(leads=("had", "size"), had=("had", "sum"), expected=("expected", "sum"))
    weight = _prior_weight(found["had"].to_numpy(), found["expected"].to_numpy())
    ratio = (found["had"] + weight) / (found["expected"] + weight)
    return found.assign(log_odds=np.log(ratio).clip(-MOST_LOG_ODDS, MOST_LOG_ODDS))


def rep_offset(cases: Cases, name: str) -> Floats:
    """What its rep adds to the log-odds of each case, 0 where nobody had it: an offset for learning."""
    log_odds = rep_rates(cases, name)["log_odds"]
    return cases.leads["rep"].map(log_odds).fillna(0.0).to_numpy(dtype=float)


def _prior_weight(had: Floats, expected: Floats) -> float:
    """1 / variance of the reps' true ratios: what is left of their spread when chance has been taken off."""
    if len(had) < _HALVES or not expected.sum():
        return float("1e9")
    chance = float(expected.sum())
    spread = float(((had - expected) ** 2).sum()) - chance
    return float(np.clip((expected**2).sum() / spread, 1.0, 1e9)) if spread > 0 else float("1e9")
