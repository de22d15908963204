"""How mails leave: by the Airflow connection `smtp_default`, and to chats by `clearlane_apprise` where there is one.

One connection to the mail server serves all mails of a task. Nothing that a server says reaches a log but its code and
words without addresses.
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Any, Final

from clearlane_airflow.connections import link_secrets, public_url

if TYPE_CHECKING:
    from clearlane.sla.mails import MailFailed, Post, Send

SMTP_CONNECTION: Final = "smtp_default"
CHATS: Final = "clearlane_apprise"
CHAT_KINDS: Final = ("incident", "quarantine", "queue")
"""kinds of mails that chats get too, where the connection's extra `kinds` names no others"""
NAME: Final = "Clearlane"
CLOSING: Final = 421
log = logging.getLogger(__name__)


@contextmanager
def post() -> Iterator[Post]:
    """How mails leave during one task; without the connection `smtp_default` they are kept."""
    from clearlane.sla.mails import Post, Web

    with contextlib.ExitStack() as stack:
        yield Post(_send(stack), Web(public_url(), _secrets()))


def _secrets() -> tuple[str, ...]:
    """What signs links; none where the setting is unusable: that keeps no lead from its owner."""
    try:
        return link_secrets()
    except ValueError as problem:
        log.warning("mails have no links to answer by: %s", problem)
        return ()


def _send(stack: contextlib.ExitStack) -> Send | None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        server = stack.enter_context(Server(SMTP_CONNECTION))
    except AirflowNotFoundException:
        return None
    chats = _chats()
    if chats is None:
        return server.send

    def send(message: EmailMessage) -> Mapping[str, str]:
        refused = server.send(message)
        chats.tell(message)
        return refused

    return send


class Server:
    """A mail server, connected to when the first message comes, and once more where it hung up between two."""

    def __init__(self, connection: str) -> None:
        from airflow.providers.smtp.hooks.smtp import SmtpHook
        from airflow.sdk import BaseHook

        BaseHook.get_connection(connection)  # raises where there is none
        self._hook = SmtpHook(smtp_conn_id=connection)
        self._client: smtplib.SMTP | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._client.quit()
        self._hang_up()

    def send(self, message: EmailMessage) -> Mapping[str, str]:
        """Hand a message to the server; the recipient where it was refused for good. Raises MailFailed."""
        used = self._client is not None
        client, sender = self._connected(), self._sender()
        message["From"] = f"{NAME} <{sender}>"
        try:
            code, said = client.mail(sender)
        except (OSError, smtplib.SMTPException):
            self._hang_up()
            if not used:
                raise self._down("hung up") from None
            client = self._connected()
            code, said = self._asked(client, sender)
        self._accepted(code, said, down=True)
        recipient = message["To"].addresses[0].addr_spec
        if not recipient.isascii():
            self._reset(client)
            return {recipient: "an address with other letters than ASCII is not written to"}
        return self._recipient(client, recipient) or self._content(client, message)

    def _asked(self, client: smtplib.SMTP, sender: str) -> tuple[int, bytes]:
        try:
            return client.mail(sender)
        except (OSError, smtplib.SMTPException):
            self._hang_up()
            raise self._down("hung up") from None

    def _recipient(self, client: smtplib.SMTP, recipient: str) -> Mapping[str, str]:
        try:
            code, said = client.rcpt(recipient)
        except (OSError, smtplib.SMTPException):
            self._hang_up()
            raise self._down("hung up") from None
        if 500 <= code < 600:
            self._reset(client)
            return {recipient: _words(code, said)}
        self._accepted(code, said)
        return {}

    def _content(self, client: smtplib.SMTP, message: EmailMessage) -> Mapping[str, str]:
        from clearlane.sla.mails import MailFailed

        try:
            code, said = client.data(message.as_bytes(policy=SMTP))
        except smtplib.SMTPDataError as error:  # refused before the content
            code, said = error.smtp_code, error.smtp_error  # type: ignore[assignment]
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            raise MailFailed(f"no answer to the message ({type(error).__name__})", uncertain=True) from None
        self._accepted(code, said)
        return {}

    def _accepted(self, code: int, said: bytes, *, down: bool = False) -> None:
        """Raise where the server said no; `down`: to all messages, not to this one."""
        from clearlane.sla.mails import MailFailed

        if 200 <= code < 300:
            return
        closing = code == CLOSING
        if closing or self._client is None:
            self._hang_up()
        else:
            self._reset(self._client)
        raise MailFailed(_words(code, said), temporary=code < 500, down=down or closing)

    def _connected(self) -> smtplib.SMTP:
        if self._client is None:
            try:
                # The hook logs in as its connection says; its own way of sending makes messages of its own.
                self._client = self._hook.get_conn()._smtp_client  # type: ignore[assignment]
                assert self._client is not None
                self._client.ehlo_or_helo_if_needed()
            except smtplib.SMTPResponseException as error:
                self._hang_up()
                raise self._down(_words(error.smtp_code, error.smtp_error)) from None
            except Exception as error:  # nothing was sent, whatever is wrong with the connection
                self._hang_up()
                raise self._down(f"cannot be reached ({type(error).__name__})") from None
        return self._client

    def _sender(self) -> str:
        sender = self._hook.from_email or self._hook.smtp_user
        if "@" not in (sender or ""):
            raise self._down(f"the connection {SMTP_CONNECTION} has no from_email")
        return str(sender)

    def _reset(self, client: smtplib.SMTP) -> None:
        try:
            client.rset()
        except (OSError, smtplib.SMTPException):
            self._hang_up()

    def _hang_up(self) -> None:
        client = self._client or getattr(self._hook, "_smtp_client", None)
        self._client = self._hook._smtp_client = None
        if client is not None:
            client.close()

    def _down(self, because: str) -> MailFailed:
        from clearlane.sla.mails import MailFailed

        return MailFailed(f"the mail server: {because}", down=True)


def _words(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {text}"


# --- chats ------------------------------------------------------------------------------------------------


class Chats:
    """Other places that are told of some kinds of mails: Slack and whatever apprise knows. Told once, or not at all."""

    def __init__(self, addresses: list[str], kinds: tuple[str, ...]) -> None:
        import apprise

        self._chats, self._kinds = apprise.Apprise(), kinds
        for address in addresses:
            self._chats.add(address)

    def tell(self, message: EmailMessage) -> None:
        """Post subject and text of a mail that was sent; what fails is logged, and changes nothing."""
        if message["X-Clearlane-Kind"] not in self._kinds or message["X-Clearlane-Repeat"]:
            return
        body = message.get_body(("plain",))
        try:
            told = bool(
                self._chats.notify(title=str(message["Subject"]), body=body.get_content() if body else "")
            )
        except Exception:
            told = False
        if not told:
            log.warning("a chat of the connection %s was not reached", CHATS)


def _chats() -> Chats | None:
    """The password of the connection names addresses of apprise, separated by blanks; its extra may name `kinds`."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection: Any = BaseHook.get_connection(CHATS)
    except AirflowNotFoundException:
        return None
    kinds = tuple(connection.extra_dejson.get("kinds", CHAT_KINDS))
    try:
        return Chats((connection.password or "").split(), kinds)
    except Exception as error:
        log.warning("the connection %s cannot be used: %s", CHATS, type(error).__name__)
        return None
