"""Queries of Salesforce: what `read` of sources.yaml asks for, and its records made flat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clearlane.connectors.pages import Page
from clearlane.connectors.protocol import Interval, SourceFailed
from clearlane.policy.model import ObjectMapping

Record = dict[str, Any]

QUEUE: Final = "QueueId"
"""our column of a record that a queue owns; its OwnerId is then empty, for a queue does not sell"""
_QUEUES: Final = "00G"  # what the ids of groups and queues begin with
_READ: Final = re.compile(r"\s*([A-Za-z]\w*)(?:\s+where\s+(.+?))?\s*", re.I | re.S)
_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def asked_for(read: str) -> tuple[str, str | None]:
    """(object, condition) of `Lead` or `Task where TaskSubtype = 'Call'`; SourceFailed says what is allowed."""
    match = _READ.fullmatch(read)
    if match is None:
        raise SourceFailed(f"read: {read!r} is no object; allowed: OBJECT, OBJECT where CONDITION")
    return match[1], match[2]


def columns_of(mapping: ObjectMapping) -> list[str]:
    """The columns that the mapping names; of what is only looked up those that are matched and taken."""
    if not mapping.fields:
        looked_up = [lookup for lookup in mapping.lookups.values() if lookup.read == mapping.read]
        return [column for lookup in looked_up for column in (lookup.match, lookup.take)]
    plain = [column.strip() for column in mapping.fields.values() if not column.startswith("=")]
    return [*plain, *(lookup.by for lookup in mapping.lookups.values())]


def cursor_of(mapping: ObjectMapping) -> str | None:
    """The column that orders the object's changes, where the mapping says one."""
    column = mapping.fields.get(mapping.cursor or "", "=")
    return None if column.startswith("=") else column.strip()


def select(columns: Iterable[str], sobject: str, *conditions: str | None) -> str:
    """A statement; `QueueId` is made of the owner. Each column once, for SOQL refuses one that is there twice."""
    wanted = ("OwnerId" if column == QUEUE else column for column in columns)
    once = {column.lower(): column for column in wanted}
    where = " AND ".join(f"({condition})" for condition in conditions if condition)
    return f"SELECT {', '.join(once.values())} FROM {sobject}" + (f" WHERE {where}" if where else "")


def within(column: str | None, interval: Interval) -> str | None:
    """The interval as a condition, widened to whole seconds: the caller sifts."""
    if column is None:
        return None
    start, end = interval.start, interval.end
    since = f"{column} >= {_literal(start)}" if start else None
    until = f"{column} < {_literal(end + timedelta(seconds=1))}" if end else None
    return " AND ".join(filter(None, (since, until))) or None


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_asked(columns: Sequence[str], page: Page) -> Page:
    """The records by the names that were asked for: Salesforce knows no case, and answers in its own."""
    asked = {column.lower(): column for column in reversed(columns)}  # the mapping's names come first
    return [
        {asked.get(name.lower(), name): value for name, value in record.items()}
        if isinstance(record, dict)
        else record
        for record in page
    ]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def short(id: str) -> str:
    """The first 15 characters, which tell records apart; the last three of 18 are a checksum of their case."""
    return id[:15]


def flat(record: Record) -> Record:
    """Without `attributes`, with the fields of related records as `Owner.Name`, and queues apart from owners."""
    plain: Record = {}
    for name, value in record.items():
        if isinstance(value, dict) and name != "attributes":
            plain |= {f"{name}.{inner}": found for inner, found in flat(value).items()}
        elif name != "attributes":
            plain[name] = value
    if str(plain.get("OwnerId") or "").startswith(_QUEUES):
        plain |= {QUEUE: plain["OwnerId"], "OwnerId": None}
    return plain
