"""The providers, in the order in which they are asked: a module each, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from clearlane.connectors.protocol import Secrets
from clearlane.enrich.provider import Provider
from clearlane.enrich.providers.countries import DomainCountry, PhoneCountry
from clearlane.enrich.providers.job_title import JobTitle
from clearlane.enrich.providers.mail_domain import MailDomain
from clearlane.enrich.providers.sixsense import SixSense
from clearlane.enrich.providers.zone import Zone
from clearlane.policy.model import Sources

OFFLINE: Final[tuple[Provider, ...]] = (MailDomain(), JobTitle(), PhoneCountry(), DomainCountry(), Zone())

ONLINE: Final[Mapping[str, Callable[[Secrets], Provider]]] = {"sixsense": SixSense}
"""asked after the others, and only where an order under `precedence` names them"""


def chosen(sources: Sources, secrets: Secrets | None) -> tuple[Provider, ...]:
    """The providers of a run: those of this machine, and the paid ones that `precedence` names."""
    named = {name for order in sources.precedence.values() for name in order}
    online = (make(secrets) for name, make in ONLINE.items() if secrets and name in named)
    return (*OFFLINE, *online)
