"""Labelled sets of invented names, the same for the same seed: companies, short names, and institutions.

Made from lists of syllables, words and towns, not from the lexicon that the matching reads; noise is what forms,
phones, scanners and hurried people do to names. A lead whose company is no account has no truth.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import pandas as pd

Chance = random.Random


def _each(words: str) -> tuple[str, ...]:
    return tuple(words.split())


class Made(NamedTuple):
    """Accounts (id, name, country) and leads (name, country, the right account or nothing)."""

    name: str
    accounts: list[tuple[str, str, str]]
    leads: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Task:
    """Leads and accounts as the command takes them, and the account that is right for each lead, if any.

    `either` are leads of a company that is there twice: any of its accounts is right, and none has to be taken.
    """

    name: str
    leads: pd.DataFrame
    accounts: pd.DataFrame
    truth: Mapping[str, str]
    either: Mapping[str, Set[str]] = field(default_factory=dict)

    def right(self, lead: str, account: str) -> bool:
        return self.truth.get(lead) == account or account in self.either.get(lead, ())


class Company(NamedTuple):
    """The words of a company's name, its country and its legal form there."""

    words: tuple[str, ...]
    country: str
    form: str

    @property
    def name(self) -> str:
        return " ".join((*self.words, self.form)).strip()


def invented(seed: int, number: int) -> Made:
    """So many companies, a third of them no account: with sisters, branches abroad and namesakes."""
    chance = random.Random(seed)
    companies = _companies(chance, number)
    return _labelled("invented companies", companies, chance, leads_of_each=1)


def short(seed: int, number: int) -> Made:
    """Names of two to five letters, initials of longer ones, and names with numbers in them."""
    chance = random.Random(seed)
    made = [_short_name(chance) for _ in range(number)]
    companies = [
        Company(words, country, chance.choice(FORMS[country]))
        for words, country in zip(dict.fromkeys(made), chance.choices(COUNTRIES, k=number), strict=False)
    ]
    return _labelled("short names and numbers", companies, chance, leads_of_each=2)


def institutions(seed: int, number: int) -> Made:
    """Schools, hospitals, public bodies, law firms, branches and franchises; most differ in one word."""
    chance = random.Random(seed)
    names = list(dict.fromkeys(chance.choice(_INSTITUTIONS)(chance) for _ in range(number)))
    companies = [Company(tuple(name.split()), "US", "") for name in names]
    return _labelled("institutions and franchises", companies, chance, leads_of_each=2, changes=_PUBLIC)


def _labelled(
    name: str,
    companies: Sequence[Company],
    chance: Chance,
    leads_of_each: int,
    changes: Sequence[Change] | None = None,
) -> Made:
    accounts, leads = [], []
    for number, company in enumerate(companies):
        account = f"a{number}" if chance.random() > 1 / 3 else ""
        if account:
            accounts.append((account, company.name, company.country))
        for _ in range(leads_of_each):
            country = company.country if chance.random() < 0.5 else ""
            leads.append((written(company, chance, changes or _USUAL), country, account))
    return Made(name, accounts, leads)


# --- companies --------------------------------------------------------------------------------------

