"""A ledger with leads that were given to reps, mails that are owed, and a mailbox instead of a mail server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from tests.route.conftest import World, simple
from tests.route.firms import MONDAY_NOON

from clearlane.policy.model import MailRules, Policy
from clearlane.sla import mails
from clearlane.sla.mails import Mail, MailFailed, Post, Sent, Web, notices

MINUTE = timedelta(minutes=1)
ADA = {
    "first_name": "Ada", "last_name": "Fisk", "account_name": "Bright Data", "title": "Head of Sales", "city": "Berlin",
    "country": "DE", "phone": "+493012345", "email": "ada@bright.example", "zone": "Europe/Berlin",
    "zone_confidence": 0.95,
}  # fmt: skip


@dataclass
class Box:
    """Takes messages, or fails as it is told: one answer a message, the last one for all that follow."""

    answers: list[MailFailed | Mapping[str, str]] = field(default_factory=list)
    got: list[EmailMessage] = field(default_factory=list)
    tried: int = 0

    def __call__(self, message: EmailMessage) -> Mapping[str, str]:
        self.tried += 1
        answer = self.answers[min(self.tried, len(self.answers)) - 1] if self.answers else {}
        if isinstance(answer, MailFailed):
            raise answer
        if not answer:
            self.got.append(message)
        return answer

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.got]


@dataclass
class Desk:
    """Who sends: the world's ledger, one policy, one mailbox."""

    world: World
    policy: Policy = field(default_factory=simple)
    box: Box = field(default_factory=Box)
    web: Web = field(default_factory=Web)

    def rules(self, **rules: Any) -> None:
        sla = replace(self.policy.sla, mail=replace(MailRules(), **rules))
        self.policy = replace(self.policy, sla=sla)

    def lead(self, name: str = "L", **options: Any) -> UUID:
        """A lead given at noon, with the notice to its rep owed."""
        lead = self.world.lead(name, **{**ADA, **options.pop("known", {})})
        batch = self.world.run(self.policy, [lead], **options)
        with self.world.engine.begin() as connection:
            notices.owe(connection, self.policy, batch)
        return lead

    def owe(self, *owed: Mail) -> int:
        with self.world.engine.begin() as connection:
            return mails.owe(connection, self.policy, owed)

    def suspended(self, key: str, person: str = "ana", **options: Any) -> Mail:
        """A mail about no lead."""
        facts = {"until": "2026-03-02T17:00:00+00:00", "because": "three were late", "rep": person}
        return Mail(
            key, "suspended", person, options.pop("urgency", "soon"), MONDAY_NOON, facts=facts, **options
        )

    def send(self, at: datetime = MONDAY_NOON, box: Any = None, **options: Any) -> Sent:
        return mails.send_due(self.world.engine, self.policy, at, Post(box or self.box, self.web), **options)

    def states(self) -> list[str]:
        return [row["state"] for row in self.world.rows("select state from mail order by mail_id")]

    def mail(self, **more: Any) -> dict[str, Any]:
        return self.world.rows("select * from mail order by mail_id limit 1")[0]
