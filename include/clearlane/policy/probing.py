"""Conditions that no lead can meet, and rules that fire twice for one thing: found by trying values.

A condition over columns and literals alone changes its answer only at its literals: trying these, what lies
between them and the empty value decides it. Other conditions (functions, arithmetic, patterns) are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise, product
from math import prod
from typing import Any, Final, get_args

import duckdb

from clearlane.policy.cross import is_constant, rule_lines
from clearlane.policy.document import Document
from clearlane.policy.model import Kind, Rule, Scoring
from clearlane.policy.problems import Path
from clearlane.rules import Predicate, Type, explain_rows
from clearlane.rules.tree import Call, Column, Literal, Node

Row = dict[str, object]
_MOST: Final = 20_000
"""combinations of values that are tried, at most"""
_LOGIC: Final = frozenset({"and", "or", "not"})
_EQUAL: Final = frozenset({"=", "<>", "in", "is_null"})
_ORDERED: Final = frozenset({"<", "<=", ">", ">=", "between"})


def warnings(scoring: Scoring, document: Document) -> Iterator[str]:
    """What can never happen, and what happens twice, each with its line."""
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        for path, name, when in _single(scoring):
            if _never(when, engine):
                yield f"{document.file}:{document.line(path)}: {name} never fires: no lead can be all of it"
        for place, model in enumerate(scoring.models):
            path = () if place == 0 else ("variants", place - 1)
            lines = rule_lines(document, path)
            own = [rule for rule in model.rules if rule.id in lines]
            yield from _of_rules(own, engine, lambda rule: f"{document.file}:{lines[rule.id]}: {rule.id}")  # noqa: B023


def _single(scoring: Scoring) -> Iterator[tuple[Path, str, Predicate]]:
    for section in ("kinds", "disqualifiers", "variants"):
        for index, rule in enumerate(getattr(scoring, section)):
            yield (section, index), rule.id, rule.when
    for index, stage in enumerate(scoring.stages):
        yield ("stages", index), stage.name, stage.when


def _of_rules(
    rules: Sequence[Rule], engine: duckdb.DuckDBPyConnection, called: Callable[[Rule], str]
) -> Iterator[str]:
    for rule in rules:
        if rule.when is not None and _never(rule.when, engine):
            yield f"{called(rule)} never fires: no lead can be all of it"
    for one, other in combinations([rule for rule in rules if rule.activity is None], 2):
        both = _both(one, other, engine)
        if both is not None:
            seen = ", ".join(f"{name} = {_shown(value)}" for name, value in sorted(both.items()))
            yield f"{called(other)} overlaps {one.id}: both fire for {seen}"


def _both(one: Rule, other: Rule, engine: duckdb.DuckDBPyConnection) -> Row | None:
    """Values for which two rules of a group fire that read the same columns, but not the same condition."""
    if one.when is None or other.when is None or one.group != other.group:
        return None
    if one.when.columns != other.when.columns or one.when.fingerprint == other.when.fingerprint:
        return None
    conditions = [one.when, other.when]
    rows = _rows(conditions)
    return None if rows is None else _first(conditions, rows, engine)


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _never(when: Predicate, engine: duckdb.DuckDBPyConnection) -> bool:
    """Whether no values meet the condition; false too where trying cannot tell."""
    rows = _rows([when])
    return not is_constant(when) and rows is not None and _first([when], rows, engine) is None


def _rows(conditions: Sequence[Predicate]) -> list[Row] | None:
    """The values to try; None where trying cannot tell."""
    if not all(_is_plain(when.tree) for when in conditions):
        return None
    types = {name: type_ for when in conditions for name, type_ in when.types.items()}
    tried = [_values(name, type_, conditions) for name, type_ in types.items()]
    if prod(map(len, tried)) > _MOST:
        return None
    return [dict(zip(types, values, strict=True)) for values in product(*tried)]


def _first(
    conditions: Sequence[Predicate], rows: Sequence[Row], engine: duckdb.DuckDBPyConnection
) -> Row | None:
    """The first values for which all conditions hold."""
    held = [
        [all(t.matched for t in terms) for terms in explain_rows(when, rows, engine)] for when in conditions
    ]
    return next((row for row, *holds in zip(rows, *held, strict=True) if all(holds)), None)


def _is_plain(node: Node) -> bool:
    """Whether a column is compared with literals only."""
    if isinstance(node, Column):
        return node.type is Type.BOOLEAN
    if isinstance(node, Literal):
        return False
    if node.name in _LOGIC:
        return all(map(_is_plain, node.arguments))
    columns = [part for part in node.arguments if isinstance(part, Column)]
    plain = len(columns) == 1 and not any(isinstance(part, Call) for part in node.arguments)
    return plain and (node.name in _EQUAL or (node.name in _ORDERED and columns[0].type is not Type.TEXT))


def _values(name: str, type_: Type, conditions: Sequence[Predicate]) -> list[object]:
    """The values of a column at which its conditions may change their answer, the empty one last."""
    named: set[Any] = {value for when in conditions for value in _literals(when.tree, name)}
    if type_ is Type.BOOLEAN:
        return [True, False, None]
    if name == "kind":
        return [*get_args(Kind)]
    if type_ is Type.TEXT:
        return [*sorted(map(str, named)), "another", None]
    return [*_around(sorted(named)), None]


def _around(values: Sequence[Any]) -> Iterator[object]:
    """Each value, one between neighbours, one below and one above them all."""
    if not values:
        return
    step: float | timedelta = timedelta(days=1) if isinstance(values[0], datetime) else 1.0
    yield values[0] - step
    yield from values
    yield from (low + (high - low) / 2 for low, high in pairwise(values))
    yield values[-1] + step


def _literals(node: Node, name: str) -> Iterator[object]:
    """The literals with which a column is compared."""
    if not isinstance(node, Call):
        return
    if any(isinstance(part, Column) and part.name == name for part in node.arguments):
        yield from (part.value for part in node.arguments if isinstance(part, Literal))
    for part in node.arguments:
        yield from _literals(part, name)
