"""Who sends which mail: claims with a number and an end, and what became of each.

`begun_at` is committed before the mail server is spoken to. A mail that was begun and of which nobody noted the end may
have been sent: within the policy's window it is sent once more, marked as such, and after that it is dead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import MailRules
from clearlane.push.claims import wait
from clearlane.sla.mails.envelopes import Envelope, Waiting
from clearlane.sla.mails.owing import ABOUT_A_LEAD

ATTEMPTS: Final = 8
"""sendings that failed for sure, after which a mail is dead and waits for a person"""
LEASE: Final = timedelta(minutes=5)
"""how long a claim holds: longer than one mail takes, with the time-outs of all that is said to a mail server"""
HOUR: Final = timedelta(hours=1)
AT_ONCE: Final = 5_000
MAYBE_SENT: Final = "may have been sent: the mail server's answer was lost"

_FREE: Final = (
    "state = 'owed' and coalesce(claimed_until <= :at, true) and coalesce(next_attempt_at <= :at, true)"
)


@dataclass(frozen=True)
class Claim:
    number: int
    row: RowMapping


# --- before -------------------------------------------------------------------------------------------

_EXPIRE: Final = sa.text(
    f"update mail set state = 'expired', claimed_until = null where {_FREE} and expires_at <= :at and begun_at is null"
)
_DOUBTFUL: Final = sa.text(
    f"""
    update mail set state = 'dead', claimed_until = null, error = :because
    where {_FREE} and begun_at is not null and (again or begun_at <= :latest)
    """
)


def settle(connection: Connection, rules: MailRules, at: datetime) -> tuple[int, int]:
    """Give up what came too late, and what may have been sent and is too old to repeat; how many of each."""
    doubtful = {"at": at, "latest": at - rules.repeat_window, "because": MAYBE_SENT}
    dead = connection.execute(_DOUBTFUL, doubtful).rowcount
    return connection.execute(_EXPIRE, {"at": at}).rowcount, dead


_WAITING: Final = sa.text(
    f"""
    select mail_id, person, urgency, lead_id is not null and begun_at is null and kind = any(:kinds) as joins
    from mail where {_FREE} and send_after <= :at
    order by urgency <> 'now', send_after, mail_id limit :most
    """
)
# Whoever is being written to counts as written to.
_LATELY: Final = sa.text(
    """
    select person, count(*) from (
        select person from mail where person = any(:people) and sent_at > :since
        union all
        select person from mail where person = any(:people) and state = 'owed' and claimed_until > :at
    ) written group by person
    """
)


def waiting(connection: Connection, at: datetime) -> list[Waiting]:
    """What could be sent at the moment, at most `AT_ONCE`, urgent ones first, then the oldest."""
    return [
        Waiting(*row)
        for row in connection.execute(_WAITING, {"at": at, "most": AT_ONCE, "kinds": list(ABOUT_A_LEAD)})
    ]


def lately(connection: Connection, people: Iterable[str], at: datetime) -> dict[str, int]:
    """Person -> mails within the last hour, of those people."""
    bound = {"people": sorted(set(people)), "at": at, "since": at - HOUR}
    return {row[0]: row[1] for row in connection.execute(_LATELY, bound)}


# --- taking -------------------------------------------------------------------------------------------

_ALONE: Final = sa.text("select pg_advisory_xact_lock(hashtext('clearlane.mails'), hashtext(:person))")
_TAKE: Final = sa.text(
    f"""
    update mail set claimed_by = nextval('mail_claim_seq'), claimed_until = :until, attempts = attempts + 1
    where mail_id = :mail_id and {_FREE} returning *
    """
)
_MEMBERS: Final = sa.text(
    f"select mail_id, address, expires_at from mail"
    f" where mail_id = any(:ids) and {_FREE} order by mail_id for update"
)
_JOIN: Final = sa.text(
    """
    insert into mail (key, kind, person, address, urgency, facts, send_after, expires_at)
    values ('joined:' || :person || ':' || :last, 'joined', :person, :address, 'soon', '{}', :at, :expires_at)
    returning mail_id
    """
)
_JOINED: Final = sa.text("update mail set state = 'joined', digest_id = :digest where mail_id = any(:ids)")


def claim(connection: Connection, envelope: Envelope, rules: MailRules, at: datetime) -> Claim | None:
    """The envelope's mail, made of several where it names several; None where another took it or used up the hour.

    Senders of mails to one person take turns; the count of the last hour is theirs together.
    """
    connection.execute(_ALONE, {"person": envelope.person})
    written = lately(connection, [envelope.person], at).get(envelope.person, 0)
    if envelope.urgency != "now" and written >= rules.per_hour:
        return None
    mail_id = _one(connection, envelope, at)
    taken = {"mail_id": mail_id, "at": at, "until": at + LEASE}
    row = connection.execute(_TAKE, taken).mappings().first() if mail_id else None
    return Claim(row["claimed_by"], row) if row else None


def _one(connection: Connection, envelope: Envelope, at: datetime) -> int | None:
    """The mail itself, or a new one made of those of the envelope that are still to be had."""
    if len(envelope.mails) == 1:
        return envelope.mails[0]
    found = connection.execute(_MEMBERS, {"ids": list(envelope.mails), "at": at}).all()
    if len(found) < 2:
        return found[0].mail_id if found else None
    ids = [row.mail_id for row in found]
    ends = [row.expires_at for row in found]
    joined: int = connection.execute(
        _JOIN,
        {
            "person": envelope.person, "last": str(ids[-1]), "address": found[0].address, "at": at,
            "expires_at": None if None in ends else max(ends),
        },
    ).scalar_one()  # fmt: skip
    connection.execute(_JOINED, {"digest": joined, "ids": ids})
    return joined


# --- noting -------------------------------------------------------------------------------------------

_MINE: Final = "where mail_id = :mail_id and claimed_by = :number and state = 'owed'"
_BEGIN: Final = sa.text(
    f"""
    update mail set begun_at = coalesce(begun_at, :at), again = begun_at is not null, address = :address,
        message_id = :message_id {_MINE}
    """
)
_SENT: Final = sa.text(
    f"update mail set state = 'sent', sent_at = :at, error = null, claimed_until = null, next_attempt_at = null {_MINE}"
)
_ENDED: Final = sa.text(f"update mail set state = :state, error = :error, claimed_until = null {_MINE}")
# What was begun before this sending may have been sent, however this one ended.
_UNSENT: Final = """
    claimed_until = null, error = :error, begun_at = case when again then begun_at end, again = false
