"""Values that tell of a person, as patterns: found in any case, escaped or not, and never inside another's.

One pattern means the same to PostgreSQL and to Python, so that tables and files are searched alike.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

_ESCAPED: Final = r"(?<=\\[nrtbf])"  # after an escape of JSON the letter belongs to the escape
_BEFORE: Final = rf"(?:{_ESCAPED}|(?<![\w.%+-]))"
_BEFORE_TEXT: Final = rf"(?:{_ESCAPED}|(?<!\w))"
_AFTER: Final = r"(?![\w-]|\.\w)"
_AFTER_TEXT: Final = r"(?!\w)"
SHORTEST: Final = 6
"""characters of a value: shorter ones are found in what tells of nobody"""
AT_ONCE: Final = 100
"""values in one expression: PostgreSQL takes a second to build one of 200, and refuses one of 500"""


def pattern(values: Iterable[str]) -> str:
    """A regular expression that finds any of the values; '' of none."""
    return "|".join(one_pattern(value) for value in sorted(set(values)))


def hints(values: Iterable[str]) -> list[str]:
    """Regular expressions of which one matches wherever `pattern` does, and inside another's too; none of none.

    They look at nothing around the value, so PostgreSQL is quick with them; each stays below what it compiles.
    """
    forms = [_any_form(value) for value in sorted(set(values))]
    return ["|".join(forms[first : first + AT_ONCE]) for first in range(0, len(forms), AT_ONCE)]


def said_in(text: str, values: Iterable[str]) -> list[str]:
    """Those of the values that a text may say, whatever stands around them: what `pattern` need be tried for."""
    folded = _folded(text)
    return [value for value in values if any(_folded(form) in folded for form in _forms(value))]


def _folded(text: str) -> str:
    # Both expressions take the two Turkish i for an i, which case folding does not.
    return text.replace("\u0130", "i").replace("\u0131", "i").casefold()


def one_pattern(value: str) -> str:
    """A regular expression that finds one value as it is, in HTML, in an address, and in ASCII JSON."""
    forms = _any_form(value)
    if "@" in value:
        return f"{_BEFORE}(?:{forms}){_AFTER}"
    return f"{_BEFORE_TEXT}(?:{forms}){_AFTER_TEXT}"


def _any_form(value: str) -> str:
    return "|".join(map(_escaped, _forms(value)))


def _forms(value: str) -> Sequence[str]:
    forms = (
        value,
        html.escape(value),
        quote(value, safe=""),
        quote(value, safe="@"),
        json.dumps(value)[1:-1],
    )
    return list(dict.fromkeys(forms))


def _escaped(text: str) -> str:
    """As both engines read it: every character that is no letter or digit, in a class of its own or escaped."""
    return "".join(char if char.isalnum() or char in "_@%'<>&;# " else re.escape(char) for char in text)


def together(columns: Iterable[str]) -> str:
    """SQL: what several columns of a row say as one text, in which `hints` are looked for once for all of them."""
    return "concat_ws(chr(10), " + ", ".join(f"cast({column} as text)" for column in columns) + ")"
