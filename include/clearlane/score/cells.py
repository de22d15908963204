"""Texts of a file as typed values in DuckDB: what a cell must look like to be a number, a truth or a time.

An empty cell is an unknown value. Numbers may group thousands by commas, as in the ledger. Times are ISO 8601,
UTC unless they carry a zone.
"""

from __future__ import annotations

from typing import Final

from clearlane.rules import Type

_NUMBER = r"[+-]?(([0-9]{1,3}(,[0-9]{3})+|[0-9]+)[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
_TRUE = "('true', 't', 'yes', 'y', '1')"
_FALSE = "('false', 'f', 'no', 'n', '0')"

STORED: Final = {
    Type.TEXT: "varchar", Type.NUMBER: "double", Type.BOOLEAN: "boolean", Type.TIME: "timestamptz"
}  # fmt: skip
ALLOWED: Final = {
    Type.TEXT: "text",
    Type.NUMBER: "a number such as 12, -3.5 or 1e6",
    Type.BOOLEAN: "true or false (yes, no, 1, 0)",
    Type.TIME: "an ISO 8601 time such as 2026-01-31 or 2026-01-31T09:30:00+01:00",
}


def typed(raw: str, type_: Type) -> str:
    """The cell as its type: null when empty or unreadable."""
    text = f"trim({raw})"
    match type_:
        case Type.TEXT:
            return f"nullif({raw}, '')"
        case Type.NUMBER:
            plain = f"replace({text}, ',', '')"
            value = f"case when regexp_full_match({text}, '{_NUMBER}') then try_cast({plain} as double) end"
            return f"case when isfinite({value}) then {value} end"
        case Type.BOOLEAN:
            small = f"lower({text})"
            return f"case when {small} in {_TRUE} then true when {small} in {_FALSE} then false end"
        case Type.TIME:
            return f"case when regexp_full_match({text}, '{_TIME}') then try_cast({text} as timestamptz) end"
