"""The checked tree of a condition: columns, literals and calls, each with its type."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime


class Type(enum.StrEnum):
    """What a column holds. A time is a moment: it has a zone and is compared in UTC."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"


Columns = Mapping[str, Type]
Lists = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Column:
    name: str
    type: Type

    def __str__(self) -> str:
        return f'"{self.name.replace(chr(34), chr(34) * 2)}":{self.type}'


@dataclass(frozen=True)
class Literal:
    """A constant: str, finite float, bool or datetime in UTC, by its type."""

    value: str | float | bool | datetime
    type: Type

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        return repr(value)


@dataclass(frozen=True)
class Call:
    """An operator or a function over its arguments: `and`, `<`, `in`, `like`, `lower` ..."""

    name: str
    arguments: tuple[Node, ...]
    type: Type

    def __str__(self) -> str:
        return f"({' '.join([self.name, *map(str, self.arguments)])})"


Node = Column | Literal | Call


def columns_of(node: Node) -> Iterator[Column]:
    """The columns that a tree reads, in reading order, repeated as used."""
    if isinstance(node, Column):
        yield node
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from columns_of(argument)
