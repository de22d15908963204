"""What a person might find out about a lead: the values that a model's own conditions tell apart.

Of an attribute's values the conditions name (boundaries, members of lists, true and false), those that no condition
tells from each other are one change; it is shown as all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Scoring
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.sql import quoted, write
from clearlane.rules.tree import Call, Literal, Node, columns_of

Value = str | float | bool | datetime
STORED = {
    Type.TEXT: "text",
    Type.NUMBER: "double precision",
    Type.BOOLEAN: "boolean",
    Type.TIME: "timestamptz",
}
SOMETHING = "something"
"""A text that no condition names: the attribute becomes known, and nothing else."""
_LOGIC = ("and", "or", "not")
_PATTERNS = ("like", "contains", "starts_with", "ends_with")
_DAY = timedelta(days=1)
_PYTHON: Mapping[Type, type | tuple[type, ...]] = {
    Type.TEXT: str,
    Type.NUMBER: (int, float),
    Type.BOOLEAN: bool,
    Type.TIME: datetime,
}
_NOTHING: Mapping[str, object] = {}
_NAMED = 3  # members of a list that are shown before the others are counted


@dataclass(frozen=True)
class Change:
    """An attribute and its new value; `said` names all values that the conditions take for the same."""

    attribute: str
    value: Value
    said: str


def changes(connection: Connection, scoring: Scoring, known: Mapping[str, object]) -> tuple[Change, ...]:
    """Each change of one attribute that the policy marks changeable, and that some condition would notice.

    `known`: the lead's attributes as read by their declared types. Ordered by attribute, then value.
    """
    parts = list(atoms(predicates(scoring)))
    wanted = {
        name: values_of(name, scoring.attributes[name], parts, known) for name in sorted(scoring.changeable)
    }
    signatures = _told_apart(
        connection, {name: values for name, values in wanted.items() if values}, parts, known
    )
    found = []
    for name, values in wanted.items():
        found += _distinct(name, values, signatures.get(name, []), known.get(name))
    return tuple(found)


def predicates(scoring: Scoring) -> Iterator[Predicate]:
    """Every condition that reads a lead, those of variants included; one that several models share, once."""
    seen: set[str] = set()
    for predicate in _all(scoring):
        if predicate.fingerprint not in seen:
            seen.add(predicate.fingerprint)
            yield predicate


def _all(scoring: Scoring) -> Iterator[Predicate]:
    yield from (rule.when for rule in scoring.kinds)
    yield from (rule.when for rule in scoring.disqualifiers)
    yield from (rule.when for rule in scoring.rules if rule.when is not None)
    for variant in scoring.variants:
        yield variant.when
        yield from _all(variant.scoring)


def atoms(conditions: Iterable[Predicate]) -> Iterator[Node]:
    """The comparisons and tests that the conditions join by and, or and not."""
    waiting = [predicate.tree for predicate in conditions]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Call) and node.name in _LOGIC:
            waiting += node.arguments
        else:
            yield node


def values_of(
    name: str, kind: Type, parts: Iterable[Node], known: Mapping[str, object] = _NOTHING
) -> list[Value]:
    """The values of a column that the atoms name, with those between and beside the boundaries of numbers.

    A column that an atom compares with others takes the values of those too: named, or known.
    """
    columns = [(node, {column.name for column in columns_of(node)}) for node in parts]
    beside = {other for _, names in columns if name in names for other in names}
    named = [node for node, names in columns if names & beside]
    if not beside:
        return []
    if kind is Type.BOOLEAN:
        return [False, True]
    values: set[Any] = {value for node in named for value in _literals(node, kind)}
    values |= {value for other in beside - {name} if _is(value := known.get(other), kind)}
    if kind is Type.NUMBER:
        return list(_around(sorted(map(float, values))))
    if kind is Type.TIME:
        return sorted({moment + days * _DAY for moment in values for days in (-1, 0, 1)})
    return [*sorted(values), SOMETHING]


def _is(value: object, kind: Type) -> bool:
    return isinstance(value, _PYTHON[kind]) and isinstance(value, bool) == (kind is Type.BOOLEAN)


def _literals(node: Node, kind: Type) -> Iterator[Any]:
    if isinstance(node, Literal) and node.type is kind:
        yield node.value
    elif isinstance(node, Call):
        for argument in node.arguments:
            for value in _literals(argument, kind):
                yield _plain(value) if node.name in _PATTERNS and isinstance(value, str) else value


def _plain(pattern: str) -> str:
    """A text that a pattern takes: without its wildcards."""
    return pattern.replace("%", "").replace("!", "")


def _around(boundaries: Sequence[float]) -> Iterator[float]:
    """Each boundary and a value on either side of it: so each span between boundaries has one."""
    if not boundaries:
        yield 1.0
        return
    yield boundaries[0] - 1
    for low, high in pairwise(boundaries):
        yield low
        yield from [low + 1, high - 1] if high - low > 2 else [(low + high) / 2]
    yield boundaries[-1]
    yield boundaries[-1] + 1


# --- which values are the same to every condition -------------------------------------------------


def _told_apart(
    connection: Connection,
    wanted: Mapping[str, Sequence[Value]],
    parts: Sequence[Node],
    known: Mapping[str, object],
) -> Mapping[str, list[str]]:
    """Attribute -> signature of the current value, then of each candidate: what each atom says of it."""
    if not wanted:
        return {}
    selects, parameters = [], {}
    for i, (name, values) in enumerate(wanted.items()):
        selects.append(_signatures(i, name, next(_types(parts, name)), parts))
        parameters[f"values_{i}"] = [known.get(name), *values]
    query = " union all ".join(selects)
    found: dict[str, list[str]] = {name: [] for name in wanted}
    for row in connection.execute(sa.text(f"{query} order by place, nth"), parameters):
        found[list(wanted)[row.place]].append(row.signature)
    return found


def _signatures(place: int, name: str, kind: Type, parts: Sequence[Node]) -> str:
    """Atoms over several columns tell every value apart: what they say depends on the others."""
    own = [node for node in parts if name in {column.name for column in columns_of(node)}]
    alone = [node for node in own if all(column.name == name for column in columns_of(node))]
    said = [f"cast({write(node, Dialect.POSTGRES, 'seen')} as text)" for node in alone]
    column = quoted(name, Dialect.POSTGRES)
    if len(alone) < len(own):
        said.append(f"cast(seen.{column} as text)")
    return (
        f"select {place} as place, seen.nth, cast(array[{', '.join(said)}] as text) as signature"
        f" from unnest(cast(:values_{place} as {STORED[kind]}[])) with ordinality as seen({column}, nth)"
    )


def _types(parts: Iterable[Node], name: str) -> Iterator[Type]:
    return (column.type for node in parts for column in columns_of(node) if column.name == name)


def _distinct(name: str, values: Sequence[Value], signatures: Sequence[str], current: object) -> list[Change]:
    """One change per signature that differs from the current value's."""
    if not values:
        return []
    same: dict[str, list[Value]] = {}
    for value, signature in zip(values, signatures[1:], strict=True):
        same.setdefault(signature, []).append(value)
    same.pop(signatures[0], None)
    other = "known" if current is None else "something else"
    return [Change(name, _first(alike), _said(alike, values, other)) for alike in same.values()]


