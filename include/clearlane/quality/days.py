"""What the records of one object of a source were like on one day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

WEEKS: Final = 12
"""weeks before, with which a day is compared"""


@dataclass(frozen=True)
class FieldFigures:
    """Of one field on one day: records looked at, values there, values emptied as unusable, different ones.

    `shape`: kind of value -> count; of numbers also 5, 25, 50, 75 and 95 % of them are not above `quantiles`.
    """

    looked: int
    filled: int
    emptied: int = 0
    distinct: int = 0
    shape: Mapping[str, int] = field(default_factory=dict)
    quantiles: tuple[float, ...] = ()

    @property
    def missing(self) -> int:
        return self.looked - self.filled - self.emptied


@dataclass(frozen=True)
class Day:
    """One object of one source on one day (UTC): records, those in quarantine, and its fields."""

    day: date
    source: str
    object: str
    rows: int
    quarantined: int = 0
    looked: int = 0
    """usable records whose fields were looked at"""
    fields: Mapping[str, FieldFigures] = field(default_factory=dict)
