"""A labelled set of a CRM that has grown: accounts entered twice, sisters at one address, leads that say odd things.

Unlike those of `matching_sets` its accounts and leads have domains, cities and addresses, and these may mislead: half
of the leads write from a free, a new or another company's domain. Some type the brand, a name they trade as, the
company that they work for as an agency, or `c/o`. Of two accounts that a lead speaks of neither is right, and of a
company that is there twice either: to ask is right.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from benchmarks.matching_sets import Task

Chance = random.Random
Row = dict[str, str]


def _each(words: str) -> tuple[str, ...]:
    return tuple(words.split())


@dataclass(frozen=True)
class Firm:
    """A company; `brand` is another name that it goes by."""

    key: str
    name: str
    form: str
    brand: str
    domain: str
    city: str
    address: str

    @property
    def full(self) -> str:
        return f"{self.name} {self.form}".strip()


def grown(seed: int, number: int) -> Task:
    """So many companies, a third of them no account, one account in seven there twice."""
    chance = random.Random(seed)
    firms = [firm for family in range(number) for firm in _family(f"f{family}", chance)][:number]
    known = [firm for firm in firms if chance.random() > 1 / 3]
    entered = {firm.key: list(_entered(firm, chance)) for firm in known}
    by_domain = [firm for firm in known if any(row["domain"] for row in entered[firm.key])]
    leads = [_lead(f"l{i}", firm, chance.choice(by_domain), chance) for i, firm in enumerate(firms)]
    right = {row["lead_id"]: _right(lead, entered) for lead, row in leads}
    return Task(
        "a grown CRM",
        pd.DataFrame([row for _, row in leads]),
        pd.DataFrame([row for rows in entered.values() for row in rows]),
        {lead: accounts[0] for lead, accounts in right.items() if len(accounts) == 1},
        {lead: frozenset(accounts) for lead, accounts in right.items() if len(accounts) > 1},
    )


def _right(lead: Said, entered: Mapping[str, Sequence[Row]]) -> list[str]:
    """The accounts that are right: of two companies none; of one that only the domain tells, those that have it."""
    of_each = [
        [row["account_id"] for row in entered.get(key, ()) if row["domain"] or not lead.by_domain]
        for key in lead.keys
    ]
    found = [accounts for accounts in of_each if accounts]
    return found[0] if len(found) == 1 else []


# --- companies --------------------------------------------------------------------------------------

_FIRST: Final = _each(
    "Stone Bright Ash Silver North Black Green River Oak Clear Fox Raven Iron Gold Sun Moor Thorn Hazel Swan Wolf "
    "Kings Queens Fair Long High Whit Red Blue Storm Winter Elm Birch Marsh Lake Sand Salt Cross Heath"
)
_SECOND: Final = _each(
    "gate water field wood bridge ford well ridge mere dale combe croft port haven wick shaw thorpe by ham ley brook "
    "holm stead worth ton burn hurst mouth rock cliffe"
)
_PEOPLE: Final = _each(
    "Abernathy Okafor Petrossian Villanueva Haugland Szymanski Brandvold Castellani Dufresne Eriksen Fitzgerald "
    "Gallagher Hakimi Iversen Jankovic Kawasaki Lindgren Marchetti Nakamura Oyelaran Papadakis Quintero Rasmussen "
    "Stavros Toivonen"
)
_DOES: Final = _each(
    "Software Logistics Foods Insurance Engineering Plastics Pharma Consulting Energy Media Dental Packaging Interiors "
    "Tools Lighting Freight Catering Recruitment Roofing Metals Optics Printing Apparel Brewing Ceramics"
)
_FORMS: Final = _each("Ltd Ltd Limited Inc. LLC GmbH plc Corp.")
_CITIES: Final = _each(
    "Leeds Boston Hamburg Dublin Toronto Chicago Bristol Munich Austin Glasgow Denver Leipzig"
)
_STREETS: Final = ("High Street", "Mill Lane", "Station Road", "Main Street", "Park Avenue", "Harbour Way")
_SISTER: Final = ("Holdings", "Real Estate", "Properties", "Pension Fund", "Foundation", "Leasing", "Ireland")


def _family(key: str, chance: Chance) -> Iterator[Firm]:
    """A company, and of one in four a sister at the same address."""
    head = _firm(key, chance)
    yield head
    if chance.random() < 1 / 4:
        name = f"{head.name.rpartition(' ')[0] or head.name} {chance.choice(_SISTER)}"
        yield replace(
            head, key=f"{key}s", name=name, form=chance.choice(_FORMS), brand="", domain=_new(chance)
        )


def _firm(key: str, chance: Chance) -> Firm:
    name = chance.choice((_place_like, _after_people, _letters))(chance)
    brand = _otherwise(chance) if chance.random() < 0.1 else ""
    label = (brand or name).lower().replace("&", "and").replace(" ", "")
    address = f"{chance.randrange(1, 300)} {chance.choice(_STREETS)}"
    domain = f"{label}.{chance.choice(('com', 'com', 'co.uk', 'de', 'io'))}"
    return Firm(key, name, chance.choice(_FORMS), brand, domain, chance.choice(_CITIES), address)


def _place_like(chance: Chance) -> str:
    stem = chance.choice(_FIRST) + chance.choice(_SECOND)
    more = f" {chance.choice(_FIRST)}" if chance.random() < 0.2 else ""
    return f"{stem}{more} {chance.choice(_DOES)}" if chance.random() < 0.8 else f"{stem}{more}"


def _otherwise(chance: Chance) -> str:
    """A name that no company has by itself."""
    return f"{chance.choice(_SECOND)}{chance.choice(_FIRST)}{chance.choice(_SECOND)}".capitalize()


def _after_people(chance: Chance) -> str:
    return f"{' & '.join(chance.sample(_PEOPLE, 2))} {chance.choice(_DOES)}"


def _letters(chance: Chance) -> str:
    return f"{''.join(chance.choices('ABCDEFGHKLMNPRSTVWZ', k=4))} {chance.choice(_DOES)}"


# --- accounts ---------------------------------------------------------------------------------------


def _entered(firm: Firm, chance: Chance) -> Iterator[Row]:
    yield _account(firm.key, firm, firm.full, chance)
    if chance.random() < 1 / 7:
        again = (firm.name, firm.full.upper(), firm.full.replace(" & ", " and "), f"{firm.full} (old)")
        yield _account(f"{firm.key}-again", firm, chance.choice(again), chance)


def _account(key: str, firm: Firm, name: str, chance: Chance) -> Row:
    return {
        "account_id": key,
        "name": name,
        "city": firm.city if chance.random() < 0.7 else "",
        "address": firm.address if chance.random() < 0.6 else "",
        "domain": firm.domain if chance.random() < 0.7 else "",
    }


# --- leads ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What a lead types, its mail domain, the companies of which it speaks; `by_domain` is where nothing else tells."""

    company: str
    domain: str
    keys: tuple[str, ...]
    by_domain: bool = False


