"""Mails about promises: who is owed which one, once; written, joined, sent and noted."""

from clearlane.sla.mails.owing import KINDS, Kind, Mail, Urgency, address_of, owe

__all__ = ["KINDS", "Kind", "Mail", "Urgency", "address_of", "owe"]
