"""Apollo: people by e-mail, companies by domain, as docs.apollo.io describes People and Organization Enrichment.

A request may cost a credit of the account. Personal addresses and phone numbers are never asked for.
"""

from __future__ import annotations

from typing import Any, Final

from clearlane.connectors.protocol import Secrets
from clearlane.enrich.providers.json_api import JsonApi
from clearlane.policy.model import JsonAsk, JsonValue, PaidProvider, RestAuth

_AUTH: Final = RestAuth(by="header", name="x-api-key")
_SENIORITY: Final = {
    "owner": "c_level", "founder": "c_level", "c_suite": "c_level", "partner": "c_level", "vp": "vp",
    "head": "director", "director": "director", "manager": "manager", "senior": "senior", "entry": "individual",
    "intern": "student",
}  # fmt: skip
"""their seniorities in the words of the provider job_title"""
_COMPANY: Final = {
    "employees": JsonValue("estimated_num_employees", "number"),
    "industry": JsonValue("industry"),
    "annual_revenue": JsonValue("annual_revenue", "number"),
    "founded_year": JsonValue("founded_year", "number"),
}

PERSON: Final = JsonAsk(
    path="/api/v1/people/match",
    method="POST",
    params={
        "email": "{email}",
        "first_name": "{first_name}",
        "last_name": "{last_name}",
        "name": "{name}",
        "organization_name": "{company}",
        "domain": "{domain}",
        "reveal_personal_emails": False,
        "reveal_phone_number": False,
    },
    auth=_AUTH,
    record="person",
    unknown=(404, 422),
    attributes={
        "title": JsonValue("title"),
        "seniority": JsonValue("seniority", values=_SENIORITY),
        **{name: JsonValue(f"organization.{one.at}", one.type) for name, one in _COMPANY.items()},
    },
)
COMPANY: Final = JsonAsk(
    path="/api/v1/organizations/enrich",
    params={"domain": "{domain}"},
    auth=_AUTH,
    record="organization",
    unknown=(404, 422),
    attributes=_COMPANY,
)


def person(settings: PaidProvider, secrets: Secrets, **client: Any) -> JsonApi:
    """By e-mail; names, company and domain make a match likelier. Title, seniority and the company's figures."""
    return JsonApi(settings, secrets, PERSON, **client)


def company(settings: PaidProvider, secrets: Secrets, **client: Any) -> JsonApi:
    """By domain: employees, industry, annual revenue (in US dollars), the year in which it was founded."""
    return JsonApi(settings, secrets, COMPANY, **client)
