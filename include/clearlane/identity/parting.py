"""Records that hang together by keys although a person said that two of them are two people.

The ties are taken from the strongest to the weakest, and one that would bring two together whom a person keeps
apart is left out: so the groups follow from the records alone, whatever came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

Tie = tuple[int, str, str]
"""strength (0 is the strongest), kind and value"""


def groups(
    numbers: Mapping[UUID, int], ties: Mapping[Tie, Sequence[UUID]], apart: Mapping[UUID, set[UUID]]
) -> dict[UUID, int]:
    """The smallest number of each record's group; `apart`: of a record those that it is never together with."""
    together = _Together(numbers, apart)
    for tie in sorted(ties):
        held: list[UUID] = []
        for record in sorted(ties[tie], key=numbers.__getitem__):
            if not any(together.join(one, record) for one in held):
                held.append(record)
    return {record: numbers[min(members, key=numbers.__getitem__)] for record, members in together.of.items()}


class _Together:
    def __init__(self, records: Mapping[UUID, int], apart: Mapping[UUID, set[UUID]]) -> None:
        self.of = {record: {record} for record in records}
        self.apart = apart

    def join(self, one: UUID, other: UUID) -> bool:
        """Whether the two are in one group now."""
        first, second = self.of[one], self.of[other]
        if first is second:
            return True
        if any(self.apart.get(record, set()) & second for record in first):
            return False
        joined = first | second
        self.of.update(dict.fromkeys(joined, joined))
        return True