def _first(alike: Sequence[Value]) -> Value:
    known = [value for value in alike if value != SOMETHING]
    return known[0] if known else SOMETHING


def _said(alike: Sequence[Value], values: Sequence[Value], other: str) -> str:
    """How a person says these values: `50 to 1,000`, `5,001 or more`, `director or vp`, `true`."""
    numbers = [value for value in alike if isinstance(value, float) and not isinstance(value, bool)]
    if len(numbers) == len(alike):
        return _range(numbers, [value for value in values if isinstance(value, float)])
    named = [shown(value) for value in alike if value != SOMETHING]
    if not named:
        return other
    more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED + 1 else []
    return listed(named[: _NAMED if more else None] + more)


def _range(alike: Sequence[float], values: Sequence[float]) -> str:
    """The spans that the values lie in, of all values in their order."""
    spans: list[list[float]] = []
    beside = False
    for value in sorted(values):
        if value in alike:
            spans = [*spans[:-1], [*spans[-1], value]] if beside else [*spans, [value]]
        beside = value in alike
    return listed([_span(span, sorted(values)) for span in spans])


def _span(span: Sequence[float], values: Sequence[float]) -> str:
    low, high = span[0], span[-1]
    if high == values[-1]:
        return f"{shown(low)} or more" if high > low else f"more than {shown(values[-2])}"
    if low == values[0]:
        return f"{shown(high)} or less" if high > low else f"less than {shown(values[1])}"
    return shown(low) if low == high else f"{shown(low)} to {shown(high)}"


def listed(words: Sequence[str]) -> str:
    """`a, b or c`"""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: object) -> str:
    """A value as a person writes it."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.10g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return value if isinstance(value, str) and value else json.dumps(value, default=str)
