"""The words of the generated company: invented names, countries with their manners, titles, products.

Companies live at `.example` (RFC 2606), phone numbers come from the ranges kept for fiction, and private
addresses are longer than the provider allows (Gmail: 30 characters), so that nobody can own one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


def _each(words: str) -> tuple[str, ...]:
    return tuple(words.split())


FIRST: Final = _each(
    "Ada Aiko Alba Amara Anders Aria Arjun Astrid Bela Bram Carla Cem Chen Clara Dario Dalia Diego Edda Elif Elena "
    "Emil Enzo Fatou Felix Fiona Gael Greta Hana Hugo Ida Ines Ivo Jana Jonas Kaya Kenji Lara Leo Lina Luca Maeve "
    "Malik Marta Mei Milo Mira Nadia Nils Noor Oscar Pia Priya Quinn Rafael Rosa Sana Sven Tara Theo Uma Vera Wim "
    "Yara Yuki Zoe"
)
LAST_HEADS: Final = _each(
    "Alder Ash Bell Birch Bram Brook Calder Carr Dun Elm Fair Fen Gar Glen Hal Hart Holm Keld Kerr Lang Lin Mar "
    "Mor Nor Oak Pell Quill Rav Rook Sel Stan Thorn Vale Ward Wend Yar"
)
LAST_TAILS: Final = _each(
    "by croft dale den feld gate hurst ley low mere more ness quist rick ridge son ton wick wood worth"
)

COMPANY_HEADS: Final = _each(
    "Amber Apex Arbor Argent Aster Atlas Beacon Birch Blue Bright Cedar Cinder Clear Cobalt Copper Coral Crest Delta "
    "Ember Falcon Fern Flint Forge Garnet Granite Harbor Hazel Helio Indigo Iron Jade Juniper Keystone Lumen Maple "
    "Mesa Mint Nimbus Nova Ochre Onyx Opal Orchid Pine Prism Quartz Raven Ridge River Saffron Silver Slate Solar "
    "Sparrow Stone Summit Tidal Umber Velvet Vertex Willow Zephyr"
)
COMPANY_TAILS: Final = _each(
    "Analytics Bank Bio Capital Cargo Care Cloud Components Data Dynamics Energy Express Fabrication Foods Freight "
    "Health Hotels Industries Insurance Labs Learning Logistics Machines Media Medical Mills Networks Partners "
    "Pharma Precision Realty Retail Robotics Shipping Software Solutions Steel Studios Supply Systems Textiles "
    "Tools Travel Ventures Works"
)

ICP_INDUSTRIES: Final = _each("software finance manufacturing logistics health")
OTHER_INDUSTRIES: Final = _each(
    "retail education construction media hospitality government agriculture energy"
)


@dataclass(frozen=True)
class Country:
    """`written` as people write it; `phone` a pattern of a range kept for fiction, # any digit, or none."""

    code: str
    territory: str
    share: float
    written: tuple[str, ...]
    form: str
    cities: tuple[str, ...]
    phone: str | None = None