FORMS: Final = {
    "US": ["Inc.", "LLC", "Corp.", "Co.", "Corporation", ""],
    "GB": ["Ltd", "Limited", "PLC", "LLP"],
    "DE": ["GmbH", "AG", "GmbH & Co. KG", "KG", "SE"],
    "FR": ["SA", "SAS", "SARL"],
    "NL": ["B.V.", "N.V."],
    "ES": ["S.L.", "S.A."],
    "IT": ["S.p.A.", "S.r.l."],
    "SE": ["AB"],
    "PL": ["Sp. z o.o.", "S.A."],
    "BR": ["Ltda.", "S.A."],
    "JP": ["K.K.", "Co., Ltd."],
    "IN": ["Pvt. Ltd.", "Limited"],
}
COUNTRIES: Final = tuple(FORMS)
_IN: Final = {
    "US": "USA", "GB": "UK", "DE": "Deutschland", "FR": "France", "NL": "Nederland", "ES": "España", "IT": "Italia",
    "SE": "Sverige", "PL": "Polska", "BR": "Brasil", "JP": "Japan", "IN": "India",
}  # fmt: skip
_ONSETS: Final = _each("b br c ch cl cr d dr f fl g gr h j k kl l m n p pr qu r s sch sk sl st t th tr v w z")
_VOWELS: Final = _each("a a e e i o o u ai ea ie ou ö ü é")
_CODAS: Final = _each("l ll m n nn nd nt r rd rk s ss st t x ck ng")
_SURNAMES: Final = _each(
    "Smith Jones Brown Taylor Wilson Davies Evans Walker Wright Robinson Thompson White Hughes Edwards Green Hall Wood "
    "Harris Lewis Clarke Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer Richter "
    "Klein Wolf Dubois Moreau Laurent Lefebvre Garcia Lopez Martinez Rossi Ferrari Bianchi Romano Jansen Visser Bakker "
    "Kowalski Nowak Andersson Johansson Lindqvist Tanaka Suzuki Sato Patel Sharma Gupta Singh Khan Silva Santos"
)
_PLAIN: Final = _each(
    "Harbor Summit Granite Falcon Meadow Prairie Copper Lantern Orchid Beacon Juniper Cobalt Driftwood Ember Fable "
    "Gravity Hollow Ivory Jasper Kindred Ledger Mosaic Nimbus Opal Pinnacle Quarry Ripple Saffron Thistle Umbra Vertex "
    "Willow Yonder Zephyr Anchor Bright Clear Delta Eagle First Global Horizon Iron Keystone Liberty National Pacific"
)
_TRADES: Final = _each(
    "Software Technologies Systems Foods Bank Insurance Logistics Pharma Energy Consulting Solutions Motors Steel "
    "Chemicals Electronics Media Networks Engineering Construction Textiles Capital Partners Medical Instruments "
    "Packaging Robotics Analytics Telecom Airlines Hotels Shipping Security Design Marketing Furniture Plastics"
)
_FILLERS: Final = _each("Group Holdings International Industries Enterprises Global Services")


def _companies(chance: Chance, number: int) -> list[Company]:
    found: dict[tuple[tuple[str, ...], str], Company] = {}
    while len(found) < number:
        for company in _family(chance):
            found.setdefault((company.words, company.country), company)
    return list(found.values())[:number]


def _family(chance: Chance) -> Iterator[Company]:
    """A company; one in eight with a sister of another trade, one in ten with a branch, one in 200 a namesake."""
    stem, country = _stem(chance), chance.choice(COUNTRIES)
    words = (*stem, *_what_it_does(chance))
    yield Company(words, country, chance.choice(FORMS[country]))
    if chance.random() < 1 / 8:
        yield Company((*stem, chance.choice(_TRADES)), country, chance.choice(FORMS[country]))
    abroad = chance.choice([other for other in COUNTRIES if other != country])
    if chance.random() < 1 / 10:
        yield Company((*words, _IN[abroad]), abroad, chance.choice(FORMS[abroad]))
    if chance.random() < 1 / 200:
        yield Company(words, abroad, chance.choice(FORMS[abroad]))


def _stem(chance: Chance) -> tuple[str, ...]:
    kind = chance.random()
    if kind < 0.65:
        return (_coined(chance),)
    if kind < 0.75:
        return (_coined(chance), _coined(chance))
    if kind < 0.85:
        return tuple(chance.sample(_SURNAMES, 2)) if chance.random() < 0.5 else (_coined(chance), "&", "Sons")
    return (chance.choice(_PLAIN), _coined(chance) if chance.random() < 0.6 else chance.choice(_PLAIN))


def _coined(chance: Chance) -> str:
    syllables = chance.choice((2, 2, 2, 3))
    sounds = [chance.choice(_ONSETS) + chance.choice(_VOWELS) for _ in range(syllables)]
    return ("".join(sounds) + chance.choice((*_CODAS, "", "", ""))).capitalize()


