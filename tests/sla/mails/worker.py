"""A process that sends what is owed: `python worker.py LEDGER_URL SMTP_PORT AT`. It is there to be killed."""

from __future__ import annotations

import smtplib
import sys
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage

from tests.route.conftest import simple

from clearlane import ledger
from clearlane.sla.mails import Post, send_due


def send(message: EmailMessage) -> Mapping[str, str]:
    with smtplib.SMTP("127.0.0.1", int(sys.argv[2]), timeout=60) as client:
        client.send_message(message, from_addr="clearlane@clearlane.example")
    return {}


if __name__ == "__main__":
    send_due(ledger.connect(sys.argv[1]), simple(), datetime.fromisoformat(sys.argv[3]), Post(send))
