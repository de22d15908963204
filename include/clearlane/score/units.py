"""Numbers and times as SQL that PostgreSQL and DuckDB compute alike.

A contribution is rounded to whole millionths of a point: sums of whole numbers do not depend on the order in
which an engine adds them up. Weights of activities are plain doubles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from clearlane.rules import Dialect

MILLION = 1_000_000
FARTHEST = 1e9
"""No rule gives or takes more points than this, so that sums stay exact whole numbers of millionths."""
NO_MOMENT = "cast(null as timestamp with time zone)"


def number(value: float) -> str:
    """A double precision literal."""
    return f"cast('{float(value)!r}' as double precision)"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def seconds(moment: str, dialect: Dialect) -> str:
    """Seconds since 1970 as a double; both engines divide whole microseconds by a million."""
    if dialect is Dialect.POSTGRES:
        return f"date_part('epoch', {moment})"
    return f"(epoch_us({moment}) / 1e6)"


def millionths(points: float) -> float:
    """Whole millionths, halves upwards: what the statement does to a contribution."""
    return float(math.floor(points * MILLION + 0.5))


def clamped(value: str, low: float, high: float) -> str:
    return f"greatest({number(low)}, least({number(high)}, {value}))"


def decimal_text(points: str, dialect: Dialect) -> str:
    """Points as JSON, in the shortest form of a double: 15, 3.25, -1e-06."""
    text = f"cast({points} as varchar)"
    if dialect is Dialect.POSTGRES:
        return text
    # DuckDB would write 15.0
    return (
        f"case when {points} = floor({points}) then cast(cast({points} as bigint) as varchar) else {text} end"
    )


def plain_decimal(points: float) -> str:
    """Points as the shortest decimal text: 15, 3.25, -0.000001."""
    return f"{points:.6f}".rstrip("0").rstrip(".")


def first_true(pairs: Sequence[tuple[str, str]], otherwise: str) -> str:
    """The value that stands beside the first condition that holds."""
    if not pairs:
        return otherwise
    whens = " ".join(f"when {condition} then {value}" for condition, value in pairs)
    return f"case {whens} else {otherwise} end"
