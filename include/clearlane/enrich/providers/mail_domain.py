"""From the e-mail address: its domain, and whether it is a free, a throw-away or a desk's address."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from clearlane.identity import mail_domains, normalise


@dataclass(frozen=True)
class MailDomain:
    name: str = "mail_domain"
    needs: tuple[str, ...] = ("email",)
    provides: tuple[str, ...] = ("email_domain", "free_mail", "disposable", "role_address")

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame:
        domain = frame["email"].map(normalise.domains(frame["email"]))
        known = domain.dropna()
        return pd.DataFrame(
            {
                "email_domain": domain,
                "free_mail": known.map(mail_domains.is_free),
                "disposable": known.map(mail_domains.is_disposable),
                "role_address": frame["email"].map(_is_desk),
            },
            index=frame.index,
        )


def _is_desk(email: str) -> bool:
    return mail_domains.is_desk(email.rpartition("@")[0])
