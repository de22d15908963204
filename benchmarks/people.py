"""Finding the same person twice in a list of leads: recall, precision, time and memory, and by exact keys beside.

The list is generated: companies with colleagues and switchboards, households, common and rare names; a duplicate
loses, misspells and reformats what people lose, misspell and reformat.
"""

from __future__ import annotations

import resource
from time import perf_counter

import numpy as np
import pandas as pd

from clearlane.identity.duplicates import clusters
from clearlane.identity.duplicates.names import called_alike
from clearlane.sample import words

FREE = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "web.de", "icloud.com")
FORMS = (" Inc", " GmbH", " Ltd", ", LLC", "", "", " Group", " AG")
CITIES = tuple(
    f"{head}{tail}" for head in words.LAST_HEADS for tail in ("ton", "burg", "ville", "stadt", "mouth")
)


def generated(seed: int, leads: int, doubled: float = 0.2) -> pd.DataFrame:
    """Leads with `lead_id`, what a CRM has of them, and `truth`, the number of the person."""
    rng = np.random.default_rng(seed)
    people = _people(rng, int(leads * (1 - doubled)))
    again = people.iloc[rng.integers(0, len(people), leads - len(people))].copy()
    frame = pd.concat([people, _worn(rng, again)], ignore_index=True)
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    frame.insert(0, "lead_id", [f"L{n:07d}" for n in range(len(frame))])
    return frame


