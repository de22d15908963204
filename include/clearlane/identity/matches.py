"""The companies of leads that may be an account: what a person is asked, and what the person said.

A verdict is on a company's name, for all leads that have it, and is followed by the next run; each can be
withdrawn. What is exact (contact, domain, the very name) is never asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity.companies import NOT_REFUSED, VERDICTS, said, valid
from clearlane.identity.likely import CANDIDATES, evidence, odds, sides
from clearlane.identity.matching.wording import told
from clearlane.policy.model import Matching

Verdict = Literal["accept", "refuse", "withdraw"]


class NotPossible(ValueError):
    """What was said cannot be done; the text says why."""


@dataclass(frozen=True)
class Candidate:
    """An account that a company may be; `because` names the evidence and its weights."""

    account_id: str
    account: str
    name: str
    probability: float
    because: str


@dataclass(frozen=True)
class Question:
    """A company that may be an account: its normalised name, its leads and the candidates, the likeliest first."""

    company: str
    leads: tuple[str, ...]
    candidates: tuple[Candidate, ...]


HEADS: Final = ("company", "lead", "leads", "may be", "probability", "or another of", "any of them")


def cells(question: Question) -> Sequence[str]:
    """A question as a row under HEADS; `lead` is one of its leads, by whose name it is answered."""
    first, *others = question.candidates
    together = sum(one.probability for one in question.candidates)
    named = (question.company, question.leads[0], str(len(question.leads)), f"{first.name} ({first.account})")
    return *named, f"{first.probability:.0%}", str(len(others)), f"{min(together, 1):.0%}"


_NAMED: Final = f"""
    select s.company, s.lead, s.lead_id, r.account_id, r.source || ':' || r.external_id as account, r.name, k.evidence,
           {sides("s", "r")}, {{odds}} as odds
    from open s {{found}}
    where {valid("account_revision", "account_id")} and {NOT_REFUSED}"""
_LIKELY: Final = f"""
with open as (
    select l.lead_id, l.source || ':' || l.external_id as lead, r.keys ->> 'company' as company,
           r.keys ->> 'domain' as domain, r.keys ->> 'mail_domain' as mail_domain,
           r.attributes ->> 'country' as country, r.keys ->> 'phone' as phone, r.keys ->> 'city' as city,
           r.keys ->> 'address' as address, cast('infinity' as timestamptz) as at
    from lead l cross join lateral (
        select keys, attributes from lead_revision where lead_id = l.lead_id
        order by valid_from desc, content_hash desc limit 1
    ) r
    where {{which}}
), {said("open")}, named as ({{named}}
), likely as (
    select *, odds / (sum(odds) over (partition by lead_id) + 1) as probability,
           1 - 1 / (sum(odds) over (partition by lead_id) + 1) as any_of_them
    from named
)
select * from likely
where any_of_them >= :ask order by company, lead, probability desc, account
"""
_OPEN: Final = "l.survivor_id = l.lead_id and l.account_id is null and r.keys ->> 'company' is not null"


def asked(connection: Connection, matching: Matching) -> list[Question]:
    """What a person is asked: companies without an account that one may be, the surest first."""
    rows = _candidates(connection, _OPEN, matching.companies, ask=matching.ask)
    questions = [
        _question(company, list(found)) for company, found in groupby(rows, lambda row: str(row["company"]))
    ]
    return sorted(questions, key=lambda one: (-one.candidates[0].probability, one.company))


def open_for(connection: Connection, matching: Matching, leads: Sequence[UUID]) -> Set[UUID]:
    """Those of these surviving leads of whose company a person is asked."""
    which = f"l.lead_id = any(cast(:leads as uuid[])) and {_OPEN}"
    rows = _candidates(connection, which, matching.companies, leads=list(leads), ask=matching.ask)
    return {row["lead_id"] for row in rows}


def of_lead(connection: Connection, lead_id: UUID, matching: Matching) -> Question | None:
    """The accounts that the lead's company may be, however unlikely; null where no name is alike."""
    rows = _candidates(connection, "l.lead_id = :lead", matching.companies, lead=lead_id, ask=0.0)
    return _question(str(rows[0]["company"] or ""), rows) if rows else None


def _candidates(
    connection: Connection, which: str, companies: int, **bound: Any
) -> Sequence[Mapping[str, Any]]:
    weighed = odds("s", "r", companies)
    named = " union all ".join(_NAMED.format(odds=weighed, found=found) for found in CANDIDATES)
    rows = connection.execute(sa.text(_LIKELY.format(which=which, named=named)), bound).mappings()
    return [dict(row) for row in rows]


def _question(company: str, rows: Sequence[Mapping[str, Any]]) -> Question:
    """Leads of one company may differ by country: of each account the likeliest."""
    best: dict[UUID, Candidate] = {}
    for row in sorted(rows, key=lambda row: (-row["probability"], row["account"])):
        best.setdefault(row["account_id"], _candidate(row))
    return Question(company, tuple(sorted({row["lead"] for row in rows})), tuple(best.values()))


def _candidate(row: Mapping[str, Any]) -> Candidate:
    because, probability = told(evidence(row)), float(row["probability"])
    return Candidate(str(row["account_id"]), row["account"], row["name"], probability, because)


# --- verdicts ---------------------------------------------------------------------------------------

_COMPANY: Final = """
select r.keys ->> 'company' from lead l join lead_revision r using (lead_id) where l.lead_id = :lead
order by r.valid_from desc, r.content_hash desc limit 1
"""
_ACCOUNT: Final = """
select account_id from account_revision
where source || ':' || external_id = :account or cast(account_id as text) = :account limit 1
"""
_OTHERS: Final = f"""
insert into match_verdict (company, account_id, verdict, by, because, decided_at)
select company, account_id, 'withdraw', :by, 'another account was accepted', :at
from ({VERDICTS.format(which="v.company = :company")}) latest
where verdict = 'accept' and account_id <> :account
"""
_SAY: Final = """
insert into match_verdict (company, account_id, verdict, by, because, decided_at)
values (:company, :account, :verdict, :by, :because, :at)
"""


def say(
    connection: Connection,
    lead_id: UUID,
    account: str,
    verdict: Verdict,
    *,
    by: str,
    because: str,
    at: datetime,
) -> str:
    """Keep what a person says on the lead's company and an account (SOURCE:ID or id); the company's name.

    Raises NotPossible where the lead has no company or the account is not known.
    """
    company = connection.execute(sa.text(_COMPANY), {"lead": lead_id}).scalar()
    if not company:
        raise NotPossible(f"lead {lead_id} has no company")
    known = connection.execute(sa.text(_ACCOUNT), {"account": account}).scalar()
    if known is None:
        raise NotPossible(f"account {account}: not known; give its id, or SOURCE:ID")
    bound = {"company": company, "account": known, "verdict": verdict, "by": by, "because": because, "at": at}
    if verdict == "accept":
        connection.execute(sa.text(_OTHERS), bound)
    connection.execute(sa.text(_SAY), bound)
    return str(company)
