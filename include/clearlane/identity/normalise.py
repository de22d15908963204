"""The normal forms by which records are found to be equal: address, number, name, company, country, domain.

Every function takes many values and loops over the distinct ones; a value without a normal form is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from clearlane.quality.contact_points import email_verdicts, phone_verdicts, regions

if TYPE_CHECKING:
    from tldextract import TLDExtract


def _each(words: str, separator: str | None = None) -> frozenset[str]:
    return frozenset(words.split(separator))


LONGEST: Final = 200
"""characters of a key; what is longer is no name"""
_ACCENT: Final = re.compile("([a-z])[\u0300-\u036f]+")  # of Latin letters only: elsewhere marks are letters
_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_INITIALS: Final = re.compile(r"\b(\w)\. ?(?=\w\b)")  # J. P. -> JP, S.A. -> SA
_APOSTROPHE: Final = re.compile("['’`´]")
_SEPARATOR: Final = re.compile(r"[\W_]+")
_LEGAL_FORMS: Final = _each(
    """
    ab ag aktiebolag aktiengesellschaft aps as asa asbl avv bhd bv bvba co company coop corp corporation cv cvba dac
    doo dd ead eg ehf eirl ek eood eurl ev gbr haftungsbeschrankt ges gesellschaft gesmbh gie gmbh gp hb hf inc
    incorporated ikr jsc kda kft kg kgaa kk ks lda limited limitada ltd ltda lllp llc llp lp mbh nv nyrt oao od ohg oo
    ooo ood oy oyj ou pc pjsc plc pllc private proprietary pt pte pty pvt ptyltd rt sa sab sae sal sapi sarl sas
    sasu sca scarl scrl sdn se sia sicav sl slu snc sp spa spk spolka spzoo sro srl srls tbk uab ug ulc vof vzw
    xk yk zao zoo zrt ооо оао зао пао ао ип тоо 株式会社 有限会社 合同会社 有限公司 股份有限公司 有限责任公司 주식회사
    """
)
_JOINED_FORMS: Final = re.compile(
    "^(株式会社|有限会社|合同会社|주식회사|㈜)|(株式会社|有限会社|合同会社|(股份|责任)?有限公司|주식회사)$"
)
_LEADING: Final = _each("the ooo ооо оао зао пао ао ип тоо pt cv ud")
_BETWEEN: Final = _each("and y und et e i z")
_NO_COMPANY: Final = _each(
    "na, n a, none, null, nil, unknown, unbekannt, inconnu, desconocido, tbd, test, xxx, company, company name, "
    "my company, your company, no company, self, self employed, selfemployed, freelance, freelancer, independent, "
    "individual, private, privat, personal, home, student, unemployed, retired, not provided, not available, "
    "not applicable",
    ", ",
)
_NO_PERSON: Final = _each(
    "na, n a, none, null, nil, unknown, unknown unknown, unbekannt, inconnu, desconocido, tbd, test, test test, xxx, "
    "not provided, not available, not applicable, anonymous, name, first name last name, no name, lead, customer",
    ", ",
)
_HOST: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_USER: Final = re.compile(r"^[^/?#]*@")
_PROFILES: Final = _each(
    "linkedin.com facebook.com twitter.com x.com instagram.com youtube.com linktr.ee xing.com tiktok.com"
)


def emails(values: Iterable[str]) -> dict[str, str]:
    """Address → lower-case address."""
    return {value: verdict.normal for value, verdict in email_verdicts(values).items() if verdict.normal}


def phones(numbers: Iterable[tuple[str, str | None]]) -> dict[tuple[str, str | None], str]:
    """(Number, ISO country or null) → E.164."""
    return {number: verdict.e164 for number, verdict in phone_verdicts(numbers).items() if verdict.e164}


def countries(values: Iterable[str]) -> dict[str, str]:
    """Name in a major language, or code → ISO 3166 code of two letters."""
    return {value: region for value, region in regions(values).items() if region}


def domains(values: Iterable[str]) -> dict[str, str]:
    """Address, host or e-mail address → registered domain, in ASCII, by the Public Suffix List.

    Pages on social networks are no domain of a company.
    """
    return _found(_domain, values)


def people(values: Iterable[str]) -> dict[str, str]:
    """Name of a person → folded: no case, accents, punctuation; `Doe, Jane` is `jane doe`, `N/A` is none."""
    return _found(_person, values)


def companies(values: Iterable[str]) -> dict[str, str]:
    """Name of a company → folded, without its legal form (Inc, GmbH & Co. KG, S.A., 株式会社)."""
    return _found(_company, values)


def _found(normal: Callable[[str], str], values: Iterable[str]) -> dict[str, str]:
    return {value: form for value in set(values) if (form := normal(value)) and len(form) <= LONGEST}


def folded(text: str) -> str:
    """Lower case, compatibility forms resolved, accents of Latin letters dropped."""
    apart = normalize("NFD", normalize("NFKC", text).casefold())
    return normalize("NFC", _ACCENT.sub(r"\1", apart)).translate(_LETTERS)


def _words(text: str) -> list[str]:
    return _SEPARATOR.sub(" ", text).split()


def _person(name: str) -> str:
    last, comma, first = folded(name).partition(",")
    inverted = comma and "," not in first
    words = " ".join(_words(_APOSTROPHE.sub("", f"{first} {last}" if inverted else folded(name))))
    return "" if words in _NO_PERSON else words


def _company(name: str) -> str:
    text = _APOSTROPHE.sub("", folded(name).replace("&", " and ").replace("+", " and "))
    words = _words(_JOINED_FORMS.sub("", _INITIALS.sub(r"\1", text).strip()))
    name = " ".join(_without_forms(words) or words)
    return "" if name in _NO_COMPANY else name


def _without_forms(words: list[str]) -> list[str]:
    start, end = 0, len(words)
    while end and words[end - 1] in _LEGAL_FORMS:
        end -= 1
        while end and words[end - 1] in _BETWEEN and end < len(words):
            end -= 1
    while start < end - 1 and words[start] in _LEADING:
        start += 1
    return words[start:end]


def _domain(address: str) -> str:
    host = _USER.sub("", _HOST.sub("", address.strip())).lower()
    found = _extract()(host)
    domain = found.top_domain_under_public_suffix or _under_unknown_suffix(found.domain, found.subdomain)
    return "" if domain in _PROFILES else _in_ascii(domain)


def _under_unknown_suffix(last: str, before: str) -> str:
    """The list's own rule for a suffix it does not hold: it is one label (acme.example)."""
    name = before.rpartition(".")[2]
    return f"{name}.{last}" if name and last.isalpha() else ""


def _in_ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain


@lru_cache(maxsize=1)
def _extract() -> TLDExtract:
    from tldextract import TLDExtract

    return TLDExtract(
        suffix_list_urls=(), fallback_to_snapshot=True, cache_dir=None, include_psl_private_domains=True
    )