def _what_it_does(chance: Chance) -> tuple[str, ...]:
    trade = (chance.choice(_TRADES),) if chance.random() < 0.75 else ()
    return (*trade, chance.choice(_FILLERS)) if chance.random() < 0.2 else trade


def _short_name(chance: Chance) -> tuple[str, ...]:
    letters = "".join(chance.choices("ABCDEFGHIKLMNOPRSTUVWXZ", k=chance.choice((3, 3, 4, 4, 5))))
    kind = chance.random()
    if kind < 0.3:
        return (letters,)
    if kind < 0.5:
        return (letters, chance.choice(_TRADES))
    if kind < 0.6:
        return (f"{letters[:1]}&{letters[1:2]}", _coined(chance))
    if kind < 0.75:
        return (_coined(chance)[:4], chance.choice(_TRADES))
    if kind < 0.9:
        return (f"{chance.choice(('Studio', 'Area', 'Route', 'Level', 'Channel'))}", str(chance.randrange(2, 99)),
                chance.choice(_TRADES))  # fmt: skip
    return (f"{chance.randrange(1, 99)}{letters[:2]}", chance.choice(_TRADES))


# --- institutions -----------------------------------------------------------------------------------

_TOWNS: Final = _each(
    "Springfield Riverside Fairview Franklin Greenville Bristol Clinton Salem Georgetown Madison Arlington Ashland "
    "Dover Oxford Jackson Burlington Manchester Milton Newport Auburn Dayton Lexington Milford Winchester Cleveland "
    "Hudson Kingston Oakland Lebanon Denver Boulder Austin Portland Tampa Omaha Tucson Fresno Boise Reno Toledo"
)
_SAINTS: Final = _each(
    "Mary Luke John Joseph Peter Paul Anne James Vincent Francis Michael Elizabeth Thomas Mark"
)
_STATES: Final = _each(
    "Ohio Texas Oregon Kansas Utah Iowa Maine Idaho Alabama Georgia Virginia Michigan Nevada"
)
_BRANDS: Final = _each(
    "Toyota Honda Ford Hyundai Subaru Hilton Marriott Hyatt Radisson Subway Pizza_Hut Re/Max Keller_Williams "
    "Snap_Fitness Anytime_Fitness Jiffy_Lube Servpro Kumon Sylvan_Learning"
)


def _school(chance: Chance) -> str:
    level = chance.choice(
        ("High School", "Middle School", "Elementary School", "Community College", "Academy")
    )
    return f"{chance.choice(_TOWNS)} {level}"


def _saints(chance: Chance) -> str:
    kind = chance.choice(("Hospital", "Medical Center", "School", "Catholic Church", "Health System"))
    town = f" {chance.choice(_TOWNS)}" if chance.random() < 0.3 else ""
    return f"St. {chance.choice(_SAINTS)}'s {kind}{town}"


def _university(chance: Chance) -> str:
    place = chance.choice((*_STATES, *_TOWNS))
    return chance.choice(
        ("University of {}", "{} University", "{} State University", "{} Institute of Technology")
    ).format(place)


def _public(chance: Chance) -> str:
    town = chance.choice(_TOWNS)
    pattern = (
        "City of {}", "{} County", "Town of {}", "{} School District", "{} Police Department", "{} Public Library",
        "{} Fire Department", "{} Housing Authority", "{} Regional Hospital", "{} Chamber of Commerce",
    )  # fmt: skip
    if chance.random() < 0.2:
        what = chance.choice(("Health", "Transportation", "Education", "Revenue", "Agriculture"))
        return f"{chance.choice(_STATES)} Department of {what}"
    return chance.choice(pattern).format(town)


def _lawyers(chance: Chance) -> str:
    names = chance.sample(_SURNAMES, chance.choice((2, 2, 3)))
    joined = f"{', '.join(names[:-1])} & {names[-1]}"
    return f"{joined} {chance.choice(('LLP', 'LLP', 'P.C.', 'PLLC', 'Law Group'))}"


