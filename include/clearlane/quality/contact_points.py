"""Is this e-mail address or phone number a way of contact, and what is its normal form?

Parsing libraries read one value at a time, so every function loops over the distinct values only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from unicodedata import normalize

import phonenumbers
from email_validator import EmailNotValidError, ValidatedEmail, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

PhoneKey = tuple[str, str | None]

_LONGEST_LOCAL_PART: Final = 64  # RFC 5321, 4.5.3.1.1
_PLAIN: Final = re.compile(
    r"(?=.{1,200}$)([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)@([a-z0-9.-]+)", re.ASCII | re.IGNORECASE
)
"""of an address of letters and digits only its domain can be wrong"""
_UNREADABLE: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "no country code, and no country to read it by",
    NumberParseException.TOO_SHORT_AFTER_IDD: "too short",
    NumberParseException.TOO_SHORT_NSN: "too short",
    NumberParseException.TOO_LONG: "too long",
}
# What people write for a country and no list of names holds.
_NICKNAMES: Final = {
    "usa": "US", "u.s.a.": "US", "u.s.": "US", "united states of america": "US", "america": "US",
    "uk": "GB", "u.k.": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "holland": "NL", "the netherlands": "NL", "uae": "AE", "korea": "KR",
    "republic of korea": "KR", "czech republic": "CZ", "russian federation": "RU", "viet nam": "VN",
    "türkiye": "TR", "turkiye": "TR", "ivory coast": "CI",
}  # fmt: skip


@dataclass(frozen=True)
class EmailVerdict:
    """`normal` is the lower-case address, null where the value is none; then `reason` says why."""

    normal: str | None
    reason: str | None = None


@dataclass(frozen=True)
class PhoneVerdict:
    """`e164` is null where the value is no number; `region` is the ISO country the number belongs to."""

    e164: str | None
    region: str | None = None
    reason: str | None = None


def email_verdicts(values: Iterable[str]) -> Mapping[str, EmailVerdict]:
    """The verdict on each distinct value, by syntax alone (no DNS); white space around it is the caller's.

    International and quoted addresses are fine, and of `Jane Doe <jane@acme.com>` the address is taken.
    Domains that never receive mail (RFC 6761: .invalid, .test, .local) and bare hosts are refused.
    """
    return {value: _email(value) for value in set(values)}


def phone_verdicts(numbers: Iterable[PhoneKey]) -> Mapping[PhoneKey, PhoneVerdict]:
    """The verdict on each distinct (value, ISO region or null): valid by the numbering plan of its country.

    A number without a country code is read as one of its region. Extensions are left out of the normal form.
    """
    return {number: _phone(*number) for number in set(numbers)}


def regions(countries: Iterable[str]) -> Mapping[str, str | None]:
    """The ISO 3166 code of each distinct country: a two-letter code, or a name in any major language."""
    return {country: _region(country) for country in set(countries)}


def _email(value: str) -> EmailVerdict:
    plain = _PLAIN.fullmatch(value)
    if plain and len(plain[1]) <= _LONGEST_LOCAL_PART and (domain := _mail_domain(plain[2])):
        return EmailVerdict(f"{plain[1].lower()}@{domain}")
    return _parsed(value)


@lru_cache(maxsize=100_000)
def _mail_domain(domain: str) -> str | None:
    """The normal form of a domain that can receive mail."""
    found = _parsed(f"a@{domain}").normal
    return found and found.removeprefix("a@")


def _parsed(value: str) -> EmailVerdict:
    try:
        found = validate_email(
            value,
            check_deliverability=False,
            allow_quoted_local=True,
            allow_display_name=True,
            strict=True,
        )
    except (EmailNotValidError, UnicodeError) as refusal:
        return EmailVerdict(None, str(refusal))
    return _fitting(found)


def _fitting(found: ValidatedEmail) -> EmailVerdict:
    local_part = found.normalized.removesuffix(f"@{found.domain}")
    if len(local_part) > _LONGEST_LOCAL_PART:
        return EmailVerdict(None, "The email address is too long before the @-sign.")
    return EmailVerdict(normalize("NFC", found.normalized.lower()))


def _phone(value: str, region: str | None) -> PhoneVerdict:
    try:
        number = phonenumbers.parse(value, region)
    except NumberParseException as refusal:
        return PhoneVerdict(None, reason=_UNREADABLE.get(refusal.error_type, "not a phone number"))
    home = phonenumbers.region_code_for_number(number)
    if home is None or not phonenumbers.is_valid_number_for_region(number, home):
        return PhoneVerdict(None, reason=f"no number of the plan of +{number.country_code}")
    return PhoneVerdict(phonenumbers.format_number(number, PhoneNumberFormat.E164), home)


def _region(country: str) -> str | None:
    name = country.strip()
    code = name.upper()
    return code if code in phonenumbers.SUPPORTED_REGIONS else _region_names().get(_folded(name))


@lru_cache(maxsize=1)
def _region_names() -> Mapping[str, str]:
    from phonenumbers.geodata.locale import LOCALE_DATA

    # A name that starts with `*` only points at the language that holds it.
    names = {
        _folded(name): region
        for region, by_language in LOCALE_DATA.items()
        for name in by_language.values()
        if not name.startswith("*")
    }
    return names | _NICKNAMES


def _folded(name: str) -> str:
    return normalize("NFKC", name).casefold()
