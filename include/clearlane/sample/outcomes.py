"""What became of the people of the sample: accepted or not, touched, met, won or lost.

Who fits and wants is accepted and won more often; how long each step takes does not depend on it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from clearlane.sample.drawing import Drawn, Rng
from clearlane.sample.people import INTENTS

REASONS = ("not interested", "no answer", "bad data", "wrong territory", "duplicate")
# step: median delay after the one before, in hours, and the share that gets there at heat 0
_STEPS = (
    ("first_touch", 1.5, 0.93),
    ("meeting", 30.0, 0.42),
    ("sql", 40.0, 0.62),
    ("opportunity", 60.0, 0.72),
)
_STEEP = 0.16
"""how much the logit of each step rises with a unit of heat"""


def outcomes(rng: Rng, people: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """One row an outcome before `end`: person, kind, at, reason, amount."""
    worked = people[(people["wants"] == "sales") & (people["level"] != "student") & ~_left_alone(rng, people)]
    heat = _heat(worked)
    at = worked["arrived"] + _delay(rng, len(worked), 0.4)
    accepted = rng.random(len(worked)) < _chance(0.78, heat)
    parts = [_rows(worked[accepted], "accepted", at[accepted])]
    reason = rng.choice(REASONS, int((~accepted).sum()), p=[0.4, 0.25, 0.2, 0.05, 0.1])
    parts.append(_rows(worked[~accepted], "rejected", at[~accepted]).assign(reason=reason))
    going, at, heat = worked[accepted], at[accepted], heat[accepted]
    for kind, hours, share in _STEPS:
        goes = rng.random(len(going)) < _chance(share, heat)
        going, heat = going[goes], heat[goes]
        at = at[goes] + _delay(rng, len(going), hours)
        parts.append(_rows(going, kind, at))
    parts += _ended(rng, going, at, heat)
    frame = pd.concat(parts, ignore_index=True)
    return frame[frame["at"] < end].sort_values(["at", "person", "kind"], ignore_index=True)


def _ended(rng: Rng, people: pd.DataFrame, at: pd.Series, heat: pd.Series) -> list[pd.DataFrame]:
    won = rng.random(len(people)) < _chance(0.35, heat)
    at = at + _delay(rng, len(people), 24 * 21)
    amount = (people["employees"].clip(5, 5000) * 40 * np.exp(rng.normal(0, 0.3, len(people)))).round(-2)
    lost = _rows(people[~won], "lost", at[~won])
    return [_rows(people[won], "won", at[won]).assign(amount=amount[won].to_numpy()), lost]


def _left_alone(rng: Rng, people: pd.DataFrame) -> pd.Series:
    """Nobody works most of those who want nothing: some buy all the same."""
    return (people["intent"] == "passive") & (rng.random(len(people)) < 0.6)


def _heat(people: pd.DataFrame) -> pd.Series:
    wanting = (
        people["intent"].map({intent: place - 1.0 for place, intent in enumerate(INTENTS)}).astype(float)
    )
    return wanting + people["fit"] * 0.7


def _chance(usual: float, heat: pd.Series) -> pd.Series:
    odds: pd.Series = usual / (1 - usual) * np.exp(_STEEP * heat)
    return odds / (1 + odds)


def _delay(rng: Rng, count: int, median_hours: float) -> Drawn:
    hours = median_hours * np.exp(rng.normal(0, 0.7, count))
    return (hours * 3_600_000).astype("timedelta64[ms]")


def _rows(people: pd.DataFrame, kind: str, at: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"person": people.index.to_numpy(), "kind": kind, "at": at.dt.floor("s").to_numpy()})
