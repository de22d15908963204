"""What the people of the sample do, before and after they come, by how much they want."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clearlane.sample import words
from clearlane.sample.drawing import Drawn, Rng, given
from clearlane.sample.people import INTENTS

# type: system, and how often it is done by the passive, the curious, those who evaluate, those who asked
_RATES: dict[str, tuple[str, tuple[float, float, float, float]]] = {
    "page_view": ("web", (0.4, 2.0, 4.0, 3.5)),
    "pricing_page_view": ("web", (0.0, 0.3, 2.6, 1.4)),
    "content_download": ("web", (0.03, 0.8, 1.4, 0.6)),
    "careers_page_view": ("web", (0.02, 0.03, 0.0, 0.0)),
    "webinar_attended": ("crm", (0.02, 0.3, 0.9, 0.25)),
    "event_attended": ("crm", (0.05, 0.10, 0.35, 0.15)),
    "email_open": ("crm", (1.0, 1.5, 2.0, 1.5)),
    "email_click": ("crm", (0.1, 0.6, 1.5, 1.0)),
    "email_reply": ("crm", (0.0, 0.08, 0.35, 0.15)),
    "social_engagement": ("crm", (0.1, 0.3, 0.3, 0.2)),
    "unsubscribed": ("crm", (0.03, 0.01, 0.0, 0.0)),
}
# of those who came by a trial
_TRIAL: dict[str, tuple[float, float, float, float]] = {
    "product_session": (0.6, 2.0, 7.0, 6.0),
    "data_connected": (0.02, 0.15, 0.8, 0.8),
    "teammate_invited": (0.01, 0.10, 0.7, 0.8),
}
HAND_RAISES = ("demo_request", "contact_sales", "pricing_request")
_BEFORE_DAYS, _AFTER_DAYS, _LONGEST = 4.0, 0.4, 14.0
_AFTER = 0.35
"""share of what is done that follows the arrival"""


def behaviour(rng: Rng, people: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """One row an activity before `end`: person, type, system, at, and what the system tells beside it."""
    level = people["intent"].map({intent: place for place, intent in enumerate(INTENTS)}).to_numpy()
    parts = [_done(rng, people, level, name, *rate) for name, rate in _RATES.items()]
    trial = (people["origin"] == "product").to_numpy()
    parts += [_done(rng, people, level, name, "product", rates, trial) for name, rates in _TRIAL.items()]
    parts += [_at_arrival(people[trial], "trial_started", "product"), _hand_raises(rng, people)]
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["at"] < end].sort_values(["at", "person", "type"], ignore_index=True)
    return _described(rng, frame)


def _done(
    rng: Rng,
    people: pd.DataFrame,
    level: Drawn,
    name: str,
    system: str,
    rates: tuple[float, ...],
    who: Drawn | None = None,
) -> pd.DataFrame:
    """Poisson counts; most in the days before somebody comes, the rest after."""
    mean = np.array(rates)[level] * (people["wants"] == "sales").to_numpy()
    times = rng.poisson(mean if who is None else mean * who)
    person = np.repeat(people.index.to_numpy(), times)
    after = (rng.random(len(person)) < _AFTER) | (system == "product")
    gap = rng.exponential(np.where(after, _AFTER_DAYS, _BEFORE_DAYS)).clip(max=_LONGEST) * np.where(
        after, 1, -1
    )
    at = people["arrived"].to_numpy()[person] + (gap * 86_400_000).astype("timedelta64[ms]")
    return _rows(person, name, system, pd.Series(at))


def _at_arrival(people: pd.DataFrame, name: str, system: str) -> pd.DataFrame:
    return _rows(people.index.to_numpy(), name, system, people["arrived"].reset_index(drop=True))


def _hand_raises(rng: Rng, people: pd.DataFrame) -> pd.DataFrame:
    """Who comes by a form asks in it; others ask within a day. One in ten asks again within half an hour."""
    asked = people[(people["intent"] == "asked") & (people["wants"] == "sales")]
    form = (asked["origin"] == "web").to_numpy()
    minutes = np.where(form, 0.0, rng.exponential(300.0, len(asked)))
    at = asked["arrived"].reset_index(drop=True) + pd.to_timedelta(minutes.round(1), unit="min")
    name = np.where(asked["origin"] == "product", "trial_to_paid", rng.choice(HAND_RAISES, len(asked)))
    frame = _rows(asked.index.to_numpy(), name, np.where(asked["origin"] == "product", "product", "web"), at)
    again = frame[rng.random(len(frame)) < 0.1]
    return pd.concat([frame, again.assign(at=again["at"] + pd.Timedelta(minutes=11))])


def _rows(person: Drawn, name: object, system: object, at: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"person": person, "type": name, "system": system, "at": at.dt.floor("s").to_numpy()})


def _described(rng: Rng, frame: pd.DataFrame) -> pd.DataFrame:
    count = len(frame)
    mailed = frame["type"].isin(["email_click", "email_open"])
    page = np.where(frame["type"] == "pricing_page_view", "/pricing", rng.choice(words.PAGES, count))
    scanner = rng.random(count) < 0.15
    delay = np.where(scanner, rng.integers(0, 5, count), rng.integers(20, 90_000, count))
    return frame.assign(
        page=given(page, frame["type"].str.endswith("page_view") | (frame["type"] == "page_view")),
        campaign=given(rng.choice(words.CAMPAIGNS, count), frame["system"] == "crm"),
        feature=given(rng.choice(words.FEATURES, count), frame["type"] == "product_session"),
        minutes=np.where(frame["type"] == "product_session", rng.integers(1, 90, count), np.nan),
        seconds_after_delivery=np.where(mailed, delay, np.nan),
    )
