"""Normal forms: what is equal becomes equal, what differs stays apart, what is none is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.identity import mail_domains, normalise


@pytest.mark.parametrize(
    "spellings",
    [
        [
            "Acme, Inc.",
            "ACME GmbH & Co. KG",
            "The Acme Company",
            "acme",
            "Acme S.A.",
            "Acme S.p.A.",
            "Acme s.r.o.",
        ],
        ["Müller & Söhne AG", "Muller and Sohne"],
        ["J.P. Morgan & Co", "J. P. Morgan", "JP Morgan"],
        ["株式会社トヨタ", "トヨタ株式会社"],
        ["Bar Sp. z o.o.", "BAR"],
        ["Angel's", "Angel’s", "ANGELS LLC"],
        ["ООО Ромашка", "Ромашка"],
    ],
)
def test_spellings_of_one_company(spellings):
    assert len(set(normalise.companies(spellings).values())) == 1


@pytest.mark.parametrize(
    "names", [["Plan B", "Plan"], ["Limited", "Co"], ["Gates Foundation", "Gates"], ["A & B Ltd", "AB Ltd"]]
)
def test_companies_that_stay_apart(names):
    assert len(set(normalise.companies(names).values())) == len(names)


@pytest.mark.parametrize("name", ["", "...", "N/A", "unknown", "Self-employed", "x" * 300])
def test_what_is_no_company(name):
    assert normalise.companies([name]) == {}


def test_people():
    assert normalise.people(["Doe, Jane", "JANE  DOE", "Jane O’Doe", "José Núñez", "が", "か", " "]) == {
        "Doe, Jane": "jane doe",
        "JANE  DOE": "jane doe",
        "Jane O’Doe": "jane odoe",
        "José Núñez": "jose nunez",
        "が": "が",
        "か": "か",
    }


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("https://www.foo.co.uk/a?b", "foo.co.uk"),
        ("Acme.COM", "acme.com"),
        ("jane@sub.acme.de", "acme.de"),
        ("https://acme.com/@jane", "acme.com"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("acme.myshopify.com", "acme.myshopify.com"),
        ("eu.acme.example", "acme.example"),
        ("linkedin.com/company/acme", None),
        ("localhost", None),
        ("10.0.0.1", None),
        ("co.uk", None),
        ("not a domain", None),
    ],
)
def test_domains(address, domain):
    assert normalise.domains([address]).get(address) == domain


def test_contact_points_and_countries():
    assert normalise.emails(["Jane@ACME.com", "nobody"]) == {"Jane@ACME.com": "jane@acme.com"}
    assert normalise.phones([("030 901820", "DE"), ("030 901820", None)]) == {
        ("030 901820", "DE"): "+4930901820"
    }
    assert normalise.countries(["Deutschland", "us", "Atlantis"]) == {"Deutschland": "DE", "us": "US"}


def test_mail_domains():
    assert [mail_domains.is_free(name) for name in ("gmail.com", "yahoo.co.jp", "acme.com")] == [
        True,
        True,
        False,
    ]
    assert [mail_domains.is_disposable(name) for name in ("mailinator.com", "acme.com")] == [True, False]
    assert [mail_domains.is_desk(name) for name in ("info", "sales+eu", "ada")] == [True, True, False]


@given(st.lists(st.text(max_size=40), max_size=20))
def test_the_form_of_a_name_is_its_own_form(texts):
    forms = set(normalise.people(texts).values())
    assert normalise.people(forms) == {form: form for form in forms}
    assert all(0 < len(form) <= normalise.LONGEST for form in forms)


@given(st.text(max_size=60))
def test_no_text_breaks_a_parser(text):
    for normal in (
        normalise.domains,
        normalise.companies,
        normalise.people,
        normalise.countries,
        normalise.emails,
    ):
        assert set(normal([text])) <= {text}
    assert set(normalise.phones([(text, None)])) <= {(text, None)}
