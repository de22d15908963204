"""The country of a phone number, and of the domain of an address or website: fillers of a missing country."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from clearlane.enrich.provider import CONFIDENCE
from clearlane.identity import normalise
from clearlane.quality.contact_points import phone_verdicts

# Country domains that are used for their looks, or by many countries: they say nothing of where one is.
_ANYWHERE: Final = frozenset(
    {
        "ac", "ag", "ai", "am", "as", "bz", "cc", "cd", "cf", "co", "cx", "dj", "eu", "fm", "ga", "gg", "gl", "gq",
        "gs", "im", "io", "is", "la", "li", "ly", "me", "ml", "mn", "ms", "mu", "nu", "pw", "sc", "sh", "so", "st",
        "su", "tk", "tm", "to", "tv", "vc", "vg", "ws",
    }
)  # fmt: skip


@dataclass(frozen=True)
class PhoneCountry:
    name: str = "phone_country"
    needs: tuple[str, ...] = ("phone",)
    provides: tuple[str, ...] = ("country",)

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame:
        verdicts = phone_verdicts((phone, None) for phone in frame["phone"])
        regions = {phone: verdict.region for (phone, _), verdict in verdicts.items()}
        return pd.DataFrame({"country": frame["phone"].map(regions), CONFIDENCE: 0.9}, index=frame.index)


@dataclass(frozen=True)
class DomainCountry:
    name: str = "domain_country"
    needs: tuple[str, ...] = ("email", "domain")
    provides: tuple[str, ...] = ("country",)

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame:
        by_site = frame["domain"].map(_country, na_action="ignore")
        by_mail = frame["email"].map(_country, na_action="ignore")
        country = by_site.where(by_site.notna(), by_mail)
        return pd.DataFrame({"country": country, CONFIDENCE: 0.6}, index=frame.index)


def _country(address: str) -> str | None:
    suffix = address.rpartition(".")[2].lower()
    return None if suffix in _ANYWHERE or len(suffix) != 2 else normalise.countries([suffix]).get(suffix)
