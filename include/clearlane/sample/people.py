"""The people of the sample: who they are, what they want, when they come and through which system.

Two causes are planted and everything later follows from them: how well somebody fits (the company and
the title) and how much they want (`intent`), which is stronger where the fit is better.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from clearlane.sample import words
from clearlane.sample.drawing import Drawn, Rng

INTENTS = ("passive", "curious", "evaluating", "asked")
ORIGINS = {"crm": 0.42, "web": 0.46, "product": 0.12}
# Logits of each intent (passive is 0): at the origin, and for each unit of fit above the usual.
_INTENT_AT = {"crm": (-0.9, -1.3, -2.7), "web": (0.15, -0.3, -1.25), "product": (0.2, 0.25, -1.0)}
_INTENT_BY_FIT = (0.1, 0.85, 1.05)
WANTS = {
    "sales": 0.907,
    "support": 0.038,
    "job": 0.016,
    "vendor": 0.021,
    "partner": 0.006,
    "spam": 0.005,
    "test": 0.007,
}
_PRIVATE, _STUDENT, _RIVAL, _DISPOSABLE = 0.17, 0.012, 0.006, 0.003
RIVALS = ("leadvana.example", "routewell.example", "scorelytics.example", "pipemonger.example")


def people(rng: Rng, companies: pd.DataFrame, count: int, end: datetime, days: int) -> pd.DataFrame:
    """One row a person, in order of arrival, with the columns that every system draws from."""
    frame = pd.DataFrame({"company": _companies(rng, companies, count)})
    frame["first"] = rng.choice(words.FIRST, count)
    frame["last"] = np.char.add(
        rng.choice(words.LAST_HEADS, count).astype(str), rng.choice(words.LAST_TAILS, count).astype(str)
    )
    frame["origin"] = rng.choice(list(ORIGINS), count, p=list(ORIGINS.values()))
    frame["wants"] = rng.choice(list(WANTS), count, p=list(WANTS.values()))
    here = companies.loc[frame["company"]].reset_index(drop=True)
    frame[["territory", "country", "employees", "industry"]] = here[
        ["territory", "country", "employees", "industry"]
    ]
    frame["private"] = rng.random(count) < _PRIVATE
    _titles(rng, frame)
    frame["fit"] = _fit(frame)
    frame["intent"] = _intents(rng, frame)
    _addresses(rng, frame, here["domain"])
    frame["arrived"] = _arrivals(rng, frame["territory"], end, days)
    return frame.sort_values("arrived", kind="stable", ignore_index=True)


def _companies(rng: Rng, companies: pd.DataFrame, count: int) -> Drawn:
    """Some companies send one person, a few send ten."""
    weight = rng.pareto(2.5, len(companies)) + 0.3
    return rng.choice(len(companies), count, p=weight / weight.sum())


def _titles(rng: Rng, frame: pd.DataFrame) -> None:
    count = len(frame)
    frame["buying"] = rng.random(count) < 0.5
    frame["level"] = rng.choice(["buyer", "recommender", "other"], count, p=[0.22, 0.24, 0.54])
    frame.loc[rng.random(count) < _STUDENT, "level"] = "student"
    department = np.where(
        frame["buying"], rng.choice(words.BUYING, count), rng.choice(words.OTHER_DEPARTMENTS, count)
    )
    patterns = {"buyer": words.BUYERS, "recommender": words.RECOMMENDERS, "other": words.OTHERS}
    title = np.full(count, "Student", dtype=object)
    for level, choices in patterns.items():
        here = (frame["level"] == level).to_numpy()
        drawn = rng.choice(choices, int(here.sum()))
        title[here] = [pattern.format(where) for pattern, where in zip(drawn, department[here], strict=True)]
    frame["title"] = title


def _fit(frame: pd.DataFrame) -> pd.Series:
    """How well somebody fits: about 0 for the usual person, 2 for the ideal, -2 for the worst."""
    sized = frame["employees"].between(50, 1000) * 1.0 - (frame["employees"] < 10) * 0.8
    level = (
        frame["level"].map({"buyer": 0.8, "recommender": 0.3, "other": -0.2, "student": -1.5}).astype(float)
    )
    industry = frame["industry"].isin(words.ICP_INDUSTRIES) * 0.6 - 0.3
    return sized + level + industry + frame["buying"] * 0.4 - frame["private"] * 0.8 - 0.4


def _intents(rng: Rng, frame: pd.DataFrame) -> Drawn:
    at = np.array(frame["origin"].map(_INTENT_AT).to_list())
    logits = np.column_stack([np.zeros(len(frame)), at + np.outer(frame["fit"], _INTENT_BY_FIT)])
    reach = np.exp(logits).cumsum(axis=1)
    drawn = rng.random(len(frame)) * reach[:, -1]
    return np.asarray(np.array(INTENTS)[(reach < drawn[:, None]).sum(axis=1)])


def _addresses(rng: Rng, frame: pd.DataFrame, domain: pd.Series) -> None:
    """E-mail address and phone number; names that meet at one company are numbered."""
    name = (frame["first"] + "." + frame["last"]).str.lower()
    twin = frame.assign(name=name).groupby(["name", "company"]).cumcount()
    local = name + (twin + 1).astype(str).mask(twin == 0, "")
    number = pd.Series(np.arange(len(frame))).astype(str).str.zfill(6)
    email = local + "@" + domain
    email = email.mask(frame["private"], name + ".of.the.generated.sample." + number + "@gmail.com")
    email = email.mask(_some(rng, frame, _DISPOSABLE), "sample." + number + "@mailinator.com")
    rival = pd.Series(rng.choice(RIVALS, len(frame)))
    email = email.mask(_some(rng, frame, _RIVAL), local + number + "@" + rival)
    frame["email"] = email.mask(frame["wants"] == "test", name + "@clearlane.example")
    frame["phone"] = _phones(rng, frame["country"])


def _some(rng: Rng, frame: pd.DataFrame, share: float) -> Drawn:
    return np.asarray(rng.random(len(frame)) < share)


def _phones(rng: Rng, country: pd.Series) -> pd.Series:
    """Numbers of ranges kept for fiction; half of the people give one, where the country has such a range."""
    digits = rng.integers(0, 10_000, len(country))
    patterns = [words.COUNTRIES[index].phone for index in country]
    given = rng.random(len(country)) < 0.5
    numbers = [_number(pattern, digit) for pattern, digit in zip(patterns, digits.tolist(), strict=True)]
    return pd.Series(numbers, dtype=object).where(given, None)


def _number(pattern: str | None, digits: int) -> str | None:
    if pattern is None:
        return None
    places = pattern.count("#")
    filling = iter(f"{digits % 10**places:0{places}d}")
    return "".join(next(filling) if letter == "#" else letter for letter in pattern)


def _arrivals(rng: Rng, territory: pd.Series, end: datetime, days: int) -> pd.Series:
    """Moments (UTC) within the days before `end`: most in the office hours of the territory."""
    hours = pd.date_range(end - timedelta(days=days), end, freq="h", inclusive="left")
    arrived = np.empty(len(territory), dtype="datetime64[ms]")
    for name, zone in words.ZONES.items():
        here = (territory == name).to_numpy()
        weight = busyness(hours.tz_convert(zone))
        drawn = hours.tz_localize(None).to_numpy()[
            rng.choice(len(hours), int(here.sum()), p=weight / weight.sum())
        ]
        arrived[here] = drawn + rng.integers(0, 3_600_000, int(here.sum())).astype("timedelta64[ms]")
    return pd.Series(arrived)


def busyness(local: pd.DatetimeIndex) -> Drawn:
    """How much goes on in an hour of local time, against an office hour."""
    office = (local.hour >= 8) & (local.hour < 18)
    evening = (local.hour >= 18) & (local.hour < 23)
    level = np.where(office, 1.0, np.where(evening, 0.3, 0.06))
    return np.asarray(np.where(local.day_of_week < 5, level, level * 0.15))