def _franchise(chance: Chance) -> str:
    brand, town = chance.choice(_BRANDS).replace("_", " "), chance.choice(_TOWNS)
    return f"{brand} of {town}" if brand in _BRANDS[:5] else f"{brand} {town}"


_INSTITUTIONS: Final = (_school, _saints, _university, _public, _lawyers, _franchise)


# --- noise ------------------------------------------------------------------------------------------

Change = Callable[[Company, str, Chance], str]
"""(company, its name as written so far) → as someone else writes it"""


def written(company: Company, chance: Chance, changes: Sequence[Change]) -> str:
    """The company's name with none (one in ten), one or two changes."""
    name = company.name
    for change in sorted(chance.sample(changes, chance.choices((0, 1, 2), (1, 7, 2))[0]), key=_ORDER.index):
        name = change(company, name, chance)
    return name


def typo(company: Company, name: str, chance: Chance) -> str:
    """A letter left out, twice, swapped with the next, or the key beside it, as on a phone."""
    places = [i for i, letter in enumerate(name) if i and letter.isalpha() and letter.lower() in _BESIDE]
    if len(places) < 4:
        return name
    at = chance.choice(places)
    return chance.choice(
        (
            name[:at] + name[at + 1 :],
            name[:at] + name[at] * 2 + name[at + 1 :],
            name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :],
            name[:at] + chance.choice(_BESIDE[name[at].lower()]) + name[at + 1 :],
        )
    )


_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE: Final = {
    row[i]: row[max(i - 1, 0) : i] + row[i + 1 : i + 2] for row in _ROWS for i in range(len(row))
}


def no_form(company: Company, name: str, chance: Chance) -> str:
    return name.removesuffix(company.form).strip(" ,")


def form_abroad(company: Company, name: str, chance: Chance) -> str:
    """The legal form as another country writes it."""
    form = chance.choice(FORMS[chance.choice(COUNTRIES)])
    return f"{name.removesuffix(company.form).strip()} {form}".strip()


def form_in_full(company: Company, name: str, chance: Chance) -> str:
    return name.removesuffix(company.form) + _IN_FULL.get(company.form, company.form)


_IN_FULL: Final = {
    "Inc.": "Incorporated", "Corp.": "Corporation", "Ltd": "Limited", "AG": "Aktiengesellschaft", "Co.": "Company",
    "GmbH": "Gesellschaft mit beschränkter Haftung", "SA": "Société Anonyme", "S.p.A.": "Società per Azioni",
    "LLC": "Limited Liability Company", "PLC": "Public Limited Company", "AB": "Aktiebolag",
    "Sp. z o.o.": "Spółka z ograniczoną odpowiedzialnością", "S.L.": "Sociedad Limitada", "B.V.": "BV",
}  # fmt: skip


def no_spaces(company: Company, name: str, chance: Chance) -> str:
    return "".join(company.words).lower()


def one_space_less(company: Company, name: str, chance: Chance) -> str:
    gaps = [i for i, letter in enumerate(name) if letter == " "]
    at = chance.choice(gaps) if gaps else len(name)
    return name[:at] + name[at + 1 :]


def as_domain(company: Company, name: str, chance: Chance) -> str:
    """The website typed as the company."""
    plain = "".join(company.words).lower()
    for letter, spelled in _UMLAUTS.items():
        plain = plain.replace(letter, spelled)
    plain = "".join(letter for letter in plain if letter.isascii() and letter.isalnum())
    ending = chance.choice((".com", ".com", f".{company.country.lower().replace('gb', 'co.uk')}", ".io"))
    return chance.choice(("", "www.")) + plain + ending


def spelled_out(company: Company, name: str, chance: Chance) -> str:
    for letter, letters in _UMLAUTS.items():
        name = name.replace(letter, letters).replace(letter.upper(), letters.capitalize())
    return name.replace("é", "e").replace("É", "E")


_UMLAUTS: Final = {"ö": "oe", "ü": "ue", "ä": "ae", "é": "e", "ñ": "n"}


def without_accents(company: Company, name: str, chance: Chance) -> str:
    return name.translate(str.maketrans("öüäéñÖÜÄÉ", "ouaenOUAE"))


