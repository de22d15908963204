"""Who owns records in Salesforce: users and queues, by every name that sources.yaml and teams.yaml may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from clearlane.connectors.salesforce.asking import Asking
from clearlane.connectors.salesforce.soql import Record, select, short


class People:
    """Active users and queues, read once."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    @cached_property
    def _users(self) -> Mapping[str, str | None]:
        names = ("Username", "Email")
        users = self._asking.all(select(("Id", *names), "User", "IsActive = true"))
        return _by_name(users, names)

    @cached_property
    def _queues(self) -> Mapping[str, str | None]:
        names = ("Name", "DeveloperName")
        queues = self._asking.all(select(("Id", *names), "Group", "Type = 'Queue'"))
        return _by_name(queues, names)

    def user(self, named: Any) -> str | None:
        """The id of the one active user of that id, user name or e-mail address."""
        return _looked_up(self._users, named)

    def queue(self, named: Any) -> str | None:
        """The id of the one queue of that id, name or developer name."""
        return _looked_up(self._queues, named)

    @property
    def queues(self) -> int:
        return len(set(filter(None, self._queues.values())))


def _by_name(records: Iterable[Record], names: Sequence[str]) -> Mapping[str, str | None]:
    """Names in lower case, and ids of 15 and 18 characters -> id; None for a name of several."""
    found: dict[str, str | None] = {}
    ids: dict[str, str | None] = {}
    for record in records:
        ids |= dict.fromkeys((record["Id"], short(record["Id"])), record["Id"])
        for name in {str(record[name] or "").strip().lower() for name in names}:
            found[name] = None if name in found else record["Id"]
    return found | ids


def _looked_up(known: Mapping[str, str | None], named: Any) -> str | None:
    """By id as it is written, by a name whatever its case."""
    name = str(named or "").strip()
    return (known.get(name) or known.get(name.lower())) if name else None


def in_the_words_of(said: Any, id: str | None, found: str | None) -> str | None:
    """What a write says of an owner where that is who has the record (`found` for `said`), else the id."""
    return str(said) if id and said and found == id else id
