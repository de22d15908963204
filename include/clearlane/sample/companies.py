"""The companies of the sample: who they are, which of them the CRM knows, who owns those, and which are parts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clearlane.sample import words
from clearlane.sample.drawing import Drawn, Rng

KNOWN = 0.35
"""share of the companies that are accounts of the CRM"""
TYPES = {"Prospect": 0.58, "Target": 0.20, "Customer": 0.15, "Partner": 0.02, "Former": 0.05}
SIZES = {
    (2, 9): 0.22,
    (10, 19): 0.08,
    (20, 49): 0.14,
    (50, 1000): 0.38,
    (1001, 5000): 0.12,
    (5001, 90000): 0.06,
}
ICP_SHARE = 0.5
EACH_SUBSIDIARY = 4
"""of so many accounts that nobody who sells owns, one is a part of another account"""


def companies(rng: Rng, count: int) -> pd.DataFrame:
    """One row a company: name, domain, country (index), industry, employees, known, type, owner, parent (index)."""
    country = rng.choice(len(words.COUNTRIES), count, p=_shares([each.share for each in words.COUNTRIES]))
    name, domain = _names(rng, country)
    frame = pd.DataFrame({"name": name, "domain": domain, "country": country})
    frame["territory"] = np.array([each.territory for each in words.COUNTRIES])[country]
    frame["industry"] = _either(
        rng, rng.random(count) < ICP_SHARE, words.ICP_INDUSTRIES, words.OTHER_INDUSTRIES
    )
    frame["employees"] = _employees(rng, count)
    frame["known"] = rng.random(count) < KNOWN
    frame["type"] = rng.choice(list(TYPES), count, p=_shares(list(TYPES.values())))
    frame["owner"] = _owners(rng, frame)
    frame["parent"] = _parents(frame)
    return frame


def _names(rng: Rng, country: Drawn) -> tuple[list[str], list[str]]:
    """Names that never repeat, with the legal form of the country, and their domains."""
    heads, tails = words.COMPANY_HEADS, words.COMPANY_TAILS
    pairs = len(heads) * len(tails)
    number = rng.permutation(max(pairs, len(country)))[: len(country)]
    stems = [f"{heads[n % len(heads)]} {tails[n // len(heads) % len(tails)]}" for n in number.tolist()]
    serial = ["" if n < pairs else f" {n // pairs + 1}" for n in number.tolist()]
    forms = [words.COUNTRIES[index].form for index in country.tolist()]
    names = [f"{stem}{more} {form}" for stem, more, form in zip(stems, serial, forms, strict=True)]
    domains = [
        f"{stem}{more}.example".lower().replace(" ", "-") for stem, more in zip(stems, serial, strict=True)
    ]
    return names, domains


def _employees(rng: Rng, count: int) -> Drawn:
    """Within a class of sizes small ones are commoner than large ones."""
    low, high = np.array(list(SIZES)).T
    kind = rng.choice(len(SIZES), count, p=_shares(list(SIZES.values())))
    exponent = rng.random(count)
    return np.asarray(low[kind] * (high[kind] / low[kind]) ** exponent).round().astype(int)


def _owners(rng: Rng, frame: pd.DataFrame) -> Drawn:
    """Customers belong to account managers; half of the others to an executive; the rest to nobody who sells."""
    executive = executives(rng, frame["territory"])
    manager = frame["territory"].map(words.ACCOUNT_MANAGERS).to_numpy()
    owned = np.where(rng.random(len(frame)) < 0.5, executive, words.INTEGRATION)
    return np.where(frame["type"] == "Customer", manager, owned)


def _parents(frame: pd.DataFrame) -> pd.Series:
    """The account before it in the territory that a person owns, of some that nobody does; missing: none."""
    owned = frame["owner"] != words.INTEGRATION
    free = frame["known"] & ~owned
    before = frame.index.to_series().where(frame["known"] & owned).groupby(frame["territory"]).ffill()
    return before.where(free & (free.cumsum() % EACH_SUBSIDIARY == 0))


def executives(rng: Rng, territory: pd.Series) -> Drawn:
    """Somebody who sells there, or who did until lately."""
    drawn = np.empty(len(territory), dtype=object)
    for name, people in words.EXECUTIVES.items():
        here = (territory == name).to_numpy()
        drawn[here] = rng.choice(people, int(here.sum()))
    return drawn


def _either(rng: Rng, first: Drawn, yes: tuple[str, ...], no: tuple[str, ...]) -> Drawn:
    return np.where(first, rng.choice(yes, len(first)), rng.choice(no, len(first)))


def _shares(weights: list[float]) -> Drawn:
    return np.array(weights) / sum(weights)