def _lead(key: str, firm: Firm, client: Firm, chance: Chance) -> tuple[Said, Row]:
    said = _said(firm, client, chance)
    row = {
        "lead_id": key,
        "company": said.company,
        "city": firm.city if chance.random() < 0.5 else "",
        "address": firm.address if chance.random() < 0.3 else "",
        "email": f"jo@{said.domain}",
    }
    return said, row


def _said(firm: Firm, other: Firm, chance: Chance) -> Said:
    """One in twenty writes from another company, as many are c/o another, one in twelve tells a name they trade as."""
    free, kind = chance.choice(("gmail.com", "outlook.com")), chance.random()
    if kind < 0.05 and other is not firm:
        return Said(firm.name, other.domain, (firm.key, other.key))
    if kind < 0.10:
        return Said(f"{firm.name} c/o {other.full}", free, (firm.key,))
    if kind < 0.18:
        return Said(f"{firm.full} t/a {_otherwise(chance)}", free, (firm.key,))
    if firm.brand and kind < 0.6:
        return Said(firm.brand, firm.domain, (firm.key,), by_domain=True)
    return Said(
        _typed(firm, chance), chance.choice((firm.domain, firm.domain, free, _new(chance))), (firm.key,)
    )


def _new(chance: Chance) -> str:
    return f"{chance.choice(_FIRST)}{chance.choice(_SECOND)}{chance.randrange(100)}.net".lower()


def _typed(firm: Firm, chance: Chance) -> str:
    at = chance.randrange(1, len(firm.name) - 1)
    return chance.choice(
        (
            firm.full,
            firm.name,
            firm.name.lower(),
            firm.full.upper(),
            firm.name.replace(" & ", " and "),
            firm.name[:at] + firm.name[at + 1 :],
            f"The {firm.name} Company",
            f"{firm.full}, {firm.city}",
        )
    )
