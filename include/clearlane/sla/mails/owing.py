"""What is owed to whom: one row per event and person, however often it is asked for.

A mail is owed in the transaction that made it due, and sent by others later: see `sending`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from clearlane.ledger.models import mail
from clearlane.policy.model import Policy

Kind = Literal[
    "notice", "warn", "breach", "reassigned", "time_out", "escalation", "exhausted", "unverified", "queue",
    "suspended", "quarantine", "publish", "incident", "digest", "review", "joined",
]  # fmt: skip
Urgency = Literal["now", "soon", "quiet"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
ABOUT_A_LEAD: Final[Mapping[str, str]] = {
    "notice": "Yours", "warn": "Due soon", "breach": "Late", "reassigned": "Taken over", "time_out": "Not accepted",
    "escalation": "Needs you", "exhausted": "Follow-up at its end", "queue": "Waiting",
}  # fmt: skip
"""kinds of which several may stand in one mail -> what each is called there"""


@dataclass(frozen=True)
class Mail:
    """A mail to one person.

    `key` says what it is about and whom it is for, as in `notice:<decision_seq>:<person>`. `person` is an id in
    teams.yaml, or a role (`revops`, `marketing`) with its `address`. `facts` are JSON values: what the kind's template
    says beyond what the ledger says when it is sent (docs/mails.md lists them). Moments are UTC.
    """

    key: str
    kind: Kind
    person: str
    urgency: Urgency
    send_after: datetime
    lead_id: UUID | None = None
    clock_id: int | None = None
    decision_seq: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    address: str | None = None
    """where the person is none of teams.yaml"""


def owe(
    connection: Connection, policy: Policy, mails: Iterable[Mail], *, batch_id: UUID | None = None
) -> int:
    """Write these mails down as owed; how many were not yet. Never commits, sends nothing.

    ValueError for a kind that has no template. Whoever has no address is seen in `clearlane sla mails`.
    """
    rows = [_row(policy, one, batch_id) for one in mails]
    statement = insert(mail).on_conflict_do_nothing(index_elements=["key"]).returning(mail.c.mail_id)
    return len(connection.execute(statement, rows).all()) if rows else 0


def address_of(policy: Policy, person: str) -> str | None:
    """The e-mail address of a person of teams.yaml, or of the role `revops`; None where there is none."""
    named = policy.sla.revops if person == "revops" else person
    rep = policy.teams.reps.get(named or "")
    return rep.email if rep else named if named and "@" in named else None


def _row(policy: Policy, one: Mail, batch_id: UUID | None) -> dict[str, Any]:
    if one.kind not in KINDS:
        raise ValueError(f"mail {one.key}: {one.kind!r} is no kind of mail; there are {', '.join(KINDS)}")
    address = one.address or address_of(policy, one.person) or ""
    return {**asdict(one), "address": address, "facts": dict(one.facts), "batch_id": batch_id}
