"""Apollo as a provider, against a fake that answers as its description says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.connectors.local_server import Asked, Local, Reply, serving

from clearlane.connectors.http import Refused
from clearlane.connectors.protocol import SourceFailed
from clearlane.enrich import Found
from clearlane.enrich.provider import Paid
from clearlane.enrich.providers import client
from clearlane.policy.model import PaidProvider, ProviderKind

KEY = "ap0ll0-key"
FIRM = {
    "estimated_num_employees": 480,
    "industry": "software",
    "annual_revenue": 12e6,
    "founded_year": "1999",
}
PERSON = {"title": "VP Sales", "seniority": "c_suite", "email": "x@y.example", "organization": FIRM}
ANN = {"email": "ann@acme.example", "first_name": "Ann", "company": "Acme"}


def answer(asked: Asked) -> Reply:
    if asked.headers["x-api-key"] != KEY:
        return Reply({"error": "Invalid access credentials."}, status=401)
    if asked.path == "/api/v1/organizations/enrich":
        return Reply({"organization": FIRM} if asked.query["domain"] == "acme.example" else {})
    return Reply({"person": PERSON if asked.query["email"] == ANN["email"] else None, "request_id": 1})


@pytest.fixture
def local() -> Iterator[Local]:
    with serving(answer) as local:
        yield local


def made(local: Local, kind: ProviderKind, key: str = KEY) -> Paid:
    settings = PaidProvider("apollo", kind, "connection:apollo", (), timeout=timedelta(minutes=1))
    return client(settings, {"apollo": local.address.replace("//", f"//:{key}@")}.__getitem__)


def test_a_person_by_mail_and_what_helps(local: Local) -> None:
    found = made(local, "apollo_person").ask(ANN, "key")
    assert found.attributes == {
        "title": "VP Sales", "seniority": "c_level", "employees": 480, "industry": "software",
        "annual_revenue": 12_000_000, "founded_year": 1999,
    }  # fmt: skip
    [asked] = local.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/people/match")
    assert asked.query == {
        "email": "ann@acme.example", "first_name": "Ann", "organization_name": "Acme",
        "reveal_personal_emails": "false", "reveal_phone_number": "false",
    }  # fmt: skip


def test_a_company_by_domain(local: Local) -> None:
    found = made(local, "apollo_company").ask({"domain": "acme.example"}, "key")
    assert (found.attributes["employees"], local.paths()) == (480, ["GET /api/v1/organizations/enrich"])


@pytest.mark.parametrize(
    ("kind", "known"),
    [("apollo_person", {"email": "zoe@acme.example"}), ("apollo_company", {"domain": "x.example"})],
)
def test_who_is_not_there_is_unknown(local: Local, kind: ProviderKind, known: dict[str, str]) -> None:
    assert made(local, kind).ask(known, "key") == Found()


def test_a_key_that_is_wrong_is_told_without_it(local: Local) -> None:
    with pytest.raises(Refused) as caught:
        made(local, "apollo_person", "wr0ng").ask(ANN, "key")
    assert caught.value.status == 401
    assert "wr0ng" not in str(caught.value)


def test_another_form_than_described_is_a_failure() -> None:
    broken = serving(lambda asked: Reply({"person": ["ann@acme.example"]}))
    with broken as local, pytest.raises(SourceFailed, match="answered with a list, expected an object"):
        made(local, "apollo_person").ask(ANN, "key")
