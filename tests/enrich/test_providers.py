"""What each offline provider says of what it is given."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.enrich import OFFLINE
from clearlane.enrich.observations import answered
from clearlane.enrich.providers.zone import found_zone

PROVIDERS = {provider.name: provider for provider in OFFLINE}


def said(name, **values):
    provider = PROVIDERS[name]
    known = pd.DataFrame([{need: values.get(need) for need in provider.needs}], dtype=object)
    answer = answered(provider, known).iloc[0][list(provider.provides)]
    return {name: value for name, value in answer.items() if pd.notna(value)}


@pytest.mark.parametrize(
    ("title", "seniority", "department"),
    [
        ("CEO", "c_level", "executive"),
        ("Co-Founder & CTO", "c_level", "engineering"),
        ("Chief Human Resources Officer", "c_level", "hr"),
        ("Vice President, Marketing", "vp", "marketing"),
        ("President", "c_level", "executive"),
        ("Head of IT", "director", "it"),
        ("Vertriebsleiterin", "director", "sales"),
        ("Geschäftsführer", "c_level", "executive"),
        ("Directeur des achats", "director", "purchasing"),
        ("Jefe de ventas", "manager", "sales"),
        ("Director of Student Services", "director", None),
        ("RevOps Manager", "manager", "revenue"),
        ("Executive Assistant to the CEO", "individual", "executive"),
        ("Product Owner", "individual", "product"),
        ("Senior Software Engineer", "senior", "engineering"),
        ("Werkstudentin Marketing", "student", "marketing"),
        ("Internal Auditor", "individual", "finance"),
        ("Zauberer", "individual", None),
        ("...", None, None),
    ],
)
def test_job_title(title, seniority, department):
    expected = {"seniority": seniority, "department": department}
    assert said("job_title", title=title) == {name: value for name, value in expected.items() if value}


@pytest.mark.parametrize(
    ("email", "domain", "free", "disposable", "role"),
    [
        ("ada@eu.acme.com", "acme.com", False, False, False),
        ("ada@gmail.com", "gmail.com", True, False, False),
        ("info@yahoo.co.uk", "yahoo.co.uk", True, False, True),
        ("x@mailinator.com", "mailinator.com", False, True, False),
        ("ada@clearlane.example", "clearlane.example", False, False, False),
    ],
)
def test_mail_domain(email, domain, free, disposable, role):
    expected = {"email_domain": domain, "free_mail": free, "disposable": disposable, "role_address": role}
    assert said("mail_domain", email=email) == expected


def test_countries():
    assert said("phone_country", phone="+14165552671") == {"country": "CA"}
    assert said("phone_country", phone="12345") == {}
    assert said("domain_country", email="ada@acme.co.uk") == {"country": "GB"}
    assert said("domain_country", email="ada@acme.co.uk", domain="acme.de") == {"country": "DE"}
    assert said("domain_country", email="ada@acme.io", domain="acme.com") == {}


@pytest.mark.parametrize(
    ("country", "state", "postcode", "phone", "zone", "confidence"),
    [
        ("US", "CA", None, None, "America/Los_Angeles", 0.95),
        ("US", "California", "10001", "+12125552671", "America/Los_Angeles", 0.95),
        ("US", "US-TX", None, None, "America/Chicago", 0.8),
        ("US", "somewhere", "94105", None, "America/Los_Angeles", 0.95),
        ("US", None, "10001-1234", None, "America/New_York", 0.95),
        ("US", None, None, "+14155552671", "America/Los_Angeles", 0.8),
        ("US", None, None, "+442079460000", "America/New_York", 0.4),
        ("US", None, None, None, "America/New_York", 0.4),
        ("CA", "Québec", None, None, "America/Toronto", 0.8),
        ("CA", None, "T2P 1J9", None, "America/Edmonton", 0.95),
        ("AU", None, "6000", None, "Australia/Perth", 0.95),
        ("DE", "Bayern", None, None, "Europe/Berlin", 0.95),
        ("IN", None, None, None, "Asia/Kolkata", 0.95),
        (None, None, None, "+493012345678", "Europe/Berlin", 0.8),
        (None, None, None, "+79161234567", None, None),
        (None, "CA", None, None, None, None),
        ("ZZ", None, None, None, None, None),
    ],
)
def test_zone(country, state, postcode, phone, zone, confidence):
    found = said("zone", country=country, state=state, postcode=postcode, phone=phone)
    assert found == ({"zone": zone, "zone_confidence": confidence} if zone else {})


@given(
    st.one_of(st.none(), st.sampled_from(["US", "CA", "AU", "BR", "RU", "DE", "AQ", "??"])),
    *[st.one_of(st.none(), st.text(max_size=8), st.from_regex("[0-9A-Z]{2,6}", fullmatch=True))] * 2,
    st.one_of(st.none(), st.from_regex("[+][0-9]{5,14}", fullmatch=True), st.text(max_size=8)),
)
def test_every_zone_is_one_of_the_tz_database(country, state, postcode, phone):
    found = found_zone(country, state, postcode, phone)
    assert found is None or (ZoneInfo(found.zone) and 0 < found.confidence <= 1)
