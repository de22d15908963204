"""Who hears of a policy that was published: each person of teams.yaml whom it changes something for, and marketing.

One mail each, of what changes for that person; nobody is told of what stays. The first policy of a ledger changes
nothing: there was none before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.policy import changes
from clearlane.policy.changes import Section
from clearlane.policy.model import Policy
from clearlane.sla.mails import Mail, owe

MARKETING = "marketing"
"""the role to whom a mail goes where sla.yaml names an address, not a person of teams.yaml"""


@dataclass(frozen=True)
class Published:
    """What was put in force, by whom and why; moments are UTC."""

    versions: Mapping[str, str]
    """file -> hash, of the files that changed"""
    by: str
    because: str
    in_force_from: datetime
    at: datetime

    @property
    def key(self) -> str:
        told = f"{sorted(self.versions.items())} {self.in_force_from.isoformat()}"
        return sha256(told.encode()).hexdigest()[:16]


def tell(connection: Connection, before: Mapping[str, str], published: Published) -> int:
    """Owe the mails about it; how many. `before` is file -> hash of what was in force. Never commits, sends nothing."""
    if not before or not published.versions:
        return 0
    old = policies.stored(connection, before)
    new = policies.stored(connection, {**before, **published.versions})
    return owe(connection, new, _mails(old, new, published))


def _mails(old: Policy, new: Policy, published: Published) -> Iterator[Mail]:
    for person, address, sections in _told(old, new):
        if sections:
            yield Mail(
                key=f"publish:{published.key}:{person}",
                kind="publish",
                person=person,
                address=address,
                urgency="quiet",
                send_after=published.at,
                facts=_facts(new, person, sections, published),
            )


def _told(old: Policy, new: Policy) -> Iterator[tuple[str, str | None, Sequence[Section]]]:
    """Person, address where it is none of teams.yaml, and what changes for it."""
    marketing, meaning = new.sla.marketing, changes.for_marketing(old, new)
    for person in new.teams.reps:
        also = meaning if person == marketing else ()
        yield person, None, (*changes.for_person(old, new, person), *also)
    if marketing and marketing not in new.teams.reps:
        yield MARKETING, marketing, meaning


def _facts(
    policy: Policy, person: str, sections: Sequence[Section], published: Published
) -> Mapping[str, object]:
    """What the template of a report says: subject, why it comes, paragraphs, sections of lines."""
    rep = policy.teams.reps.get(person)
    zone = rep.zone if rep else policy.sla.team_zone
    since = f"{published.in_force_from.astimezone(ZoneInfo(zone)):%A, %-d %B %Y, %H:%M %Z}"
    why = f"{published.by} published new rules, in force from {since}: {published.because.rstrip('.')}."
    return {
        "subject": "What changes for you: new rules for leads",
        "because": why,
        "paragraphs": ["Only what is different for you is listed; all the rest stays."],
        "sections": [{"title": one.title, "lines": list(one.lines)} for one in sections],
    }
