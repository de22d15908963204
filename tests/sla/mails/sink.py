"""A real SMTP server on this machine that keeps what it gets and misbehaves where it is told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Sink:
    """`refused` are recipients whom it does not know; `answers` are given to messages in their order, then 250."""

    refused: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    silent: int = 0
    """the first so many messages are taken and never answered"""
    got: list[EmailMessage] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    connections: int = 0
    port: int = 0

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.got.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        self.came.release()
        if self.silent:
            self.silent -= 1
            await asyncio.Event().wait()
        return answer

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.got]


class _AnyPort(Controller):
    """The controller knocks at its own port once it serves, so it has to know which one it was given."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def serving(sink: Sink) -> Iterator[Sink]:
    controller = _AnyPort(sink, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        sink.port = controller.port
        yield sink
    finally:
        controller.stop(no_assert=True)
