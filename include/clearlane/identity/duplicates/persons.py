"""The columns that say who somebody is, by their many names, in a form in which they can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from clearlane.identity import normalise
from clearlane.identity.mail_domains import is_desk

FIELDS: Final[Mapping[str, str]] = {
    "first": "first_name firstname first given_name givenname fname forename",
    "last": "last_name lastname last surname lname family_name",
    "name": "name full_name fullname contact_name person_name contact",
    "generation": "suffix name_suffix generation",
    "email": "email e_mail mail email_address emailaddress emails work_email personal_email",
    "phone": "phone phone_number phonenumber telephone tel mobile mobile_phone cell work_phone phones",
    "company": "company company_name organisation organization employer account account_name",
    "street": "address street address_line street_address address_line_1 address_1 street_name addr",
    "number": "street_number house_number",
    "district": "address_2 address_line_2",
    "city": "city suburb town locality",
    "postcode": "postcode zip zip_code zipcode postal_code post_code postal",
    "state": "state province region county",
    "country": "country country_code",
    "birth": "date_of_birth dob birth_date birthdate birthday",
    "identifier": "soc_sec_id ssn social_security_number national_id tax_id passport linkedin linkedin_url",
    "domain": "website web url domain",
}
"""Field → the columns that hold it; `email2` or `phone_2` is one more of a field."""
IDS: Final = ("lead_id", "rec_id", "record_id", "unique_id", "person_id", "contact_id", "id")
NAMES: Final = "names"
MANY: Final = ("email", "phone")
KEPT: Final = 3
"""values of a field of which a lead may have several"""
_PEOPLE: Final = frozenset({"first", "last", "email", "phone", "identifier", "birth"})

_ODD: Final = re.compile(r"[^a-z0-9]+")
_NUMBERED: Final = re.compile(r"_?\d$")
_SEVERAL: Final = re.compile(r"[;,|\n]| / | or | and ")
_EXTENSION: Final = re.compile(r"(?:ext|x|durchwahl|#)\.?\s*\d+\s*$")
_NO_DIGIT: Final = re.compile(r"\D+")
_TITLES: Final = frozenset(
    "mr mrs ms miss dr prof sir herr frau dipl ing mag md phd esq".split()  # noqa: SIM905
)
_GENERATIONS: Final = {
    "jr": "jr", "jnr": "jr", "junior": "jr", "ii": "jr", "2nd": "jr", "sr": "sr", "snr": "sr", "senior": "sr",
    "iii": "iii", "3rd": "iii", "iv": "iv", "4th": "iv",
}  # fmt: skip
"""what tells a father from a son of one name; II and Jr are used for one another"""
_STREETS: Final = {
    "st": "street", "str": "street", "rd": "road", "ave": "avenue", "av": "avenue", "blvd": "boulevard", "dr": "drive",
    "ln": "lane", "pl": "place", "ct": "court", "cct": "circuit", "cres": "crescent", "cr": "crescent",
    "hwy": "highway", "pde": "parade", "sq": "square", "tce": "terrace", "ter": "terrace", "n": "north", "s": "south",
    "e": "east", "w": "west", "strasse": "street", "pkwy": "parkway", "apt": "apartment", "ste": "suite", "fl": "floor",
}  # fmt: skip
_NUMBER_LENGTH: Final = 9
"""last digits of a phone number: what stays the same with and without the codes of country and trunk"""


class NothingToCompare(ValueError):
    """No column of the list says who somebody is."""


@dataclass(frozen=True)
class Words:
    """Texts by their number: `codes` of each place, `distinct` by number."""

    codes: np.ndarray
    distinct: pd.Series

    @classmethod
    def of(cls, texts: pd.Series) -> Words:
        codes, distinct = pd.factorize(texts)
        return cls(codes.astype(np.int64), pd.Series(distinct, dtype=object))


@dataclass(frozen=True)
class Persons:
    """Leads in an order of their own, so that what follows does not depend on the order given.

    `rows` are their places in the list, `ids` their ids. `texts` holds one normal form per field, '' where unknown;
    `several` per field of MANY an array (leads, KEPT) of codes of values, -1 where there is none.
    """

    rows: np.ndarray
    ids: np.ndarray
    texts: pd.DataFrame
    several: Mapping[str, np.ndarray]

    @property
    def fields(self) -> list[str]:
        return list(map(str, self.texts.columns))

    @cached_property
    def words(self) -> Mapping[str, Words]:
        """Per field the distinct texts; NAMES holds those of first and last names, the last names behind the first."""
        words = {field: Words.of(self.texts[field]) for field in self.fields}
        if "first" in words and "last" in words:
            words[NAMES] = Words.of(pd.concat([self.texts["first"], self.texts["last"]], ignore_index=True))
        return words


def persons(leads: pd.DataFrame) -> Persons:
    """The leads of a list. Raises NothingToCompare."""
    columns = _columns(leads)
    texts = pd.DataFrame(index=pd.RangeIndex(len(leads)))
    lists = {field: _lists(leads, columns[field], _MANY[field]) for field in MANY if field in columns}
    for field, names in columns.items():
        texts[field] = (
            _text(leads, names, field) if field not in lists else [v[0] if v else "" for v in lists[field]]
        )
    texts = _named(_with_generations(texts))
    if not _PEOPLE & set(texts):
        allowed = ", ".join(sorted(name for field in (*_PEOPLE, "name") for name in FIELDS[field].split()))
        raise NothingToCompare(
            f"found the columns {', '.join(map(str, leads.columns))}; one is needed of: {allowed}"
        )
    given = ids(leads)
    keys = [texts[field] for field in sorted(map(str, texts))]
    order = np.lexsort([pd.factorize(key, sort=True)[0] for key in (pd.Series(given), *keys)])
    return Persons(
        order, given[order], texts.iloc[order].reset_index(drop=True),
        {field: _codes(values)[order] for field, values in lists.items()},
    )  # fmt: skip


def _columns(leads: pd.DataFrame) -> dict[str, list[str]]:
    known = {name: field for field, names in FIELDS.items() for name in names.split()}
    found: dict[str, list[str]] = {}
    for column in leads.columns:
        name = _ODD.sub("_", str(column).lower()).strip("_")
        field = known.get(name) or known.get(_NUMBERED.sub("", name))
        if field:
            found.setdefault(field, []).append(str(column))
    return found


def id_column(leads: pd.DataFrame) -> str | None:
    """The first column of IDS that is there, however it is written: `Lead ID` is lead_id."""
    names = {_ODD.sub("_", str(column).lower()).strip("_"): str(column) for column in leads.columns}
    return next((names[name] for name in IDS if name in names), None)


def ids(leads: pd.DataFrame) -> np.ndarray:
    """The id of each row, as text: of the first column of IDS that is there, else its number from 1."""
    column = id_column(leads)
    given = (
        leads[column].astype(str) if column is not None else pd.Series(range(1, len(leads) + 1)).astype(str)
    )
    return given.to_numpy(dtype=object).astype(str)


# --- fields -----------------------------------------------------------------------------------------


def _text(leads: pd.DataFrame, columns: list[str], field: str) -> pd.Series:
    values = _joined(leads, columns, " ").str.strip()
    return values.map(_FORMS.get(field, _plain)(values.unique())).astype(object).fillna("")


def _lists(leads: pd.DataFrame, columns: list[str], normal: Callable[[str], str]) -> list[list[str]]:
    texts = _joined(leads, columns, "|")
    forms = {
        text: [form for part in _SEVERAL.split(text) if (form := normal(part))] for text in texts.unique()
    }
    return [list(dict.fromkeys(forms[text]))[:KEPT] for text in texts]


def _joined(leads: pd.DataFrame, columns: list[str], separator: str) -> pd.Series:
    joined = _texts(leads[columns[0]])
    for column in columns[1:]:
        joined = joined + separator + _texts(leads[column])
    return joined


def _texts(column: pd.Series) -> pd.Series:
    texts = column.reset_index(drop=True)
    if texts.dtype == object and pd.api.types.infer_dtype(texts, skipna=False) == "string":
        return texts
    return texts.astype("str").fillna("").astype(object)


def _codes(values: list[list[str]]) -> np.ndarray:
    padded = [value or None for row in values for value in (row + [""] * KEPT)[:KEPT]]
    return pd.factorize(np.array(padded, dtype=object))[0].reshape(len(values), KEPT)


def _email(value: str) -> str:
    """Lower case, without a tag; dots count for nothing at Gmail, and desks are nobody."""
    local, at, domain = value.strip().strip("<>").lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in ("gmail.com", "googlemail.com"):
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}" if at and local and "." in domain and not is_desk(local) else ""


def _phone(value: str) -> str:
    digits = _NO_DIGIT.sub("", _EXTENSION.sub("", value.lower().strip()))
    return digits[-_NUMBER_LENGTH:] if len(digits) >= 6 and len(set(digits)) > 2 else ""


_MANY: Final = {"email": _email, "phone": _phone}


def _each(normal: Callable[[str], str]) -> Callable[[Iterable[str]], dict[str, str]]:
    return lambda values: {value: normal(value) for value in values}


def _words(value: str) -> str:
    return " ".join(_ODD.sub(" ", normalise.folded(value)).split())


def _street(value: str) -> str:
    return " ".join(_STREETS.get(word, word) for word in _words(value).split())


def _person(value: str) -> str:
    return " ".join(word for word in normalise.people([value]).get(value, "").split() if word not in _TITLES)


def _generation(value: str) -> str:
    return _GENERATIONS.get(_words(value), "")


_plain: Final = _each(_words)
_FORMS: Final[Mapping[str, Callable[[Iterable[str]], dict[str, str]]]] = {
    "first": _each(_person),
    "last": _each(_person),
    "name": _each(_person),
    "generation": _each(_generation),
    "company": normalise.companies,
    "street": _each(_street),
    "postcode": _each(lambda value: _words(value).replace(" ", "")),
    "birth": _each(lambda value: _NO_DIGIT.sub("", value)),
    "identifier": _each(lambda value: _words(value).replace(" ", "")),
    "domain": normalise.domains,
}


def _with_generations(texts: pd.DataFrame) -> pd.DataFrame:
    """Junior and senior as a field of their own, and names without; no such field where nobody is either."""
    found = (
        texts.pop("generation") if "generation" in texts else pd.Series("", index=texts.index, dtype=object)
    )
    for field, least in (("last", 2), ("name", 3)):
        if field in texts:
            parts = {name: _parted(name, least) for name in texts[field].unique()}
            found = found.mask(found == "", texts[field].map({name: part[1] for name, part in parts.items()}))
            texts[field] = texts[field].map({name: part[0] for name, part in parts.items()})
    if (found != "").any():
        texts["generation"] = found
    return texts


def _parted(name: str, least: int) -> tuple[str, str]:
    """A name of at least so many words without its generation, and that: of `smith jr`, `john jr smith`."""
    words = name.split()
    place = next((n for n, one in enumerate(words) if one in _GENERATIONS and (n or len(one) < 4)), None)
    if place is None or len(words) < least:
        return name, ""
    return " ".join(words[:place] + words[place + 1 :]), _GENERATIONS[words[place]]


def _named(texts: pd.DataFrame) -> pd.DataFrame:
    """First and last name, taken from the whole name where they are not given apart."""
    if "name" not in texts:
        return texts
    whole = texts.pop("name").str.split()
    parts = {"first": whole.str[0], "last": whole.str[1:].str[-1]}
    for field, part in parts.items():
        found = part.astype(object).fillna("")
        texts[field] = texts[field].mask(texts[field] == "", found) if field in texts else found
    return texts
