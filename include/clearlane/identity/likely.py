"""How likely a lead's company is an account, in SQL: `likeness.together` of names that were weighed when they came.

A lead is a relation with company, country, city, address, phone, domain and mail_domain, an account one of
account_revision; names are one of `alike`, called `k`. `test_likely` holds every number against those of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any, Final

from clearlane.identity.matching import likeness, phones
from clearlane.identity.matching.likeness import Company, Evidence
from clearlane.identity.matching.names import NAMELESS

CANDIDATES: Final = (
    "join alike k on k.company = s.company join account_revision r on r.name_key = k.name_key",
    """join account_revision r on r.phone = s.phone and (s.company is null or r.name_key is null) cross join (
        values (float8 '0', float8 '0', cast(null as float8), jsonb '[]')) k (weight, forms, ceiling, evidence)""",
)
"""SQL: the accounts `r`, with names `k`, that a lead `s` may be: by names, or by phone where one has no name."""


def odds(lead: str, account: str, companies: int) -> str:
    """SQL: how much likelier it is that the company is this account than that it is none of them."""
    country = _agree(f"{lead}.country", f"{account}.country", likeness.SAME_COUNTRY, likeness.OTHER_COUNTRY)
    others = f"({_of_domains(lead, account)} + {_of_places(lead, account)} + least({country}, 0))"
    names = f"({_words(lead, account)} + greatest(k.forms, 0) + greatest({country}, 0) - {log(companies)})"
    abroad = f"case when k.forms < 0 and {lead}.country <> {account}.country then {likeness.ABROAD} end"
    ceiling = f"least(k.ceiling, {abroad})"
    bound = f"case when {_same_domain(lead, account)} then 0 else coalesce(exp(-{ceiling}), 0) end"
    return f"exp(least(least(k.forms, 0) + {others} - ln(exp(-{names}) + {bound}), 300))"


def _words(lead: str, account: str) -> str:
    least = likeness.OTHER_NAME_AT_DOMAIN
    return f"case when {_same_domain(lead, account)} then greatest(k.weight, {least}) else k.weight end"


def domain_of(lead: str) -> str:
    """SQL of the domain by which a lead's company is known."""
    return f"coalesce({lead}.domain, {lead}.mail_domain)"


def _same_domain(lead: str, account: str) -> str:
    return f"{account}.domain = {domain_of(lead)}"


def _of_domains(lead: str, account: str) -> str:
    own, other = domain_of(lead), f"{account}.domain"
    return f"""
        case when {other} = {own} then {likeness.SAME_DOMAIN}
             when {_label(other)} = {_label(own)} then {likeness.SAME_LABEL}
             when {other} <> {own} then -{likeness.OTHER_DOMAIN} else 0 end"""


def _label(domain: str) -> str:
    """SQL of what likeness.label is: the part that the owner chose, where it is long enough to say something."""
    return f"substring({domain} from '^[^.]{{3,}}')"


def _of_places(lead: str, account: str) -> str:
    city = _agree(f"{lead}.city", f"{account}.city_key", likeness.SAME_CITY, likeness.OTHER_CITY)
    same_address = _same_address(f"{lead}.address", f"{account}.address_key")
    address = f"case when {same_address} then {likeness.SAME_ADDRESS} else 0 end"
    return f"{city} + {address} + {phones.agreement_in_sql(f'{lead}.phone', f'{account}.phone')}"


def _agree(mine: str, theirs: str, same: float, other: float) -> str:
    return f"case when {mine} = {theirs} then {same} when {mine} <> {theirs} then -{other} else 0 end"


def _same_address(mine: str, theirs: str) -> str:
    """Two words in common, one of them a number; strict, so that nothing is taken apart where one is not known."""
    return f"""
        {mine} is not null and {theirs} is not null and (
            select count(*) > 1 and bool_or(word ~ '[0-9]') from (
                select unnest(string_to_array({mine}, ' ')) intersect select unnest(string_to_array({theirs}, ' '))
            ) both_sides (word))"""


# --- in words ---------------------------------------------------------------------------------------


def sides(lead: str, account: str) -> str:
    """SQL of the columns from which `evidence` tells what speaks beside the names."""
    return f"""
        {lead}.country as lead_country, {lead}.city as lead_city, {lead}.address as lead_address,
        {domain_of(lead)} as lead_domain, {lead}.phone as lead_phone,
        {account}.country as account_country, {account}.city_key as account_city,
        {account}.address_key as account_address, {account}.domain as account_domain,
        {account}.phone as account_phone"""


def evidence(row: Mapping[str, Any]) -> tuple[Evidence, ...]:
    """All that speaks for and against: `evidence` of the names as `alike` keeps it, and what `sides` are."""
    names = [Evidence(*piece) for piece in row["evidence"]]
    return (*names, *likeness.beside(_company(row, "lead"), _company(row, "account")))


def _company(row: Mapping[str, Any], side: str) -> Company:
    country, city, address, domain, phone = (
        row[f"{side}_{field}"] or "" for field in ("country", "city", "address", "domain", "phone")
    )
    return Company(NAMELESS, country, city, frozenset(address.split()), domain, phone)
