"""Sends what is owed to people: settle, choose, claim, write, begin, send, note; one mail after the other.

A mail server that is down ends the sending and costs no mail anything; what one mail was refused for is noted on it.
A process that dies leaves at most the one mail in doubt that it had begun.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clearlane.policy.model import Policy
from clearlane.push.draining import Clock
from clearlane.sla.mails import claims
from clearlane.sla.mails.claims import Claim
from clearlane.sla.mails.content import Desk, Void, Web, content
from clearlane.sla.mails.envelopes import Envelope, envelopes
from clearlane.sla.mails.message import message
from clearlane.sla.mails.rendering import letter

PATIENCE: Final = timedelta(minutes=4)
"""after which no further mail is begun: a slow mail server does not hold up a run"""
DRY: Final = "kept: this is a dry run (CLEARLANE_DRY_RUN)"
UNCONNECTED: Final = "kept: no mail server is set up (Airflow connection smtp_default)"

Send = Callable[[EmailMessage], Mapping[str, str]]
"""Hands a message over; the recipients that were refused for good, with the reason. Raises MailFailed for the rest."""


class MailFailed(Exception):
    """A message was not handed over; the text names no person and no address.

    `temporary`: worth trying again. `down`: the mail server as a whole, not this message. `uncertain`: the server had
    the message and its answer was lost, so that it may be on its way.
    """

    def __init__(
        self, because: str, *, temporary: bool = True, down: bool = False, uncertain: bool = False
    ) -> None:
        super().__init__(because)
        self.because, self.temporary, self.down, self.uncertain = (
            without_addresses(because),
            temporary,
            down,
            uncertain,
        )


@dataclass(frozen=True)
class Sent:
    sent: int = 0
    again: int = 0
    """of the sent, those that may have been sent before"""
    joined: int = 0
    """of the sent, those made of several"""
    refused: int = 0
    failed: int = 0
    dead: int = 0
    dropped: int = 0
    expired: int = 0
    left: int = 0
    """still owed afterwards"""

    def __add__(self, other: Sent) -> Sent:
        return Sent(**{name: count + getattr(other, name) for name, count in vars(self).items()})


@dataclass(frozen=True)
class Post:
    """How mails leave: what hands them over, and where their links lead. Without `send` they are kept."""

    send: Send | None = None
    web: Web = field(default_factory=Web)


class _Down(Exception):
    """No further mail is tried."""

    def __init__(self, because: str, counts: Sent) -> None:
        super().__init__(because)
        self.counts = counts


def send_due(
    engine: Engine,
    policy: Policy,
    at: datetime,
    post: Post,
    *,
    dry_run: bool = False,
    person: str | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Sent:
    """Send what may be sent from `at` (UTC) on; a dry run, or one without a mail server, keeps all and says why.

    `person`: only what is owed to this one.
    """
    if dry_run or post.send is None:
        with engine.begin() as connection:
            claims.kept(connection, DRY if dry_run else UNCONNECTED, at)
            return Sent(left=claims.left(connection))
    clock = Clock.from_now(at, monotonic, time.sleep)
    with engine.begin() as connection:
        expired, dead = claims.settle(connection, policy.sla.mail, at)
        desk = Desk(policy, post.web, _bounced(connection))
        chosen = [one for one in _chosen(connection, policy, at) if person in (None, one.person)]
    total = _Sending(engine, desk, post.send, clock).all(chosen)
    with engine.connect() as connection:
        return total + Sent(expired=expired, dead=dead, left=claims.left(connection))


def _chosen(connection: Connection, policy: Policy, at: datetime) -> list[Envelope]:
    def zone_of(person: str) -> str:
        rep = policy.teams.reps.get(person)
        return rep.zone if rep else policy.sla.team_zone

    waiting = claims.waiting(connection, at)
    lately = claims.lately(connection, (one.person for one in waiting), at)
    return list(envelopes(waiting, policy.sla.mail, at, zone_of=zone_of, lately=lately))


def _bounced(connection: Connection) -> frozenset[str]:
    query = sa.text("select address from bounce where ended_at is null")
    return frozenset(connection.execute(query).scalars())


class _Sending:
    """One process that sends, one mail at a time."""

    def __init__(self, engine: Engine, desk: Desk, send: Send, clock: Clock) -> None:
        self._engine, self._desk, self._send, self._clock = engine, desk, send, clock

    def all(self, chosen: list[Envelope]) -> Sent:
        total = Sent()
        for envelope in chosen:
            if self._clock.now() > self._clock.at + PATIENCE:
                break
            try:
                total += self._one(envelope)
            except _Down as down:
                with self._engine.begin() as connection:
                    claims.kept(connection, str(down), self._clock.now())
                return total + down.counts
        return total

    def _one(self, envelope: Envelope) -> Sent:
        with self._engine.begin() as connection:
            claim = claims.claim(connection, envelope, self._desk.policy.sla.mail, self._clock.now())
        if claim is None:
            return Sent()
        said = self._written(claim)
        if isinstance(said, Void):
            with self._engine.begin() as connection:
                claims.ended(connection, claim, said.state, said.because)
            return Sent(dropped=int(said.state == "dropped"), refused=int(said.state == "refused"))
        if isinstance(said, str):
            return self._failed(claim, MailFailed(said))
        made, address = said
        with self._engine.begin() as connection:
            begun = claims.begin(
                connection, claim, address=address, message_id=str(made["Message-ID"]), at=self._clock.now()
            )
        return self._handed_over(claim, made, address) if begun else Sent()

    def _written(self, claim: Claim) -> tuple[EmailMessage, str] | Void | str:
        """The message and where it goes, or why there is none; a text where it could not be written."""
        row, at = claim.row, self._clock.now()
        again = row["begun_at"] is not None
        try:
            with self._engine.connect() as connection:
                said = content(connection, self._desk, row, at)
            if isinstance(said, Void):
                return said
            made = message(
                letter(replace(said, again=again)), said.reader, key=row["key"], kind=row["kind"], at=at,
                again=again, lead_id=row["lead_id"],
            )  # fmt: skip
        except Exception as error:  # one mail that cannot be written must not keep the others
            return f"could not be written: {type(error).__name__}"
        return made, said.reader.address

    def _handed_over(self, claim: Claim, made: EmailMessage, address: str) -> Sent:
        try:
            refused = self._send(made)
        except MailFailed as failed:
            return self._failed(claim, failed)
        except Exception as error:
            lost = MailFailed(f"could not be handed over: {type(error).__name__}", uncertain=True)
            return self._failed(claim, lost)
        at = self._clock.now()
        with self._engine.begin() as connection:
            if refused:
                because = without_addresses(next(iter(refused.values())))
                claims.ended(connection, claim, "refused", because)
                claims.bounced(connection, address, because, at)
                return Sent(refused=1)
            claims.sent(connection, claim, at)
        again, joined = claim.row["begun_at"] is not None, claim.row["kind"] == "joined"
        return Sent(sent=1, again=int(again), joined=int(joined))

    def _failed(self, claim: Claim, failed: MailFailed) -> Sent:
        """Note what went wrong; of a server that is down nothing counts against the mail."""
        with self._engine.begin() as connection:
            if failed.uncertain:
                claims.unknown(connection, claim, f"{claims.MAYBE_SENT} ({failed.because})")
                counts = Sent(failed=1)
            elif failed.down:
                claims.released(connection, claim, failed.because)
                counts = Sent(failed=1)
            else:
                now = self._clock.now()
                dead = claims.failed(connection, claim, failed.because, now, lasting=not failed.temporary)
                counts = Sent(dead=1) if dead else Sent(failed=1)
        if failed.down:
            raise _Down(failed.because, counts)
        return counts


def without_addresses(text: str) -> str:
    """What a mail server said, on one line, without the addresses in it."""
    return re.sub(r"<?\S+@\S+>?", "…", " ".join(text.split()))[:200]
