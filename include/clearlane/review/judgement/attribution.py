"""Which sources and campaigns bring pipeline: each opportunity shared out over the touches before it, in four ways.

first and last: all to that touch; linear: equal parts; position: 40 % to the first, 40 % to the last, 20 % to those
between (with two touches half each). Whatever the way, the parts of an opportunity add up to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.review.cases import Interval
from clearlane.review.judgement.resampling import Floats, interval, resamples

WAYS: Final = ("first", "last", "linear", "position")
NO_TOUCH: Final = "(no touch known)"
REST: Final = "(others)"
MOST: Final = 12
"""channels told one by one; the rest are joined"""
_PIPELINE: Final = ("source", "band", "leads", "opportunities", "amount")
_ENDS: Final = 0.4


@dataclass(frozen=True)
class Credit:
    """What one channel is given in one way."""

    opportunities: float
    amount: float
    share: Interval | None
    """of all opportunities"""
    share_of_amount: Interval | None


@dataclass(frozen=True)
class Channel:
    """A source or campaign, and what it is given in each of WAYS."""

    name: str
    touched: int
    """opportunities with at least one of its touches"""
    credits: Mapping[str, Credit]


@dataclass(frozen=True)
class Attribution:
    """All opportunities, and what each channel brought, the largest by position first."""

    opportunities: int
    amount: float
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Pipeline:
    """What the leads of one source in one band became."""

    source: str
    band: str
    leads: int
    opportunities: int
    amount: float


def pipeline(leads: pd.DataFrame) -> tuple[Pipeline, ...]:
    """By source and band of the first decision, largest source first; `leads` as in Cases, with `pipeline` (money)."""
    found = leads.groupby(["source", "band"], observed=True, sort=False).agg(
        leads=("source", "size"), opportunities=("opportunity", "sum"), amount=("pipeline", "sum")
    )
    of_source = found.groupby("source")["leads"].transform("sum")
    ordered = found.assign(of_source=of_source).sort_values(
        ["of_source", "source", "leads"], ascending=[False, True, False]
    )
    rows: list[Any] = ordered.reset_index()[[*_PIPELINE]].values.tolist()
    return tuple(Pipeline(*row) for row in rows)


def attributed(touches: pd.DataFrame, opportunities: pd.DataFrame, seed: int) -> Attribution:
    """Share out each opportunity over the touches of its lead until it came about.

    touches: lead_id, channel, at. opportunities: lead_id, at, amount (missing: 0); one row each. Times in UTC.
    """
    deals = opportunities.reset_index(drop=True).rename_axis("deal").reset_index()
    deals["amount"] = deals["amount"].astype(float).fillna(0.0)
    credited = _credited(touches, deals)
    names = credited.groupby("channel")["position"].sum().sort_values(ascending=False).index
    kept = [name for name in names if name != REST][:MOST]
    credited["channel"] = credited["channel"].where(credited["channel"].isin(kept), REST)
    given = _given(credited, len(deals), [*kept, *([REST] if (credited["channel"] == REST).any() else [])])
    amounts = deals["amount"].to_numpy(np.float64)
    return Attribution(len(deals), float(amounts.sum()), tuple(_channels(given, amounts, seed)))


def _credited(touches: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """A row for each opportunity and touch before it, with its part in each way."""
    pairs = deals.merge(touches, on="lead_id", suffixes=("", "_touch"))
    pairs = pairs[pairs["at_touch"] <= pairs["at"]].sort_values(
        ["deal", "at_touch", "channel"], kind="stable"
    )
    none = deals.loc[~deals["deal"].isin(pairs["deal"]), ["deal"]].assign(channel=NO_TOUCH)
    rows = pd.concat([pairs[["deal", "channel"]], none], ignore_index=True)
    place = rows.groupby("deal").cumcount().to_numpy()
    many = rows.groupby("deal")["channel"].transform("size").to_numpy()
    return rows.assign(**parts(place.astype(np.float64), many.astype(np.float64)))


def parts(place: Floats, many: Floats) -> dict[str, Floats]:
    """What the touch at this place (from 0) of so many is given in each way."""
    first, last = place == 0, place == many - 1
    between = (1 - 2 * _ENDS) / np.maximum(many - 2, 1)
    ends = np.where(many == 1, 1.0, np.where(many == 2, 0.5, _ENDS))
    return {
        "first": first.astype(float),
        "last": last.astype(float),
        "linear": 1 / many,
        "position": np.where(first | last, ends, between),
    }


def _given(credited: pd.DataFrame, deals: int, channels: list[str]) -> Mapping[str, dict[str, Floats]]:
    """Channel -> way -> the part of each opportunity (deals,)."""
    number = {channel: n for n, channel in enumerate(channels)}
    cells = credited["deal"].to_numpy() * len(channels) + credited["channel"].map(number).to_numpy()
    tables = {way: _summed(cells, credited[way].to_numpy(), deals, len(channels)) for way in WAYS}
    return {channel: {way: tables[way][:, n] for way in WAYS} for channel, n in number.items()}


def _summed(cells: npt.NDArray[Any], parts: Floats, deals: int, channels: int) -> Floats:
    """(deals, channels)"""
    summed: Floats = np.bincount(cells, parts, minlength=deals * channels).astype(np.float64)
    return summed.reshape(deals, channels)


def _channels(given: Mapping[str, dict[str, Floats]], amounts: Floats, seed: int) -> list[Channel]:
    drawn = resamples(len(amounts), seed)
    totals = drawn.sums(np.column_stack([np.ones(len(amounts)), amounts]))
    return [
        Channel(
            name,
            int((ways["linear"] > 0).sum()),
            {way: _credit(part, amounts, drawn.sums(np.column_stack([part, part * amounts])), totals)
             for way, part in ways.items()},
        )
        for name, ways in given.items()
    ]  # fmt: skip


def _credit(part: Floats, amounts: Floats, sums: Floats, totals: Floats) -> Credit:
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = sums / totals
    return Credit(
        float(part.sum()), float((part * amounts).sum()), interval(shares[:, 0]), interval(shares[:, 1])
    )
