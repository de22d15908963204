"""How large and how small the numbers of a calculation can become, known before it runs.

PostgreSQL aborts a statement on overflow and underflow of doubles. Columns take part in a calculation
within ±10^60 and no closer to zero than 10^-60, so a calculation whose span stays inside a double's is
safe on every engine, without a check at each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clearlane.rules.tree import Call, Column, Literal, Node

COLUMN_EXPONENT = 60
DOUBLE_EXPONENT = 307
DIGITS = 17


@dataclass(frozen=True)
class Span:
    """Powers of ten: every value but 0 lies within 10^low and 10^high and is a multiple of 10^grain."""

    low: float
    high: float
    grain: float

    @property
    def safe(self) -> bool:
        return self.high <= DOUBLE_EXPONENT and self.low >= -DOUBLE_EXPONENT


_WHOLE = Span(0, 0, 0)
_COUNT = Span(0, 10, 0)
_DAYS = Span(-11, 7, -11 - DIGITS)
_COLUMN = Span(-COLUMN_EXPONENT, COLUMN_EXPONENT, -COLUMN_EXPONENT - DIGITS)


def span(node: Node) -> Span:
    """The span of a number's tree, its columns bounded as in a calculation."""
    if isinstance(node, Column):
        return _COLUMN
    if isinstance(node, Literal):
        return _literal(float(node.value)) if isinstance(node.value, float) else _WHOLE
    return _call(node)


def _literal(value: float) -> Span:
    if value == 0:
        return _WHOLE
    power = math.log10(abs(value))
    return Span(math.floor(power), math.ceil(power), math.floor(power) - DIGITS)


def _call(node: Call) -> Span:
    if node.name == "length":
        return _COUNT
    if node.name == "days_between":
        return _DAYS
    parts = [span(argument) for argument in node.arguments]
    match node.name:
        case "+" | "-":
            return _sum(parts)
        case "*":
            return _product(parts[0], parts[1])
        case "/":
            return _quotient(parts[0], parts[1])
        case "round" | "floor" | "ceil":
            return Span(0, max(parts[0].high, 0), 0)
    return _either(parts)


def _either(parts: Sequence[Span]) -> Span:
    return Span(min(p.low for p in parts), max(p.high for p in parts), min(p.grain for p in parts))


def _sum(parts: Sequence[Span]) -> Span:
    either = _either(parts)
    return Span(either.grain, either.high + 1, either.grain)


def _product(left: Span, right: Span) -> Span:
    low = left.low + right.low
    return Span(low, left.high + right.high, low - DIGITS)


def _quotient(left: Span, right: Span) -> Span:
    low = left.low - right.high
    return Span(low, left.high - right.low, low - DIGITS)