"""
_FAILED: Final = sa.text(f"update mail set state = :state, next_attempt_at = :next, {_UNSENT} {_MINE}")
_RELEASED: Final = sa.text(f"update mail set attempts = attempts - 1, {_UNSENT} {_MINE}")
_UNKNOWN: Final = sa.text(f"update mail set claimed_until = null, error = :error {_MINE}")
_BOUNCED: Final = sa.text(
    """
    insert into bounce (address, because, noted_at) values (:address, :because, :at)
    on conflict (address) where ended_at is null do update set because = excluded.because
    """
)


def begin(connection: Connection, claim: Claim, *, address: str, message_id: str, at: datetime) -> bool:
    """Note that the mail server may have it from now on; False where another took the claim over."""
    bound = {**_bound(claim), "address": address, "message_id": message_id, "at": at}
    return connection.execute(_BEGIN, bound).rowcount == 1


def sent(connection: Connection, claim: Claim, at: datetime) -> None:
    connection.execute(_SENT, {**_bound(claim), "at": at})


def ended(connection: Connection, claim: Claim, state: str, because: str) -> None:
    """It is not sent any more: `refused`, `dropped` or `dead`."""
    connection.execute(_ENDED, {**_bound(claim), "state": state, "error": because})


def failed(connection: Connection, claim: Claim, because: str, at: datetime, *, lasting: bool) -> bool:
    """It was not sent; tried again later, unless the failure is lasting or one too many: then it is dead (True)."""
    tries = claim.row["attempts"]
    dead = lasting or tries >= ATTEMPTS
    later = None if dead else at + wait(claim.row["key"], tries, None)
    state = "dead" if dead else "owed"
    connection.execute(_FAILED, {**_bound(claim), "state": state, "error": because, "next": later})
    return dead


def released(connection: Connection, claim: Claim, because: str) -> None:
    """It was not sent, and not for anything of its own."""
    connection.execute(_RELEASED, {**_bound(claim), "error": because})


def unknown(connection: Connection, claim: Claim, because: str) -> None:
    """Nobody knows whether it was sent: `settle` and the next sender see to it."""
    connection.execute(_UNKNOWN, {**_bound(claim), "error": because})


def bounced(connection: Connection, address: str, because: str, at: datetime) -> None:
    """Mails to the address come back: nothing more is sent to it before somebody says that it works again."""
    connection.execute(_BOUNCED, {"address": address.lower(), "because": because, "at": at})


def _bound(claim: Claim) -> dict[str, Any]:
    return {"mail_id": claim.row["mail_id"], "number": claim.number}


# --- why nothing goes -----------------------------------------------------------------------------------

_KEPT: Final = sa.text(
    f"update mail set error = :because where {_FREE} and send_after <= :at and error is distinct from :because"
)
_LEFT: Final = sa.text("select count(*) from mail where state = 'owed'")


def kept(connection: Connection, because: str, at: datetime) -> None:
    """Say of all that could go why it does not."""
    connection.execute(_KEPT, {"because": because, "at": at})


def left(connection: Connection) -> int:
    """How many mails are owed."""
    return int(connection.execute(_LEFT).scalar_one())