def ampersand(company: Company, name: str, chance: Chance) -> str:
    return re.sub(r" ?& ?", " and ", name) if "&" in name else name.replace(" and ", " & ")


def leading_the(company: Company, name: str, chance: Chance) -> str:
    return f"The {name}"


def department(company: Company, name: str, chance: Chance) -> str:
    what = chance.choice(
        ("Marketing Department", "IT", "HR Dept.", "Sales", "Purchasing", "Accounts Payable")
    )
    return chance.choice((f"{name} - {what}", f"{name}, {what}", f"{name} ({what})"))


def formerly(company: Company, name: str, chance: Chance) -> str:
    return f"{name} {chance.choice(('(formerly {})', 'formerly {}', 'f/k/a {}')).format(_coined(chance))}"


def cased(company: Company, name: str, chance: Chance) -> str:
    return chance.choice((name.upper(), name.lower()))


def misread(company: Company, name: str, chance: Chance) -> str:
    """A scanner's mistake: one letter read as another."""
    places = [i for i, letter in enumerate(name) if letter in _MISREAD]
    if not places:
        return name
    at = chance.choice(places)
    return name[:at] + _MISREAD[name[at]] + name[at + 1 :]


_MISREAD: Final = {
    "l": "1",
    "o": "0",
    "O": "0",
    "I": "l",
    "m": "rn",
    "S": "5",
    "B": "8",
    "e": "c",
    "h": "b",
    "i": "l",
}


def abbreviated(company: Company, name: str, chance: Chance) -> str:
    for whole, brief in _BRIEF.items():
        name = name.replace(whole, brief)
    return name


_BRIEF: Final = {
    "Technologies": "Tech", "International": "Intl.", "Systems": "Sys", "Solutions": "Soln", "Engineering": "Eng.",
    "Construction": "Constr.", "Group": "Grp", "Services": "Svcs", "Industries": "Ind.", "Logistics": "Log.",
    "Pharma": "Pharmaceuticals", "University": "Univ.", "Department": "Dept.", "Hospital": "Hosp.", "Center": "Ctr.",
    "Elementary": "Elem.", "High School": "HS", "Saint": "St", "Institute": "Inst.", "County": "Cnty",
}  # fmt: skip


def turned(company: Company, name: str, chance: Chance) -> str:
    """The first word behind the others, as catalogues sort."""
    first, *rest = name.removesuffix(company.form).split()
    return f"{' '.join(rest)}, {first}" if rest else name


def shorter(company: Company, name: str, chance: Chance) -> str:
    """Without the last word, where it says what the company does: `Uber` for Uber Technologies."""
    last = company.words[-1]
    return " ".join(company.words[:-1]) if last in (*_TRADES, *_FILLERS) else name


def with_place(company: Company, name: str, chance: Chance) -> str:
    """Where the company is, behind its name."""
    return f"{name}, {chance.choice(('Main Office', 'Head Office', 'HQ'))}"


def saint(company: Company, name: str, chance: Chance) -> str:
    return name.replace("St. ", chance.choice(("Saint ", "St ", "SAINT "))).replace(
        "'s", chance.choice(("s", ""))
    )


_ORDER: Final = (
    form_abroad, form_in_full, no_form, shorter, abbreviated, saint, ampersand, turned, leading_the, spelled_out,
    without_accents, formerly, no_spaces, as_domain, typo, misread, one_space_less, with_place, department, cased,
)  # fmt: skip
"""in which they happen: first what the company is called, then how it is typed, then what is put behind it"""
_USUAL: Final[tuple[Change, ...]] = (
    typo, typo, no_form, no_form, form_abroad, form_in_full, no_spaces, one_space_less, as_domain, spelled_out,
    without_accents, ampersand, leading_the, department, formerly, cased, misread, abbreviated, turned, with_place,
    shorter,
)  # fmt: skip
_PUBLIC: Final[tuple[Change, ...]] = (
    typo, ampersand, leading_the, department, cased, misread, abbreviated, saint, saint, one_space_less, with_place,
)  # fmt: skip
