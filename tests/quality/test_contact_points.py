"""Verdicts on e-mail addresses and phone numbers, by example and against labelled lists."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.identity import normalise
from clearlane.quality import contact_points
from clearlane.quality.contact_points import email_verdicts, phone_verdicts, regions

ALLOWED_SHARE = 0.02

# isemail's classes: these three cannot stand in an SMTP envelope as they are.
ISEMAIL_UNUSABLE = {"ISEMAIL_ERR", "ISEMAIL_CFWS", "ISEMAIL_DEPREC", "ISEMAIL_RFC5322"}
ISEMAIL_USABLE = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"}
# Of "valid for SMTP with unusual elements" the list says by diagnosis what is unusual. A quoted name has a domain that
# the public DNS may know; an IP address or a bare or numeric top-level domain it never does, so no company is there.
ISEMAIL_UNUSUAL = {
    "ISEMAIL_RFC5321_QUOTEDSTRING": True,
    "ISEMAIL_RFC5321_ADDRESSLITERAL": False,
    "ISEMAIL_RFC5321_IPV6DEPRECATED": False,
    "ISEMAIL_RFC5321_TLD": False,
    "ISEMAIL_RFC5321_TLDNUMERIC": False,
}

# The list labels some forms twice, with an option on and off. With us display names and international
# addresses are on, so these seven labels, given with them off, say nothing about us.
LABELLED_WITH_NAMES_OFF = "A display name and angle brackets"
LABELLED_WITH_UNICODE_OFF = "test_email_invalid_character_smtputf8_off"

EMAIL_DIFFERENCES = {
    f'"{"abcdefghijklmnopqrstuvwxyz " * 2}abcdefg\\h"@iana.org': "without the idle backslash it is short enough",
    '""@iana.org': "nothing stands before the @",
    "test@io": "a bare top-level domain is no company's mail domain",
    '"test\\©"@iana.org': "an escaped © is read as an international address",
    "test@123.123.123.x123": "no top-level domain ends with a digit",
    "test@xn--example.com": "the label is no valid IDNA 2008 name",
}
LONG_CHAIN = "x@" + "x23456789." * 20  # a domain of 254 letters; its last label, too, ends with a digit


def normal(value: str) -> str | None:
    return email_verdicts([value])[value].normal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Jane.Doe@ACME.com", "jane.doe@acme.com"),
        ("Jane Doe <jane@acme.com>", "jane@acme.com"),
        ("jane+crm@acme.co.uk", "jane+crm@acme.co.uk"),
        ("jörg@müller.de", "jörg@müller.de"),
        ("jane@acme.example", "jane@acme.example"),
    ],
)
def test_an_address_has_a_lower_case_normal_form(value: str, expected: str) -> None:
    assert normal(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "n/a", "jane@", "jane@acme", "jane@@acme.com", "jane doe@acme.com", "jane@acme.test", "a,b@acme.com",
     "jane@acme.com; joe@acme.com", "jane@[127.0.0.1]", "x" * 65 + "@acme.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_reason(value: str) -> None:
    verdict = email_verdicts([value])[value]
    assert verdict.normal is None
    assert verdict.reason


@settings(max_examples=examples(60, 3000))
@given(st.emails())
def test_a_normal_form_is_its_own_normal_form(value: str) -> None:
    once = normal(value)
    assert once is None or normal(once) == once


_LOCALS = st.text("aZ09._+-'ü ", min_size=1, max_size=8) | st.just("a" * 64) | st.just("a" * 65)
_HOSTS = st.sampled_from(
    [
        "acme.com",
        "ACME.Co.UK",
        "a-.com",
        "-a.com",
        "a..com",
        ".com",
        "com.",
        "localhost",
        "x.test",
        "b.local",
        "foo.invalid",
        "a_b.com",
        "1.2.3.4",
        "foo.123",
        "xn--mnchen-3ya.de",
        "xn--.com",
        "ab--cd.com",
    ]
)


@settings(max_examples=examples(150, 3000), deadline=None)
@given(_LOCALS, _HOSTS)
def test_plain_addresses_get_the_verdict_of_the_parser(local: str, host: str) -> None:
    address = f"{local}@{host}"
    assert contact_points._email(address) == contact_points._parsed(address)


@settings(max_examples=examples(100, 2000))
@given(st.text(max_size=40))
def test_any_text_gets_a_verdict(value: str) -> None:
    verdict = email_verdicts([value])[value]
    assert (verdict.normal is None) == (verdict.reason is not None)
    phone = phone_verdicts([(value, "US")])[value, "US"]
    assert (phone.e164 is None) == (phone.reason is not None)


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("(504) 621-8927", "US", "+15046218927"),
        ("+1 415-555-0123 ext. 12", None, "+14155550123"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("+49 30 123456", "US", "+4930123456"),
        ("tel:+1-415-555-0123", None, "+14155550123"),
    ],
)
def test_a_number_has_an_international_form(value: str, region: str | None, expected: str) -> None:
    assert phone_verdicts([(value, region)])[value, region].e164 == expected


@pytest.mark.parametrize(
    ("value", "region", "reason"),
    [
        ("504-621-8927", None, "no country code, and no country to read it by"),
        ("n/a", "US", "not a phone number"),
        ("0000000000", "US", "no number of the plan of +1"),
        ("555-0100", "US", "no number of the plan of +1"),
        ("1" * 30, "US", "too long"),
    ],
)
def test_what_is_no_number_is_refused_with_a_reason(value: str, region: str | None, reason: str) -> None:
    verdict = phone_verdicts([(value, region)])[value, region]
    assert (verdict.e164, verdict.reason) == (None, reason)


def test_an_international_form_needs_no_region_and_names_its_own() -> None:
    first = phone_verdicts([("020 7946 0018", "GB")])["020 7946 0018", "GB"]
    again = phone_verdicts([(str(first.e164), None)])[str(first.e164), None]
    assert (again.e164, again.region) == (first.e164, "GB")


def test_countries_are_codes_or_names_in_major_languages() -> None:
    found = regions(["us", "USA", "Deutschland", "日本", "UK", "ivory coast", "Xanadu", ""])
    assert found == {
        "us": "US", "USA": "US", "Deutschland": "DE", "日本": "JP", "UK": "GB", "ivory coast": "CI",
        "Xanadu": None, "": None,
    }  # fmt: skip


def test_email_verdicts_agree_with_the_labelled_lists(shared_data: Path) -> None:
    labels = [*_email_validator_cases(shared_data / "dirty"), *_isemail_cases(shared_data / "dirty")]
    verdicts = email_verdicts(value for value, _ in labels)
    differing = [value for value, usable in labels if (verdicts[value].normal is not None) != usable]
    unexplained = {
        value for value in differing if not value.startswith(LONG_CHAIN)
    } - EMAIL_DIFFERENCES.keys()
    assert len(labels) > 550
    assert not unexplained
    assert len(differing) <= ALLOWED_SHARE * len(labels)


def test_what_is_refused_of_the_valid_has_no_domain_of_a_company(shared_data: Path) -> None:
    """Whatever the list calls valid and we refuse is at an IP address, at no registered domain, or has no name."""
    valid = ISEMAIL_USABLE | {"ISEMAIL_RFC5321"}
    cases = [_controls(case.findtext("address") or "") for case in _isemail(shared_data / "dirty")
             if case.findtext("category") in valid]  # fmt: skip
    refused = {value for value, verdict in email_verdicts(cases).items() if verdict.normal is None}
    named = refused - EMAIL_DIFFERENCES.keys()
    assert len(cases) > 140
    assert len(named) > 40
    assert [value for value in named if _registered(value)] == []


def _registered(address: str) -> bool:
    """Whether the public DNS may know the domain."""
    return bool(normalise.domains([address.rpartition("@")[2]]))


def test_no_business_address_is_refused(shared_data: Path) -> None:
    rows = _rows(shared_data / "dirty" / "us-500.csv")
    addresses = [row["email"] for row in rows]
    numbers = [(row[column], "US") for row in rows for column in ("phone1", "phone2")]
    assert len(addresses) == 500
    assert not [value for value, verdict in email_verdicts(addresses).items() if verdict.normal is None]
    assert not [number for number, verdict in phone_verdicts(numbers).items() if verdict.e164 is None]


@pytest.mark.parametrize("national", [True, False])
def test_phone_verdicts_agree_with_the_example_numbers(shared_data: Path, national: bool) -> None:
    rows = [
        row for row in _rows(shared_data / "dirty" / "phones" / "phone_examples.csv")
        if not national or row["region"] != "001"  # numbers of no country have no national form
    ]  # fmt: skip
    numbers = [_number(row, national) for row in rows]
    verdicts = phone_verdicts(numbers)
    refused = {
        row["region"] for row, number in zip(rows, numbers, strict=True) if verdicts[number].e164 is None
    }
    # Numbering plans that changed after the list was made (Benin has had ten digits since November 2024).
    assert refused <= {"BJ", "BR", "HR", "SA", "ZW"}
    assert sum(verdicts[number].e164 is None for number in numbers) <= ALLOWED_SHARE * len(rows)


def _number(row: Mapping[str, str], national: bool) -> tuple[str, str | None]:
    value = row["example_national_number"]
    return (value, row["region"]) if national else (f"+{row['country_code']}{value}", None)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _email_validator_cases(folder: Path) -> Iterator[tuple[str, bool]]:
    for line in (folder / "email_validator_cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if not _labelled_with_an_option_off(case):
            yield case["email"], case["expect"] == "valid"


def _labelled_with_an_option_off(case: Mapping[str, str | None]) -> bool:
    named = (case["error"] or "").startswith(LABELLED_WITH_NAMES_OFF)
    return named or case["test"] == LABELLED_WITH_UNICODE_OFF


def _isemail_cases(folder: Path) -> Iterator[tuple[str, bool]]:
    for case in _isemail(folder):
        yield _controls(case.findtext("address") or ""), _usable(case)


def _isemail(folder: Path) -> Iterator[ElementTree.Element]:
    for name in ("tests.xml", "tests-original.xml"):
        yield from ElementTree.parse(folder / "isemail" / name).iter("test")


def _usable(case: ElementTree.Element) -> bool:
    category = case.findtext("category") or ""
    if category in ISEMAIL_USABLE | ISEMAIL_UNUSABLE:
        return category in ISEMAIL_USABLE
    return ISEMAIL_UNUSUAL[case.findtext("diagnosis") or ""]


def _controls(address: str) -> str:
    """The list writes control characters as the symbols for them."""
    return "".join(
        chr(ord(letter) - 0x2400) if 0x2400 <= ord(letter) < 0x2421 else letter for letter in address
    )
