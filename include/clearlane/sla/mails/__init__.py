"""Mails about promises: who is owed which one, once; written, joined, sent and noted."""

from clearlane.sla.mails.content import Answers, Content, Web
from clearlane.sla.mails.owing import KINDS, Kind, Mail, Urgency, address_of, owe
from clearlane.sla.mails.sending import MailFailed, Send, Sent, send_due

__all__ = [
    "KINDS",
    "Answers",
    "Content",
    "Kind",
    "Mail",
    "MailFailed",
    "Send",
    "Sent",
    "Urgency",
    "Web",
    "address_of",
    "owe",
    "send_due",
]
