"""Mails about promises: who is owed which one, once; written, joined, sent and noted."""

from clearlane.sla.mails.content import Content, Web
from clearlane.sla.mails.owing import KINDS, Kind, Mail, Urgency, address_of, owe
from clearlane.sla.mails.sending import MailFailed, Post, Send, Sent, send_due

__all__ = [
    "KINDS",
    "Content",
    "Kind",
    "Mail",
    "MailFailed",
    "Post",
    "Send",
    "Sent",
    "Urgency",
    "Web",
    "address_of",
    "owe",
    "send_due",
]
