"""Sends by a mail server that an address names: for commands that must do without Airflow.

`smtp://host:587` speaks TLS where the server does, `smtps://host` from the start. A login goes over TLS only; `?from=`
names the sender where the login is no e-mail.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from clearlane.sla.mails.sending import MailFailed, Send

TIMEOUT: Final = 20.0
"""seconds for each answer of the server"""


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    tls: bool
    """from the start"""
    sender: str
    login: str | None = None
    password: str | None = field(default=None, repr=False)


def mail_server(url: str) -> MailServer:
    """The server of an address; ValueError, without the address in it, says what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(
            "the address of the mail server is smtp://HOST:PORT?from=SENDER or smtps://LOGIN:PASSWORD@HOST"
        )
    login = unquote(parts.username) if parts.username else None
    sender = parse_qs(parts.query).get("from", [login or ""])[0]
    if "@" not in sender:
        raise ValueError("the address of the mail server names no sender: add ?from=SENDER")
    tls = parts.scheme == "smtps"
    password = unquote(parts.password) if parts.password else None
    return MailServer(parts.hostname, parts.port or (465 if tls else 25), tls, sender, login, password)


def sender(server: MailServer) -> Send:
    """Hands each message over on a connection of its own."""

    def send(message: EmailMessage) -> Mapping[str, str]:
        message["From"] = f"Clearlane <{server.sender}>"
        with _connected(server) as client:
            try:
                client.send_message(message)
            except smtplib.SMTPRecipientsRefused as refused:
                return _refused(refused)
            except smtplib.SMTPResponseException as answer:
                raise MailFailed(
                    f"the mail server: {answer.smtp_code}", temporary=answer.smtp_code < 500
                ) from None
            except (OSError, smtplib.SMTPException) as lost:
                raise MailFailed(
                    f"no answer to the message ({type(lost).__name__})", uncertain=True
                ) from None
        return {}

    return send


def _refused(refused: smtplib.SMTPRecipientsRefused) -> dict[str, str]:
    """Who is refused for good; MailFailed where the server only puts somebody off."""
    for code, _ in refused.recipients.values():
        if code < 500:
            raise MailFailed(f"the mail server: {code}") from None
    return {to: f"{code} {said.decode(errors='replace')}" for to, (code, said) in refused.recipients.items()}


@contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    """A client that is logged in; MailFailed where there is none."""
    try:
        client = _client(server)
    except (OSError, smtplib.SMTPException) as away:
        raise MailFailed(f"the mail server cannot be reached ({type(away).__name__})", down=True) from None
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client.quit()


def _client(server: MailServer) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if server.tls:
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=trusted)
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=trusted)
        elif server.login and server.password:
            client.close()
            raise smtplib.SMTPNotSupportedError(
                "the server speaks no TLS, and the login would be read by others"
            )
    if server.login and server.password:
        client.login(server.login, server.password)
    return client
