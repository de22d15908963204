"""A letter as an e-mail message: text first, then HTML with its pictures, and headers that machines read.

The message id follows from the mail's key: a mail that is sent twice is the same message to whoever receives it.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from clearlane.sla.mails.content import Reader
from clearlane.sla.mails.rendering import Letter


def message_id(key: str, address: str) -> str:
    """The same for the same mail, whoever sends it and however often."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}.clearlane@{address.rpartition('@')[2]}>"


def message(
    letter: Letter, reader: Reader, *, key: str, kind: str, at: datetime, again: bool, lead_id: UUID | None
) -> EmailMessage:
    """The message but for its sender, which whoever sends it puts in. ValueError for an address that is none."""
    made = EmailMessage(policy=SMTP)
    made["Subject"] = letter.subject
    made["To"] = Address(reader.name, addr_spec=reader.address)
    made["Date"] = format_datetime(at)
    made["Message-ID"] = message_id(key, reader.address)
    if lead_id:  # mails about one lead are one thread
        made["References"] = message_id(str(lead_id), reader.address)
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made["X-Clearlane-Kind"] = kind
    if again:
        made["X-Clearlane-Repeat"] = "yes"
    made.set_content(letter.text)
    made.add_alternative(letter.html, subtype="html")
    for name, png in letter.pictures.items():
        made.get_payload()[1].add_related(base64.b64decode(png), "image", "png", cid=f"<{name}>")  # type: ignore[index,union-attr]
    return made
