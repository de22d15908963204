"""The providers, in the order in which they are asked: a module each, and a line here."""

from __future__ import annotations

from typing import Final

from clearlane.enrich.provider import Provider
from clearlane.enrich.providers.countries import DomainCountry, PhoneCountry
from clearlane.enrich.providers.job_title import JobTitle
from clearlane.enrich.providers.mail_domain import MailDomain
from clearlane.enrich.providers.zone import Zone

OFFLINE: Final[tuple[Provider, ...]] = (MailDomain(), JobTitle(), PhoneCountry(), DomainCountry(), Zone())
