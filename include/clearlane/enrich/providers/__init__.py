"""The providers, in the order in which they are asked: a module each, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from clearlane.connectors.protocol import Secrets, SourceFailed
from clearlane.enrich.provider import Abort, Paid, Provider
from clearlane.enrich.providers import apollo
from clearlane.enrich.providers.countries import DomainCountry, PhoneCountry
from clearlane.enrich.providers.job_title import JobTitle
from clearlane.enrich.providers.json_api import JsonApi
from clearlane.enrich.providers.mail_domain import MailDomain
from clearlane.enrich.providers.sixsense import SixSense
from clearlane.enrich.providers.zone import Zone
from clearlane.policy.model import PaidProvider

OFFLINE: Final[tuple[Provider, ...]] = (MailDomain(), JobTitle(), PhoneCountry(), DomainCountry(), Zone())

PAID: Final[Mapping[str, Callable[..., Paid]]] = {
    "sixsense": SixSense,
    "apollo_person": apollo.person,
    "apollo_company": apollo.company,
    "json": JsonApi,
}
"""kind -> what makes its client from settings and secrets"""


def client(settings: PaidProvider, secrets: Secrets, **options: Any) -> Paid:
    """The client of a provider of sources.yaml; Abort where its connection is not as it should be."""
    try:
        return PAID[settings.kind](settings, secrets, **options)
    except SourceFailed as error:
        raise Abort(str(error)) from None
    except Exception as error:  # whatever a secrets backend raises; its text may hold what it looked for
        raise Abort(
            f"provider {settings.name}: its connection cannot be read ({type(error).__name__})"
        ) from None
