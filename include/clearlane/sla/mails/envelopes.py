"""Which of the mails that wait for a person go out now, and which of them as one.

What is urgent never waits. The rest keeps the quiet hours of its reader's zone and the number that a person is sent
in an hour; more of them than `digest_above`, or than that number leaves, become one mail that lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from clearlane.policy.model import MailRules
from clearlane.sla.mails.owing import Urgency

_FIRST: Final[Mapping[str, int]] = {"now": 0, "soon": 1, "quiet": 1}


@dataclass(frozen=True)
class Waiting:
    """A mail that could be sent at this moment, were it for the mail server alone."""

    mail_id: int
    person: str
    urgency: Urgency
    joins: bool
    """it is about a lead, and may stand in one mail with others"""


@dataclass(frozen=True)
class Envelope:
    """One mail to send: more than one id, where it is to be made of them."""

    person: str
    urgency: Urgency
    mails: tuple[int, ...]


def envelopes(
    waiting: Iterable[Waiting],
    rules: MailRules,
    at: datetime,
    *,
    zone_of: Callable[[str], str],
    lately: Mapping[str, int],
) -> Sequence[Envelope]:
    """What goes out at the moment (UTC), urgent ones first; `lately` says person -> mails sent within the last hour."""
    by_person = groupby(sorted(waiting, key=lambda one: (one.person, one.mail_id)), lambda one: one.person)
    found = [
        envelope
        for person, owed in by_person
        for envelope in _of_person(
            person,
            list(owed),
            rules,
            rules.per_hour - lately.get(person, 0),
            is_quiet(rules, at, zone_of(person)),
        )
    ]
    return sorted(found, key=lambda one: (_FIRST[one.urgency], one.mails))


def is_quiet(rules: MailRules, at: datetime, zone: str) -> bool:
    """Whether the moment (UTC) lies in the quiet hours of the zone; the end is not included."""
    if rules.quiet_hours is None:
        return False
    begins, ends = rules.quiet_hours
    now = at.astimezone(ZoneInfo(zone)).time()
    return begins <= now < ends if begins <= ends else now >= begins or now < ends


def _of_person(
    person: str, owed: Sequence[Waiting], rules: MailRules, room: int, quiet: bool
) -> Iterator[Envelope]:
    for one in owed:
        if one.urgency == "now":
            yield Envelope(person, "now", (one.mail_id,))
    patient = [one for one in owed if one.urgency != "now"]
    if quiet or room < 1 or not patient:
        return
    joined = [one.mail_id for one in patient if one.joins]
    alone = [one.mail_id for one in patient if not one.joins]
    if len(joined) > 1 and (len(joined) > rules.digest_above or len(patient) > room):
        yield Envelope(person, "soon", tuple(joined))
        joined, room = [], room - 1
    for mail_id in sorted([*joined, *alone])[:room]:
        yield Envelope(person, "soon", (mail_id,))
