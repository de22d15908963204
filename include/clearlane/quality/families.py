"""Families of texts that a column may keep to: ids, codes, addresses, each with its pattern, the narrowest first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Family:
    """`name` completes `every value is ...`; `longest`: the most characters a value of it can have, if bounded."""

    name: str
    pattern: str
    longest: int | None = None
    code: bool = True
    """made by a machine, so that the next one is about as long"""

    def holds(self, values: Iterable[str]) -> bool:
        """Whether every value is one of the family."""
        wanted = re.compile(self.pattern)
        return all(wanted.search(value) for value in values)


FAMILIES: Final = (
    Family("a UUID", "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", 36),
    Family("a Salesforce id", "^[a-zA-Z0-9]{3}0[a-zA-Z0-9]{11}(?:[A-Z0-5]{3})?$", 18),
    Family("a code of two capitals", "^[A-Z]{2}$", 2),
    Family("a code of three capitals", "^[A-Z]{3}$", 3),
    Family("a language tag", "^[a-z]{2}(?:[-_][A-Z]{2})?$", 5),
    Family("a postcode of the United States", "^[0-9]{5}(?:-[0-9]{4})?$", 10),
    Family("digits", "^[0-9]+$"),
    Family("a web address", "^https?://[^ ]+$", code=False),
    Family("a domain", r"^[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+$", code=False),
    Family("a name in small letters with underscores", "^[a-z][a-z0-9_]*$"),
    Family("an id of letters, digits and dashes", "^[A-Za-z]+[-_]?[0-9]+$"),
)


def family_of(values: Iterable[str]) -> Family | None:
    """The narrowest family that every value is of; None where none is."""
    distinct = list(set(values))
    return next((family for family in FAMILIES if distinct and family.holds(distinct)), None)
