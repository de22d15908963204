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


def pattern(values: Iterable[str]) -> str:
    """A regular expression that finds any of the values; '' of none."""
    return "|".join(one_pattern(value) for value in sorted(set(values)))


def hint(values: Iterable[str]) -> str:
    """A regular expression that matches wherever `pattern` does, and inside another's too; '' of none.

    PostgreSQL looks for it seven times as fast: it looks at nothing around the value.
    """
    return "|".join(map(_any_form, sorted(set(values))))


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
    """SQL: what several columns of a row say as one text, in which a `hint` is looked for once for all of them."""
    return "concat_ws(chr(10), " + ", ".join(f"cast({column} as text)" for column in columns) + ")"
