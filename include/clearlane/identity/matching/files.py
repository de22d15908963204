"""Leads to accounts without a ledger: files in, file out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

from clearlane import sheets
from clearlane.identity import mail_domains, normalise
from clearlane.identity.matching import blocking, phones, rarity, wording
from clearlane.identity.matching.judgement import Judgement, Outcome, Thresholds, judged
from clearlane.identity.matching.likeness import Company, Likeness, likeness
from clearlane.identity.matching.names import NAMELESS, parsed, spelled
from clearlane.identity.matching.processes import shared
from clearlane.identity.matching.rarity import Rarity
from clearlane.sheets import Sheet, Unreadable

COLUMNS: Final = ("lead_id", "account_id", "probability", "outcome", "because")
CHUNK: Final = 20_000
_DETAILS: Final = ("country", "city", "address", "phone")
_DOMAINS: Final = ("domain", "website", "email")

LARGE: Final = 2_000_000
"""bytes of a file of leads from which on several processes are worth their start"""
MOST_KNOWN: Final = 200_000
"""companies whose answers are remembered for leads to come"""

Row = tuple[str, ...]
Told = tuple[str, str, str, frozenset[str], str, str]
"""name, country, city, address, own domain and phone: what an answer depends on, which colleagues have in common"""
Answer = tuple[str | None, float, str, str]
"""account, probability, outcome and why"""


class Accounts:
    """The accounts that leads are matched with: their ids, names as given, keys and how rare their words are."""

    def __init__(self, ids: Sequence[str], names: Sequence[str], companies: Sequence[Company]) -> None:
        self.ids, self.names, self.companies = ids, names, companies
        self.index = blocking.index(companies)
        self.rarity: Rarity = rarity.among(company.name for company in companies)
        self.number = len(set(ids))
        self.phones = {key for company in companies for key in phones.keys(company.phone)}
        self.called: Mapping[str, str] = dict(sorted(zip(ids, names, strict=True), reverse=True))

    def answers(self, told: Sequence[Told], thresholds: Thresholds) -> list[Answer]:
        """One for each company."""
        judgements = self.judgements(list(map(_company, told)), thresholds)
        return [
            _answer(one[0], judgement, self.called) for one, judgement in zip(told, judgements, strict=True)
        ]

    def judgements(self, leads: Sequence[Company], thresholds: Thresholds) -> list[Judgement]:
        """One for each lead, which does not depend on the other leads nor on the order of the accounts."""
        found: list[dict[str, Likeness]] = [{} for _ in leads]
        for lead, account in self.index.candidates(leads):
            like = likeness(leads[lead], self.companies[account], self.rarity)
            best = found[lead].get(self.ids[account])
            if best is None or like > best:
                found[lead][self.ids[account]] = like
        return [judged(list(likes.items()), self.number, thresholds) for likes in found]


def match_files(
    leads: Path, accounts: Path, out: Path, thresholds: Thresholds | None = None, processes: int = 1
) -> int:
    """Match the leads of a file with the accounts of another into `out`; return the number of leads.

    Leads: lead_id, company; accounts: account_id, name; both with any of country, city, address, phone, domain,
    website, email. An account may have a row for each of its names. CSV or Parquet by extension; one row per lead with
    COLUMNS, in the order given. So many processes work on a large file of leads, and answer as one does. Raises
    sheets.Unreadable; `out` is written whole or not at all.
    """
    with duckdb.connect() as connection:
        known = _accounts(connection, accounts)
    answers = partial(known.answers, thresholds=thresholds or Thresholds())
    # No connection is open here: its threads would not be there in the processes.
    with shared(answers, processes if _is_large(leads) else 1) as answer, duckdb.connect() as connection:
        chunks = list(_matched(connection, leads, known.phones, answer))
    frame = pd.concat([pd.DataFrame(columns=list(COLUMNS)), *chunks], ignore_index=True)
    sheets.write(frame, out)
    return len(frame)


def _accounts(connection: duckdb.DuckDBPyConnection, path: Path) -> Accounts:
    sheet = sheets.of_file(connection, "accounts", path)
    given = [row for chunk in _rows(connection, sheet, "account_id", "name") for row in chunk]
    missing = next((number for number, row in enumerate(given, start=1) if not row[0]), None)
    if missing:
        raise sheet.refused(missing, "account_id", "every account needs an id")
    rows = sorted(set(given))
    return Accounts([row[0] for row in rows], [row[1] for row in rows], companies(rows))


def _is_large(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > LARGE


def _matched(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    numbers: Set[str],
    answer: Callable[[Sequence[Told]], Iterable[Answer]],
) -> Iterator[pd.DataFrame]:
    sheet = sheets.of_file(connection, "leads", path)
    known: dict[Told, Answer] = {}
    for rows in _rows(connection, sheet, "lead_id", "company"):
        companies_told = [_without_strange(one, numbers) for one in told(rows)]
        fresh = list(dict.fromkeys(one for one in companies_told if one not in known))
        known.update(zip(fresh, answer(fresh), strict=True))
        yield pd.DataFrame(
            [(row[0], *known[one]) for row, one in zip(rows, companies_told, strict=True)],
            columns=list(COLUMNS),
        )
        if len(known) > MOST_KNOWN:
            known.clear()


def _without_strange(one: Told, numbers: Set[str]) -> Told:
    """Without a phone that no account has anything of, so that colleagues have one answer."""
    return (*one[:-1], "") if one[-1] and numbers.isdisjoint(phones.keys(one[-1])) else one


def _answer(company: str, judgement: Judgement, names: Mapping[str, str]) -> Answer:
    first = judgement.candidates[0] if judgement.candidates else None
    named = first.account if first and judgement.outcome is not Outcome.NONE else None
    probability = round(first.probability, 4) if first else 0.0
    return named, probability, str(judgement.outcome), wording.because(company, judgement, names)


def _rows(connection: duckdb.DuckDBPyConnection, sheet: Sheet, key: str, name: str) -> Iterator[list[Row]]:
    """Chunks of (id, name, country, city, address, phone, domain, website, email), empty where there is no column."""
    for column in (key, name):
        if column not in sheet.columns:
            found = ", ".join(sheet.columns)
            raise Unreadable(sheet.name, f"this column is missing, found: {found}", line=1, column=column)
    wanted = (key, name, *_DETAILS, *_DOMAINS)
    cells = [f"coalesce({sheet.raw(one)}, '')" if one in sheet.columns else "''" for one in wanted]
    try:
        answer = connection.execute(f"select {', '.join(cells)} from {sheet.relation}")
        while chunk := answer.fetchmany(CHUNK):
            yield chunk
    except duckdb.Error as error:
        raise sheet.broken(error) from None


def companies(rows: Sequence[Row]) -> list[Company]:
    """What the rows (see _rows) say of each company."""
    return list(map(_company, told(rows)))


def told(rows: Sequence[Row]) -> list[Told]:
    """The same, before the names are read."""
    countries = normalise.countries(row[2] for row in rows if row[2])
    numbers = normalise.phones((row[5], countries.get(row[2])) for row in rows if row[5])
    domains = normalise.domains(text for row in rows for text in row[6:] if text)
    return [
        (
            row[1],
            countries.get(row[2], ""),
            spelled(row[3]),
            frozenset(spelled(row[4]).split()),
            _own_domain(row[6:], domains),
            numbers.get((row[5], countries.get(row[2])), ""),
        )
        for row in rows
    ]


def _company(told: Told) -> Company:
    name, country, city, address, domain, phone = told
    return Company(parsed(name) if name else NAMELESS, country, city, address, domain, phone)


def _own_domain(texts: Sequence[str], domains: Mapping[str, str]) -> str:
    """The first of domain, website and mail that is the company's own, not a provider's of free or throw-away mail."""
    known = (domains[text] for text in texts if text in domains)
    return next((domain for domain in known if not mail_domains.is_nobodys(domain)), "")
