"""The IANA time zone of a lead, with the confidence that calling hours need: from the surest to the vaguest.

State or postcode of a country of several zones; a country of one zone; the area code of a number of that
country; the zone in which most people of the country live. Countries and zones are those of the tz database
(zone.tab); US postcodes by the first three digits (USPS), others by letter or range of their first digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

import pandas as pd
import phonenumbers
from phonenumbers import timezone

from clearlane.enrich.provider import CONFIDENCE
from clearlane.identity.normalise import folded


class Found(NamedTuple):
    zone: str
    confidence: float


BY_STATE: Final = 0.95
BY_SPLIT_STATE: Final = 0.8
BY_COUNTRY: Final = 0.95
BY_PHONE: Final = 0.8
BY_MOST_PEOPLE: Final = 0.4

_EAST, _CENTRAL, _MOUNTAIN, _PACIFIC = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
)  # fmt: skip
_US: Final[Mapping[str, tuple[str, str]]] = {
    _EAST: (
        "CT DE DC FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
        "connecticut,delaware,district of columbia,florida,georgia,indiana,kentucky,massachusetts,maryland,maine,"
        "michigan,north carolina,new hampshire,new jersey,new york,ohio,pennsylvania,rhode island,south carolina,"
        "virginia,vermont,west virginia",
    ),
    _CENTRAL: (
        "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
        "alabama,arkansas,iowa,illinois,kansas,louisiana,minnesota,missouri,mississippi,north dakota,nebraska,"
        "oklahoma,south dakota,tennessee,texas,wisconsin",
    ),
    _MOUNTAIN: ("CO ID MT NM UT WY", "colorado,idaho,montana,new mexico,utah,wyoming"),
    "America/Phoenix": ("AZ", "arizona"),
    _PACIFIC: ("CA NV OR WA", "california,nevada,oregon,washington"),
    "America/Anchorage": ("AK", "alaska"),
    "Pacific/Honolulu": ("HI", "hawaii"),
}
_CA: Final[Mapping[str, tuple[str, str]]] = {
    "America/Toronto": ("ON QC", "ontario,quebec"),
    "America/Halifax": ("NS NB PE", "nova scotia,new brunswick,prince edward island"),
    "America/St_Johns": ("NL", "newfoundland and labrador"),
    "America/Winnipeg": ("MB", "manitoba"),
    "America/Regina": ("SK", "saskatchewan"),
    "America/Edmonton": ("AB NT", "alberta,northwest territories"),
    "America/Vancouver": ("BC", "british columbia"),
    "America/Whitehorse": ("YT", "yukon"),
    "America/Iqaluit": ("NU", "nunavut"),
}
_AU: Final[Mapping[str, tuple[str, str]]] = {
    "Australia/Sydney": ("NSW ACT", "new south wales,australian capital territory"),
    "Australia/Melbourne": ("VIC", "victoria"),
    "Australia/Brisbane": ("QLD", "queensland"),
    "Australia/Adelaide": ("SA", "south australia"),
    "Australia/Perth": ("WA", "western australia"),
    "Australia/Hobart": ("TAS", "tasmania"),
    "Australia/Darwin": ("NT", "northern territory"),
}
_SPLIT: Final = {
    "US": frozenset({"AK", "FL", "ID", "IN", "KS", "KY", "MI", "ND", "NE", "OR", "SD", "TN", "TX"}),
    "CA": frozenset({"ON", "BC", "NU", "QC"}),
}
# US: first three digits of the postcode, from .. to, and the state.
_US_POSTCODES: Final = (
    "010-027 MA,028-029 RI,030-038 NH,039-049 ME,050-059 VT,060-069 CT,070-089 NJ,100-149 NY,150-196 PA,197-199 DE,"
    "200-205 DC,206-219 MD,220-246 VA,247-268 WV,270-289 NC,290-299 SC,300-319 GA,320-349 FL,350-369 AL,370-385 TN,"
    "386-397 MS,398-399 GA,400-427 KY,430-459 OH,460-479 IN,480-499 MI,500-528 IA,530-549 WI,550-567 MN,570-577 SD,"
    "580-588 ND,590-599 MT,600-629 IL,630-658 MO,660-679 KS,680-693 NE,700-714 LA,716-729 AR,730-749 OK,750-799 TX,"
    "800-816 CO,820-831 WY,832-838 ID,840-847 UT,850-865 AZ,870-884 NM,885-885 TX,889-898 NV,900-961 CA,967-968 HI,"
    "970-979 OR,980-994 WA,995-999 AK"
)
_CA_POSTCODES: Final = {
    "A": "NL", "B": "NS", "C": "PE", "E": "NB", "G": "QC", "H": "QC", "J": "QC", "K": "ON", "L": "ON", "M": "ON",
    "N": "ON", "P": "ON", "R": "MB", "S": "SK", "T": "AB", "V": "BC", "X": "NT", "Y": "YT",
}  # fmt: skip
_AU_POSTCODES: Final = {
    "2": "NSW",
    "3": "VIC",
    "4": "QLD",
    "5": "SA",
    "6": "WA",
    "7": "TAS",
    "08": "NT",
    "02": "ACT",
}
# Where most people live, of countries with several zones whose first line in zone.tab is another one.
_MOST_PEOPLE: Final = {
    "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "CD": "Africa/Kinshasa", "CL": "America/Santiago", "CN": "Asia/Shanghai",
    "DE": "Europe/Berlin", "EC": "America/Guayaquil", "ES": "Europe/Madrid", "ID": "Asia/Jakarta",
    "KZ": "Asia/Almaty", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur",
    "NZ": "Pacific/Auckland", "PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kyiv",
    "US": "America/New_York", "UZ": "Asia/Tashkent", "VN": "Asia/Ho_Chi_Minh",
}  # fmt: skip
# Of these, nearly all people live in that one zone.
_AS_ONE: Final = {"DE": 0.95, "ES": 0.9, "PT": 0.9, "CN": 0.95, "NZ": 0.95, "CL": 0.9, "AR": 0.95, "MY": 0.9,
                  "UA": 0.95, "UZ": 0.95, "EC": 0.95, "KZ": 0.9, "MN": 0.85}  # fmt: skip


@dataclass(frozen=True)
class Zone:
    name: str = "zone"
    needs: tuple[str, ...] = ("country", "state", "postcode", "phone")
    provides: tuple[str, ...] = ("zone", "zone_confidence")

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame:
        rows = frame[list(self.needs)].itertuples(index=False, name=None)
        found = [found_zone(*row) for row in rows]
        zones = [best.zone if best else None for best in found]
        sure = [best.confidence if best else None for best in found]
        return pd.DataFrame(
            {"zone": zones, "zone_confidence": sure, CONFIDENCE: sure}, index=frame.index, dtype=object
        )


def found_zone(
    country: str | None, state: str | None, postcode: str | None, phone: str | None
) -> Found | None:
    """The surest zone for an ISO country, a state (code or name), a postcode and an E.164 number."""
    if country is None:
        return _by_phone(phone, None)
    return (
        _by_state(country, state)
        or _by_state(country, _state_of(country, postcode))
        or _only_zone(country)
        or _by_phone(phone, country)
        or _by_country(country)
    )


def _by_state(country: str, state: str | None) -> Found | None:
    name = _words(state.upper().removeprefix(f"{country}-")) if state else ""
    found = _states(country).get(name)
    return found and Found(found[1], BY_SPLIT_STATE if found[0] in _SPLIT.get(country, ()) else BY_STATE)


@lru_cache(maxsize=8)
def _states(country: str) -> Mapping[str, tuple[str, str]]:
    """Folded code or name of a state → (code, zone)."""
    zones = {"US": _US, "CA": _CA, "AU": _AU}.get(country, {})
    return {
        _words(spelling): (code, zone)
        for zone, (codes, names) in zones.items()
        for code, name in zip(codes.split(), names.split(","), strict=True)
        for spelling in (code, name)
    }


def _words(text: str) -> str:
    return " ".join(folded(text).replace(".", "").split())


def _state_of(country: str, postcode: str | None) -> str | None:
    code = (postcode or "").strip().upper()
    match country:
        case "US":
            return _us_states().get(code[:3]) if code[:5].isdigit() and len(code[:5]) == 5 else None
        case "CA":
            return _CA_POSTCODES.get(code[:1])
        case "AU":
            return (_AU_POSTCODES.get(code[:2]) or _AU_POSTCODES.get(code[:1])) if len(code) == 4 else None
    return None


@lru_cache(maxsize=1)
def _us_states() -> Mapping[str, str]:
    spans = (span.replace("-", " ").split() for span in _US_POSTCODES.split(","))
    return {f"{n:03}": state for first, last, state in spans for n in range(int(first), int(last) + 1)}


def _only_zone(country: str) -> Found | None:
    zones = _zones().get(country, ())
    if len(zones) == 1:
        return Found(zones[0], BY_COUNTRY)
    return Found(_MOST_PEOPLE[country], _AS_ONE[country]) if country in _AS_ONE else None


def _by_phone(phone: str | None, country: str | None) -> Found | None:
    region, zones = _phone_zones(phone) if phone else (None, ())
    if len(zones) != 1 or (country and region != country):
        return None
    return Found(zones[0], BY_PHONE)


def _phone_zones(phone: str) -> tuple[str | None, tuple[str, ...]]:
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None, ()
    region = phonenumbers.region_code_for_number(number)
    own = _zones().get(region or "", ())
    found = tuple(zone for zone in timezone.time_zones_for_number(number) if zone in own)
    return region, found or own


def _by_country(country: str) -> Found | None:
    zones = _zones().get(country)
    return Found(_MOST_PEOPLE.get(country, zones[0]), BY_MOST_PEOPLE) if zones else None


@lru_cache(maxsize=1)
def _zones() -> Mapping[str, tuple[str, ...]]:
    """ISO country → its zones."""
    text = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    zones: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            zones[country] = (*zones.get(country, ()), zone)
    return zones