def _people(rng: np.random.Generator, count: int) -> pd.DataFrame:
    firms = _by_rank(rng, max(count // 4, 10), count, 0.6)
    known = np.array(sorted({one for one, _ in called_alike()}))
    first = rng.permutation(known)[_by_rank(rng, len(known), count, 0.8)]
    ends = ("", "s", "er", "man", "sen", "ski", "ini", "ova", "ez", "ou", "ic", "berg")
    family = [
        head.lower() + tail + end for end in ends for head in words.LAST_HEADS for tail in words.LAST_TAILS
    ]
    last = rng.permutation(family)[_by_rank(rng, len(family), count, 0.7)]
    frame = pd.DataFrame({"first_name": first, "last_name": last})
    frame["company"] = [f"{_word(firm)}{FORMS[firm % len(FORMS)]}" for firm in firms]
    private = rng.random(count) < 0.25
    domain = [_word(firm).lower().replace(" ", "") + ".example" for firm in firms]
    host = np.where(private, np.array(FREE)[rng.integers(0, len(FREE), count)], domain)
    local = (
        frame["first_name"].where(rng.random(count) < 0.6, frame["first_name"].str[0])
        + "."
        + frame["last_name"]
    )
    nth = (local + host).groupby(local + host).cumcount()
    frame["email"] = local + nth.where(nth > 0, "").astype(str) + "@" + host
    own = [f"+1 {a} {b:03d} {c:04d}" for a, b, c in rng.integers((201, 200, 0), (989, 999, 9999), (count, 3))]
    desk = [f"+1 {201 + firm % 700} 555 {firm % 9999:04d}" for firm in firms]
    frame["phone"] = np.where(rng.random(count) < 0.3, desk, own)
    frame["address"] = [f"{1 + firm % 97} {_word(firm * 7)} Street" for firm in firms]
    frame["city"] = np.array(CITIES)[firms % len(CITIES)]
    frame["first_name"], frame["last_name"] = frame["first_name"].str.title(), frame["last_name"].str.title()
    frame["truth"] = np.arange(count)
    return frame


def _by_rank(rng: np.random.Generator, kinds: int, count: int, slope: float) -> np.ndarray:
    """Few are common, most are rare: the share of the nth is as 1 / n ** slope."""
    weight = 1 / np.arange(1, kinds + 1) ** slope
    return rng.choice(kinds, count, p=weight / weight.sum())


def _word(number: int) -> str:
    heads, tails = words.COMPANY_HEADS, words.COMPANY_TAILS
    head, rest = heads[number % len(heads)], number // len(heads)
    more = rest // len(tails)
    return f"{head} {tails[rest % len(tails)]}" + (
        f" {heads[more % len(heads)]}{more // len(heads) or ''}" if more else ""
    )


# --- what becomes of a record on its way into a CRM twice --------------------------------------------


def _worn(rng: np.random.Generator, people: pd.DataFrame) -> pd.DataFrame:
    short = dict(sorted(called_alike()))
    frame = people.copy()

    def some(share: float) -> np.ndarray:
        return rng.random(len(frame)) < share

    def change(column: str, share: float, to: object) -> None:
        frame[column] = frame[column].mask(some(share), to)

    change(
        "first_name", 0.15, frame["first_name"].str.lower().map(short).fillna(frame["first_name"]).str.title()
    )
    change("first_name", 0.05, frame["first_name"].str[0] + ".")
    for column in ("first_name", "last_name", "email", "company", "address"):
        change(column, 0.07, _slipped(rng, frame[column]))
    change(
        "phone",
        0.3,
        frame["phone"].str.replace("+1 ", "(", n=1).str.replace(" ", ") ", n=1).str.replace(" ", "-"),
    )
    own = frame["first_name"].str[0] + frame["last_name"] + frame["truth"].astype(str)
    change("email", 0.2, own.str.lower() + "@gmail.com")
    change("company", 0.2, frame["company"].str.replace(r",? (Inc|GmbH|Ltd|LLC|AG|Group)$", "", regex=True))
    for column, share in {"email": 0.15, "phone": 0.35, "company": 0.2, "address": 0.4, "city": 0.3}.items():
        change(column, share, "")
    swapped = some(0.03)
    frame.loc[swapped, ["first_name", "last_name"]] = frame.loc[
        swapped, ["last_name", "first_name"]
    ].to_numpy()
    return frame


def _slipped(rng: np.random.Generator, column: pd.Series) -> list[str]:
    """Two letters exchanged, one left out, or one doubled."""
    places, kinds = rng.random(len(column)), rng.integers(0, 3, len(column))
    return [
        _slip(text, int(place * max(len(text) - 1, 1)), kind)
        for text, place, kind in zip(column, places, kinds, strict=True)
    ]


def _slip(text: str, at: int, kind: int) -> str:
    if len(text) < 3:
        return text
    return (
        text[:at] + (text[at + 1] + text[at], "", text[at] * 2)[kind] + text[at + (2 if kind == 0 else 1) :]
    )


def shares(truth: pd.Series, found: pd.Series) -> tuple[float, float]:
    """Precision and recall over pairs."""
    frame = pd.DataFrame({"truth": truth.to_numpy(), "found": found.to_numpy()})

    def pairs(by: list[str]) -> int:
        sizes = frame.groupby(by).size()
        return int((sizes * (sizes - 1) // 2).sum())

    right = pairs(["truth", "found"])
    return right / max(pairs(["found"]), 1), right / max(pairs(["truth"]), 1)


def exact(leads: pd.DataFrame) -> pd.Series:
    """What most CRMs do: the same address, else the same name at the same company."""
    key = leads["email"].str.lower()
    other = (
        leads["first_name"].str.lower() + leads["last_name"].str.lower() + "|" + leads["company"].str.lower()
    )
    return key.where(key != "", other)


def main(leads: int = 100_000, seed: int = 1) -> None:
    frame = generated(seed, leads)
    given = frame.drop(columns="truth")
    for name, finds in (("exact keys", exact), ("dedupe", clusters)):
        start = perf_counter()
        found = finds(given)
        seconds = perf_counter() - start
        precision, recall = shares(frame["truth"], found)
        print(
            f"people: {name:10} {leads:>9,} leads  precision {precision:.4f}  recall {recall:.4f}  {seconds:6.1f} s"
        )
    print(f"people: memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")