COUNTRIES: Final = (
    Country("US", "AMER", 0.34, ("US", "USA", "United States"), "Inc.", ("Boston", "Austin"), "+1212555 01##"),
    Country("CA", "AMER", 0.05, ("CA", "Canada"), "Inc.", ("Toronto", "Calgary"), "+1416555 01##"),
    Country("BR", "AMER", 0.03, ("BR", "Brazil", "Brasil"), "Ltda", ("São Paulo", "Curitiba")),
    Country("MX", "AMER", 0.02, ("MX", "Mexico"), "SA", ("Puebla", "Mérida")),
    Country("GB", "EMEA", 0.10, ("GB", "UK", "United Kingdom"), "Ltd", ("London", "Leeds"), "+44207946 0###"),
    Country("DE", "EMEA", 0.10, ("DE", "Germany", "Deutschland"), "GmbH", ("Berlin", "Köln"), "+493023125 ###"),
    Country("FR", "EMEA", 0.06, ("FR", "France"), "SAS", ("Lyon", "Nantes"), "+33199 00 ## ##"),
    Country("NL", "EMEA", 0.03, ("NL", "Netherlands"), "BV", ("Utrecht", "Breda")),
    Country("ES", "EMEA", 0.03, ("ES", "Spain", "España"), "SL", ("Bilbao", "Málaga")),
    Country("IT", "EMEA", 0.025, ("IT", "Italy"), "SRL", ("Torino", "Bari")),
    Country("SE", "EMEA", 0.015, ("SE", "Sweden"), "AB", ("Uppsala", "Lund"), "+46846500 4##"),
    Country("PL", "EMEA", 0.02, ("PL", "Poland"), "Sp. z o.o.", ("Gdańsk", "Łódź")),
    Country("PT", "EMEA", 0.01, ("PT", "Portugal"), "Lda", ("Porto", "Braga")),
    Country("ZA", "EMEA", 0.012, ("ZA", "South Africa"), "Ltd", ("Durban", "Pretoria")),
    Country("TR", "EMEA", 0.01, ("TR", "Turkey"), "AS", ("Bursa", "Izmir")),
    Country("AU", "APAC", 0.045, ("AU", "Australia"), "Pty Ltd", ("Perth", "Hobart"), "+61255501 ###"),
    Country("IN", "APAC", 0.045, ("IN", "India"), "Pvt Ltd", ("Pune", "Kochi")),
    Country("SG", "APAC", 0.02, ("SG", "Singapore"), "Pte Ltd", ("Singapore",)),
    Country("JP", "APAC", 0.02, ("JP", "Japan"), "KK", ("Osaka", "Sapporo")),
    Country("KR", "APAC", 0.01, ("KR", "South Korea"), "Co Ltd", ("Busan", "Daegu")),
    Country("RU", "EMEA", 0.008, ("RU", "Russia"), "OOO", ("Kazan",)),
)  # fmt: skip
STATES: Final = {
    "Boston": "Massachusetts", "Austin": "Texas", "Toronto": "Ontario", "Calgary": "Alberta",
    "Perth": "Western Australia", "Hobart": "Tasmania",
}  # fmt: skip
ZONES: Final = {"AMER": "America/New_York", "EMEA": "Europe/Berlin", "APAC": "Asia/Singapore"}

BUYING: Final = _each("Sales Marketing Operations IT")
OTHER_DEPARTMENTS: Final = _each("Finance HR Engineering Legal Procurement")
BUYERS: Final = ("VP {}", "Director of {}", "Head of {}", "Chief {} Officer")
RECOMMENDERS: Final = ("{} Manager", "{} Team Lead")
OTHERS: Final = ("{} Specialist", "{} Analyst", "Senior {} Consultant", "{} Assistant")

CAMPAIGNS: Final = _each(
    "spring-guide pipeline-report webinar-routing fair-vienna fair-boston retargeting newsletter brand"
)
PAGES: Final = _each("/product /customers /blog/routing /blog/scoring /docs /integrations /security /about")
FEATURES: Final = _each("import routing scoring reports calendar api")

MESSAGES: Final = {
    "support": ("I cannot log in since this morning.", "Please reset my password, the link has expired."),
    "job": ("Attached you find my resume for the open position.", "I would love to join, my CV is enclosed."),
    "vendor": ("We offer link building at a fair price.", "Let us show you our SEO services."),
    "partner": ("We are a reseller and would like to register a deal.",),
    "sales": (
        "We route our leads by hand today and lose half a day.",
        "Could you show us how territories work?",
        "",
    ),
}

USERS: Final = (
    ("U101", "Maya Brooks"), ("U102", "Diego Marín"), ("U103", "Tessa Lind"), ("U104", "Owen Hart"),
    ("U105", "Lena Vogt"), ("U106", "Chloé Perrin"), ("U107", "Priya Nair"), ("U108", "Jack Moran"),
    ("U201", "Grace Holt"), ("U202", "Marcus Webb"), ("U203", "Ana Castro"), ("U204", "Ben Sawyer"),
    ("U205", "Carl Dunne"), ("U206", "Amelia Frost"), ("U207", "Jonas Keller"), ("U208", "Inês Duarte"),
    ("U209", "Sofie Maes"), ("U210", "Kenji Arai"), ("U211", "Ruth Tan"), ("U212", "Liam O’Connor"),
    ("U301", "Nora Quist"), ("U302", "Felix Baum"), ("U303", "Hana Sato"), ("U401", "Victor Lang"),
    ("U402", "Dana Reyes"), ("U901", "Irene Clay"), ("U902", "Tom Averill"), ("U903", "Greta Holm"),
    ("U904", "Wei Ling Ong"), ("U999", "Integration"),
)  # fmt: skip
LEFT: Final = "U205"
INTEGRATION: Final = "U999"
EXECUTIVES: Final = {
    "AMER": _each("U201 U202 U203 U204 U205"),
    "EMEA": _each("U206 U208 U209"),
    "APAC": _each("U210 U211 U212"),
}
ACCOUNT_MANAGERS: Final = {"AMER": "U301", "EMEA": "U302", "APAC": "U303"}
